"""The twin's decoder: Ethernet frames into packets of flows, from the RFCs and sharing nothing with linejudge."""

import collections
import struct

from framework.twin_capture import read

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
ICMP, IPIP, TCP, UDP, IPV6, GRE, ICMPV6, ETHERIP, SCTP = 1, 4, 6, 17, 41, 47, 58, 97, 132
# EtherTypes, and three names for what has none.
TYPE_IPV4, TYPE_IPV6, TYPE_PPPOE, TYPE_BRIDGED, TYPE_PPP = 0x0800, 0x86dd, 0x8864, 0x6558, 0x880b
TYPES_VLAN, TYPES_MPLS, TYPE_BY_VERSION = (0x8100, 0x88a8, 0x9100), (0x8847, 0x8848), "4 or 6"
FRAGMENT_TIMEOUT_NS = 30 * 10**9
LAYERS, TUNNELS, LABELS, EXTENSIONS = 12, 4, 8, 8  # at most

# length is of the IP datagram, payload what follows the L4 header: both by the headers, not by what was captured. app: as much of the
# payload as was captured. wscale: None without the option. wire: bytes of the whole frame, without FCS.
Packet = collections.namedtuple("Packet", "time_ns src dst sport dport proto version length payload l4_header ttl tos flags seq ack window "
                                          "mss wscale icmp_type icmp_code vlan later_fragment app wire")


class Refused(Exception):
    """Not a packet of a flow: something else, or cut too short to know."""


def packets(path):
    """The packets of a capture that belong to flows, in the order of the file."""
    decoder, result = Decoder(), []
    for record in read(path):
        try:
            result.append(decoder.decode(record))
        except Refused:
            pass
    return result


def take(form, data, at):
    if at + struct.calcsize(form) > len(data):
        raise Refused("cut short")
    return struct.unpack_from(form, data, at)


class Decoder:
    """Remembers the first fragments of datagrams; nothing else from packet to packet."""

    def __init__(self):
        self.datagrams = {}  # (src, dst, id, protocol) -> (time, sport, dport, proto)

    def decode(self, record):
        """The innermost packet of an Ethernet frame that can be read."""
        return self.layers(record, TYPE_BRIDGED, 0, 0, 0)

    def layers(self, record, kind, at, vlan, tunnels):
        """What stands at `at`, being of `kind`, up to the IP header and on."""
        data = record.data
        for _ in range(LAYERS):
            if kind == TYPE_IPV4:
                return self.ipv4(record, at, vlan, tunnels)
            if kind == TYPE_IPV6:
                return self.ipv6(record, at, vlan, tunnels)
            if kind == TYPE_BRIDGED:
                kind, at = ethernet(data, at)
            elif kind in TYPES_VLAN:
                tag, = take(">H", data, at)
                kind, at = ether_type(data, at + 2)
                vlan = vlan or tag & 0xfff
            elif kind in TYPES_MPLS:
                kind, at = mpls(data, at)
            elif kind == TYPE_BY_VERSION:
                kind = {4: TYPE_IPV4, 6: TYPE_IPV6}.get(take("B", data, at)[0] >> 4)
            elif kind == TYPE_PPPOE:
                kind, at = TYPE_PPP, at + 6
            elif kind == TYPE_PPP:
                kind, at = ppp(data, at)
            else:
                raise Refused("neither IPv4 nor IPv6")
        raise Refused("nesting")

    def ipv4(self, record, at, vlan, tunnels):
        first, tos, total, name, fragment, ttl, proto, src, dst = take(">BBHHHBB2x4s4s", record.data, at)
        header = (first & 15) * 4
        if total == 0:  # left to segmentation offload
            total = max(record.wire - at, 0)
        if first >> 4 != 4 or header < 20 or total < header:
            raise Refused("IPv4 header")
        ip = {"time_ns": record.time_ns, "src": src, "dst": dst, "version": 4, "length": total, "ttl": ttl, "tos": tos, "vlan": vlan,
              "wire": record.wire}
        place = "later" if fragment & 0x1fff else "first" if fragment & 0x2000 else None
        return self.upper(record, at + header, proto, total - header, ip, (place, (src, dst, name, proto)), tunnels)

    def ipv6(self, record, at, vlan, tunnels):
        data = record.data
        first, left, proto, ttl, src, dst = take(">IHBB16s16s", data, at)
        if first >> 28 != 6:
            raise Refused("IPv6 header")
        if left == 0 and proto != 59:  # a jumbogram, or segmentation offload; 59: nothing follows
            left = max(record.wire - at - 40, 0)
        ip = {"time_ns": record.time_ns, "src": src, "dst": dst, "version": 6, "length": 40 + left, "ttl": ttl, "tos": first >> 20 & 0xff,
              "vlan": vlan, "wire": record.wire}
        at, place, datagram, headers = at + 40, None, None, 0
        while proto in (0, 43, 44, 51, 60, 135, 139, 140) and place != "later":
            following, units, offset, name = take(">BBHI", data, at)
            headers += 1
            if headers > EXTENSIONS:
                raise Refused("nesting")
            size = {44: 8, 51: (units + 2) * 4}.get(proto, (units + 1) * 8)
            if proto == 44:  # an atomic fragment (RFC 6946) is none
                place = "later" if offset & 0xfff8 else "first" if offset & 1 else None
                datagram = (src, dst, name, None)
            if size > left:
                raise Refused("IPv6 extension")
            proto, left, at = following, left - size, at + size
        return self.upper(record, at, proto, left, ip, (place, datagram), tunnels)

    def upper(self, record, at, proto, left, ip, fragment, tunnels):
        """`left` bytes of `proto` follow by the IP header's account."""
        place, datagram = fragment
        if place == "later":
            begun = self.datagrams.get(datagram)
            if begun is None or ip["time_ns"] > begun[0] + FRAGMENT_TIMEOUT_NS:
                raise Refused("fragment without its first")
            return packet(ip, proto=begun[3], sport=begun[1], dport=begun[2], payload=left, later_fragment=True)
        facts = layer4(record.data, at, proto, left, place == "first")
        here = packet(ip, proto=proto, payload=left - facts.get("l4_header", 0),
                      app=record.data[at + facts.get("l4_header", 0):at + left], **facts)
        if place == "first":
            self.datagrams[datagram] = (ip["time_ns"], here.sport, here.dport, proto)
            return here
        inside = tunnel(record.data, at, here)
        if inside is not None and tunnels < TUNNELS:
            try:
                return self.layers(record, *inside, here.vlan, tunnels + 1)
            except Refused:
                pass
        return here


def packet(ip, **facts):
    blank = dict(sport=0, dport=0, l4_header=0, flags=0, seq=0, ack=0, window=0, mss=0, wscale=None, icmp_type=0, icmp_code=0,
                 later_fragment=False, app=b"")
    return Packet(**{**blank, **ip, **facts})


# --- below IP ---

def ethernet(data, at):
    return ether_type(data, at + 12)


def ether_type(data, at):
    """What follows a frame's addresses, or a tag."""
    kind, = take(">H", data, at)
    at += 2
    if kind < 1536:  # IEEE 802.3: a length; LLC and SNAP follow (RFC 1042)
        snap, kind = take(">6sH", data, at)
        if snap != b"\xaa\xaa\x03\0\0\0":
            raise Refused("LLC")
        at += 8
    return kind, at


def mpls(data, at):
    for _ in range(LABELS):
        label, = take(">I", data, at)
        at += 4
        if label & 0x100:
            # An IP packet, or a pseudowire's control word before a frame (RFC 4385, 4448).
            if len(data) >= at + 4 and data[at] >> 4 == 0:
                return TYPE_BRIDGED, at + 4
            return TYPE_BY_VERSION, at
    raise Refused("nesting")


def ppp(data, at):
    head = take("4s", data, at)[0]
    if head[:2] == b"\xff\x03":
        head, at = head[2:], at + 2
    size = 1 if head[0] & 1 else 2
    return {0x21: TYPE_IPV4, 0x57: TYPE_IPV6}.get(int.from_bytes(head[:size], "big")), at + size


# --- above IP ---

def layer4(data, at, proto, left, fragment):
    if proto == TCP:
        sport, dport, seq, ack, offset, flags, window = take(">HHIIBBH4x", data, at)
        header = (offset >> 4) * 4
        if header < 20 or left < 20 or (header > left and not fragment):
            raise Refused("TCP header")
        header = min(header, left)
        mss, wscale = syn_options(data[at + 20:at + header]) if flags & SYN else (0, None)
        return dict(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, window=window, l4_header=header, mss=mss, wscale=wscale)
    if proto in (UDP, SCTP):
        header = 8 if proto == UDP else 12
        if left < header:
            raise Refused("L4 header")
        sport, dport = take(">HH", data, at)
        return dict(sport=sport, dport=dport, l4_header=header)
    if proto in (ICMP, ICMPV6):
        header = min(left, 8)
        if header < 4:
            raise Refused("ICMP header")
        message, = take(f"{header}s", data, at)
        kind = message[0]
        named = kind in (128, 129) if proto == ICMPV6 else kind in (0, 8) or 13 <= kind <= 18
        name = int.from_bytes(message[4:6], "big") if named and header >= 6 else 0
        return dict(sport=name, dport=name, icmp_type=kind, icmp_code=message[1], l4_header=header)
    return {}


def syn_options(options):
    """(MSS or 0, window scale or None)"""
    at, mss, wscale = 0, 0, None
    while at + 1 < len(options) and options[at] != 0:
        size = 1 if options[at] == 1 else options[at + 1]
        if size == 0 or at + size > len(options):
            break
        if options[at] == 2 and size == 4:
            mss = int.from_bytes(options[at + 2:at + 4], "big")
        elif options[at] == 3 and size == 3:
            wscale = min(options[at + 2], 14)
        at += size
    return mss, wscale


# --- tunnels: (kind, at) of what is inside, or None ---

def tunnel(data, at, outer):
    try:
        if outer.proto == UDP:
            return tunnel_of_port(data, at + 8, outer)
        if outer.proto == IPIP:
            return TYPE_IPV4, at
        if outer.proto == IPV6:
            return TYPE_IPV6, at
        if outer.proto == GRE:
            return gre(data, at)
        if outer.proto == ETHERIP and take(">H", data, at)[0] == 0x3000:
            return TYPE_BRIDGED, at + 2
    except Refused:
        pass
    return None


def tunnel_of_port(data, at, outer):
    if outer.dport in (4789, 8472):  # VXLAN, RFC 7348; 0x80 is a group policy, 0x04 says what is inside
        flags, inside, last = take("B2xB3xB", data, at)
        kinds = {1: TYPE_IPV4, 2: TYPE_IPV6, 3: TYPE_BRIDGED}
        kind = kinds.get(inside) if flags & 0x04 else TYPE_BRIDGED
        return (kind, at + 8) if kind and flags & ~0x84 == 0x08 and last == 0 else None
    if outer.dport == 6081:  # Geneve, RFC 8926
        first, kind, last = take(">BxH3xB", data, at)
        known = first >> 6 == 0 and last == 0 and kind in (TYPE_BRIDGED, TYPE_IPV4, TYPE_IPV6)
        return (kind, at + 8 + (first & 0x3f) * 4) if known else None
    if 2152 in (outer.sport, outer.dport):  # GTP-U, 3GPP TS 29.281
        return gtpu(data, at)
    if 3544 in (outer.sport, outer.dport):  # Teredo, RFC 4380
        if take(">H2x", data, at)[0] == 1:
            client, value = take("2xBB", data, at)
            at += 13 + client + value
        if take(">H2x", data, at)[0] == 0:
            at += 8
        return (TYPE_IPV6, at) if take("4s", data, at)[0][0] >> 4 == 6 else None
    return None


def gtpu(data, at):
    first, message = take("BB6x", data, at)
    if first >> 4 != 3 or message != 255:
        return None
    if first & 7 == 0:
        return TYPE_BY_VERSION, at + 8
    following, = take("11xB", data, at)
    at += 12
    following = following if first & 4 else 0
    for _ in range(8):
        if following == 0:
            break
        units, = take("B", data, at)
        if units == 0:
            return None
        following, = take(f"{units * 4 - 1}xB", data, at)
        at += units * 4
    return (TYPE_BY_VERSION, at) if following == 0 else None


def gre(data, at):
    """RFC 2784, 2890, 2637, 7637; ERSPAN by its draft."""
    flags, kind = take(">HH", data, at)
    version = flags & 7
    if version > 1 or flags & 0x4000 or (version == 1) != (kind == TYPE_PPP):
        return None
    at += 4 + 4 * sum(bool(flags & bit) for bit in (0x8000, 0x2000, 0x1000) + ((0x80,) if version else ()))
    if kind == 0x88be and not flags & 0x1000:  # type I
        return TYPE_BRIDGED, at
    if kind == 0x88be:  # II
        return (TYPE_BRIDGED, at + 8) if take("B7x", data, at)[0] >> 4 == 1 else None
    if kind == 0x22eb:  # III
        first, last = take("B10xB", data, at)
        return (TYPE_BRIDGED, at + (20 if last & 1 else 12)) if first >> 4 == 2 else None
    return kind, at
