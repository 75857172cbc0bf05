#!/usr/bin/python3
"""Compares the CPU time of linejudge and of other flow meters for one capture, each on one core: tools/bench peers [--json PATH|-].

Without --pcap a capture of synthetic border traffic is generated, 2,000,000 packets. The result is user and system time from start to exit,
including reading the file, as the median of several rounds in which the meters take turns. Each meter runs twice in a row, and the second run
counts: a virtual machine returns free memory to its host within seconds, and the first process to touch it again waits for the host.
A meter that takes over SLOW_S seconds (tshark, and pmacctd, which waits for its plugin) runs once: the wait for memory hardly shows in its time.
"""

import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile

import run
import traffic

METERS = ("argus", "linejudge, records", "linejudge, IPFIX", "linejudge, features", "linejudge, array", "linejudge, verdicts", "nfpcapd", "softflowd", "pmacctd", "tshark")
SLOW_S = 10


def count(pattern):
    """The sum of the numbers that a pattern matches in a meter's output."""
    return lambda _folder, text: sum(int(number) for number in re.findall(pattern, text))


def argus_records(folder, _text):
    """Counts records with argus's client, since argus prints no count."""
    told = subprocess.run(["racount", "-r", f"{folder}/argus"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(re.search(r"sum\s+(\d+)", told).group(1))


def lines(name):
    """The number of lines in a meter's output file, without the header."""
    def records(folder, _text):
        with open(f"{folder}/{name}", "rb") as file:
            return sum(1 for _ in file) - 1
    return records


def write_pmacctd_config(folder):
    """Configures pmacctd to append: it also writes when its cache is full, and would overwrite its earlier output."""
    path = f"{folder}/pmacctd.conf"
    with open(path, "w", encoding="ascii") as file:
        file.write("plugins: print\naggregate: src_host, dst_host, src_port, dst_port, proto\nprint_output: csv\n"
                   f"print_output_file: {folder}/pmacct\nprint_output_file_append: true\n")
    return path


@contextlib.contextmanager
def deaf_collector():
    """The port of a socket that is never read: the kernel drops datagrams once its buffer is full, and sends no ICMP error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        yield collector.getsockname()[1]


def meters(capture, folder, port):
    """{name: (what it extracts, command, how many records it produced)}"""
    linejudge = [run.BINARY, "--pcap", capture, "--summary", "json", "--set", "lcores.count=1"]
    flows = count(r'"flows": (\d+)')
    return {
        "argus": ("bidirectional records, binary", ["argus", "-F", "/dev/null", "-r", capture, "-w", f"{folder}/argus"], argus_records),
        "linejudge, records": ("bidirectional records: counts, bytes, times", [*linejudge, "--model", "none"], flows),
        "linejudge, IPFIX": ("bidirectional IPFIX records, datagrams", [*linejudge, "--model", "none", "--ipfix", f"127.0.0.1:{port}"], flows),
        "linejudge, features": ("the 117 default features, CSV", [*linejudge, "--model", "none", "--features", f"{folder}/features"], flows),
        "linejudge, array": ("the 117 default features, NumPy array", [*linejudge, "--model", "none", "--features", f"{folder}/features.npy"], flows),
        "linejudge, verdicts": ("default model with host context, alerts as EVE JSON",
                                [*linejudge, "--eve", f"{folder}/eve", "--set", "eve.flows=alerts"], flows),
        "nfpcapd": ("unidirectional NetFlow records, binary", ["nfpcapd", "-r", capture, "-w", folder], count(r"'none' Flows: (\d+)")),
        "softflowd": ("NetFlow v9 records, datagrams",
                      # Otherwise it would wait forever for a client of its control socket when reading a file.
                      ["softflowd", "-r", capture, "-n", f"127.0.0.1:{port}", "-v", "9", "-m", "1000000", "-d", "-c", "none",
                       "-p", f"{folder}/softflowd.pid"], count(r"Flows expired: (\d+)")),
        "pmacctd": ("packets and bytes by 5-tuple, text",
                    ["pmacctd", "-I", capture, "-f", write_pmacctd_config(folder)], lines("pmacct")),
        "tshark": ("TCP and UDP conversations, text", ["tshark", "-r", capture, "-q", "-z", "conv,tcp", "-z", "conv,udp"],
                   lambda _folder, text: text.count("<->")),
    }


def main():
    options = run.arguments(__doc__.splitlines()[0], pcap=None, packets=2_000_000, runs=5)
    with tempfile.TemporaryDirectory(prefix="lj-bench-peers-") as folder:
        capture, packets = options.pcap, 0
        if capture is None:
            capture = os.path.join(folder, "border.pcap")
            run.say("making the capture ...")
            packets, _ = traffic.border_link(capture, options.packets)
        else:
            told = subprocess.run(["capinfos", "-rMcT", capture], stdout=subprocess.PIPE, text=True, check=True).stdout
            packets = int(told.split("\t")[1])
        rows = compare(capture, packets, options.runs)
    run.write_json(options.json, rows)


def once(name, capture, tries=3):
    """Runs a meter once, in its own folder: (what it extracts, CPU seconds, elapsed seconds, records). If it fails it is run again: pmacctd
    occasionally loses its plugin."""
    try:
        return run_once(name, capture)
    except run.Failure:
        if tries == 1 or name.startswith("linejudge"):
            raise
        return once(name, capture, tries - 1)


def run_once(name, capture):
    with tempfile.TemporaryDirectory(prefix="lj-bench-peers-out-") as folder, deaf_collector() as port:
        extracts, command, counted = meters(capture, folder, port)[name]
        used, elapsed, out, err = run.measure(command, run.last_cpu())
        return extracts, used, elapsed, counted(folder, out + err)


def compare(capture, packets, runs):
    """One row per meter."""
    times, records, extracts, slow = {}, {}, {}, set()
    for _ in range(runs):
        for name in METERS:
            if name in slow:
                continue
            extracts[name], used, elapsed, records[name] = once(name, capture)
            if elapsed > SLOW_S:
                slow.add(name)
            else:
                extracts[name], used, _, records[name] = once(name, capture)
            times.setdefault(name, []).append(used)
    rows = []
    for name, what in extracts.items():
        ratio = statistics.median(argus / own for argus, own in zip(times["argus"], times[name]))
        used = statistics.median(times[name])
        rows.append({"meter": name, "ratio_to_argus": round(ratio, 2), "packets_per_cpu_s": round(packets / used),
                     "flows_per_cpu_s": round(records[name] / used), "records": records[name], "packets": packets, "extracts": what})
        run.say(f"{name:20} {ratio:6.2f} x argus {packets / used / 1e6:6.2f} M packets/CPU s {records[name]:8} records  {what}")
    return rows


if __name__ == "__main__":
    try:
        main()
    except run.Failure as failure:
        sys.exit(f"bench peers: {failure}")
