"""Loads an existing table of labelled flows (CIC-IDS2017, NF-*-v2, a feature table of linejudge's) as a data set for training.

Columns are recognized by any alias of linejudge's features; others are omitted and reported. A table has no captures: consecutive blocks of rows of
a family replace them in the folds, which is a weaker test. Each of several tables is a publisher.
"""

import array
import csv
import difflib
import os
import re
import subprocess
import sys

import numpy

import lj_dataset

BLOCKS = 50
BENIGN = {"benign", "normal", "0", "0.0", "background"}

# Features that identify the network, the service or a single packet rather than the behaviour of a flow.
IDENTITY = re.compile(r"(^|_)(src_|dst_|s|d)port$|_ttl(_|$)|_window_(first|max)$|_win(_|$)|_l7_proto$|_dns_query_id$|(^|_)fwd_seg_size_min$")


def known_columns():
    """{alias in lower case: feature}, from the feature reference."""
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
    if name in header:
        return header.index(name)
    near = difflib.get_close_matches(name, header, 3, 0.5) or [h[:40] for h in header[:6]]
    raise ValueError(f"{path}: no column {name!r}; there is {', '.join(near)}")


def _plain(text):
    """float() with underscores refused: it would accept Python's 1_000."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


def _number(text, path, line, name):
    try:
        return _plain(text) if text.strip() else numpy.nan
    except ValueError:
        raise ValueError(f"{path}: line {line}: {name}: {text[:40]!r} is not a number") from None


def _read(path):
    """Yields the header, then (line, row) for each row. Undecodable bytes are replaced: CIC-IDS2017's files contain one in the names of web
    attacks."""
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.reader(file)
        try:
            header = [name.strip() for name in next(reader, [])]
            if not any(header) or "\ufffd" in "".join(header):
                raise ValueError(f"{path}: is not a table: its first line is not a header of columns separated by commas")
            for separator, name in ((";", "semicolons"), ("\t", "tabs")):
                if len(header) == 1 and separator in header[0]:
                    raise ValueError(f"{path}: its columns are separated by {name}: use commas")
            yield header
            for row in reader:
                if not any(row):  # CIC-IDS2017's files contain many rows of only commas
                    continue
                if len(row) != len(header):
                    raise ValueError(f"{path}: line {reader.line_num}: {len(row)} cells, and the header has {len(header)}")
                yield reader.line_num, row
        except csv.Error as error:
            raise ValueError(f"{path}: line {reader.line_num}: {error}") from None


class Columns:
    """Which columns of a header are used, and as what."""

    def __init__(self, path, header, label, family, identity):
        self.header, known = header, known_columns()
        self.label = _column(path, header, label)
        self.family = _column(path, header, family) if family else self.label
        features = {}  # the first column of each feature: CIC-IDS2017's files have 'Fwd Header Length' twice
        for i, name in enumerate(header):
            feature = known.get(name.lower())
            if feature and i not in (self.label, self.family) and (identity or not IDENTITY.search(feature)):
                features.setdefault(feature, i)
        self.used = sorted(features.values())
        if len(self.used) < 2:
            raise ValueError(f"{path}: {len(self.used)} of its columns are features ({', '.join(name[:40] for name in header[:4])} ...): "
                             "CIC-IDS2017's, NF-*-v2's, Argus's or linejudge's own are wanted, see docs/features.md")

    def left_out(self):
        return [name for i, name in enumerate(self.header) if i not in (*self.used, self.label, self.family)]

    def rows_of(self, path, rows, unlabelled):
        """(values float32 [n][used], label, family) of each row; rows without a label are accepted only if `unlabelled`."""
        values, labels, families = array.array("f"), [], []
        for line, row in rows:
            try:
                values.extend([_plain(row[i]) for i in self.used])
            except ValueError:
                values.extend([_number(row[i], path, line, self.header[i]) for i in self.used])
            labels.append(sys.intern(row[self.label].strip()))
            if not labels[-1] and not unlabelled:
                raise ValueError(f"{path}: line {line}: {self.header[self.label]} is empty")
            families.append(sys.intern(row[self.family].strip().replace("\ufffd", "-")))
        x = numpy.frombuffer(values, numpy.float32).reshape(-1, len(self.used)).copy() if labels else None
        return x, labels, families


def _blocks(name, families, y):
    """The index of each row's block, and a label for each block as in LABELS.tsv."""
    index, labels = numpy.empty(len(y), int), []
    for family, label in sorted(set(zip(families, y.tolist()))):
        rows = numpy.flatnonzero((numpy.array(families) == family) & (y == label))
        for block, part in enumerate(p for p in numpy.array_split(rows, BLOCKS) if len(p)):
            index[part] = len(labels)
            labels.append({"file": f"{name}/{family}/{block}", "class": "malicious" if label else "benign", "family": family})
    return index, labels


def _part(path, columns, rows, benign):
    """x, y and families of one table."""
    x, said, families = columns.rows_of(path, rows, "" in benign)
    if not said:
        raise ValueError(f"{path}: no rows")
    # inf is the result of a division by a duration of 0: treat it as missing.
    x[~numpy.isfinite(x)] = numpy.nan
    if numpy.isnan(x).all():
        raise ValueError(f"{path}: none of the feature columns has a value in any of its {len(said)} rows")
    return x, numpy.array([label.lower() not in benign for label in said], numpy.int8), families


def _check_classes(paths, label, benign, y):
    """Checks that there are enough rows of both classes."""
    if y.all() or not y.any():
        raise ValueError(f"{paths[-1]}: {label}: every row is {'malicious' if y.all() else 'benign'}; "
                         f"what counts as benign is {', '.join(sorted(benign))}, or choose with --benign")
    attacks = int(y.sum())
    if min(attacks, len(y) - attacks) < lj_dataset.BUCKETS_FEW:
        raise ValueError(f"{', '.join(paths)}: {len(y) - attacks} benign rows and {attacks} others: folds need {lj_dataset.BUCKETS_FEW} of each")


def _check_names(paths):
    """A table's file name is its publisher, by which tools/evaluate recognizes it; a duplicate would be on both sides of the folds."""
    before = {}
    for path in paths:
        name = os.path.basename(path)
        if name in before:
            raise ValueError(f"{path}: has the same name as {before[name]}, but a table's name is its publisher: rename one, for example by a link")
        before[name] = path


def load(paths, label, benign=(), family=None, learn=True):
    """Returns a Dataset with the tables' own column names, and the columns left out. To `learn` from, both classes are required, and columns of
    ports, TTL and windows are omitted. All tables must have the same header."""
    benign, parts, columns = {b.lower() for b in benign} or BENIGN, [], None
    if learn:
        _check_names(paths)
    for path in paths:
        rows = _read(path)
        header = next(rows)
        columns = columns or Columns(path, header, label, family, not learn)
        if header != columns.header:
            raise ValueError(f"{path}: has other columns than {paths[0]}")
        parts.append((path, *_part(path, columns, rows, benign)))
    y = numpy.concatenate([part[2] for part in parts])
    if learn:
        _check_classes(paths, label, benign, y)
    indices, labels = [], []
    for path, _, own, families in parts:
        index, of_table = _blocks(os.path.basename(path), families, own)
        indices.append(index + len(labels))
        labels += of_table
    dataset = lj_dataset.Dataset(labels, folds=learn)
    dataset.add(numpy.concatenate([part[1] for part in parts]), y, numpy.concatenate(indices), False)
    dataset.finish([columns.header[i] for i in columns.used])
    return dataset, columns.left_out()
