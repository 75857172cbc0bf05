"""Evaluates a model from scored flows: figures at thresholds, by family, over time, with confidence intervals."""

import numpy
from sklearn.metrics import average_precision_score, roc_auc_score

import lj_recipe

BOOTSTRAPS = 200
PSI_BINS, PSI_FLOWS = 10, 100


class Scored:
    """Arrays of n flows: score, y (1 malicious), family, capture (names), publisher; start_s, decided_s; and the captures' hours."""

    def __init__(self, score, y, family, capture, publisher, start_s=None, decided_s=None, hours=None):
        self.score, self.y = numpy.asarray(score, float), numpy.asarray(y)
        self.family, self.capture, self.publisher = (numpy.asarray(a, str) for a in (family, capture, publisher))
        self.start_s, self.decided_s = (numpy.asarray(a, float) if a is not None else None for a in (start_s, decided_s))
        self.hours = hours or {}

    def __len__(self):
        return len(self.y)

    def where(self, mask):
        times = (a[mask] if a is not None else None for a in (self.start_s, self.decided_s))
        return Scored(self.score[mask], self.y[mask], self.family[mask], self.capture[mask], self.publisher[mask], *times, self.hours)

    def both_classes(self):
        return len(set(self.y.tolist())) == 2


def share(part, whole):
    """part / whole; None if the whole is 0: recall without attacks is unknown, not zero."""
    return part / whole if whole else None


def at_threshold(scored, threshold, base_rate):
    called, y = scored.score >= threshold, scored.y == 1
    tp, fp = int((called & y).sum()), int((called & ~y).sum())
    tn, fn = int((~called & ~y).sum()), int((~called & y).sum())
    recall, fpr = share(tp, tp + fn), share(fp, fp + tn)
    both = recall is not None and fpr is not None
    return {
        "threshold": float(threshold), "tp": tp, "fp": fp, "tn": tn, "fn": fn, "accuracy": share(tp + tn, len(y)),
        "precision": share(tp, tp + fp), "recall": recall, "f1": share(2 * tp, 2 * tp + fp + fn) if tp + fn else None, "fpr": fpr,
        f"ppv at a base rate of {base_rate:g}": share(recall * base_rate, recall * base_rate + fpr * (1 - base_rate)) if both else None,
    }


def ranking(scored):
    """Figures that do not depend on the threshold, and recall at which 1 % and 0.1 % of these benign flows alarm."""
    return {"roc_auc": float(roc_auc_score(scored.y, scored.score)), "pr_auc": float(average_precision_score(scored.y, scored.score)),
            "recall at 1 % fpr": lj_recipe.recall_at(scored.score, scored.y, 0.01),
            "recall at 0.1 % fpr": lj_recipe.recall_at(scored.score, scored.y, 0.001)}


def by_family(scored, threshold):
    rates = {"1 %": 0.01, "0.1 %": 0.001} if (scored.y == 0).any() else {}
    thresholds = {name: lj_recipe.threshold_at(scored.score[scored.y == 0], rate) for name, rate in rates.items()}
    table = {}
    for family in sorted(set(scored.family[scored.y == 1])):
        part = scored.where((scored.family == family) & (scored.y == 1))
        table[family] = {"captures": len(set(part.capture)), "n": len(part), "recall as shipped": float((part.score >= threshold).mean()),
                         **{f"recall at {name} fpr": float((part.score >= at).mean()) for name, at in thresholds.items()}}
    return table


def detection(scored, threshold):
    """For attack captures: how many alarm at all, and the time in s from the first malicious flow's start to the first alert."""
    if scored.start_s is None:
        return None
    waits, captures = [], sorted(set(scored.capture[scored.y == 1]))
    for capture in captures:
        part = scored.where((scored.capture == capture) & (scored.y == 1))
        alarmed = part.score >= threshold
        if alarmed.any():
            waits.append(part.decided_s[alarmed].min() - part.start_s.min())
    quantiles = numpy.quantile(waits, (0.5, 0.9)).tolist() if waits else [None, None]
    return {"captures": len(captures), "detected": len(waits), "median_s": quantiles[0], "p90_s": quantiles[1]}


def benign_alerts(scored, threshold):
    """Alerts per hour of benign captures, all and by publisher; hours are packet time of the captures."""
    benign, table = scored.where(scored.y == 0), {}
    for publisher in ["all", *sorted(set(benign.publisher))]:
        part = benign if publisher == "all" else benign.where(benign.publisher == publisher)
        hours = sum(scored.hours.get(c, 0) for c in set(part.capture))
        alerts = int((part.score >= threshold).sum())
        table[publisher] = {"n": len(part), "alerts": alerts, "fpr": share(alerts, len(part)), "hours": hours,
                            "alerts_per_hour": alerts / hours if hours > 0 else None}
    return table


def intervals(scored, threshold, seed=1):
    """5 % and 95 % quantiles, by bootstrap over captures, of recall and FPR at the threshold and of ROC AUC. None if there is only one capture,
    for which bootstrapping is meaningless."""
    names, index = numpy.unique(scored.capture, return_inverse=True)
    rows = [numpy.flatnonzero(index == i) for i in range(len(names))]
    rng, figures = numpy.random.default_rng(seed), []
    for _ in range(BOOTSTRAPS):
        part = scored.where(numpy.concatenate([rows[i] for i in rng.integers(0, len(names), len(names))]))
        if part.both_classes():
            called = part.score >= threshold
            figures.append((called[part.y == 1].mean(), called[part.y == 0].mean(), roc_auc_score(part.y, part.score)))
    low, high = numpy.quantile(figures, (0.05, 0.95), axis=0).tolist()
    attacks, benign = (len(set(scored.capture[scored.y == label])) for label in (1, 0))
    captures = {"recall": attacks, "fpr": benign, "roc_auc": min(attacks, benign)}
    return {name: [low[i], high[i]] if captures[name] > 1 else None for i, name in enumerate(captures)}


def psi(expected, actual):
    """Population stability index over deciles of `expected`; 0.1 is a shift, 0.25 a large one."""
    edges = numpy.unique(numpy.quantile(expected, numpy.linspace(0, 1, PSI_BINS + 1)[1:-1]))
    shares = [numpy.bincount(numpy.searchsorted(edges, part, "right"), minlength=len(edges) + 1) + 0.5 for part in (expected, actual)]
    e, a = (s / s.sum() for s in shares)
    return float(((a - e) * numpy.log(a / e)).sum())


def drift(scored):
    """PSI of benign scores: each publisher, and each capture, with at least PSI_FLOWS flows, against all other benign flows."""
    benign = scored.where(scored.y == 0)
    table = {}
    for kind, column in (("publishers", benign.publisher), ("captures", benign.capture)):
        values = {}
        for name in sorted(set(column)):
            own = column == name
            if own.sum() >= PSI_FLOWS and (~own).sum() >= PSI_FLOWS:
                values[name] = psi(benign.score[~own], benign.score[own])
        table[kind] = values if kind == "publishers" else {
            "n": len(values), "median": float(numpy.median(list(values.values()))) if values else None,
            "most": dict(sorted(values.items(), key=lambda item: -item[1])[:5])}
    return table


def sheet(scored, threshold, base_rate):
    """All figures."""
    result = {"flows": len(scored), "captures": len(set(scored.capture)), "at the threshold as shipped": at_threshold(scored, threshold, base_rate)}
    if scored.both_classes():
        result["ranking"] = ranking(scored)
        result["90 % intervals, bootstrap by capture"] = intervals(scored, threshold)
    result["families"] = by_family(scored, threshold)
    result["time to detection"] = detection(scored, threshold)
    result["benign"] = benign_alerts(scored, threshold)
    result["drift (PSI)"] = drift(scored)
    return result
