"""ipfixprobe's reference outputs (UniRec tables, one per plugin): packets, bytes, times and TCP flags of every flow.

Some plugins make ipfixprobe end a record at each message (DNS, HTTP, NTP ...) or report a flow once a finding: their records are summed
by conversation. pstats and phists add the first packets' payload lengths and times.
"""

import collections
import csv
import datetime
import glob
import os

from framework import peers, twin

# Which input each output was made of, where the names differ.
INPUTS = {"basic": "mixed", "basicplus": "http", "nettisa": "mixed", "passivedns": "dns", "phists": "mixed", "pstats": "mixed",
          "quic": "quic_initial-sample", "ssadetector": "ovpn"}
TIMEOUTS = ("--set", "flow.idle_timeout_s=30", "--set", "flow.active_timeout_s=300", "--set", "flow.tcp_linger_s=30")


def outputs(data):
    return sorted(glob.glob(os.path.join(data, "parity", "ipfixprobe", "outputs", "*")))


def table(path):
    """Rows with UniRec's types taken off the names; the header stands where sort(1) put it."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file.read().splitlines() if line]
    head = next(line for line in lines if line.startswith("ipaddr "))
    names = [column.split()[1] for column in head.split(",")]
    for values in csv.reader(line for line in lines if line != head):
        row = dict(zip(names, values))
        row["key"] = (int(row["PROTOCOL"]), row["SRC_IP"], int(row["SRC_PORT"]), row["DST_IP"], int(row["DST_PORT"]))
        yield row


def microseconds(text):
    time = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
    return round((time - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) / datetime.timedelta(microseconds=1))


def name_of(key):
    return peers.both_ways(key if key[0] in (6, 17) else (key[0], key[1], 0, key[3], 0))


def compare(output, scratch):
    plugin = os.path.basename(output)
    capture = os.path.join(os.path.dirname(os.path.dirname(output)), "inputs", INPUTS.get(plugin, plugin) + ".pcap")
    c = peers.Comparison("ipfixprobe", plugin)
    ours, theirs = collections.defaultdict(list), collections.defaultdict(list)
    for row in twin.of_linejudge(capture, os.path.join(scratch, "ipfixprobe.csv"), *TIMEOUTS):
        ours[name_of(peers.key_of(row))].append(row)
    for row in table(output):
        theirs[name_of(row["key"])].append(row)
    for name, rows in theirs.items():
        one_conversation(c, sorted(ours.get(name, []), key=lambda r: r["first_seen_ns"]), sorted(rows, key=lambda r: r["TIME_FIRST"]))
    return c.found


def one_conversation(c, ours, theirs):
    key = theirs[0]["key"]
    c.found.flows += 1
    if not ours:
        c.value(key, "flow", False, True)
    elif [row["first_seen_ns"] // 1000 for row in ours] == [microseconds(row["TIME_FIRST"]) for row in theirs]:
        for mine, its in zip(ours, theirs):
            one_record(c, mine, its)
    else:
        for columns, names in ((("fwd_packets", "bwd_packets"), ("PACKETS", "PACKETS_REV")), (("fwd_bytes", "bwd_bytes"), ("BYTES", "BYTES_REV"))):
            c.value(key, names[0].lower() + " in all", sum(row[column] for row in ours for column in columns),
                    sum(int(row[name]) for row in theirs for name in names))


def one_record(c, mine, its):
    key = its["key"]
    sides = ("fwd", "bwd"), ("client", "server")
    if not c.value(key, "initiator", mine["src_ip"], its["SRC_IP"]):
        sides = tuple(reversed(pair) for pair in sides)
    c.value(key, "last time", mine["last_seen_ns"] // 1000, microseconds(its["TIME_LAST"]))
    for way, end, rev in zip(*sides, ("", "_REV")):
        c.value(key, "packets" + rev.lower(), mine[f"{way}_packets"], int(its["PACKETS" + rev]))
        c.value(key, "bytes" + rev.lower(), mine[f"{way}_bytes"], int(its["BYTES" + rev]))
        c.value(key, "tcp_flags" + rev.lower(), mine[f"netflow_{end}_tcp_flags"], int(its["TCP_FLAGS" + rev]))
        if "IP_TTL" in its:
            c.value(key, "ttl" + rev.lower(), mine[f"{way}_ttl_min"] or 0, int(its["IP_TTL" + rev]))
            c.value(key, "tcp_mss" + rev.lower(), mine[f"{way}_mss"] or 0, int(its["TCP_MSS" + rev]))
            c.value(key, "tcp_win" + rev.lower(), mine[f"{way}_window_first"] or 0, int(its["TCP_WIN" + rev]))
