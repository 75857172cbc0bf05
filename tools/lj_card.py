"""The card of a bundle: what it was trained on, what it catches on captures that it did not see, and what not."""

import os

import numpy
from sklearn.metrics import roc_auc_score

import lj_recipe

BOOTSTRAPS = 400


def interval(dataset, rows, scores, threshold):
    """90 % interval of recall at `threshold`, captures drawn with replacement."""
    malicious = rows[dataset.y[rows] == 1]
    captures, index = numpy.unique(dataset.capture[malicious], return_inverse=True)
    caught = numpy.bincount(index, scores[malicious] >= threshold)
    all_of = numpy.bincount(index)
    drawn = numpy.random.default_rng(lj_recipe.SEED).integers(0, len(captures), (BOOTSTRAPS, len(captures)))
    return numpy.quantile(caught[drawn].sum(axis=1) / all_of[drawn].sum(axis=1), (0.05, 0.95))


def family_recalls(dataset, rows, scores, threshold):
    """{family: (captures, flows, recall)} of malicious rows."""
    table = {}
    for family in sorted(set(dataset.family[rows[dataset.y[rows] == 1]])):
        chosen = rows[(dataset.family[rows] == family) & (dataset.y[rows] == 1)]
        table[family] = (len(set(dataset.capture[chosen])), len(chosen), float((scores[chosen] >= threshold).mean()))
    return table


def measures(dataset, scores, threshold, merged):
    """Names and numbers over all plain, or all merged, rows."""
    rows = numpy.flatnonzero(dataset.merged == merged)
    y, own = dataset.y[rows], scores[rows]
    one_percent = lj_recipe.threshold_at(own[y == 0], 0.01)
    families = family_recalls(dataset, rows, scores, one_percent)
    low, high = interval(dataset, rows, scores, one_percent)
    return {
        "ROC AUC": roc_auc_score(y, own),
        "recall at 1 % false positives": float((own[y == 1] >= one_percent).mean()),
        "  of it, 5 % of bootstraps by capture are below": low,
        "  and 5 % above": high,
        "mean over families of recall at 1 %": numpy.mean([recall for _, _, recall in families.values()]),
        "recall at 0.1 % false positives": lj_recipe.recall_at(own, y, 0.001),
        "recall at the threshold as shipped": float((own[y == 1] >= threshold).mean()),
        "false positives there": float((own[y == 0] >= threshold).mean()),
    }


def measure_table(dataset, seeds):
    """`seeds`: [(scores, threshold)]; the median of each measure over them."""
    plain, merged = ([measures(dataset, scores, threshold, m) for scores, threshold in seeds] for m in (False, True))
    lines = ["| | plain | merged |", "|---|---:|---:|"]
    for name in plain[0]:
        lines.append(f"| {name} | " + " | ".join(f"{numpy.median([s[name] for s in side]):.4f}" for side in (plain, merged)) + " |")
    return lines


def family_table(dataset, scores, threshold):
    lines = ["| family | captures | flows | at 1 %, plain | at 1 %, merged | as shipped, plain |", "|---|---:|---:|---:|---:|---:|"]
    sides = [numpy.flatnonzero(dataset.merged == merged) for merged in (False, True)]
    at = [lj_recipe.threshold_at(scores[rows][dataset.y[rows] == 0], 0.01) for rows in sides]
    plain, merged = (family_recalls(dataset, rows, scores, t) for rows, t in zip(sides, at))
    shipped = family_recalls(dataset, sides[0], scores, threshold)
    for family, (captures, flows, recall) in plain.items():
        lines.append(f"| {family} | {captures} | {flows} | {recall:.3f} | {merged[family][2]:.3f} | {shipped[family][2]:.3f} |")
    return lines


def benign_table(dataset, scores, threshold):
    lines = ["| source | captures | flows | plain | merged |", "|---|---:|---:|---:|---:|"]
    for publisher in sorted(set(dataset.publisher[dataset.y == 0])):
        rows = [numpy.flatnonzero((dataset.publisher == publisher) & (dataset.y == 0) & (dataset.merged == m)) for m in (False, True)]
        alarms = [f"{(scores[r] >= threshold).mean():.4f}" if len(r) else "" for r in rows]
        lines.append(f"| {publisher} | {len(set(dataset.capture[rows[0]]))} | {len(rows[0])} | {alarms[0]} | {alarms[1]} |")
    return lines


def publisher_table(unseen):
    lines = ["| publisher | flows | ROC AUC | recall at 1 % | recall at 0.1 % |", "|---|---:|---:|---:|---:|"]
    figures = []
    for publisher, attacks, benign in unseen:
        scores, y = numpy.concatenate([attacks, benign]), numpy.repeat([1, 0], [len(attacks), len(benign)])
        figures.append([roc_auc_score(y, scores), lj_recipe.recall_at(scores, y, 0.01), lj_recipe.recall_at(scores, y, 0.001)])
        lines.append(f"| {publisher} | {len(attacks)} | " + " | ".join(f"{v:.3f}" for v in figures[-1]) + " |")
    lines.append("| mean | | " + " | ".join(f"{v:.3f}" for v in numpy.mean(figures, axis=0)) + " |")
    return lines


def write(out, dataset, left_out, command, facts):
    scores, threshold = facts["seeds"][0]
    host = sum(name.startswith("host_") for name in facts["features"])
    lines = [
        f"# {os.path.basename(os.path.normpath(out))}", "",
        "Calls a flow benign or malicious by its own course (lengths, gaps, flags, TCP's states) and by what its hosts had been doing "
        "in the last 5, 60 and 600 s (flows, peers, ports, failures). It uses no address, port, TTL or window, which would name the "
        "network rather than the attack.", "",
        f"Made by `{command}`: {facts['rounds']} boosted trees of depth {lj_recipe.PARAMETERS['max_depth']} over {len(facts['features'])} "
        f"features, {host} of them host context: those that gain most, of {len(dataset.names)}.", "",
        f"Trained on {facts['train']} flows of {len(set(dataset.capture))} captures, each capture alone and once more **merged**: attacks "
        "embedded among benign captures on one time line, benign captures overlaid behind shared addresses (`tools/lj_merge.py`). At most "
        f"{lj_recipe.FAMILY_CAP} flows of a family, weighted by 1/sqrt of their number, classes balanced. Left out, because their labels "
        f"are per packet or in doubt: {', '.join(os.path.basename(f) for f in left_out)}.", "",
        "## On captures that training did not see", "",
        f"Every flow is scored by a model of the same recipe that saw neither its capture nor any that it was merged with "
        f"({lj_recipe.FOLDS} folds{'; medians of %d seeds' % len(facts['seeds']) if len(facts['seeds']) > 1 else ''}). "
        f"{int((~dataset.merged & (dataset.y == 0)).sum())} benign and {int((~dataset.merged & (dataset.y == 1)).sum())} malicious flows "
        f"plain, at most 3,000 of a capture; the bundle itself is trained on all. The threshold as shipped, {threshold:.6g}, is where 0.1 % of the benign "
        "flows, plain and merged, alarm.", "",
        *measure_table(dataset, facts["seeds"]), "",
        "The captures of one publisher stand on both sides here. A whole publisher left out, its attacks against benign "
        "captures that were not seen either, plain:", "",
        *publisher_table(facts["unseen"]), "",
        "That is what to expect of attacks, tools and networks that are new to it.", "",
        "## By family", "",
        *family_table(dataset, scores, threshold), "",
        "Where captures or flows are few, the recall says little; a family of one capture was never seen in training when it was scored.", "",
        "## Benign traffic by source: what alarmed at the threshold as shipped", "",
        *benign_table(dataset, scores, threshold), "",
        "Thresholds do not transfer between networks: measure on your own traffic before you act on alerts.",
    ]
    with open(os.path.join(out, "README.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
