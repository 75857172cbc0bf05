"""Writes bundles of boosters from other sources."""

import csv
import hashlib
import json
import os
import re
import subprocess
import tempfile

import numpy
import xgboost

import lj_reference

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINEJUDGE = os.environ.get("LINEJUDGE", os.path.join(ROOT, "build", "app", "linejudge"))
OBJECTIVES = ("binary:logistic", "reg:logistic", "multi:softprob", "multi:softmax")
GOLDEN_ROWS = 64
ROOT_PARENT = 2147483647


class ImportFailed(Exception):
    """An error that the user can fix; one line of text."""


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_names(text):
    """Parses --features: names joined by commas, or @FILE with one name per line (or the header of a CSV)."""
    if text.startswith("@"):
        with open(text[1:], newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
        names = rows[0] if rows and len(rows[0]) > 1 else [row[0] for row in rows]
    else:
        names = next(csv.reader([text]))
    return [name.strip() for name in names]


def class_names(text, outputs, labels=None, benign=None):
    """(names with the benign one first, the model's index of each)."""
    count = max(outputs, 2)
    labels = [str(label) for label in labels] if labels is not None else [str(k) for k in range(count)]
    wanted = benign if benign is not None else next((x for x in labels if x.lower() in ("benign", "normal")), labels[0])
    if wanted not in labels:
        raise ImportFailed(f"--benign: {wanted} is not one of the model's classes: {', '.join(labels)}")
    others = [label for label in labels if label != wanted]
    names = [name.strip() for name in text.split(",")] if text else [wanted, *others]
    if sorted(names[1:]) == sorted(others):  # if the names are the model's labels, these give the order
        others = names[1:]
    order = [labels.index(label) for label in (wanted, *others)]
    if len(names) != count:
        raise ImportFailed(f"--classes: {len(names)} names, the model tells {count} classes apart")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ImportFailed(f"--classes: {twice} is named twice")
    late = next((name for name in names[1:] if name == wanted or name.lower() == "benign"), None)
    if late is not None and text:
        raise ImportFailed(f"--classes: {late} is not the first, which the benign one has to be")
    if late is not None:
        raise ImportFailed(f"--benign: beside {wanted} the model has a class that is called {late}: give them other names by --classes")
    if not text and count == 2 and (names[1] == "True" or not any(c.isalpha() for c in names[1])):
        names[1] = "malicious"
    return ["benign", *names[1:]], order


def tree_document(index, left, feature, value, default_left, cover, features):
    """A tree in XGBoost's JSON format. `left` is -1 in a leaf; the right child follows the left one. `cover`, the number of samples that reached
    a node, is used by SHAP as its weight."""
    n = len(left)
    right = [child + 1 if child >= 0 else -1 for child in left]
    parents = [ROOT_PARENT] * n
    for i, child in enumerate(left):
        if child >= 0:
            parents[child] = parents[child + 1] = i
    return {"base_weights": [0.0] * n, "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
            "default_left": [int(d) for d in default_left], "id": index, "left_children": [int(v) for v in left],
            "loss_changes": [0.0] * n, "parents": [int(v) for v in parents], "right_children": [int(v) for v in right],
            "split_conditions": [float(v) for v in value], "split_indices": [int(v) for v in feature], "split_type": [0] * n,
            "sum_hessian": [float(v) for v in cover],
            "tree_param": {"num_deleted": "0", "num_feature": str(features), "num_nodes": str(n), "size_leaf_vector": "0"}}


def booster_of(trees, outputs, features):
    """A booster whose margins are the sums of the leaves. `trees`: [(output, tree document)]."""
    objective = {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}
    if outputs > 1:
        objective = {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": str(outputs)}}
    document = {"version": [1, 7, 4], "learner": {
        "attributes": {}, "feature_names": [], "feature_types": [], "objective": objective,
        "gradient_booster": {"name": "gbtree", "model": {
            "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees)), "size_leaf_vector": "0"},
            "tree_info": [output for output, _ in trees], "trees": [tree for _, tree in trees]}},
        "learner_model_param": {"base_score": "5E-1" if outputs == 1 else "0E0", "num_class": str(outputs if outputs > 1 else 0),
                                "num_feature": str(features), "num_target": "1"}}}
    return load_document(document)


def load_document(document):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        return xgboost.Booster(model_file=file.name)


def save(booster, path):
    """Writes the bytes of save_model(), which on a full disk would print twenty lines of stack trace."""
    with open(path, "wb") as file:
        file.write(booster.save_raw("ubj"))


def document_of(booster):
    return json.loads(booster.save_raw("json"))


def thresholds_of(document):
    """[(feature, threshold)] of all splits."""
    model = document["learner"]["gradient_booster"]
    trees = model.get("gbtree", model)["model"]["trees"]
    return sorted({(f, t) for tree in trees for f, t, left in
                   zip(tree["split_indices"], tree["split_conditions"], tree["left_children"]) if left >= 0})


def golden_rows(document, features, n=GOLDEN_ROWS, missing=True):
    """Rows around the model's own thresholds: at one, just below it, or in between; the last row is all missing."""
    rng = numpy.random.default_rng(20261121)
    rows = rng.exponential(100, (n, features)).astype(numpy.float32)
    splits = {}
    for feature, threshold in thresholds_of(document):
        splits.setdefault(feature, []).append(threshold)
    for feature, values in splits.items():
        drawn = rng.choice(numpy.array(values, numpy.float32), n)
        side = rng.integers(0, 3, n)
        below = numpy.nextafter(drawn, numpy.float32(-numpy.inf))
        rows[:, feature] = numpy.select([side == 0, side == 1], [drawn, below], drawn * numpy.float32(1.5) + numpy.float32(1))
    if missing:
        rows[rng.random(rows.shape) < 0.02] = numpy.nan
        rows[-1] = numpy.nan
    return rows


def transformed(margins, transform):
    """Applies a transform as in lib/model/transform_path.c."""
    if transform["kind"] == "mean":
        return numpy.clip(margins.astype(numpy.float64) / transform["divisor"], 0, 1).astype(numpy.float32)
    return numpy.exp2(-margins.astype(numpy.float64) / transform["divisor"]).astype(numpy.float32)


def scores(booster, rows, transform=None):
    """(margins, probabilities), [n][outputs] float32, by in-place prediction as in linejudge. For dart, where XGBoost adds base_score last, they
    differ in the last bit from those of a DMatrix."""
    def predict(what):
        # The booster may have names of its own; columns are identified by position.
        return booster.inplace_predict(rows, predict_type=what, validate_features=False).reshape(len(rows), -1)

    margins = predict("margin")
    return margins, transformed(margins, transform) if transform else predict("value")


def score_of(probabilities):
    """The probability of not benign of each row."""
    return probabilities[:, 0] if probabilities.shape[1] == 1 else 1 - probabilities[:, 0]


def write_golden(path, booster, names, rows, transform=None):
    """Writes the golden rows; returns their probabilities."""
    margins, probabilities = scores(booster, rows, transform)
    outputs = range(margins.shape[1])
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, *(f"margin_{k}" for k in outputs), *(f"probability_{k}" for k in outputs)])
        for row, margin, probability in zip(rows, margins, probabilities):
            writer.writerow(["" if numpy.isnan(v) else f"{v:.9g}" for v in row] + [f"{v:.9g}" for v in (*margin, *probability)])
    return probabilities


def check(folder, shown=None):
    """Runs `linejudge model check` on a folder, named `shown` in its messages; returns its output, or that linejudge is not built. ImportFailed if it fails."""
    if not os.path.exists(LINEJUDGE):
        return "not checked: linejudge is not built"
    done = subprocess.run([LINEJUDGE, "model", "check", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["linejudge model check failed"])[-1].removeprefix("linejudge: ")
        raise ImportFailed(said.replace(folder, shown or folder))
    return done.stdout.strip().replace(folder, shown or folder)


def write(out, booster, manifest, rows, card, reference=None):
    """Writes the bundle, with a reference from (rows, scores) if given, and checks it with `linejudge model check` before an earlier one is
    replaced. Returns the check's output."""
    out = os.path.abspath(out)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=os.path.dirname(out)) as folder:
        save(booster, os.path.join(folder, "model.ubj"))
        write_golden(os.path.join(folder, "golden.csv"), booster, manifest["features"], rows, manifest.get("transform"))
        files = {part: {"name": file, "sha256": sha256(os.path.join(folder, file))}
                 for part, file in (("booster", "model.ubj"), ("golden", "golden.csv"))}
        if reference is not None:
            files["reference"] = lj_reference.write(folder, *reference)
        with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
            json.dump({**manifest, "files": files}, file, indent=2)
            file.write("\n")
        with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
            file.write(card)
        said = check(folder, out)
        os.makedirs(out, exist_ok=True)
        for file in os.listdir(folder):
            os.replace(os.path.join(folder, file), os.path.join(out, file))
    return said


def manifest_of(out, description, names, classes, threshold, transform=None):
    if any("," in name or '"' in name for name in names):
        raise ImportFailed("--features: a name has a comma or a quote")
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", os.path.basename(os.path.abspath(out)))
    manifest = {"format": 1, "name": name, "version": "1", "description": description, "feature_schema": 1, "features": list(names),
                "classes": list(classes), "threshold": float(f"{threshold:.9g}"), "engine": "auto"}
    return {**manifest, "transform": transform} if transform else manifest
