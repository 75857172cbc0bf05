"""A bundle's second model: the family of attack of a flow that alarms. One output per family, and one for benign."""

import os

import numpy
import xgboost

import lj_bundle
import lj_recipe

FOLDER = "family"
FEATURES_MAX, ROUNDS, FAMILY_CAP = 40, 30, 300
CLASSES_MAX = 15  # without benign
PARAMETERS = {"objective": "multi:softprob", "tree_method": "hist", "max_depth": 5, "eta": 0.2, "subsample": 0.7, "colsample_bytree": 0.5,
              "min_child_weight": 2, "lambda": 2, "nthread": 1}


def name_of(kind):
    """A class name that a manifest accepts: at most 31 bytes."""
    return kind.encode()[:31].decode(errors="ignore")


def classes_of(dataset):
    """Benign and the kinds of attack, the most frequent ones if there are too many; None if there is only one kind. In a table an attack may
    have no kind, or one that is called benign."""
    kinds, counts = numpy.unique([name_of(lj_recipe.kind_of(f)) for f in dataset.family[dataset.y == 1]], return_counts=True)
    ordered = sorted((-count, kind) for kind, count in zip(kinds, counts) if kind not in ("", "benign"))
    chosen = sorted(ordered[:CLASSES_MAX], key=lambda pair: pair[1])
    return ["benign", *(str(kind) for _, kind in chosen)] if len(chosen) > 1 else None


def labels_of(dataset, classes):
    """The class of each row; -1 if its kind is no class."""
    number = {name: i for i, name in enumerate(classes) if i > 0}
    return numpy.array([number.get(name_of(lj_recipe.kind_of(family)), -1) if malicious else 0
                        for family, malicious in zip(dataset.family, dataset.y)])


def fit(dataset, mask, columns, classes, seed):
    """Trains a booster on the rows of `mask`: the weight of a family is the square root of its size, and all classes have equal weight."""
    label = labels_of(dataset, classes)
    rows = lj_recipe.cap_families(dataset, mask & (label >= 0), numpy.random.default_rng(seed), FAMILY_CAP)
    weight = lj_recipe.weights(dataset, rows)
    for k in range(len(classes)):
        own = label[rows] == k
        weight[own] /= max(weight[own].sum(), 1e-9) / len(rows) * len(classes)
    data = xgboost.DMatrix(dataset.x[numpy.ix_(rows, columns)], label=label[rows], weight=weight)
    return xgboost.train({**PARAMETERS, "num_class": len(classes), "seed": seed}, data, ROUNDS)


def select_features(dataset, mask, columns, classes, seed):
    gain = fit(dataset, mask, columns, classes, seed).get_score(importance_type="total_gain")
    ordered = sorted(range(len(columns)), key=lambda i: -gain.get(f"f{i}", 0))[:FEATURES_MAX]
    return [columns[i] for i in sorted(ordered)]


def named(booster, dataset, rows, columns):
    """The likeliest class other than benign of each row, and its share of all these, computed as in lib/model."""
    p = booster.predict(xgboost.DMatrix(dataset.x[numpy.ix_(rows, columns)]))[:, 1:]
    best = p.argmax(axis=1)
    return best + 1, p[numpy.arange(len(rows)), best] / p.sum(axis=1)


def cross_named(dataset, columns, classes, seed):
    """For each real malicious row, the class named by a model that saw neither its capture nor one it was merged with; 0 for other rows."""
    fold, said = lj_recipe.fold_of_buckets(dataset.n_buckets, seed)[dataset.bucket], numpy.zeros(len(dataset.y), int)
    for k in range(lj_recipe.FOLDS):
        chosen = select_features(dataset, fold != k, columns, classes, seed + k)
        booster = fit(dataset, fold != k, chosen, classes, seed + k)
        rows = numpy.flatnonzero((fold == k) & (dataset.y == 1) & dataset.real)
        said[rows], _ = named(booster, dataset, rows, chosen)
    return said


def write(out, dataset, columns):
    """Trains on all rows and writes the subfolder; returns the classes, or None if there is only one kind of attack."""
    classes = classes_of(dataset)
    if classes is None:
        return None
    everything = numpy.ones(len(dataset.y), bool)
    chosen = select_features(dataset, everything, columns, classes, lj_recipe.SEED)
    booster = fit(dataset, everything, chosen, classes, lj_recipe.SEED)
    lj_bundle.write(os.path.join(out, FOLDER), booster, dataset, chosen, 0.5, "which family of attack a flow that alarms is of", classes)
    lj_bundle.add_family(out, FOLDER)
    return classes


def card_lines(dataset, classes, said, over):
    """For each family, what its flows that alarm (`over`) were called; `said` is the result of cross_named()."""
    lines = ["| family | captures | flows that alarm | named so, plain | merged | otherwise mostly |", "|---|---:|---:|---:|---:|---|"]
    label = labels_of(dataset, classes)
    for k in range(1, len(classes)):
        own = (label == k) & dataset.real & over
        cells = []
        for merged in (False, True):
            rows = own & (dataset.merged == merged)
            cells.append(f"{(said[rows] == k).mean():.3f}" if rows.any() else "")
        wrong = said[own & (said != k)]
        worst = f"{classes[numpy.bincount(wrong).argmax()]} ({len(wrong)})" if len(wrong) else ""
        lines.append(f"| {classes[k]} | {len(set(dataset.capture[own]))} | {own.sum()} | {cells[0]} | {cells[1]} | {worst} |")
    return lines
