"""What is told of a model that was trained: by tools/evaluate, and by the tools whose tables are in docs/."""

import json
import os
import shutil
import subprocess

import pytest

from framework import training
from framework.linejudge import TOOLS, events, replay, verify
from framework.training import evaluate


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training.write_captures(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory):
    return training.train_bundle(data, tmp_path_factory.mktemp("models") / "mine")


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
        for arguments, said in (((tmp_path / "none", *given, "--out", tmp_path / "r"), "none: is not a model's folder"),
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

    def test_an_isolation_forest_may_be_of_a_few_flows(self, tmp_path):
        """
        Steps: tools/train-anomaly on ten captures of a talk each.
        Verify: it makes a bundle, whose card has its name.
        """
        pcapgen, rows = training.generator(), []
        for number in range(10):
            capture, kind = pcapgen.Capture(300 + number), "benign" if number < 5 else "malicious"
            pcapgen.ssh(capture, 1)
            capture.save(tmp_path / f"{number}.pcap")
            rows.append((f"{number}.pcap", kind, "ssh", f"{'mal' if number >= 5 else 'benign'}:*"))
        labels = training.write_labels(tmp_path / "LABELS.tsv", rows)
        done = subprocess.run([os.path.join(TOOLS, "train-anomaly"), "--data", tmp_path, "--labels", labels, "--seeds", "1", "--out", tmp_path / "odd"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0 and (tmp_path / "odd" / "README.md").read_text().startswith("# odd\n"), done.stderr)

    def test_what_no_study_can_be_made_of_is_told_before_it(self, bundle, data, tmp_path):
        """
        Steps: a forest and specialists that are to be written where a file is; specialists beside a model that is none, or of a later format; measures that are to be written there; a study of calibrating without the captures that it is of, or the number of their flows.
        Verify: one line each, before a capture is extracted.
        """
        other = shutil.copytree(bundle, tmp_path / "other")
        manifest = json.loads((other / "manifest.json").read_text())
        manifest["format"] = 9
        (other / "manifest.json").write_text(json.dumps(manifest))
        (tmp_path / "file").write_text("")
        given = ("--data", data, "--labels", data / "LABELS.tsv")
        rows = [(f"{p}/1.pcap", "benign", "x", "benign:*") for p in ("smalllabs", "ndpi_apps", "iot_sentinel", "voice_command", "dns_tunnel_lab")]
        labels = training.write_labels(tmp_path / "l.tsv", [*rows, ("x/1.pcap", "malicious", "x", "mal:*")])
        for arguments, said in ((("train-anomaly", *given, "--out", tmp_path / "file"), "file: exists, and is not a folder"),
                                (("train-anomaly", *given, "--out", tmp_path / "file" / "x"), "file: "),
                                (("specialists", bundle, *given, "--out", tmp_path / "file" / "x"), "file/x: "),
                                (("specialists", tmp_path / "none", *given), "none: is not a model's folder"),
                                (("specialists", other, *given), "other/manifest.json: format"),
                                (("measures", bundle, *given, "--json", tmp_path / "file" / "m.json"), "file: "),
                                (("calibration-study", bundle, *given), "LABELS.tsv: no benign capture of smalllabs/"),
                                (("calibration-study", bundle, "--data", data, "--labels", labels), "l.tsv: no column mal_flows")):
            done = subprocess.run([os.path.join(TOOLS, arguments[0]), *map(str, arguments[1:])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  check=False)
            verify(done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, f"{arguments}: {done.stderr}")

    def test_specialists_need_benign_flows_in_each_fold(self, bundle, data, tmp_path):
        """Verify: one line says which fold has none, of captures whose rules leave them none."""
        text = (data / "LABELS.tsv").read_text()
        (tmp_path / "l.tsv").write_text(text.replace("benign:*", "drop:*", 5))
        done = subprocess.run([os.path.join(TOOLS, "specialists"), bundle, "--data", data, "--labels", tmp_path / "l.tsv"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 1 and "of 5 has no benign flow" in done.stderr and "Traceback" not in done.stderr, done.stderr)

    def test_what_float32_costs(self, bundle):
        """Verify: a bundle in either type: half the row, two thirds of the trees, and how many verdicts differ; a folder that is none is named."""
        tool = os.path.join(TOOLS, "float32-cost")
        done = subprocess.run([tool, bundle, "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        said = json.loads(done.stdout)[0]
        verify(3 * said["bytes"][0] == 2 * said["bytes"][1] and 2 * said["row_bytes"][0] == said["row_bytes"][1] and said["verdicts"] == 0, said)
        done = subprocess.run([tool, "/nonexistent"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 1 and done.stderr == "tools/float32-cost: /nonexistent: is not a model's folder: it has no manifest.json\n",
               done.stderr)
