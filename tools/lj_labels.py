"""Label rules of LABELS.tsv: which flows of a capture are malicious, benign, or not used.

A rule is clauses joined by `;`; the first that matches a flow wins. `drop:bg` leaves out background (not TCP, UDP or SCTP;
name service and discovery ports; UDP to multicast or broadcast); `mal:`, `benign:` and `drop:` take `*`, `peer=IP[:port]` or
`ports=a,b`; `cap30:` is `mal:` for the first 30 flows of a file, the rest dropped.
"""

import csv
import ipaddress

BACKGROUND_PORTS = {53, 67, 68, 123, 137, 138, 546, 547, 1900, 3702, 5353, 5355}
FLOW_PROTOCOLS = {6, 17, 132}


class Flow:
    """What a rule looks at."""

    def __init__(self, src_ip, src_port, dst_ip, dst_port, proto):
        self.ends = ((src_ip, int(src_port)), (dst_ip, int(dst_port)))
        self.proto = int(proto)

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


class Rule:
    """One capture's rule; call it on the capture's flows in order: 1 malicious, 0 benign, None not used."""

    def __init__(self, text):
        self.clauses = [clause.partition(":")[::2] for clause in text.split(";")]
        for verb, condition in self.clauses:
            if verb not in ("drop", "mal", "benign", "cap30"):
                raise ValueError(f"no such clause: {verb}:{condition}")
        self.capped = 0

    def __call__(self, flow):
        for verb, condition in self.clauses:
            if not _matches(condition, flow):
                continue
            if verb == "cap30":
                self.capped += 1
                return 1 if self.capped <= 30 else None
            return {"drop": None, "mal": 1, "benign": 0}[verb]
        return None


def read(path):
    """Rows of LABELS.tsv as dicts; an error names the file and line."""
    with open(path, newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file, delimiter="\t"), start=2):
            if not row.get("file") or not row.get("rule") or not row.get("family"):
                raise ValueError(f"{path}: line {line}: file, family or rule is missing")
            yield row
