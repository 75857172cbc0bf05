"""Labelled captures to a table of features, by way of linejudge's own extraction."""

import csv
import hashlib
import multiprocessing
import os
import subprocess
import sys
import tarfile
import tempfile

import numpy

import lj_labels

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINEJUDGE = os.path.join(ROOT, "build", "app", "linejudge")
IDENTITY_COLUMNS = 9

# Labelled benign, but their names say otherwise; and per-packet labels, which a flow label cannot be made from here.
SUSPECT = ("dns_exfiltration", "dns-exf", "monero", "badpackets")


class Dataset:
    """X [n][features] float32, y [n], capture index [n]; captures' names, families and classes."""

    def __init__(self, names):
        self.names = names
        self.captures, self.families = [], []
        self._rows, self._labels, self._of = [], [], []

    def add(self, capture, family, rows, labels):
        index = len(self.captures)
        self.captures.append(capture)
        self.families.append(family)
        self._rows.extend(rows)
        self._labels.extend(labels)
        self._of.extend([index] * len(labels))

    def finish(self):
        self.x = numpy.array(self._rows, dtype=numpy.float64).astype(numpy.float32)
        self.y = numpy.array(self._labels, dtype=numpy.int8)
        self.capture = numpy.array(self._of, dtype=numpy.int32)
        self.family = numpy.array(self.families)[self.capture]
        del self._rows, self._labels, self._of
        return self


def unpack(data):
    """The folder that has the captures: `data` itself, or a temporary one its archives are unpacked to."""
    if os.path.isdir(os.path.join(data, "traffic")):
        return data, None
    archives = sorted(f for f in os.listdir(data) if f.startswith("traffic-") and f.endswith(".tar.xz"))
    if not archives:
        sys.exit(f"{data}: neither a folder traffic/ nor archives traffic-*.tar.xz")
    scratch = tempfile.TemporaryDirectory(prefix="linejudge-train-")
    for archive in archives:
        print(f"unpacking {archive}", file=sys.stderr)
        with tarfile.open(os.path.join(data, archive)) as tar:
            tar.extractall(scratch.name)
    return scratch.name, scratch


def _extract(job):
    """One capture: (row of LABELS.tsv, feature names, rows, labels)."""
    label, path = job
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        done = subprocess.run(
            [LINEJUDGE, "--pcap", path, "--model", "none", "--summary", "none", "--features", table.name],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        rule, rows, labels = lj_labels.Rule(label["rule"]), [], []
        with open(table.name, newline="", encoding="ascii") as file:
            reader = csv.reader(file)
            names = next(reader)[IDENTITY_COLUMNS:]
            for row in reader:
                verdict = rule(lj_labels.Flow(*row[1:6]))
                if verdict is None:
                    continue
                rows.append([float(v) if v else float("nan") for v in row[IDENTITY_COLUMNS:]])
                labels.append(verdict)
    return label, names, rows, labels


def load(data, labels_path):
    """Extracts every labelled capture that is used; says what is left out and why."""
    folder, scratch = unpack(data)
    jobs, left_out = [], []
    for label in lj_labels.read(labels_path):
        path = os.path.join(folder, "traffic", label["file"])
        if label["rule"].startswith("perpacket") or any(s in label["file"] for s in SUSPECT):
            left_out.append(label["file"])
        elif not os.path.exists(path):
            sys.exit(f"{labels_path}: {label['file']}: no such capture under {folder}/traffic")
        else:
            jobs.append((label, path))
    dataset = None
    with multiprocessing.Pool(2) as pool:
        for done, (label, names, rows, labels) in enumerate(pool.imap(_extract, jobs, chunksize=4), start=1):
            if dataset is None:
                dataset = Dataset(names)
            if rows:
                dataset.add(label["file"], label["family"], rows, labels)
            if done % 50 == 0 or done == len(jobs):
                print(f"extracted {done} of {len(jobs)} captures", file=sys.stderr)
    if scratch is not None:
        scratch.cleanup()
    return dataset.finish(), left_out


def hash_fraction(text, salt):
    """A number in 0..1 that depends on the text alone: the same split in every run."""
    digest = hashlib.sha256(f"{salt}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
