"""What a bundle is worth on labelled traffic is what linejudge itself says of it."""

import csv
import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy
import pytest
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from framework.linejudge import DEMO, DEMO_LABELS, ROOT, TOOLS, events, replay, verify
from framework.training import evaluate, generator

COLUMNS = ["packets", "bytes", "duration_us", "fwd_payload_bytes"]
BENIGN = {"web", "dns", "ntp", "ping", "ssh"}


@pytest.fixture
def data(tmp_path):
    """The demo's capture with a label a flow."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(DEMO, folder / "demo.pcap")
    with open(DEMO_LABELS, encoding="ascii") as file:
        header, *rows = file.read().split()
    lines = [f"{row},{'benign' if row.rsplit(',', 1)[1] in BENIGN else 'malicious'}" for row in rows]
    (folder / "flows.csv").write_text("\n".join([f"{header},class", *lines]) + "\n")
    (folder / "LABELS.tsv").write_text("file\tclass\tfamily\trule\ndemo.pcap\tmixed\tdemo\tflows:flows.csv\n")
    return folder


class TestFigures:
    """lj_measures on numbers that can be checked by hand."""

    @pytest.fixture
    def scored(self):
        """Two captures of an attack, of which one is found, and one benign capture of an hour with one false alarm in four flows."""
        sys.path.insert(0, TOOLS)
        import lj_measures
        names = ["a", "a", "b", "q", "q", "q", "q"]
        return lj_measures, lj_measures.Scored(score=[0.9, 0.4, 0.3, 0.8, 0.1, 0.2, 0.05], y=[1, 1, 1, 0, 0, 0, 0],
                                               family=["scan", "scan", "flood", "", "", "", ""], capture=names, publisher=["p"] * 7,
                                               start_s=[10, 11, 0, 0, 1, 2, 3], decided_s=[12, 15, 1, 1, 2, 3, 4], hours={"q": 0.5})

    def test_at_the_threshold(self, scored):
        """Verify: 1 of 3 found, 1 of 4 called falsely: every figure, and PPV by Bayes at a base rate of 1 %."""
        module, flows = scored
        said = module.at_threshold(flows, 0.5, 0.01)
        wanted = {"tp": 1, "fp": 1, "tn": 3, "fn": 2, "accuracy": 4 / 7, "precision": 1 / 2, "recall": 1 / 3, "f1": 0.4, "fpr": 1 / 4,
                  "ppv at a base rate of 0.01": 0.01 / 3 / (0.01 / 3 + 0.99 / 4)}
        verify(all(abs(said[name] - value) < 1e-12 for name, value in wanted.items()), said)

    def test_of_nothing_there_is_no_share(self, scored):
        """Verify: of benign flows alone there is an FPR, and no recall, F1 or PPV; where nothing is called, no precision; of attacks alone no FPR."""
        module, flows = scored
        attacks = module.benign_alerts(flows.where(flows.y == 1), 0.9)["all"]
        verify(attacks == {"n": 0, "alerts": 0, "fpr": None, "hours": 0, "alerts_per_hour": None}, attacks)
        quiet = module.at_threshold(flows.where(flows.y == 0), 0.9, 0.01)
        verify([quiet[name] for name in ("fpr", "recall", "f1", "precision", "ppv at a base rate of 0.01")] == [0, None, None, None, None], quiet)

    def test_ranking(self, scored):
        """Verify: ROC AUC, 10 of 12 pairs in the right order; PR AUC as the mean precision at each attack; recall above the quiet ones."""
        module, flows = scored
        said = module.ranking(flows)
        verify(abs(said["roc_auc"] - 10 / 12) < 1e-12, said)
        verify(abs(said["pr_auc"] - (1 + 2 / 3 + 3 / 4) / 3) < 1e-12, said)
        verify(said["recall at 1 % fpr"] == 1 / 3 and said["recall at 0.1 % fpr"] == 1 / 3, said)

    def test_what_ties_with_too_many_benign_flows_is_not_recalled(self, scored):
        """Verify: where 2 of 20 benign flows score 1, or over it, as all attacks do, none is recalled at 1 % FPR."""
        module, _ = scored
        for highest in (1, 2.5):
            flows = module.Scored([highest] * 12 + [0.1] * 18, [1] * 10 + [0] * 20, ["scan"] * 30, ["a"] * 30, ["p"] * 30)
            verify(module.ranking(flows)["recall at 1 % fpr"] == 0, module.ranking(flows))
            verify(module.by_family(flows, 0.5)["scan"]["recall at 1 % fpr"] == 0, module.by_family(flows, 0.5))

    def test_by_family_and_over_time(self, scored):
        """Verify: recall of each family; one of two captures detected, 2 s after its first flow began; an alert in half an hour is two an hour."""
        module, flows = scored
        families = module.by_family(flows, 0.5)
        verify(families["scan"]["n"] == 2 and families["scan"]["recall as shipped"] == 0.5 and families["flood"]["recall at 0.1 % fpr"] == 0, families)
        verify(families["scan"]["recall at 1 % fpr"] == 0.5, families)
        verify(module.detection(flows, 0.5) == {"captures": 2, "detected": 1, "median_s": 2, "p90_s": 2}, module.detection(flows, 0.5))
        verify(module.benign_alerts(flows, 0.5)["all"] == {"n": 4, "alerts": 1, "fpr": 0.25, "hours": 0.5, "alerts_per_hour": 2}, "alerts an hour")

    def test_hours_are_of_captures_with_benign_flows(self, scored):
        """Verify: alerts per hour are divided by the hours of captures with benign flows, each once, all and by publisher; not by an attack's hours."""
        module, _ = scored
        flows = module.Scored([0.9, 0.9, 0.1, 0.9, 0.1, 0.9], [1, 0, 0, 0, 0, 0], ["scan"] + [""] * 5, ["a", "q", "q", "r", "r", "s"],
                              ["p", "p", "p", "p", "p", "o"], hours={"a": 100, "q": 0.5, "r": 1.5, "s": 4})
        said = {name: (row["hours"], row["alerts"], row["alerts_per_hour"]) for name, row in module.benign_alerts(flows, 0.5).items()}
        verify(said == {"all": (6, 3, 0.5), "o": (4, 1, 0.25), "p": (2, 2, 1)}, said)

    def test_the_bootstrap_draws_captures(self, scored):
        """Verify: recall's interval spans what the two captures alone give, 0 and 1/2; of FPR and AUC, with one benign capture, there is none."""
        module, flows = scored
        said = module.intervals(flows, 0.5)
        verify(said == {"recall": [0, 0.5], "fpr": None, "roc_auc": None}, said)

    def test_an_interval_is_of_ninety_percent(self, scored):
        """Verify: where half of 20 attacks are found, each in a capture of its own, recall's interval is that of 20 throws of a coin."""
        module, _ = scored
        flows = module.Scored([0.9, 0.1] * 20, [1] * 20 + [0] * 20, ["scan"] * 40, [f"c{i}" for i in range(40)], ["p"] * 40)
        low, high = module.intervals(flows, 0.5)["recall"]
        verify(0.2 <= low <= 0.35 and 0.65 <= high <= 0.8, (low, high))

    def test_what_scores_as_the_threshold_is_called(self, scored):
        """Verify: as linejudge has it; and in the time to the first alert, flows that did not alarm count from their start on."""
        module, flows = scored
        said = module.at_threshold(flows, 0.9, 0.01)
        verify(said["tp"] == 1 and said["fp"] == 0, said)
        late = module.Scored([0.4, 0.9], [1, 1], ["scan"] * 2, ["a"] * 2, ["p"] * 2, start_s=[10, 11], decided_s=[12, 15])
        verify(module.detection(late, 0.9)["median_s"] == 5, module.detection(late, 0.9))

    def test_drift(self, scored):
        """Verify: PSI of a population with itself is next to nothing, with one that has all of it in one decile a great one."""
        module, _ = scored
        population = numpy.arange(1000) / 1000
        verify(module.psi(population, population) < 1e-6 and module.psi(population, numpy.full(1000, 0.5)) > 1, "PSI")


class TestEvaluate:
    def test_the_figures_are_those_of_the_verdicts(self, data, tmp_path):
        """
        Steps: evaluate the default model on the demo; replay it.
        Verify: as many malicious flows are called as EVE says, no benign one is, and the pictures are there.
        """
        done = evaluate(os.path.join(ROOT, "models", "default"), "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / "report")
        verify(done.returncode == 0, done.stderr)
        report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
        shipped = next(part for part in report.values() if isinstance(part, dict))["at the threshold as shipped"]
        replay(DEMO, "--eve", tmp_path / "eve.json")
        alerts = sum(e["event_type"] == "alert" for e in events(tmp_path / "eve.json"))
        verify(alerts > 1000 and shipped["tp"] + shipped["fp"] == alerts, f"{alerts} alerts; {shipped}")
        for name in ("roc", "pr", "confusion", "calibration", "importance"):
            verify((tmp_path / "report" / f"{name}.png").read_bytes().startswith(b"\x89PNG"), f"no picture {name}")

    @pytest.mark.parametrize("at", [0, 3])
    def test_a_verdict_comes_when_its_flow_is_over(self, data, tmp_path, at):
        """
        Steps: give a model from elsewhere that calls everything the demo's SYN flood alone, whose flows nobody answers, then a beacon's, which
        end by FIN; without early verdicts, and with one at the third packet.
        Verify: each is decided by the idle timeout, the linger, or the third packet; each flow is counted once.
        """
        rows, _ = self.table(tmp_path)
        (tmp_path / "m.pickle").write_bytes(pickle.dumps(RandomForestClassifier(3, random_state=1).fit(rows, numpy.arange(len(rows)) > 0)))
        subprocess.run([os.path.join(TOOLS, "import-sklearn"), tmp_path / "m.pickle", "--features", ",".join(COLUMNS), "--out", tmp_path / "m",
                        "--threshold", "1e-9"], stdout=subprocess.DEVNULL, check=True)
        manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
        flow = {"idle_timeout_s": 120, "active_timeout_s": 1800, "tcp_linger_s": 1, "classify_at": at}
        (tmp_path / "m" / "manifest.json").write_text(json.dumps({**manifest, **({"flow": flow} if at else {})}))
        replay(DEMO, "--model", tmp_path / "m", "--eve", tmp_path / "eve.json", "--set", "flow.classify_at=0")
        flows = [e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"]
        for kind, rule, due, wait in (("flood", "mal:peer=10.20.0.80:80;drop:*", "idle", 120), ("beacon", "mal:ports=8080;drop:*", "fin", 1)):
            theirs = [e for e in flows if e["ml"]["due"] == due and ("10.20.0.80" == e["dest_ip"] or e.get("dest_port") == 8080)]
            verify(len(theirs) > 20, f"{kind}: {len(theirs)} flows are {due}")
            (data / "LABELS.tsv").write_text(f"file\tclass\tfamily\trule\ndemo.pcap\tmalicious\t{kind}\t{rule}\n")
            done = evaluate(tmp_path / "m", "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / "report")
            verify(done.returncode == 0, done.stderr)
            part = next(p for p in json.loads((tmp_path / "report" / "evaluation.json").read_text()).values() if isinstance(p, dict))
            said = part["time to detection"]["median_s"]
            verify(wait <= said < wait + 2 if not at or due == "idle" else said < 1, f"{kind}: {said} s")
            verify(part["flows"] == part["families"][kind]["n"] == len({e["flow_id"] for e in theirs}), f"{kind}: {part['flows']} flows")

    def test_a_capture_may_begin_at_no_time(self, data, tmp_path):
        """
        Steps: take 5 flows a minute apart from 0 s since 1970 on, as a simulator's capture has them, and the same 1000 s later.
        Verify: both captures are as long.
        """
        pcapgen, hours = generator(), []
        for offset in (0, 1000):
            capture = pcapgen.Capture(1)
            for minute in range(5):
                pcapgen.dns(capture, offset + 60 * minute - pcapgen.START_NS // 10**9)
            capture.save(data / "demo.pcap")
            (data / "LABELS.tsv").write_text("file\tclass\tfamily\trule\ndemo.pcap\tbenign\tdns\tbenign:*\n")
            done = evaluate(os.path.join(ROOT, "models", "default"), "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / "report")
            verify(done.returncode == 0, done.stderr)
            report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
            hours.append(next(part for part in report.values() if isinstance(part, dict))["benign"]["all"]["hours"])
        verify(abs(hours[0] - hours[1]) < 1e-9 and hours[0] > 240 / 3600, f"{hours} hours")

    def test_a_score_that_is_the_threshold_alarms(self, data, tmp_path):
        """
        Steps: import a tree one of whose leaves says 1/3, from where on it alarms; evaluate it; replay it.
        Verify: as many flows are called as EVE says, which has 0.333333 of a third.
        """
        x, families = self.table(tmp_path)
        model = DecisionTreeClassifier(max_leaf_nodes=2, random_state=1)
        short = x[:, 0] <= numpy.median(x[:, 0])
        model.fit(x, numpy.where(short, numpy.cumsum(short) % 3 == 0, True))
        model.tree_.value[model.tree_.apply(x[short][:1].astype(numpy.float32))[0]] = [[2, 1]]
        (tmp_path / "m.pickle").write_bytes(pickle.dumps(model))
        subprocess.run([os.path.join(TOOLS, "import-sklearn"), tmp_path / "m.pickle", "--features", ",".join(COLUMNS), "--out", tmp_path / "m",
                        "--threshold", repr(float(numpy.float32(1 / 3)))], stdout=subprocess.DEVNULL, check=True)
        done = evaluate(tmp_path / "m", "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / "report")
        verify(done.returncode == 0, done.stderr)
        report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
        shipped = next(part for part in report.values() if isinstance(part, dict))["at the threshold as shipped"]
        replay(DEMO, "--model", tmp_path / "m", "--eve", tmp_path / "eve.json")
        alerts = sum(e["event_type"] == "alert" for e in events(tmp_path / "eve.json"))
        verify(shipped["tp"] + shipped["fp"] == alerts == len(families), f"{alerts} alerts of {len(families)} flows; {shipped}")

    def test_a_table_without_the_models_columns_is_an_error(self, tmp_path):
        """Verify: one line that names what is missing."""
        (tmp_path / "t.csv").write_text("IN_BYTES,OUT_BYTES,Label\n" + "1,2,0\n3,4,1\n" * 6)
        done = evaluate(os.path.join(ROOT, "models", "default"), "--csv", tmp_path / "t.csv", "--out", tmp_path / "report")
        verify(done.returncode == 1 and "are not among its columns" in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    def test_a_label_file_that_is_missing_is_named(self, data, tmp_path):
        """Verify: one line with the capture and the file."""
        (data / "flows.csv").unlink()
        done = evaluate(os.path.join(ROOT, "models", "default"), "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / "report")
        verify(done.returncode == 1 and "no label file flows.csv" in done.stderr, done.stderr)

    @pytest.mark.parametrize("kind", ["classes", "isolation"])
    def test_a_model_from_elsewhere_on_a_table(self, tmp_path, kind):
        """
        Steps: let scikit-learn learn the demo's flows, as benign and two attacks, or the benign ones alone; import it; evaluate it on their table.
        Verify: AUC is that of scikit-learn's own scores; a model without gains has its pictures, too.
        """
        x, families = self.table(tmp_path)
        y = families != "benign"
        if kind == "classes":
            model = RandomForestClassifier(10, max_depth=6, random_state=1).fit(x, families)
            scores = 1 - model.predict_proba(x)[:, list(model.classes_).index("benign")]
        else:
            model = IsolationForest(n_estimators=20, random_state=1).fit(x[~y])
            scores = -model.score_samples(x)
        (tmp_path / "m.pickle").write_bytes(pickle.dumps(model))
        subprocess.run([os.path.join(TOOLS, "import-sklearn"), tmp_path / "m.pickle", "--features", ",".join(COLUMNS), "--out", tmp_path / "m"],
                       stdout=subprocess.DEVNULL, check=True)
        done = evaluate(tmp_path / "m", "--csv", tmp_path / "t.csv", "--label", "what", "--out", tmp_path / "report")
        verify(done.returncode == 0, done.stderr)
        report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
        said = next(part for part in report.values() if isinstance(part, dict))["ranking"]["roc_auc"]
        verify(abs(said - roc_auc_score(y, scores)) < 1e-4, f"{said}, scikit-learn's {roc_auc_score(y, scores)}")
        verify((tmp_path / "report" / "importance.png").read_bytes().startswith(b"\x89PNG"), "no picture")

    def test_a_table_of_one_class_is_evaluated(self, tmp_path):
        """
        Steps: let scikit-learn learn the demo's flows; evaluate it on the attacks alone, then on three benign rows.
        Verify: recall without a false positive rate, then the reverse; of what is not there, nothing.
        """
        x, families = self.table(tmp_path)
        (tmp_path / "m.pickle").write_bytes(pickle.dumps(RandomForestClassifier(10, random_state=1).fit(x, families != "benign")))
        subprocess.run([os.path.join(TOOLS, "import-sklearn"), tmp_path / "m.pickle", "--features", ",".join(COLUMNS), "--out", tmp_path / "m"],
                       stdout=subprocess.DEVNULL, check=True)
        header, *lines = (tmp_path / "t.csv").read_text().splitlines()
        benign = [line.endswith(",benign") for line in lines]
        for kept, there, absent in (([line for line, is_benign in zip(lines, benign) if not is_benign], "recall", "fpr"),
                                    ([line for line, is_benign in zip(lines, benign) if is_benign][:3], "fpr", "recall")):
            (tmp_path / "part.csv").write_text("\n".join([header, *kept]) + "\n")
            done = evaluate(tmp_path / "m", "--csv", tmp_path / "part.csv", "--label", "what", "--out", tmp_path / "report")
            verify(done.returncode == 0, done.stderr)
            report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
            shipped = next(part for part in report.values() if isinstance(part, dict))["at the threshold as shipped"]
            verify(shipped[there] is not None and shipped[absent] is None, shipped)

    @staticmethod
    def table(folder):
        """Writes the demo's flows as folder/t.csv; their values and what each is."""
        replay(DEMO, "--model", "none", "--features", folder / "f.csv")
        with open(DEMO_LABELS, encoding="ascii") as file:
            known = {(row[0], row[1], row[2], row[3]): row[5] for row in csv.reader(file)}
        with open(folder / "f.csv", newline="", encoding="ascii") as file:
            rows = list(csv.DictReader(file))
        said = [known[row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"]] for row in rows]
        families = numpy.array(["benign" if family in BENIGN else "scan" if family == "port-scan" else "other" for family in said])
        with open(folder / "t.csv", "w", newline="", encoding="ascii") as file:
            csv.writer(file).writerows([[*COLUMNS, "what"], *([*(row[c] for c in COLUMNS), family] for row, family in zip(rows, families))])
        return numpy.array([[float(row[c]) for c in COLUMNS] for row in rows], numpy.float32).astype(float), families
