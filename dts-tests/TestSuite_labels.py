"""Labels that come in files of their own."""

import csv
import struct
import sys

import pytest

from framework import frames
from framework.linejudge import TOOLS, replay, verify, write_pcap
from framework.training import benign, generator

sys.path.insert(0, TOOLS)

import lj_dataset  # noqa: E402
import lj_labels  # noqa: E402: importable only now


class TestLabelFiles:
    """Labels that come in a file of their own, on a capture with web and an attack in it."""

    @pytest.fixture
    def mixed(self, tmp_path):
        pcapgen = generator()
        capture = pcapgen.Capture(7)
        benign(pcapgen, capture, 8)
        pcapgen.beacon(capture, 200, 5)
        capture.save(tmp_path / "mixed.pcap")
        replay(tmp_path / "mixed.pcap", "--model", "none", "--features", tmp_path / "f.csv")
        with open(tmp_path / "f.csv", encoding="ascii") as file:
            rows = list(csv.reader(file))[1:]
        return tmp_path / "mixed.pcap", capture, [lj_labels.Flow(*row[1:8]) for row in rows]

    def said(self, path, rule, flows):
        verdict = lj_labels.Rule(rule, str(path))
        return {(flow.ends[1][1] == 8080): verdict(flow) for flow in flows}

    def test_a_row_a_flow(self, mixed):
        """Verify: the listed flows are as listed, the others as the next clause says."""
        path, capture, flows = mixed
        lines = [",".join(map(str, (*label[:5], "malicious"))) for label in capture.labels if label[5] == "beacon"]
        (path.parent / "l.csv").write_text("src_ip,src_port,dst_ip,dst_port,proto,class\n" + "\n".join(lines) + "\n")
        verify(self.said(path, "flows:l.csv;benign:*", flows) == {True: 1, False: 0}, "not as labelled")

    def test_a_row_a_time_window(self, mixed):
        """Verify: the window's flows of its host are malicious."""
        path, _, flows = mixed
        (path.parent / "l.csv").write_text("start,end,class,dst_ip\n1700000199,1700001000,malicious,192.0.2.44\n")
        verify(self.said(path, "times:l.csv;benign:*", flows) == {True: 1, False: 0}, "not as labelled")

    def test_a_line_a_packet(self, mixed):
        """Verify: a flow with one malicious packet is malicious."""
        path, capture, flows = mixed
        frames = [frame for _, _, frame in sorted(capture.frames)]
        lines = [f"{n};{int(frame[30:34] == bytes((192, 0, 2, 44)))}" for n, frame in enumerate(frames, start=1)]
        (path.parent / "mixed_labeled.csv").write_text("\n".join(lines) + "\n")
        verify(self.said(path, "perpacket:labeled.csv", flows) == {True: 1, False: 0}, "not as labelled")

    def test_malicious_packets_that_no_flow_has_are_told(self, tmp_path):
        """
        Steps: a capture of one talk, and of one in PPPoE, which linejudge opens; every packet is malicious, by lines a packet.
        Verify: the talk is malicious, and of the other it is said that its packets are of no flow: it would be benign without a word.
        """
        syn = frames.ip("10.0.0.1", "10.0.0.2", 6, frames.tcp(1000, 80, frames.SYN))
        inside = frames.ip("10.0.0.1", "10.0.0.2", 6, frames.tcp(2000, 80, frames.SYN))
        wrapped = frames.ethernet(struct.pack(">BBHHH", 0x11, 0, 1, len(inside) + 2, 0x0021) + inside, 0x8864)
        path = write_pcap(tmp_path / "a.pcap", [(frames.BEGIN_NS, frames.frame_of(syn)), (frames.BEGIN_NS + 5000, wrapped), (frames.BEGIN_NS + 9000, wrapped)])
        (tmp_path / "l.csv").write_text("1;1\n2;1\n3;1\n")
        replay(path, "--model", "none", "--features", tmp_path / "f.csv")
        with open(tmp_path / "f.csv", encoding="ascii") as file:
            flows = [lj_labels.Flow(*row[1:8]) for row in list(csv.reader(file))[1:]]
        rule = lj_labels.Rule("perpacket:l.csv", str(path))
        verify({flow.ends[0][1]: rule(flow) for flow in flows} == {1000: 1, 2000: 0}, "not as labelled")
        verify(len(rule.complaints()) == 1 and rule.complaints()[0].startswith(f"2 of the 3 malicious packets of {tmp_path}/l.csv are of no flow"),
               rule.complaints())

    def test_pings_are_labelled_however_they_are_called(self, mixed):
        """
        Steps: label pings by packets, and by rows with no ports, with 0 for them, and with their identifiers; ask of the flows of a feature table, which have
        identifiers, and of those of EVE, which have nothing.
        Verify: all are malicious.
        """
        path, capture, _ = mixed
        generator().ping(capture, 3)
        capture.save(path)
        replay(path, "--model", "none", "--features", path.parent / "f.csv")
        with open(path.parent / "f.csv", encoding="ascii") as file:
            flows = [lj_labels.Flow(*row[1:8]) for row in csv.reader(file) if row[5] == "1"]
        src, sport, dst, dport = next(label[:4] for label in capture.labels if label[5] == "ping")
        header = "src_ip,src_port,dst_ip,dst_port,proto,class\n"
        (path.parent / "ids.csv").write_text(f"{header}{src},{sport},{dst},{dport},1,malicious\n")
        (path.parent / "zeros.csv").write_text(f"{header}{src},0,{dst},0,icmp,malicious\n")
        (path.parent / "empty.csv").write_text(f"{header}{src},,{dst},,icmp,malicious\n")
        frames = [frame for _, _, frame in sorted(capture.frames)]
        (path.parent / "packets.csv").write_text("".join(f"{n};{int(frame[23] == 1)}\n" for n, frame in enumerate(frames, start=1)))
        eve = lj_labels.Flow(src, 0, dst, 0, lj_labels.protocol("ICMP"), flows[0].first_ns, flows[0].last_ns)
        for rule in ("flows:ids.csv", "flows:zeros.csv", "flows:empty.csv", "perpacket:packets.csv"):
            said = [lj_labels.Rule(rule, str(path))(flow) for flow in (*flows, eve)]
            verify(len(flows) == 1 and said == [1, 1], f"{rule}: {said}")

    def test_an_address_is_that_of_the_table_however_it_is_written(self, mixed):
        """Verify: of IPv6, of IPv4 within IPv6, and with blanks around, as linejudge writes them."""
        path, _, _ = mixed
        for written, ours in (("2001:DB8:0::1", "2001:db8::1"), ("::ffff:c000:201", "::ffff:192.0.2.1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1")):
            (path.parent / "l.csv").write_text(f"src_ip,src_port,dst_ip,dst_port,proto,class\n {written}, 5, ::2, 80, tcp, malicious\n")
            flow = lj_labels.Flow("::2", 80, ours, 5, 6)
            for rule in ("flows:l.csv", f"mal:peer={written}", f"mal:peer=[{written}]:5"):
                verify(lj_labels.Rule(rule, str(path))(flow) == 1, f"{rule} of {written}")

    def test_a_window_has_what_overlaps_it(self, tmp_path):
        """Verify: of a window from 100 s to 200 s is what ends or begins at its bounds, or lasts over it, and nothing else."""
        (tmp_path / "l.csv").write_text("start,end,class\n100,200,malicious\n")
        rule = lj_labels.Rule("times:l.csv;benign:*", str(tmp_path / "a.pcap"))
        for first_s, last_s, wanted in ((50, 99.9, 0), (50, 100, 1), (50, 250, 1), (120, 150, 1), (200, 300, 1), (200.1, 300, 0)):
            flow = lj_labels.Flow("10.0.0.1", 1000, "10.0.0.2", 80, 6, first_s * 1e9, last_s * 1e9)
            verify(rule(flow) == wanted, f"{first_s} s to {last_s} s is {rule(flow)}")

    def test_a_packet_is_of_the_flow_of_its_time(self, tmp_path):
        """Verify: of flows of the same ends one after the other, the one in whose time the malicious packet is."""
        frame = frames.frame_of(frames.ip("10.0.0.1", "10.0.0.2", 6, frames.tcp(1000, 80, frames.SYN)))
        path = write_pcap(tmp_path / "a.pcap", [(second * 10**9, frame) for second in (100, 200, 300)])
        (tmp_path / "l.csv").write_text("1;0\n2;1\n3;0\n")
        rule = lj_labels.Rule("perpacket:l.csv", str(path))
        flows = [lj_labels.Flow("10.0.0.1", 1000, "10.0.0.2", 80, 6, second * 10**9, second * 10**9 + 1) for second in (100, 200, 300)]
        verify([rule(flow) for flow in flows] == [0, 1, 0], [rule(flow) for flow in flows])

    def test_of_windows_that_overlap_the_first_wins(self, mixed):
        """Verify: the beacon's flows, which both windows have, are of the one that comes first."""
        path, _, flows = mixed
        rows = ["1700000199,1700001000,malicious,192.0.2.44", "1700000000,1700001000,benign,192.0.2.44"]
        for order, wanted in ((rows, 1), (rows[::-1], 0)):
            (path.parent / "l.csv").write_text("\n".join(["start,end,class,dst_ip", *order]) + "\n")
            verify(self.said(path, "times:l.csv;benign:*", flows) == {True: wanted, False: 0}, "not as labelled")

    def test_what_label_files_say_of_no_flow_is_told(self, mixed):
        """Verify: how many of the rows, of flows and of windows, came true of none."""
        path, capture, flows = mixed
        src, sport, dst, dport, _, _ = next(label for label in capture.labels if label[5] == "beacon")
        (path.parent / "l.csv").write_text("src_ip,src_port,dst_ip,dst_port,proto,class\n"
                                           f"{src},{sport},{dst},{dport},tcp,Malicious\n10.9.9.9,1,10.9.9.8,2,udp,malicious\n")
        (path.parent / "t.csv").write_text("start,end,class\n1,2,malicious\n")
        rule = lj_labels.Rule("flows:l.csv;times:t.csv;benign:*", str(path))
        verify(sorted(map(rule, flows)).count(1) == 1, "a flow of the file is malicious")
        one, two = rule.complaints()
        verify(one.startswith("1 of the 2 flows of ") and two.startswith("1 of the 1 windows of "), f"{one}; {two}")

    def test_classes_that_are_none_are_told(self, mixed):
        """Verify: of flows and windows, how many rows have another class than the two, and which."""
        path, capture, flows = mixed
        (path.parent / "l.csv").write_text("src_ip,src_port,dst_ip,dst_port,proto,class\n" +
                                           "".join(",".join(map(str, label[:5])) + ",Attack\n" for label in capture.labels[:3]))
        (path.parent / "t.csv").write_text("start,end,class\n1700000000,1700009999,Malicous\n")
        rule = lj_labels.Rule("flows:l.csv;times:t.csv", str(path))
        verify(set(map(rule, flows)) == {None}, "a flow is used")
        one, two = rule.complaints()
        verify("3 of the 3 rows are neither benign nor malicious (attack)" in one, one)
        verify("1 of the 1 rows are neither benign nor malicious (malicous)" in two, two)

    @pytest.mark.parametrize("rule, text, said", [
        ("flows:l.csv", "a,b\n1,2\n", "line 1: no column src_ip; there are a, b"),
        ("flows:l.csv", "", "no column src_ip; there are none"),
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,80,here,90,6,benign\n", "line 2: 'here' does not appear"),
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,80\n", "line 2: no dst_ip"),
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,80,10.0.0.2,90,quic,benign\n", "line 2: quic is not a protocol"),
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,1,10.0.0.2,2,6,benign\n10.0.0.2,2,10.0.0.1,1,6,malicious\n",
         "10.0.0.1 1 and 10.0.0.2 2 are malicious in one row and benign in another"),
        ("times:l.csv", "start,end,class\n20,10,benign\n", "line 2: the window 20 to 10 has no length"),
        ("times:l.csv", "start,end,class\nnan,10,benign\n", "line 2: the window nan to 10"),
        ("times:l.csv", "start,end,class\nMonday,10,benign\n", "line 2: Monday is not a time in s since 1970"),
        ("perpacket:l.csv", "1;0\n2,1\n", "line 2: '2,1' is not n;0 or n;1"),
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,80,10.0.0.2,,tcp,benign\n", "line 2: no dst_port"),
        ("perpacket:l.csv", "", "is empty"),
        ("perpacket:l.csv", "0;0\n1;1\n", "line 1: '0;0' is not n;0 or n;1"),
        ("perpacket:l.csv", "99999;1\n", "names packet 99999, and "),
    ])
    def test_a_label_file_that_is_wrong_is_named(self, mixed, rule, text, said):
        """Verify: the file, the line where there is one, and what is wrong."""
        path, _, _ = mixed
        (path.parent / "l.csv").write_text(text)
        with pytest.raises(ValueError) as error:
            lj_labels.Rule(rule, str(path))
        verify("l.csv: " in str(error.value) and said in str(error.value), error.value)

    def test_a_capture_is_of_its_first_folder_as_find_names_it(self, tmp_path):
        """
        Steps: labels of captures as find(1) lists them, ./office/a.pcap, and without.
        Verify: the publishers are the same, folders of the captures.
        """
        for before in ("", "./"):
            rows = "".join(f"{before}{publisher}/{n}.pcap\t{kind}\tx\t{rule}:*\n"
                           for publisher, kind, rule in (("office", "benign", "benign"), ("tool", "malicious", "mal")) for n in range(5))
            (tmp_path / "l.tsv").write_text("file\tclass\tfamily\trule\n" + rows)
            dataset = lj_dataset.Dataset(list(lj_labels.read(tmp_path / "l.tsv")))
            verify(set(dataset.publishers) == {"office", "tool"} and dataset.captures[0] == "office/0.pcap", dataset.publishers)

    @pytest.mark.parametrize("to, port, proto, background", [
        ("192.0.2.1", 80, 6, False), ("192.0.2.1", 40000, 17, False), ("192.0.2.1", 0, 1, True), ("192.0.2.1", 53, 6, True), ("192.0.2.1", 5353, 17, True),
        ("224.0.0.9", 40000, 17, True), ("ff02::9", 40000, 17, True), ("192.0.2.255", 40000, 17, True), ("192.0.2.255", 80, 6, False)])
    def test_what_is_background(self, to, port, proto, background):
        """Verify: other protocols, name service and discovery, UDP to multicast and broadcast; nothing else."""
        flow = lj_labels.Flow("2001:db8::1" if ":" in to else "10.0.0.1", 40001, to, port, proto)
        verify(lj_labels.Rule("drop:bg;benign:*")(flow) == (None if background else 0), f"{to}:{port} of protocol {proto}")

    def test_an_address_may_be_of_ipv6(self):
        """Verify: with and without a port, however it is written."""
        flow = lj_labels.Flow("2001:db8::1", 40000, "2001:db8::2", 80, 6)
        for rule, wanted in (("mal:peer=2001:DB8:0::2", 1), ("mal:peer=[2001:db8::2]:80", 1), ("mal:peer=[2001:db8::2]:81", None)):
            verify(lj_labels.Rule(rule)(flow) == wanted, rule)
