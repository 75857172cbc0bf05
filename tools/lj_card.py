"""Writes a bundle's card: what it was trained on, what it detects in captures that it did not see, and what it does not."""

import os

import numpy
from sklearn.metrics import roc_auc_score

import lj_recipe

BOOTSTRAPS = 400
ENOUGH, FEW_CAPTURES = 10, 3


def interval(dataset, rows, scores, threshold):
    """90 % interval of recall at `threshold`, by bootstrap over captures."""
    malicious = rows[dataset.y[rows] == 1]
    captures, index = numpy.unique(dataset.capture[malicious], return_inverse=True)
    caught = numpy.bincount(index, scores[malicious] >= threshold)
    all_of = numpy.bincount(index)
    drawn = numpy.random.default_rng(lj_recipe.SEED).integers(0, len(captures), (BOOTSTRAPS, len(captures)))
    return numpy.quantile(caught[drawn].sum(axis=1) / all_of[drawn].sum(axis=1), (0.05, 0.95))


def family_recalls(dataset, rows, scores, threshold):
    """{family: (captures, flows, recall)} of the malicious rows."""
    table = {}
    for family in sorted(set(dataset.family[rows[dataset.y[rows] == 1]])):
        chosen = rows[(dataset.family[rows] == family) & (dataset.y[rows] == 1)]
        table[family] = (len(set(dataset.capture[chosen])), len(chosen), float((scores[chosen] >= threshold).mean()))
    return table


def measures(dataset, scores, threshold, merged):
    """{name: figure} over all plain, or all merged, rows."""
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


def sides_of(dataset):
    """[(column heading, merged)]; a table of flows has no merged rows."""
    return [("plain", False), ("merged", True)][:1 + bool(dataset.merged.any())]


def measure_table(dataset, seeds):
    """Rows of the table: the median of each measure over `seeds`, [(scores, threshold)], with minimum and maximum if there are several."""
    sides = [[measures(dataset, scores, threshold, merged) for scores, threshold in seeds] for _, merged in sides_of(dataset)]
    lines = ["| | " + " | ".join(name for name, _ in sides_of(dataset)) + " |", "|---|" + "---:|" * len(sides)]
    for name in sides[0][0]:
        lines.append(f"| {name} | " + " | ".join(spread([s[name] for s in side]) for side in sides) + " |")
    return lines


def spread(values):
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{numpy.median(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def family_table(dataset, scores, threshold):
    names = [name for name, _ in sides_of(dataset)]
    lines = ["| family | captures | flows | " + " | ".join(f"at 1 %, {name}" for name in names) + " | as shipped, plain |",
             "|---|---:|---:|" + "---:|" * len(names) + "---:|"]
    sides = [numpy.flatnonzero(dataset.merged == merged) for _, merged in sides_of(dataset)]
    recalls = [family_recalls(dataset, rows, scores, lj_recipe.threshold_at(scores[rows][dataset.y[rows] == 0], 0.01)) for rows in sides]
    for family, (captures, flows, shipped) in family_recalls(dataset, sides[0], scores, threshold).items():
        cells = [f"{side[family][2]:.3f}" if family in side else "" for side in recalls]
        lines.append(f"| {family} | {captures} | {flows} | {' | '.join(cells)} | {shipped:.3f} |")
    return lines


def few_benign(dataset):
    """A note if there are too few benign flows to measure a rate of 0.1 %."""
    n = int((dataset.y == 0).sum())
    return "" if n * 0.001 >= ENOUGH else (
        f" Of {n} benign flows that are {int(n * 0.001)}: what alarms in a thousand cannot be told from so few, so calibrate before it is used.")


def few_attacks(dataset):
    """A note that lists families with too few captures or flows."""
    few = [f"{family} ({captures})" for family, (captures, flows, _) in
           family_recalls(dataset, numpy.flatnonzero(~dataset.merged), numpy.zeros(len(dataset.y)), 0).items()
           if captures < FEW_CAPTURES or flows < ENOUGH]
    return f" Too few captures to go by: {', '.join(few)}." if few else ""


def benign_table(dataset, scores, threshold, quiet):
    """`quiet`: the result of lj_recipe.quiet_elsewhere()."""
    names = [name for name, _ in sides_of(dataset)] + ["never seen"] * bool(quiet)
    lines = ["| source | captures | flows | " + " | ".join(names) + " |", "|---|---:|---:|" + "---:|" * len(names)]
    for publisher in sorted(set(dataset.publisher[dataset.y == 0])):
        rows = [numpy.flatnonzero((dataset.publisher == publisher) & (dataset.y == 0) & (dataset.merged == m)) for _, m in sides_of(dataset)]
        alarms = [f"{(scores[r] >= threshold).mean():.4f}" if len(r) else "" for r in rows]
        if quiet:
            alarms.append(f"{(quiet[publisher] >= threshold).mean():.4f}" if publisher in quiet else "")
        lines.append(f"| {publisher} | {len(set(dataset.capture[rows[0]]))} | {len(rows[0])} | {' | '.join(alarms)} |")
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


CAPTURES = (
    "Calls a flow benign or malicious by its own course (lengths, gaps, flags, TCP's states) and by what its hosts had been doing "
    "in the last 5, 60 and 600 s (flows, peers, ports, failures). It uses no address, port, TTL, window or round trip, which would name the "
    "network rather than the attack.")
MERGED = (
    ", each capture alone and once more **merged**: attacks embedded among benign captures on one time line, benign captures overlaid "
    "behind shared addresses (`tools/lj_merge.py`)")
MADE = (
    ", and on {} captures of floods, scans, guessing, web shells, tunnels and programs that call home that `tools/lj_attacks.py` made, on "
    "which nothing is measured")
NEVER_SEEN = (
    "*Never seen*: plain, by a model that was trained without any benign flow of that source. That is what to expect on a network of your "
    "own, until the threshold is set by its traffic.")
TABLE = (
    "Calls a flow benign or malicious by columns of a ready-made table; addresses, ports, TTL and window are not used. What a table's "
    "rows say of each other is a matter of its making: this model is worth what that table is, and its folds, of consecutive rows, "
    "flatter it. A table has no captures: where they are spoken of here, stretches of consecutive rows of a family are meant.")


def unseen_section(unseen):
    if not unseen:
        return ["The data are of one publisher: what to expect of another network or tool is not known.", ""]
    return [
        "The captures of one publisher stand on both sides here. A whole publisher left out, its attacks against benign "
        "captures that were not seen either, plain:", "",
        *publisher_table(unseen), "",
        "That is what to expect of attacks, tools and networks that are new to it.", ""]


def family_section(lines):
    if lines is None:
        return []
    return ["## The family that is named", "",
            "Of what alarms at the threshold as shipped, `ml.family` names the kind of attack, by a second model in `family/`, one score a kind. Again "
            "by folds of captures:", "", *lines, ""]


def write(out, dataset, left_out, command, facts):
    scores, threshold = facts["seeds"][0]
    merged, seeds = bool(dataset.merged.any()), len(facts["seeds"])
    made = MADE.format(facts["made"]) if facts["made"] else ""
    host = sum(name.startswith("host_") for name in facts["features"])
    plain = ~dataset.merged
    chosen = f"those of `{facts['features_of']}`, kept" if facts["features_of"] else "those that gain most"
    lines = [
        f"# {os.path.basename(os.path.normpath(out))}", "",
        TABLE if facts["table"] else CAPTURES, "",
        f"Made by `{command}`: {lj_recipe.MEMBERS * facts['rounds']} boosted trees of depth {lj_recipe.PARAMETERS['max_depth']} over "
        f"{len(facts['features'])} features, {host} of them host context: {chosen}, of {len(dataset.names)}. They are the mean of "
        f"{lj_recipe.MEMBERS} boosters, each of {lj_recipe.MEMBER_CAPTURES:.0%} of the captures and {lj_recipe.MEMBER_FEATURES:.0%} of "
        "the features.", "",
        f"Trained on {facts['train']} flows of {len(set(dataset.capture))} captures{MERGED if merged else ''}{made}. At most "
        f"{lj_recipe.FAMILY_CAP} flows of a family, weighted by 1/sqrt of their number, a publisher's sum by its root, classes balanced. "
        f"Left out{', columns that are not used' if facts['table'] else ', as asked or because their labels are in doubt'}: "
        f"{', '.join(os.path.basename(f) for f in left_out) or 'nothing'}.", "",
        f"## On {'rows' if facts['table'] else 'captures'} that training did not see", "",
        f"Every flow is scored by a model of the same recipe that saw neither its capture nor any that it was merged with "
        f"({lj_recipe.FOLDS} folds{f'; medians of {seeds} seeds, least and greatest' if seeds > 1 else ''}). "
        f"{int((plain & (dataset.y == 0)).sum())} benign and {int((plain & (dataset.y == 1)).sum())} malicious flows "
        f"plain{'' if facts['table'] else ', at most 3,000 of a capture'}; the bundle itself is trained on all. The threshold as shipped, "
        f"{threshold:.6g}, is where {lj_recipe.FALSE_ALARMS:.1%} of the benign flows{', plain and merged,' if merged else ''} alarm.{few_benign(dataset)}", "",
        *measure_table(dataset, facts["seeds"]), "",
        *unseen_section(facts["unseen"]),
        "## By family", "",
        *family_table(dataset, scores, threshold), "",
        "Where captures or flows are few, the recall says little; a family of one capture was never seen in training when it was scored."
        f"{few_attacks(dataset)}", "",
        "## Benign traffic by source: what alarmed at the threshold as shipped", "",
        *benign_table(dataset, scores, threshold, facts["quiet"]), "",
        *([NEVER_SEEN, ""] if facts["quiet"] else []),
        *family_section(facts["families"]),
        "Thresholds do not transfer between networks: `tools/calibrate` sets this one by your own traffic.",
    ]
    with open(os.path.join(out, "README.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
