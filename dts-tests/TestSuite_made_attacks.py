"""Attacks that are made, and captures that are merged, to train on."""

import collections
import csv
import os
import shutil
import struct
import subprocess
import sys

import numpy
import pytest

from framework import training
from framework.linejudge import TOOLS, replay, verify

sys.path.insert(0, TOOLS)

import lj_attack  # noqa: E402: importable only now
import lj_attacks  # noqa: E402: importable only now
import lj_capture  # noqa: E402: importable only now
import lj_dataset  # noqa: E402: importable only now
import lj_merge  # noqa: E402: importable only now


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training.write_captures(tmp_path_factory.mktemp("data"))


class TestMadeAttacks:
    @pytest.fixture(scope="class")
    def made(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("made")
        return lj_attacks.write(folder, 1)

    def test_the_same_captures_come_out_each_time(self, made, tmp_path):
        """Verify: byte for byte, one of each attack."""
        again = lj_attacks.write(tmp_path, 1)
        for row, other in zip(made, again, strict=True):
            with open(row["path"], "rb") as one, open(other["path"], "rb") as two:
                verify(one.read() == two.read(), f"{row['family']} differs")

    def test_each_is_sound_traffic_of_many_flows(self, made, tmp_path):
        """Verify: no packet is malformed, and all but tunnels and remote control, which are few and long, have as many flows as were meant."""
        for row in made:
            summary = replay(row["path"], "--model", "none")
            parsed = summary["ledger"]["parse_accepted = flow_hit + flow_created + flow_refused + spread_refused"]["left"]
            verify(parsed == summary["packets"], f"{row['family']}: {summary}")
            least = 2 if row["family"].endswith(("dnstunnel:made", "control")) else 0.7 * lj_attack.FLOWS[0]
            verify(summary["flows"] >= least, f"{row['family']}: {summary['flows']} flows")

    def test_some_are_of_systems_that_send_timestamps(self, made):
        """
        Steps: look at the TCP options of what is neither SYN nor RST in captures of whole connections.
        Verify: all segments of a capture have timestamps, or none; some captures do, some do not.
        """
        kinds = collections.Counter()
        for row in made:
            if not row["family"].startswith(("brute:", "webshell:", "mta:")):
                continue
            tcp = [frame[34:] for _, _, frame in lj_capture.read(row["path"]) if frame[23] == 6]
            seen = {segment[20:24] == b"\1\1\x08\x0a" for segment in tcp if not segment[13] & 0x06}
            verify(len(seen) == 1, f"{row['family']}: some segments are stamped, some are not")
            kinds[seen.pop()] += 1
        verify(kinds[True] > 0 and kinds[False] > 0, kinds)

    def test_the_attacker_may_be_a_host_that_does_ordinary_things(self, made, tmp_path):
        """
        Steps: merge two made attacks as training does, behind one shared address, the first its attacker's.
        Verify: that attacker has the shared address, and everybody else keeps theirs.
        """
        shell, beacon = (next(row for row in made if row["family"] == family) for family in ("webshell:made, shell", "mta:made, beacon"))
        renamed = lj_dataset.renamings([0], [], 1, [shell], 1, numpy.random.default_rng(1))
        parts = [(shell["path"], 0, renamed[0]), (beacon["path"], 1, None)]
        lj_merge.merge(parts, tmp_path / "m.pcap")
        hosts = {".".join(map(str, frame[at:at + 4])) for _, _, frame in lj_capture.read(tmp_path / "m.pcap") for at in (26, 30)}
        verify("100.64.0.1" in hosts and shell["attacker"] not in hosts and beacon["attacker"] in hosts, hosts)

    def test_an_attacker_and_its_victim_may_be_two_ordinary_hosts(self, made, data, tmp_path):
        """
        Steps: merge a made attack with two office captures as training does every other time.
        Verify: attacker and victim are known by other addresses, and each of them talks with hosts of an office, too.
        """
        labels = [{}, {}, next(row for row in made if row["family"] == "webshell:made, shell")]
        paths = [data / "office-1.pcap", data / "office-2.pcap", labels[2]["path"]]
        renamed = lj_dataset.renamings([2], [0, 1], 0, labels, 0, numpy.random.default_rng(1))
        lj_merge.merge([(path, 0, renamed[i]) for i, path in enumerate(paths)], tmp_path / "m.pcap")
        peers = collections.defaultdict(set)
        for _, _, frame in lj_capture.read(tmp_path / "m.pcap"):
            one, other = (".".join(map(str, frame[at:at + 4])) for at in (26, 30))
            peers[one].add(other)
            peers[other].add(one)
        attacker, victim = "100.65.0.1", "100.65.0.2"
        verify(not {labels[2]["attacker"], labels[2]["victim"]} & set(peers), sorted(peers))
        verify(victim in peers[attacker] and len(peers[attacker]) > 1 and len(peers[victim]) > 1, (peers[attacker], peers[victim]))


class TestMerge:
    def test_captures_stand_on_one_time_line(self, data, tmp_path):
        """
        Steps: merge office traffic with a scan that begins a minute later, by an @ in its name.
        Verify: the flows of both, each from its offset on.
        """
        shutil.copy(data / "scan-1.pcap", tmp_path / "scan@1.pcap")
        done = self.merged("--out", tmp_path / "m.pcap", data / "office-1.pcap", "--attack", f"{tmp_path}/scan@1.pcap@60")
        verify(done.returncode == 0 and "packets of 2 captures" in done.stderr, done.stderr)
        wanted = sum(replay(path)["flows"] for path in (data / "office-1.pcap", data / "scan-1.pcap"))
        replay(tmp_path / "m.pcap", "--model", "none", "--features", tmp_path / "m.csv")
        with open(tmp_path / "m.csv", encoding="ascii") as file:
            flows = list(csv.DictReader(file))
        begin = min(int(flow["first_seen_ns"]) for flow in flows)
        scan = min(int(flow["first_seen_ns"]) for flow in flows if flow["src_ip"] == "203.0.113.66")
        verify(len(flows) == wanted and 60 <= (scan - begin) / 1e9 < 61, f"{len(flows)} of {wanted} flows, the scan after {(scan - begin) / 1e9} s")

    @pytest.mark.parametrize("option, ticks", [(b"", 3_000_000), (b"\x09\x00\x01\x00\x09\0\0\0", 3 * 10**9), (b"\x09\x00\x01\x00\x8a\0\0\0", 3 << 10),
                                               (b"\x0e\x00\x08\x00" + (2).to_bytes(8, "little"), 1_000_000)],
                             ids=["us", "ns", "1024ths", "offset"])
    def test_the_clock_of_pcapng_is_its_interfaces(self, tmp_path, option, ticks):
        """Verify: 3 s are read of a packet by microseconds, nanoseconds, 1024ths of a second, and a second after an offset of two."""
        def block(kind, body):
            length = (12 + len(body)).to_bytes(4, "little")
            return kind.to_bytes(4, "little") + length + body + length

        header = block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a\x01\0\0\0" + b"\xff" * 8)
        interface = block(1, b"\x01\0\0\0\0\0\x04\0" + option)
        packet = block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, 60, 60) + bytes(60))
        (tmp_path / "a.pcapng").write_bytes(header + interface + packet)
        verify(list(lj_capture.read(tmp_path / "a.pcapng")) == [(3 * 10**9, 60, bytes(60))], list(lj_capture.read(tmp_path / "a.pcapng")))

    def test_flows_of_a_merge_are_labelled_as_in_their_captures(self, data, tmp_path):
        """
        Steps: have a scan's flows labelled by a window of its middle, in its own time; extract it alone, then an hour into office traffic.
        Verify: as many flows of it are malicious, and all that are of the office are benign.
        """
        for name in ("office-1.pcap", "scan-1.pcap"):
            shutil.copy(data / name, tmp_path)
        times = [time_ns / 1e9 for time_ns, *_ in lj_capture.read(data / "scan-1.pcap")]
        (tmp_path / "w.csv").write_text(f"start,end,class\n{times[len(times) // 3]:.6f},{times[len(times) * 2 // 3]:.6f},malicious\n")
        scan = (1, {"file": "scan-1.pcap", "class": "malicious", "rule": "times:w.csv;drop:*"})
        office = (0, {"file": "office-1.pcap", "class": "benign", "rule": "benign:*"})
        alone, benign = (lj_dataset._extract(([(*part, 0, None)], str(tmp_path), "linejudge"))[2] for part in (scan, office))
        _, _, labels, captures, merged = lj_dataset._extract(([(*office, 0, None), (*scan, 3600, None)], str(tmp_path), "linejudge"))
        verify(merged and 10 < len(alone) < replay(data / "scan-1.pcap")["flows"], f"{len(alone)} flows are in the window")
        verify(sorted(zip(captures, labels)) == [(0, 0)] * len(benign) + [(1, 1)] * len(alone), collections.Counter(zip(captures, labels)))

    def test_what_cannot_be_merged_is_named(self, data, tmp_path):
        """Verify: one line each of a capture that is missing, that is none, of offsets that are no time, of a folder that is missing."""
        (tmp_path / "t.csv").write_text("a,b\n1,2\n")
        for out, capture, said in (("m.pcap", "gone.pcap", "gone.pcap: No such file"), ("m.pcap", tmp_path / "t.csv", "t.csv: is cut short, or no pcap"),
                                   ("m.pcap", f"{data}/scan-1.pcap@soon", "soon is no offset in s"),
                                   ("m.pcap", f"{data}/scan-1.pcap@nan", "nan is no offset in s"),
                                   ("m.pcap", f"{data}/scan-1.pcap@1e12", "1e12 is no offset in s"), ("gone/m.pcap", data / "scan-1.pcap", "No such file")):
            done = self.merged("--out", tmp_path / out, capture)
            verify(done.returncode == 1 and done.stderr.startswith("tools/lj_merge.py: ") and said in done.stderr, done.stderr)
            verify(done.stderr.count("\n") == 1, done.stderr)

    def test_a_capture_that_is_cut_off_gives_its_whole_packets(self, data, tmp_path):
        """
        Steps: merge a capture of which the last packet lacks a byte.
        Verify: all packets but that one are there.
        """
        whole = (data / "office-1.pcap").read_bytes()
        (tmp_path / "cut.pcap").write_bytes(whole[:-1])
        packets = len(list(lj_capture.read(data / "office-1.pcap")))
        done = self.merged("--out", tmp_path / "m.pcap", tmp_path / "cut.pcap")
        verify(done.returncode == 0 and f"m.pcap: {packets - 1} packets of 1 captures" in done.stderr, done.stderr)

    def test_more_hosts_than_a_byte_tells_share_addresses(self, tmp_path):
        """
        Steps: fold 600 private addresses into 300; ask for one more than there may be.
        Verify: 300 are left; that is refused.
        """
        frame = bytes(12) + b"\x08\x00" + bytes(12)
        sharing = lj_merge.Sharing(300, 5)
        hosts = {sharing(frame + bytes((10, 0, i >> 8, i & 0xFE)) + bytes(4))[26:30] for i in range(1200)}
        verify(len(hosts) == 300 and {host[:2] for host in hosts} == {b"\x64\x40"}, len(hosts))
        done = self.merged("--out", tmp_path / "m.pcap", "--shared", "65536", "none.pcap")
        verify(done.returncode == 2 and "65536 is not in 0..65535" in done.stderr, done.stderr)

    @staticmethod
    def merged(*arguments):
        return subprocess.run([os.path.join(TOOLS, "lj_merge.py"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
