"""linejudge's twin: the same flows and features, slow and obviously right, from lists of packets and plain formulas."""

import collections
import csv
import ipaddress
import math
import subprocess

from framework import linejudge
from framework.twin_packet import packets
from framework.twin_features import features
from framework.twin_flows import meter
from framework.twin_sequence import ByLatestGap

SETS = "linejudge,network,cic,argus,netflow"
# What a table of ports says is not arithmetic.
NOT_COMPUTED = {"netflow_l7_proto"}
HEAD = ("src_ip", "src_port", "dst_ip", "dst_port", "proto", "first_seen_ns", "last_seen_ns", "end_reason")


class NotEthernet(Exception):
    """linejudge does not read such a capture."""


def rows(path, idle_s=120, active_s=1800, linger_s=1, sequence=ByLatestGap):
    """Every record of a capture as linejudge's CSV has it, but numbers are numbers and what does not exist is None."""
    result = []
    for flow in meter(packets(path), idle_s, active_s, linger_s):
        head = (*text(flow.initiator), *text(flow.responder), flow.proto, flow.first_ns, flow.last_ns, flow.end_reason)
        result.append({**dict(zip(HEAD, head)), **features(flow, sequence)})
    return result


def text(endpoint):
    address, port = endpoint
    return str(ipaddress.ip_address(address)), port


def of_linejudge(path, table, *arguments, binary=None):
    """The same from linejudge itself; `table` is where it writes."""
    done = subprocess.run([binary or linejudge.BINARY, "--pcap", str(path), "--model", "none", "--summary", "none", "--features", str(table),
                           "--set", f"features.set={SETS}", *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 1 and "only Ethernet" in done.stderr:
        raise NotEthernet(path)
    if done.returncode != 0:
        raise RuntimeError(f"linejudge on {path}: exit {done.returncode}: {done.stderr.strip()}")
    return read_table(table)


def read_table(table):
    with open(table, newline="", encoding="ascii") as file:
        return [{name: number(value) for name, value in row.items()} for row in csv.DictReader(file)]


def number(value):
    if value == "":
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


Difference = collections.namedtuple("Difference", "flow name ours theirs")


def same(ours, theirs):
    """Integers exactly, floats to 1e-6."""
    if theirs is None or ours is None or isinstance(theirs, (int, str)):
        return ours == theirs
    return isinstance(ours, (int, float)) and math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9)


def identity(row):
    return tuple(str(row[name]) for name in ("src_ip", "src_port", "dst_ip", "dst_port", "proto")) + (row["first_seen_ns"],)


def compare(ours, theirs):
    """(records in both, values compared, list of Difference): linejudge's rows against the twin's."""
    waiting, flows, values, differences = collections.defaultdict(list), 0, 0, []
    for row in sorted(theirs, key=lambda r: (r["last_seen_ns"], r["packets"])):
        waiting[identity(row)].append(row)
    for row in sorted(ours, key=lambda r: (r["last_seen_ns"], r["packets"])):
        if not waiting[identity(row)]:
            differences.append(Difference(identity(row), "record", row["packets"], None))
            continue
        other = waiting[identity(row)].pop(0)
        flows += 1
        for name, value in row.items():
            if name in NOT_COMPUTED or name == "flow_id":
                continue
            values += 1
            if name not in other:
                differences.append(Difference(identity(row), name, value, "not known to the twin"))
            elif not same(value, other[name]):
                differences.append(Difference(identity(row), name, value, other[name]))
    for rest in waiting.values():
        differences += [Difference(identity(row), "record", None, row["packets"]) for row in rest]
    return flows, values, differences
