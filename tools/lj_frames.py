"""Frames of synthetic traffic: addresses, TCP connections with their own clock, and a pcap of the result."""

import random
import struct

START_NS = 1_700_000_000 * 10**9
MSS = 1460
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
# TCP options: MSS and window scale; the same with SACK and timestamps (RFC 7323). If both ends have timestamps, so have all segments except RSTs.
PLAIN_SYN = struct.pack(">BBHBBBB", 2, 4, MSS, 1, 3, 3, 7)
STAMPED_SYN = struct.pack(">BBHBB", 2, 4, MSS, 4, 2) + struct.pack(">BBQBBBB", 8, 10, 0, 1, 3, 3, 7)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return bytes(int(part) for part in text.split("."))


class Capture:
    """Frames by time, with their owner."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.frames = []
        self.labels = []
        self.ident = 0

    def label(self, src, sport, dst, dport, proto, family):
        self.labels.append((src, sport, dst, dport, proto, family))

    def ip(self, at_ns, src, dst, proto, payload, ttl):
        self.ident = (self.ident + 1) & 0xFFFF
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), self.ident, 0x4000, ttl, proto, 0,
                           address(src), address(dst))
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        ether = b"\x02\x00\x00" + address(dst)[1:] + b"\x02\x00\x00" + address(src)[1:] + b"\x08\x00"
        frame = (ether + head + payload).ljust(60, b"\0")
        self.frames.append((at_ns, len(self.frames), frame))

    def transport(self, at_ns, src, dst, proto, segment, at, ttl=64):
        """Fills in the checksum at offset `at` of the segment, including the pseudo header."""
        pseudo = address(src) + address(dst) + struct.pack(">BBH", 0, proto, len(segment))
        value = checksum(pseudo + segment) or 0xFFFF
        self.ip(at_ns, src, dst, proto, segment[:at] + struct.pack(">H", value) + segment[at + 2:], ttl)

    def udp(self, at_ns, src, sport, dst, dport, payload):
        self.transport(at_ns, src, dst, 17, struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload, 6)

    def ping(self, at_ns, src, dst, kind, ident, number):
        body = struct.pack(">BBHHH", kind, 0, 0, ident, number) + bytes(56)
        self.ip(at_ns, src, dst, 1, body[:2] + struct.pack(">H", checksum(body)) + body[4:], 64)

    def save(self, path):
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
            for at_ns, _, frame in sorted(self.frames):
                # Payload bytes are not needed to classify a flow: 74 bytes hold all headers.
                kept = frame[:74]
                file.write(struct.pack("<IIII", at_ns // 10**9, at_ns % 10**9, len(kept), len(frame)) + kept)


class Connection:
    """A TCP connection with its own sequence numbers and clock; `stamped`: both ends send timestamps."""

    def __init__(self, capture, at_ns, client, cport, server, sport, rtt_ms, stamped=False):
        self.capture, self.now = capture, at_ns
        self.ends = ((client, cport), (server, sport))
        self.seq = [capture.random.getrandbits(32), capture.random.getrandbits(32)]
        self.rtt, self.stamped = int(rtt_ms * 10**6), stamped

    def wait(self, low_ms, high_ms):
        self.now += int(self.capture.random.uniform(low_ms, high_ms) * 10**6)

    def send(self, side, flags, payload=0, options=b""):
        (src, sport), (dst, dport) = self.ends[side], self.ends[1 - side]
        ack = self.seq[1 - side] if flags & ACK else 0
        if self.stamped and not flags & (SYN | RST):
            options = struct.pack(">BBBBII", 1, 1, 8, 10, self.now // 10**6 & 0xFFFFFFFF, 1)
        head = struct.pack(">HHIIBBHHH", sport, dport, self.seq[side], ack, (20 + len(options)) // 4 << 4, flags, 64240, 0, 0)
        self.capture.transport(self.now, src, dst, 6, head + options + bytes(payload), 16)
        self.seq[side] = (self.seq[side] + payload + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF

    def open(self):
        options = STAMPED_SYN if self.stamped else PLAIN_SYN
        self.send(0, SYN, options=options)
        self.now += self.rtt
        self.send(1, SYN | ACK, options=options)
        self.wait(0.05, 0.3)
        self.send(0, ACK)

    def say(self, side, size):
        """Sends `size` bytes in full segments; every second one is acknowledged."""
        sent = 0
        while size > 0:
            part = min(size, MSS - 12 if self.stamped else MSS)
            size -= part
            self.send(side, ACK | (PSH if size == 0 else 0), part)
            self.wait(0.01, 0.2)
            sent += 1
            if sent % 2 == 0 or size == 0:
                self.now += self.rtt // 2
                self.send(1 - side, ACK)

    def close(self):
        self.send(0, FIN | ACK)
        self.now += self.rtt
        self.send(1, FIN | ACK)
        self.wait(0.05, 0.3)
        self.send(0, ACK)
