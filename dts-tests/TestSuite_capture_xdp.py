"""The XDP tap: an interface that the host goes on using, watched without losing or changing anything."""

import datetime
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from framework.linejudge import (BINARY, DEMO, TIMEOUT_S, Telemetry, appliance, error_line, events, flows, polling, read_pcap, replay, run, verify,
                                 wait_for, write_pcap)
from framework.netns import FAR, HOST, IN_HOST, cable, inside, ip, link, programs, send, tagging_switch, two_hosts

FRAMES = 3000
NEAR, THERE = "ljx0", "ljx1"
PREFIX = "lj-dts-xdp"


@pytest.fixture(autouse=True)
def hosts():
    with two_hosts():
        cable(NEAR, THERE, queues=2)
        yield


def demo_frames():
    return [data[16:] for _, data in read_pcap(DEMO)[1][:FRAMES]]


def udp_frame(length):
    """Of a flow of its own for each length."""
    head = (bytes.fromhex("ffffffffffff0200000000010800") + bytes([0x45, 0]) + (length - 14).to_bytes(2, "big")
            + bytes.fromhex("00000000401100000a0000010a000002") + (1024 + length).to_bytes(2, "big") + b"\x1f\x90"
            + (length - 34).to_bytes(2, "big") + b"\0\0")
    return head + random.Random(length).randbytes(length - len(head))


def tap(name=f"xdp:{NEAR}", **port):
    return {"capture": {"ports": [{"name": name, **port}]}, "models": []}


def ask_port(telemetry, what, name=f"xdp:{NEAR}"):
    """Telemetry's names have no punctuation."""
    return telemetry.ask(f"/linejudge/show/port/{what}")[re.sub("[^A-Za-z0-9_/]", "_", name)]


def wait_until_seen(telemetry, process, n, name=f"xdp:{NEAR}"):
    """Until received and missed are n together; more would be an error."""
    def seen():
        stats = ask_port(telemetry, "stats", name)
        if stats["received"] + stats["imissed"] < n:
            raise OSError(f"{stats} of {n}")
        return stats

    return wait_for(seen, process)


def same_flows_as_replay(tmp_path, name, frames, plug=THERE):
    live, still = tmp_path / "live.json", tmp_path / "still.json"
    with appliance(tmp_path, {**tap(name), "eve": {"target": str(live)}}, PREFIX, IN_HOST) as (process, telemetry):
        info = ask_port(telemetry, "info", name)
        send(plug, frames)
        stats = wait_until_seen(telemetry, process, len(frames), name)
    verify(process.returncode == 0, f"exit {process.returncode}")
    verify(stats["received"] == len(frames) and stats["imissed"] == 0, f"{stats} of {len(frames)} frames")
    verify(stats["bytes"] == sum(map(len, frames)), f"{stats['bytes']} bytes of {sum(map(len, frames))}")
    write_pcap(tmp_path / "still.pcap", [(10**18 + i * 100_000, frame) for i, frame in enumerate(frames)])
    replay(tmp_path / "still.pcap", "--model", "none", "--eve", still)
    verify(flows(live) == flows(still), "flows live and in the replay differ")
    return info, live


class TestTap:
    def test_native(self, tmp_path):
        """
        Steps: tap one end of a veth pair; send 3,000 frames at the other.
        Verify: each is counted, bytes too; flows are those of the replay; the mode is native.
        """
        info, live = same_flows_as_replay(tmp_path, f"xdp:{NEAR}", demo_frames())
        verify("native mode" in info, info)
        verify({e["in_iface"] for e in events(live)} == {NEAR}, "in_iface is not the interface")

    def test_generic(self, tmp_path):
        """
        Steps: the same in generic mode.
        Verify: the same.
        """
        info, _ = same_flows_as_replay(tmp_path, f"xdp:{NEAR},mode=generic", demo_frames())
        verify("generic mode" in info, info)

    @pytest.mark.parametrize("mode", ["native", "generic"])
    def test_vlan(self, tmp_path, mode):
        """
        Steps: send the frames with a VLAN tag, and with two.
        Verify: the flows are those of the replay, and carry the VLAN.
        """
        tagged = [frame[:12] + bytes.fromhex("8100002a") + frame[12:] for frame in demo_frames()[:500]]
        stacked = [frame[:12] + bytes.fromhex("88a80007") + frame[12:] for frame in tagged]
        _, live = same_flows_as_replay(tmp_path, f"xdp:{NEAR},mode={mode}", tagged + stacked)
        vlans = {vlan for e in events(live) for vlan in e.get("vlan", [])}
        verify(vlans <= {7, 42} and vlans, f"VLANs {vlans}")

    @pytest.mark.parametrize("name", [f"xdp:{NEAR},mode=native", f"xdp:{NEAR},mode=generic",
                                      f"net_af_packet0,iface={NEAR},framecnt=2048"])
    def test_offloaded_vlan(self, tmp_path, name):
        """
        Steps: send the frames with a VLAN tag, and with two, through a switch that takes the outer one out of the frame and
            leaves it beside it, as a NIC does.
        Verify: bytes and flows are those of the replay of the tagged frames, and carry the VLAN.
        """
        tagging_switch(THERE, "ljx2")
        tagged = [frame[:12] + bytes.fromhex("8100602a") + frame[12:] for frame in demo_frames()[:1000]]
        stacked = [frame[:12] + bytes.fromhex("81000007") + frame[12:] for frame in tagged[500:]]
        tagged = tagged[:500]
        _, live = same_flows_as_replay(tmp_path, name, tagged + stacked, "ljx2")
        vlans = {vlan for e in events(live) for vlan in e.get("vlan", [None])}
        verify(vlans == {7, 42}, f"VLANs {vlans}")

    def test_any_length(self, tmp_path):
        """
        Steps: send UDP in frames of every length from 42 to 1514 bytes, so that each way of copying a frame's head is taken.
        Verify: bytes and flows are those of the replay.
        """
        same_flows_as_replay(tmp_path, f"xdp:{NEAR},snap=200", [udp_frame(length) for length in range(42, 1515)])

    @pytest.mark.parametrize("mode", ["native", "generic"])
    def test_jumbo(self, tmp_path, mode):
        """
        Steps: with an MTU of 9,000, send frames up to 9,014 bytes, which take several buffers.
        Verify: bytes and flows are those of the replay.
        """
        ip("-n", HOST, "link", "set", NEAR, "mtu", "9000")
        ip("-n", FAR, "link", "set", THERE, "mtu", "9000")
        frames = [udp_frame(length) for length in (42, 60, 191, 192, 193, 1514, 3000, 3500, 4000, 5000, 8192, 9014)]
        same_flows_as_replay(tmp_path, f"xdp:{NEAR},mode={mode}", frames)

    @pytest.mark.parametrize("mode", ["native", "generic"])
    def test_times(self, tmp_path, mode):
        """
        Steps: send five frames of one flow, 50 ms between them.
        Verify: the flow begins and ends within the time of sending, and lasts at least 200 ms: no packet has another poll's time.
        """
        name, live = f"xdp:{NEAR},mode={mode}", tmp_path / "live.json"
        with appliance(tmp_path, {**tap(name), "eve": {"target": str(live)}}, PREFIX, IN_HOST) as (process, telemetry):
            before = time.time()
            for _ in range(5):
                send(THERE, demo_frames()[:1])
                time.sleep(0.05)
            wait_until_seen(telemetry, process, 5, name)
            after = time.time()
        (flow,) = [e["flow"] for e in events(live) if e["event_type"] == "flow"]
        start, end = (datetime.datetime.strptime(flow[which], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() for which in ("start", "end"))
        verify(end - start >= 0.2, f"{flow}")
        verify(before - 0.001 <= start and end <= after + 0.001, f"{before} .. {after}: {flow}")

    def test_interfaces_and_queues(self, tmp_path):
        """
        Steps: tap two interfaces of two queues; send to both from every CPU, each of which has a ring of its own.
        Verify: each port counts what was sent to it.
        """
        cable("ljx2", "ljx3", queues=2)
        config = {"capture": {"ports": [{"name": f"xdp:{NEAR}", "leg": 0}, {"name": "xdp:ljx2", "leg": 1}]}, "models": []}
        frames = demo_frames()[:1000]
        cpus = sorted(os.sched_getaffinity(0))
        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            for cpu in cpus:
                send(THERE, frames, cpu)
                send("ljx3", frames[:700], cpu)
            one = wait_until_seen(telemetry, process, 1000 * len(cpus))
            two = wait_until_seen(telemetry, process, 700 * len(cpus), "xdp:ljx2")
        verify(one["received"] == 1000 * len(cpus) and two["received"] == 700 * len(cpus), f"{one}, {two}")

    def test_workers(self, tmp_path):
        """
        Steps: tap with two workers, which a spreader feeds from the tap's one queue.
        Verify: every frame arrives.
        """
        config = {**tap(), "lcores": {"workers": 2}}
        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            send(THERE, demo_frames())
            stats = wait_until_seen(telemetry, process, FRAMES)
            packets = telemetry.ask("/linejudge/show/packet/stats")
        verify(stats["received"] == FRAMES, f"{stats}")
        verify(packets["rx_packets"] == FRAMES and packets["spread_refused"] == 0, f"{packets}")

    @pytest.mark.parametrize("name", [f"xdp:{NEAR},mode=native", f"xdp:{NEAR},mode=generic", f"net_af_packet0,iface={NEAR},framecnt=64"])
    def test_overrun(self, tmp_path, name):
        """
        Steps: stop the process, so that nobody empties the rings of 64 slots; send 1,000 frames; let it go on.
        Verify: what was received and what was missed are 1,000 together, and no more was received than the rings hold.
        """
        with appliance(tmp_path, tap(name, descriptors=64), PREFIX, IN_HOST) as (process, telemetry):
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            send(THERE, demo_frames()[:1000])
            process.send_signal(signal.SIGCONT)
            stats = wait_until_seen(telemetry, process, 1000, name)
        verify(stats["received"] + stats["imissed"] == 1000, f"{stats}")
        verify(64 <= stats["received"] <= 64 * os.cpu_count(), f"{stats}")


class TestHost:
    @pytest.mark.parametrize("mode", ["native", "generic"])
    def test_traffic_goes_on(self, tmp_path, mode):
        """
        Steps: 500 UDP datagrams from the far end to an echo service behind the tapped interface.
        Verify: all come back; the tap saw each on its way in.
        """
        ip("-n", HOST, "address", "add", "198.18.7.1/24", "dev", NEAR)
        ip("-n", FAR, "address", "add", "198.18.7.2/24", "dev", THERE)
        with inside(HOST):
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("198.18.7.1", 7))
        with inside(FAR):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.settimeout(TIMEOUT_S)
            client.connect(("198.18.7.1", 7))

        def echo():
            for _ in range(500):
                server.sendto(*server.recvfrom(2048))

        live = tmp_path / "live.json"
        config = {**tap(f"xdp:{NEAR},mode={mode}"), "eve": {"target": str(live)}}
        with server, client, appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            service = threading.Thread(target=echo)
            service.start()
            for i in range(500):
                client.send(bytes([i % 256]) * 100)
                verify(client.recv(2048) == bytes([i % 256]) * 100, f"datagram {i} came back as another")
            service.join()
            wait_until_seen(telemetry, process, 500, f"xdp:{NEAR},mode={mode}")
        verify([e["flow"]["pkts_toserver"] for e in events(live) if e.get("dest_port") == 7] == [500], "not 500 packets on their way in")

    @pytest.mark.parametrize("mode", ["native", "generic"])
    @pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
    def test_nothing_is_left(self, tmp_path, mode, end):
        """
        Steps: tap, promiscuously; end the process in good order, and by kill -9.
        Verify: while it runs the program is on the interface; afterwards there is no program, and no promiscuous mode.
        """
        before = programs()
        with appliance(tmp_path, tap(f"xdp:{NEAR},mode={mode}"), PREFIX, IN_HOST) as (process, _):
            during = link(NEAR)
            loaded = [name for number, name in programs().items() if number not in before]
            sees_tags = "tap_tags" if mode == "native" else "received"
            verify({"polled", "tap"} <= set(loaded) <= {"polled", "tap", sees_tags}, f"{loaded}")
            verify("xdp" in during and during["promiscuity"] == 1, f"{during}")
            verify(during["xdp"]["mode"] == (1 if mode == "native" else 2), f"{during['xdp']}")
            process.send_signal(end)
            process.wait(TIMEOUT_S)
            after = link(NEAR)
            verify("xdp" not in after and after["promiscuity"] == 0, f"{after}")

        def gone():
            left = set(programs()) - set(before)
            if left:
                raise OSError(f"programs {left} are left")

        # The kernel frees a program a while after its last user has gone.
        with subprocess.Popen(["sleep", str(TIMEOUT_S)]) as alive:
            wait_for(gone, alive)
            alive.kill()


class TestDesk:
    def watched_at_a_desk(self, *within):
        with subprocess.Popen([*IN_HOST, *within, BINARY, "--iface", NEAR, "--model", "none", "--interactive"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/") as process:
            # The prompt comes after the tap, and the answer once the capture runs.
            process.stdin.write("show lcores\n")
            process.stdin.flush()
            while "polls" not in process.stdout.readline():
                verify(process.poll() is None, "ended")
            send(THERE, demo_frames()[:100])
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT_S)
        verify(process.returncode == 0, f"exit {process.returncode}: {err}")
        # What comes in the last moment before the end is asked for may stay in the ring.
        verify(1 <= int(re.search(r"(\d+) packets", out)[1]) <= 100, out)

    def test_iface(self):
        """
        Steps: linejudge --iface; send 100 frames; Ctrl-C.
        Verify: it prints the summary and succeeds.
        """
        with subprocess.Popen([*IN_HOST, BINARY, "--iface", NEAR, "--model", "none"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            telemetry = wait_for(lambda: Telemetry(f"linejudge-{NEAR}"), process)
            wait_for(lambda: polling(telemetry), process)
            send(THERE, demo_frames()[:100])
            wait_until_seen(telemetry, process, 100)
            telemetry.close()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT_S)
        verify(process.returncode == 0, f"exit {process.returncode}: {err}")
        verify(out.startswith("100 packets"), out)

    def test_no_privileges(self):
        """
        Steps: the same as nobody.
        Verify: one line says what is needed.
        """
        line = error_line(run("--iface", "lo", "--model", "none", user=65534, group=65534, extra_groups=[], cwd="/"))
        verify("needs root, or the capabilities CAP_BPF" in line, line)

    def test_least_privileges(self):
        """
        Steps: as nobody with the four capabilities alone; send 100 frames; Ctrl-C.
        Verify: frames are counted.
        """
        capabilities = "-all,+bpf,+perfmon,+net_admin,+net_raw"
        self.watched_at_a_desk("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", f"--inh-caps={capabilities}",
                               f"--ambient-caps={capabilities}", "--bounding-set", capabilities)

    @pytest.mark.parametrize("name,said", [("nosuch0", "there is no interface nosuch0"), ("lo,mode=fast", "mode=fast"),
                                           ("lo,snap=241", "snap=64..240"), ("", "not the name of an interface")])
    def test_mistakes(self, name, said):
        """
        Steps: an interface that is not there; options that there are not.
        Verify: one line says so.
        """
        line = error_line(run("--iface", name, "--model", "none"))
        verify(said in line, line)

    def test_another_program(self, tmp_path):
        """
        Steps: tap an interface twice.
        Verify: the second is refused and told why; the first goes on.
        """
        with appliance(tmp_path, tap(), PREFIX, IN_HOST) as (process, telemetry):
            second = subprocess.run([*IN_HOST, BINARY, "--iface", NEAR, "--model", "none"], stderr=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False)
            verify("another XDP program is on the interface" in error_line(second), second.stderr)
            send(THERE, demo_frames()[:100])
            verify(wait_until_seen(telemetry, process, 100)["received"] == 100, "the first tap lost its frames")


class TestAuto:
    """A port given as auto:NAME."""

    def watched(self, tmp_path, interface, far, config=None):
        """Runs, sends 100 frames, and returns what the port says of itself, with refusals by the way refused."""
        name = f"auto:{interface}"
        with appliance(tmp_path, config or tap(name), PREFIX + "-auto", IN_HOST) as (process, telemetry):
            before = ask_port(telemetry, "stats", name)["received"]
            send(far, demo_frames()[:100])
            stats = wait_until_seen(telemetry, process, before + 100, name)
            info = telemetry.ask("/linejudge/show/port/info")
        verify(stats["received"] == before + 100, f"{stats}")
        key = re.sub("[^A-Za-z0-9_/]", "_", name)
        return info[key], {name.removeprefix(f"{key}_not_by_"): why for name, why in info.items() if name not in (key, "conversations")}

    def test_of_the_hosts_own_interface(self, tmp_path):
        """
        Steps: give the interface an address; watch it as auto.
        Verify: it is tapped, and both refusals are shown with their reasons.
        """
        ip("-n", HOST, "address", "add", "198.18.7.1/24", "dev", NEAR)
        info, refused = self.watched(tmp_path, NEAR, THERE)
        verify(info.startswith(f"XDP tap of {NEAR}, native mode"), info)
        verify(refused == {"driver": "it is not a PCI device",
                           "net_af_xdp": "the host uses it (198.18.7.1), and AF_XDP would take its frames away"}, f"{refused}")

    def test_of_an_idle_interface(self, tmp_path):
        """
        Steps: watch an interface of one queue and no address as auto.
        Verify: it is net_af_xdp's.
        """
        cable("ljx2", "ljx3")
        info, refused = self.watched(tmp_path, "ljx2", "ljx3")
        verify(info.startswith("net_af_xdp") and list(refused) == ["driver"], f"{info}, {refused}")

    def test_of_an_interface_with_another_program(self, tmp_path):
        """
        Steps: tap the interface by another process; watch it as auto.
        Verify: net_af_packet watches it; three refusals.
        """
        with appliance(tmp_path, tap(), PREFIX, IN_HOST):
            info, refused = self.watched(tmp_path, NEAR, THERE)
        verify(info.startswith("net_af_packet"), info)
        verify("2 receive queues" in refused["net_af_xdp"] and "another XDP program" in refused["xdp"], f"{refused}")

    def test_of_nothing(self, tmp_path):
        """
        Steps: name an interface that there is not.
        Verify: one line says so.
        """
        line = error_line(run("--set", 'capture.ports=[{"name":"auto:nosuch0"}]', "--model", "none"))
        verify("there is no interface nosuch0" in line, line)
