"""A ready-made table of labelled flows (CIC-IDS2017, NF-*-v2, a feature table of linejudge's) as a data set to train on.

Columns are linejudge's features by any of their spellings; the rest is left out and named. A table has no captures: stretches of
consecutive rows of a family stand for them in the folds, which says less than captures do.
"""

import csv
import difflib
import os
import re
import subprocess

import numpy

import lj_dataset

BLOCKS = 50
BENIGN = {"benign", "normal", "0", "0.0", "background"}

# What names the network, the service or the very packet rather than what the flow does.
IDENTITY = re.compile(r"(^|_)(src_|dst_|s|d)port$|_ttl(_|$)|_window_(first|max)$|_win(_|$)|_l7_proto$|_dns_query_id$|(^|_)fwd_seg_size_min$")


def known_columns():
    """{spelling in lower case: feature}, from the reference of features."""
    done = subprocess.run([lj_dataset.LINEJUDGE, "--help-features"], stdout=subprocess.PIPE, text=True, check=True)
    found = {}
    for line in done.stdout.partition("## Columns that have no feature")[0].splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.split(" | ")]
            name = cells[0].strip("|` ")
            for spelling in (name, *filter(None, cells[2].split("; "))):
                found.setdefault(spelling.strip().lower(), name)
    return found


def _column(path, header, name):
    names = [h.strip() for h in header]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, 3, 0.5) or names[:6]
    raise ValueError(f"{path}: no column {name!r}; there is {', '.join(near)}")


def _number(text, path, line, name):
    """inf is what a division by a duration of 0 left there: missing, as NaN is."""
    try:
        value = float(text) if text.strip() else numpy.nan
    except ValueError:
        raise ValueError(f"{path}: line {line}: {name}: {text!r} is not a number") from None
    return value if numpy.isfinite(value) and abs(value) < 3e38 else numpy.nan


def _read(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        for row in reader:
            if len(row) != len(header):
                raise ValueError(f"{path}: line {reader.line_num}: {len(row)} cells, and the header has {len(header)}")
            yield header, reader.line_num, row


def _blocks(name, families, y):
    """Index of each row's block, and each block's label as LABELS.tsv has it."""
    index, labels = numpy.empty(len(y), int), []
    for family, label in sorted(set(zip(families, y.tolist()))):
        rows = numpy.flatnonzero((numpy.array(families) == family) & (y == label))
        for block, part in enumerate(p for p in numpy.array_split(rows, BLOCKS) if len(p)):
            index[part] = len(labels)
            labels.append({"file": f"{name}/{family}/{block}", "class": "malicious" if label else "benign", "family": family})
    return index, labels


def load(path, label, benign=(), family=None, identity=False):
    """A Dataset named as the table's own columns are, and the columns left out; `identity`: with those of ports, TTL and windows."""
    benign = {b.lower() for b in benign} or BENIGN
    rows = list(_read(path))
    if not rows:
        raise ValueError(f"{path}: no rows")
    header = rows[0][0]
    label_at, known = _column(path, header, label), known_columns()
    family_at = _column(path, header, family) if family else label_at
    special = {label_at, family_at}
    names = {i: known.get(h.strip().lower()) for i, h in enumerate(header) if i not in special}
    used = [i for i, name in names.items() if name and (identity or not IDENTITY.search(name))]
    if len(used) < 2:
        raise ValueError(f"{path}: {len(used)} of its columns are features ({', '.join(header[:4])} ...): "
                         "CIC-IDS2017's, NF-*-v2's, Argus's or linejudge's own are wanted, see docs/features.md")
    x = numpy.array([[_number(row[i], path, line, header[i]) for i in used] for _, line, row in rows], numpy.float32)
    y = numpy.array([row[label_at].strip().lower() not in benign for _, _, row in rows], numpy.int8)
    if y.all() or not y.any():
        raise ValueError(f"{path}: {label}: every row is {'malicious' if y.all() else 'benign'}; "
                         f"what counts as benign is {', '.join(sorted(benign))}, or choose with --benign")
    families = [row[family_at].strip() for _, _, row in rows]
    index, labels = _blocks(os.path.basename(path), families, y)
    dataset = lj_dataset.Dataset(labels)
    dataset.add(x, y, index, False)
    dataset.finish([header[i].strip() for i in used])
    return dataset, [h.strip() for i, h in enumerate(header) if i not in used and i not in special]
