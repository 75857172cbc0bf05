"""Combines several boosters into one whose margin is the mean of theirs, and which every engine can run."""

import numpy

import lj_foreign


def _shrink(tree, factor):
    """Divides the contribution of a tree's leaves, in float32 as they are summed."""
    values, weights = tree["split_conditions"], tree["base_weights"]
    for node, child in enumerate(tree["left_children"]):
        weights[node] = float(numpy.float32(weights[node]) * factor)
        if child < 0:
            values[node] = float(numpy.float32(values[node]) * factor)


def joined(boosters):
    """Interleaves the trees round by round: the first n * len(boosters) trees are the boosters after n rounds, with leaves divided by
    len(boosters)."""
    if len(boosters) == 1:
        return boosters[0]
    documents, factor = [lj_foreign.document_of(booster) for booster in boosters], numpy.float32(1 / len(boosters))
    models = [document["learner"]["gradient_booster"]["model"] for document in documents]
    trees = [tree for turn in zip(*(model["trees"] for model in models), strict=True) for tree in turn]
    for index, tree in enumerate(trees):
        tree["id"] = index
        _shrink(tree, factor)
    whole = models[0]
    whole["gbtree_model_param"]["num_trees"] = str(len(trees))
    whole.update(trees=trees, tree_info=[0] * len(trees))
    documents[0]["learner"]["attributes"] = {}
    return lj_foreign.load_document(documents[0])
