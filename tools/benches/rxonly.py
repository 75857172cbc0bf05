#!/usr/bin/python3
"""Compares the whole of linejudge with testpmd in rxonly mode, on a file that net_pcap repeats: tools/bench rxonly [--json PATH|-].

The file has 100,000 flows of one packet each, so that nothing stays in a cache. Both run alternately, each on one CPU. The result is the CPU time
of the polling thread per packet, by the port's statistics.
"""

import json
import os
import statistics
import sys
import tempfile

import dpdk
import run
import traffic

WARM_UP_ROUNDS = 20  # before the measurement, through all flows
MBUFS = 1 << 18


def main():
    options = run.arguments(__doc__.splitlines()[0], seconds=5.0, runs=5, flows=100_000)
    cpu, warm_up = run.last_cpu(), WARM_UP_ROUNDS * options.flows
    prefix = f"lj-bench-rxonly-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="lj-bench-rxonly-") as folder:
        capture = os.path.join(folder, "flows.pcap")
        traffic.one_packet_flows(capture, options.flows)
        port = f"net_pcap0,rx_pcap={capture},infinite_rx=1"
        config = os.path.join(folder, "linejudge.json")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"capture": {"ports": [{"name": port, "mbufs": MBUFS}]}, "lcores": {"count": 1}, "idle": {"mode": "poll"},
                       "models": [], "features": {"csv": "/dev/null"}, "doctor": "off", "eal": {"file_prefix": prefix}}, file)
        # Both run without hugepages: linejudge requests transparent ones for its tables and net_pcap's buffers.
        testpmd = ["dpdk-testpmd", "--no-huge", "-m2048", "--no-pci", f"--lcores=(0-1)@{cpu}", f"--file-prefix={prefix}",
                   f"--vdev={port}", "--log-level=error", "--", f"--total-num-mbufs={MBUFS}", "--forward-mode=rxonly", "--auto-start",
                   "--no-mlockall"]
        linejudge = [run.BINARY, "--config", config, "--summary", "none"]
        times = {"testpmd": [], "linejudge": []}
        for _ in range(options.runs):
            times["testpmd"].append(dpdk.ns_per_packet(testpmd, prefix, [cpu], warm_up, options.seconds))
            times["linejudge"].append(dpdk.ns_per_packet(linejudge, prefix, [cpu], warm_up, options.seconds))
    pairs = list(zip(times["testpmd"], times["linejudge"]))
    row = {"flows": options.flows, "ns_per_packet": round(statistics.median(times["linejudge"]), 1),
           "testpmd_ns_per_packet": round(statistics.median(times["testpmd"]), 1),
           "times_testpmd": round(statistics.median(own / testpmd for testpmd, own in pairs), 2)}
    run.say(f"{options.flows} flows: linejudge {row['ns_per_packet']} ns a packet, testpmd rxonly {row['testpmd_ns_per_packet']} ns: "
            f"{row['times_testpmd']} times")
    run.write_json(options.json, [row])


if __name__ == "__main__":
    try:
        main()
    except run.Failure as failure:
        sys.exit(f"bench rxonly: {failure}")
