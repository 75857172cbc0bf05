"""Converts labelled captures, alone and merged, to a table of features, extracted by linejudge itself."""

import collections
import contextlib
import copy
import csv
import hashlib
import io
import lzma
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from concurrent import futures

import numpy

import lj_attacks
import lj_digest
import lj_labels
import lj_merge

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINEJUDGE = os.path.join(ROOT, "build", "app", "linejudge")
IDENTITY_COLUMNS = 9

# Labelled benign, but their names suggest otherwise.
SUSPECT = ("dns_exfiltration", "dns-exf", "monero", "badpackets")

# Most flows of one capture, plain or within a merge: more add no information.
CAPTURE_CAP = 3000
BUCKETS = 10  # captures are merged only with others of the same bucket
BUCKETS_FEW = 5  # if a class has fewer than BUCKETS captures; the minimum
ATTACKS_A_MERGE, BENIGN_A_MERGE, BENIGN_AN_OVERLAY = 3, 12, 24
MADE_TURNS = 2  # merges of each synthetic attack: in one its attacker is behind a shared address, in the other it is an ordinary host
SPREAD_S = 300
SHARED = (0, 1, 2, 4, 8)


class Dataset:
    """X [n][features] float32, y [n], capture index [n], merged [n]; the captures' names, families, publishers and buckets.

    Rows of synthetic attacks (tools/lj_attacks.py), with `real` False, are for training only."""

    def __init__(self, captured, made=(), folds=True):
        labels = [*captured, *made]
        self.captures = [label["file"] for label in labels]
        self.families = numpy.array([label["family"] for label in labels])
        self.publishers = numpy.array([label["file"].partition("/")[0] if "/" in label["file"] else "captures" for label in labels])
        self.n_buckets, buckets = deal_to_buckets(captured) if folds else (1, numpy.zeros(len(captured), int))
        self.buckets = numpy.append(buckets, numpy.arange(len(made)) % self.n_buckets)
        self._parts = []

    def add(self, rows, labels, captures, merged):
        self._parts.append((rows, numpy.array(labels, numpy.int8), numpy.array(captures, numpy.int32),
                            numpy.full(len(labels), merged)))

    def finish(self, names):
        if not self._parts:
            raise ValueError("no flow of any capture is used according to its rule")
        self.names = names
        self.x, self.y, self.capture, self.merged = (numpy.concatenate(column) for column in zip(*self._parts))
        del self._parts
        return self.index()

    def index(self):
        """Derives each row's family, publisher and bucket from its capture."""
        self.family, self.publisher = self.families[self.capture], self.publishers[self.capture]
        # Numbers in the order of the names: comparing names row by row took most of the training time.
        self.family_number, self.publisher_number = (numpy.unique(names, return_inverse=True)[1][self.capture]
                                                     for names in (self.families, self.publishers))
        self.bucket, self.real = self.buckets[self.capture], self.publisher != lj_attacks.PUBLISHER
        return self

    def without(self, publishers):
        """The data set without the captures of these publishers."""
        unknown = sorted(set(publishers) - set(self.publishers))
        if unknown:
            raise ValueError(f"no publisher {unknown[0]}; there are {', '.join(sorted(set(self.publishers)))}")
        return self.only(~numpy.isin(self.publisher, list(publishers))).checked("without " + ", ".join(publishers))

    def checked(self, what):
        """Returns itself; an error if it does not have both classes."""
        for label, name in enumerate(("benign", "malicious")):
            if not (self.y[self.real] == label).any():
                raise ValueError(f"{what}: no flow is {name}")
        return self

    def only(self, mask):
        """A data set of these rows; everything else is shared."""
        part = copy.copy(self)
        part.x, part.y, part.capture, part.merged = self.x[mask], self.y[mask], self.capture[mask], self.merged[mask]
        return part.index()


def unpack(data):
    """The folder of the captures: `data` itself, or a temporary folder to which its archives are unpacked."""
    if not os.path.isdir(data):
        raise ValueError(f"{data}: is not a folder of captures")
    if os.path.isdir(os.path.join(data, "traffic")):
        return os.path.join(data, "traffic"), None
    archives = sorted(f for f in os.listdir(data) if f.startswith("traffic-") and f.endswith(".tar.xz"))
    if not archives:
        return data, None
    scratch = tempfile.TemporaryDirectory(prefix="linejudge-train-")
    for archive in archives:
        print(f"unpacking {archive}", file=sys.stderr)
        try:
            with tarfile.open(os.path.join(data, archive)) as tar:
                tar.extractall(scratch.name)
        except (tarfile.TarError, EOFError, lzma.LZMAError) as error:
            raise ValueError(f"{os.path.join(data, archive)}: cannot be unpacked: {error}") from None
    return os.path.join(scratch.name, "traffic"), scratch


def deal_to_buckets(labels):
    """The number of buckets, and each capture's bucket, by a hash of its name; classes are evenly distributed over the buckets."""
    sides = [[i for i, label in enumerate(labels) if (label["class"] == "benign") == benign] for benign in (True, False)]
    fewest = min(map(len, sides))
    if fewest < BUCKETS_FEW:
        raise ValueError(f"{len(sides[0])} benign captures and {len(sides[1])} others: folds by capture need {BUCKETS_FEW} of each")
    n_buckets, buckets = BUCKETS if fewest >= BUCKETS else BUCKETS_FEW, numpy.empty(len(labels), int)
    for side in sides:
        ordered = sorted(side, key=lambda i: hash_fraction(labels[i]["file"], "bucket"))
        buckets[ordered] = numpy.arange(len(side)) % n_buckets
    return n_buckets, buckets


def _table(path, sets):
    """Feature names, and each flow's identity columns and values as text. `sets`: feature sets."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        done = subprocess.run([LINEJUDGE, "--pcap", path, "--model", "none", "--summary", "none", "--features", table.name,
                               "--set", f"features.set={sets}"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(done.stderr.strip().splitlines()[-1].removeprefix("linejudge: "))
        with open(table.name, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
    return header[IDENTITY_COLUMNS:], rows


def _extract(job):
    """Extracts a plain capture or a merge: (feature names, rows float32, labels, capture of each row, merged)."""
    parts, folder, sets = job  # parts: (index of the capture, its label, offset in s, None or a lj_merge.Renaming)
    owner, moved = None, [0]
    paths = [label.get("path") or os.path.join(folder, label["file"]) for _, label, _, _ in parts]
    if len(parts) == 1:
        names, rows = _table(paths[0], sets)
    else:
        with tempfile.NamedTemporaryFile(suffix=".pcap") as merged:
            owner, moved = lj_merge.merge([(path, offset, renaming) for path, (_, _, offset, renaming) in zip(paths, parts)], merged.name)
            names, rows = _table(merged.name, sets)
    rules, chosen = [lj_labels.Rule(label["rule"], path) for path, (_, label, _, _) in zip(paths, parts)], [[] for _ in parts]
    for row in rows:
        part = owner[int(row[6])] if owner else 0
        # A merge shifts packets of the same time by less than a microsecond.
        verdict = rules[part](lj_labels.Flow(*row[1:6], int(row[6]) - moved[part] - 1000, int(row[7]) - moved[part]))
        if verdict is not None:
            chosen[part].append((hash_fraction(row[0], "cap"), verdict, row))
    if len(parts) == 1:
        complain(parts[0][1], len(rows), {verdict for _, verdict, _ in chosen[0]}, rules[0])
    values, labels, captures = [], [], []
    for (index, *_), flows in zip(parts, chosen):
        for _, verdict, row in sorted(flows, key=lambda flow: flow[0])[:CAPTURE_CAP]:
            values.append([float(v) if v else numpy.nan for v in row[IDENTITY_COLUMNS:]])
            labels.append(verdict)
            captures.append(index)
    return names, numpy.array(values, numpy.float32).reshape(len(labels), len(names)), labels, captures, owner is not None


def complain(label, flows, verdicts, rule):
    """Reports labels of a capture that match no flow: otherwise a typo would look like a capture with few flows."""
    wanted = {0} if label["class"] == "benign" else {1}
    if not wanted <= verdicts:
        print(f"{label['file']}: is {label['class']}, and none of its {flows} flows is, by {label['rule']}", file=sys.stderr)
    for said in rule.complaints():
        print(f"{label['file']}: {said}", file=sys.stderr)


def _merges(labels, n_buckets, buckets):
    """Attacks embedded in benign captures, and overlaid benign captures, within each bucket."""
    captured = sum("path" not in label for label in labels)
    yield from _merges_of(range(captured), labels, n_buckets, buckets)
    made = range(captured, len(labels))
    around = [i for i in range(captured) if labels[i]["class"] == "benign"]
    for turn in range(MADE_TURNS):
        for parts in _merges_of(around + list(made), labels, n_buckets, buckets, turn):
            if any(index in made for index, *_ in parts):
                yield parts


def _merges_of(chosen, labels, n_buckets, buckets, turn=0):
    for bucket in range(n_buckets):
        rng = numpy.random.default_rng(1000 + bucket + 100 * turn)
        here = [i for i in chosen if buckets[i] == bucket]
        benign = [i for i in here if labels[i]["class"] == "benign"]
        attacks = [i for i in here if labels[i]["class"] != "benign"]
        rng.shuffle(attacks)
        rng.shuffle(benign)
        for at in range(0, len(attacks), ATTACKS_A_MERGE):
            shared = int(rng.choice(SHARED))
            within = attacks[at:at + ATTACKS_A_MERGE]
            around = [int(i) for i in rng.choice(benign, min(BENIGN_A_MERGE, len(benign)), replace=False)]
            renamed = renamings(within, around, shared, labels, turn, rng)
            yield [(i, labels[i], rng.uniform(0, SPREAD_S), renamed[i]) for i in within + around]
        for at in range(0, len(benign), BENIGN_AN_OVERLAY):
            shared = int(rng.choice(SHARED))
            part = benign[at:at + BENIGN_AN_OVERLAY]
            yield [(i, labels[i], rng.uniform(0, SPREAD_S), shares(shared, n)) for n, i in enumerate(part)]


def shares(shared, shift, those=None):
    """A lj_merge.Sharing, or None if no addresses are `shared`."""
    return lj_merge.Sharing(shared, shift, those) if shared else None


def renamings(attacks, around, shared, labels, turn, rng):
    """{capture: None or a lj_merge.Renaming} for a merge of `attacks` with benign captures `around` them, which share `shared` addresses.

    Real attackers and victims usually have other traffic, too. So in one `turn` the attacker of a synthetic attack is behind a shared address, and
    in the next it and its victim each are the busiest host of one or two benign captures."""
    renamed = {i: shares(shared, n) for n, i in enumerate(around, start=len(attacks))}
    free = list(around)
    for n, i in enumerate(attacks):
        renamed[i] = None
        if "attacker" not in labels[i]:
            continue
        attacker, victim = (bytes(map(int, labels[i][who].split("."))) for who in ("attacker", "victim"))
        if (i + turn) % 2:
            renamed[i] = shares(shared, n, {attacker})
            continue
        hosts = [bytes((100, 65, n, who)) for who in (1, 2)]
        renamed[i] = lj_merge.Renaming(dict(zip((attacker, victim), hosts)))
        for host in hosts * (2 if rng.random() < 0.5 else 1):
            if free:
                renamed[free.pop()] = lj_merge.Standing(host)
    return renamed


def check_families(path, labels, lone):
    """A family of one capture cannot be evaluated on unseen captures: keep it, drop it, or (None) raise an error."""
    captures = collections.Counter(label["family"] for label in labels if label["class"] != "benign")
    alone = sorted(family for family, n in captures.items() if n == 1)
    if alone and lone is None:
        raise ValueError(f"{path}: only one capture of {', '.join(alone)}: such a family cannot be evaluated on unseen captures. "
                         "Add another one, or choose --lone keep or --lone drop")
    return [label for label in labels if lone == "keep" or label["family"] not in alone]


def is_suspect(label):
    return any(s in label["file"] for s in SUSPECT)


def read_labels(folder, path, lone):
    """The captures that are used, and the names of those left out."""
    labels, left_out = [], []
    for label in lj_labels.read(path):
        if is_suspect(label):
            left_out.append(label["file"])
        elif not os.path.exists(os.path.join(folder, label["file"])):
            raise ValueError(f"{path}: line {label['line']}: {label['file']}: no such capture under {folder}")
        else:
            lj_labels.Rule(label["rule"], os.path.join(folder, label["file"]))  # reads its label files, if any
            labels.append(label)
    return check_families(path, labels, lone), left_out


def _begin(folder):
    """Initializes a worker: ignores Ctrl-C, which the parent handles, and puts temporary files into a folder that the parent removes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = folder


def _uninterrupted(call, *arguments):
    """Blocks Ctrl-C during the call: while the pool starts its threads and processes, an interrupt could leave some running."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return call(*arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def by_workers(work, jobs):
    """work(job) for each job, in order, by two processes. If one is killed, for instance when memory runs out, this fails."""
    with tempfile.TemporaryDirectory(prefix="linejudge-train-") as folder:
        pool = futures.ProcessPoolExecutor(2, initializer=_begin, initargs=(folder,))
        try:
            yield from _uninterrupted(pool.map, work, jobs)
        except futures.process.BrokenProcessPool:
            raise ValueError("a worker was killed, probably for lack of memory: captures are merged in memory, so use smaller ones") from None
        finally:
            pool.shutdown(cancel_futures=True)


def load(data, labels_path, lone=None, made=False, sets="linejudge,host,network"):
    """Extracts all used captures, alone and merged, with `made` also synthetic attacks. Returns the data set and the names of captures left out."""
    folder, scratch = unpack(data)
    captured, left_out = read_labels(folder, labels_path, lone)
    made_in = tempfile.TemporaryDirectory(prefix="linejudge-made-")
    made = lj_attacks.write(made_in.name) if made else []
    try:
        dataset, labels = Dataset(captured, made), captured + made
    except ValueError as error:
        raise ValueError(f"{labels_path}: {error}") from None
    jobs = [([(i, label, 0, None)], folder, sets) for i, label in enumerate(labels)]
    jobs += [(parts, folder, sets) for parts in _merges(labels, dataset.n_buckets, dataset.buckets) if len(parts) > 1]
    with contextlib.closing(by_workers(_extract, jobs)) as results:
        for done, (names, *part) in enumerate(results, start=1):
            if part[1]:
                dataset.add(*part)
            if done % 100 == 0 or done == len(jobs):
                print(f"extracted {done} of {len(jobs)} captures and merges", file=sys.stderr)
    made_in.cleanup()
    if scratch is not None:
        scratch.cleanup()
    return dataset.finish(names), left_out


def save(path, dataset, left_out, data, labels_path):
    """Saves the result of load() for other tools; atomic, even if several processes save."""
    kept = io.BytesIO()  # in memory first, since numpy prints messages of its own when the disk is full
    numpy.savez_compressed(kept, x=dataset.x, y=dataset.y, capture=dataset.capture, merged=dataset.merged, names=dataset.names,
                           captures=dataset.captures, families=dataset.families, publishers=dataset.publishers,
                           buckets=dataset.buckets, left_out=numpy.array(left_out, str), labels=lj_digest.of_file(labels_path),
                           label_files=lj_digest.of_label_files(data, labels_path), captures_digest=lj_digest.of_captures(data, labels_path))
    new = f"{path}.new-{os.getpid()}"
    try:
        with open(new, "wb") as file:
            file.write(kept.getbuffer())
        os.replace(new, path)
    except BaseException:
        if os.path.exists(new):
            os.remove(new)
        raise


def restore(path, data, labels_path):
    """Loads a table of save(); an error unless it belongs to these labels and captures."""
    try:
        with numpy.load(path) as file:
            kept = dict(file)
    except (ValueError, TypeError, zipfile.BadZipFile, zlib.error, EOFError):
        raise ValueError(f"{path}: is not a table kept by an earlier run: remove it to extract again") from None
    if "labels" not in kept or str(kept["labels"]) != lj_digest.of_file(labels_path):
        raise ValueError(f"{path}: was extracted with other labels than {labels_path}: remove it to extract again")
    for field, digest, what in (("label_files", lj_digest.of_label_files, "file of labels"), ("captures_digest", lj_digest.of_captures, "capture")):
        before, now = str(kept.get(field, "")), digest(data, labels_path)
        if "" not in (before, now) and before != now:
            raise ValueError(f"{path}: a {what} that {labels_path} names has changed: remove it to extract again")
    dataset = Dataset.__new__(Dataset)
    for field in ("x", "y", "capture", "merged", "families", "publishers", "buckets"):
        setattr(dataset, field, kept[field])
    dataset.names, dataset.captures = kept["names"].tolist(), kept["captures"].tolist()
    dataset.n_buckets = int(dataset.buckets.max()) + 1
    return dataset.index(), kept["left_out"].tolist()


def of_labels(path, dataset, labels_path, lone):
    """The captures of a saved table that are wanted now: `lone` may have been different."""
    wanted = {label["file"] for label in check_families(labels_path, [l for l in lj_labels.read(labels_path) if not is_suspect(l)], lone)}
    missing = sorted(wanted - set(dataset.captures))
    if missing:
        raise ValueError(f"{path}: was extracted without {missing[0]}: remove it to extract again")
    chosen = numpy.array([file in wanted for file in dataset.captures])
    return dataset.only(chosen[dataset.capture] | ~dataset.real)


def obtain(data, labels_path, table=None, lone=None, made=False):
    """load(), or the result of an earlier run in the file `table`, which is written if it does not exist."""
    if table and os.path.exists(table):
        dataset, left_out = restore(table, data, labels_path)
        dataset = of_labels(table, dataset, labels_path, lone).checked(table)
        if made and dataset.real.all():
            raise ValueError(f"{table}: was extracted without synthetic attacks: remove it to extract again")
        return dataset if made else dataset.only(dataset.real), left_out
    folder = os.path.dirname(os.path.abspath(table or "."))
    if table and not os.path.isdir(folder):
        raise ValueError(f"{table}: there is no such folder to keep it in")
    if table and not os.access(folder, os.W_OK):
        raise ValueError(f"{table}: its folder cannot be written")
    dataset, left_out = load(data, labels_path, lone, made)
    dataset.checked(labels_path)
    if table:
        save(table, dataset, left_out, data, labels_path)
    return dataset, left_out


def hash_fraction(text, salt):
    """A number in 0..1 that depends only on the text, so that splits are reproducible."""
    digest = hashlib.sha256(f"{salt}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
