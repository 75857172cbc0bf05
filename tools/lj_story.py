#!/usr/bin/python3
"""Replays a labelled capture and reports, by family, what linejudge detected and what it missed.

    tools/lj_story.py CAPTURE LABELS.csv
"""

import collections
import csv
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINEJUDGE = os.path.join(ROOT, "build", "app", "linejudge")
WHAT = {
    "web": "TLS-like browsing", "dns": "name look-ups", "ntp": "clock queries", "ping": "echo requests",
    "ssh": "interactive shells", "syn-flood": "a flood of SYNs from spoofed sources",
    "port-scan": "one host trying 900 ports of another", "brute-force": "guessing an SSH password",
    "beacon": "a trojan calling home every 5 s",
}
BENIGN = {"web", "dns", "ntp", "ping", "ssh"}
NUMBERS = {"TCP": 6, "UDP": 17, "ICMP": 1}


def families(path):
    """{5-tuple from the initiator's side: family}. Pings are identified by hosts only, since EVE does not have their identifier."""
    table = {}
    with open(path, newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            ports = (0, 0) if row["proto"] == "1" else (int(row["src_port"]), int(row["dst_port"]))
            table[(row["src_ip"], ports[0], row["dst_ip"], ports[1], int(row["proto"]))] = row["family"]
    return table


def main():
    capture, labels = sys.argv[1:3]
    table = families(labels)
    seen, called, scores = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    with tempfile.NamedTemporaryFile(suffix=".json") as eve:
        done = subprocess.run([LINEJUDGE, "--pcap", capture, "--eve", eve.name, "--summary", "json"],
                              stdout=subprocess.PIPE, text=True, check=True)
        summary = json.loads(done.stdout)
        for line in eve:
            event = json.loads(line)
            if event["event_type"] != "flow":
                continue
            key = (event["src_ip"], event.get("src_port", 0), event["dest_ip"], event.get("dest_port", 0),
                   NUMBERS[event["proto"]])
            family = table[key]
            seen[family] += 1
            called[family] += event["ml"]["class"] != "benign"
            scores[family].append(event["ml"]["score"])

    print(f"\n{os.path.basename(capture)}: {summary['packets']} packets, {summary['flows']} flows, "
          f"{summary['alerts']} alerts; the ledger {'balances' if summary['ledger']['balanced'] else 'DOES NOT BALANCE'}.\n")
    print(f"{'':14}{'flows':>7}{'called':>8}  {'median score':>12}   what it is")
    for family in sorted(seen, key=lambda f: (f not in BENIGN, f)):
        middle = sorted(scores[family])[len(scores[family]) // 2]
        print(f"{family:14}{seen[family]:>7}{called[family]:>8}  {middle:>12.4f}   {WHAT[family]}")
    alarms = sum(called[f] for f in seen if f in BENIGN)
    attacks = [f for f in seen if f not in BENIGN]
    caught = [f for f in attacks if called[f] >= seen[f] / 2]
    missed = [f for f in attacks if called[f] < seen[f] / 2]
    print(f"\nCaught: {', '.join(sorted(caught)) or 'nothing'}. Missed, wholly or mostly: {', '.join(sorted(missed)) or 'nothing'}. "
          f"False alarms: {alarms} of {sum(seen[f] for f in seen if f in BENIGN)} benign flows.")
    if missed:
        print("A missed attack is one that neither its flows nor what its hosts did lately tell apart from what the model knows as benign. "
              "See models/default/README.md.")
    return 0 if summary["ledger"]["balanced"] else 1


if __name__ == "__main__":
    sys.exit(main())
