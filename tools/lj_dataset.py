"""Labelled captures, alone and merged, to a table of features, by way of linejudge's own extraction."""

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
import lj_merge

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINEJUDGE = os.path.join(ROOT, "build", "app", "linejudge")
IDENTITY_COLUMNS = 9

# Labelled benign, but their names say otherwise; and per-packet labels, which a flow label cannot be made from here.
SUSPECT = ("dns_exfiltration", "dns-exf", "monero", "badpackets")

# Of one capture, plain or within a merge: more say nothing new.
CAPTURE_CAP = 3000
BUCKETS = 10  # captures of one bucket are merged with each other and with no others
ATTACKS_A_MERGE, BENIGN_A_MERGE, BENIGN_AN_OVERLAY = 3, 12, 24
SPREAD_S = 300
SHARED = (0, 1, 2, 4, 8)


class Dataset:
    """X [n][features] float32, y [n], capture index [n], merged [n]; captures' names, families and buckets."""

    def __init__(self, labels):
        self.captures = [label["file"] for label in labels]
        self.families = numpy.array([label["family"] for label in labels])
        self.publishers = numpy.array([label["file"].partition("/")[0] for label in labels])
        self.buckets = numpy.array([int(hash_fraction(name, "bucket") * BUCKETS) for name in self.captures])
        self._parts = []

    def add(self, rows, labels, captures, merged):
        self._parts.append((rows, numpy.array(labels, numpy.int8), numpy.array(captures, numpy.int32),
                            numpy.full(len(labels), merged)))

    def finish(self, names):
        self.names = names
        self.x, self.y, self.capture, self.merged = (numpy.concatenate(column) for column in zip(*self._parts))
        self.family, self.publisher = self.families[self.capture], self.publishers[self.capture]
        self.bucket = self.buckets[self.capture]
        del self._parts
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


def _table(path):
    """Feature names, and of each flow its identity columns and its values as text."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        done = subprocess.run([LINEJUDGE, "--pcap", path, "--model", "none", "--summary", "none", "--features", table.name,
                               "--set", "features.set=linejudge,host"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        with open(table.name, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
    return header[IDENTITY_COLUMNS:], rows


def _extract(job):
    """A plain capture or a merge: (feature names, rows float32, labels, capture of each row, merged)."""
    parts, folder = job  # parts: (index of the capture, its label, offset in s, addresses shared)
    if len(parts) == 1:
        names, rows = _table(os.path.join(folder, parts[0][1]["file"]))
        owner = None
    else:
        with tempfile.NamedTemporaryFile(suffix=".pcap") as merged:
            owner = lj_merge.merge([(os.path.join(folder, label["file"]), offset, lj_merge.Sharing(shared, i) if shared else None)
                                    for i, (_, label, offset, shared) in enumerate(parts)], merged.name)
            names, rows = _table(merged.name)
    rules, chosen = [lj_labels.Rule(label["rule"]) for _, label, _, _ in parts], [[] for _ in parts]
    for row in rows:
        part = owner[int(row[6])] if owner else 0
        verdict = rules[part](lj_labels.Flow(*row[1:6]))
        if verdict is not None:
            chosen[part].append((hash_fraction(row[0], "cap"), verdict, row))
    values, labels, captures = [], [], []
    for (index, *_), flows in zip(parts, chosen):
        for _, verdict, row in sorted(flows, key=lambda flow: flow[0])[:CAPTURE_CAP]:
            values.append([float(v) if v else numpy.nan for v in row[IDENTITY_COLUMNS:]])
            labels.append(verdict)
            captures.append(index)
    return names, numpy.array(values, numpy.float32).reshape(len(labels), len(names)), labels, captures, owner is not None


def _merges(labels, buckets):
    """Attacks embedded among benign captures, and benign captures overlaid, within each bucket."""
    for bucket in range(BUCKETS):
        rng = numpy.random.default_rng(1000 + bucket)
        here = [i for i in range(len(labels)) if buckets[i] == bucket]
        benign = [i for i in here if labels[i]["class"] == "benign"]
        attacks = [i for i in here if labels[i]["class"] != "benign"]
        rng.shuffle(attacks)
        rng.shuffle(benign)
        for at in range(0, len(attacks), ATTACKS_A_MERGE):
            shared = int(rng.choice(SHARED))
            around = rng.choice(benign, min(BENIGN_A_MERGE, len(benign)), replace=False)
            yield ([(i, labels[i], rng.uniform(0, SPREAD_S), 0) for i in attacks[at:at + ATTACKS_A_MERGE]] +
                   [(int(i), labels[int(i)], rng.uniform(0, SPREAD_S), shared) for i in around])
        for at in range(0, len(benign), BENIGN_AN_OVERLAY):
            shared = int(rng.choice(SHARED))
            yield [(i, labels[i], rng.uniform(0, SPREAD_S), shared) for i in benign[at:at + BENIGN_AN_OVERLAY]]


def load(data, labels_path):
    """Extracts every labelled capture that is used, alone and merged; says what is left out and why."""
    folder, scratch = unpack(data)
    folder = os.path.join(folder, "traffic")
    labels, left_out = [], []
    for label in lj_labels.read(labels_path):
        if label["rule"].startswith("perpacket") or any(s in label["file"] for s in SUSPECT):
            left_out.append(label["file"])
        elif not os.path.exists(os.path.join(folder, label["file"])):
            sys.exit(f"{labels_path}: {label['file']}: no such capture under {folder}")
        else:
            labels.append(label)
    dataset = Dataset(labels)
    jobs = [([(i, label, 0, 0)], folder) for i, label in enumerate(labels)]
    jobs += [(parts, folder) for parts in _merges(labels, dataset.buckets) if len(parts) > 1]
    with multiprocessing.Pool(2) as pool:
        for done, (names, *part) in enumerate(pool.imap(_extract, jobs, chunksize=4), start=1):
            if part[1]:
                dataset.add(*part)
            if done % 100 == 0 or done == len(jobs):
                print(f"extracted {done} of {len(jobs)} captures and merges", file=sys.stderr)
    if scratch is not None:
        scratch.cleanup()
    return dataset.finish(names), left_out


def hash_fraction(text, salt):
    """A number in 0..1 that depends on the text alone: the same split in every run."""
    digest = hashlib.sha256(f"{salt}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
