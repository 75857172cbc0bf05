"""argus and ra, run live: flows, packets, bytes and argus's features.

Where argus's definition is another than linejudge's, its own is applied to the packets, as the twin reads them:
- bytes: argus counts whole frames; what stands behind the IP datagram (padding, an FCS) or around a tunnelled one is added to linejudge's.
- TcpRtt: without an ACK it is SynAck in argus.
- SrcWin, DstWin: argus scales what only one side offered to scale, against RFC 7323, and leaves out a reset's and at times a FIN's;
  without a handshake ra prints 0 or what happens to lie in memory: those are passed over.
- SrcLoad, DstLoad: ra prints them exchanged where argus found out later who began.
- TcpRtt, AckDat: argus has none where the ACK of the SYN-ACK carries data.
- SIntPkt, SrcJitter: argus leaves out gaps of less than a microsecond.
- SrcJitter: ra works in single precision, and at times prints a deviation that no gaps of that mean can have. Those are passed over.
- TcpRtt, SynAck, AckDat: where SYN or SYN-ACK were repeated argus counts from the last ones, linejudge from the first.
- An ICMP error belongs to the flow it quotes in argus: its time is not that of the packets alone.
- Loss: argus infers it by rules of its own; a share of the flows has to agree.
"""

import csv
import math
import os
import subprocess

from framework import peers, twin
from framework.twin_features import mean, std
from framework.twin_packet import ACK, FIN, ICMP, RST, SYN, TCP, UDP, packets

# linejudge's feature, ra's column. ra prints single precision, and argus has whole microseconds.
EXACT = (("argus_src_pkts", "SrcPkts"), ("argus_dst_pkts", "DstPkts"),
         ("argus_src_app_bytes", "SAppBytes"), ("argus_dst_app_bytes", "DAppBytes"),
         ("argus_src_ttl", "sTtl"), ("argus_dst_ttl", "dTtl"))
TIMES = (("argus_tcp_rtt", "TcpRtt"), ("argus_syn_ack", "SynAck"), ("argus_ack_dat", "AckDat"), ("argus_dur", "Dur"))
RATES = (("argus_rate", "Rate"), ("argus_src_rate", "SrcRate"), ("argus_dst_rate", "DstRate"))
MICROSECONDS, SINGLE = 2.1e-6, 1e-5
FIELDS = ("stime", "dur", "proto", "saddr", "sport", "daddr", "dport", "spkts", "dpkts", "sbytes", "dbytes", "sappbytes", "dappbytes",
          "rate", "srate", "drate", "sload", "dload", "sloss", "dloss", "sintpkt", "dintpkt", "sjit", "djit", "tcprtt", "synack", "ackdat",
          "sttl", "dttl", "swin", "dwin", "state")


def records(capture, scratch):
    """ra's records of TCP and UDP: dicts by its titles, numbers as numbers, empty as 0; "key" is (proto, source, port, ...)."""
    path = os.path.join(scratch, "argus.out")
    if os.path.exists(path):
        os.remove(path)
    subprocess.run(["argus", "-F", "/dev/null", "-A", "-J", "-R", "-S", "86400", "-r", str(capture), "-w", path], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # ra fails where nothing passes its filter; it is not asked to filter, then.
    done = subprocess.run(["ra", "-n", "-u", "-p", "9", "-F", "/dev/null", "-r", path, "-c", ",", "-s", *FIELDS],
                          stdout=subprocess.PIPE, text=True, check=True)
    rows = []
    for row in csv.DictReader(done.stdout.splitlines()):
        proto = {"tcp": TCP, "udp": UDP, "rtp": UDP, "rtcp": UDP, "udt": UDP}.get(row["Proto"])
        if proto is not None:
            rows.append({name: twin.number(value) if value else 0 for name, value in row.items()})
            rows[-1]["key"] = (proto, row["SrcAddr"], int(row["Sport"]), row["DstAddr"], int(row["Dport"]))
    return rows


def by_conversation(rows):
    result = {}
    for row in rows:
        result.setdefault(peers.both_ways(row["key"]), []).append(row)
    return result


def compare(capture, scratch, loss):
    """Findings of one capture; `loss` is a list to which (agrees, flow) is added for each TCP flow."""
    c = peers.Comparison("argus", capture)
    rows = twin.of_linejudge(capture, os.path.join(scratch, "argus.csv"), *peers.NEVER_CUT)
    ours = peers.by_conversation(row for row in rows if row["proto"] in (TCP, UDP))
    theirs = by_conversation(records(capture, scratch))
    flows, quoted = peers.flows_of(capture), quotations(capture)
    for name in sorted(set(ours) | set(theirs), key=str):
        mine, its = ours.get(name, []), theirs.get(name, [])
        key = peers.key_of(mine[0]) if mine else its[0]["key"]
        c.found.flows += 1
        same = c.value(key, "packets", sum(row["packets"] for row in mine), sum(row["SrcPkts"] + row["DstPkts"] for row in its))
        if not same or len(mine) != 1 or len(its) != 1:
            continue  # a reused port: argus ends connections by rules of its own
        if c.value(key, "initiator", key[1:3], its[0]["key"][1:3]):
            one_flow(c, key, mine[0], its[0], flows[name][0], name in quoted)
            if name[0] == TCP:
                equal = (mine[0]["argus_src_loss"], mine[0]["argus_dst_loss"]) == (its[0]["SrcLoss"], its[0]["DstLoss"])
                loss.append((equal, f"{capture} {peers.flow_text(key)}"))
    return c.found


def one_flow(c, key, mine, its, flow, quoted):
    for ours, theirs in EXACT:
        c.value(key, ours, mine[ours], its[theirs])
    sides = [[p for s, p in flow.packets if s == side] for side in (0, 1)]
    for sent, word, letter in zip(sides, ("src", "dst"), ("Src", "Dst")):
        one_side(c, key, mine, its, sent, word, letter)
    if mine["state_established"] and mine["argus_ack_dat"] > 0:
        windows(c, key, mine, its, sides)
    if quoted:
        return
    loads(c, key, mine, its, sides)
    handshake = flow.proto == TCP and sum(bool(p.flags & SYN) for _, p in flow.packets) <= 2 and not answer_has_payload(flow)
    for ours, theirs in TIMES:
        if theirs == "TcpRtt" and mine["argus_ack_dat"] == 0:
            ours = "argus_syn_ack"
        if handshake or theirs == "Dur":
            c.value(key, ours, mine[ours], its[theirs], absolute=MICROSECONDS, relative=SINGLE)
    for ours, theirs in RATES:
        c.value(key, ours, mine[ours], its[theirs], relative=SINGLE + (MICROSECONDS / its["Dur"] if its["Dur"] else 0))


def one_side(c, key, mine, its, sent, word, letter):
    c.value(key, f"argus_{word}_bytes", frame_bytes(mine, word, sent), its[f"{letter}Bytes"])
    times = [p.time_ns // 1000 for p in sent]
    gaps = [b - a for a, b in zip(times, times[1:])]
    counted = [gap for gap in gaps if gap > 0]
    between, jitter = its[f"{letter[0]}IntPkt"], its[f"{letter}Jitter"]
    # Where argus counts every gap its definition is linejudge's.
    whole = len(counted) == len(gaps)
    c.value(key, f"argus_{word}_int_pkt", mine[f"argus_{word}_int_pkt"] if whole else (mean(counted) or 0) / 1000, between,
            relative=1e-4, absolute=2e-3)
    if jitter <= between * math.sqrt(max(len(counted) - 1, 0)) * 1.001 and gaps == [max(g, 0) for g in gaps]:
        c.value(key, f"argus_{word}_jitter", mine[f"argus_{word}_jitter"] if whole else (std(counted) or 0) / 1000, jitter,
                relative=1e-3, absolute=2e-3 + between * 5e-4)


def frame_bytes(mine, word, sent):
    header = 18 if sent and sent[0].vlan else 14
    return mine[f"argus_{word}_bytes"] + sum(p.wire - header - p.length for p in sent)


def windows(c, key, mine, its, sides):
    both = all(sent[0].wscale is not None for sent in sides)
    for sent, word, column in zip(sides, ("src", "dst"), ("SrcWin", "DstWin")):
        counted = [p for p in sent if not p.flags & RST]
        if counted[-1].flags & FIN and counted[-1].window << (sent[0].wscale or 0) != its[column]:
            counted.pop()
        # Where both scale and no reset came last argus's definition is linejudge's.
        whole = (both or sent[0].wscale is None) and counted[-1] is sent[-1]
        c.value(key, f"argus_{word}_win", mine[f"argus_{word}_win"] if whole else counted[-1].window << (sent[0].wscale or 0), its[column])


def loads(c, key, mine, its, sides):
    if mine["argus_dur"] < 1e-3:
        return  # microseconds matter too much
    frames = [frame_bytes(mine, word, sent) for word, sent in zip(("src", "dst"), sides)]
    computed = [(n - n // len(sent)) * 8 / mine["argus_dur"] if len(sent) > 1 else 0 for n, sent in zip(frames, sides)]
    theirs = [its["SrcLoad"], its["DstLoad"]]
    if not math.isclose(computed[0], theirs[0], rel_tol=1e-3, abs_tol=1):
        theirs.reverse()
    for word, mine_load, its_load in zip(("src", "dst"), computed, theirs):
        c.value(key, f"argus_{word}_load", mine_load, its_load, relative=1e-3, absolute=1)


def answer_has_payload(flow):
    """Whether the ACK of the SYN-ACK carries data."""
    answered = False
    for side, p in flow.packets:
        if side == 0 and answered and p.flags & (SYN | ACK) == ACK:
            return p.payload > 0
        answered = answered or (side == 1 and p.flags & (SYN | ACK) == SYN | ACK)
    return False


def quotations(capture):
    """Conversations that an ICMP error quotes."""
    result = set()
    for p in packets(capture):
        if p.proto == ICMP and p.icmp_type in (3, 4, 5, 11, 12) and len(p.app) >= 28:
            header = (p.app[0] & 15) * 4
            ports = p.app[header:header + 4]
            result.add(peers.both_ways((p.app[9], *twin.text((p.app[12:16], int.from_bytes(ports[:2], "big"))),
                                        *twin.text((p.app[16:20], int.from_bytes(ports[2:], "big"))))))
    return result
