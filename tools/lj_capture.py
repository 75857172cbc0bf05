"""Reads the packets of a capture file, for tools that handle labels and merges: the formats that linejudge reads, pcap and pcapng of Ethernet."""

import struct

MAGIC_US, MAGIC_NS, MAGIC_PCAPNG = 0xA1B2C3D4, 0xA1B23C4D, b"\n\r\r\n"
ETHERNET = 1
INTERFACE, PACKET_OLD, PACKET_SIMPLE, PACKET = 1, 2, 3, 6  # block types of pcapng
TIME_RESOLUTION, TIME_OFFSET = 9, 14  # options of an interface


def read(path):
    """(time_ns, wire length, frame) of each packet, up to a truncated end."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        yield from (_pcapng if data[:4] == MAGIC_PCAPNG else _pcap)(path, data)
    except (struct.error, IndexError):
        raise ValueError(f"{path}: is cut short, or no pcap or pcapng") from None


def _check(path, link_type):
    if link_type & 0xFFFF != ETHERNET:
        raise ValueError(f"{path}: not a capture of Ethernet, but of link type {link_type & 0xFFFF}")


def _pcap(path, data):
    order = "<" if struct.unpack_from("<I", data)[0] in (MAGIC_US, MAGIC_NS) else ">"
    magic, link_type = struct.unpack_from(order + "I16xI", data)
    if magic not in (MAGIC_US, MAGIC_NS):
        raise ValueError(f"{path}: is no pcap or pcapng")
    _check(path, link_type)
    scale, at = (1000 if magic == MAGIC_US else 1), 24
    record = struct.Struct(order + "IIII")
    while at + 16 <= len(data):
        seconds, fraction, captured, wire = record.unpack_from(data, at)
        at += 16
        if at + captured > len(data):
            return
        yield seconds * 1_000_000_000 + fraction * scale, wire, data[at:at + captured]
        at += captured


def _ticks(order, body):
    """(ticks per second, offset in seconds) of an interface."""
    at, ticks, offset_s = 8, 10**6, 0
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == TIME_RESOLUTION:
            exponent = body[at + 4]
            ticks = 2 ** (exponent & 0x7F) if exponent & 0x80 else 10**exponent
        elif code == TIME_OFFSET:
            offset_s = struct.unpack_from(order + "q", body, at + 4)[0]
        at += 4 + (length + 3) // 4 * 4
    return ticks, offset_s


def _pcapng(path, data):
    at, order, interfaces, time_ns = 0, "<", [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == MAGIC_PCAPNG:
            order, interfaces = ("<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"), []
        kind, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or at + length > len(data):
            raise ValueError(f"{path}: is cut short, or damaged, at byte {at}")
        body, at = data[at + 8:at + length - 4], at + length
        if kind == INTERFACE:
            link_type, snaplen = struct.unpack_from(order + "H2xI", body)
            _check(path, link_type)
            interfaces.append((snaplen, *_ticks(order, body)))
        elif kind == PACKET_SIMPLE:
            wire, snaplen = struct.unpack_from(order + "I", body)[0], interfaces[0][0]
            yield time_ns, wire, body[4:4 + min(wire, snaplen or wire)]
        elif kind in (PACKET, PACKET_OLD):
            number, high, low, captured, wire = struct.unpack_from(order + ("I" if kind == PACKET else "H2x") + "IIII", body)
            _, ticks, offset_s = interfaces[number]
            time_ns = (high << 32 | low) * 1_000_000_000 // ticks + offset_s * 1_000_000_000
            yield time_ns, wire, body[20:20 + captured]
