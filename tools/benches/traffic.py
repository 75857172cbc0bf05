"""Generates captures for benchmarks: border traffic of any length, reproducible from its arguments; no capture is kept in the tree."""

import random
import struct

START_S = 1_700_000_000
MTU = 1500
FIN, SYN, PSH, ACK = 1, 2, 8, 16


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def endpoints(rng, number):
    """Client and server of flow `number`: no two flows share a client address and port."""
    client = struct.pack(">I", 0x0A000000 + number // 50000 * 7919 % (1 << 24))
    server = struct.pack(">I", rng.choice((0x5DB80000, 0xC6336400, 0xCB007100)) + rng.randrange(4096))
    return client, server, 1024 + number % 50000, rng.choice((443, 443, 443, 80, 22, 25, 8443, 53))


def frame(src, dst, sport, dport, proto, flags, seq, payload):
    """An Ethernet frame with IPv4 and TCP or UDP, `payload` zero bytes and correct checksums."""
    l4 = 20 if proto == 6 else 8
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + l4 + payload, seq & 0xFFFF, 0x4000, 64, proto, 0, src, dst)
    pseudo = src + dst + struct.pack(">HH", proto, l4 + payload)
    if proto == 6:
        segment = struct.pack(">HHIIBBHHH", sport, dport, seq, 1, 0x50, flags, 0xFFFF, 0, 0)
        segment = segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]
    else:
        segment = struct.pack(">HHHH", sport, dport, 8 + payload, 0)
        segment = segment[:6] + struct.pack(">H", checksum(pseudo + segment) or 0xFFFF)
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return (b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + head + segment + bytes(payload)).ljust(60, b"\0")


def conversation(rng, number, span_s):
    """(time in us, frame) of one flow: TCP from handshake to FIN, or UDP. 20 packets on average, with a few flows having most of them."""
    client, server, sport, dport = endpoints(rng, number)
    n = min(2 + int(rng.paretovariate(1.15) * 2.5), 4000)
    at = rng.random() * span_s * 1e6
    tcp = dport != 53
    seq = [1, 1]
    for i in range(n if tcp else min(n, 4)):
        back = i % 2 if i < 4 or not tcp else int(rng.random() < 0.6)
        payload = 0 if tcp and (i < 3 or rng.random() < 0.4) else rng.choice((40, 120, 400, MTU - 40))
        flags = (SYN, SYN | ACK, ACK)[i] if i < 3 else ACK | (PSH if payload else 0) | (FIN if i >= n - 2 else 0)
        src, dst, a, b = (server, client, dport, sport) if back else (client, server, sport, dport)
        yield int(at), frame(src, dst, a, b, 6 if tcp else 17, flags, seq[back], payload)
        seq[back] += payload + (i < 2)
        at += rng.expovariate(1 / 20000)


def write(path, frames):
    """Writes a pcap of (time in us, frame), sorted by time."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for at, data in sorted(frames, key=lambda item: item[0]):
            file.write(struct.pack("<IIII", START_S + at // 1_000_000, at % 1_000_000, len(data), len(data)) + data)


def border_link(path, packets, span_s=60, seed=1):
    """Writes conversations that start within `span_s` seconds until there are `packets`; returns the number of packets and flows."""
    rng = random.Random(seed)
    frames, flows = [], 0
    while len(frames) < packets:
        frames.extend(conversation(rng, flows, span_s))
        flows += 1
    write(path, frames)
    return len(frames), flows


def one_packet_flows(path, flows, first=0, seed=1):
    """Writes one small packet for each of `flows` TCP flows, numbered from `first`, in random order."""
    rng = random.Random(seed)
    numbers = list(range(first, first + flows))
    rng.shuffle(numbers)
    frames = []
    for at, number in enumerate(numbers):
        client, server, sport, _ = endpoints(rng, number)
        frames.append((at, frame(client, server, sport, 443, 6, ACK | PSH, number, 6)))
    write(path, frames)
