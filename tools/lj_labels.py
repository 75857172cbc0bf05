"""Label rules of LABELS.tsv: which flows of a capture are malicious, benign, or not used.

A rule is clauses joined by `;`; the first that matches a flow wins. `drop:bg` leaves out background (not TCP, UDP or SCTP;
name service and discovery ports; UDP to multicast or broadcast); `mal:`, `benign:` and `drop:` take `*`, `peer=IP[:port]` or
`ports=a,b`; `cap30:` is `mal:` for the first 30 flows of a file, the rest dropped. Labels in a file of their own, beside the capture:

    flows:NAME      CSV with src_ip, src_port, dst_ip, dst_port, proto and class (benign or malicious; others are not used): a row a flow
    times:NAME      CSV with start, end (s since 1970) and class, and src_ip or dst_ip if one is meant: a row a time window
    perpacket:NAME  lines "n;0" or "n;1", n from 1: a flow is malicious when one of its packets is, else benign

What such a file says nothing of goes on to the next clause. NAME is a file of the capture's folder, or what follows the capture's
name and an underscore.
"""

import csv
import ipaddress
import os
import socket

import lj_merge

BACKGROUND_PORTS = {53, 67, 68, 123, 137, 138, 546, 547, 1900, 3702, 5353, 5355}
FLOW_PROTOCOLS = {6, 17, 132}


CLASSES = {"benign": 0, "malicious": 1}


class Flow:
    """What a rule looks at; times in ns since 1970, as in the capture that the flow is from."""

    def __init__(self, src_ip, src_port, dst_ip, dst_port, proto, first_ns=0, last_ns=0):
        self.ends = ((src_ip, int(src_port)), (dst_ip, int(dst_port)))
        self.proto = int(proto)
        self.first_ns, self.last_ns = int(first_ns), int(last_ns)

    def key(self):
        return frozenset(self.ends), self.proto

    def is_background(self):
        if self.proto not in FLOW_PROTOCOLS:
            return True
        if any(port in BACKGROUND_PORTS for _, port in self.ends):
            return True
        address = ipaddress.ip_address(self.ends[1][0])
        return self.proto == 17 and (address.is_multicast or self.ends[1][0].endswith(".255"))


def _matches(condition, flow):
    if condition == "*":
        return True
    if condition == "bg":
        return flow.is_background()
    key, _, value = condition.partition("=")
    if key == "ports":
        ports = {int(port) for port in value.split(",")}
        return any(port in ports for _, port in flow.ends)
    if key == "peer":
        host, _, port = value.partition(":")
        return any(ip == host and (not port or int(port) == p) for ip, p in flow.ends)
    raise ValueError(f"no such condition: {condition}")


class FlowFile:
    """A row a flow, whichever of its ends is called the source."""

    COLUMNS = ("src_ip", "src_port", "dst_ip", "dst_port", "proto", "class")

    def __init__(self, path, _capture):
        self.table = {Flow(*(row[c] for c in self.COLUMNS[:5])).key(): row["class"] for row in read_csv(path, self.COLUMNS)}

    def __call__(self, flow):
        return self.table.get(flow.key())


class TimeFile:
    """A row a time window; a flow is of the first that it overlaps."""

    def __init__(self, path, _capture):
        self.windows = [(float(row["start"]) * 1e9, float(row["end"]) * 1e9, row.get("src_ip"), row.get("dst_ip"), row["class"])
                        for row in read_csv(path, ("start", "end", "class"))]

    def __call__(self, flow):
        hosts = [ip for ip, _ in flow.ends]
        for start, end, src, dst, name in self.windows:
            if flow.first_ns <= end and flow.last_ns >= start and all(not ip or ip in hosts for ip in (src, dst)):
                return name
        return None


class PacketFile:
    """A line a packet: the flows that have a malicious one."""

    def __init__(self, path, capture):
        with open(path, encoding="ascii") as file:
            marked = {int(number) for number, _, label in (line.strip().partition(";") for line in file) if label == "1"}
        self.times = {}
        for number, (time_ns, _, frame) in enumerate(lj_merge.read_pcap(capture), start=1):
            key = key_of_frame(frame) if number in marked else None
            if key is not None:
                self.times.setdefault(key, []).append(time_ns)

    def __call__(self, flow):
        return "malicious" if any(flow.first_ns <= t <= flow.last_ns for t in self.times.get(flow.key(), ())) else "benign"


FILES = {"flows": FlowFile, "times": TimeFile, "perpacket": PacketFile}


def read_csv(path, columns):
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: no column {missing[0]}; there are {', '.join(reader.fieldnames or ())}")
        yield from reader


def key_of_frame(frame):
    """Flow.key() of an Ethernet frame with IPv4; None of another."""
    at = 12
    while frame[at:at + 2] in lj_merge.VLAN_TYPES:
        at += 4
    ip = frame[at + 2:]
    if frame[at:at + 2] != b"\x08\x00" or len(ip) < 20:
        return None
    head = 4 * (ip[0] & 15)
    ports = [int.from_bytes(ip[head + i:head + i + 2], "big") if ip[9] in FLOW_PROTOCOLS else 0 for i in (0, 2)]
    return frozenset(((socket.inet_ntoa(ip[12:16]), ports[0]), (socket.inet_ntoa(ip[16:20]), ports[1]))), ip[9]


def beside(capture, name):
    """The label file `name` of a capture."""
    folder, file = os.path.split(capture)
    for path in (os.path.join(folder, name), os.path.join(folder, f"{os.path.splitext(file)[0]}_{name}")):
        if os.path.exists(path):
            return path
    raise ValueError(f"{capture}: no label file {name} beside it")


class Rule:
    """One capture's rule; call it on the capture's flows in order: 1 malicious, 0 benign, None not used."""

    def __init__(self, text, capture=None):
        self.clauses, self.capped = [], 0
        for verb, _, condition in (clause.partition(":") for clause in text.split(";")):
            if verb in FILES:
                condition = FILES[verb](beside(capture, condition), capture)
            elif verb not in ("drop", "mal", "benign", "cap30"):
                raise ValueError(f"{capture}: no such clause: {verb}:{condition}")
            self.clauses.append((verb, condition))

    def __call__(self, flow):
        for verb, condition in self.clauses:
            if verb in FILES:
                said = condition(flow)
                if said is not None:
                    return CLASSES.get(said)
            elif _matches(condition, flow):
                if verb != "cap30":
                    return {"drop": None, "mal": 1, "benign": 0}[verb]
                self.capped += 1
                return 1 if self.capped <= 30 else None
        return None


def read(path):
    """Rows of LABELS.tsv as dicts; an error names the file and line."""
    with open(path, newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file, delimiter="\t"), start=2):
            for column in ("file", "class", "family", "rule"):
                if not row.get(column):
                    raise ValueError(f"{path}: line {line}: no {column}")
            yield row
