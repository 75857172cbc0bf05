"""Evaluates the recipe on unseen kinds of traffic, by models trained without them. Plain rows only; see tools/evaluate --cap."""

import sys

import numpy
from sklearn.metrics import roc_auc_score

import lj_recipe

def _figures(attacks, benign):
    scores, y = numpy.concatenate([attacks, benign]), numpy.repeat([1, 0], [len(attacks), len(benign)])
    return {"n": len(attacks), "roc_auc": float(roc_auc_score(y, scores)), "recall at 1 % fpr": lj_recipe.recall_at(scores, y, 0.01),
            "recall at 0.1 % fpr": lj_recipe.recall_at(scores, y, 0.001)}


def _left_out(dataset, columns, rounds, cap, column, label, seed):
    """Leaves out of training each value of `column` among malicious rows; scores it against unseen benign captures, a fifth of all, chosen by
    `seed`."""
    aside, table = lj_recipe.fold_of_buckets(dataset.n_buckets, seed)[dataset.bucket] == 0, {}
    benign = numpy.flatnonzero(aside & (dataset.y == 0) & ~dataset.merged)
    for value in sorted(set(column[(dataset.y == 1) & dataset.real])):
        theirs = column == value
        mask = ~theirs & ~aside
        if len(set(dataset.y[mask])) < 2:
            continue
        booster, _ = lj_recipe.fit(dataset, mask, columns, rounds, seed, cap=cap)
        attacks = numpy.flatnonzero(theirs & (dataset.y == 1) & dataset.real & ~dataset.merged)
        table[str(value)] = _figures(*(lj_recipe.scores_of(booster, dataset, rows, columns) for rows in (attacks, benign)))
        print(f"{label} {value} left out", file=sys.stderr)
    return table


def publishers(dataset, columns, rounds, cap, seed=lj_recipe.SEED):
    return _left_out(dataset, columns, rounds, cap, dataset.publisher, "publisher", seed)


def families(dataset, columns, rounds, cap, seed=lj_recipe.SEED, but_made=False):
    """Leaves out each kind of attack; with `but_made` only captured ones, so that synthetic ones are still trained on."""
    kept = numpy.zeros(len(dataset.y), bool) | (but_made & ~dataset.real)
    kinds = numpy.array([lj_recipe.kind_of(family) if out else "" for family, out in zip(dataset.family, (dataset.y == 1) & ~kept)])
    return _left_out(dataset, columns, rounds, cap, kinds, "family", seed)


def folds(dataset, columns, rounds, cap, seed):
    """Figures over folds of captures, plain rows, assigned by `seed`."""
    fold = lj_recipe.fold_of_buckets(dataset.n_buckets, seed)[dataset.bucket]
    scores = numpy.full(len(dataset.y), numpy.nan)
    for k in range(lj_recipe.FOLDS):
        booster, _ = lj_recipe.fit(dataset, fold != k, columns, rounds, seed + k, cap=cap)
        outside = numpy.flatnonzero((fold == k) & ~dataset.merged)
        scores[outside] = lj_recipe.scores_of(booster, dataset, outside, columns)
    plain = ~dataset.merged
    print(f"seed {seed}: folds of captures", file=sys.stderr)
    return _figures(scores[plain & (dataset.y == 1)], scores[plain & (dataset.y == 0)])


def mean_of(table):
    """The mean of each figure over the rows; None if there are none, as with one publisher."""
    if not table:
        return None
    names = next(iter(table.values())).keys()
    return {name: float(numpy.mean([row[name] for row in table.values()])) for name in names if name != "n"}


def ablation(dataset, columns, rounds, cap):
    """Compares the recipe's columns with and without ports, TTL, windows and MSS: by folds, and with publishers left out."""
    network = [i for i, name in enumerate(dataset.names) if lj_recipe.NETWORK.match(name)]
    if not network:
        return None
    return {name: {"folds": folds(dataset, used, rounds, cap, lj_recipe.SEED),
                   "publishers left out, mean": mean_of(publishers(dataset, used, rounds, cap))}
            for name, used in (("without ports and TTL", columns), ("with ports and TTL", sorted({*columns, *network})))}


def everything(dataset, columns, rounds, cap, seeds):
    plain = dataset.only(~dataset.merged)
    spread = [folds(plain, columns, rounds, cap, lj_recipe.SEED + 100 * seed) for seed in range(seeds)]
    return {
        "trained on": f"plain captures, at most {cap} flows of a family, {rounds} rounds, {len(columns)} features",
        "folds of captures, by seed": spread,
        "publishers left out": publishers(plain, columns, rounds, cap),
        "families left out": families(plain, columns, rounds, cap),
        "ablation": ablation(plain, columns, rounds, cap),
    }
