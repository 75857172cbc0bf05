"""Several boosters as one: its margin is the mean of theirs, and every engine runs it as any other."""

import numpy

import lj_foreign


def _shrink(tree, factor):
    """Multiplies what the leaves of a tree add, in float32 as it is added up."""
    values, weights = tree["split_conditions"], tree["base_weights"]
    for node, child in enumerate(tree["left_children"]):
        weights[node] = float(numpy.float32(weights[node]) * factor)
        if child < 0:
            values[node] = float(numpy.float32(values[node]) * factor)


def joined(boosters):
    """Trees take turns, a round of all before the next round of any: so the first n * len(boosters) trees are what the boosters were
    after n rounds, but for the leaves, which are divided by len(boosters)."""
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
