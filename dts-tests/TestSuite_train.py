"""A person trains a bundle of their own: from labelled captures, or from a table that somebody else made."""

import collections
import csv
import importlib.machinery
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile

import numpy
import pytest
import xgboost

from framework.linejudge import TOOLS, events, replay, run, verify

sys.path.insert(0, TOOLS)

import lj_attacks  # noqa: E402: importable only now
import lj_bag  # noqa: E402: importable only now
import lj_capture  # noqa: E402: importable only now
import lj_dataset  # noqa: E402: importable only now
import lj_labels  # noqa: E402: importable only now
import lj_merge  # noqa: E402: importable only now
import lj_recipe  # noqa: E402: importable only now

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

    def test_the_card_says_what_its_data_cannot_carry(self, bundle, data, tmp_path):
        """
        Steps: read the card; train without one of the scans' captures.
        Verify: one publisher, too few benign flows for one in a thousand; then the family with two captures alone, by name.
        """
        card = (bundle / "README.md").read_text()
        verify("of one publisher" in card and "what alarms in a thousand cannot be told from so few" in card, card)
        verify("Too few captures to go by" not in card, card)
        lines = [line for line in (data / "LABELS.tsv").read_text().splitlines() if not line.startswith("scan-1")]
        (tmp_path / "l.tsv").write_text("\n".join(lines) + "\n")
        done = train("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify(done.returncode == 0, done.stderr)
        verify("Too few captures to go by: scan (2)." in (tmp_path / "x" / "README.md").read_text(), "no word of the two scans")

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
        line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--table", tmp_path / "none" / "t.npz", "--out", tmp_path / "x")
        verify("none/t.npz: there is no such folder" in line, line)
        line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--table", tmp_path / "t.npz", "--out", tmp_path / "x")
        verify("t.npz: is no table" in line, line)

    def test_a_table_is_of_its_labels_and_their_files(self, data, tmp_path):
        """
        Steps: keep the features of a training with a lone family and a label file; train by them without --lone, dropping it, and when
        the label file has changed.
        Verify: the lone family is an error again; it can be dropped; changed labels are not passed over.
        """
        folder = shutil.copytree(data, tmp_path / "data")
        text = (data / "LABELS.tsv").read_text().replace("malicious\tbeacon", "malicious\tlonely", 1)
        (folder / "LABELS.tsv").write_text(text.replace("office-0.pcap\tbenign\toffice\t", "office-0.pcap\tbenign\toffice\ttimes:t.csv;"))
        (folder / "t.csv").write_text("start,end,class\n1,2,malicious\n")
        given = ("--data", folder, "--labels", folder / "LABELS.tsv", "--table", tmp_path / "kept", "--out", tmp_path / "x")
        done = train(*given, "--lone", "keep")
        verify(done.returncode == 0, done.stderr)
        verify("lonely" in refusal(*given), "a lone family passes by a table")
        done = train(*given, "--lone", "drop")
        verify(done.returncode == 0 and "extracted" not in done.stderr, done.stderr)
        verify("lonely" not in (tmp_path / "x" / "README.md").read_text(), "it was not dropped")
        (folder / "t.csv").write_text("start,end,class\n1,3,malicious\n")
        line = refusal(*given, "--lone", "keep")
        verify("kept: a file of labels" in line, line)

    @pytest.mark.parametrize("was, becomes, said", [
        ("mal:*", "bad:*", "no such clause: bad:*"),
        ("mal:*", "mal:port=80", "no such condition: mal:port=80"),
        ("mal:*", "mal:peer=10.0.0:80", "'10.0.0' does not appear to be an IPv4"),
        ("mal:*", "mal:ports=http", "http is no port"),
        ("malicious", "evil", "class evil is none of benign, malicious, mixed"),
        ("scan-1.pcap", "scan-3.pcap", "scan-3.pcap is in line"),
        ("malicious\tscan", "malicious\t", "no family"),
        ("\t", ",", "no column file: a header"),
        ("file\tclass", "name\tclass", "no column file: a header"),
        ("scan-1.pcap", "gone.pcap", "gone.pcap: no such capture"),
    ])
    def test_a_slip_in_the_labels_is_named_with_its_line(self, data, tmp_path, was, becomes, said):
        """Verify: file and line, and what is wrong; nothing is extracted before."""
        (tmp_path / "l.tsv").write_text((data / "LABELS.tsv").read_text().replace(was, becomes))
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("l.tsv: line " in line and said in line, line)

    def test_too_few_captures_are_counted(self, data, tmp_path):
        """Verify: the label file, and how many there are of each."""
        lines = (data / "LABELS.tsv").read_text().splitlines()
        (tmp_path / "l.tsv").write_text("\n".join(line for line in lines if "\tmalicious\t" not in line) + "\n")
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("l.tsv: 6 benign captures and 0 others" in line, line)

    def test_labels_of_no_capture_are_an_error(self, data, tmp_path):
        """Verify: an empty file and a header alone, one line each; a folder that is none, too."""
        for text in ("", "file\tclass\tfamily\trule\n"):
            (tmp_path / "l.tsv").write_text(text)
            line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
            verify("l.tsv: names no captures" in line, line)
        line = refusal("--data", tmp_path / "none", "--labels", data / "LABELS.tsv", "--out", tmp_path / "x")
        verify("none: is no folder of captures" in line, line)

    def test_archives_are_unpacked_and_one_that_is_cut_is_named(self, bundle, data, tmp_path):
        """
        Steps: pack the captures as traffic-1.tar.xz; labels as a spreadsheet saves them, with a mark of UTF-8 and CRLF; train; cut the archive.
        Verify: the same model; then one line with the archive.
        """
        archive, out = tmp_path / "packed" / "traffic-1.tar.xz", tmp_path / "mine"
        archive.parent.mkdir()
        with tarfile.open(archive, "w:xz") as tar:
            for path in data.glob("*.pcap"):
                tar.add(path, f"traffic/{path.name}")
        (tmp_path / "l.tsv").write_bytes(b"\xef\xbb\xbf" + (data / "LABELS.tsv").read_bytes().replace(b"\n", b"\r\n"))
        done = train("--data", archive.parent, "--labels", tmp_path / "l.tsv", "--out", out)
        verify(done.returncode == 0, done.stderr)
        verify((bundle / "model.ubj").read_bytes() == (out / "model.ubj").read_bytes(), "another model")
        os.truncate(archive, archive.stat().st_size // 2)
        done = train("--data", archive.parent, "--labels", tmp_path / "l.tsv", "--out", out)
        verify(done.returncode == 1 and f"{archive}: cannot be unpacked" in done.stderr.splitlines()[-1], done.stderr)

    def test_labels_that_come_to_nothing_are_told(self, data, tmp_path):
        """
        Steps: give one scan of six attacks a rule that none of its flows meets; then all of them.
        Verify: the capture is named, with its rule, and that a fold has no attack; without any malicious flow there is nothing to do.
        """
        text = (data / "LABELS.tsv").read_text()
        (tmp_path / "l.tsv").write_text(text.replace("scan-1.pcap\tmalicious\tscan\tmal:*", "scan-1.pcap\tmalicious\tscan\tmal:peer=10.9.9.9"))
        done = train("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("scan-1.pcap: is malicious, and none of its 60 flows is, by mal:peer=10.9.9.9\n" in done.stderr, done.stderr)
        verify(done.returncode == 1 and "of 5 has no malicious flow" in done.stderr.splitlines()[-1], done.stderr)
        (tmp_path / "l.tsv").write_text(text.replace("mal:*", "drop:*"))
        done = train("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "y")
        verify(done.returncode == 1 and done.stderr.endswith("l.tsv: no flow is malicious\n"), done.stderr)

    def test_a_capture_that_is_cut_short_is_named(self, data, tmp_path):
        """Verify: the file, once, and the byte."""
        folder = shutil.copytree(data, tmp_path / "data")
        os.truncate(folder / "office-2.pcap", 3000)
        done = train("--data", folder, "--labels", folder / "LABELS.tsv", "--out", tmp_path / "x")
        last = done.stderr.splitlines()[-1]
        verify(done.returncode == 1 and last.count("office-2.pcap") == 1 and "the file is cut short" in last, done.stderr)

    def test_pcapng_is_trained_on_as_pcap_is(self, bundle, data, tmp_path):
        """
        Steps: have Wireshark write the captures as pcapng, with times of a nanosecond; train, merges and all.
        Verify: the same model bit for bit.
        """
        folder = shutil.copytree(data, tmp_path / "data")
        for path in folder.glob("*.pcap"):
            subprocess.run(["editcap", "-F", "pcapng", data / path.name, path], check=True)
            verify(path.read_bytes().startswith(b"\n\r\r\n"), "no pcapng")
        done = train("--data", folder, "--labels", folder / "LABELS.tsv", "--out", tmp_path / "mine")
        verify(done.returncode == 0, done.stderr)
        verify((bundle / "model.ubj").read_bytes() == (tmp_path / "mine" / "model.ubj").read_bytes(), "another model")

    @pytest.mark.parametrize("after", ["extracted", "fold 2 of 5"])
    def test_what_is_interrupted_leaves_the_bundle_as_it_was(self, bundle, data, tmp_path, after):
        """
        Steps: train anew over a bundle, and press Ctrl-C; once more where none is.
        Verify: one line says so; every file is as before, and nothing else is there.
        """
        old = shutil.copytree(bundle, tmp_path / "mine")
        before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
        for out in (old, tmp_path / "new"):
            with subprocess.Popen([TRAIN, "--data", data, "--labels", data / "LABELS.tsv", "--out", out], stderr=subprocess.PIPE, text=True,
                                  start_new_session=True) as process:
                for line in process.stderr:
                    if after in line:
                        break
                os.killpg(process.pid, signal.SIGINT)
                said = process.stderr.read()
            verify(process.returncode == 1 and said.endswith("tools/train: interrupted\n") and "Traceback" not in said, said)
        verify({path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before, "the bundle changed")
        verify(os.listdir(tmp_path) == ["mine"], f"left behind: {os.listdir(tmp_path)}")

    def test_a_folder_that_cannot_be_written_is_told_before_training(self, data, tmp_path):
        """Verify: one line that names it, for a file of that name, a folder below a file, and one that the kernel refuses."""
        (tmp_path / "file").write_text("")
        for out in (tmp_path / "file", tmp_path / "file" / "x", "/proc/x/y"):
            line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--out", out)
            verify("file: " in line or "/proc/x: " in line, line)


def evaluate(*arguments):
    return subprocess.run([os.path.join(TOOLS, "evaluate"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)


class TestWorth:
    """tools/evaluate of what was trained."""

    def test_publishers_that_it_was_trained_on_stand_apart(self, bundle, data, tmp_path):
        """
        Steps: two captures as trained on, two others in a folder of their own, evaluated together.
        Verify: flows of the two kinds of source are counted apart, and named as memory and as not trained on.
        """
        (tmp_path / "data" / "elsewhere").mkdir(parents=True)
        lines = []
        for line in (data / "LABELS.tsv").read_text().splitlines():
            name = line.split("\t")[0]
            if name in ("office-0.pcap", "scan-1.pcap"):
                shutil.copy(data / name, tmp_path / "data")
                lines.append(line)
            elif name in ("file", "office-1.pcap", "scan-3.pcap"):
                lines.append(line if name == "file" else f"elsewhere/{line}")
                if name != "file":
                    shutil.copy(data / name, tmp_path / "data" / "elsewhere")
        (tmp_path / "l.tsv").write_text("\n".join(lines) + "\n")
        done = evaluate(bundle, "--data", tmp_path / "data", "--labels", tmp_path / "l.tsv", "--out", tmp_path / "report")
        verify(done.returncode == 0, done.stderr)
        report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
        memory, other = (report[key] for key in ("publishers that it was trained on: memory, not merit", "publishers that it was not trained on"))
        verify(list(memory["benign"]) == ["all", "captures"] and list(other["benign"]) == ["all", "elsewhere"], f"{memory} {other}")
        verify(memory["families"]["scan"]["n"] == other["families"]["scan"]["n"] == 60, f"{memory} {other}")

    def test_the_recipe_is_trained_anew_without_what_is_asked_for(self, bundle, data, tmp_path):
        """
        Steps: --retrain on the small captures, two seeds.
        Verify: the spread over seeds, each family left out with its n, and the ablation of ports and TTL.
        """
        done = evaluate(bundle, "--data", data, "--labels", data / "LABELS.tsv", "--retrain", "--seeds", "2", "--out", tmp_path / "report")
        verify(done.returncode == 0, done.stderr)
        anew = json.loads((tmp_path / "report" / "evaluation.json").read_text())["recipe, trained anew"]
        middle, least, most = anew["folds of captures, by seed"]["median, least, greatest"]["roc_auc"]
        verify(0.9 < least <= middle <= most <= 1, anew)
        verify({name: row["n"] for name, row in anew["families left out"].items()} == {"beacon": 36, "scan": 180}, anew)
        verify(set(anew["ablation"]) == {"without ports and TTL", "with ports and TTL"}, anew)

    def test_what_cannot_be_evaluated_is_told_in_a_line(self, bundle, data, tmp_path):
        """Verify: no bundle, a bundle of a later format, labels that no flow meets, a folder that is a file: each named, before anything is written."""
        later, given = shutil.copytree(bundle, tmp_path / "later"), ("--data", data, "--labels", data / "LABELS.tsv")
        (later / "manifest.json").write_text((later / "manifest.json").read_text().replace('"format": 1', '"format": 2'))
        (tmp_path / "l.tsv").write_text((data / "LABELS.tsv").read_text().replace(":*", ":peer=10.9.9.9"))
        (tmp_path / "file").write_text("")
        for arguments, said in (((tmp_path / "none", *given, "--out", tmp_path / "r"), "none: is no model's folder"),
                                ((later, *given, "--out", tmp_path / "r"), "later/manifest.json: format: is not 1"),
                                ((bundle, "--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "r"), "l.tsv: no flow of any capture"),
                                ((bundle, *given, "--out", tmp_path / "file"), "file: File exists")):
            done = evaluate(*arguments)
            last = done.stderr.splitlines()[-1]
            verify(done.returncode == 1 and last.startswith("tools/evaluate: ") and said in last and "Traceback" not in done.stderr, done.stderr)
            verify(not (tmp_path / "r" / "evaluation.json").exists(), "something was written")


class TestStudies:
    """Tools whose tables are in docs/."""

    def test_kinds_of_models_are_compared(self, data, tmp_path):
        """Verify: a row for each of the nine kinds, by flow and by capture, with times and size; the picture of importance."""
        done = subprocess.run([os.path.join(TOOLS, "survey"), "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        rows = {cells[1].strip(): [float(cell) for cell in cells[2:-1]]
                for cells in (line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")) if cells[1].strip() != "model"}
        verify(list(rows) == ["naive Bayes", "logistic regression", "LDA", "SVM (RBF)", "decision tree", "random forest", "AdaBoost",
                              "histogram gradient boosting", "XGBoost"], done.stdout)
        verify(all(len(row) == 7 and 0.5 < row[0] <= 1 and 0.5 < row[1] <= 1 and row[5] > 0 and row[6] > 0 for row in rows.values()), done.stdout)
        verify((tmp_path / "importance.png").read_bytes().startswith(b"\x89PNG"), "no picture")

    def test_an_isolation_forest_of_benign_captures_alone(self, data, tmp_path):
        """
        Steps: tools/train-anomaly on the small captures; replay a scan and office traffic.
        Verify: the bundle opens, and the scan is the less ordinary.
        """
        done = subprocess.run([os.path.join(TOOLS, "train-anomaly"), "--data", data, "--labels", data / "LABELS.tsv", "--seeds", "1", "--out",
                               tmp_path / "odd"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        medians = []
        for name in ("scan-1", "office-3"):
            replay(data / f"{name}.pcap", "--model", tmp_path / "odd", "--eve", tmp_path / name)
            scores = sorted(e["ml"]["score"] for e in events(tmp_path / name) if e["event_type"] == "flow")
            medians.append(scores[len(scores) // 2])
        verify(medians[0] > medians[1], f"{medians}")

    def test_what_float32_costs(self, bundle):
        """Verify: a bundle in either type: half the row, two thirds of the trees, and how many verdicts differ; a folder that is none is named."""
        tool = os.path.join(TOOLS, "float32-cost")
        done = subprocess.run([tool, bundle, "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        said = json.loads(done.stdout)[0]
        verify(3 * said["bytes"][0] == 2 * said["bytes"][1] and 2 * said["row_bytes"][0] == said["row_bytes"][1] and said["verdicts"] == 0, said)
        done = subprocess.run([tool, "/nonexistent"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 1 and done.stderr == "tools/float32-cost: /nonexistent: is no model's folder: there is no manifest.json in it\n",
               done.stderr)


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


class TestRecipe:
    def test_sources_never_seen_are_scored_by_who_did_not_see_them(self):
        """
        Steps: three sources of benign flows, of which one looks like the attacks but for a mark of its own; a fourth is too small.
        Verify: who was trained without that source takes it for an attack, and the others for what they are; the fourth is not there.
        """
        rng, labels, rows, y, captures = numpy.random.default_rng(3), [], [], [], []
        for publisher, kind, marked, n in (("a", "benign", 0, 60), ("b", "benign", 0, 60), ("odd", "benign", 1, 60), ("few", "benign", 0, 5), ("x", "malicious", 0, 60)):
            for number in range(6):
                labels.append({"file": f"{publisher}/{number}.pcap", "class": kind, "family": publisher})
                like = publisher in ("odd", "x")
                rows.append(numpy.column_stack([rng.normal(3 * like, 0.5, (n, 4)), numpy.full((n, 4), marked)]))
                y += [kind == "malicious"] * n
                captures += [len(labels) - 1] * n
        dataset = lj_dataset.Dataset(labels)
        dataset.add(numpy.concatenate(rows).astype(numpy.float32), y, captures, False)
        scores = lj_recipe.quiet_elsewhere(dataset.finish([f"packets_{i}" for i in range(8)]), list(range(8)), 10, 1)
        verify(sorted(scores) == ["a", "b", "odd"] and len(scores["odd"]) == 360, sorted(scores))
        verify(numpy.median(scores["odd"]) > 0.8 and max(numpy.median(scores[p]) for p in "ab") < 0.2, {p: numpy.median(s) for p, s in scores.items()})


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

    def test_what_cannot_be_merged_is_named(self, data, tmp_path):
        """Verify: one line each of a capture that is missing, that is none, of an offset that is no number, of a folder that is missing."""
        (tmp_path / "t.csv").write_text("a,b\n1,2\n")
        for out, capture, said in (("m.pcap", "gone.pcap", "gone.pcap: No such file"), ("m.pcap", tmp_path / "t.csv", "t.csv: is cut short, or no pcap"),
                                   ("m.pcap", f"{data}/scan-1.pcap@soon", "soon is no offset in s"), ("gone/m.pcap", data / "scan-1.pcap", "No such file")):
            done = self.merged("--out", tmp_path / out, capture)
            verify(done.returncode == 1 and done.stderr.startswith("tools/lj_merge.py: ") and said in done.stderr, done.stderr)
            verify(done.stderr.count("\n") == 1, done.stderr)

    @staticmethod
    def merged(*arguments):
        return subprocess.run([os.path.join(TOOLS, "lj_merge.py"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)


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

    def test_pings_are_labelled_however_they_are_called(self, mixed):
        """
        Steps: label pings by packets, and by rows without ports and with their identifiers; ask of the flows of a feature table, which have
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
        frames = [frame for _, _, frame in sorted(capture.frames)]
        (path.parent / "packets.csv").write_text("".join(f"{n};{int(frame[23] == 1)}\n" for n, frame in enumerate(frames, start=1)))
        eve = lj_labels.Flow(src, 0, dst, 0, lj_labels.protocol("ICMP"), flows[0].first_ns, flows[0].last_ns)
        for rule in ("flows:ids.csv", "flows:zeros.csv", "perpacket:packets.csv"):
            said = [lj_labels.Rule(rule, str(path))(flow) for flow in (*flows, eve)]
            verify(len(flows) == 1 and said == [1, 1], f"{rule}: {said}")

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
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,80,10.0.0.2,90,quic,benign\n", "line 2: quic is no protocol"),
        ("flows:l.csv", "src_ip,src_port,dst_ip,dst_port,proto,class\n10.0.0.1,1,10.0.0.2,2,6,benign\n10.0.0.2,2,10.0.0.1,1,6,malicious\n",
         "10.0.0.1 1 and 10.0.0.2 2 are malicious in one row and benign in another"),
        ("times:l.csv", "start,end,class\n20,10,benign\n", "line 2: the window 20 to 10 has no length"),
        ("times:l.csv", "start,end,class\nnan,10,benign\n", "line 2: the window nan to 10"),
        ("times:l.csv", "start,end,class\nMonday,10,benign\n", "line 2: Monday is no time in s since 1970"),
        ("perpacket:l.csv", "1;0\n2,1\n", "line 2: '2,1' is not n;0 or n;1"),
        ("perpacket:l.csv", "", "is empty"),
        ("perpacket:l.csv", "99999;1\n", "names packet 99999, and "),
    ])
    def test_a_label_file_that_is_wrong_is_named(self, mixed, rule, text, said):
        """Verify: the file, the line where there is one, and what is wrong."""
        path, _, _ = mixed
        (path.parent / "l.csv").write_text(text)
        with pytest.raises(ValueError) as error:
            lj_labels.Rule(rule, str(path))
        verify("l.csv: " in str(error.value) and said in str(error.value), error.value)

    def test_an_address_may_be_of_ipv6(self):
        """Verify: with and without a port, however it is written."""
        flow = lj_labels.Flow("2001:db8::1", 40000, "2001:db8::2", 80, 6)
        for rule, wanted in (("mal:peer=2001:DB8:0::2", 1), ("mal:peer=[2001:db8::2]:80", 1), ("mal:peer=[2001:db8::2]:81", None)):
            verify(lj_labels.Rule(rule)(flow) == wanted, rule)


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
        """Verify: it opens, has no port among its features, its card says what captures are of a table, and the daemon takes it."""
        done = train("--csv", table, "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        verify("A table has no captures" in (tmp_path / "cic" / "README.md").read_text(), "the card speaks of captures")
        verify("port" not in (tmp_path / "cic" / "manifest.json").read_text(), "a port is a feature")
        check = run("model", "check", tmp_path / "cic")
        verify(check.returncode == 0, check.stderr)

    def test_a_column_that_is_there_twice_is_used_once(self, table, tmp_path):
        """
        Steps: add a column again, as CIC-IDS2017's own files have 'Fwd Header Length', a space before every name, and a byte of Windows' in the attack's.
        Verify: the bundle opens.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        at = header.index("cic_flow_duration")
        with open(tmp_path / "own.csv", "w", newline="", encoding="cp1252") as file:
            csv.writer(file).writerow([f" {name}" for name in [*header[:-1], header[at], header[-1]]])
            csv.writer(file).writerows([*row[:-1], row[at], row[-1].replace("PortScan", "Web Attack \u2013 XSS")] for row in rows)
        done = train("--csv", tmp_path / "own.csv", "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        check = run("model", "check", tmp_path / "cic")
        verify(check.returncode == 0, check.stderr)

    def test_families_of_any_alphabet_are_named(self, table, tmp_path):
        """
        Steps: call the attacks by two long names of letters of two bytes each.
        Verify: the bundle opens, and its families are these, cut to what a manifest takes.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        with open(tmp_path / "own.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(header)
            csv.writer(file).writerows([*row[:-1], ("\u0430" * 40, "\u0431" * 40)[i % 2] if row[-1] == "PortScan" else row[-1]]
                                       for i, row in enumerate(rows))
        done = train("--csv", tmp_path / "own.csv", "--out", tmp_path / "own")
        verify(done.returncode == 0, done.stderr)
        classes = json.loads((tmp_path / "own" / "family" / "manifest.json").read_text())["classes"]
        verify(classes == ["benign", "\u0430" * 15, "\u0431" * 15], classes)

    def test_tables_of_several_days_are_one_model(self, table, tmp_path):
        """
        Steps: deal the table's rows to two; train on both; once more with another header in the second.
        Verify: a bundle of both, each named as its source; the other header is an error that names the file.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        for name, part, first in (("monday", rows[0::2], header), ("friday", rows[1::2], header), ("sunday", rows[1::2], ["X", *header[1:]])):
            with open(tmp_path / f"{name}.csv", "w", newline="", encoding="ascii") as file:
                csv.writer(file).writerows([first, *part])
        done = train("--csv", tmp_path / "monday.csv", "--csv", tmp_path / "friday.csv", "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        manifest = json.loads((tmp_path / "cic" / "manifest.json").read_text())
        verify(manifest["trained_on"] == ["friday.csv", "monday.csv"], manifest["trained_on"])
        line = refusal("--csv", tmp_path / "monday.csv", "--csv", tmp_path / "sunday.csv", "--out", tmp_path / "x")
        verify("sunday.csv: has other columns than" in line, line)

    @pytest.mark.parametrize("text, said", [
        (b"", "is no table"), (b"\xd4\xc3\xb2\xa1\x02\x00", "is no table"), (b"IN_BYTES,OUT_BYTES,Label\n", "no rows"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2\n", "line 2: 2 cells, and the header has 3"),
        (b"IN_BYTES,OUT_BYTES,Label\nNaN,,0\nnan,inf,1\n", "no column that is a feature has a value"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2,0\n1,3,0\n", "every row is benign"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2,0\n1,3,1\n", "t.csv: 1 benign rows and 1 others: folds need 5 of each"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2,0\n\n,,\n1,3,\n", "t.csv: line 5: Label is empty"),
    ])
    def test_a_table_that_nothing_can_be_learnt_of_is_refused(self, tmp_path, text, said):
        """Verify: one line, and no bundle."""
        (tmp_path / "t.csv").write_bytes(text)
        line = refusal("--csv", tmp_path / "t.csv", "--out", tmp_path / "x")
        verify(said in line and not (tmp_path / "x").exists(), line)

    def test_rows_of_nothing_are_passed_over(self, table, tmp_path):
        """
        Steps: train; add empty lines and rows of commas alone, as CIC-IDS2017's own files have them; train again.
        Verify: the same model.
        """
        lines = table.read_text().splitlines()
        commas = "," * lines[0].count(",")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "cic.csv").write_text("\n".join([*lines[:5], "", *lines[5:], *[commas] * 40]) + "\n")
        for path, out in ((table, "a"), (tmp_path / "full" / "cic.csv", "b")):
            done = train("--csv", path, "--out", tmp_path / out)
            verify(done.returncode == 0, done.stderr)
        verify((tmp_path / "a" / "model.ubj").read_bytes() == (tmp_path / "b" / "model.ubj").read_bytes(), "another model")

    def test_what_is_of_captures_does_not_go_with_a_table(self, table, tmp_path):
        """Verify: one option each, named, instead of being passed over."""
        for option in (("--leave-out", "x"), ("--made",), ("--lone", "keep"), ("--data", tmp_path), ("--table", "t.npz")):
            done = train("--csv", table, *option, "--out", tmp_path / "x")
            verify(done.returncode == 2 and f"{option[0]} is of captures" in done.stderr, done.stderr)

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
