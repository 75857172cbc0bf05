"""Frames written byte by byte, for captures whose features can be computed by hand."""

import ipaddress
import struct

from framework.linejudge import write_pcap

SYN, ACK, FIN, RST, PSH, URG, ECE, CWR = 0x02, 0x10, 0x01, 0x04, 0x08, 0x20, 0x40, 0x80
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
BEGIN_NS = 1_700_000_000 * 10**9
MS = 10**6
SECOND = 10**9


def ethernet(payload, kind=0x0800, vlans=()):
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02" + tags + struct.pack(">H", kind) + payload


def ip(src, dst, proto, payload, ttl=64, options=b"", fragment=0, name=0):
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if src.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(payload), proto, ttl) + src.packed + dst.packed + payload
    header = 20 + len(options)
    return struct.pack(">BBHHHBBH4s4s", 0x40 | header // 4, 0, header + len(payload), name, fragment, ttl, proto, 0, src.packed,
                       dst.packed) + options + payload


def tcp(sport, dport, flags, seq=0, ack=0, payload=b"", window=1000, options=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, (20 + len(options)) // 4 << 4, flags, window, 0,
                       0) + options + payload


def udp(sport, dport, payload=b""):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def frame_of(packet, vlans=()):
    return ethernet(packet, 0x86dd if packet[0] >> 4 == 6 else 0x0800, vlans)


class Talk:
    """A capture that is being written: who says what, and when, in ms from the beginning."""

    def __init__(self, client=CLIENT, server=SERVER, sport=40000, dport=5000, vlans=()):
        self.frames, self.ends, self.ports, self.vlans = [], (client, server), (sport, dport), vlans

    def put(self, ms, packet):
        self.frames.append((BEGIN_NS + round(ms * MS), frame_of(packet, self.vlans)))
        return self

    def tcp(self, ms, side, flags, seq, ack=0, size=0, **more):
        """`size` bytes of payload."""
        segment = tcp(self.ports[side], self.ports[1 - side], flags, seq, ack, b"x" * size, **more)
        return self.put(ms, ip(self.ends[side], self.ends[1 - side], 6, segment))

    def udp(self, ms, side, size=0, **more):
        return self.put(ms, ip(self.ends[side], self.ends[1 - side], 17, udp(self.ports[side], self.ports[1 - side], b"x" * size), **more))

    def write(self, path):
        return write_pcap(path, self.frames)
