"""nDPI's regression outputs: packets, bytes, duration, packet lengths and gaps each way of every flow.

ndpiReader counts frames (what stands around the IP datagram is added to linejudge's lengths), prints gaps in whole milliseconds, each
cut off before it is averaged, and lengths and gaps only of flows of more than five packets. Of the responder's gaps it leaves out those
before SYN, FIN and RST. It forgets when it last saw a packet after every ten packets of the flow, so that no gap reaches across those;
and a minimum of 0 ms until the first gap that is longer.
"""

import collections
import glob
import math
import os
import re

from framework import peers, twin
from framework.twin_features import mean, std
from framework.twin_packet import FIN, ICMP, ICMPV6, RST, SYN, TCP, UDP

PROTOCOLS = {"TCP": TCP, "UDP": UDP, "ICMP": ICMP, "ICMPV6": ICMPV6, "IGMP": 2, "SCTP": 132, "GRE": 47, "ESP": 50, "AH": 51}
FORGETS_AFTER = 10
FLOW = re.compile(r"\s+\d+\s+(?P<proto>[A-Z0-9]+) (?P<a>\S+) (?:<->|->) (?P<b>\S+) .*?\[(?P<p0>\d+) pkts/(?P<b0>\d+) bytes (?:<->|->) "
                  r"(?P<p1>\d+) pkts/(?P<b1>\d+) bytes\]")
STATISTICS = re.compile(r"\[(IAT|Pkt Len) c2s/s2c min/avg/max/stddev: (\d+)/(\d+) (\d+)/(\d+) (\d+)/(\d+) (\d+)/(\d+)\]")


def outputs(data):
    return sorted(glob.glob(os.path.join(data, "parity", "ndpi", "*.out")))


def endpoint(text, proto):
    address, port = text, 0
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
    elif proto in (TCP, UDP, 132):
        address, _, port = text.rpartition(":")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    return address, int(port or 0)


def flows_in(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = FLOW.match(line)
            if match is None:
                continue
            proto = PROTOCOLS[match["proto"]]
            flow = {"key": (proto, *endpoint(match["a"], proto), *endpoint(match["b"], proto)),
                    "packets": [int(match["p0"]), int(match["p1"])], "bytes": [int(match["b0"]), int(match["b1"])]}
            for what, *numbers in STATISTICS.findall(line):
                flow[what] = [dict(zip(("min", "avg", "max", "stddev"), map(int, numbers[side::2]))) for side in (0, 1)]
            yield flow


def name_of(key):
    """ICMP flows have no ports there."""
    return peers.both_ways(key if key[0] in (TCP, UDP) else (key[0], key[1], 0, key[3], 0))


def compare(output, scratch):
    capture = output[:-len(".out")]
    c = peers.Comparison("ndpi", capture)
    rows, flows = collections.defaultdict(list), collections.defaultdict(list)
    for row in twin.of_linejudge(capture, os.path.join(scratch, "ndpi.csv"), *peers.NEVER_CUT):
        rows[name_of(peers.key_of(row))].append(row)
    for some in peers.flows_of(capture).values():
        for flow in some:
            flows[name_of((flow.proto, *twin.text(flow.initiator), *twin.text(flow.responder)))].append(flow)
    theirs = collections.defaultdict(list)
    for flow in flows_in(output):
        theirs[name_of(flow["key"])].append(flow)
    for name in sorted(set(rows) | set(theirs), key=str):
        one_conversation(c, name, rows.get(name, []), flows.get(name, []), theirs.get(name, []))
    return c.found


def one_conversation(c, name, rows, flows, theirs):
    key = theirs[0]["key"] if theirs else peers.key_of(rows[0])
    c.found.flows += 1
    if len(rows) != 1 or len(theirs) != 1:
        ours_n, theirs_n = sum(row["packets"] for row in rows), sum(sum(flow["packets"]) for flow in theirs)
        c.value(key, "packets", ours_n, theirs_n)
        return
    row, flow, their = rows[0], flows[0], theirs[0]
    order = (0, 1)
    if peers.both_ways(key) == peers.both_ways(peers.key_of(row)) and not c.value(key, "initiator", peers.key_of(row)[1:3], key[1:3]):
        order = (1, 0)
    for side, their_side, word in zip(order, (0, 1), ("c2s", "s2c")):
        sent = [(number, p) for number, (sender, p) in enumerate(flow.packets) if sender == side]
        one_side(c, key, row, [p for _, p in sent], ("fwd", "bwd")[side], their, their_side, word)
        if len(sent) > 1 and "IAT" in their:
            gaps_agree(c, key, row, sent, ("fwd", "bwd")[side], their["IAT"][their_side], word)


def one_side(c, key, row, sent, mine, their, side, word):
    around = sum(p.wire - p.length for p in sent)
    if not c.value(key, f"{word} packets", row[f"{mine}_packets"], their["packets"][side]):
        return
    c.value(key, f"{word} bytes", row[f"{mine}_bytes"] + around, their["bytes"][side])
    if not sent or "IAT" not in their:
        return
    length = their["Pkt Len"][side]
    frames = [p.wire for p in sent]
    same = len({p.wire - p.length for p in sent}) == 1
    each = around // len(sent)
    # Where all frames have the same around their datagram, linejudge's own; else the frames.
    c.value(key, f"{word} length min", row[f"{mine}_length_min"] + each if same else min(frames), length["min"])
    c.value(key, f"{word} length max", row[f"{mine}_length_max"] + each if same else max(frames), length["max"])
    c.value(key, f"{word} length avg", row[f"{mine}_length_mean"] + around / len(sent), length["avg"], absolute=0.51)
    c.value(key, f"{word} length stddev", row[f"{mine}_length_std"] if same else std(frames), length["stddev"], absolute=0.51)


def gaps_agree(c, key, row, sent, mine, gap, word):
    """`sent`: (its number in the flow, packet)."""
    pairs = [(later.time_ns // 1000 - earlier.time_ns // 1000, i // FORGETS_AFTER == j // FORGETS_AFTER, later)
             for (i, earlier), (j, later) in zip(sent, sent[1:])]
    counted = [us // 1000 for us, together, p in pairs if us >= 0 and together and not (word == "s2c" and p.flags & (SYN | FIN | RST))]
    if len(counted) == len(pairs):  # then it is linejudge's own that are compared
        least, greatest, average, deviation = (row[f"{mine}_gap_{name}_us"] / 1000 for name in ("min", "max", "mean", "std"))
        average -= 0.5
    else:
        least, greatest, average, deviation = min(counted, default=0), max(counted, default=0), mean(counted) or 0, std(counted) or 0
    # A minimum of 0 is forgotten when the first gap that is not 0 comes.
    from_first = counted[next((i for i, ms in enumerate(counted) if ms > 0), 0):]
    c.value(key, f"{word} gap min", math.floor(least) if least >= 1 else min(from_first, default=0), gap["min"])
    c.value(key, f"{word} gap max", math.floor(greatest), gap["max"])
    # Each gap there is up to 1 ms short.
    c.value(key, f"{word} gap avg", average, gap["avg"], absolute=1.01)
    c.value(key, f"{word} gap stddev", deviation, gap["stddev"], absolute=1.01)
