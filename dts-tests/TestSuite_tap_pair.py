"""Two legs of one tapped link: both directions of a flow meet in one record, on one worker, whatever the lcores and queues."""

import contextlib
import struct
from random import Random

import pytest

from framework.linejudge import DEMO, appliance, flows, read_pcap, replay, verify, wait_for, write_pcap
from framework.toeplitz import queue_of

TALKS, PACKETS = 400, 1600


def tcp(src, dst, sport, dport, flags=0x10, seq=1):
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, src, dst)
    return b"\x02" * 12 + b"\x08\x00" + ip + struct.pack(">HHIIBBHHH", sport, dport, seq, 1, 0x50, flags, 512, 0, 0)


def talks():
    """What each leg carries: conversations of two packets each way; in each, the answer is 20 us after the question."""
    legs, time_ns, random = ([], []), 10**18, Random(6)
    for i in range(TALKS):
        ends, port = (bytes([10, 0, i >> 8, i & 255]), bytes([192, 168, 0, 1])), random.randrange(1024, 65536)
        asks = i & 1
        for step, flags in enumerate((0x02, 0x12, 0x10, 0x18)):
            way = step & 1
            ports = (port, 80) if way == 0 else (80, port)
            legs[asks ^ way].append((time_ns, tcp(*(ends if way == 0 else ends[::-1]), *ports, flags)))
            time_ns += 20_000
    return legs


@contextlib.contextmanager
def watched(tmp_path, ports, workers):
    """Live on these ports, which bring all talks, ordered by time; EVE in live.json. The block has them all."""
    config = {"capture": {"ports": ports, "tap_reorder_us": 100000}, "lcores": {"workers": workers}, "models": [],
              "eve": {"target": str(tmp_path / "live.json")}}
    with appliance(tmp_path, config, "lj-dts-tap") as (process, telemetry):
        def all_came():
            if telemetry.ask("/linejudge/show/packet/stats")["parse_accepted"] < PACKETS:
                raise OSError("not yet")

        wait_for(all_came, process)
        yield telemetry
    verify(process.returncode == 0, f"exit {process.returncode}")


class TestTapPair:
    def set_up_suite(self):
        """The legs as captures, and the flows of their replay as a tap."""
        self.legs = [write_pcap(self.suite_path / f"leg{i}.pcap", leg) for i, leg in enumerate(talks())]
        still = self.suite_path / "still.json"
        replay(self.legs[0], "--pcap", self.legs[1], "--tap", "--model", "none", "--eve", still)
        self.wanted = flows(still)
        verify(len(self.wanted) == TALKS and all(flow[5] == flow[6] == 2 for flow in self.wanted), "not two packets each way")

    @pytest.mark.parametrize("workers", [1, 2])
    def test_live_legs_give_the_flows_of_their_replay(self, tmp_path, workers):
        """
        Steps: both legs as live ports, ordered by time; then both replayed as a tap.
        Verify: the same flows, with the same initiators.
        """
        ports = [{"name": f"net_pcap{i},rx_pcap={leg}", "leg": i} for i, leg in enumerate(self.legs)]
        with watched(tmp_path, ports, workers) as telemetry:
            late = telemetry.ask("/linejudge/show/counters")["reorder_late"]
        verify(late == 0, f"{late} came late")
        verify(flows(tmp_path / "live.json") == self.wanted, "live and replay differ")

    def test_both_directions_come_to_one_worker(self, tmp_path):
        """
        Steps: deal each leg to two queues as a NIC with the symmetric key does; watch both legs by two workers, queue q by worker q.
        Verify: each worker has packets of both legs; every flow is one record, with both directions.
        """
        ports = []
        for i, leg in enumerate(talks()):
            paths = [write_pcap(tmp_path / f"leg{i}queue{q}.pcap", [f for f in leg if queue_of(f[1], 2) == q]) for q in range(2)]
            ports.append({"name": f"net_pcap{i}," + ",".join(f"rx_pcap={path}" for path in paths), "leg": i, "queues": 2})
        with watched(tmp_path, ports, 2) as telemetry:
            for port in range(2):
                queues = telemetry.ask(f"/linejudge/show/port/queues,{port}")
                verify([queue["role"] for queue in queues.values()] == ["worker0", "worker1"], f"{queues}")
                verify(all(queue["packets"] > PACKETS / 8 for queue in queues.values()), f"{queues}")
        verify(flows(tmp_path / "live.json") == self.wanted, "flows are parted")

    def test_the_legs_of_a_capture_are_one_link(self, tmp_path):
        """
        Steps: split the demo capture by direction (lower source address first) into two files; replay them with --tap.
        Verify: the same flows as from the one file, byte by byte.
        """
        header, frames = read_pcap(DEMO)
        legs = [tmp_path / "leg0.pcap", tmp_path / "leg1.pcap"]
        for leg, path in enumerate(legs):
            chosen = [f for _, f in frames if (f[16 + 26:16 + 30] < f[16 + 30:16 + 34]) == (leg == 0)]
            path.write_bytes(header + b"".join(chosen))
        one, tapped = tmp_path / "one.csv", tmp_path / "tapped.csv"
        replay(DEMO, "--model", "none", "--features", one)
        replay(legs[0], "--pcap", legs[1], "--tap", "--model", "none", "--features", tapped)
        key = lambda line: line.split(b",")[0]
        verify(sorted(one.read_bytes().splitlines(), key=key) == sorted(tapped.read_bytes().splitlines(), key=key),
               "the legs give other flows")
