"""IPFIX records as collectors of others read them: nfcapd of nfdump, and libfixbuf's ipfixDump."""

import contextlib
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from framework.ipfix import records
from framework.linejudge import DEMO, ROOT, TIMEOUT_S, appliance, error_line, events, replay, run, verify, wait_for
from framework.netns import FAR, HOST, IN_HOST, cable, inside, ip, two_hosts

MODEL = os.path.join(ROOT, "models", "default")
SO_RCVBUFFORCE = 33  # Python has no name for it
END = b"end"


@contextlib.contextmanager
def listening(path, address="127.0.0.1"):
    """Yields where messages are taken; afterwards they are in a file, one after the other: an IPFIX file (RFC 5655)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    messages = []
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        receiver.bind((address, 0))
        port = receiver.getsockname()[1]

        def take():
            while (message := receiver.recv(65535)) != END:
                messages.append(message)

        taker = threading.Thread(target=take)
        taker.start()
        try:
            yield f"[{address}]:{port}" if ":" in address else f"{address}:{port}", messages
        finally:
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.sendto(END, (address, port))
            taker.join()
            path.write_bytes(b"".join(messages))


def of_ipfix(record):
    """As of_eve()."""
    start, end = (record[f"flow{which}Milliseconds"].replace(" ", "T") for which in ("Start", "End"))
    version = "IPv4" if "sourceIPv4Address" in record else "IPv6"
    icmp = record.get(f"icmpTypeCode{version}")
    source, destination = (str(ipaddress.ip_address(record[f"{which}{version}Address"])) for which in ("source", "destination"))
    return (int(record["flowId"]), source, destination,
            int(record.get("sourceTransportPort", -1)), int(record.get("destinationTransportPort", -1)), start, end,
            *(int(record[name]) for name in ("packetDeltaCount", "reversePacketDeltaCount", "octetDeltaCount", "reverseOctetDeltaCount",
                                             "flowEndReason", "vlanId")),
            (int(record["tcpControlBits"]), int(record["reverseTcpControlBits"])) if "tcpControlBits" in record else None,
            divmod(int(icmp), 256) if icmp else None)


def of_eve(event):
    """Who, when, how much, and how it ended."""
    flow, tcp = event["flow"], event.get("tcp")
    return (event["flow_id"], event["src_ip"], event["dest_ip"], event.get("src_port", -1), event.get("dest_port", -1),
            flow["start"][:23], flow["end"][:23], flow["pkts_toserver"], flow["pkts_toclient"], flow["bytes_toserver"],
            flow["bytes_toclient"], event["ml"]["ipfix_end_reason"], event.get("vlan", [0])[0],
            (int(tcp["tcp_flags_ts"], 16), int(tcp["tcp_flags_tc"], 16)) if tcp else None,
            (event["icmp_type"], event["icmp_code"]) if "icmp_type" in event else None)


def flow_events(path):
    return [e for e in events(path) if e["event_type"] == "flow"]


def opinion(record):
    return (int(record["flowId"]), record["linejudgeClass"], record["linejudgeFamily"], record["linejudgeModel"],
            record["linejudgeAlert"] == "1", float(record["linejudgeScore"]), float(record["linejudgeThreshold"]))


class TestRecords:
    @pytest.mark.parametrize("address", ["127.0.0.1", "::1"], ids=["IPv4", "IPv6"])
    def test_they_say_what_eve_says(self, tmp_path, address):
        """
        Steps: score the demo capture, to EVE and to a collector by IPv4 and by IPv6; read what came with ipfixDump, which learns the names of
            our elements from the records that describe them.
        Verify: each flow is there with addresses, ports, times, counts, flags and reason, and with EVE's class, family, model, alert and
            scores; no message is over 1,400 bytes; sequence numbers count records; written are all.
        """
        path, eve = tmp_path / "out.ipfix", tmp_path / "eve.json"
        with listening(path, address) as (collector, messages):
            summary = replay(DEMO, "--model", MODEL, "--ipfix", collector, "--eve", eve)
        found, told = records(path), flow_events(eve)
        verify(sorted(map(of_ipfix, found)) == sorted(map(of_eve, told)), "flows differ from EVE's")
        verify(len(told) == summary["flows"] and summary["ledger"]["balanced"], summary)
        wanted = sorted((e["flow_id"], e["ml"]["class"], e["ml"].get("family", {}).get("name", ""), f"{e['ml']['model']} {e['ml']['version']}",
                         e["flow"]["alerted"], e["ml"]["score"], e["ml"]["threshold"]) for e in told)
        for ours, theirs in zip(sorted(map(opinion, found)), wanted):
            verify(ours[:5] == theirs[:5] and ours[5:] == pytest.approx(theirs[5:], rel=1e-5), f"{ours}, EVE {theirs}")
        verify(max(map(len, messages)) <= 1400, "a message is too long")
        sequence = [int.from_bytes(message[8:12], "big") for message in messages]
        verify(sequence == sorted(sequence) and sequence[-1] < len(found) + 6, f"{sequence}")

    @pytest.mark.parametrize("capture", ["vlan", "v6"])
    def test_of_other_networks(self, tmp_path, capture):
        """
        Steps: without a model, the demo's frames with a VLAN tag, and a capture of IPv6 with ICMPv6.
        Verify: the flows are EVE's, and there is no opinion in them.
        """
        pcap, path, eve = tmp_path / "in.pcap", tmp_path / "out.ipfix", tmp_path / "eve.json"
        make(capture, pcap)
        with listening(path) as (collector, _):
            replay(pcap, "--model", "none", "--ipfix", collector, "--eve", eve)
        found, told = records(path), flow_events(eve)
        verify(sorted(map(of_ipfix, found)) == sorted(map(of_eve, told)) and found, "flows differ from EVE's")
        verify(not any("linejudgeScore" in record for record in found), "an opinion without a model")
        verify(all("vlan" in e for e in told) if capture == "vlan" else any("icmp_type" in e for e in told), "the capture shows nothing")

    def test_of_alerts_alone(self, tmp_path):
        """
        Steps: ipfix.flows alerts, with an enterprise number and a domain of one's own.
        Verify: the alerts of the summary, and no others; the number and the domain are those.
        """
        path = tmp_path / "out.ipfix"
        with listening(path) as (collector, messages):
            summary = replay(DEMO, "--model", MODEL, "--ipfix", collector, "--set", "ipfix.flows=alerts", "--set", "ipfix.domain=77",
                             "--set", "ipfix.enterprise=4711")
        found = records(path)
        verify(len(found) == summary["alerts"] > 0 and all(record["linejudgeAlert"] == "1" for record in found), len(found))
        verify({int.from_bytes(message[12:16], "big") for message in messages} == {77}, "not that domain")
        verify(any((4711).to_bytes(4, "big") in message for message in messages), "not that number")


def make(kind, path):
    from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, TCP, UDP
    from scapy.layers.l2 import Dot1Q, Ether
    from scapy.utils import PcapReader, PcapWriter
    frames = []
    if kind == "vlan":
        with PcapReader(DEMO) as reader:
            for frame, _ in zip(reader, range(500)):
                frames.append(Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=42) / frame.payload)
                frames[-1].time = frame.time
    else:
        here, there = "2001:db8::1", "2001:db8::2:3"
        for n in range(20):
            for up in (True, False):
                ends = IPv6(src=here, dst=there) if up else IPv6(src=there, dst=here)
                ports = {"sport": 1000 + n, "dport": 53} if up else {"sport": 53, "dport": 1000 + n}
                for payload in (ICMPv6EchoRequest(id=n) if up else ICMPv6EchoReply(id=n), UDP(**ports) / b"abc",
                                TCP(**ports, flags="S" if up else "RA")):
                    frames.append(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ends / payload)
                    frames[-1].time = 1700000000 + len(frames) * 0.01
    with PcapWriter(str(path)) as writer:
        for frame in frames:
            writer.write(frame)


def watching():
    """A configuration that watches the demo's packets over and over, confined."""
    return {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1"}]}, "models": [], "service": {"user": "nobody"},
            "flow": {"idle_timeout_s": 1, "active_timeout_s": 1, "capacity": 65536}, "eal": {"huge": "off"}}


def first_from(receiver, address):
    """The next message from there, whatever comes from elsewhere before."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        message, (source, _) = receiver.recvfrom(65535)
        if source == address:
            return message
    raise TimeoutError(f"nothing came from {address}")


class TestCollector:
    def test_nfcapd_counts_the_same(self, tmp_path):
        """
        Steps: nfcapd listens; replay the demo capture to it; read its file with nfdump.
        Verify: flows, packets of both directions and bytes are EVE's; no sequence error, no message that it does not understand.
        """
        eve, folder = tmp_path / "eve.json", tmp_path / "nf"
        folder.mkdir()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with subprocess.Popen(["nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(port), "-B", "8000000", "-t", "3600"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as nfcapd:
            while "Startup" not in nfcapd.stdout.readline():
                verify(nfcapd.poll() is None, "nfcapd has ended")
            replay(DEMO, "--model", MODEL, "--ipfix", f"127.0.0.1:{port}", "--eve", eve)
            time.sleep(0.5)
            nfcapd.send_signal(signal.SIGTERM)
            said, _ = nfcapd.communicate(timeout=TIMEOUT_S)
        told = [e["flow"] for e in flow_events(eve)]
        verify("Sequence Errors: 0, Bad Packets: 0" in said, said)
        sums = subprocess.run(["nfdump", "-R", str(folder), "-I"], stdout=subprocess.PIPE, text=True, check=True).stdout
        counts = {name: int(number) for name, number in re.findall(r"^(\w+): (\d+)$", sums, flags=re.M)}
        verify(counts["Flows"] == len(told), f"{counts}")
        verify(counts["Packets"] == sum(f["pkts_toserver"] + f["pkts_toclient"] for f in told), f"{counts}")
        verify(counts["Bytes"] == sum(f["bytes_toserver"] + f["bytes_toclient"] for f in told), f"{counts}")

    def test_one_that_comes_later_is_told_the_templates(self, tmp_path):
        """
        Steps: watch a port as a service user, confined; templates every second; drop what comes for a while, and listen only then.
        Verify: what came since is read without a look at what came before.
        """
        path = tmp_path / "late.ipfix"
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1"}]}, "models": [MODEL],
                  "flow": {"idle_timeout_s": 1, "active_timeout_s": 1, "capacity": 65536}, "service": {"user": "nobody"}, "eal": {"huge": "off"}}
        with listening(path) as (collector, messages):
            config["ipfix"] = {"collector": collector, "templates_s": 1}
            with appliance(tmp_path, config, "lj-dts-ipfix") as (process, _):
                def sent(what, since):
                    if len(messages) <= since:
                        raise OSError(f"no {what} message")

                wait_for(lambda: sent("first", 0), process)
                time.sleep(1.5)
                messages.clear()
                wait_for(lambda: sent("later", 5), process)
                time.sleep(1.5)
        # The first set of a message that tells templates is 2, or 3 of options'.
        first = next(i for i, message in enumerate(messages) if message[16:18] == b"\0\3")
        path.write_bytes(b"".join(messages[first:first + 500]))
        verify(len(records(path)) > 0, "nothing was read")

    def test_nobody_listens(self, tmp_path):
        """
        Steps: replay to a port where nobody listens.
        Verify: it is said, once; the replay succeeds, and EVE is whole.
        """
        eve = tmp_path / "eve.json"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        done = run("--pcap", DEMO, "--model", "none", "--ipfix", f"127.0.0.1:{port}", "--eve", str(eve), "--summary", "json")
        verify(done.returncode == 0, done.stderr)
        verify(done.stderr.count("no collector listens there") == 1, done.stderr)
        verify(len(flow_events(eve)) == 2062, "EVE is not whole")

    def test_the_network_comes_later(self, tmp_path):
        """
        Steps: in a host without any network, watch a port as a service user; when a message was lost, give the host its network.
        Verify: it says that there is no route, and counts what is lost; records are sent from then on.
        """
        config = {**watching(), "ipfix": {"collector": "127.0.0.1:4739"}}
        with two_hosts(), appliance(tmp_path, config, "lj-dts-ipfix-net", IN_HOST) as (process, telemetry):
            def counted(what):
                (sink,) = telemetry.ask("/linejudge/show/sink/stats").values()
                if sink[what] == 0:
                    raise OSError(f"{sink}")
                return sink

            verify(wait_for(lambda: counted("lost"), process)["written"] == 0, "sent without a network")
            ip("-n", HOST, "link", "set", "lo", "up")
            wait_for(lambda: counted("written"), process)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=TIMEOUT_S)
        verify("Network is unreachable; sending will be retried" in said, said)

    def test_the_hosts_address_changes(self, tmp_path):
        """
        Steps: as a service user, confined, watch a port and send to a collector across a cable; once it has received, give the host another address
            instead of the one that it had.
        Verify: messages come from the new one, beginning with templates.
        """
        config = {**watching(), "ipfix": {"collector": "10.9.0.1:4739", "templates_s": 86400}}
        with two_hosts():
            cable("lj0", "ljfar0")
            ip("-n", FAR, "address", "add", "10.9.0.1/24", "dev", "ljfar0")
            ip("-n", HOST, "address", "add", "10.9.0.2/24", "dev", "lj0")
            with inside(FAR), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
                receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
                receiver.bind(("10.9.0.1", 4739))
                receiver.settimeout(TIMEOUT_S)
                with appliance(tmp_path, config, "lj-dts-ipfix-address", IN_HOST):
                    first_from(receiver, "10.9.0.2")
                    ip("-n", HOST, "address", "del", "10.9.0.2/24", "dev", "lj0")
                    ip("-n", HOST, "address", "add", "10.9.0.3/24", "dev", "lj0")
                    message = first_from(receiver, "10.9.0.3")
        verify(int.from_bytes(message[16:18], "big") < 256, "records before their templates")

    def test_a_narrow_path(self, tmp_path):
        """
        Steps: watch a port, and send to a collector behind a router whose far side takes 1,000 bytes at once.
        Verify: nothing is lost and nothing is said of it; the parts of messages go on.
        """
        config = {**watching(), "ipfix": {"collector": "10.9.1.1:4739"}}
        with two_hosts():
            cable("lj0", "ljfar0")
            for words in ("address add 10.9.0.1/24 dev ljfar0", "link add ljnarrow mtu 1000 type veth peer name ljend", "link set ljend up",
                          "link set ljnarrow up", "address add 10.9.1.2/24 dev ljnarrow", "neighbor add 10.9.1.1 lladdr 02:00:00:00:00:09 dev ljnarrow"):
                ip("-n", FAR, *words.split())
            ip("-n", HOST, "address", "add", "10.9.0.2/24", "dev", "lj0")
            ip("-n", HOST, "route", "add", "default", "via", "10.9.0.1")
            with inside(FAR), open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                file.write("1")
            with appliance(tmp_path, config, "lj-dts-ipfix-narrow", IN_HOST) as (process, telemetry):
                def sink():
                    (found,) = telemetry.ask("/linejudge/show/sink/stats").values()
                    if found["written"] + found["lost"] < 1000:
                        raise OSError(f"{found}")
                    return found

                counts = wait_for(sink, process)
                passed = json.loads(ip("-n", FAR, "-s", "-j", "link", "show", "dev", "ljnarrow"))[0]["stats64"]["tx"]["bytes"]
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=TIMEOUT_S)
        verify(counts["lost"] == 0 and "Message too long" not in said, f"{counts} {said}")
        verify(passed >= counts["bytes"] > 1400, f"{passed} bytes went on, of {counts}")

    @pytest.mark.parametrize("collector", ["nosuchhost.invalid:4739", "127.0.0.1:", "[::1", ":4739", "127.0.0.1:99999", "[::1]x", "127.0.0.1:ipfix",
                                           "127.0.0.1:0", "[fe80::1]:4739"],
                             ids=["no such host", "no port", "no end", "no host", "no such port", "more", "a name", "port 0", "link-local"])
    def test_mistakes(self, collector):
        """
        Steps: collectors that cannot be; the same in a dry run.
        Verify: one line says so and names the key; a dry run refuses all but the name that nobody knows.
        """
        line = error_line(run("--pcap", DEMO, "--model", "none", "--ipfix", collector))
        verify(line.startswith("linejudge: ipfix.collector: ") and collector in line, line)
        dry = run("--pcap", DEMO, "--model", "none", "--ipfix", collector, "--dry-run")
        verify(dry.returncode == (0 if "nosuchhost" in collector else 1), dry.stderr)

    def test_the_enterprise_of_reverse_elements(self):
        """
        Steps: ipfix.enterprise 29305, which has the reverse elements of RFC 5103; the same in a dry run.
        Verify: both refuse it in one line that names the key.
        """
        words = ("--pcap", DEMO, "--model", "none", "--ipfix", "127.0.0.1", "--set", "ipfix.enterprise=29305")
        for line in (error_line(run(*words)), error_line(run(*words, "--dry-run"))):
            verify(line.startswith("linejudge: ipfix.enterprise: 29305 "), line)
