"""The recipe of tools/train: who is trained on, with what weight, and how a score is earned on captures not seen."""

import math
import os
import re
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # beside others on few cores, spinning costs more than waking

import numpy
import xgboost
from sklearn.metrics import roc_auc_score

import lj_bag

SEED = 20261121
FOLDS = 5
FAMILY_CAP = 300
FEATURES_MAX = 50
# A booster is the mean of some, each of other captures and other features: what one of them takes for the mark of an attack, because
# the captures that it saw are few, the others do not know.
MEMBERS, MEMBER_CAPTURES, MEMBER_FEATURES = 8, 0.75, 0.6
ROUNDS_MAX = 40  # of each member
ROUNDS_MIN = 20  # where any round is perfect, one is not yet sure of anything
FALSE_ALARMS = 0.001  # share of benign flows, of captures not seen, that the threshold as shipped lets alarm
NETWORKS, NETWORK_FLOWS = 3, 100  # fewer publishers, or flows of one, say nothing of networks
PARAMETERS = {
    "objective": "binary:logistic", "disable_default_eval_metric": 1, "tree_method": "hist",
    "max_depth": 6, "eta": 0.16, "subsample": 0.7, "colsample_bytree": 0.6, "min_child_weight": 5, "lambda": 2,
}


# The handshake's round trips: how far off a network's hosts are. Without them recall of publishers that were left out rose (0.80 to 0.82).
DISTANCE = re.compile(r"(syn)?ack_us$")
# How large a flow's packets are, and how soon they follow: the network's ways and its systems', more than the attack's. Shuffling nine of these
# raised what is found of publishers left out, where as many benign flows of networks left out alarm (docs/models.md).
SIZES = re.compile(r"((fwd|bwd)_)?(length|payload)_(mean|std|max|bytes)$|(fwd|bwd)_gap_min_us$|bwd_(ack|payload_packets)$")
# Ports, TTL and windows: extracted for the ablation that shows why not, and used by no model.
NETWORK = re.compile(r"((src|dst)_port|proto|(fwd|bwd)_((ttl|window)_\w+|mss))$")


KINDS = {"cicddos2019": "flood", "ddos-real": "flood", "synflood-lab": "flood", "brute": "bruteforce", "webshell": "webattack",
         "dnstunnel": "tunnel", "attck": "lateral", "mta": "trojan"}


def kind_of(family):
    """What a family of LABELS.tsv is an instance of: the name before its colon, by the word for it that the field uses."""
    head = family.partition(":")[0]
    return KINDS.get(head, head)


def usable_columns(names):
    """All but what names the network or its distance, and lengths and gaps of single first packets. Those tell the operating system and the
    network's distance: length_1, a SYN's options, took 37 % of the gain, and recall of a publisher never seen fell (mta2017: 0.48
    without them, 0.16 with)."""
    return [i for i, name in enumerate(names)
            if not re.fullmatch(r"(length|gap)_\d+(_us)?", name) and not any(p.match(name) for p in (NETWORK, DISTANCE, SIZES))]


def groups(dataset, rows):
    """`rows` by (merged, class, family), in a fixed order."""
    return parts_of(rows, dataset.merged[rows], dataset.y[rows], dataset.family_number[rows])


def parts_of(rows, *columns):
    """`rows` in parts that are alike in every column, ordered by the first, then the next."""
    if len(rows) == 0:
        return []
    order = numpy.lexsort(columns[::-1])
    changes = numpy.any([numpy.diff(column[order].astype(int)) != 0 for column in columns], axis=0)
    return numpy.split(rows[order], numpy.flatnonzero(changes) + 1)


def cap_families(dataset, mask, rng, cap=FAMILY_CAP):
    """Rows of `mask` with at most `cap` flows of each group."""
    return numpy.concatenate([rows if len(rows) <= cap else numpy.sort(rng.choice(rows, cap, replace=False))
                              for rows in groups(dataset, numpy.flatnonzero(mask))])


def weights(dataset, rows):
    """1/sqrt of the group's size; a publisher's sum then as its root, so that one who published much is not all there is; then both
    classes alike."""
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
    """What XGBoost trains on; of columns that are not `seen` nothing is there to split by."""
    x = dataset.x[numpy.ix_(rows, columns)]
    if seen is not None:
        x[:, ~seen] = numpy.nan
    return xgboost.DMatrix(x, label=dataset.y[rows], weight=weights(dataset, rows))


def weighted_auc(scores, data):
    """XGBoost's own aborts where a weighted AUC of 1 comes out a bit over it (1.7.4)."""
    return "auc", roc_auc_score(data.get_label(), scores, sample_weight=data.get_weight())


def drawn_captures(dataset, mask, rng):
    """`mask` less the captures that a member does not see; all of it where they are so few that a class would be gone."""
    part = mask & (rng.random(len(dataset.captures)) < MEMBER_CAPTURES)[dataset.capture]
    return part if len(set(dataset.y[part])) == len(set(dataset.y[mask])) else mask


def drawn_features(n, rng):
    """Which of n columns a member sees."""
    seen = numpy.zeros(n, bool)
    seen[rng.choice(n, math.ceil(MEMBER_FEATURES * n), replace=False)] = True
    return seen


def fit_member(dataset, rows, columns, rounds, seed, seen=None, evals=()):
    """One booster of the rows; with `evals` also its AUC there by round."""
    history = {}
    booster = xgboost.train({**PARAMETERS, "seed": seed, "nthread": 1}, matrix(dataset, rows, columns, seen), rounds, evals=evals,
                            custom_metric=weighted_auc, evals_result=history, verbose_eval=False)
    return booster, history["held"]["auc"] if evals else None


def fit(dataset, mask, columns, rounds, seed, held=None, cap=FAMILY_CAP):
    """A booster of the rows of `mask`, `rounds` trees of each member, at most `cap` flows of a family in each; with `held` rows also the
    members' mean AUC there by round."""
    rng = numpy.random.default_rng(seed)
    evals = [(matrix(dataset, held, columns), "held")] if held is not None else []
    members, curves = zip(*(
        fit_member(dataset, cap_families(dataset, drawn_captures(dataset, mask, rng), rng, cap), columns, rounds, seed + member,
                   drawn_features(len(columns), rng), evals) for member in range(MEMBERS)))
    return lj_bag.joined(members), numpy.mean(curves, axis=0) if evals else None


def rounds_of(booster):
    """What fit() made it with."""
    return max(booster.num_boosted_rounds() // MEMBERS, 1)


def scores_of(booster, dataset, rows, columns, rounds=0):
    return booster.predict(xgboost.DMatrix(dataset.x[numpy.ix_(rows, columns)]), iteration_range=(0, rounds * MEMBERS))


def select_features(dataset, columns, cap=FAMILY_CAP):
    """The FEATURES_MAX columns that gain most in one booster of everything."""
    rows = cap_families(dataset, numpy.ones(len(dataset.y), bool), numpy.random.default_rng(SEED), cap)
    gain = fit_member(dataset, rows, columns, ROUNDS_MAX, SEED)[0].get_score(importance_type="total_gain")
    ordered = sorted(range(len(columns)), key=lambda i: -gain.get(f"f{i}", 0))[:FEATURES_MAX]
    return [columns[i] for i in sorted(ordered)]


def fold_of_buckets(n_buckets, seed):
    """Buckets dealt to folds, anew for each seed."""
    fold = numpy.empty(n_buckets, int)
    fold[numpy.random.default_rng(seed).permutation(n_buckets)] = numpy.arange(n_buckets) % FOLDS
    return fold


def check_folds(dataset, fold):
    for k in range(FOLDS):
        for label, name in enumerate(("benign", "malicious")):
            if not ((fold == k) & (dataset.y == label) & dataset.real).any():
                raise ValueError(f"fold {k + 1} of {FOLDS} has no {name} flow: captures without any, by their rules, leave too few others; "
                                 "give more, or leave those out")


def cross_validate(dataset, columns, seed):
    """The best number of rounds over the folds, and every row's score from a model that saw neither its capture nor one
    that it was merged with."""
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
    """(publisher, scores of its attacks by a model that saw nothing of that publisher, scores of benign rows not seen either); nothing where there is
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
    """{publisher: scores of its benign rows, plain, by a model that was trained without them}: what to expect of networks never seen. Empty where fewer
    than NETWORKS publishers have enough of them."""
    benign, scores = (dataset.y == 0) & dataset.real, {}
    theirs = {publisher: numpy.flatnonzero(benign & ~dataset.merged & (dataset.publisher == publisher))
              for publisher in sorted(set(dataset.publisher[benign]))}
    theirs = {publisher: rows for publisher, rows in theirs.items() if len(rows) >= NETWORK_FLOWS}
    for publisher, rows in theirs.items() if len(theirs) >= NETWORKS else ():
        booster, _ = fit(dataset, ~(benign & (dataset.publisher == publisher)), columns, rounds, seed)
        scores[publisher] = scores_of(booster, dataset, rows, columns)
    return scores


def threshold_at(scores_of_benign, rate):
    """The least float32 threshold that at most `rate` of benign flows reach: over 1 where more of them score 1."""
    ordered = numpy.sort(scores_of_benign)
    allowed = int(rate * len(ordered))
    return float(numpy.nextafter(numpy.float32(ordered[len(ordered) - 1 - allowed]), numpy.float32(numpy.inf)))


def recall_at(scores, y, rate):
    return float((scores[y == 1] >= threshold_at(scores[y == 0], rate)).mean())
