#!/usr/bin/python3
"""The whole of linejudge beside testpmd that only receives, on one file that net_pcap repeats for ever: tools/bench rxonly [--json PATH|-].

100,000 flows of a packet each a round, so that nothing stays in a cache. The two run in turn, each with all its work on one CPU; what
counts is the CPU time of the polling thread a packet, by the port's own statistics.
"""

import json
import os
import statistics
import sys
import tempfile

import dpdk
import run
import traffic

WARM_UP_ROUNDS = 20  # through all flows, before it counts
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
        # Without hugepages for both: linejudge asks the kernel for transparent ones, for its tables and for net_pcap's buffers.
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
