"""The second model of a bundle: of what alarms, which family of attack it is. One score a family, and one for benign."""

import os

import numpy
import xgboost

import lj_bundle
import lj_recipe

FOLDER = "family"
FEATURES_MAX, ROUNDS, FAMILY_CAP = 40, 30, 300
CLASSES_MAX = 15  # and benign
PARAMETERS = {"objective": "multi:softprob", "tree_method": "hist", "max_depth": 5, "eta": 0.2, "subsample": 0.7, "colsample_bytree": 0.5,
              "min_child_weight": 2, "lambda": 2, "nthread": 1}


def name_of(kind):
    """A class's name as a manifest takes it: 31 bytes at most."""
    return kind.encode()[:31].decode(errors="ignore")


def classes_of(dataset):
    """Benign and the kinds of attack, the commonest first where there are too many; None where there is one kind. A table may name no kind of
    an attack, or call it benign."""
    kinds, counts = numpy.unique([name_of(lj_recipe.kind_of(f)) for f in dataset.family[dataset.y == 1]], return_counts=True)
    ordered = sorted((-count, kind) for kind, count in zip(kinds, counts) if kind not in ("", "benign"))
    chosen = sorted(ordered[:CLASSES_MAX], key=lambda pair: pair[1])
    return ["benign", *(str(kind) for _, kind in chosen)] if len(chosen) > 1 else None


def labels_of(dataset, classes):
    """Each row's class; -1 of a kind that is none."""
    number = {name: i for i, name in enumerate(classes) if i > 0}
    return numpy.array([number.get(name_of(lj_recipe.kind_of(family)), -1) if malicious else 0
                        for family, malicious in zip(dataset.family, dataset.y)])


def fit(dataset, mask, columns, classes, seed):
    """A booster of the rows of `mask`: a family's rows weigh as the square root of their number, each class as much as the next."""
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
    """The likeliest class but benign of each row, and its share of all those: as lib/model says it."""
    p = booster.predict(xgboost.DMatrix(dataset.x[numpy.ix_(rows, columns)]))[:, 1:]
    best = p.argmax(axis=1)
    return best + 1, p[numpy.arange(len(rows)), best] / p.sum(axis=1)


def cross_named(dataset, columns, classes, seed):
    """The class that is named for each real, malicious row by a model that saw neither its capture nor one it was merged with; 0 of others."""
    fold, said = lj_recipe.fold_of_buckets(dataset.n_buckets, seed)[dataset.bucket], numpy.zeros(len(dataset.y), int)
    for k in range(lj_recipe.FOLDS):
        chosen = select_features(dataset, fold != k, columns, classes, seed + k)
        booster = fit(dataset, fold != k, chosen, classes, seed + k)
        rows = numpy.flatnonzero((fold == k) & (dataset.y == 1) & dataset.real)
        said[rows], _ = named(booster, dataset, rows, chosen)
    return said


def write(out, dataset, columns):
    """Trains on everything and writes the folder within the bundle; the classes, or None where there is one kind of attack alone."""
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
    """Of each family's flows that alarm (`over`), what they were called; `said` as cross_named() gives it."""
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
