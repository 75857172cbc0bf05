"""Writes a model bundle: booster, golden rows, manifest. models/README.md describes the files."""

import contextlib
import csv
import hashlib
import json
import os
import shutil
import tempfile

import numpy
import xgboost

import lj_foreign
import lj_recipe
import lj_tool

GOLDEN_ROWS = 64
NAME_BYTES = 63  # lib/model/lj_model.h
FLOW = {"idle_timeout_s": 120, "active_timeout_s": 1800, "tcp_linger_s": 1, "classify_at": 0}


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write_golden(path, booster, dataset, columns):
    rng = numpy.random.default_rng(lj_recipe.SEED)
    chosen = numpy.concatenate([rng.choice(rows, min(len(rows), GOLDEN_ROWS // 2), replace=False)
                                for rows in (numpy.flatnonzero(dataset.y == label) for label in (0, 1))])
    x = numpy.vstack([dataset.x[numpy.ix_(chosen, columns)], numpy.full((1, len(columns)), numpy.nan, dtype=numpy.float32)])
    margins, probabilities = (booster.predict(xgboost.DMatrix(x), output_margin=m).reshape(len(x), -1) for m in (True, False))
    outputs = range(margins.shape[1])
    with open(path, "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([dataset.names[i] for i in columns] + [f"{what}_{k}" for what in ("margin", "probability") for k in outputs])
        for values in numpy.hstack([x, margins, probabilities]):
            writer.writerow("" if numpy.isnan(v) else f"{v:.9g}" for v in values)


def place_for(out):
    """Returns the absolute path of `out`; refuses one that cannot be written, before hours of work."""
    out = os.path.abspath(out)
    if os.path.exists(out) and not os.path.isdir(out):
        raise ValueError(f"{out}: exists, and is not a folder")
    if len(os.path.basename(out).encode()) > NAME_BYTES:
        raise ValueError(f"{out}: its last component is the model's name, which is limited to {NAME_BYTES} bytes")
    lj_tool.folder_of(out if os.path.exists(out) else os.path.dirname(out))
    return out


@contextlib.contextmanager
def staged(out):
    """A temporary folder of the same name for the bundle. Its files replace those in `out` once linejudge has checked it; if anything fails
    before, `out` is unchanged."""
    out = place_for(out)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=os.path.dirname(out)) as scratch:
        folder = os.path.join(scratch, os.path.basename(out))
        os.mkdir(folder)
        yield folder
        lj_foreign.check(folder, out)
        os.makedirs(out, exist_ok=True)
        # The manifest last: without it the other files are no bundle.
        for name in sorted(os.listdir(folder), key=lambda name: (name == "manifest.json", name)):
            if os.path.isdir(os.path.join(out, name)):
                shutil.rmtree(os.path.join(out, name))
            os.replace(os.path.join(folder, name), os.path.join(out, name))


def write(out, booster, dataset, columns, threshold, description, classes=("benign", "malicious")):
    os.makedirs(out, exist_ok=True)
    lj_foreign.save(booster, os.path.join(out, "model.ubj"))
    write_golden(os.path.join(out, "golden.csv"), booster, dataset, columns)
    manifest = {
        "format": 1, "name": os.path.basename(os.path.normpath(out)), "version": "3", "description": description,
        "feature_schema": 1, "features": [dataset.names[i] for i in columns], "classes": list(classes),
        "trained_on": sorted(set(dataset.publisher.tolist())),
        "threshold": float(f"{min(threshold, 1):.9g}"), "engine": "auto", "flow": FLOW,
        "files": {part: {"name": name, "sha256": sha256(os.path.join(out, name))}
                  for part, name in (("booster", "model.ubj"), ("golden", "golden.csv"))},
    }
    keep(out, manifest)


def keep(out, manifest):
    with open(os.path.join(out, "manifest.json"), "w", encoding="ascii") as file:
        json.dump(manifest, file, indent=2)
        file.write("\n")


def add_family(out, folder):
    """Names in the bundle's manifest the subfolder with its family model."""
    with open(os.path.join(out, "manifest.json"), encoding="ascii") as file:
        manifest = json.load(file)
    manifest["family"] = {"folder": folder, "sha256": sha256(os.path.join(out, folder, "manifest.json"))}
    keep(out, manifest)
