"""CESNET FlowTest's validation cases: exact expected flows in YAML."""

import collections
import glob
import os

import yaml

from framework import peers, twin

# FlowTest's field -> linejudge's column. What a record does not have (MAC addresses, labels, what HTTP and TLS say) is not compared.
FIELDS = {"bytes": "fwd_bytes", "bytes@rev": "bwd_bytes", "packets": "fwd_packets", "packets@rev": "bwd_packets",
          "src_port": "src_port", "dst_port": "dst_port", "ttl": "fwd_ttl_min", "ttl@rev": "bwd_ttl_min",
          "icmp_type": "cic_icmp_type", "icmp_code": "cic_icmp_code", "icmp_type_code": "netflow_icmp_type",
          "tcp_flags": "netflow_client_tcp_flags", "tcp_flags@rev": "netflow_server_tcp_flags", "tcp_syn_size": "length_1",
          "dns_id": "netflow_dns_query_id"}


def cases(data):
    return sorted(glob.glob(os.path.join(data, "parity", "flowtest", "validation", "*.yml")))


def key_of(flow):
    return flow["protocol"], flow["src_ip"], flow.get("src_port", 0), flow["dst_ip"], flow.get("dst_port", 0)


def compare(case, scratch):
    """Findings of one case: the same flows, no more and no fewer, and their fields."""
    with open(case, encoding="utf-8") as file:
        expected = yaml.safe_load(file)
    capture = os.path.join(os.path.dirname(os.path.dirname(case)), "pcap", expected["pcap"])
    c = peers.Comparison("flowtest", case)
    rows = twin.of_linejudge(capture, os.path.join(scratch, "flowtest.csv"), *peers.NEVER_CUT)
    by_key = collections.defaultdict(list)
    for row in rows:
        by_key[without_ports(peers.key_of(row))].append(row)
    for flow in expected["flows"]:
        key, mine = key_of(flow), by_key[without_ports(key_of(flow))]
        if "src_port" in flow:
            mine = [row for row in mine if peers.key_of(row) == key]
        c.found.flows += 1
        if not c.value(key, "flow", bool(mine), True):
            continue
        # Of several the one that fits best.
        row = max(mine, key=lambda r, f=flow: sum(r.get(ours) == f[theirs] for theirs, ours in FIELDS.items() if theirs in f))
        by_key[without_ports(key)].remove(row)
        for theirs, ours in FIELDS.items():
            if ours in row and (theirs in flow or theirs in ("bytes@rev", "packets@rev")):
                c.value(key, theirs, row[ours], flow.get(theirs, 0))
    for rest in by_key.values():
        for row in rest:
            c.value(peers.key_of(row), "flow", True, False)
    return c.found


def without_ports(key):
    return key[0], key[1], key[3]
