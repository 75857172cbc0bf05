#!/usr/bin/python3
"""Packets per second by number of workers: 1 and 2 measured, 4, 8 and 16 computed from these: tools/bench scaling [--json PATH|-].

Each worker polls its own queue (net_pcap repeating a file of 50,000 flows, so that each worker has as many), with the default features. The
measurement is the CPU time of the workers per packet, which equals the time on dedicated cores. The computation assumes that the loss between one
and two workers (shared cache and memory) recurs at each doubling, and that the busiest queue has IMBALANCE times the mean load.
"""

import json
import os
import statistics
import sys
import tempfile

import dpdk
import run
import traffic

FLOWS = 50_000
WARM_UP_ROUNDS = 20
MBUFS = 1 << 18
IMBALANCE = 1.1
COMPUTED = (4, 8, 16)
LINE_RATE_MPPS = 14.88  # 10 GbE at 64 bytes


def config(workers, captures, prefix):
    files = ",".join(f"rx_pcap={path}" for path in captures[:workers])
    return {"capture": {"ports": [{"name": f"net_pcap0,{files},infinite_rx=1", "queues": workers, "mbufs": MBUFS}]},
            "lcores": {"workers": workers}, "models": [], "features": {"csv": "/dev/null"}, "doctor": "off", "eal": {"file_prefix": prefix}}


def measure(folder, workers, captures, seconds):
    """CPU time per packet of `workers` workers, in ns."""
    prefix = f"lj-bench-scaling-{os.getpid()}"
    path = os.path.join(folder, f"{workers}.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(config(workers, captures, prefix), file)
    command = [run.BINARY, "--config", path, "--summary", "none"]
    return dpdk.ns_per_packet(command, prefix, sorted(os.sched_getaffinity(0)), WARM_UP_ROUNDS * FLOWS * workers, seconds, workers)


def row(workers, mpps, how):
    run.say(f"{workers:2} workers: {mpps:6.1f} Mpps, {mpps / LINE_RATE_MPPS:5.2f} x 10 GbE at 64 B, {how}")
    return {"workers": workers, "mpps": round(mpps, 2), "times_10gbe_64b": round(mpps / LINE_RATE_MPPS, 2), "how": how}


def main():
    options = run.arguments(__doc__.splitlines()[0], seconds=5.0, runs=3)
    times = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="lj-bench-scaling-") as folder:
        captures = [os.path.join(folder, f"{i}.pcap") for i in (1, 2)]
        for i, path in enumerate(captures):
            traffic.one_packet_flows(path, FLOWS, first=i * FLOWS)
        for _ in range(options.runs):
            for workers, ns in times.items():
                ns.append(measure(folder, workers, captures, options.seconds))
    single = 1000 / statistics.median(times[1])
    kept = statistics.median(one / two for one, two in zip(times[1], times[2]))
    rows = [row(1, single, "measured"), row(2, 2 * single * kept, "measured")]
    for workers in COMPUTED:
        doublings = workers.bit_length() - 1
        rows.append(row(workers, workers * single * min(kept, 1) ** doublings / IMBALANCE, "computed"))
    run.write_json(options.json, rows)


if __name__ == "__main__":
    try:
        main()
    except run.Failure as failure:
        sys.exit(f"bench scaling: {failure}")
