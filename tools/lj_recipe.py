"""The recipe of tools/train: which rows are used with which weight, and how scores on unseen captures are obtained."""

import math
import os
import re
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # when sharing few cores, spinning costs more than waking

import numpy
import xgboost
from sklearn.metrics import roc_auc_score

import lj_bag

SEED = 20261121
FOLDS = 5
FAMILY_CAP = 300
FEATURES_MAX = 50
# A booster is the mean of several members, each trained on other captures and features: a coincidental mark of an attack in one member's few
# captures is averaged out by the others.
MEMBERS, MEMBER_CAPTURES, MEMBER_FEATURES = 8, 0.75, 0.6
ROUNDS_MAX = 40  # per member
ROUNDS_MIN = 20  # fewer rounds rank well on easy data, but give scores without confidence
FALSE_ALARMS = 0.001  # share of benign flows of unseen captures that alarm at the shipped threshold
NETWORKS, NETWORK_FLOWS = 3, 100  # minimum number of publishers, and of flows of each, for statements about unseen networks
PARAMETERS = {
    "objective": "binary:logistic", "disable_default_eval_metric": 1, "tree_method": "hist",
    "max_depth": 6, "eta": 0.16, "subsample": 0.7, "colsample_bytree": 0.6, "min_child_weight": 5, "lambda": 2,
}


# Round-trip times of the handshake: they measure the distance of hosts. Without them, recall of publishers left out rose from 0.80 to 0.82.
DISTANCE = re.compile(r"(syn)?ack_us$")
# Packet sizes and gaps that depend on the network and its systems more than on the attack. Shuffling nine of these raised recall of publishers left
# out, at a threshold at which as many benign flows of unseen networks alarm (docs/models.md).
SIZES = re.compile(r"((fwd|bwd)_)?(length|payload)_(mean|std|max|bytes)$|(fwd|bwd)_gap_min_us$|bwd_(ack|payload_packets)$")
# Ports, TTL and windows: extracted for the ablation that shows why they are excluded; used by no model.
NETWORK = re.compile(r"((src|dst)_port|proto|(fwd|bwd)_((ttl|window)_\w+|mss))$")


KINDS = {"cicddos2019": "flood", "ddos-real": "flood", "synflood-lab": "flood", "brute": "bruteforce", "webshell": "webattack",
         "dnstunnel": "tunnel", "attck": "lateral", "mta": "trojan"}


def kind_of(family):
    """The kind of attack of a family of LABELS.tsv: the name before its colon, mapped to the usual term."""
    head = family.partition(":")[0]
    return KINDS.get(head, head)


def usable_columns(names):
    """All columns except those that identify the network or its distance, and lengths and gaps of single first packets, which reveal operating
    system and distance: length_1, a SYN's options, had 37 % of the gain, and lowered recall of an unseen publisher (mta2017: 0.48 without
    them, 0.16 with)."""
    return [i for i, name in enumerate(names)
            if not re.fullmatch(r"(length|gap)_\d+(_us)?", name) and not any(p.match(name) for p in (NETWORK, DISTANCE, SIZES))]


def groups(dataset, rows):
    """`rows` grouped by (merged, class, family), in a fixed order."""
    return parts_of(rows, dataset.merged[rows], dataset.y[rows], dataset.family_number[rows])


def parts_of(rows, *columns):
    """`rows` grouped by equal values in all columns, ordered by the first column, then the next."""
    if len(rows) == 0:
        return []
    order = numpy.lexsort(columns[::-1])
    changes = numpy.any([numpy.diff(column[order].astype(int)) != 0 for column in columns], axis=0)
    return numpy.split(rows[order], numpy.flatnonzero(changes) + 1)


def cap_families(dataset, mask, rng, cap=FAMILY_CAP):
    """Rows of `mask`, at most `cap` of each group."""
    return numpy.concatenate([rows if len(rows) <= cap else numpy.sort(rng.choice(rows, cap, replace=False))
                              for rows in groups(dataset, numpy.flatnonzero(mask))])


def weights(dataset, rows):
    """1/sqrt of the group's size; then each publisher's sum is reduced to its square root, so that a large one does not dominate; then both
    classes are balanced."""
    weight = numpy.zeros(len(dataset.y))
    for group in groups(dataset, rows):
        weight[group] = 1 / numpy.sqrt(len(group))
    for theirs in parts_of(rows, dataset.publisher_number[rows], dataset.y[rows]):
        weight[theirs] /= numpy.sqrt(weight[theirs].sum())
    for label in (0, 1):
        side = rows[dataset.y[rows] == label]
        weight[side] *= len(rows) / 2 / weight[side].sum()
    return weight[rows]


def matrix(dataset, rows, columns, seen=None):
    """The training matrix; columns that are not `seen` are missing, so that no tree splits on them."""
    x = dataset.x[numpy.ix_(rows, columns)]
    if seen is not None:
        x[:, ~seen] = numpy.nan
    return xgboost.DMatrix(x, label=dataset.y[rows], weight=weights(dataset, rows))


def weighted_auc(scores, data):
    """Replaces XGBoost's own AUC, which aborts if rounding makes a weighted AUC slightly exceed 1 (1.7.4)."""
    return "auc", roc_auc_score(data.get_label(), scores, sample_weight=data.get_weight())


def drawn_captures(dataset, mask, rng):
    """`mask` without the captures that a member does not see; unchanged if a class would be lost."""
    part = mask & (rng.random(len(dataset.captures)) < MEMBER_CAPTURES)[dataset.capture]
    return part if len(set(dataset.y[part])) == len(set(dataset.y[mask])) else mask


def drawn_features(n, rng):
    """Which of n columns a member sees."""
    seen = numpy.zeros(n, bool)
    seen[rng.choice(n, math.ceil(MEMBER_FEATURES * n), replace=False)] = True
    return seen


def fit_member(dataset, rows, columns, rounds, seed, seen=None, evals=()):
    """Trains one booster on the rows; with `evals` also returns its AUC there by round."""
    history = {}
    booster = xgboost.train({**PARAMETERS, "seed": seed, "nthread": 1}, matrix(dataset, rows, columns, seen), rounds, evals=evals,
                            custom_metric=weighted_auc, evals_result=history, verbose_eval=False)
    return booster, history["held"]["auc"] if evals else None


def fit(dataset, mask, columns, rounds, seed, held=None, cap=FAMILY_CAP):
    """Trains a booster on the rows of `mask`, `rounds` trees per member, at most `cap` flows per group for each; with `held` rows also returns
    the members' mean AUC there by round."""
    rng = numpy.random.default_rng(seed)
    evals = [(matrix(dataset, held, columns), "held")] if held is not None else []
    members, curves = zip(*(
        fit_member(dataset, cap_families(dataset, drawn_captures(dataset, mask, rng), rng, cap), columns, rounds, seed + member,
                   drawn_features(len(columns), rng), evals) for member in range(MEMBERS)))
    return lj_bag.joined(members), numpy.mean(curves, axis=0) if evals else None


def rounds_of(booster):
    """The number of rounds passed to fit()."""
    return max(booster.num_boosted_rounds() // MEMBERS, 1)


def scores_of(booster, dataset, rows, columns, rounds=0):
    return booster.predict(xgboost.DMatrix(dataset.x[numpy.ix_(rows, columns)]), iteration_range=(0, rounds * MEMBERS))


def select_features(dataset, columns, cap=FAMILY_CAP):
    """The FEATURES_MAX columns with the highest gain in one booster trained on everything."""
    rows = cap_families(dataset, numpy.ones(len(dataset.y), bool), numpy.random.default_rng(SEED), cap)
    gain = fit_member(dataset, rows, columns, ROUNDS_MAX, SEED)[0].get_score(importance_type="total_gain")
    ordered = sorted(range(len(columns)), key=lambda i: -gain.get(f"f{i}", 0))[:FEATURES_MAX]
    return [columns[i] for i in sorted(ordered)]


def fold_of_buckets(n_buckets, seed):
    """Assigns buckets to folds, differently for each seed."""
    fold = numpy.empty(n_buckets, int)
    fold[numpy.random.default_rng(seed).permutation(n_buckets)] = numpy.arange(n_buckets) % FOLDS
    return fold


def check_folds(dataset, fold):
    for k in range(FOLDS):
        for label, name in enumerate(("benign", "malicious")):
            if not ((fold == k) & (dataset.y == label) & dataset.real).any():
                raise ValueError(f"fold {k + 1} of {FOLDS} has no {name} flow: according to their rules too few captures have any; "
                                 "add captures that do, or remove those that do not")


def cross_validate(dataset, columns, seed):
    """The best number of rounds over the folds, and each row's score from a model that saw neither its capture nor one that it was merged with."""
    fold = fold_of_buckets(dataset.n_buckets, seed)[dataset.bucket]
    check_folds(dataset, fold)
    curves, models = [], []
    for k in range(FOLDS):
        outside = numpy.flatnonzero(fold == k)
        booster, curve = fit(dataset, fold != k, columns, ROUNDS_MAX, seed + k,
                             held=cap_families(dataset, (fold == k) & dataset.real, numpy.random.default_rng(seed)))
        curves.append(curve)
        models.append((booster, outside))
        print(f"seed {seed}, fold {k + 1} of {FOLDS}: AUC {max(curve):.4f}", file=sys.stderr)
    rounds = ROUNDS_MIN + int(numpy.argmax(numpy.mean(curves, axis=0)[ROUNDS_MIN - 1:]))
    scores = numpy.full(len(dataset.y), numpy.nan)
    for booster, outside in models:
        scores[outside] = scores_of(booster, dataset, outside, columns, rounds)
    return rounds, scores


def unseen_publishers(dataset, columns, rounds):
    """(publisher, scores of its attacks by a model that saw nothing of that publisher, scores of unseen benign rows); nothing if there is only
    one publisher."""
    aside = dataset.bucket < 2
    for publisher in sorted(set(dataset.publisher[(dataset.y == 1) & dataset.real])):
        theirs = dataset.publisher == publisher
        if len(set(dataset.y[~theirs & ~aside])) < 2:
            continue
        booster, _ = fit(dataset, ~theirs & ~aside, columns, rounds, SEED)
        attacks = numpy.flatnonzero(theirs & (dataset.y == 1) & ~dataset.merged)
        benign = numpy.flatnonzero(aside & (dataset.y == 0) & ~dataset.merged)
        print(f"publisher {publisher} left out", file=sys.stderr)
        yield publisher, scores_of(booster, dataset, attacks, columns), scores_of(booster, dataset, benign, columns)


def quiet_elsewhere(dataset, columns, rounds, seed):
    """{publisher: scores of its plain benign rows by a model trained without them}: the expectation for unseen networks. Empty if fewer than
    NETWORKS publishers have enough of them."""
    benign, scores = (dataset.y == 0) & dataset.real, {}
    theirs = {publisher: numpy.flatnonzero(benign & ~dataset.merged & (dataset.publisher == publisher))
              for publisher in sorted(set(dataset.publisher[benign]))}
    theirs = {publisher: rows for publisher, rows in theirs.items() if len(rows) >= NETWORK_FLOWS}
    for publisher, rows in theirs.items() if len(theirs) >= NETWORKS else ():
        booster, _ = fit(dataset, ~(benign & (dataset.publisher == publisher)), columns, rounds, seed)
        scores[publisher] = scores_of(booster, dataset, rows, columns)
    return scores


def threshold_at(scores_of_benign, rate):
    """The least float32 threshold that at most `rate` of the benign flows reach; above 1 if more of them score 1."""
    ordered = numpy.sort(scores_of_benign)
    allowed = int(rate * len(ordered))
    return float(numpy.nextafter(numpy.float32(ordered[len(ordered) - 1 - allowed]), numpy.float32(numpy.inf)))


def recall_at(scores, y, rate):
    return float((scores[y == 1] >= threshold_at(scores[y == 0], rate)).mean())
