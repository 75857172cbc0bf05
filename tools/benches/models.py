#!/usr/bin/python3
"""Compares XGBoost, a random forest and a decision tree on the same flows: size, load time, ns per row, and the accuracy lost by float32.

    tools/bench models [--part 0.1] [--json PATH|-]

The flows are synthetic, with a fixed seed: 78 features, many of them with heavy tails, so that float32 rounds values that float64 distinguishes.
Each model is a bundle that linejudge opens and measures (linejudge model bench) on one core. Accuracy is that of the verdicts on held-out flows: in
float32, as XGBoost and linejudge score, and in float64, with features compared and leaves summed in double. --part uses a part of the flows and
trees; a tenth shows that the benchmark works.
"""

import json
import os
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import numpy
import run
import xgboost

sys.path.insert(0, os.path.join(run.ROOT, "tools"))
import lj_bundle  # noqa: E402

SEED, FEATURES, TRAIN, ASIDE, TREES, THRESHOLD = 1, 78, 20000, 5000, 500, 0.5
MODELS = (
    ("xgboost", 100, {"max_depth": 6, "eta": 0.15}),
    ("random forest", 1, {"max_depth": 8, "eta": 1, "subsample": 0.63, "colsample_bynode": 0.12}),
    ("decision tree", 1, {"max_depth": 8, "eta": 1}),
)


def make_flows(n):
    """Synthetic feature values, float64, and labels of which a few are wrong."""
    rng = numpy.random.default_rng(SEED)
    malicious = rng.random(n) < 0.45
    hidden = rng.normal(size=(n, 10)) + numpy.where(malicious[:, None], rng.normal(size=10), 0)
    x = 0.6 * hidden @ (rng.normal(size=(10, FEATURES)) * (rng.random((10, FEATURES)) < 0.35)) + 0.7 * rng.normal(size=(n, FEATURES))
    x[:, :24] = numpy.exp(2 * x[:, :24] + 18)  # ns and bytes: above 2^24, where float32 no longer represents every integer
    x[:, 24:40] = numpy.floor(numpy.exp(1.1 * x[:, 24:40] + 2))
    x[:, 40:52] = numpy.where(x[:, 40:52] < 0.2, 0, numpy.exp(x[:, 40:52]))
    x[rng.random(x.shape) < 0.01] = numpy.nan
    return x, malicious ^ (rng.random(n) < 0.02)


def feature_names():
    """The names of as many linejudge features as needed: a bundle must name its columns."""
    with open(os.path.join(run.ROOT, "docs", "features.md"), encoding="utf-8") as file:
        rows = [line.split("|")[1].strip() for line in file if line.startswith("| `")]
    return [row.strip("`") for row in rows][:FEATURES]


def in_float64(booster, x):
    """Margins computed in float64: features compared and leaves summed."""
    model = json.loads(booster.save_raw("json"))["learner"]
    base = float(model["learner_model_param"]["base_score"])
    margins = numpy.full(len(x), numpy.log(base / (1 - base)))
    for tree in model["gradient_booster"]["model"]["trees"]:
        left, right = numpy.array(tree["left_children"]), numpy.array(tree["right_children"])
        feature, value = numpy.array(tree["split_indices"]), numpy.array(tree["split_conditions"])
        missing_left, at = numpy.array(tree["default_left"], dtype=bool), numpy.zeros(len(x), dtype=int)
        while (inner := left[at] >= 0).any():
            asked = x[numpy.arange(len(x)), feature[at]]
            goes_left = numpy.where(numpy.isnan(asked), missing_left[at], asked < value[at])
            at = numpy.where(inner, numpy.where(goes_left, left[at], right[at]), at)
        margins += value[at]
    return margins


def train(rounds, params, x, y, part):
    extra = {"num_parallel_tree": max(1, int(TREES * part))} if "subsample" in params else {}
    return xgboost.train({"objective": "binary:logistic", "tree_method": "hist", "seed": SEED, "nthread": 1} | params | extra,
                         xgboost.DMatrix(x.astype(numpy.float32), y), num_boost_round=max(1, int(rounds * part)))


def bundle_of(folder, name, booster, x, y):
    dataset = SimpleNamespace(x=x.astype(numpy.float32), y=y.astype(int), names=feature_names(), publisher=numpy.array(["made up"]))
    out = os.path.join(folder, name.replace(" ", "-"))
    lj_bundle.write(out, booster, dataset, list(range(FEATURES)), THRESHOLD, "made by tools/bench models")
    return out


def measure(folder, name, rounds, params, flows, part):
    (x, y), (aside, labels) = flows
    booster = train(rounds, params, x, y, part)
    bundle = bundle_of(folder, name, booster, aside, labels)
    told = json.loads(subprocess.run([run.BINARY, "model", "bench", bundle, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    at_100 = next(row for row in told["rows"] if row["batch"] == 100)
    called = booster.predict(xgboost.DMatrix(aside.astype(numpy.float32))) >= THRESHOLD
    wide = in_float64(booster, aside) >= 0  # sigmoid(0) is THRESHOLD
    return {"model": name, "trees": len(booster.get_dump()), "bytes": os.path.getsize(os.path.join(bundle, "model.ubj")),
            "engine": told["engine"], "ns_per_row": at_100["ns_per_row"], "ratio": at_100["ratio"],
            "load_ms": told["load_ms"], "xgboost_load_ms": told["xgboost_load_ms"], "rows": told["rows"],
            "accuracy_float32": float((called == labels).mean()), "accuracy_float64": float((wide == labels).mean()),
            "verdicts_that_differ": int((called != wide).sum()), "flows_aside": len(labels)}


def describe(row):
    run.say(f"{row['model']}: {row['trees']} trees, {row['bytes']} bytes, to open: {row['load_ms']:.1f} ms by {row['engine']} (its proof "
            f"included), {row['xgboost_load_ms']:.1f} ms by xgboost\n  accuracy {row['accuracy_float32']:.4f} in float32, "
            f"{row['accuracy_float64']:.4f} in float64; {row['verdicts_that_differ']} of {row['flows_aside']} verdicts differ")
    for batch in row["rows"]:
        run.say(f"  batch {batch['batch']:4d}  {batch['ns_per_row']:9.1f} ns a row  {batch['ratio']:6.2f} times xgboost")


def main():
    options = run.arguments(__doc__.splitlines()[0], part=1.0)
    part = options.part
    n = int(TRAIN * part)
    x, y = make_flows(n + ASIDE)
    rows = []
    with tempfile.TemporaryDirectory(prefix="lj-bench-models-") as folder:
        for name, rounds, params in MODELS:
            rows.append(measure(folder, name, rounds, params, ((x[:n], y[:n]), (x[n:], y[n:])), part))
            describe(rows[-1])
    run.write_json(options.json, rows)


if __name__ == "__main__":
    main()
