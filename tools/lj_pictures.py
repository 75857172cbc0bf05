"""Pictures of a model and its scores, as small PNGs."""

import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402: the backend must be chosen first
import numpy  # noqa: E402
from sklearn.metrics import precision_recall_curve, roc_curve  # noqa: E402

DPI, CALIBRATION_BINS, IMPORTANCE_TOP = 70, 10, 20
KINDS = (("weight", "splits"), ("total_gain", "total gain"), ("total_cover", "total cover"))


def save(figure, folder, name):
    os.makedirs(folder, exist_ok=True)
    figure.tight_layout()
    # Without time and version, so that the same figures give the same bytes.
    figure.savefig(os.path.join(folder, name), dpi=DPI, metadata={"Software": None})
    plt.close(figure)


def roc(folder, scored, shipped):
    figure, axes = plt.subplots(figsize=(5, 4))
    fpr, tpr, _ = roc_curve(scored.y, scored.score)
    axes.step(numpy.maximum(fpr, 1e-5), tpr, where="post")
    axes.plot(max(shipped["fpr"], 1e-5), shipped["recall"], "o", label="as shipped")
    axes.set(xscale="log", xlim=(1e-5, 1), ylim=(0, 1.02), xlabel="false positive rate", ylabel="recall", title="ROC")
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, folder, "roc.png")


def precision_recall(folder, scored, shipped):
    figure, axes = plt.subplots(figsize=(5, 4))
    precision, recall, _ = precision_recall_curve(scored.y, scored.score)
    axes.plot(recall, precision)
    axes.plot(shipped["recall"], shipped["precision"] or 0, "o", label="as shipped")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title="precision and recall")
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, folder, "pr.png")


def confusion(folder, shipped):
    figure, axes = plt.subplots(figsize=(4, 3.4))
    table = numpy.array([[shipped["tn"], shipped["fp"]], [shipped["fn"], shipped["tp"]]])
    axes.imshow(table / numpy.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1.6)
    for i in range(2):
        for k in range(2):
            axes.text(k, i, f"{table[i, k]}", ha="center", va="center")
    axes.set(xticks=(0, 1), xticklabels=("benign", "malicious"), yticks=(0, 1), yticklabels=("benign", "malicious"),
             xlabel="called", ylabel="is", title="at the threshold as shipped")
    save(figure, folder, "confusion.png")


def calibration(folder, scored):
    """The share of malicious flows by score: on the diagonal if the score is the probability in these data."""
    figure, axes = plt.subplots(figsize=(4.6, 4))
    bins = numpy.minimum((scored.score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    used = [b for b in range(CALIBRATION_BINS) if (bins == b).any()]
    axes.plot((0, 1), (0, 1), color="grey", lw=0.8)
    axes.plot([scored.score[bins == b].mean() for b in used], [scored.y[bins == b].mean() for b in used], "o-")
    axes.set(xlabel="mean score", ylabel="share malicious", title="calibration", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    save(figure, folder, "calibration.png")


def importance(folder, booster, names):
    """The features with the highest importance, by three measures. If the model has no gain (imported from scikit-learn), by number of splits."""
    figure, columns = plt.subplots(1, len(KINDS), figsize=(11, 5.2), sharey=True)
    tables = [booster.get_score(importance_type=kind) for kind, _ in KINDS]
    keys = booster.feature_names or [f"f{i}" for i in range(len(names))]
    top = sorted(range(len(names)), key=lambda i: (-tables[1].get(keys[i], 0), -tables[0].get(keys[i], 0)))[:IMPORTANCE_TOP][::-1]
    for axes, table, (_, title) in zip(columns, tables, KINDS):
        axes.barh([names[i] for i in top], [table.get(keys[i], 0) / max(sum(table.values()), 1e-9) for i in top])
        axes.set_title(f"{title}, share of all")
        axes.grid(alpha=0.3, axis="x")
    save(figure, folder, "importance.png")


def all_of(folder, scored, shipped, booster, names):
    if scored.both_classes():
        roc(folder, scored, shipped)
        precision_recall(folder, scored, shipped)
        calibration(folder, scored)
    confusion(folder, shipped)
    importance(folder, booster, names)
