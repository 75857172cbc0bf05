"""Converts scikit-learn's trees to a booster with the same scores.

scikit-learn goes left if float32(x) <= threshold, a double; XGBoost if x < threshold, a float32. So each threshold becomes the smallest float32
that goes right, found by bisection over all float32 values; with a scaler before the trees, over the scaled values. Nothing is rounded, so each
flow reaches the same leaf as in scikit-learn.
"""

import numpy
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

import lj_foreign
from lj_foreign import ImportFailed

LARGEST = numpy.int64(0x7F7FFFFF)  # bit pattern of the largest finite float32
TOLERANCE = 1e-6
ESTIMATORS = (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier, ExtraTreeClassifier, GradientBoostingClassifier)


def float_of(key):
    """Maps -LARGEST .. LARGEST to the float32 values in ascending order."""
    magnitude = numpy.abs(key).astype(numpy.uint32).view(numpy.float32)
    return numpy.where(key < 0, -magnitude, magnitude)


class Columns:
    """The steps before the trees: missing values filled, columns scaled."""

    def __init__(self, features, missing):
        self.fill = numpy.full(features, missing, numpy.float64)
        self.mean = numpy.zeros(features)
        self.scale = numpy.ones(features)
        self.imputed = self.scaled = False

    def add(self, step):
        if isinstance(step, (SimpleImputer, StandardScaler)) and not hasattr(step, "n_features_in_"):
            raise ImportFailed(f"{type(step).__name__} was not fitted")
        if isinstance(step, SimpleImputer) and not self.imputed and not self.scaled and not getattr(step, "add_indicator", False):
            if not numpy.isnan(step.missing_values) or len(step.statistics_) != len(self.fill) or numpy.isnan(step.statistics_).any():
                raise ImportFailed("SimpleImputer: not one that fills NaN in every column")
            self.fill, self.imputed = step.statistics_.astype(numpy.float64), True
        elif isinstance(step, StandardScaler) and not self.scaled:
            if step.mean_ is not None and step.with_mean:
                self.mean = step.mean_
            if step.scale_ is not None:
                self.scale = step.scale_
            self.scaled = True
        elif step not in (None, "passthrough"):
            raise ImportFailed(f"a pipeline may have one SimpleImputer, then one StandardScaler, before the trees; not {type(step).__name__}")

    def seen(self, feature, x):
        """The values that the trees compare, for values x of these features."""
        with numpy.errstate(over="ignore"):
            scaled = (x.astype(numpy.float64) - self.mean[feature]) / self.scale[feature] if self.scaled else x
            return scaled.astype(numpy.float32).astype(numpy.float64)

    def thresholds(self, feature, threshold):
        """For each split, the smallest float32 that goes right."""
        low = numpy.full(len(feature), -LARGEST)
        high = numpy.full(len(feature), LARGEST)
        while (low < high).any():
            middle = (low + high) // 2
            right = self.seen(feature, float_of(middle)) > threshold
            high = numpy.where(right, middle, high)
            low = numpy.where(right, low, numpy.minimum(middle + 1, high))
        return float_of(low)

    def missing_left(self, feature, threshold):
        return self.seen(feature, self.fill[feature]) <= threshold

    def filled(self, rows):
        return numpy.where(numpy.isnan(rows), self.fill, rows)


def take_apart(model, features, missing):
    """(steps before the trees, the estimator)."""
    columns = Columns(features, missing)
    if isinstance(model, Pipeline):
        for _, step in model.steps[:-1]:
            columns.add(step)
        model = model.steps[-1][1]
    if not hasattr(model, "n_features_in_"):
        raise ImportFailed(f"{type(model).__name__} is not a fitted estimator of scikit-learn")
    if model.n_features_in_ != features:
        raise ImportFailed(f"--features: {features} names, the model takes {model.n_features_in_} columns")
    return columns, model


def tree_of(index, tree, columns, leaves, mapping=None):
    """Converts one tree_ with `leaves` [nodes] as its values; `mapping` gives the columns of its features."""
    count = len(columns.fill)
    old, left = [0], []
    for node in old:
        if tree.children_left[node] >= 0:
            left.append(len(old))
            old += [tree.children_left[node], tree.children_right[node]]
        else:
            left.append(-1)
    old = numpy.array(old)
    split = numpy.array(left) >= 0
    feature = tree.feature[old[split]]
    feature = feature if mapping is None else mapping[feature]
    features, default = numpy.zeros(len(old), numpy.int64), numpy.zeros(len(old), bool)
    values = leaves[old].astype(numpy.float32)
    features[split] = feature
    values[split] = columns.thresholds(feature, tree.threshold[old[split]])
    default[split] = columns.missing_left(feature, tree.threshold[old[split]])
    return lj_foreign.tree_document(index, left, features, values, default, tree.weighted_n_node_samples[old], count)


def shares(tree):
    """Probability of each class in each node; 0 if the node's samples have no weight, as in scikit-learn."""
    value = tree.value[:, 0, :]
    weight = value.sum(axis=1, keepdims=True)
    return value / numpy.where(weight == 0, 1, weight)


class Imported:
    """A booster, and how its margins become scores."""

    def __init__(self, columns, model, outputs):
        self.columns, self.model, self.outputs = columns, model, outputs
        self.trees, self.transform, self.threshold = [], None, 0.5

    def add(self, output, tree, leaves, mapping=None):
        self.trees.append((output, tree_of(len(self.trees), tree, self.columns, leaves, mapping)))

    def booster(self):
        return lj_foreign.booster_of(self.trees, self.outputs, len(self.columns.fill))


def averaged(columns, model, trees, order):
    """Trees whose leaf probabilities are averaged."""
    outputs = 1 if len(order) == 2 else len(order)
    made = Imported(columns, model, outputs)
    for tree in trees:
        share = shares(tree)
        for output, k in enumerate(order[1:] if outputs == 1 else order):
            made.add(output, tree, share[:, k])
    made.transform = {"kind": "mean", "divisor": len(trees)}
    return made


def boosted(columns, model, order):
    """Boosted trees; the prior is added to the first tree of each class."""
    if model.init_ != "zero" and type(model.init_).__name__ != "DummyClassifier":
        raise ImportFailed(f"GradientBoosting that begins with a {type(model.init_).__name__} is more than its trees")
    made = Imported(columns, model, 1 if len(order) == 2 else len(order))
    prior = model._raw_predict_init(numpy.zeros((1, model.n_features_in_), numpy.float32))[0]
    factor = 2 if model.loss == "exponential" else 1
    places = [0] if made.outputs == 1 else order
    sign = -1 if made.outputs == 1 and order[1] == 0 else 1
    for stage, row in enumerate(model.estimators_):
        for output, k in enumerate(places):
            tree = row[k].tree_
            leaves = tree.value[:, 0, 0] * model.learning_rate + (prior[k] if stage == 0 else 0)
            made.add(output, tree, sign * factor * leaves)
    return made


def expected_path(n):
    """c(n), the mean path length of an unsuccessful search in a binary tree of n points, as in scikit-learn."""
    n = numpy.asarray(n, numpy.float64)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        path = 2.0 * (numpy.log(n - 1.0) + numpy.euler_gamma) - 2.0 * (n - 1.0) / n
    return numpy.where(n <= 1, 0.0, numpy.where(n == 2, 1.0, path))


def isolating(columns, model):
    """An isolation forest: a leaf's value is its depth plus the expected further path length."""
    made = Imported(columns, model, 1)
    for estimator, mapping in zip(model.estimators_, model.estimators_features_):
        tree = estimator.tree_
        depth = numpy.zeros(tree.node_count)
        for node in range(tree.node_count):  # parents precede their children
            if tree.children_left[node] >= 0:
                depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
        made.add(0, tree, depth + expected_path(tree.n_node_samples), mapping)
    samples = getattr(model, "_max_samples", None) or model.max_samples_
    if samples < 2:
        raise ImportFailed("IsolationForest: each of its trees has seen one sample, and isolates nothing")
    made.transform = {"kind": "path_length", "divisor": float(len(model.estimators_) * expected_path(samples))}
    # The offset is often a quantile of the training scores; a flow with exactly this score is no outlier in predict().
    made.threshold = float(-model.offset_) + TOLERANCE / 2
    return made


def labels_of(model):
    """The model's class labels."""
    model = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if isinstance(model, IsolationForest):
        return ["benign", "anomaly"]
    if not isinstance(model, ESTIMATORS):
        xgboost = "; what it keeps by save_model() is for tools/import-xgboost" if type(model).__module__.startswith("xgboost") else ""
        raise ImportFailed(f"{type(model).__name__} is none of {', '.join(kind.__name__ for kind in (*ESTIMATORS, IsolationForest))}{xgboost}")
    labels = getattr(model, "classes_", None)
    if labels is None:
        raise ImportFailed(f"{type(model).__name__} was not fitted")
    if not 2 <= len(labels) <= 16:
        raise ImportFailed(f"{type(model).__name__} tells {len(labels)} classes apart; 2 to 16 are supported")
    return list(labels)


def convert(model, features, missing, order):
    """Converts a model; `order`: indices of the classes, the benign one first. Returns an Imported."""
    columns, model = take_apart(model, features, missing)
    if isinstance(model, IsolationForest):
        return isolating(columns, model)
    if getattr(model, "n_outputs_", 1) != 1:
        raise ImportFailed("the model has several outputs")
    if isinstance(model, GradientBoostingClassifier):
        return boosted(columns, model, order)
    trees = [e.tree_ for e in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]
    return averaged(columns, model, trees, order)


def reference_scores(model, made, rows, order):
    """scikit-learn's scores, [n][outputs], in the bundle's format."""
    filled = made.columns.filled(rows)
    if isinstance(made.model, IsolationForest):
        return -model.score_samples(filled)[:, None]
    probabilities = model.predict_proba(filled)[:, order]
    return probabilities[:, 1:] if made.outputs == 1 else probabilities


def difference(model, made, booster, rows, order):
    """The largest difference between the bundle's scores and scikit-learn's."""
    _, probabilities = lj_foreign.scores(booster, rows, made.transform)
    reference = reference_scores(model, made, rows, order)
    for whose, what in (("scikit-learn's own", reference), ("the bundle's", probabilities)):
        if not numpy.isfinite(what).all():
            raise ImportFailed(f"{whose} scores of {(~numpy.isfinite(what)).any(axis=1).sum()} of the {len(rows)} golden rows are no numbers")
    return float(numpy.abs(probabilities.astype(numpy.float64) - reference).max())
