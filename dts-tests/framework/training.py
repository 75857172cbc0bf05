"""Small labelled captures, and what trains on them."""

import importlib.machinery
import importlib.util
import os
import subprocess

from .linejudge import TOOLS, verify

ATTACKS = {"scan": ("port_scan", 60), "beacon": ("beacon", 12)}


def generator():
    """tools/pcapgen as a module."""
    loader = importlib.machinery.SourceFileLoader("pcapgen", os.path.join(TOOLS, "pcapgen"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pcapgen", loader))
    loader.exec_module(module)
    return module


def benign(pcapgen, capture, many):
    for kind, count in ((pcapgen.web, many), (pcapgen.dns, many), (pcapgen.ssh, 2)):
        for _ in range(count):
            kind(capture, capture.random.uniform(0, 100))


def write_labels(path, rows):
    path.write_text("\n".join("\t".join(row) for row in [("file", "class", "family", "rule"), *rows]) + "\n", encoding="utf-8")
    return path


def write_captures(folder):
    """Six benign captures, six malicious ones of two families, and their labels."""
    pcapgen, rows = generator(), []
    for number in range(6):
        capture = pcapgen.Capture(100 + number)
        benign(pcapgen, capture, 15 + number)
        capture.save(folder / f"office-{number}.pcap")
        rows.append((f"office-{number}.pcap", "benign", "office", "benign:*"))
    for number, (family, (kind, many)) in enumerate(sorted(ATTACKS.items()) * 3):
        capture = pcapgen.Capture(200 + number)
        getattr(pcapgen, kind)(capture, 5, many)
        capture.save(folder / f"{family}-{number}.pcap")
        rows.append((f"{family}-{number}.pcap", "malicious", family, "mal:*"))
    write_labels(folder / "LABELS.tsv", rows)
    return folder


def train(*arguments):
    return subprocess.run([os.path.join(TOOLS, "train"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def train_bundle(data, out):
    """`out`, the bundle that training makes of write_captures()' folder."""
    done = train("--data", data, "--labels", data / "LABELS.tsv", "--out", out)
    verify(done.returncode == 0, done.stderr)
    return out


def refusal(*arguments):
    """The one line that training has to say."""
    done = train(*arguments)
    verify(done.returncode == 1, f"exit {done.returncode}: {done.stderr}")
    verify(done.stderr.startswith("tools/train: ") and done.stderr.count("\n") == 1, f"not one clear line: {done.stderr}")
    return done.stderr


def evaluate(*arguments):
    return subprocess.run([os.path.join(TOOLS, "evaluate"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
