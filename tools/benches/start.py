#!/usr/bin/python3
"""Measures the start-up time, compared with a build with shared DPDK libraries: tools/bench start [--runs N] [--json PATH|-].

Measured from exec to exit of a run without work, alternately. Elapsed time includes 100 ms in which the EAL calibrates the TSC, if the CPU does not
report its frequency (most virtual machines).
"""

import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import run

SHARED = os.path.join(run.ROOT, "build-daemon", "app", "linejudge")
EMPTY_PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def kinds(folder):
    """What is started: (name, arguments)."""
    capture = os.path.join(folder, "empty.pcap")
    with open(capture, "wb") as file:
        file.write(EMPTY_PCAP)
    config = os.path.join(folder, "null.json")
    with open(config, "w", encoding="ascii") as file:
        json.dump({"capture": {"ports": [{"name": "net_null0"}]}, "models": [], "flow": {"capacity": 1024}, "doctor": "off",
                   "eal": {"file_prefix": f"lj-bench-start-{os.getpid()}"}}, file)
    return (("libraries only (--version)", ["--version"]),
            ("no devices", ["--pcap", capture, "--model", "none", "--summary", "none"]),
            ("a null port, 16,384 mbufs", ["--config", config, "--interactive", "--summary", "none"]),
            ("no devices, default model", ["--pcap", capture, "--summary", "none"]))


def start(binary, arguments):
    """(elapsed ms, CPU ms, peak resident MiB) of one start and exit."""
    with tempfile.TemporaryFile() as words:
        words.write(b"quit\n")
        words.seek(0)
        began = time.monotonic()
        with subprocess.Popen([binary, *arguments], stdin=words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            elapsed = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise run.Failure(f"{binary} {' '.join(arguments)} exits with {process.returncode}")
    return elapsed * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024


def main():
    options = run.arguments(__doc__.splitlines()[0], runs=7)
    built = subprocess.run([os.path.join(run.ROOT, "tools", "build"), "--shared"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           text=True, check=False)
    if built.returncode != 0:
        raise run.Failure("the shared build fails:\n" + built.stderr[-2000:])
    rows = []
    with tempfile.TemporaryDirectory(prefix="lj-bench-start-") as folder:
        for name, arguments in kinds(folder):
            runs = [(start(run.BINARY, arguments), start(SHARED, arguments)) for _ in range(options.runs)]
            own, shared = ([statistics.median(column) for column in zip(*side)] for side in zip(*runs))
            rows.append({"start": name, "ms": round(own[0], 1), "cpu_ms": round(own[1], 1), "rss_mib": round(own[2], 1),
                         "shared_ms": round(shared[0], 1), "shared_cpu_ms": round(shared[1], 1), "shared_rss_mib": round(shared[2], 1),
                         "ratio": round(statistics.median(two[0] / one[0] for one, two in runs), 2)})
            run.say(f"{name:28} {own[0]:7.1f} ms ({own[1]:6.1f} of CPU), {own[2]:5.1f} MiB; "
                    f"shared {shared[0]:7.1f} ms ({shared[1]:6.1f}), {shared[2]:5.1f} MiB: {rows[-1]['ratio']:.2f} times")
    run.write_json(options.json, rows)


if __name__ == "__main__":
    try:
        main()
    except run.Failure as failure:
        sys.exit(f"bench start: {failure}")
