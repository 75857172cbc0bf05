"""The histograms that a bundle keeps of what it was trained on, to tell later whether traffic still looks like it (lib/drift)."""

import hashlib
import json
import os
import tempfile

import numpy

BINS = 10


def bins_of(values):
    """Edges at the deciles, as far as they differ, and the share of values in each bin; missing ones first."""
    values = numpy.asarray(values, numpy.float32)
    present = values[~numpy.isnan(values)]
    edges = numpy.unique(numpy.quantile(present, numpy.arange(1, BINS) / BINS, method="lower")) if len(present) else numpy.array([])
    edges = edges[numpy.isfinite(edges)].astype(numpy.float32)
    # Where one value is the least and the commonest, nothing is below its edge: the edge goes behind it.
    if len(edges) and edges[0] == present.min():
        above = present[present > edges[0]]
        edges = numpy.unique(numpy.append(edges[1:], above.min())) if len(above) else edges[:0]
    counts = numpy.bincount(1 + numpy.searchsorted(edges, present, side="right"), minlength=len(edges) + 2).astype(float)
    counts[0] = len(values) - len(present)
    return {"edges": [float(f"{edge:.9g}") for edge in edges], "shares": [round(c / len(values), 6) for c in counts]}


def write(folder, rows, scores):
    """reference.json of `rows` [n][features], in the manifest's order, and their scores; what the manifest says of it."""
    path = os.path.join(folder, "reference.json")
    with open(path, "w", encoding="ascii") as file:
        file.write('{"format": 1, "rows": %d,\n "score": %s,\n "features": [\n  ' % (len(rows), json.dumps(bins_of(scores))))
        file.write(",\n  ".join(json.dumps(bins_of(column)) for column in numpy.asarray(rows, numpy.float32).T))
        file.write("]}\n")
    with open(path, "rb") as file:
        return {"name": "reference.json", "sha256": hashlib.sha256(file.read()).hexdigest()}


def add(folder, rows, scores):
    """Gives a bundle the reference; what fails on the way leaves it as it was."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    with tempfile.TemporaryDirectory(prefix=".reference-", dir=folder) as scratch:
        manifest["files"]["reference"] = write(scratch, rows, scores)
        with open(os.path.join(scratch, "manifest.json"), "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")
        for name in ("reference.json", "manifest.json"):
            os.replace(os.path.join(scratch, name), os.path.join(folder, name))
