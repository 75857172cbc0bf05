"""Alerts say why, and models say when traffic is no longer what they were trained on."""

import csv
import json
import os
import shutil
import subprocess

import numpy as np
import pytest
import xgboost

from framework.bundle import sha256, train_on_table, write_bundle
from framework.linejudge import DEMO, ROOT, TOOLS, appliance, error_line, events, replay, run, verify, wait_for

DEFAULT = os.path.join(ROOT, "models", "default")
ANOMALY = os.path.join(ROOT, "models", "anomaly")


def alerts(path):
    return [e for e in events(path) if e["event_type"] == "alert"]


def table_of(tmp_path, names):
    """flow_id: the row of these features, float32."""
    replay(DEMO, "--model", "none", "--features", tmp_path / "features.csv", "--set", "features.set=linejudge,host")
    with open(tmp_path / "features.csv", encoding="utf-8") as file:
        return {int(row["flow_id"]): np.array([float(row[n] or "nan") for n in names], np.float32) for row in csv.DictReader(file)}


def demo_bundle(tmp_path, threshold=0.5):
    """(bundle, rows): a model of the demo itself, of four features; `mine`."""
    names = ["packets", "duration_us", "fwd_bytes", "bwd_bytes"]
    rows = np.array(list(table_of(tmp_path, names).values()))
    booster, rows = train_on_table(rows, rows[:, 3] == 0)
    return write_bundle(tmp_path / "mine", booster, names, rows[:40], threshold=threshold), rows


def watched(bundle, *settings):
    """(what the log says, what the summary says of drift) of the demo through the bundle."""
    done = run("--pcap", DEMO, "--model", bundle, "--summary", "json", *(word for s in settings for word in ("--set", s)))
    verify(done.returncode == 0, done.stderr)
    return done.stderr, json.loads(done.stdout)["drift"]["mine"]


def give_reference(bundle, tmp_path):
    return subprocess.run([f"{TOOLS}/reference", bundle, tmp_path / "features.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)


class TestBecause:
    def test_contributions_are_those_of_xgboost(self, tmp_path):
        """
        Steps: replay the demo with explain.top 5; ask Python's XGBoost for the SHAP contributions of the same flows.
        Verify: every alert has the five heaviest, in order, with their values.
        """
        replay(DEMO, "--model", DEFAULT, "--eve", tmp_path / "eve.json", "--set", "explain.top=5")
        with open(os.path.join(DEFAULT, "manifest.json"), encoding="utf-8") as file:
            names = json.load(file)["features"]
        rows, found = table_of(tmp_path, names), alerts(tmp_path / "eve.json")
        verify(len(found) > 100, f"{len(found)} alerts")
        booster = xgboost.Booster(model_file=os.path.join(DEFAULT, "model.ubj"))
        matrix = xgboost.DMatrix(np.array([rows[e["flow_id"]] for e in found]))
        for event, row, shap in zip(found, matrix.get_data().toarray(), booster.predict(matrix, pred_contribs=True)):
            because = event["ml"]["because"]
            heaviest = sorted(range(len(names)), key=lambda i: -abs(shap[i]))[:5]
            verify(len(because) == 5, f"{because}")
            for item, i in zip(because, heaviest):
                own = names.index(item["feature"])
                verify(abs(abs(item["contribution"]) - abs(shap[i])) < 1e-4 and abs(item["contribution"] - shap[own]) < 1e-4,
                       f"{because}: not {[(names[k], shap[k]) for k in heaviest]}")
                value = rows[event["flow_id"]][own]
                verify(item["value"] is None if np.isnan(value) else abs(item["value"] - value) <= 1e-5 * abs(value), f"{item}: {value}")
            verify(row is not None, "no row")

    def test_without_being_asked_nothing_is_explained(self, tmp_path):
        """Verify: no ml.because, in alerts or flows; with it, flow events still have none."""
        replay(DEMO, "--model", DEFAULT, "--eve", tmp_path / "eve.json")
        verify(not any("because" in e["ml"] for e in events(tmp_path / "eve.json")), "explained all the same")
        replay(DEMO, "--model", DEFAULT, "--eve", tmp_path / "eve.json", "--set", "explain.top=1")
        verify(not any("because" in e["ml"] for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"), "a flow is explained")

    def test_a_replay_is_explained_alike_by_any_number_of_lcores(self, tmp_path):
        """Verify: the same bytes with one lcore and with two workers and two inference lcores."""
        for name, settings in (("one", ["lcores.count=1"]), ("many", ["lcores.workers=2", "lcores.infer=2"])):
            replay(DEMO, "--model", DEFAULT, "--model", ANOMALY, "--eve", tmp_path / name, "--set", "explain.top=3",
                   *(word for s in settings for word in ("--set", s)))
        verify((tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes(), "not the same bytes")

    def test_live_alerts_are_explained_as_far_as_there_is_time(self, tmp_path):
        """
        Steps: live, play the demo in a circle, with explain.top 3 and all roles on one lcore, until some alerts are explained and some not.
        Verify: no explanation failed; EVE has alerts with three reasons, and those that are not explained are counted and are written.
        """
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1", "mbufs": 131072}]}, "models": [DEFAULT],
                  "explain": {"top": 3}, "eve": {"target": str(tmp_path / "eve.json"), "flows": "alerts"}, "lcores": {"count": 1},
                  "flow": {"idle_timeout_s": 10, "active_timeout_s": 0.5, "tcp_linger_s": 0.1}, "doctor": "off", "eal": {"huge": "off"}}
        with appliance(tmp_path, config, "linejudge-explain") as (process, telemetry):
            def enough():
                counters = telemetry.ask("/linejudge/show/counters")
                if counters["explain_made"] < 20 or counters["explain_skipped"] < 20:
                    raise OSError(f"{counters}")
                return counters
            counters = wait_for(enough, process)
            verify(counters["explain_failed"] == 0, f"{counters}")
        found = alerts(tmp_path / "eve.json")
        explained = [e for e in found if "because" in e["ml"]]
        verify(len(explained) >= 20 and len(found) - len(explained) >= 20, f"{len(explained)} of {len(found)} alerts are explained")
        verify(all(len(e["ml"]["because"]) == 3 for e in explained), "not three reasons")

    def test_a_short_path_speaks_for_an_anomaly(self, tmp_path):
        """Verify: what an isolation forest's alerts rest on adds to the score: the contributions together are over 0."""
        replay(DEMO, "--model", ANOMALY, "--eve", tmp_path / "eve.json", "--set", "explain.top=16")
        found = alerts(tmp_path / "eve.json")
        verify(len(found) > 20, f"{len(found)} alerts")
        verify(all(sum(i["contribution"] for i in e["ml"]["because"]) > 0 for e in found), "they speak against it")


class TestRules:
    @pytest.mark.parametrize("rule", ["max", "vote"])
    def test_a_set_of_models_decides_by_its_rule(self, tmp_path, rule):
        """
        Steps: replay with models/default and models/anomaly.
        Verify: a flow alerts by max when one of them is over its threshold, by vote with a quorum of 2 when both are.
        """
        replay(DEMO, "--model", DEFAULT, "--model", ANOMALY, "--eve", tmp_path / "eve.json", "--set", f"verdict.rule={rule}",
               "--set", "verdict.quorum=2")
        limits = [json.load(open(os.path.join(m, "manifest.json"), encoding="utf-8"))["threshold"] for m in (DEFAULT, ANOMALY)]
        seen = set()
        for event in (e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"):
            over = [m["score"] >= t for m, t in zip(event["ml"]["models"], limits)]
            close = any(abs(m["score"] - t) < 2e-6 for m, t in zip(event["ml"]["models"], limits))
            wanted = any(over) if rule == "max" else all(over)
            verify(close or event["flow"]["alerted"] == wanted, f"{event['ml']}")
            seen.add(tuple(over))
        verify(len(seen) > 2, f"only {seen}: nothing is tested")

    def test_the_specialist_of_a_class_decides_by_route(self, tmp_path):
        """
        Steps: a model of the classes benign, scan and other; with it one called scan, which is never over its threshold; by route.
        Verify: of flows that the first calls scan the second decides, and does not alert; of all others the first decides.
        """
        names = ["packets", "duration_us", "fwd_bytes", "bwd_bytes"]
        rows = np.array(list(table_of(tmp_path, names).values()))
        silent = (rows[:, 3] == 0).astype(int)
        booster = xgboost.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "nthread": 1, "seed": 1},
                                xgboost.DMatrix(rows, label=np.where(rows[:, 0] <= 2, 2 - silent, 0)), num_boost_round=8)
        first = write_bundle(tmp_path / "first", booster, names, rows[:40], classes=("benign", "scan", "other"))
        booster, rows = train_on_table(rows, silent)
        scan = write_bundle(tmp_path / "scan", booster, names, rows[:40], threshold=1)
        replay(DEMO, "--model", first, "--model", scan, "--eve", tmp_path / "eve.json", "--set", "verdict.rule=route")
        seen = set()
        for event in (e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"):
            ml = event["ml"]
            said = ml["models"][0]["class"]
            verify(ml["rule"] == "route" and ml["model"] == ("scan" if said == "scan" else "first"), f"{ml}")
            verify(event["flow"]["alerted"] == (said == "other" or said == "benign" and ml["score"] >= 0.5), f"{ml}")
            seen.add(said)
        verify(len(seen) == 3, f"only {seen}: nothing is tested")

    def test_the_specialist_of_a_family_decides_by_route(self, tmp_path):
        """
        Steps: models/default, which says malicious and names a family, with models/scan, which is silenced; by route.
        Verify: of what is called malicious and named scan the specialist decides, and does not alert; of all else the default does.
        """
        scan = shutil.copytree(os.path.join(ROOT, "models", "scan"), tmp_path / "scan")
        manifest = json.loads((scan / "manifest.json").read_text())
        (scan / "manifest.json").write_text(json.dumps({**manifest, "threshold": 1}))
        replay(DEMO, "--model", DEFAULT, "--eve", tmp_path / "alone.json")
        families = {e["flow_id"]: e["ml"]["family"]["name"] for e in events(tmp_path / "alone.json") if e["event_type"] == "alert"}
        verify(set(families.values()) > {"scan"}, f"{set(families.values())}: nothing is tested")
        replay(DEMO, "--model", DEFAULT, "--model", scan, "--eve", tmp_path / "eve.json", "--set", "verdict.rule=route")
        for event in (e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"):
            family = families.get(event["flow_id"])
            verify(event["ml"]["model"] == ("scan" if family == "scan" else "default"), f"{event['ml']}")
            verify(event["flow"]["alerted"] == (family not in (None, "scan")), f"{event['ml']}")

    def test_two_models_of_one_name_are_refused(self, tmp_path):
        """Verify: the folders and the name, which is how verdicts tell models apart."""
        copy = shutil.copytree(DEFAULT, tmp_path / "copy")
        line = error_line(run("--pcap", DEMO, "--model", DEFAULT, "--model", copy))
        verify(f"{copy}: is named default, as {DEFAULT} is" in line, line)

    def test_a_quorum_that_cannot_be_reached_is_refused(self):
        """Verify: the key, the votes and the models."""
        line = error_line(run("--pcap", DEMO, "--model", DEFAULT, "--set", "verdict.rule=vote", "--set", "verdict.quorum=2"))
        verify("verdict.quorum" in line and "2 votes of 1" in line, line)


class TestDrift:
    def test_traffic_unlike_the_reference_shows(self, tmp_path):
        """
        Steps: give a bundle tools/reference of the demo's table; live, play the demo in a circle, so that no flow is as it was.
        Verify: show drift has a PSI of the scores and of the feature that moved most; show drift features has all four.
        """
        names = ["packets", "duration_us", "fwd_bytes", "bwd_bytes"]
        bundle, rows = demo_bundle(tmp_path, threshold=0.999)
        done = give_reference(bundle, tmp_path)
        verify(done.returncode == 0 and f"reference of {len(rows)} flows" in done.stdout, done.stderr)
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1", "mbufs": 131072}]}, "models": [str(bundle)],
                  "drift": {"every": 1}, "flow": {"idle_timeout_s": 10, "active_timeout_s": 0.5, "tcp_linger_s": 0.1}, "doctor": "off", "eal": {"huge": "off"}}
        with appliance(tmp_path, config, "linejudge-drift") as (process, telemetry):
            def enough():
                report = telemetry.ask("/linejudge/show/drift")["mine"]
                if report["score_psi"] == "unknown":
                    raise OSError(f"{report}")
                return report
            report = wait_for(enough, process)
            features = telemetry.ask("/linejudge/show/drift/features,0")
            verify(sorted(features) == sorted(names), f"{features}")
            verify(float(report["worst_psi"]) > 0.25 and report["worst_feature"] in names, f"{report}")
            verify(report["sampled"] >= 500, f"{report}")

    def test_the_report_has_the_last_flows_before_a_lull(self, tmp_path):
        """
        Steps: live, play the demo once, after which nothing comes any more.
        Verify: two seconds later show drift has every flow that was scored.
        """
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO}"}]}, "models": [DEFAULT], "doctor": "off", "eal": {"huge": "off"}}
        with appliance(tmp_path, config, "linejudge-lull") as (process, telemetry):
            def all_are_in():
                scored = telemetry.ask("/linejudge/show/batch/stats")["model_scored"]
                report = telemetry.ask("/linejudge/show/drift")["default"]
                if scored < 100 or report["verdicts"] != scored:
                    raise OSError(f"{scored} were scored: {report}")
            wait_for(all_are_in, process)

    def test_traffic_as_in_the_reference_has_not_moved(self, tmp_path):
        """
        Steps: tools/reference of the demo's own flows; replay the demo with all flows sampled.
        Verify: the summary has the model as trained, and a PSI next to nothing.
        """
        bundle, rows = demo_bundle(tmp_path)
        done = give_reference(bundle, tmp_path)
        verify(done.returncode == 0, done.stderr)
        _, drift = watched(bundle, "drift.every=1", "drift.flood_percent=0")
        verify(drift["state"] == "as trained" and drift["sampled"] == len(rows), f"{drift}")
        verify(float(drift["score_psi"]) < 0.01 and float(drift["worst_psi"]) < 0.01, f"{drift}")

    def test_a_model_that_never_fires_is_an_alarm(self, tmp_path):
        """
        Steps: replay the demo's 198 s through a model whose threshold no score reaches; drift.silent_s is 60.
        Verify: one line of the log says so, once, and the summary that it is silent.
        """
        bundle, _ = demo_bundle(tmp_path, threshold=1)
        said, drift = watched(bundle, "drift.window_s=12", "drift.silent_s=60")
        verify(said.count("model mine has not fired for 0.0 h while flows are scored") == 1, said)
        verify(drift["state"] == "silent" and drift["alarms"] == 1 and drift["over_threshold"] == 0, f"{drift}")

    def test_a_model_that_fires_for_everything_is_an_alarm(self, tmp_path):
        """
        Steps: replay the demo through a model whose threshold every score reaches.
        Verify: one line of the log says so, and the summary, which has no PSI to tell without a reference.
        """
        bundle, _ = demo_bundle(tmp_path, threshold=1e-9)
        said, drift = watched(bundle, "drift.window_s=120")
        verify(said.count("model mine fires for 100 % of all flows") == 1, said)
        verify(drift["state"] == "fires for everything" and drift["alarms"] == 1, f"{drift}")
        text = run("--pcap", DEMO, "--model", bundle).stdout
        verify("\nmine: fires for everything\n" in text, text)

    def test_a_table_without_the_columns_is_refused(self, tmp_path):
        """Verify: tools/reference names the table and a column, and leaves the bundle as it was."""
        bundle, _ = demo_bundle(tmp_path)
        before = (bundle / "manifest.json").read_bytes()
        (tmp_path / "features.csv").write_text("flow_id,packets\n1,2\n")
        done = give_reference(bundle, tmp_path)
        verify(done.returncode == 1 and "features.csv: has no column duration_us (3 of the bundle's 4 features are missing)" in done.stderr,
               done.stderr)
        verify((bundle / "manifest.json").read_bytes() == before, "the manifest was changed")

    def test_a_model_whose_features_have_other_names_gets_a_reference(self, tmp_path):
        """
        Steps: a model whose features are called as CIC-IDS2017 calls them; give it a reference of linejudge's own table without that set,
        with it, and of that cut short.
        Verify: the first is refused in a line with the set that is missing, the third with its line; with the second the demo has not moved.
        """
        names = [" Flow Duration", "Total Fwd Packets"]
        rows = np.array(list(table_of(tmp_path, ["duration_us", "fwd_packets"]).values()))
        booster, rows = train_on_table(rows, rows[:, 1] == 1)
        bundle = write_bundle(tmp_path / "mine", booster, names, rows[:40])
        done = give_reference(bundle, tmp_path)
        verify(done.returncode == 1 and "has no column cic_flow_duration (2 of the bundle's 2 features are missing): features.set=cic has" in done.stderr,
               done.stderr)
        replay(DEMO, "--model", "none", "--features", tmp_path / "features.csv", "--set", "features.set=cic")
        done = give_reference(bundle, tmp_path)
        verify(done.returncode == 0, done.stderr)
        drift = watched(bundle, "drift.every=1", "drift.flood_percent=0")[1]
        verify(float(drift["score_psi"]) < 0.01 and float(drift["worst_psi"]) < 0.01, f"{drift}")
        (tmp_path / "features.csv").write_text((tmp_path / "features.csv").read_text()[:-100])
        done = give_reference(bundle, tmp_path)
        verify(done.returncode == 1 and "features.csv: line 2063: " in done.stderr and "cells, and the header has" in done.stderr, done.stderr)

    def test_a_reference_that_was_changed_is_refused(self, tmp_path):
        """Verify: the file and that its hash is another."""
        bundle = tmp_path / "anomaly"
        shutil.copytree(ANOMALY, bundle)
        (bundle / "reference.json").write_text((bundle / "reference.json").read_text() + " ")
        line = error_line(run("--pcap", DEMO, "--model", bundle))
        verify("reference.json" in line and "was changed" in line, line)

    def test_a_reference_that_makes_no_sense_is_refused_by_check_too(self, tmp_path):
        """Steps: a reference with a share too few, and the hash that it has, in the manifest.
        Verify: model check and a start refuse it alike, with the file and the feature.
        """
        bundle = tmp_path / "anomaly"
        shutil.copytree(ANOMALY, bundle)
        reference = json.loads((bundle / "reference.json").read_text())
        reference["features"][3]["shares"].pop()
        (bundle / "reference.json").write_text(json.dumps(reference))
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["files"]["reference"]["sha256"] = sha256(bundle / "reference.json")
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        checked, started = (error_line(run(*words)) for words in (("model", "check", bundle), ("--pcap", DEMO, "--model", bundle)))
        verify("reference.json: features[3]" in checked and checked == started, f"{checked}; {started}")

    def test_watching_changes_no_verdict(self, tmp_path):
        """Verify: the same bytes of EVE with drift.every 0 and 1."""
        for every in (0, 1):
            replay(DEMO, "--model", DEFAULT, "--eve", tmp_path / str(every), "--set", f"drift.every={every}")
        verify((tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes(), "not the same bytes")
