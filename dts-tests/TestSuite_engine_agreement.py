"""Engines agree: what scores a flow changes how long it takes, and nothing else."""

import json
import os

import numpy as np
import pytest
import xgboost

from framework.bundle import write_bundle
from framework.linejudge import DEMO, ROOT, appliance, events, replay, verify, wait_for

ENGINES = ("xgboost", "forest")
# None of time, which net_pcap cuts to microseconds.
FEATURES = ("packets", "bytes", "src_port", "dst_port")


def output(path, *arguments):
    """EVE and features of the demo capture, as bytes."""
    eve, table = path / "eve.json", path / "features.csv"
    replay(DEMO, "--eve", eve, "--features", table, *arguments)
    return eve.read_bytes(), table.read_bytes()


def bundle_of_noise(folder, objective, classes, rounds):
    """A bundle of a kind that the demo's model is not, trained on noise in four columns, some of it missing."""
    random = np.random.default_rng(6)
    rows = (10 ** random.uniform(-3, 5, (400, len(FEATURES)))).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    labels = random.integers(0, classes, len(rows))
    parameters = {"objective": objective, "max_depth": 6, "seed": 6, "nthread": 1}
    if classes > 2:
        parameters["num_class"] = classes
    model = xgboost.train(parameters, xgboost.DMatrix(rows, label=labels), rounds)
    return write_bundle(folder, model, FEATURES, rows[:50], classes=["benign", *(f"class{k}" for k in range(1, classes))])


class TestReplay:
    def test_on_the_default_model(self, tmp_path):
        """
        Steps: replay the demo capture by each engine, and by the one that linejudge chooses.
        Verify: the same bytes: every verdict, every score to its last digit, every feature.
        """
        one = output(tmp_path, "--set", "model.engine=xgboost", "--set", "model.mode=exact")
        for engine in ("forest", "auto"):
            other = output(tmp_path, "--set", f"model.engine={engine}", "--set", "model.mode=exact")
            verify(one == other, f"{engine} gives other verdicts than xgboost")

    @pytest.mark.parametrize("objective,classes,rounds", [("binary:logistic", 2, 40), ("multi:softprob", 5, 12)])
    def test_on_models_of_other_kinds(self, tmp_path, objective, classes, rounds):
        """
        Steps: train a small booster of two and of five classes on noise, with missing values; replay by each engine.
        Verify: the same bytes.
        """
        bundle = bundle_of_noise(tmp_path / "noise", objective, classes, rounds)
        one, other = (output(tmp_path, "--model", bundle, "--set", f"model.engine={engine}") for engine in ENGINES)
        verify(one == other, "the engines disagree")

    def test_on_two_models_at_once(self, tmp_path):
        """
        Steps: judge by the default model and another one together, by each engine.
        Verify: the same bytes.
        """
        second = bundle_of_noise(tmp_path / "second", "binary:logistic", 2, 20)
        both = ("--model", os.path.join(ROOT, "models", "default"), "--model", second)
        one, other = (output(tmp_path, *both, "--set", f"model.engine={engine}") for engine in ENGINES)
        verify(one == other, "the engines disagree")

    def test_mode_decide_alerts_as_mode_exact(self, tmp_path):
        """
        Steps: replay the demo capture with exact scores, and in mode decide.
        Verify: the same events but for scores and severity; a decided score is on the exact one's side of the threshold; most are decided.
        """
        replay(DEMO, "--eve", tmp_path / "exact.json", "--set", "model.engine=forest", "--set", "model.mode=exact")
        replay(DEMO, "--eve", tmp_path / "decide.json", "--set", "model.engine=forest", "--set", "model.mode=decide")
        decided, flows = 0, 0
        for exact, early in zip(events(tmp_path / "exact.json"), events(tmp_path / "decide.json"), strict=True):
            score, bound = exact["ml"]["score"], early["ml"]["score"]
            verify((score >= exact["ml"]["threshold"]) == (bound >= exact["ml"]["threshold"]), f"{score} became {bound}")
            marks = early["ml"].get("marks", [])
            verify("decided" in marks or score == bound, f"{score} became {bound}, unmarked")
            flows += 1
            decided += "decided" in marks
            for event in (exact, early):
                for key in ("score", "scores", "marks"):
                    event["ml"].pop(key, None)
                event.get("alert", {}).pop("severity", None)
            verify(exact == early, f"{exact} became {early}")
        verify(decided > flows / 2, f"only {decided} of {flows} decided")


class TestLive:
    def test_on_a_port(self, tmp_path):
        """
        Steps: classify the demo capture from a port, by each engine, with two inference lcores.
        Verify: the same verdicts as the replay: flow by flow, to the last digit.
        """
        def verdicts(path):
            return sorted((e["src_ip"], e.get("src_port", 0), e["dest_ip"], e.get("dest_port", 0), e["proto"], e["ml"]["class"],
                           e["ml"]["score"]) for e in events(path) if e["event_type"] == "flow")

        # Without host context, which live depends on the order in which flows come.
        bundle = bundle_of_noise(tmp_path / "noise", "binary:logistic", 2, 40)
        replay(DEMO, "--model", bundle, "--eve", tmp_path / "still.json")
        wanted = verdicts(tmp_path / "still.json")
        for engine in ENGINES:
            live = tmp_path / f"{engine}.json"
            config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO}"}]}, "models": [str(bundle)], "model": {"engine": engine},
                      "lcores": {"infer": 2}, "queue": {"infer": 16384, "sink": 16384}, "eve": {"target": str(live)}}
            with appliance(tmp_path, config, "lj-dts-engines") as (process, telemetry):
                def all_came():
                    if telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] < 12124:
                        raise OSError("packets are missing")

                wait_for(all_came, process)
                shown = next(iter(telemetry.ask("/linejudge/show/model").values()))
                verify(shown["engine"] == engine, f"{shown}")
                process.terminate()
                out, err = process.communicate(timeout=60)
            verify(process.returncode == 0 and json.loads(out)["ledger"]["balanced"], err)
            verify(verdicts(live) == wanted, f"{engine}: live and replay differ")
