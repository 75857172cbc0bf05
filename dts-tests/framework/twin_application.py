"""The twin's DNS (RFC 1035) and FTP (RFC 959): the few fields that NetFlow v2 has."""

import collections
import re
import struct

from framework.twin_packet import TCP, UDP

Dns = collections.namedtuple("Dns", "name kind ttl")
A = 1


def dns(packet):
    """The message in a packet of port 53, None when there is none. 0 stands for what is not there."""
    if 53 not in (packet.sport, packet.dport) or packet.proto not in (TCP, UDP) or packet.later_fragment:
        return None
    message = packet.app[2:] if packet.proto == TCP else packet.app  # over TCP a length comes first
    message = message[:512]
    if len(message) < 12:
        return None
    name, flags, questions, answers = struct.unpack_from(">HHHH", message)
    if questions != 1:
        return Dns(name, 0, 0)
    at = after_name(message, 12)
    if at is None or at + 4 > len(message):
        return Dns(name, 0, 0)
    kind = int.from_bytes(message[at:at + 2], "big")
    return Dns(name, kind, first_ttl(message, at + 4, answers) if flags & 0x8000 else 0)


def after_name(message, at):
    while at < len(message) and message[at] != 0:
        if message[at] >= 0xc0:
            return at + 2 if at + 2 <= len(message) else None
        if message[at] >= 0x40:
            return None
        at += 1 + message[at]
    return at + 1 if at < len(message) else None


def first_ttl(message, at, answers):
    """Of the first A record."""
    for _ in range(min(answers, 8)):
        at = after_name(message, at)
        if at is None or at + 10 > len(message):
            return 0
        kind, ttl, length = struct.unpack_from(">H2xIH", message, at)
        if kind == A:
            return ttl
        at += 10 + length
    return 0


def ftp_code(packet):
    """The reply code a server sends, or None."""
    if packet.proto != TCP or packet.sport != 21 or packet.later_fragment:
        return None
    reply = re.match(rb"([1-6]\d\d)[ -]", packet.app)
    return int(reply[1]) if reply else None
