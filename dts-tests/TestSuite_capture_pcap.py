"""Replay at the desk: a capture in, verdicts out."""

import collections
import csv
import datetime
import json
import os
import subprocess
import sys

import pytest

from framework.linejudge import DEMO, DEMO_LABELS, ROOT, TOOLS, events, read_pcap, replay, run, verify


class TestReplay:
    def test_every_packet_and_flow_is_in_the_summary(self, tmp_path):
        """
        Steps: replay the demo capture; read it with capinfos.
        Verify: packets and bytes are capinfos's; every flow has a verdict and an event.
        """
        summary = replay(DEMO, "--eve", tmp_path / "eve.json")
        capinfos = subprocess.run(["capinfos", "-TMc", "-d", DEMO], stdout=subprocess.PIPE, text=True, check=True)
        row = dict(zip(*[line.split("\t") for line in capinfos.stdout.strip().splitlines()]))
        verify(summary["packets"] == int(row["Number of packets"]), "packets differ from capinfos")
        verify(summary["bytes"] == int(row["Data size (bytes)"]), "bytes differ from capinfos")
        kinds = collections.Counter(e["event_type"] for e in events(tmp_path / "eve.json"))
        verify(kinds["flow"] == summary["flows"], "not a flow event a flow")
        verify(kinds["alert"] == summary["alerts"], "not an alert event an alert")
        verify(sum(summary["verdicts"].values()) == summary["flows"], "not a verdict a flow")

    def test_the_summary_is_that_of_its_events(self, tmp_path):
        """
        Steps: replay the demo capture; count its EVE events.
        Verify: flows by class, alerts by tenths of their scores and the time from the first packet to the last are the summary's.
        """
        summary = replay(DEMO, "--eve", tmp_path / "eve.json")
        kinds = {kind: [e for e in events(tmp_path / "eve.json") if e["event_type"] == kind] for kind in ("flow", "alert")}
        verify(collections.Counter(e["ml"]["class"] for e in kinds["flow"]) == summary["verdicts"], summary["verdicts"])
        tenths = collections.Counter(min(int(e["ml"]["score"] * 10), 9) for e in kinds["alert"])
        verify({f"0.{n}-{(n + 1) / 10}": count for n, count in tenths.items()} == summary["alerts_by_score"], f"{tenths}, {summary['alerts_by_score']}")
        moment = datetime.datetime.fromisoformat
        begin, end = (f(moment(e["flow"][key].replace("+0000", "+00:00")) for e in kinds["flow"]) for f, key in ((min, "start"), (max, "end")))
        verify(abs((end - begin).total_seconds() - summary["capture_s"]) < 1e-5, f"{end - begin}, {summary['capture_s']} s")

    def test_flows_are_those_of_tshark(self):
        """
        Steps: replay the demo capture; let tshark count conversations.
        Verify: as many TCP and UDP conversations; the rest are the pings.
        """
        summary, flows = replay(DEMO, "--model", "none"), 0
        for protocol in ("tcp", "udp"):
            done = subprocess.run(["tshark", "-r", DEMO, "-q", "-z", f"conv,{protocol}"], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, check=True)
            flows += sum("<->" in line for line in done.stdout.splitlines())
        pings = 6
        verify(summary["flows"] == flows + pings, f"{summary['flows']} flows, tshark has {flows} and {pings} pings")

    def test_flows_are_those_of_argus(self, tmp_path):
        """
        Steps: replay the demo capture; let argus meter it and ra sum it by 5-tuple.
        Verify: the same packets each way for every TCP and UDP 5-tuple.
        """
        table = tmp_path / "features.csv"
        replay(DEMO, "--model", "none", "--features", table)
        ours = collections.Counter()
        with open(table, newline="", encoding="ascii") as file:
            for row in csv.DictReader(file):
                if row["proto"] in ("6", "17"):
                    ours[(row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"])] += int(float(row["packets"]))
        records = tmp_path / "argus.out"
        subprocess.run(["argus", "-F", "/dev/null", "-r", DEMO, "-w", str(records), "-S", "3600"], check=True)
        done = subprocess.run(["ra", "-n", "-F", "/dev/null", "-r", str(records), "-c", ",", "-s",
                               "saddr", "sport", "daddr", "dport", "pkts", "proto", "-", "tcp", "or", "udp"],
                              stdout=subprocess.PIPE, text=True, check=True)
        theirs = collections.Counter()
        for line in done.stdout.splitlines():
            fields = line.strip().split(",")
            if len(fields) == 6 and fields[5] in ("tcp", "udp"):
                theirs[tuple(fields[:4])] += int(fields[4])
        verify(len(theirs) > 2000, f"argus gave {len(theirs)} flows")
        verify(ours == theirs, f"differ: {list((ours - theirs).items())[:3]} {list((theirs - ours).items())[:3]}")

    @pytest.mark.parametrize("workers,infer,count", [(1, 2, 0), (2, 1, 0), (2, 2, 0), (3, 1, 0), (4, 2, 0), (4, 1, 1), (3, 2, 2)])
    def test_output_does_not_depend_on_lcores(self, tmp_path, workers, infer, count):
        """
        Steps: replay with one worker and inference lcore, then with others, on other lcores, with queues as small as may be.
        Verify: EVE and features, host context among them, are byte-identical.
        """
        def outputs(*arguments):
            eve, table = tmp_path / "eve.json", tmp_path / "features.csv"
            replay(DEMO, "--eve", eve, "--features", table, "--set", "features.set=linejudge,host", *arguments)
            return eve.read_bytes(), table.read_bytes()

        small = [a for key in ("spread", "infer", "sink") for a in ("--set", f"queue.{key}=64")]
        one = outputs()
        many = outputs("--workers", workers, "--infer", infer, "--set", f"lcores.count={count}", *small)
        verify(one == many, "the outputs differ")

    def test_pieces_of_a_capture_are_one_capture(self, tmp_path):
        """
        Steps: cut the demo capture in three; replay the pieces.
        Verify: the same features.
        """
        header, frames = read_pcap(DEMO)
        pieces, third = [], len(frames) // 3 + 1
        for i in range(3):
            pieces.append(tmp_path / f"{i}.pcap")
            pieces[-1].write_bytes(header + b"".join(f for _, f in frames[i * third:(i + 1) * third]))
        whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
        replay(DEMO, "--model", "none", "--features", whole)
        replay(pieces[0], "--pcap", pieces[1], "--pcap", pieces[2], "--model", "none", "--features", cut)
        verify(whole.read_bytes() == cut.read_bytes(), "the pieces give other flows")

    def test_pieces_in_the_wrong_order_are_pointed_out(self, tmp_path):
        """
        Steps: cut the demo capture in two; replay the pieces in order, the later one first, and both as the legs of a tap.
        Verify: only the second warns, naming both files; every packet is read all the same.
        """
        header, frames = read_pcap(DEMO)
        early, late, half = tmp_path / "cap.2", tmp_path / "cap.10", len(frames) // 2
        early.write_bytes(header + b"".join(f for _, f in frames[:half]))
        late.write_bytes(header + b"".join(f for _, f in frames[half:]))
        for order, warned in ((("--pcap", early, "--pcap", late), False), (("--pcap", late, "--pcap", early), True),
                              (("--pcap", late, "--pcap", early, "--set", "capture.tap=true"), False)):
            done = run(*order, "--model", "none", "--summary", "json")
            verify(done.returncode == 0 and json.loads(done.stdout)["packets"] == len(frames), done.stderr)
            verify(("give the files in order of time" in done.stderr) == warned, done.stderr)
            verify(not warned or f"{early} begins " in done.stderr and f"before {late}, " in done.stderr, done.stderr)

    def test_a_pcapng_gives_what_its_pcap_gives(self, tmp_path):
        """
        Steps: convert the demo capture by editcap; replay both.
        Verify: the same features.
        """
        converted = tmp_path / "demo.pcapng"
        subprocess.run(["editcap", "-F", "pcapng", DEMO, str(converted)], check=True)
        one, other = tmp_path / "one.csv", tmp_path / "other.csv"
        replay(DEMO, "--model", "none", "--features", one)
        replay(converted, "--model", "none", "--features", other)
        verify(one.read_bytes() == other.read_bytes(), "pcapng gives other flows")

    def test_a_small_table_evicts_and_counts(self):
        """
        Steps: replay with room for fewer flows than live at a time.
        Verify: the summary says how many; the ledger balances; no packet is lost.
        """
        summary = replay(DEMO, "--set", "flow.capacity=1024", "--set", "flow.idle_timeout_s=3600")
        verify(summary["evicted"]["flow_ended_evicted"] > 0, "nothing was evicted")
        verify(summary["packets"] == 12124, "packets were lost")
        verify(summary["flows"] >= 2062, "flows were lost")

    def test_host_context_sees_the_scan_and_counts_no_flow_twice(self, tmp_path):
        """
        Steps: write host context of the demo capture, without and with early verdicts.
        Verify: the scanner's flows stand beside hundreds of ports, browsing does not; the final rows are the same.
        """
        def table(*arguments):
            path = tmp_path / "features.csv"
            replay(DEMO, "--model", "none", "--features", path, "--set", "features.set=host", *arguments)
            with open(path, newline="", encoding="ascii") as file:
                return list(csv.DictReader(file))
        with open(DEMO_LABELS, newline="", encoding="ascii") as file:
            family = {(r["src_ip"], r["src_port"], r["dst_ip"], r["dst_port"]): r["family"] for r in csv.DictReader(file)}
        rows = table()
        ports = collections.defaultdict(list)
        for row in rows:
            label = family.get((row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"]))
            ports[label].append(float(row["host_src_600s_ports"]))
        verify(max(ports["port-scan"]) >= 900, f"the scanner has {max(ports['port-scan'])} ports")
        verify(max(ports["web"]) < 10, f"a browser has {max(ports['web'])} ports")
        early = table("--set", "flow.classify_at=3", "--set", "features.early=true")
        verify(len(early) > len(rows), "no early rows")
        final = [row for row in early if not row["end_reason"].startswith("early")]
        verify(final == rows, "early verdicts change what is counted")

    def test_early_verdicts_are_marked_and_linked(self, tmp_path):
        """
        Steps: ask for a verdict at the third packet.
        Verify: early events carry the flow_id of a final one.
        """
        replay(DEMO, "--set", "flow.classify_at=3", "--set", "eve.early=true", "--eve", tmp_path / "eve.json")
        flows = [e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"]
        early = {e["flow_id"] for e in flows if e["ml"]["early"]}
        final = {e["flow_id"] for e in flows if not e["ml"]["early"]}
        verify(len(early) > 100, "no early verdicts")
        verify(early <= final, "an early verdict without its flow")

    def test_features_reproduce_the_models_scores(self, tmp_path):
        """
        Steps: write features and verdicts of one replay; score the features by XGBoost in Python.
        Verify: the same probabilities, flow by flow.
        """
        import numpy
        import xgboost
        eve, table = tmp_path / "eve.json", tmp_path / "features.csv"
        replay(DEMO, "--eve", eve, "--features", table, "--set", "features.set=linejudge,host")
        with open(os.path.join(ROOT, "models", "default", "manifest.json"), encoding="ascii") as file:
            names = json.load(file)["features"]
        with open(table, newline="", encoding="ascii") as file:
            x = numpy.array([[float(row[name] or "nan") for name in names] for row in csv.DictReader(file)]).astype(numpy.float32)
        booster = xgboost.Booster(model_file=os.path.join(ROOT, "models", "default", "model.ubj"))
        wanted = booster.predict(xgboost.DMatrix(x))
        got = [e["ml"]["score"] for e in events(eve) if e["event_type"] == "flow"]
        verify(numpy.allclose(got, wanted, rtol=1e-5, atol=1e-6), "other scores than XGBoost's own")


class TestDemoCapture:
    def test_the_generator_gives_the_bundled_capture(self, tmp_path):
        """
        Steps: run tools/pcapgen.
        Verify: the bundled capture and labels, byte by byte; under 1 MB.
        """
        out, labels = tmp_path / "demo.pcap", tmp_path / "demo.csv"
        subprocess.run([os.path.join(TOOLS, "pcapgen"), "--out", out, "--labels", labels], check=True)
        with open(DEMO, "rb") as capture, open(DEMO_LABELS, "rb") as table:
            verify(out.read_bytes() == capture.read(), "another capture")
            verify(labels.read_bytes() == table.read(), "other labels")
        verify(os.path.getsize(DEMO) < 1_000_000, "over 1 MB")

    def test_a_place_that_cannot_be_written_is_said(self, tmp_path):
        """
        Steps: run tools/pcapgen with a capture, then labels, in a folder that is not there.
        Verify: one line that names the file.
        """
        here, nowhere = tmp_path / "file", tmp_path / "none" / "file"
        for out, labels in ((nowhere, here), (here, nowhere)):
            done = subprocess.run([os.path.join(TOOLS, "pcapgen"), "--out", out, "--labels", labels], stderr=subprocess.PIPE, text=True, check=False)
            verify(done.returncode == 1 and done.stderr == f"tools/pcapgen: {nowhere}: No such file or directory\n", done.stderr)

    def test_wireshark_finds_nothing_wrong_in_it(self):
        """
        Steps: let tshark dissect it.
        Verify: nothing malformed, no bad checksum of an IP header.
        """
        done = subprocess.run(["tshark", "-r", DEMO, "-o", "ip.check_checksum:TRUE", "-Y",
                               "ip.checksum.status == \"Bad\" || (_ws.malformed && !dns && !ntp && !tls && !ssh)"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        verify(done.stdout == "", done.stdout[:300])


class TestLabels:
    def test_the_first_clause_that_matches_wins(self):
        """
        Verify: verdicts of lj_labels on rules as LABELS.tsv has them.
        """
        sys.path.insert(0, TOOLS)
        import lj_labels
        web = lj_labels.Flow("10.0.0.1", 40000, "10.0.0.2", 80, 6)
        dns = lj_labels.Flow("10.0.0.1", 40000, "10.0.0.2", 53, 17)
        verify(lj_labels.Rule("drop:bg;mal:*")(web) == 1, "mal:*")
        verify(lj_labels.Rule("drop:bg;mal:*")(dns) is None, "drop:bg")
        verify(lj_labels.Rule("mal:peer=10.0.0.2:80;benign:*")(web) == 1, "peer with port")
        verify(lj_labels.Rule("mal:peer=10.0.0.2:81;benign:*")(web) == 0, "peer with another port")
        capped = lj_labels.Rule("cap30:ports=80,81;mal:*")
        verify([capped(web) for _ in range(31)] == [1] * 30 + [None], "cap30")
        with pytest.raises(ValueError):
            lj_labels.Rule("maybe:*")


class TestMerge:
    def test_merged_captures_are_one_time_line_behind_shared_addresses(self, tmp_path):
        """
        Steps: merge the demo capture with itself, 100 s later, the first behind two shared addresses; replay.
        Verify: all packets, each at a time of its own; flows of both, told apart by first_seen_ns; no more than two shared addresses.
        """
        sys.path.insert(0, TOOLS)
        import lj_merge
        merged, table = tmp_path / "merged.pcap", tmp_path / "features.csv"
        owner, moved = lj_merge.merge([(DEMO, 0, lj_merge.Sharing(2, 0)), (DEMO, 100, None)], merged)
        verify(moved[1] - moved[0] == 100 * 10**9, f"moved by {moved}")
        verify(len(owner) == 2 * 12124, f"{len(owner)} packets")
        summary = replay(merged, "--model", "none", "--features", table)
        verify(summary["packets"] == len(owner), "packets were lost")
        with open(table, newline="", encoding="ascii") as file:
            rows = list(csv.DictReader(file))
        kept = collections.Counter(owner[int(row["first_seen_ns"])] for row in rows)
        verify(kept[1] == 2062, f"{kept[1]} flows of the capture that kept its addresses")
        shared = {a for row in rows for a in (row["src_ip"], row["dst_ip"]) if a.startswith("100.64.")}
        verify(len(shared) == 2, shared)
