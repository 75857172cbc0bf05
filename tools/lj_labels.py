"""Label rules of LABELS.tsv: which flows of a capture are malicious, benign, or not used.

A rule is a list of clauses separated by `;`; the first one that matches a flow applies. `drop:bg` drops background traffic (not TCP, UDP or SCTP;
name service and discovery ports; UDP to multicast or broadcast). `mal:`, `benign:` and `drop:` take `*`, `peer=IP[:port]` or `ports=a,b`; `cap30:`
is `mal:` for the first 30 flows of a file and drops the rest. Labels in a separate file, beside the capture:

    flows:NAME      CSV with src_ip, src_port, dst_ip, dst_port, proto and class (benign or malicious; others are not used), one row per
                    flow; ports may be empty if the protocol has none
    times:NAME      CSV with start, end (s since 1970) and class, and optionally src_ip or dst_ip, one row per time window; of several
                    windows that a flow overlaps, the first applies
    perpacket:NAME  lines "n;0" or "n;1", n from 1: a flow is malicious if one of its packets is, else benign

Flows that such a file does not cover are left to the next clause. NAME is a file in the capture's folder, with or without the capture's name and an
underscore before it.
"""

import csv
import ipaddress
import os
import socket

import lj_capture
import lj_merge

BACKGROUND_PORTS = {53, 67, 68, 123, 137, 138, 546, 547, 1900, 3702, 5353, 5355}
FLOW_PROTOCOLS = {6, 17, 132}
# Names as in EVE (lib/sink/eve.c) and in common use.
PROTOCOLS = {"icmp": 1, "igmp": 2, "ip-in-ip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58,
             "icmp6": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132,
             "udplite": 136}
CLASSES = {"benign": 0, "malicious": 1}
COLUMNS = ("file", "class", "family", "rule")  # columns of LABELS.tsv


class Flow:
    """The properties of a flow that rules use; times in ns since 1970, as in the flow's capture. Ports are 0 if the protocol has none: a feature
    table has ICMP identifiers there, EVE and labels of other tools have nothing."""

    def __init__(self, src_ip, src_port, dst_ip, dst_port, proto, first_ns=0, last_ns=0):
        self.proto = int(proto)
        ports = (int(src_port), int(dst_port)) if self.proto in FLOW_PROTOCOLS else (0, 0)
        self.ends = ((src_ip, ports[0]), (dst_ip, ports[1]))
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


def _address(text):
    """The address in linejudge's notation, that of inet_ntop."""
    address = ipaddress.ip_address(text.strip())
    return socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)


def _port(text):
    text = text.strip()
    if not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text} is not a port")
    return int(text)


def protocol(text):
    text = text.strip()
    if text.isdigit() and int(text) < 256:
        return int(text)
    if text.lower() not in PROTOCOLS:
        raise ValueError(f"{text} is not a protocol: use a number, or a name such as tcp")
    return PROTOCOLS[text.lower()]


def _seconds(text):
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text} is not a time in s since 1970") from None


def _strange(classes):
    """A note on the classes of a label file that are neither benign nor malicious; None if there are none."""
    strange = sorted(set(classes) - CLASSES.keys())
    return f"{len([c for c in classes if c not in CLASSES])} of the {len(classes)} rows are neither benign nor malicious " \
           f"({', '.join(strange[:3])}): their flows are not used" if strange else None


def _peer(text):
    """(address, port or None) of IP, IP:port or [IPv6]:port."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":") if text.count(":") < 2 else (text, "", "")
    return _address(host), _port(port) if port else None


def _condition(text):
    """The condition as a function of a flow; ValueError if it is not valid."""
    if text == "*":
        return lambda flow: True
    if text == "bg":
        return Flow.is_background
    key, _, value = text.partition("=")
    if key == "ports":
        ports = {_port(port) for port in value.split(",")}
        return lambda flow: any(port in ports for _, port in flow.ends)
    if key == "peer":
        host, port = _peer(value)
        return lambda flow: any(ip == host and port in (None, p) for ip, p in flow.ends)
    raise ValueError("*, bg, peer=IP[:port] and ports=a,b are conditions")


def read_csv(path, columns, convert, optional=()):
    """convert(row) of each row of a CSV with these columns; only `optional` ones may be empty. Errors name the file and line."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"no column {missing[0]}; there are {', '.join(reader.fieldnames or ['none'])}")
            for row in reader:
                empty = [c for c in columns if row[c] is None or not row[c] and c not in optional]
                if empty:
                    raise ValueError(f"no {empty[0]}")
                yield convert(row)
        except (ValueError, TypeError, AttributeError, csv.Error) as error:
            raise ValueError(f"{path}: line {reader.line_num}: {error}") from None


class FlowFile:
    """One row per flow; either end may be the source."""

    COLUMNS = ("src_ip", "src_port", "dst_ip", "dst_port", "proto", "class")

    def __init__(self, path, _capture):
        self.path, self.table, self.met = path, {}, set()
        for key, said in read_csv(path, self.COLUMNS, self._row, ("src_port", "dst_port")):
            if self.table.setdefault(key, said) != said:
                ends = " and ".join(sorted(f"{ip} {port}" for ip, port in key[0]))
                raise ValueError(f"{path}: {ends} are {said} in one row and {self.table[key]} in another; times: can tell them apart")

    @staticmethod
    def _row(row):
        proto, ports = protocol(row["proto"]), []
        for column in ("src_port", "dst_port"):
            if not row[column] and proto in FLOW_PROTOCOLS:
                raise ValueError(f"no {column}")
            ports.append(_port(row[column] or "0"))
        flow = Flow(_address(row["src_ip"]), ports[0], _address(row["dst_ip"]), ports[1], proto)
        return flow.key(), row["class"].strip().lower()

    def __call__(self, flow):
        key = flow.key()
        self.met.add(key)
        return self.table.get(key)

    def complaint(self):
        absent, strange = len(self.table.keys() - self.met), _strange(list(self.table.values()))
        return "; ".join([f"{absent} of the {len(self.table)} flows of {self.path} are not in it"] * (absent > 0) +
                         [f"{self.path}: {strange}"] * (strange is not None))


class TimeFile:
    """One row per time window; a flow belongs to the first one that it overlaps."""

    def __init__(self, path, _capture):
        self.path, self.windows, self.met = path, list(read_csv(path, ("start", "end", "class"), self._row)), set()

    @staticmethod
    def _row(row):
        start, end = _seconds(row["start"]) * 1e9, _seconds(row["end"]) * 1e9
        if not start <= end:
            raise ValueError(f"the window {row['start']} to {row['end']} has no length")
        return start, end, [_address(row[c]) for c in ("src_ip", "dst_ip") if row.get(c)], row["class"].strip().lower()

    def __call__(self, flow):
        hosts = [ip for ip, _ in flow.ends]
        for number, (start, end, wanted, name) in enumerate(self.windows):
            if flow.first_ns <= end and flow.last_ns >= start and all(ip in hosts for ip in wanted):
                self.met.add(number)
                return name
        return None

    def complaint(self):
        empty, strange = len(self.windows) - len(self.met), _strange([name for *_, name in self.windows])
        return "; ".join([f"{empty} of the {len(self.windows)} windows of {self.path} have no flow of it"] * (empty > 0) +
                         [f"{self.path}: {strange}"] * (strange is not None))


class PacketFile:
    """One line per packet: selects the flows with a malicious packet."""

    def __init__(self, path, capture):
        marked, packets, self.times = self._read(path), 0, {}
        self.path, self.marked, self.met = path, len(marked), set()
        for packets, (time_ns, _, frame) in enumerate(lj_capture.read(capture), start=1):
            key = key_of_frame(frame) if packets in marked else None
            if key is not None:
                self.times.setdefault(key, []).append((time_ns, packets))
        if max(marked, default=0) > packets:
            raise ValueError(f"{path}: names packet {max(marked)}, and {capture} has {packets}")

    @staticmethod
    def _read(path):
        marked, line = set(), 0
        with open(path, encoding="ascii", errors="replace") as file:
            for line, text in enumerate(file, start=1):
                number, _, label = text.strip().partition(";")
                if not number.isdigit() or int(number) == 0 or label not in ("0", "1"):
                    raise ValueError(f"{path}: line {line}: {text.strip()[:40]!r} is not n;0 or n;1")
                if label == "1":
                    marked.add(int(number))
        if line == 0:
            raise ValueError(f"{path}: is empty; it needs one line per packet, n;0 or n;1")
        return marked

    def __call__(self, flow):
        met = [number for time_ns, number in self.times.get(flow.key(), ()) if flow.first_ns <= time_ns <= flow.last_ns]
        self.met.update(met)
        return "malicious" if met else "benign"

    def complaint(self):
        """Reports packets that linejudge parses but key_of_frame() does not: their flows count as benign."""
        absent = self.marked - len(self.met)
        return f"{absent} of the {self.marked} malicious packets of {self.path} are of no flow that was asked about, by their addresses and ports: what is " \
               "in a tunnel or PPPoE, behind MPLS or IPv6's extension headers, or a later fragment, wants flows: or times:" if absent else None


FILES = {"flows": FlowFile, "times": TimeFile, "perpacket": PacketFile}
VERBS = {"drop": None, "mal": 1, "cap30": 1, "benign": 0}


def key_of_frame(frame):
    """Flow.key() of an Ethernet frame with IPv4, or with IPv6 without extension headers; None for others."""
    at = 12
    while frame[at:at + 2] in lj_merge.VLAN_TYPES:
        at += 4
    kind, ip = frame[at:at + 2], frame[at + 2:]
    if kind == b"\x08\x00" and len(ip) >= 20:
        head, proto, ends = 4 * (ip[0] & 15), ip[9], [socket.inet_ntoa(ip[i:i + 4]) for i in (12, 16)]
    elif kind == b"\x86\xdd" and len(ip) >= 40:
        head, proto, ends = 40, ip[6], [socket.inet_ntop(socket.AF_INET6, ip[i:i + 16]) for i in (8, 24)]
    else:
        return None
    ports = [int.from_bytes(ip[head + i:head + i + 2], "big") if proto in FLOW_PROTOCOLS else 0 for i in (0, 2)]
    return frozenset(zip(ends, ports)), proto


def beside(capture, name):
    """The path of label file `name` of a capture."""
    folder, file = os.path.split(capture)
    for path in (os.path.join(folder, name), os.path.join(folder, f"{os.path.splitext(file)[0]}_{name}")):
        if os.path.exists(path):
            return path
    raise ValueError(f"{capture}: no label file {name} beside it")


def clauses_of(text):
    """(verb, argument, a function of a flow, or None if a file decides) of each clause; ValueError if a clause is not valid."""
    for clause in text.split(";"):
        verb, _, condition = clause.partition(":")
        if verb not in FILES and verb not in VERBS:
            raise ValueError(f"no such clause: {clause}")
        try:
            yield verb, condition, None if verb in FILES else _condition(condition)
        except ValueError as error:
            raise ValueError(f"no such condition: {clause}: {error}") from None


def files_of(text):
    """The names of a rule's label files."""
    return [name for verb, name, _ in clauses_of(text) if verb in FILES]


class Rule:
    """The rule of one capture. Call it with the capture's flows in order: 1 malicious, 0 benign, None not used."""

    def __init__(self, text, capture=None):
        self.clauses, self.capped = [], 0
        for verb, name, condition in clauses_of(text):
            self.clauses.append((verb, condition or FILES[verb](beside(capture, name), capture)))

    def __call__(self, flow):
        for verb, condition in self.clauses:
            said = condition(flow)
            if verb in FILES:
                if said is not None:
                    return CLASSES.get(said)
            elif said:
                self.capped += verb == "cap30"
                return VERBS[verb] if self.capped <= 30 or verb != "cap30" else None
        return None

    def complaints(self):
        """Reports labels in its files that matched no flow."""
        return [said for said in (condition.complaint() for verb, condition in self.clauses if verb in FILES) if said]


def _check(row, before):
    for column in COLUMNS:
        if not row.get(column):
            raise ValueError(f"no {column}")
    if row["class"] not in (*CLASSES, "mixed"):
        raise ValueError(f"class {row['class']} is none of benign, malicious, mixed")
    row["file"] = os.path.normpath(row["file"])  # find(1) prints ./office/a.pcap
    if os.path.isabs(row["file"]) or row["file"].partition(os.sep)[0] == os.pardir:
        raise ValueError(f"{row['file']} is not below the folder of captures, from which on it is to be named: its first folder there is its publisher")
    if row["file"] in before:
        raise ValueError(f"{row['file']} is in line {before[row['file']]}, too")
    list(clauses_of(row["rule"]))


def read(path):
    """The rows of LABELS.tsv as dicts; errors name the file and line."""
    before = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t")
        try:
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or COLUMNS)]
            if missing:
                raise ValueError(f"no column {missing[0]}: a header (file, class, family, rule) with tabs between is wanted, "
                                 f"not {', '.join(reader.fieldnames)[:80]}")
            for row in reader:
                _check(row, before)
                before[row["file"]] = reader.line_num
                yield {**row, "line": reader.line_num}
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}: line {max(reader.line_num, 1)}: {error}") from None
    if not before:
        raise ValueError(f"{path}: names no captures: a header (file, class, family, rule) and a row each, tabs between")
