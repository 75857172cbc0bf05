#!/usr/bin/python3
"""Merges captures on one time line, as if from one link, optionally with shared addresses.

    tools/lj_merge.py --out merged.pcap --shared 4 CAPTURE[@OFFSET_S] ...

Each capture (pcap or pcapng of Ethernet) starts OFFSET_S after the start of the time line. With --shared N the private IPv4 addresses of the
captures are mapped to N addresses (100.64.0.1 ...), as by a NAT; captures given by --attack keep theirs. Every packet has a unique time, in ns, so
that a flow's first_seen_ns identifies its capture. Checksums are not updated.
"""

import argparse
import collections
import math
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lj_capture  # noqa: E402
import lj_tool  # noqa: E402

BASE_NS = 1_600_000_000_000_000_000
VLAN_TYPES = (b"\x81\x00", b"\x88\xa8")
SHARED_MAX = 65535  # 100.64.0.0/16
OFFSET_MAX_S = 10**9  # the seconds field of pcap ends in 2106


def is_private(address):
    """RFC 1918, except addresses that end in .255."""
    first, second = address[0], address[1]
    return address[3] != 255 and (first == 10 or (first == 192 and second == 168) or (first == 172 and second & 0xF0 == 16))


def ipv4_at(frame):
    """The offset of the addresses of an IPv4 packet; None for other frames."""
    at = 12
    while frame[at:at + 2] in VLAN_TYPES:
        at += 4
    return at + 14 if frame[at:at + 2] == b"\x08\x00" and len(frame) >= at + 22 else None


def busiest_host(path):
    """The private address that sends most packets of a capture; None if there is none."""
    sent = collections.Counter()
    for _, _, frame in lj_capture.read(path):
        at = ipv4_at(frame)
        if at is not None and is_private(frame[at:at + 4]):
            sent[frame[at:at + 4]] += 1
    return max(sent, key=lambda address: (sent[address], address), default=None)


class Renaming:
    """Renames hosts of a capture: `names` is {address: address}, 4 bytes each."""

    def __init__(self, names):
        self.names = names

    def begin(self, path):
        """Called before the first frame of the capture `path`."""

    def name_of(self, address):
        return self.names.get(address, address)

    def __call__(self, frame):
        at = ipv4_at(frame)
        if at is None:
            return frame
        return frame[:at] + self.name_of(frame[at:at + 4]) + self.name_of(frame[at + 4:at + 8]) + frame[at + 8:]


class Sharing(Renaming):
    """Maps a capture's private addresses, or only `those`, to `shared` addresses in turn, starting with number `shift`."""

    def __init__(self, shared, shift, those=None):
        super().__init__({})
        self.shared, self.shift, self.those = shared, shift, those

    def name_of(self, address):
        if address not in self.names and (is_private(address) if self.those is None else address in self.those):
            number = 1 + (self.shift + len(self.names)) % self.shared
            self.names[address] = bytes((100, 64, number >> 8, number & 0xFF))
        return super().name_of(address)


class Standing(Renaming):
    """Gives a capture's busiest private host an address of another capture, so that both are one host."""

    def __init__(self, address):
        super().__init__({})
        self.address = address

    def begin(self, path):
        self.names = {busiest_host(path): self.address}


def merge(parts, out):
    """Merges `parts`: (path, offset in s, None or a Renaming). Returns {time_ns: index of the part} for all packets written, and the shift of
    each part in ns."""
    packets, moved = [], []
    for index, (path, offset_s, renaming) in enumerate(parts):
        begin_ns = None
        if renaming:
            renaming.begin(path)
        for time_ns, wire, frame in lj_capture.read(path):
            begin_ns = time_ns if begin_ns is None else begin_ns
            at_ns = max(BASE_NS + time_ns - begin_ns + int(offset_s * 1e9), BASE_NS)
            packets.append((at_ns, index, wire, renaming(frame) if renaming else frame))
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


def shared(text):
    number = int(text)
    if not 0 <= number <= SHARED_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not in 0..{SHARED_MAX}")
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--shared", type=shared, default=0, help="number of addresses that private ones are mapped to; 0: they are kept")
    parser.add_argument("--attack", action="append", default=[], help="a capture that keeps its addresses; repeat for more")
    parser.add_argument("captures", nargs="+", help="CAPTURE or CAPTURE@OFFSET_S")
    arguments = parser.parse_args()
    lj_tool.run("tools/lj_merge.py", lambda: merge_files(arguments))


def part_of(text):
    """(path, offset in s) of CAPTURE or CAPTURE@OFFSET_S; the path may contain an @."""
    path, _, offset = text.rpartition("@")
    if not path or os.path.exists(text):
        return text, 0.0
    try:
        offset_s = float(offset)
    except ValueError:
        offset_s = math.nan
    if not abs(offset_s) <= OFFSET_MAX_S:
        raise ValueError(f"{text}: no such file, and {offset} is no offset in s")
    return path, offset_s


def merge_files(arguments):
    parts = []
    for i, text in enumerate(arguments.captures + arguments.attack):
        path, offset_s = part_of(text)
        shares = arguments.shared > 0 and i < len(arguments.captures)
        parts.append((path, offset_s, Sharing(arguments.shared, i) if shares else None))
    print(f"{arguments.out}: {len(merge(parts, arguments.out)[0])} packets of {len(parts)} captures", file=sys.stderr)


if __name__ == "__main__":
    main()
