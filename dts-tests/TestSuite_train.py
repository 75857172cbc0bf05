"""A person trains a bundle of their own: from labelled captures, or from a table that somebody else made."""

import collections
import csv
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys

import numpy
import pytest
import xgboost

from framework.linejudge import TOOLS, events, replay, run, verify

sys.path.insert(0, TOOLS)

import lj_attacks  # noqa: E402: importable only now
import lj_bag  # noqa: E402: importable only now
import lj_labels  # noqa: E402: importable only now

TRAIN = os.path.join(TOOLS, "train")
ATTACKS = {"scan": ("port_scan", 60), "beacon": ("beacon", 12)}


def generator():
    """tools/pcapgen as a module."""
    loader = importlib.machinery.SourceFileLoader("pcapgen", os.path.join(TOOLS, "pcapgen"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pcapgen", loader))
    loader.exec_module(module)
    return module


def benign(pcapgen, capture, many):
    for kind, count in ((pcapgen.web, many), (pcapgen.dns, many), (pcapgen.ssh, 2)):
        for _ in range(count):
            kind(capture, capture.random.uniform(0, 100))


def write_labels(path, rows):
    path.write_text("\n".join("\t".join(row) for row in [("file", "class", "family", "rule"), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six benign captures, six malicious ones of two families, and their labels."""
    folder, pcapgen, rows = tmp_path_factory.mktemp("data"), generator(), []
    for number in range(6):
        capture = pcapgen.Capture(100 + number)
        benign(pcapgen, capture, 15 + number)
        capture.save(folder / f"office-{number}.pcap")
        rows.append((f"office-{number}.pcap", "benign", "office", "benign:*"))
    for number, (family, (kind, many)) in enumerate(sorted(ATTACKS.items()) * 3):
        capture = pcapgen.Capture(200 + number)
        getattr(pcapgen, kind)(capture, 5, many)
        capture.save(folder / f"{family}-{number}.pcap")
        rows.append((f"{family}-{number}.pcap", "malicious", family, "mal:*"))
    write_labels(folder / "LABELS.tsv", rows)
    return folder


def train(*arguments):
    return subprocess.run([TRAIN, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "mine"
    done = train("--data", data, "--labels", data / "LABELS.tsv", "--out", out)
    verify(done.returncode == 0, done.stderr)
    return out


def refusal(*arguments):
    """The one line that training has to say."""
    done = train(*arguments)
    verify(done.returncode == 1, f"exit {done.returncode}: {done.stderr}")
    verify(done.stderr.startswith("tools/train: ") and done.stderr.count("\n") == 1, f"not one clear line: {done.stderr}")
    return done.stderr


class TestCaptures:
    def test_what_is_trained_opens_and_tells_attacks_from_the_rest(self, bundle, data, tmp_path):
        """
        Steps: train on small captures; replay a scan and office traffic through the bundle.
        Verify: the scan's flows score higher than the office's.
        """
        medians = {}
        for name in ("scan-1", "office-3"):
            replay(data / f"{name}.pcap", "--model", bundle, "--eve", tmp_path / name)
            scores = sorted(e["ml"]["score"] for e in events(tmp_path / name) if e["event_type"] == "flow")
            medians[name] = scores[len(scores) // 2]
        verify(medians["scan-1"] > 0.8 and medians["office-3"] < 0.2, f"median scores: {medians}")

    def test_the_same_inputs_give_the_same_model(self, bundle, data, tmp_path):
        """Verify: a second training gives every file of the bundle bit for bit."""
        again = tmp_path / "mine"
        done = train("--data", data, "--labels", data / "LABELS.tsv", "--out", again)
        verify(done.returncode == 0, done.stderr)
        for name in ("model.ubj", "golden.csv", "reference.json", "manifest.json"):
            verify((bundle / name).read_bytes() == (again / name).read_bytes(), f"{name} differs")

    def test_the_features_of_another_bundle_are_kept(self, bundle, data, tmp_path):
        """Verify: with --features-of they are its, in its order; one that the captures do not have is named."""
        names = ["host_src_60s_flows", "packets", "length_mean", "duration_us"]
        (tmp_path / "manifest.json").write_text(json.dumps({"features": names}))
        done = train("--data", data, "--labels", data / "LABELS.tsv", "--features-of", tmp_path, "--out", tmp_path / "mine")
        verify(done.returncode == 0, done.stderr)
        kept = json.loads((tmp_path / "mine" / "manifest.json").read_text())["features"]
        verify(kept == names, kept)
        (tmp_path / "manifest.json").write_text(json.dumps({"features": ["no_such_thing"]}))
        done = train("--data", data, "--labels", data / "LABELS.tsv", "--features-of", tmp_path, "--out", tmp_path / "x")
        verify(done.returncode == 1 and "no_such_thing is none of" in done.stderr.splitlines()[-1], done.stderr)

    def test_several_boosters_joined_say_the_mean_of_what_they_say(self):
        """Verify: of all rounds and of the first three, the margin is the mean of the boosters'."""
        rng = numpy.random.default_rng(5)
        x = rng.random((400, 5), numpy.float32)
        boosters = [xgboost.train({"objective": "binary:logistic", "max_depth": 4, "subsample": 0.5, "seed": seed},
                                  xgboost.DMatrix(x, label=x[:, 0] + x[:, 1] > 1), 6) for seed in range(3)]
        whole, rows = lj_bag.joined(boosters), xgboost.DMatrix(x)
        verify(whole.num_boosted_rounds() == 18, whole.num_boosted_rounds())
        for rounds in (6, 3):
            apart = [b.predict(rows, output_margin=True, iteration_range=(0, rounds)) for b in boosters]
            off = numpy.abs(whole.predict(rows, output_margin=True, iteration_range=(0, 3 * rounds)) - numpy.mean(apart, axis=0)).max()
            verify(off < 1e-5, f"{rounds} rounds: {off}")

    def test_it_has_a_second_model_that_names_families(self, bundle, data, tmp_path):
        """
        Steps: replay a scan and a beacon.
        Verify: most of what alarms is named as it was labelled.
        """
        for family in ATTACKS:
            replay(next(data.glob(f"{family}-*.pcap")), "--model", bundle, "--eve", tmp_path / family)
            named = [e["ml"]["family"]["name"] for e in events(tmp_path / family) if e["event_type"] == "alert"]
            verify(named and named.count(family) > len(named) / 2, f"{family}: {collections.Counter(named)}")

    def test_measures_stand_beside_what_is_asked(self, bundle, data, tmp_path):
        """Verify: the folds' AUC and a kind that was left out, each with what is asked and whether it is met."""
        done = subprocess.run([os.path.join(TOOLS, "measures"), bundle, "--data", data, "--labels", data / "LABELS.tsv", "--seeds", "1",
                               "--json", tmp_path / "m.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        verify("| AUC, plain | at least 0.985 |" in done.stdout and "| left out: scan | at least 0.98 |" in done.stdout, done.stdout)

    def test_specialists_are_compared_at_the_same_false_alarms(self, bundle, data, tmp_path):
        """
        Steps: tools/specialists on the small captures, bundles written.
        Verify: a row for the folds, and the scan's specialist opens.
        """
        done = subprocess.run([os.path.join(TOOLS, "specialists"), bundle, "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        verify("| none: folds of captures |" in done.stdout, done.stdout)
        check = run("model", "check", tmp_path / "scan")
        verify(check.returncode == 0, check.stderr)

    def test_a_missing_capture_is_named(self, data, tmp_path):
        """Verify: the label file, and the capture that is not there."""
        labels = write_labels(tmp_path / "l.tsv", [("gone.pcap", "benign", "office", "benign:*")])
        line = refusal("--data", data, "--labels", labels, "--out", tmp_path / "x")
        verify("l.tsv" in line and "gone.pcap: no such capture" in line, line)

    def test_a_family_of_one_capture_is_an_error_until_it_is_chosen(self, data, tmp_path):
        """Verify: the family is named, and what can be chosen."""
        text = (data / "LABELS.tsv").read_text().replace("malicious\tscan", "malicious\tlonely", 1)
        (tmp_path / "l.tsv").write_text(text)
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("lonely" in line and "--lone keep" in line, line)

    def test_a_table_that_is_none_is_named(self, data, tmp_path):
        """Verify: the file, and what to do."""
        (tmp_path / "t.npz").write_text("not yet written")
        line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--table", tmp_path / "t.npz", "--out", tmp_path / "x")
        verify("t.npz: is no table" in line, line)

    def test_an_unknown_rule_is_named(self, data, tmp_path):
        """Verify: the capture and the clause."""
        text = (data / "LABELS.tsv").read_text().replace("mal:*", "bad:*", 1)
        (tmp_path / "l.tsv").write_text(text)
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("no such clause: bad:*" in line, line)


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
            least = 2 if row["family"].endswith(("dnstunnel:made", "control")) else 0.7 * lj_attacks.FLOWS[0]
            verify(summary["flows"] >= least, f"{row['family']}: {summary['flows']} flows")


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


class TestTable:
    @pytest.fixture
    def table(self, data, tmp_path):
        """CIC's columns of a scan and of office traffic, with a label."""
        out = tmp_path / "cic.csv"
        with open(out, "w", newline="", encoding="ascii") as file:
            for name, label in (("office-1", "BENIGN"), ("scan-1", "PortScan")):
                replay(data / f"{name}.pcap", "--model", "none", "--features", tmp_path / "t.csv", "--set", "features.set=cic")
                with open(tmp_path / "t.csv", newline="", encoding="ascii") as part:
                    header, *rows = csv.reader(part)
                if label == "BENIGN":
                    csv.writer(file).writerow([*header[9:], "Label"])
                csv.writer(file).writerows([*row[9:], label] for row in rows)
        return out

    def test_a_table_becomes_a_bundle(self, table, tmp_path):
        """Verify: it opens, has no port among its features, and the daemon takes it."""
        done = train("--csv", table, "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        verify("port" not in (tmp_path / "cic" / "manifest.json").read_text(), "a port is a feature")
        check = run("model", "check", tmp_path / "cic")
        verify(check.returncode == 0, check.stderr)

    def test_a_missing_label_column_is_named_with_the_nearest(self, table, tmp_path):
        """Verify: what was asked for, and what is there."""
        line = refusal("--csv", table, "--label", "Lable", "--out", tmp_path / "x")
        verify("no column 'Lable'" in line and "Label" in line, line)

    def test_columns_that_are_no_features_are_an_error(self, tmp_path):
        """Verify: the columns are named, and which are wanted."""
        (tmp_path / "t.csv").write_text("apples,pears,Label\n1,2,0\n3,4,1\n")
        line = refusal("--csv", tmp_path / "t.csv", "--out", tmp_path / "x")
        verify("apples" in line and "CIC-IDS2017" in line, line)

    def test_what_is_not_a_number_is_named_by_line_and_column(self, tmp_path):
        """Verify: file, line, column."""
        (tmp_path / "t.csv").write_text("IN_BYTES,OUT_BYTES,Label\n1,2,0\n3,many,1\n")
        line = refusal("--csv", tmp_path / "t.csv", "--out", tmp_path / "x")
        verify("line 3: OUT_BYTES: 'many' is not a number" in line, line)
