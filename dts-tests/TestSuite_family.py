"""What alarms has a family: a second model in the bundle says which kind of attack it is."""

import csv
import json

import numpy as np
import pytest
import xgboost

from framework.bundle import sha256, write_bundle
from framework.linejudge import DEMO, DEMO_LABELS, error_line, events, replay, run, verify

NAMES = ["packets", "bytes", "length_mean", "host_src_600s_flows", "host_src_600s_ports", "is_tcp", "fwd_payload_bytes", "host_dst_600s_ended"]
FIRST = NAMES[:6]
CLASSES = ["benign", "beacon", "brute-force", "port-scan", "syn-flood"]


@pytest.fixture(scope="module")
def flows(tmp_path_factory):
    """The demo's flows by id: a row of NAMES, and which of CLASSES it is."""
    table = tmp_path_factory.mktemp("features") / "f.csv"
    replay(DEMO, "--model", "none", "--features", table, "--set", "features.set=linejudge,host")
    with open(DEMO_LABELS, encoding="ascii") as file:
        known = {tuple(row[c] for c in ("src_ip", "src_port", "dst_ip", "dst_port", "proto")): row["family"] for row in csv.DictReader(file)}
    found = {}
    with open(table, encoding="ascii") as file:
        for row in csv.DictReader(file):
            family = known.get(tuple(row[c] for c in ("src_ip", "src_port", "dst_ip", "dst_port", "proto")), "benign")
            found[int(row["flow_id"])] = ([float(row[name] or "nan") for name in NAMES],
                                          CLASSES.index(family) if family in CLASSES else 0)
    return found


def booster(rows, label, **parameters):
    matrix = xgboost.DMatrix(rows, label=label)
    return xgboost.train({"max_depth": 4, "nthread": 1, "seed": 1, "base_score": 0.5, **parameters}, matrix, 6)


@pytest.fixture(scope="module")
def models(flows):
    """The two boosters and the rows they were trained on."""
    rows = np.array([row for row, _ in flows.values()], np.float32)
    label = np.array([family for _, family in flows.values()])
    first = booster(rows[:, :len(FIRST)], label > 0, objective="binary:logistic")
    second = booster(rows, label, objective="multi:softprob", num_class=len(CLASSES))
    verify("f7" in second.get_score(), "no tree reads the host context that only the second model has")
    return first, second, rows


@pytest.fixture
def bundle(models, tmp_path):
    first, second, rows = models
    folder = write_bundle(tmp_path / "whole", first, FIRST, rows[:40, :len(FIRST)])
    write_bundle(folder / "family", second, NAMES, rows[:40], CLASSES)
    return name_family(folder)


def name_family(folder, /, **changed):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["family"] = {"folder": "family", "sha256": sha256(folder / "family" / "manifest.json"), **changed}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


class TestFamily:
    @pytest.mark.parametrize("engine", ("forest", "xgboost"))
    def test_what_alarms_has_the_family_that_xgboost_names(self, bundle, flows, models, tmp_path, engine):
        """
        Steps: replay the demo through a bundle with a second model of other features and more classes.
        Verify: each alert's family is the likeliest class but benign of XGBoost's own prediction, and its score that class's share of
        those; what does not alarm has no family.
        """
        eve = tmp_path / "eve.json"
        replay(DEMO, "--model", bundle, "--eve", eve, "--set", f"model.engine={engine}")
        said = [event for event in events(eve) if event["event_type"] == "flow"]
        rows = np.array([flows[event["flow_id"]][0] for event in said], np.float32)
        p = models[1].predict(xgboost.DMatrix(rows))[:, 1:]
        named = 0
        for event, row in zip(said, p):
            if event["flow"]["alerted"]:
                family, named = event["ml"]["family"], named + 1
                verify(family["name"] == CLASSES[1 + row.argmax()], f"{family} is not the likeliest of {row}")
                verify(abs(family["score"] - row.max() / row.sum()) < 1e-5, f"{family}: {row.max() / row.sum()}")
            else:
                verify("family" not in event["ml"], f"no alert, but {event['ml']}")
        verify(1000 < named < len(said), f"{named} of {len(said)} flows have a family")

    def test_alerts_name_it_too(self, bundle, tmp_path):
        """Verify: every alert event has the family that its flow event has."""
        replay(DEMO, "--model", bundle, "--eve", tmp_path / "eve.json")
        families = {"flow": {}, "alert": {}}
        for event in events(tmp_path / "eve.json"):
            if event["event_type"] in families and event["flow"]["alerted"]:
                families[event["event_type"]][event["flow_id"]] = event["ml"]["family"]
        verify(families["flow"] == families["alert"] and families["alert"], "flow and alert events differ")

    def test_a_score_at_the_threshold_is_an_alert_with_a_family(self, models, bundle, tmp_path):
        """
        Steps: replay the demo; make the alerts' most frequent score, as XGBoost gives it, the threshold; replay it again.
        Verify: flows of exactly that score alarm, and have a family.
        """
        first, _, rows = models
        scores, counts = np.unique(first.predict(xgboost.DMatrix(rows[:, :len(FIRST)])), return_counts=True)
        score = float(max(zip(counts[scores >= 0.5], scores[scores >= 0.5]))[1])
        manifest = json.loads((bundle / "manifest.json").read_text())
        (bundle / "manifest.json").write_text(json.dumps({**manifest, "threshold": score}))
        replay(DEMO, "--model", bundle, "--eve", tmp_path / "eve.json")
        there = [e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow" and abs(e["ml"]["score"] - score) < 1e-6]
        verify(len(there) > 100 and all(e["flow"]["alerted"] and "family" in e["ml"] for e in there), f"{len(there)} flows at {score}: {there[:1]}")

    def test_check_says_which_families_there_are(self, bundle):
        """Verify: their names, in order."""
        done = run("model", "check", bundle)
        verify(f"families: {' '.join(CLASSES[1:])};" in done.stdout, done.stdout + done.stderr)


class TestFamilyErrors:
    def refused(self, bundle):
        done = run("model", "check", bundle)
        verify(done.returncode != 0, "a broken bundle opened")
        return error_line(done)

    def test_a_second_model_that_was_changed_is_refused(self, bundle):
        """Verify: one line names its manifest."""
        path = bundle / "family" / "manifest.json"
        path.write_text(path.read_text().replace('"port-scan"', '"port-scam"'))
        line = self.refused(bundle)
        verify("family/manifest.json" in line and "SHA-256" in line, line)

    def test_a_second_model_that_is_missing_is_named(self, bundle):
        """Verify: the folder."""
        name_family(bundle, folder="families")
        verify("families/manifest.json" in self.refused(bundle), "not named")

    def test_a_folder_outside_is_refused(self, bundle):
        """Verify: the key of the manifest."""
        name_family(bundle, folder="../family")
        verify("family.folder" in self.refused(bundle), "not named")

    def test_a_second_model_with_one_score_is_refused(self, models, bundle):
        """Verify: it says how many scores and classes."""
        first, _, rows = models
        for name in ("manifest.json", "model.ubj", "golden.csv"):
            (bundle / "family" / name).unlink()
        (bundle / "family").rmdir()
        write_bundle(bundle / "family", first, FIRST, rows[:40, :len(FIRST)])
        name_family(bundle)
        line = self.refused(bundle)
        verify("1 scores for its 2 classes" in line, line)

    def test_a_feature_of_a_kind_that_the_first_has_not_is_named(self, models, tmp_path):
        """Steps: a first model of features that every flow has; a second one of one of those and one of payloads.
        Verify: that feature is named.
        """
        rows, folder = models[2][:, :2], tmp_path / "plain"
        write_bundle(folder, booster(rows, rows[:, 0] > 3, objective="binary:logistic"), NAMES[:2], rows[:40])
        second = booster(rows, np.arange(len(rows)) % 3, objective="multi:softprob", num_class=3)
        write_bundle(folder / "family", second, ["packets", "fwd_payload_packets"], rows[:40], CLASSES[:3])
        line = self.refused(name_family(folder))
        verify('"fwd_payload_packets"' in line and "payloads" in line, line)
