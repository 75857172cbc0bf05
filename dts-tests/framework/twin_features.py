"""The twin's arithmetic: a flow's list of packets into every feature, by the plain formula each feature's help tells.

None stands for what does not exist. Integers are exact; the rest is float.
"""

import math

from framework.twin_packet import ACK, CWR, ECE, FIN, ICMP, ICMPV6, PSH, RST, SYN, TCP, UDP, URG
from framework.twin_application import dns, ftp_code
from framework.twin_sequence import ByLatestGap

SECOND = 10**9


def features(flow, sequence=ByLatestGap):
    """name -> value of all sets. `sequence` says how TCP's sequence space is judged: ByLatestGap as linejudge does, or ByPlace."""
    view = View(flow, sequence)
    return {**own(view), **network(view), **cic(view), **argus(view), **netflow(view)}


# --- lists and their statistics ---

def gaps(packets):
    """Between consecutive packets, in ns; 0 where the capture goes back in time."""
    result, latest = [], None
    for p in packets:
        if latest is not None:
            result.append(max(p.time_ns - latest, 0))
        latest = p.time_ns if latest is None else max(latest, p.time_ns)
    return result


def mean(values):
    return math.fsum(values) / len(values) if values else None


def variance(values, degrees=0):
    """Population variance; degrees=1: the sample's, None for fewer than two."""
    if len(values) <= degrees:
        return None
    middle = mean(values)
    return math.fsum((v - middle)**2 for v in values) / (len(values) - degrees)


def std(values, degrees=0):
    square = variance(values, degrees)
    return None if square is None else math.sqrt(square)


def over(part, whole):
    """0 where there is nothing to divide by, as other tools have it."""
    return part / whole if whole else 0


def us(ns):
    return None if ns is None else ns / 1000


def least(values):
    return min(values, default=None)


def most(values):
    return max(values, default=None)


def zero(value):
    return 0 if value is None else value


def union(flags):
    result = 0
    for f in flags:
        result |= f
    return result


# --- what the features are made of ---

class Side:
    def __init__(self, packets, proto, sequence):
        self.packets, self.n, self.proto = packets, len(packets), proto
        self.lengths = [p.length for p in packets]
        self.payloads = [p.payload for p in packets]
        self.bytes, self.payload = sum(self.lengths), sum(self.payloads)
        self.headers = self.bytes - self.payload
        self.gaps = gaps(packets)
        self.with_payload = sum(p.payload > 0 for p in packets)
        tcp = [p for p in packets if proto == TCP and not p.later_fragment]
        self.flags = [p.flags for p in tcp]
        self.windows = [p.window for p in tcp]
        self.sequence = sequence(tcp)
        self.zero_windows = sum(p.window == 0 and not p.flags & RST for p in tcp)
        self.ttls = [p.ttl for p in packets]
        self.span = max(p.time_ns for p in packets) - packets[0].time_ns if packets else 0

    def count(self, flag):
        return sum(bool(f & flag) for f in self.flags)


class Bulks:
    """CICFlowMeter's: runs of four or more payload packets of one side, none of the other's between, gaps of 1 s at most."""

    def __init__(self, flow, side):
        self.runs, run, latest = [], [], None
        for sender, p in [sp for sp in flow.packets if sp[1].payload > 0]:
            broken = sender != side or (run and p.time_ns - latest > SECOND)
            if broken:
                self.runs.append(run)
                run = []
            if sender == side:
                run = run + [p]
                latest = p.time_ns
        self.runs = [r for r in self.runs + [run] if len(r) >= 4]
        self.count = len(self.runs)
        self.packets = sum(map(len, self.runs))
        self.bytes = sum(p.payload for r in self.runs for p in r)
        self.ns = sum(sum(gaps(r)) for r in self.runs)


class View:
    def __init__(self, flow, sequence):
        self.flow, self.proto, self.version = flow, flow.proto, flow.version
        self.all = [p for _, p in flow.packets]
        self.side = [Side([p for s, p in flow.packets if s == side], flow.proto, sequence) for side in (0, 1)]
        self.n, self.span = len(self.all), flow.last_ns - flow.first_ns
        self.lengths = [p.length for p in self.all]
        self.payloads = [p.payload for p in self.all]
        self.gaps = gaps(self.all)
        self.bytes, self.payload = sum(self.lengths), sum(self.payloads)
        self.sport, self.dport = flow.initiator[1], flow.responder[1]
        self.first = self.all[0]
        self.is_icmp = self.proto in (ICMP, ICMPV6)
        self._handshake()
        self._activity()

    def _handshake(self):
        self.syn = self.synack = self.ack = None
        if self.proto != TCP:
            return
        for side, p in self.flow.packets:
            kind = p.flags & (SYN | ACK)
            if side == 0 and kind == SYN and self.syn is None:
                self.syn = p.time_ns
            elif side == 1 and kind == SYN | ACK and self.synack is None:
                self.synack = p.time_ns
            elif side == 0 and kind == ACK and self.synack is not None and self.ack is None:
                self.ack = p.time_ns

    def _activity(self):
        """Spans of activity that a gap over 5 s ended, those gaps, and how many gaps are over 1 s."""
        self.active, self.idle = [], [g for g in self.gaps if g > 5 * SECOND]
        self.subflows = 1 + sum(g > SECOND for g in self.gaps)
        begin = latest = self.first.time_ns
        for p, gap in zip(self.all[1:], self.gaps):
            if gap > 5 * SECOND:
                if latest > begin:
                    self.active.append(latest - begin)
                begin = p.time_ns
            latest = max(latest, p.time_ns)

    def per_second(self, count):
        return count * SECOND / self.span if self.span else None

    def bulks(self, side):
        return Bulks(self.flow, side)


def between(begin, end):
    return end - begin if begin is not None and end is not None and end >= begin else None


# --- the sets ---

def own(v):
    out = {
        "duration_us": us(v.span),
        "is_tcp": int(v.proto == TCP), "is_udp": int(v.proto == UDP), "is_icmp": int(v.is_icmp),
        "packets": v.n, "bytes": v.bytes,
        "one_sided": int(v.side[0].n == 0 or v.side[1].n == 0),
        "packet_ratio": v.side[1].n / v.n, "byte_ratio": v.side[1].bytes / v.bytes if v.bytes else None,
        "length_mean": mean(v.lengths), "length_std": std(v.lengths),
        "length_min": min(v.lengths), "length_max": max(v.lengths),
        "gap_mean_us": us(mean(v.gaps)), "gap_std_us": us(std(v.gaps)),
        "gap_min_us": us(least(v.gaps)), "gap_max_us": us(most(v.gaps)),
        "packets_per_s": v.per_second(v.n), "bytes_per_s": v.per_second(v.bytes),
        "synack_us": us(between(v.syn, v.synack)), "ack_us": us(between(v.synack, v.ack)),
        "midstream": int(v.flow.midstream),
        "state_established": int(v.synack is not None),
        "state_unanswered": int(v.syn is not None and v.side[1].n == 0),
        "state_rejected": int(v.syn is not None and v.synack is None and v.side[1].count(RST) > 0),
        "state_reset": int(v.flow.reset), "state_finished": int(len(v.flow.fins) == 2),
        "active_mean_us": us(mean(v.active)), "idle_mean_us": us(mean(v.idle)), "idle_max_us": us(most(v.idle)),
        "idle_count": len(v.idle), "subflows": v.subflows,
    }
    for name, s in zip(("fwd", "bwd"), v.side):
        own_side(out, name, s)
    for i in range(16):
        there = i < v.n
        out[f"length_{i + 1}"] = v.lengths[i] * (-1 if v.flow.packets[i][0] else 1) if there else None
        if i > 0:
            out[f"gap_{i + 1}_us"] = v.gaps[i - 1] // 1000 if there else None
    return out


def own_side(out, name, s):
    out.update({
        f"{name}_packets": s.n, f"{name}_bytes": s.bytes,
        f"{name}_length_mean": mean(s.lengths), f"{name}_length_std": std(s.lengths),
        f"{name}_length_min": least(s.lengths), f"{name}_length_max": most(s.lengths),
        f"{name}_gap_mean_us": us(mean(s.gaps)), f"{name}_gap_std_us": us(std(s.gaps)),
        f"{name}_gap_min_us": us(least(s.gaps)), f"{name}_gap_max_us": us(most(s.gaps)),
        f"{name}_payload_bytes": s.payload, f"{name}_payload_packets": s.with_payload,
        f"{name}_payload_mean": mean(s.payloads), f"{name}_payload_std": std(s.payloads),
        f"{name}_payload_max": most(s.payloads), f"{name}_header_bytes": s.headers,
        f"{name}_retransmitted_packets": s.sequence.again, f"{name}_out_of_order": s.sequence.out_of_order,
        f"{name}_zero_windows": s.zero_windows,
    })
    for flag, letters in ((FIN, "fin"), (SYN, "syn"), (RST, "rst"), (PSH, "psh"), (URG, "urg"), (ECE, "ece"), (CWR, "cwr"), (ACK, "ack")):
        out[f"{name}_{letters}"] = s.count(flag)


def network(v):
    out = {"src_port": v.sport, "dst_port": v.dport, "proto": v.proto}
    for name, s in zip(("fwd", "bwd"), v.side):
        out.update({
            f"{name}_ttl_min": least(s.ttls), f"{name}_ttl_max": most(s.ttls),
            f"{name}_window_first": s.windows[0] if s.windows else None, f"{name}_window_max": most(s.windows),
            f"{name}_mss": (s.packets[0].mss if s.windows else 0) or None,
        })
    return out


def cic(v):
    out = {
        "src_port": v.sport, "dst_port": v.dport, "protocol": v.proto, "flow_duration": us(v.span),
        "total_fwd_packet": v.side[0].n, "total_bwd_packets": v.side[1].n,
        "flow_bytes_s": v.per_second(v.payload), "flow_packets_s": v.per_second(v.n),
        "packet_length_min": min(v.payloads), "packet_length_max": max(v.payloads), "packet_length_mean": mean(v.payloads),
        "packet_length_std": zero(std(v.payloads, 1)), "packet_length_variance": zero(variance(v.payloads, 1)),
        "average_packet_size": mean(v.payloads), "down_up_ratio": over(v.side[1].n, v.side[0].n),
        "icmp_code": v.first.icmp_code if v.is_icmp else -1, "icmp_type": v.first.icmp_type if v.is_icmp else -1,
        "total_tcp_retrans_count": v.side[0].sequence.again + v.side[1].sequence.again,
        "total_tcp_flow_time": us(v.span) if v.proto == TCP else 0,
    }
    cic_gaps(out, "flow_iat", v.gaps)
    for name, values in (("active", v.active), ("idle", v.idle)):
        cic_gaps(out, name, values)
    for flag, letters in ((FIN, "fin"), (SYN, "syn"), (RST, "rst"), (PSH, "psh"), (ACK, "ack"), (URG, "urg"), (CWR, "cwr"), (ECE, "ece")):
        out[f"{letters}_flag_count"] = v.side[0].count(flag) + v.side[1].count(flag)
    for i, (name, s) in enumerate(zip(("fwd", "bwd"), v.side)):
        cic_side(out, name, s, v, v.bulks(i))
    return {f"cic_{name}": value for name, value in out.items()}


def cic_gaps(out, name, values):
    out.update({f"{name}_mean": zero(us(mean(values))), f"{name}_std": zero(us(std(values, 1))),
                f"{name}_max": zero(us(most(values))), f"{name}_min": zero(us(least(values)))})


def cic_side(out, name, s, v, bulks):
    headers = [p.l4_header for p in s.packets if p.payload > 0 and not p.later_fragment]
    out.update({
        f"total_length_of_{name}_packet": s.payload,
        f"{name}_packet_length_max": zero(most(s.payloads)), f"{name}_packet_length_min": zero(least(s.payloads)),
        f"{name}_packet_length_mean": zero(mean(s.payloads)), f"{name}_packet_length_std": zero(std(s.payloads, 1)),
        f"{name}_iat_total": us(s.span),
        f"{name}_psh_flags": s.count(PSH), f"{name}_urg_flags": s.count(URG), f"{name}_rst_flags": s.count(RST),
        f"{name}_header_length": s.headers - s.n * (40 if v.version == 6 else 20),
        f"{name}_packets_s": over(s.n * SECOND, v.span), f"{name}_segment_size_avg": zero(mean(s.payloads)),
        f"{name}_bytes_bulk_avg": over(bulks.bytes, bulks.count), f"{name}_packet_bulk_avg": over(bulks.packets, bulks.count),
        f"{name}_bulk_rate_avg": over(bulks.bytes * SECOND, bulks.ns),
        f"subflow_{name}_packets": s.n / v.subflows, f"subflow_{name}_bytes": s.payload / v.subflows,
        f"{name}_init_win_bytes": s.windows[0] if s.windows else 0, f"{name}_act_data_pkts": s.with_payload,
        f"{name}_seg_size_min": {TCP: zero(least(headers)), UDP: 8 if s.n else 0}.get(v.proto, 0),
        f"{name}_tcp_retrans_count": s.sequence.again,
    })
    cic_gaps(out, f"{name}_iat", s.gaps)


def argus(v):
    header = 18 if v.first.vlan else 14  # what argus counts and IP does not
    loads = [over((frame_bytes(s, header) - frame_bytes(s, header) // s.n) * 8 * SECOND, v.span) if s.n > 1 else 0 for s in v.side]
    again = [s.sequence.again for s in v.side]
    synack, ack = between(v.syn, v.synack), between(v.synack, v.ack)
    whole = between(v.syn, v.ack) if v.synack is not None else None
    out = {
        "sport": v.sport, "dport": v.dport, "proto": v.proto, "dur": v.span / SECOND,
        "rate": over((v.n - 1) * SECOND, v.span), "load": sum(loads), "pkts": v.n,
        "bytes": sum(frame_bytes(s, header) for s in v.side), "app_bytes": v.payload,
        "pcr": over(v.side[0].payload - v.side[1].payload, v.payload),
        "loss": sum(again), "retrans": sum(again), "ploss": over(100 * sum(again), v.n + sum(again)),
        "mean": v.span / SECOND, "stddev": 0, "sum": v.span / SECOND, "min": v.span / SECOND, "max": v.span / SECOND, "trans": 1,
        "state": argus_state(v), "tcp_rtt": zero(whole) / SECOND, "syn_ack": zero(synack) / SECOND, "ack_dat": zero(ack) / SECOND,
    }
    for name, s, load in zip(("src", "dst"), v.side, loads):
        out.update({
            f"{name}_rate": over((s.n - 1) * SECOND, v.span) if s.n else 0, f"{name}_load": load, f"{name}_pkts": s.n,
            f"{name}_bytes": frame_bytes(s, header), f"{name}_app_bytes": s.payload,
            f"{name}_loss": s.sequence.again, f"{name}_retrans": s.sequence.again, f"{name}_gap": s.sequence.missing,
            f"p{name[0]}loss": over(100 * s.sequence.again, s.n + s.sequence.again),
            f"{name}_int_pkt": zero(mean(s.gaps)) / 10**6, f"{name}_jitter": zero(std(s.gaps)) / 10**6,
            f"{name}_mean_pkt_size": over(frame_bytes(s, header), s.n),
            f"{name}_max_pkt_size": most(s.lengths) + header if s.n else 0,
            f"{name}_min_pkt_size": least(s.lengths) + header if s.n else 0,
            f"{name}_ttl": s.ttls[-1] if s.n else 0, f"{name}_win": last_window(v, s),
        })
    return {f"argus_{name}": value for name, value in out.items()}


def last_window(v, s):
    """Scaled when both first packets had the option (RFC 7323)."""
    shifts = [side.packets[0].wscale if side.n else None for side in v.side]
    shift = 0 if None in shifts else s.packets[0].wscale
    return s.windows[-1] << shift if s.windows else 0


def argus_state(v):
    request, accepted, connected, closed, reset, one_sided, echo = range(1, 8)
    if v.proto != TCP:
        if v.side[0].n and v.side[1].n:
            return connected
        return echo if v.is_icmp and v.first.icmp_type in (8, 128) else one_sided
    if v.flow.reset or len(v.flow.fins) == 2:
        return reset if v.flow.reset else closed
    if v.syn is None:
        return connected
    return request if v.synack is None else accepted if v.ack is None else connected


def frame_bytes(s, header):
    return s.bytes + header * s.n


def netflow(v):
    ttls = v.side[0].ttls + v.side[1].ttls
    messages = [m for m in map(dns, v.all) if m is not None]
    named = [m for m in messages if (m.name, m.kind) != (0, 0)]
    out = {
        "l4_src_port": v.sport, "l4_dst_port": v.dport, "protocol": v.proto,
        "in_bytes": v.side[0].bytes, "in_pkts": v.side[0].n, "out_bytes": v.side[1].bytes, "out_pkts": v.side[1].n,
        "tcp_flags": union(v.side[0].flags + v.side[1].flags), "client_tcp_flags": union(v.side[0].flags),
        "server_tcp_flags": union(v.side[1].flags),
        "flow_duration_milliseconds": v.span // 10**6, "min_ttl": min(ttls), "max_ttl": max(ttls),
        "longest_flow_pkt": max(v.lengths), "shortest_flow_pkt": min(v.lengths),
        "min_ip_pkt_len": min(v.lengths) if v.side[1].n else 0, "max_ip_pkt_len": max(v.lengths),
        "icmp_type": v.first.icmp_type * 256 + v.first.icmp_code if v.is_icmp else 0,
        "icmp_ipv4_type": v.first.icmp_type if v.proto == ICMP else 0,
        "dns_query_id": named[0].name if named else 0, "dns_query_type": named[0].kind if named else 0,
        "dns_ttl_answer": next((m.ttl for m in messages if m.ttl), 0),
        "ftp_command_ret_code": next((c for c in map(ftp_code, reversed(v.all)) if c is not None), 0),
    }
    for low, high in ((0, 128), (128, 256), (256, 512), (512, 1024), (1024, 1514)):
        name = f"num_pkts_{low}_to_{high}_bytes" if low else "num_pkts_up_to_128_bytes"
        out[name] = sum(low < length <= high for length in v.lengths)
    for way, arrow, s in (("in", "src_to_dst", v.side[0]), ("out", "dst_to_src", v.side[1])):
        out.update({
            f"duration_{way}": s.span // 10**6, f"{arrow}_second_bytes": s.bytes * SECOND / max(s.span, SECOND),
            f"{arrow}_avg_throughput": s.bytes * 8000 / max(s.span // 10**6, 1),
            f"retransmitted_{way}_bytes": s.sequence.again_bytes, f"retransmitted_{way}_pkts": s.sequence.again,
            f"tcp_win_max_{way}": zero(most(s.windows)),
        })
    return {f"netflow_{name}": value for name, value in out.items()}
