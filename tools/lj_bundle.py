"""Writes a model bundle: booster, golden rows, manifest. models/README.md says what is in them."""

import csv
import hashlib
import json
import os

import numpy
import xgboost

import lj_recipe

GOLDEN_ROWS = 64
FLOW = {"idle_timeout_s": 120, "active_timeout_s": 1800, "tcp_linger_s": 1, "classify_at": 0}


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write_golden(path, booster, dataset, columns):
    rng = numpy.random.default_rng(lj_recipe.SEED)
    chosen = numpy.concatenate([rng.choice(rows, min(len(rows), GOLDEN_ROWS // 2), replace=False)
                                for rows in (numpy.flatnonzero(dataset.y == label) for label in (0, 1))])
    x = numpy.vstack([dataset.x[numpy.ix_(chosen, columns)], numpy.full((1, len(columns)), numpy.nan, dtype=numpy.float32)])
    margins = booster.predict(xgboost.DMatrix(x), output_margin=True)
    probabilities = booster.predict(xgboost.DMatrix(x))
    with open(path, "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([dataset.names[i] for i in columns] + ["margin_0", "probability_0"])
        for values, margin, probability in zip(x, margins, probabilities):
            cells = ["" if numpy.isnan(v) else f"{v:.9g}" for v in values]
            writer.writerow(cells + [f"{margin:.9g}", f"{probability:.9g}"])


def write(out, booster, dataset, columns, threshold, description):
    os.makedirs(out, exist_ok=True)
    booster.save_model(os.path.join(out, "model.ubj"))
    write_golden(os.path.join(out, "golden.csv"), booster, dataset, columns)
    manifest = {
        "format": 1, "name": os.path.basename(os.path.normpath(out)), "version": "2", "description": description,
        "feature_schema": 1, "features": [dataset.names[i] for i in columns], "classes": ["benign", "malicious"],
        "trained_on": sorted(set(dataset.publisher.tolist())),
        "threshold": float(f"{threshold:.9g}"), "engine": "auto", "flow": FLOW,
        "files": {part: {"name": name, "sha256": sha256(os.path.join(out, name))}
                  for part, name in (("booster", "model.ubj"), ("golden", "golden.csv"))},
    }
    with open(os.path.join(out, "manifest.json"), "w", encoding="ascii") as file:
        json.dump(manifest, file, indent=2)
        file.write("\n")
