"""The twin's eyes: pcap and pcapng files into packets, written from the formats' documents (libpcap's savefile man page, the
pcapng draft, the RFCs) and sharing nothing with linejudge."""

import collections
import struct

SYN, ACK, FIN, RST, PSH, URG, ECE, CWR = 0x02, 0x10, 0x01, 0x04, 0x08, 0x20, 0x40, 0x80
ICMP, TCP, UDP, IPIP, IPV6_IN, GRE, ICMPV6, SCTP = 1, 6, 17, 4, 41, 47, 58, 132
ETHERNET = 1

Record = collections.namedtuple("Record", "time_ns data wire")
# length is of the IP datagram, payload what follows the L4 header; both by the headers, not by what was captured.
Packet = collections.namedtuple("Packet", "time_ns src dst sport dport proto version length payload l4_header ttl tos flags seq ack "
                                          "window mss icmp_type icmp_code vlan later_fragment app")


class Refused(Exception):
    """Not a packet of a flow: something else, or cut too short to know."""


# --- files ---

def read(path):
    """The records of a capture's Ethernet interfaces, as far as the file is whole."""
    with open(path, "rb") as file:
        data = file.read()
    return list(_pcapng(data) if data[:4] == b"\x0a\x0d\x0d\x0a" else _pcap(data))


def _pcap(data):
    orders = {b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\x3c\x4d": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1)}
    order, unit = orders[data[:4]]
    network = struct.unpack_from(order + "I", data, 20)[0]
    fcs = (network >> 28) * 2 if network & 0x04000000 else 0
    at = 24
    while at + 16 <= len(data) and network & 0xffff == ETHERNET:
        seconds, fraction, captured, wire = struct.unpack_from(order + "IIII", data, at)
        if at + 16 + captured > len(data):
            return
        yield _record(seconds * 10**9 + fraction * unit, data[at + 16:at + 16 + captured], wire, fcs)
        at += 16 + captured


def _record(time_ns, data, wire, fcs):
    wire = max(max(wire, len(data)) - fcs, 0)
    return Record(time_ns, data[:wire], wire)


def _pcapng(data):
    at, order, interfaces, time_ns = 0, "<", [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == b"\x0a\x0d\x0d\x0a":
            order, interfaces = ("<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"), []
        kind, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or at + length > len(data):
            return
        body = data[at + 8:at + length - 4]
        at += length
        if kind == 1:
            interfaces.append(_interface(body, order))
            continue
        if kind == 6:
            number, high, low, captured, wire = struct.unpack_from(order + "IIIII", body)
        elif kind == 2:
            number, _, high, low, captured, wire = struct.unpack_from(order + "HHIIII", body)
        elif kind == 3:
            number, wire = 0, struct.unpack_from(order + "I", body)[0]
            captured = min(wire, interfaces[0]["snaplen"] or wire)
        else:
            continue
        interface = interfaces[number]
        if kind != 3:
            ticks = high << 32 | low
            time_ns = ticks * 10**9 // interface["ticks_a_second"] + interface["offset_s"] * 10**9
        if interface["link_type"] == ETHERNET:
            start = 4 if kind == 3 else 20
            yield _record(time_ns, body[start:start + captured], wire, interface["fcs"])


def _interface(body, order):
    link_type, _, snaplen = struct.unpack_from(order + "HHI", body)
    interface = {"link_type": link_type, "snaplen": snaplen, "ticks_a_second": 10**6, "offset_s": 0, "fcs": 0}
    at = 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4:at + 4 + length]
        if code == 0:
            break
        if code == 9:
            interface["ticks_a_second"] = 2**(value[0] & 0x7f) if value[0] & 0x80 else 10**value[0]
        elif code == 13:
            interface["fcs"] = value[0]
        elif code == 14:
            interface["offset_s"] = struct.unpack(order + "q", value)[0]
        at += 4 + (length + 3) // 4 * 4
    return interface


# --- frames ---

def packets(path):
    """The packets of a capture that belong to flows, in the order of the file."""
    result = []
    for record in read(path):
        try:
            result.append(decode(record))
        except Refused:
            pass
    return result


def _take(form, data, at):
    if at + struct.calcsize(form) > len(data):
        raise Refused("cut short")
    return struct.unpack_from(form, data, at)


def decode(record):
    """The packet in an Ethernet frame; Refused when there is none."""
    data, at, vlan, tags = record.data, 14, 0, 0
    kind, = _take(">12xH", data, 0)
    while kind in (0x8100, 0x88a8, 0x9100):
        tag, kind = _take(">HH", data, at)
        vlan, tags, at = vlan if tags else tag & 0xfff, tags + 1, at + 4
        if tags > 4:
            raise Refused("nesting")
    if kind in (0x8847, 0x8848):
        labels, bottom = 0, False
        while not bottom:
            label, = _take(">I", data, at)
            labels, bottom, at = labels + 1, label & 0x100, at + 4
            if labels > 8:
                raise Refused("nesting")
        kind = {4: 0x0800, 6: 0x86dd}.get(_take("B", data, at)[0] >> 4)
    elif kind == 0x8864:
        kind = {0x0021: 0x0800, 0x0057: 0x86dd}.get(_take(">6xH", data, at)[0])
        at += 8
    if kind == 0x0800:
        return _ipv4(record, at, vlan)
    if kind == 0x86dd:
        return _ipv6(record, at, vlan)
    raise Refused("neither IPv4 nor IPv6")


def _ipv4(record, at, vlan):
    first, tos, total, fragment, ttl, proto, src, dst = _take(">BBH2xHBB2x4s4s", record.data, at)
    header = (first & 15) * 4
    if total == 0:  # left to segmentation offload
        total = record.wire - at
    if first >> 4 != 4 or header < 20 or total < header:
        raise Refused("IPv4 header")
    if fragment & 0x1fff:
        raise Refused("later fragment")
    return _upper(record, at + header, proto, total - header, bool(fragment & 0x2000),
                  {"src": src, "dst": dst, "version": 4, "length": total, "ttl": ttl, "tos": tos, "vlan": vlan})


def _ipv6(record, at, vlan):
    first, left, proto, ttl, src, dst = _take(">IHBB16s16s", record.data, at)
    if first >> 28 != 6:
        raise Refused("IPv6 header")
    if left == 0:  # a jumbogram, or segmentation offload
        left = max(record.wire - at - 40, 0)
    length, at, fragment, headers = 40 + left, at + 40, False, 0
    while proto in (0, 43, 44, 51, 60, 135, 139, 140):
        following, units, offset = _take(">BBH4x", record.data, at)
        headers += 1
        if headers > 8:
            raise Refused("nesting")
        if proto == 44:
            fragment, size = True, 8
            if offset & 0xfff8:
                raise Refused("later fragment")
        else:
            size = (units + 2) * 4 if proto == 51 else (units + 1) * 8
        if size > left:
            raise Refused("IPv6 extension")
        proto, left, at = following, left - size, at + size
    return _upper(record, at, proto, left, fragment,
                  {"src": src, "dst": dst, "version": 6, "length": length, "ttl": ttl, "tos": first >> 20 & 0xff, "vlan": vlan})


def _upper(record, at, proto, left, fragment, ip):
    """`left` bytes of `proto` follow by the IP header's account."""
    data = record.data
    facts = dict(sport=0, dport=0, l4_header=0, flags=0, seq=0, ack=0, window=0, mss=0, icmp_type=0, icmp_code=0)
    if proto == TCP:
        sport, dport, seq, ack, offset, flags, window = _take(">HHIIBBH4x", data, at)
        header = (offset >> 4) * 4
        if header < 20 or left < 20 or (header > left and not fragment):
            raise Refused("TCP header")
        facts.update(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, window=window, l4_header=min(header, left))
        if flags & SYN:
            facts["mss"] = _mss(data[at + 20:at + facts["l4_header"]])
    elif proto in (UDP, SCTP):
        header = 8 if proto == UDP else 12
        if left < header:
            raise Refused("L4 header")
        facts["sport"], facts["dport"] = _take(">HH", data, at)
        facts["l4_header"] = header
    elif proto in (ICMP, ICMPV6):
        header = min(left, 8)
        if header < 4:
            raise Refused("ICMP header")
        _take(f"{header}s", data, at)
        kind, facts["icmp_code"] = data[at], data[at + 1]
        facts["icmp_type"], facts["l4_header"] = kind, header
        named = kind in (128, 129) if proto == ICMPV6 else kind in (0, 8) or 13 <= kind <= 18
        if named and left >= 6:
            facts["sport"] = facts["dport"] = _take(">4xH", data, at)[0]
    app = data[at + facts["l4_header"]:at + left]
    return Packet(time_ns=record.time_ns, proto=proto, payload=left - facts["l4_header"], later_fragment=False, app=app, **facts, **ip)


def _mss(options):
    at, mss = 0, 0
    while at + 1 < len(options) and options[at] != 0:
        size = 1 if options[at] == 1 else options[at + 1]
        if size == 0 or at + size > len(options):
            break
        if options[at] == 2 and size == 4:
            mss = int.from_bytes(options[at + 2:at + 4], "big")
        at += size
    return mss
