#!/usr/bin/python3
"""Merges captures on one time line, as if one link had carried them, some behind shared addresses.

    tools/lj_merge.py --out merged.pcap --shared 4 CAPTURE[@OFFSET_S] ...

Each capture (pcap or pcapng of Ethernet) begins OFFSET_S after the first. With --shared N the private IPv4 addresses of the
captures are folded into N (100.64.0.1 ...), as behind a NAT; those given by --attack keep theirs. Every packet has a time of its own, to the
nanosecond, so that a flow's first_seen_ns tells which capture it came from. Checksums are left as they were.
"""

import argparse
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lj_capture  # noqa: E402
import lj_tool  # noqa: E402

BASE_NS = 1_600_000_000_000_000_000
VLAN_TYPES = (b"\x81\x00", b"\x88\xa8")


def is_private(address):
    """RFC 1918, broadcast addresses of a /24 apart."""
    first, second = address[0], address[1]
    return address[3] != 255 and (first == 10 or (first == 192 and second == 168) or (first == 172 and second & 0xF0 == 16))


class Sharing:
    """Folds one capture's private addresses into `shared` ones, or `those` alone, if given; the `shift`-th of them is its first."""

    def __init__(self, shared, shift, those=None):
        self.shared, self.shift, self.known, self.those = shared, shift, {}, those

    def _address(self, address):
        if address not in self.known:
            number = (self.shift + len(self.known)) % self.shared
            self.known[address] = bytes((100, 64, number >> 8, 1 + (number & 0xFF)))
        return self.known[address]

    def _is_shared(self, address):
        return is_private(address) if self.those is None else address in self.those

    def __call__(self, frame):
        at = 12
        while frame[at:at + 2] in VLAN_TYPES:
            at += 4
        if frame[at:at + 2] != b"\x08\x00" or len(frame) < at + 22:
            return frame
        source, target = frame[at + 14:at + 18], frame[at + 18:at + 22]
        if self._is_shared(source):
            source = self._address(source)
        if self._is_shared(target):
            target = self._address(target)
        return frame[:at + 14] + source + target + frame[at + 22:]


def merge(parts, out):
    """`parts`: (path, offset in s, None or a Sharing). Returns {time_ns: index of the part} of every packet written, and by how many
    ns each part was moved."""
    packets, moved = [], []
    for index, (path, offset_s, sharing) in enumerate(parts):
        begin_ns = None
        for time_ns, wire, frame in lj_capture.read(path):
            begin_ns = time_ns if begin_ns is None else begin_ns
            at_ns = max(BASE_NS + time_ns - begin_ns + int(offset_s * 1e9), BASE_NS)
            packets.append((at_ns, index, wire, sharing(frame) if sharing else frame))
        moved.append(BASE_NS + int(offset_s * 1e9) - (begin_ns or 0))
    packets.sort(key=lambda packet: packet[:2])
    owner, latest = {}, 0
    with open(out, "wb") as file:
        file.write(struct.pack("<IHHiIII", lj_capture.MAGIC_NS, 2, 4, 0, 0, 262144, 1))
        for time_ns, index, wire, frame in packets:
            latest = max(time_ns, latest + 1)
            owner[latest] = index
            file.write(struct.pack("<IIII", latest // 1_000_000_000, latest % 1_000_000_000, len(frame), wire) + frame)
    return owner, moved


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--shared", type=int, default=0, help="addresses that private ones are folded into; 0: none are")
    parser.add_argument("--attack", action="append", default=[], help="a capture that keeps its addresses; again for more")
    parser.add_argument("captures", nargs="+", help="CAPTURE or CAPTURE@OFFSET_S")
    arguments = parser.parse_args()
    lj_tool.run("tools/lj_merge.py", lambda: merge_files(arguments))


def part_of(text):
    """(path, offset in s) of CAPTURE or CAPTURE@OFFSET_S; the path may have an @ of its own."""
    path, _, offset = text.rpartition("@")
    try:
        return (path, float(offset)) if path and not os.path.exists(text) else (text, 0.0)
    except ValueError:
        raise ValueError(f"{text}: no such file, and {offset} is no offset in s") from None


def merge_files(arguments):
    parts = []
    for i, text in enumerate(arguments.captures + arguments.attack):
        path, offset_s = part_of(text)
        shares = arguments.shared > 0 and i < len(arguments.captures)
        parts.append((path, offset_s, Sharing(arguments.shared, i) if shares else None))
    print(f"{arguments.out}: {len(merge(parts, arguments.out)[0])} packets of {len(parts)} captures", file=sys.stderr)


if __name__ == "__main__":
    main()
