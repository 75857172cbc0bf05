"""Ports that fail while they are watched, and what watches on: by command and by policy, with nothing in flight lost."""

import json
import re
import threading
import time

import pytest

from framework.linejudge import DEMO, appliance, flows, read_pcap, replay, verify, wait_for, write_pcap
from framework.netns import FAR, HOST, IN_HOST, cable, ip, send, two_hosts

NEAR, THERE = "ljx0", "ljx1"
SPARE, SPARE_THERE = "ljx2", "ljx3"
PREFIX = "lj-dts-failover"
# Its ring has room for all of a case's frames, however late the worker.
AF_PACKET = f"net_af_packet0,iface={NEAR},framecnt=4096"
FRAMES = 1000


@pytest.fixture(autouse=True)
def hosts():
    """Two cables of two queues: AF_XDP, which would take a queue's frames, is refused there."""
    with two_hosts():
        cable(NEAR, THERE, queues=2)
        cable(SPARE, SPARE_THERE, queues=2)
        yield


def demo_frames(first=0, n=FRAMES):
    return [data[16:] for _, data in read_pcap(DEMO)[1][first:first + n]]


def watched(name, capture=None, **port):
    return {"capture": {"ports": [{"name": name, **port}], **(capture or {})}, "models": []}


def port(telemetry):
    """What `show port failover` says of the port."""
    (answer,) = telemetry.ask("/linejudge/show/port/failover").values()
    return answer


def fail_over(telemetry, way=""):
    (answer,) = telemetry.ask(f"/linejudge/port/failover,0{',' if way else ''}{way}").values()
    return answer


def until(process, telemetry, what, **wanted):
    """Until the port is as wanted; its answer."""
    def seen():
        now = port(telemetry)
        if any(now[key] != value for key, value in wanted.items()):
            raise OSError(f"{what}: {now}, not {wanted}")
        return now

    return wait_for(seen, process)


def received(process, telemetry, n):
    """Until the roles have taken n packets; the port's numbers."""
    def seen():
        taken = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
        if taken < n:
            raise OSError(f"{taken} of {n}")

    wait_for(seen, process)
    return next(iter(telemetry.ask("/linejudge/show/port/stats").values()))


def ended(process):
    """Asks for the end; the summary, with a ledger that balances, and the log."""
    process.terminate()
    out, err = process.communicate(timeout=60)
    verify(process.returncode == 0, f"exit {process.returncode}: {err}")
    summary = json.loads(out)
    verify(summary["ledger"]["balanced"], f"{summary['ledger']}")
    return summary, err


class TestByCommand:
    @pytest.mark.parametrize("name,way,then", [
        (AF_PACKET, "xdp", "net_af_packet"), (f"xdp:{NEAR}", "af_packet", "xdp"), (f"xdp:{NEAR},mode=generic", "", "xdp"),
        (f"auto:{NEAR}", "", "xdp"),
    ])
    def test_records_live_on(self, tmp_path, name, way, then):
        """
        Steps: send frames; fail the port over, to the way named or the next; send the frames that follow; fail it over back again;
            send the rest.
        Verify: every frame is counted, on the port too; the flows are those of the replay: they see no change; the way, the way
            before and the blind time are told and logged; the ledger balances.
        """
        live, still = tmp_path / "live.json", tmp_path / "still.json"
        with appliance(tmp_path, {**watched(name), "eve": {"target": str(live)}}, PREFIX, IN_HOST) as (process, telemetry):
            first = port(telemetry)
            verify(first["state"] == "well" and first["failovers"] == 0 and first["at"] == "-", f"{first}")
            for part, asked in enumerate((way, then, None)):
                send(THERE, demo_frames(part * FRAMES))
                stats = received(process, telemetry, (part + 1) * FRAMES)
                if asked is not None:
                    verify("requested" in fail_over(telemetry, asked), "not requested")
                    now = until(process, telemetry, "fail-over", failovers=part + 1, state="well")
                    verify(now["why"] == "by command" and now["at"] != "-", f"{now}")
                    verify(0 < now["blind_us"] <= now["worst_blind_us"] < 60_000_000, f"{now}")
            verify(now["way"] == then, f"{now}")
            verify(stats["received"] == 3 * FRAMES, f"{stats}")
            _, log = ended(process)
        verify(len(re.findall(r"failed over from \w+ to \w+ \(by command\), blind for [0-9.]+ ms", log)) == 2, log)
        write_pcap(tmp_path / "still.pcap", [(10**18 + i * 100_000, frame) for i, frame in enumerate(demo_frames(n=3 * FRAMES))])
        replay(tmp_path / "still.pcap", "--model", "none", "--eve", still)
        verify(flows(live) == flows(still), "flows live and in the replay differ")

    @pytest.mark.parametrize("workers", [1, 2])
    def test_under_traffic(self, tmp_path, workers):
        """
        Steps: send without a pause while the port is failed over six times, from the tap to net_af_packet and back.
        Verify: the ledger balances; what was taken is what the ports handed out, and no more than was sent.
        """
        config = {**watched(f"xdp:{NEAR}"), "lcores": {"workers": workers}}
        frames, over, sent = demo_frames(), threading.Event(), []

        def traffic():
            while not over.is_set():
                send(THERE, frames[:100])
                sent.append(100)

        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            sender = threading.Thread(target=traffic)
            sender.start()
            try:
                for n, way in enumerate(("af_packet", "xdp") * 3):
                    fail_over(telemetry, way)
                    until(process, telemetry, way, failovers=n + 1, state="well")
                    (came,) = telemetry.ask("/linejudge/show/port/stats").values()
                    received(process, telemetry, came["received"] + 1)
            finally:
                over.set()
                sender.join()
            summary, _ = ended(process)
        verify(0 < summary["packets"] <= sum(sent), f"{summary['packets']} of {sum(sent)}")

    def test_a_way_that_is_refused(self, tmp_path):
        """
        Steps: ask for DPDK's driver on an interface that is no PCI device; ask for ways and ports that there are not.
        Verify: the port is watched as before, and the log says why; each mistake is an answer that names it.
        """
        with appliance(tmp_path, watched(f"xdp:{NEAR}"), PREFIX, IN_HOST) as (process, telemetry):
            fail_over(telemetry, "driver")
            now = until(process, telemetry, "the way back", failovers=1, state="well")
            verify(now["way"] == "xdp", f"{now}")
            send(THERE, demo_frames(n=100))
            received(process, telemetry, 100)
            verify("fast is not one of driver" in fail_over(telemetry, "fast").replace(":", ""), "a way that there is not")
            for wrong in ("1", "0x", "", "one"):
                answer = telemetry.ask(f"/linejudge/port/failover,{wrong}")
                verify(list(answer) == ["error"], f"{wrong}: {answer}")
            _, log = ended(process)
        verify("not by driver: it is not a PCI device" in log, log)

    def test_without_root(self, tmp_path):
        """
        Steps: confine the service to a user, with capture.failover command; fail over to the tap and to net_af_packet.
        Verify: both go: the rights for it were kept.
        """
        config = {**watched(AF_PACKET, {"failover": "command"}), "service": {"user": "nobody"}}
        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            for n, way in enumerate(("xdp", "net_af_packet", "xdp")):
                fail_over(telemetry, way)
                until(process, telemetry, way, failovers=n + 1, state="well", way=way)
                send(THERE, demo_frames(n * 100, 100))
                received(process, telemetry, (n + 1) * 100)
            ended(process)


    def test_without_the_rights_for_it(self, tmp_path):
        """
        Steps: confine the service to a user, by the default policy, before a capture that only root may read; ask for a fail-over.
        Verify: refused with the reason, and the port is watched on: closed, it could not have been opened again.
        """
        capture = tmp_path / "capture.pcap"
        write_pcap(capture, [(n * 10**9, frame) for n, frame in enumerate(demo_frames(n=100))])
        capture.chmod(0o600)
        config = {**watched(f"net_pcap0,rx_pcap={capture}"), "service": {"user": "nobody"}}
        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            received(process, telemetry, 100)
            answer = telemetry.ask("/linejudge/port/failover,0")
            verify("capture.failover: is report" in answer.get("error", ""), answer)
            time.sleep(0.5)
            now = port(telemetry)
            verify(now["state"] == "well" and now["failovers"] == 0, f"{now}")
            ended(process)

    @pytest.mark.parametrize("before", ["off", "on"])
    def test_an_interface_is_left_as_it_was(self, tmp_path, before):
        """
        Steps: watch an interface by net_af_packet, which sets it promiscuous; end; with one that somebody had set so already.
        Verify: it is promiscuous meanwhile, and afterwards if it had been.
        """
        def promiscuous():
            return "on" if "PROMISC" in ip("-n", HOST, "link", "show", NEAR) else "off"

        ip("-n", HOST, "link", "set", NEAR, "promisc", before)
        with appliance(tmp_path, watched(AF_PACKET), PREFIX, IN_HOST) as (process, _):
            verify(promiscuous() == "on", "not promiscuous")
            ended(process)
        verify(promiscuous() == before, f"promiscuous: {promiscuous()}")


class TestByPolicy:
    AUTO = {"failover": "auto", "link_down_s": 0.3}

    @pytest.mark.parametrize("name", [f"xdp:{NEAR}", AF_PACKET])
    def test_an_interface_deleted_and_made_anew(self, tmp_path, name):
        """
        Steps: delete the interface while it is watched; make it anew a second later; send.
        Verify: the port is found dead and blind, then watched again; it was blind for that second at least; frames are counted;
            the tries meanwhile say nothing, DPDK's neither.
        """
        with appliance(tmp_path, watched(name, self.AUTO), PREFIX, IN_HOST) as (process, telemetry):
            send(THERE, demo_frames())
            received(process, telemetry, FRAMES)
            ip("-n", HOST, "link", "del", NEAR)
            until(process, telemetry, "the loss", state="blind", way="none")
            deleted = time.monotonic()
            time.sleep(1)
            gap_us = (time.monotonic() - deleted) * 1e6
            cable(NEAR, THERE, queues=2)
            now = until(process, telemetry, "the return", state="well", failovers=1)
            verify(now["why"].startswith("the interface is gone") and now["blind_us"] >= gap_us, f"{now}, {gap_us} us")
            send(THERE, demo_frames(FRAMES))
            stats = received(process, telemetry, 2 * FRAMES)
            verify(stats["received"] >= 2 * FRAMES, f"{stats}")
            _, log = ended(process)
        verify("Failed to attach device" not in log, log)

    @pytest.mark.parametrize("name", [AF_PACKET, "net_tap0,iface=ljtap0"])
    def test_another_interface_takes_over(self, tmp_path, name):
        """
        Steps: watch an interface, and one that net_tap has made, with a spare one; delete it; send to the spare.
        Verify: the spare is tapped; frames are counted.
        """
        with appliance(tmp_path, watched(name, self.AUTO, failover=SPARE), PREFIX, IN_HOST) as (process, telemetry):
            ip("-n", HOST, "link", "del", re.search("iface=(\\w+)", name)[1])
            now = until(process, telemetry, "the spare", state="well", failovers=1)
            verify(now["way"] == "xdp" and now["why"] == "the interface is gone", f"{now}")
            (before,) = telemetry.ask("/linejudge/show/port/stats").values()
            send(SPARE_THERE, demo_frames())
            received(process, telemetry, before["received"] + FRAMES)
            ended(process)

    def test_a_link_that_stays_down(self, tmp_path):
        """
        Steps: with a spare interface, take the link down for longer than capture.link_down_s; send to the spare; put the link up
            again and ask for the port as configured.
        Verify: the spare takes over, once, after that time and for that reason; the port comes back by command.
        """
        config = watched(f"xdp:{NEAR}", self.AUTO, failover=SPARE)
        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            until(process, telemetry, "the link", state="well")
            ip("-n", FAR, "link", "set", THERE, "down")
            until(process, telemetry, "the fall", state="link down")
            now = until(process, telemetry, "the spare", state="well", failovers=1)
            verify(now["why"] == "the link is down" and now["blind_us"] >= 300_000, f"{now}")
            send(SPARE_THERE, demo_frames())
            received(process, telemetry, FRAMES)
            ip("-n", FAR, "link", "set", THERE, "up")
            fail_over(telemetry, "configured")
            until(process, telemetry, "the port itself", state="well", failovers=2, way="xdp")
            send(THERE, demo_frames(FRAMES))
            received(process, telemetry, 2 * FRAMES)
            ended(process)

    def test_a_link_that_comes_back_in_time(self, tmp_path):
        """
        Steps: with a spare interface, take the link down and up again; capture.link_down_s is 60.
        Verify: both are told; nothing is failed over.
        """
        config = watched(f"xdp:{NEAR}", {"failover": "auto", "link_down_s": 60}, failover=SPARE)
        with appliance(tmp_path, config, PREFIX, IN_HOST) as (process, telemetry):
            until(process, telemetry, "the link", state="well")
            ip("-n", FAR, "link", "set", THERE, "down")
            until(process, telemetry, "the fall", state="link down")
            ip("-n", FAR, "link", "set", THERE, "up")
            now = until(process, telemetry, "the return", state="well")
            verify(now["failovers"] == 0 and now["ill_ms"] == 0, f"{now}")
            _, log = ended(process)
        verify("the link is down" in log and "well again" in log, log)

    def test_a_link_that_every_way_shares(self, tmp_path):
        """
        Steps: without a spare interface, take the link down for longer than capture.link_down_s, and up again.
        Verify: nothing is failed over, since no other way would have another link; frames are counted afterwards.
        """
        with appliance(tmp_path, watched(f"xdp:{NEAR}", {"failover": "auto", "link_down_s": 0.01}), PREFIX, IN_HOST) as (process, telemetry):
            until(process, telemetry, "the link", state="well")
            ip("-n", FAR, "link", "set", THERE, "down")
            until(process, telemetry, "the fall", state="link down")
            ip("-n", FAR, "link", "set", THERE, "up")
            now = until(process, telemetry, "the return", state="well")
            verify(now["failovers"] == 0 and now["way"] == "xdp", f"{now}")
            send(THERE, demo_frames())
            received(process, telemetry, FRAMES)
            ended(process)

    def test_by_default_a_loss_is_reported(self, tmp_path):
        """
        Steps: delete the interface under the default policy; make it anew; ask for the fail-over.
        Verify: the loss is told, with the command, and nothing is done until it is given.
        """
        with appliance(tmp_path, watched(f"xdp:{NEAR}"), PREFIX, IN_HOST) as (process, telemetry):
            ip("-n", HOST, "link", "del", NEAR)
            now = until(process, telemetry, "the loss", state="dead")
            verify(now["failovers"] == 0 and now["way"] == "xdp", f"{now}")
            cable(NEAR, THERE, queues=2)
            fail_over(telemetry)
            until(process, telemetry, "the return", state="well", failovers=1)
            send(THERE, demo_frames())
            received(process, telemetry, FRAMES)
            _, log = ended(process)
        verify(re.search('the interface is gone.*; "port failover 0" has it watched another way', log), log)

    @pytest.mark.parametrize("name", [f"xdp:{NEAR}", AF_PACKET])
    def test_port_info_tells_the_link(self, tmp_path, name):
        """
        Steps: under the default policy take the link down and up, and delete the interface; ask `show port info` each time.
        Verify: it says that the link is down, no longer so, and that the interface is gone.
        """
        def info():
            return next(iter(telemetry.ask("/linejudge/show/port/info").values()))

        with appliance(tmp_path, watched(name), PREFIX, IN_HOST) as (process, telemetry):
            ip("-n", FAR, "link", "set", THERE, "down")
            until(process, telemetry, "the fall", state="link down")
            verify("the link is down" in info() and "link up" not in info(), info())
            ip("-n", FAR, "link", "set", THERE, "up")
            until(process, telemetry, "the return", state="well")
            verify("link is down" not in info(), info())
            ip("-n", HOST, "link", "del", NEAR)
            until(process, telemetry, "the loss", state="dead")
            verify("the interface is gone" in info() and "link up" not in info(), info())

    def test_the_end_comes_while_it_is_blind(self, tmp_path):
        """
        Steps: delete the interface for good; ask for the end.
        Verify: the run ends well, with what was seen before.
        """
        with appliance(tmp_path, watched(f"xdp:{NEAR}", self.AUTO), PREFIX, IN_HOST) as (process, telemetry):
            send(THERE, demo_frames())
            received(process, telemetry, FRAMES)
            ip("-n", HOST, "link", "del", NEAR)
            until(process, telemetry, "the loss", state="blind")
            summary, _ = ended(process)
        verify(summary["packets"] == FRAMES, f"{summary['packets']}")
