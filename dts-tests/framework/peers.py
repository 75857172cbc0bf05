"""What other meters say of the same captures, and where linejudge differs.

A peer yields Findings: what it compared, and each difference. Times, lengths and counts that differ by the peer's own definition are
compared under that definition, which is told where it is applied; the rest has to be in the table of docs/parity.md.
"""

import collections
import dataclasses
import fnmatch
import os

from framework import twin
from framework.linejudge import ROOT
from framework.twin_flows import meter
from framework.twin_packet import packets

Difference = collections.namedtuple("Difference", "peer capture flow value ours theirs")
NEVER_CUT = ("--set", "flow.idle_timeout_s=86400", "--set", "flow.active_timeout_s=604800", "--set", "flow.tcp_linger_s=3600")


@dataclasses.dataclass
class Findings:
    captures: int = 0
    flows: int = 0
    values: int = 0
    differences: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.captures += other.captures
        self.flows += other.flows
        self.values += other.values
        self.differences += other.differences


class Comparison:
    """Collects the findings of one capture."""

    def __init__(self, peer, capture):
        self.peer, self.capture, self.found = peer, os.path.basename(capture), Findings(captures=1)

    def value(self, flow, name, ours, theirs, relative=0, absolute=0):
        self.found.values += 1
        near = ours == theirs
        if not near and isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
            near = abs(ours - theirs) <= max(relative * max(abs(ours), abs(theirs)), absolute)
        if not near:
            self.found.differences.append(Difference(self.peer, self.capture, flow_text(flow), name, ours, theirs))
        return near


def flow_text(flow):
    """'17 10.0.0.1:53 > 10.0.0.2:5353', from (proto, source, port, destination, port)."""
    proto, src, sport, dst, dport = flow
    return f"{proto} {src}:{sport} > {dst}:{dport}"


class Known:
    """The table of docs/parity.md: | peer | capture | flow | value | why |, with * and ? as in file names."""

    def __init__(self, path=os.path.join(ROOT, "docs", "parity.md")):
        self.rows, self.used = [], set()
        with open(path, encoding="utf-8") as file:
            for line in file:
                cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
                if line.startswith("| `") and len(cells) == 5:
                    self.rows.append(tuple(cell.strip("`") for cell in cells[:4]))

    def explains(self, difference):
        for row in self.rows:
            if all(fnmatch.fnmatchcase(str(value), pattern) for value, pattern in zip(difference[:4], row)):
                self.used.add(row)
                return True
        return False

    def unused(self, peers):
        """Rows about these peers that explained nothing: what they tell is no longer so."""
        return [row for row in self.rows if row[0] in peers and row not in self.used]


def key_of(row):
    return int(row["proto"]), row["src_ip"], int(row["src_port"]), row["dst_ip"], int(row["dst_port"])


def both_ways(key):
    """One name for a conversation, whoever began."""
    proto, src, sport, dst, dport = key
    return (proto, *sorted([(src, sport), (dst, dport)]))


def by_conversation(rows):
    result = collections.defaultdict(list)
    for row in rows:
        result[both_ways(key_of(row))].append(row)
    return result


def flows_of(capture):
    """The twin's flows by conversation, never cut."""
    result = collections.defaultdict(list)
    for flow in meter(packets(capture), 86400, 604800, 3600):
        result[both_ways((flow.proto, *twin.text(flow.initiator), *twin.text(flow.responder)))].append(flow)
    return result
