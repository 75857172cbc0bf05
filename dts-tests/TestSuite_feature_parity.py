"""Every feature against the twin (framework/twin*.py), against values computed by hand, and against argus and tshark run live."""

import os
import struct
import subprocess

import pytest

from framework import peer_argus, peer_tshark, twin
from framework.frames import ACK, CLIENT, CWR, ECE, FIN, PSH, RST, SERVER, SYN, URG, Talk, ethernet, ip, tcp, udp
from framework.linejudge import DEMO, TOOLS, replay, verify, write_pcap


def agree(capture, tmp_path, *arguments, **timeouts):
    """linejudge and the twin give the same records and values of the capture; linejudge's rows."""
    ours = twin.of_linejudge(capture, tmp_path / "features.csv", *arguments)
    flows, values, differences = twin.compare(ours, twin.rows(capture, **timeouts))
    verify(not differences, f"{len(differences)} of {values} values of {flows} flows differ: {differences[:5]}")
    verify(flows == len(ours) > 0, "no flows")
    return sorted(ours, key=lambda row: row["first_seen_ns"])


def has(row, **values):
    """The row has these values, which are those of the text above the test."""
    for name, value in values.items():
        verify(twin.same(row[name], value), f"{name} is {row[name]}, by hand {value}")


def handshake(talk):
    talk.tcp(0, 0, SYN, 99, options=b"\x02\x04\x05\xb4").tcp(10, 1, SYN | ACK, 499, 100, options=b"\x02\x04\x05\x00")
    return talk.tcp(12, 0, ACK, 100, 500)


class TestTwin:
    def test_the_demo_capture_gives_what_the_twin_computes(self, tmp_path):
        """
        Steps: replay the demo capture with all feature sets; let the twin compute them.
        Verify: the same records; integers equal, floats to 1e-6.
        """
        rows = agree(DEMO, tmp_path)
        verify(len(rows) == 2062, f"{len(rows)} flows")

    def test_other_timeouts_cut_the_same_flows(self, tmp_path):
        """
        Steps: the same with timeouts so short that they cut many flows.
        Verify: the same records.
        """
        rows = agree(DEMO, tmp_path, "--set", "flow.idle_timeout_s=6", "--set", "flow.active_timeout_s=10",
                     "--set", "flow.tcp_linger_s=0.2", idle_s=6, active_s=10, linger_s=0.2)
        verify(len({r["end_reason"] for r in rows}) == 5, "not every kind of end")

    def test_the_features_do_not_depend_on_lcores(self, tmp_path):
        """
        Steps: replay the demo capture with 1 to 4 workers and 1 and 2 inference lcores, all feature sets.
        Verify: the tables are byte-identical.
        """
        tables = set()
        for workers in (1, 2, 3, 4):
            for infer in (1, 2):
                table = tmp_path / "table.csv"
                replay(DEMO, "--model", "none", "--features", table, "--set", f"features.set={twin.SETS}", "--workers", workers,
                       "--infer", infer)
                tables.add(table.read_bytes())
        verify(len(tables) == 1, f"{len(tables)} different tables")


class TestByHand:
    def test_a_tcp_connection(self, tmp_path):
        """
        Steps: a handshake of 10 and 2 ms; 100 bytes up at 20 ms, 200 and 60 down at 50 and 60 ms; FIN both ways.
        Verify: every sum, mean and deviation, computed by hand.
        """
        talk = handshake(Talk()).tcp(20, 0, PSH | ACK, 100, 500, 100).tcp(50, 1, ACK, 500, 200, 200).tcp(60, 1, PSH | ACK, 700, 200, 60)
        talk.tcp(70, 0, FIN | ACK, 200, 760).tcp(80, 1, FIN | ACK, 760, 201).tcp(82, 0, ACK, 201, 761)
        row, = agree(talk.write(tmp_path / "a.pcap"), tmp_path)
        has(row, end_reason="fin", duration_us=82000, packets=9, bytes=9 * 40 + 8 + 360, fwd_packets=5, bwd_packets=4,
            synack_us=10000, ack_us=2000, fwd_payload_bytes=100, bwd_payload_bytes=260, fwd_mss=1460, bwd_mss=1280,
            state_established=1, state_finished=1, midstream=0, length_1=44, length_2=-44, gap_4_us=8000)
        # Gaps of all: 10 2 8 30 10 10 10 2; of the client: 12 8 50 12; of the server: 40 10 20.
        has(row, cic_flow_iat_mean=10250, cic_flow_iat_max=30000, cic_flow_iat_min=2000, cic_fwd_iat_mean=20500, cic_fwd_iat_max=50000,
            cic_fwd_iat_min=8000, cic_bwd_iat_total=70000, cic_bwd_iat_std=(((40 - 70 / 3)**2 + (10 - 70 / 3)**2 + (20 - 70 / 3)**2) / 2)**0.5 * 1000)
        # Payloads of the server: 0 200 60 0, mean 65; of all: 0 0 0 100 200 60 0 0 0.
        has(row, cic_bwd_packet_length_mean=65, cic_bwd_packet_length_std=((65**2 * 2 + 135**2 + 5**2) / 3)**0.5, cic_packet_length_mean=40,
            cic_packet_length_variance=(6 * 40**2 + 60**2 + 160**2 + 20**2) / 8, cic_fin_flag_count=2, cic_syn_flag_count=2,
            cic_ack_flag_count=8, cic_psh_flag_count=2, cic_down_up_ratio=0.8, cic_fwd_header_length=5 * 20 + 4, cic_flow_bytes_s=360 / 0.082,
            cic_fwd_act_data_pkts=1, cic_bwd_act_data_pkts=2, cic_fwd_seg_size_min=20)
        has(row, argus_dur=0.082, argus_rate=8 / 0.082, argus_tcp_rtt=0.012, argus_syn_ack=0.01, argus_ack_dat=0.002,
            argus_pcr=-160 / 360, argus_src_bytes=5 * 54 + 4 + 100, argus_src_int_pkt=20.5, argus_dst_win=1000,
            netflow_in_bytes=304, netflow_out_bytes=424, netflow_tcp_flags=SYN | ACK | FIN | PSH,
            netflow_client_tcp_flags=SYN | ACK | FIN | PSH, netflow_flow_duration_milliseconds=82, netflow_duration_out=70,
            netflow_longest_flow_pkt=240, netflow_shortest_flow_pkt=40, netflow_num_pkts_128_to_256_bytes=2)

    def test_one_packet(self, tmp_path):
        """
        Steps: a single UDP datagram of 32 bytes.
        Verify: what does not exist is empty in linejudge's own set and 0 in the others.
        """
        row, = agree(Talk().udp(0, 0, 32).write(tmp_path / "a.pcap"), tmp_path)
        has(row, packets=1, bytes=60, duration_us=0, one_sided=1, gap_mean_us=None, packets_per_s=None, bwd_length_mean=None,
            cic_flow_iat_mean=0, cic_flow_iat_std=0, cic_flow_bytes_s=None, cic_fwd_packets_s=0, cic_bwd_packet_length_min=0,
            cic_packet_length_std=0, cic_fwd_seg_size_min=8, cic_bwd_seg_size_min=0, argus_rate=0, argus_src_load=0, argus_pcr=1,
            netflow_min_ip_pkt_len=0, netflow_shortest_flow_pkt=60, end_reason="flushed")

    def test_retransmissions_and_order(self, tmp_path):
        """
        Steps: the client sends 100 bytes five times over: 0, 1, 3 (gap), 2 (late), 1 again, a keep-alive probe, half of 3 and a new half; a FIN, twice.
        Verify: a gap opened and filled, two retransmissions of data and one of the FIN, nothing missing.
        """
        talk = handshake(Talk())
        for n, (seq, size) in enumerate(((100, 100), (200, 100), (400, 100), (300, 100), (200, 100), (499, 1), (450, 100))):
            talk.tcp(20 + n, 0, ACK, seq, 500, size)
        talk.tcp(40, 0, FIN | ACK, 550, 500).tcp(50, 0, FIN | ACK, 550, 500)
        row, = agree(talk.write(tmp_path / "a.pcap"), tmp_path)
        has(row, fwd_out_of_order=2, fwd_retransmitted_packets=3, netflow_retransmitted_in_bytes=150, argus_src_gap=0, argus_loss=3,
            argus_psloss=100 * 3 / (11 + 3), bwd_retransmitted_packets=0)

    def test_sequence_numbers_wrap(self, tmp_path):
        """
        Steps: data across 2^32, one segment of it twice, and a hole of 10 bytes that stays.
        Verify: one retransmission; 10 bytes missing.
        """
        talk = Talk().tcp(0, 0, ACK, 2**32 - 150, 1, 100).tcp(1, 0, ACK, 2**32 - 50, 1, 100).tcp(2, 0, ACK, 2**32 - 50, 1, 100)
        talk.tcp(3, 0, ACK, 60, 1, 100)
        row, = agree(talk.write(tmp_path / "a.pcap"), tmp_path)
        has(row, fwd_retransmitted_packets=1, argus_src_gap=10, fwd_out_of_order=1, midstream=1)

    def test_windows_and_flags(self, tmp_path):
        """
        Steps: windows 1000, 0, 0, 500 of the client, one 0 on its RST; URG, ECE and CWR once each.
        Verify: two zero windows; first, greatest and last; the flags counted where they were.
        """
        talk = Talk().tcp(0, 0, ACK, 1, 1, 10, window=1000).tcp(1, 0, ACK, 11, 1, 10, window=0).tcp(2, 0, ACK | URG, 21, 1, 10, window=0)
        talk.tcp(3, 1, ACK | ECE, 1, 31, window=7).tcp(4, 0, ACK | CWR, 31, 1, window=500).tcp(5, 0, RST, 31, window=0)
        row, = agree(talk.write(tmp_path / "a.pcap"), tmp_path)
        has(row, fwd_zero_windows=2, fwd_window_first=1000, fwd_window_max=1000, argus_src_win=0, argus_dst_win=7, fwd_urg=1, bwd_ece=1,
            fwd_cwr=1, cic_fwd_urg_flags=1, cic_ece_flag_count=1, cic_cwr_flag_count=1, fwd_rst=1, end_reason="rst", state_reset=1)

    def test_active_and_idle(self, tmp_path):
        """
        Steps: packets at 0, 1, 3 s (active 3 s), after 7 s idle at 10 and 10.5 s (active 0.5 s), after 6 s at 16.5 s.
        Verify: two spans and two gaps; four gaps over 1 s make five subflows.
        """
        talk = Talk()
        for ms in (0, 1000, 3000, 10000, 10500, 16500):
            talk.udp(ms, 0, 10)
        row, = agree(talk.write(tmp_path / "a.pcap"), tmp_path)
        has(row, cic_active_mean=1750000, cic_active_max=3000000, cic_active_min=500000, cic_active_std=2500000 / 2**0.5,
            cic_idle_mean=6500000, cic_idle_max=7000000, cic_idle_min=6000000, idle_count=2, subflows=4, cic_subflow_fwd_packets=1.5,
            cic_subflow_fwd_bytes=15)

    def test_bulk(self, tmp_path):
        """
        Steps: five payload packets of 100 bytes in 40 ms, one of the other side, three (no bulk), one of the other side at the same instant,
               then four in 30 ms.
        Verify: two bulks of nine packets, 900 bytes, 70 ms.
        """
        talk = Talk()
        for n in range(5):
            talk.udp(10 * n, 0, 100)
        talk.udp(50, 1, 1)
        for n in range(3):
            talk.udp(60, 0, 100)
        talk.udp(60, 1, 1)
        for n in range(4):
            talk.udp(100 + 10 * n, 0, 100)
        row, = agree(talk.write(tmp_path / "a.pcap"), tmp_path)
        has(row, cic_fwd_bytes_bulk_avg=450, cic_fwd_packet_bulk_avg=4.5, cic_fwd_bulk_rate_avg=900 / 0.07, cic_bwd_bytes_bulk_avg=0)

    def test_gaps_longer_than_a_float_can_count(self, tmp_path):
        """
        Steps: two datagrams 64.944943 s apart.
        Verify: the gap to the microsecond.
        """
        row, = agree(Talk().udp(0, 0).udp(64944.943, 0).write(tmp_path / "a.pcap"), tmp_path)
        has(row, gap_2_us=64944943, gap_mean_us=64944943)


def out_of_time(talk):
    talk.udp(0, 0, 5).udp(100, 1, 5).udp(119000, 0, 5).udp(240000, 1, 5).udp(240001, 0, 5)  # 121 s of silence


def too_old(talk):
    for n in range(35):
        talk.udp(60000 * n, n % 2, n)  # 34 minutes


def reset_and_port_reused(talk):
    handshake(talk).tcp(20, 0, RST, 100).tcp(25, 1, ACK, 500, 100).tcp(30, 0, SYN, 9000).tcp(31, 1, RST | ACK, 0, 9001).tcp(2000, 0, ACK, 9001, 1)


def finished_and_stragglers(talk):
    handshake(talk).tcp(20, 1, FIN | ACK, 500, 100).tcp(21, 0, FIN | ACK, 100, 501).tcp(22, 1, ACK, 501, 101)
    talk.tcp(900, 1, RST, 501).tcp(1500, 0, ACK, 101, 501)


def synack_first(talk):
    talk.tcp(0, 1, SYN | ACK, 499, 100).tcp(1, 0, ACK, 100, 500).tcp(2, 1, PSH | ACK, 500, 100, 9)


def simultaneous_open(talk):
    talk.tcp(0, 0, SYN, 99).tcp(1, 1, SYN, 499).tcp(2, 0, SYN | ACK, 99, 500).tcp(3, 1, SYN | ACK, 499, 100).tcp(4, 0, ACK, 100, 500, 7)


def refused(talk):
    talk.tcp(0, 0, SYN, 99).tcp(1, 1, RST | ACK, 0, 100)


def unanswered(talk):
    talk.tcp(0, 0, SYN, 99).tcp(1000, 0, SYN, 99).tcp(3000, 0, SYN, 99)


def newer_sequence_space(talk):
    talk.tcp(0, 0, SYN, 99).tcp(500, 0, SYN, 70000).tcp(501, 1, SYN | ACK, 5, 70001).tcp(502, 0, ACK, 70001, 6, 50).tcp(503, 0, ACK, 70001, 6, 50)


def data_before_the_first(talk):
    talk.tcp(0, 0, ACK, 1000, 1, 100).tcp(1, 0, ACK, 900, 1, 100).tcp(2, 0, ACK, 900, 1, 100).tcp(3, 0, ACK, 1300, 1, 50).tcp(4, 0, ACK, 1500, 1, 50)
    talk.tcp(5, 0, ACK, 1100, 1, 100).tcp(6, 0, ACK, 1400, 1, 30).tcp(7, 0, ACK, 1000, 1, 100)


def time_stands_still(talk):
    for n in range(8):
        talk.udp(5, n % 2, 10 * n)


def icmp(talk):
    for n, (kind, code, name) in enumerate(((8, 0, 7), (0, 0, 7), (8, 0, 8), (13, 0, 9), (3, 1, 0))):
        side = kind in (0, 3)
        message = struct.pack(">BBHHH", kind, code, 0, name, n) + b"y" * (28 if kind == 3 else 8 * n)
        talk.put(n, ip(talk.ends[side], talk.ends[1 - side], 1, message))


def icmpv6(talk):
    for kind, name in ((1, 0), (128, 3), (129, 3), (135, 0), (136, 0)):
        talk.put(kind, ip("fe80::1", "fe80::2", 58, struct.pack(">BBHHH", kind, 0, 0, name, 1) + b"z" * 20))


def ipv6(talk):
    hop_by_hop = b"\x3c\0" + bytes(6)
    options = b"\x06\x01" + bytes(14)
    segment = tcp(1, 2, SYN, 5)
    talk.put(0, ip("2001:db8::1", "2001:db8::2", 0, hop_by_hop + options + segment))
    talk.put(1, ip("2001:db8::2", "2001:db8::1", 6, tcp(2, 1, SYN | ACK, 8, 6)))
    talk.put(2, ip("2001:db8::1", "2001:db8::2", 17, udp(9, 10, b"q" * 99)))


def ipv4_options(talk):
    talk.put(0, ip(CLIENT, SERVER, 17, udp(1, 2, b"abc"), options=b"\x94\x04\0\0"))
    talk.put(1, ip(SERVER, CLIENT, 17, udp(2, 1, b"abcd"), ttl=3))


def fragments(talk):
    datagram = udp(1, 2, b"f" * 2000)
    talk.put(0, ip(CLIENT, SERVER, 17, datagram[:1480], fragment=0x2000, name=77))
    talk.put(1, ip(CLIENT, SERVER, 17, datagram[1480:], fragment=1480 // 8, name=77))
    talk.put(2, ip(CLIENT, SERVER, 17, datagram[1480:], fragment=1480 // 8, name=78))  # of a datagram that nobody saw begin
    talk.put(40000, ip(CLIENT, SERVER, 17, datagram[1480:], fragment=1480 // 8, name=77))  # too late


def other_protocols(talk):
    for n, proto in enumerate((2, 50, 51, 89, 103, 132)):
        talk.put(n, ip(CLIENT, SERVER, proto, bytes(40)))


def tunnels(talk):
    inside = ip("10.9.0.1", "10.9.0.2", 6, tcp(7, 8, SYN, 1))
    for n, outer in enumerate((ip(CLIENT, SERVER, 47, b"\0\0\x08\0" + inside), ip(CLIENT, SERVER, 4, inside),
                               ip(CLIENT, SERVER, 17, udp(9, 4789, b"\x08" + bytes(6) + b"\0" + ethernet(inside))),
                               ip(CLIENT, SERVER, 17, udp(2152, 2152, b"\x30\xff\0\0\0\0\0\1" + inside)),
                               ip(CLIENT, SERVER, 17, udp(2152, 2152, b"\x30\x01\0\0\0\0\0\1" + inside)),
                               ip(CLIENT, SERVER, 17, udp(9, 6081, b"\1\0\x65\x58\0\0\1\0" + bytes(4) + ethernet(inside))))):
        talk.put(n, outer)


def dns(talk):
    name = b"\3www\7example\0"
    question = struct.pack(">HHHHHH", 4242, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
    answer = struct.pack(">HHHHHH", 4242, 0x8180, 1, 2, 0, 0) + name + struct.pack(">HH", 1, 1)
    answer += b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, 2) + b"\xc0\x0c" + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + bytes(4)
    talk.put(0, ip(CLIENT, SERVER, 17, udp(1234, 53, question))).put(1, ip(SERVER, CLIENT, 17, udp(53, 1234, answer)))


def to_itself(talk):
    talk.put(0, ip(CLIENT, CLIENT, 17, udp(5, 5, b"l"))).put(1, ip(CLIENT, CLIENT, 17, udp(6, 5, b"l"))).put(2, ip(CLIENT, CLIENT, 17, udp(5, 6)))


EDGES = (out_of_time, too_old, reset_and_port_reused, finished_and_stragglers, synack_first, simultaneous_open, refused, unanswered,
         newer_sequence_space, data_before_the_first, time_stands_still, icmp, icmpv6, ipv6, ipv4_options, fragments, other_protocols,
         tunnels, dns, to_itself)


class TestEdges:
    @pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.__name__)
    def test_the_twin_agrees_on(self, tmp_path, edge):
        """
        Steps: a capture of one odd thing; replay it plain, in a VLAN, and cut off after 54 bytes of each frame.
        Verify: the twin has the same records and values.
        """
        talk = Talk()
        edge(talk)
        agree(talk.write(tmp_path / "plain.pcap"), tmp_path)
        tagged = Talk(vlans=(12, 34))
        edge(tagged)
        agree(tagged.write(tmp_path / "vlan.pcap"), tmp_path)
        snapped = tmp_path / "snapped.pcap"
        with open(snapped, "wb") as file:
            file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 54, 1))
            for time_ns, frame in talk.frames:
                file.write(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, min(len(frame), 54), len(frame)) + frame[:54])
        ours = twin.of_linejudge(snapped, tmp_path / "snapped.csv")
        _, _, differences = twin.compare(ours, twin.rows(snapped))
        verify(not differences, f"snapped: {differences[:5]}")

    def test_what_became_of_some(self, tmp_path):
        """
        Verify: records, ends and directions of some of them, as told by the flow rules rather than by the twin.
        """
        def records(edge):
            talk = Talk()
            edge(talk)
            return [(row["end_reason"], row["fwd_packets"], row["bwd_packets"]) for row in agree(talk.write(tmp_path / "a.pcap"), tmp_path)]
        verify(records(out_of_time) == [("idle", 2, 1), ("flushed", 1, 1)], "idle timeout")
        verify(records(too_old) == [("active", 16, 15), ("flushed", 2, 2)], "active timeout")
        verify(records(reset_and_port_reused) == [("rst", 3, 2), ("rst", 1, 1), ("flushed", 1, 0)], "a port used again")
        verify(records(finished_and_stragglers) == [("fin", 3, 4), ("flushed", 1, 0)], "stragglers")
        verify(records(synack_first) == [("flushed", 1, 2)], "SYN-ACK first")
        verify(records(fragments) == [("flushed", 2, 0)], "fragments")
        verify(records(tunnels)[0] == ("flushed", 5, 0), "five tunnels, one flow")


class TestLive:
    """argus and tshark meter the same capture now."""

    def captures(self, tmp_path):
        """The demo, and all TCP and UDP edges one after the other on ports of their own."""
        frames = []
        for n, edge in enumerate((finished_and_stragglers, unanswered, refused, newer_sequence_space, time_stands_still, out_of_time)):
            talk = Talk(sport=41000 + n, dport=6000 + n)
            edge(talk)
            frames += [(time_ns + n * 400 * 10**9, frame) for time_ns, frame in talk.frames]
        return DEMO, write_pcap(tmp_path / "edges.pcap", frames)

    def test_argus_has_the_same_flows_and_features(self, tmp_path):
        """
        Steps: replay; let argus meter and ra print.
        Verify: packets, bytes, times, rates, loads, gaps, jitter, TTL and window of every flow, within ra's precision.
        """
        for capture in self.captures(tmp_path):
            found = peer_argus.compare(capture, tmp_path, [])
            verify(not found.differences, f"{len(found.differences)} of {found.values}: {found.differences[:5]}")
            verify(found.flows >= 6, f"{found.flows} flows")

    def test_tshark_has_the_same_conversations(self, tmp_path):
        """
        Steps: replay; let tshark count conversations.
        Verify: packets each way of every conversation, and its duration.
        """
        for capture in self.captures(tmp_path):
            found = peer_tshark.compare(capture, tmp_path)
            verify(not found.differences, f"{len(found.differences)} of {found.values}: {found.differences[:5]}")
            verify(found.flows >= 6, f"{found.flows} flows")

    def test_a_folder_that_has_no_captures_is_told(self, tmp_path):
        """Verify: tools/parity says what is missing, and compares nothing; also where the folders are there and empty."""
        def refusal(*arguments):
            done = subprocess.run([os.path.join(TOOLS, "parity"), tmp_path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, check=False)
            verify(done.returncode == 2 and not done.stdout, done.stdout)
            return done.stderr
        (tmp_path / "traffic").mkdir()
        said = refusal()
        verify(f"{tmp_path}: is not the unpacked traffic data: there is no parity/ in it" in said, said)
        (tmp_path / "parity").mkdir()
        (tmp_path / "robust").mkdir()
        verify("traffic: 0 captures; the comparison is of 200" in refusal("--only", "twin"), "no traffic")
        verify("robust: no captures" in refusal("--only", "robust"), "nothing that is robust")
