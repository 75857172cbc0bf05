#!/usr/bin/python3
"""Generates synthetic attacks for training, in addition to captured ones: floods, scans, password guessing and others of which few captures are
public.

    tools/lj_attacks.py --out DIR [--captures N]

Each is defined by its mechanism: packets that nobody answers, from everywhere; one host at many ports; the same short exchange with one service
over and over; much data in DNS queries; a program that calls home. Some contain only one direction, as seen on a link with asymmetric routing.
Everything else is random for each capture, in wide ranges: rates, sizes, SYN options, timestamps, round-trip times, addresses, who answers; so a
model learns the mechanism rather than a tool. No model is ever evaluated on these captures.
"""

import argparse
import csv
import os

import lj_tool
from lj_attack import Attack
from lj_floods import amplification, answers_alone, connect_scan, reflection, request_flood, sweep, tcp_flood, tcp_scan, udp_flood, udp_scan, udp_sweep
from lj_frames import ACK, FIN, PSH, RST, SYN
from lj_intrusions import banner_talk, beacon, form_talk, guessing, name_tunnel, remote_control, session_talk, ssh_talk, web_probing, web_shell

PUBLISHER = "generated"
CAPTURES = 6  # of each attack

ATTACKS = {
    "flood:made, SYN": tcp_flood(SYN, True, SYN | ACK), "flood:made, SYN of a few": tcp_flood(SYN, False, SYN | ACK),
    "flood:made, ACK": tcp_flood(ACK, True, RST), "flood:made, ACK of a few": tcp_flood(ACK | PSH, False, RST),
    "flood:made, RST and FIN": tcp_flood(RST, True, 0), "flood:made, SYN-ACK": tcp_flood(SYN | ACK, True, RST), "flood:made, reflection": reflection,
    "flood:made, UDP": udp_flood(True), "flood:made, UDP of a few": udp_flood(False), "flood:made, amplification": amplification,
    "flood:made, requests": request_flood,
    "scan:made, SYN": tcp_scan(SYN), "scan:made, FIN": tcp_scan(FIN), "scan:made, NULL": tcp_scan(0), "scan:made, XMAS": tcp_scan(FIN | PSH | 32),
    "scan:made, ACK": tcp_scan(ACK), "scan:made, connect": connect_scan, "scan:made, UDP": udp_scan, "scan:made, sweep": sweep,
    "brute:made, banner": guessing(banner_talk, (21, 23, 25, 110)), "brute:made, SSH": guessing(ssh_talk, (22, 2222)),
    "brute:made, form": guessing(form_talk, (80, 443, 8080)), "brute:made, session": guessing(session_talk, (445, 1433, 3306, 3389, 5432)),
    "webshell:made, shell": web_shell, "webshell:made, probing": web_probing, "dnstunnel:made": name_tunnel,
    "scan:made, answers": answers_alone, "mta:made, beacon": beacon, "mta:made, control": remote_control,
    "scan:made, UDP sweep": udp_sweep,
}


def write(folder, captures=CAPTURES):
    """Writes `captures` captures of each attack to `folder`. Returns rows as in LABELS.tsv, with `path` and the addresses of `attacker` and
    `victim` if they exist: there is no attacker if sources are spoofed or others are made to answer, no victim if a program calls home."""
    os.makedirs(folder, exist_ok=True)
    rows = []
    for kind, (family, make) in enumerate(ATTACKS.items()):
        for number in range(captures):
            attack = Attack(1000 * kind + number)
            make(attack)
            path = os.path.join(folder, f"{kind:02}-{number}.pcap")
            attack.capture.save(path)
            rows.append({"file": f"{PUBLISHER}/{os.path.basename(path)}", "class": "malicious", "family": family, "rule": "mal:*", "path": path,
                         "attacker": attack.attacker, "victim": attack.victim})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="DIR", help="captures are put into its folder generated/, labels into LABELS.tsv")
    parser.add_argument("--captures", type=lj_tool.times, default=CAPTURES, help="of each attack (default: %(default)s)")
    arguments = parser.parse_args()
    lj_tool.run("tools/lj_attacks.py", lambda: make(arguments))


def make(arguments):
    rows = write(os.path.join(arguments.out, PUBLISHER), arguments.captures)
    with open(os.path.join(arguments.out, "LABELS.tsv"), "w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, ("file", "class", "family", "rule"), delimiter="\t", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
