"""Histograms of the training data that a bundle keeps, to detect drift of the traffic later (lib/drift)."""

import hashlib
import json
import os
import tempfile

import numpy

BINS = 10


def bins_of(values):
    """Bin edges at the deciles, without duplicates, and the share of values in each bin; missing values first."""
    values = numpy.asarray(values, numpy.float32)
    present = values[~numpy.isnan(values)]
    edges = numpy.unique(numpy.quantile(present, numpy.arange(1, BINS) / BINS, method="lower")) if len(present) else numpy.array([])
    edges = edges[numpy.isfinite(edges)].astype(numpy.float32)
    # If the minimum is also the most frequent value, nothing is below its edge: move the edge above it.
    if len(edges) and edges[0] == present.min():
        above = present[present > edges[0]]
        edges = numpy.unique(numpy.append(edges[1:], above.min())) if len(above) else edges[:0]
    counts = numpy.bincount(1 + numpy.searchsorted(edges, present, side="right"), minlength=len(edges) + 2).astype(float)
    counts[0] = len(values) - len(present)
    return {"edges": [float(f"{edge:.9g}") for edge in edges], "shares": [round(c / len(values), 6) for c in counts]}


def write(folder, rows, scores):
    """Writes reference.json for `rows` [n][features], in the manifest's order, and their scores; returns its entry for the manifest."""
    path = os.path.join(folder, "reference.json")
    with open(path, "w", encoding="ascii") as file:
        file.write('{"format": 1, "rows": %d,\n "score": %s,\n "features": [\n  ' % (len(rows), json.dumps(bins_of(scores))))
        file.write(",\n  ".join(json.dumps(bins_of(column)) for column in numpy.asarray(rows, numpy.float32).T))
        file.write("]}\n")
    with open(path, "rb") as file:
        return {"name": "reference.json", "sha256": hashlib.sha256(file.read()).hexdigest()}


def add(folder, rows, scores):
    """Adds a reference to a bundle; the bundle stays unchanged if that fails."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    with tempfile.TemporaryDirectory(prefix=".reference-", dir=folder) as scratch:
        manifest["files"]["reference"] = write(scratch, rows, scores)
        with open(os.path.join(scratch, "manifest.json"), "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")
        for name in ("reference.json", "manifest.json"):
            os.replace(os.path.join(scratch, name), os.path.join(folder, name))
