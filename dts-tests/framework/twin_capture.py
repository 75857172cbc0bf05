"""The twin's reader of pcap and pcapng files, from libpcap's savefile man page and the pcapng draft."""

import collections
import struct

ETHERNET = 1  # the link type

Record = collections.namedtuple("Record", "time_ns data wire")


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
