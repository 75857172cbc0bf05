"""tshark -z conv, run live: every TCP and UDP conversation, its packets each way, and duration.

tshark makes a new TCP conversation where a port is used again; they are summed here.
"""

import collections
import os
import re
import subprocess

from framework import peers, twin

# The numbers are those of tshark -z conv in Debian 12: frames and bytes <-, ->, total; start; duration.
LINE = re.compile(r"^(\S+)\s+<->\s+(\S+)\s+(\d+)\s+([\d.]+ ?\w*)\s+(\d+)\s+([\d.]+ ?\w*)\s+(\d+)\s+([\d.]+ ?\w*)\s+(-?[\d.]+)\s+([\d.]+)\s*$")


def conversations(capture):
    """both_ways key -> {source endpoint: packets}; and its duration, when it is one conversation."""
    result = collections.defaultdict(lambda: {"packets": collections.Counter(), "durations": []})
    done = subprocess.run(["tshark", "-n", "-r", str(capture), "-q", "-z", "conv,tcp", "-z", "conv,udp", "-o", "ip.defragment:FALSE",
                           "-o", "ipv6.defragment:FALSE"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.endswith(" Conversations"):
            proto = {"TCP": 6, "UDP": 17}[line.split()[0]]
        match = LINE.match(line)
        if match is None:
            continue
        a, b = (endpoint(match[i]) for i in (1, 2))
        entry = result[peers.both_ways((proto, *a, *b))]
        entry["packets"][a] += int(match[5])
        entry["packets"][b] += int(match[3])
        entry["durations"].append(float(match[10]))
    return result


def endpoint(text):
    address, _, port = text.rpartition(":")
    return address, int(port)


def compare(capture, scratch):
    c = peers.Comparison("tshark", capture)
    ours = collections.defaultdict(list)
    for row in twin.of_linejudge(capture, os.path.join(scratch, "tshark.csv"), *peers.NEVER_CUT):
        if row["proto"] in (6, 17):
            ours[peers.both_ways(peers.key_of(row))].append(row)
    theirs = conversations(capture)
    for name in sorted(set(ours) | set(theirs), key=str):
        rows, its = ours.get(name, []), theirs.get(name, {"packets": collections.Counter(), "durations": []})
        key = (name[0], *name[1], *name[2])
        c.found.flows += 1
        mine = collections.Counter()
        for row in rows:
            mine[row["src_ip"], row["src_port"]] += row["fwd_packets"]
            mine[row["dst_ip"], row["dst_port"]] += row["bwd_packets"]
        for end in name[1:]:
            c.value(key, "packets", mine[end], its["packets"][end])
        if len(rows) == 1 and len(its["durations"]) == 1:
            c.value(key, "duration", rows[0]["duration_us"] / 1e6, its["durations"][0], absolute=1.1e-4)
    return c.found
