"""By what a kept table is known to be of the labels and captures that are there now."""

import hashlib
import os

import lj_labels

END_BYTES = 1 << 16  # of a capture, by which it is told from another


def of_file(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _at_hand(data, labels_path):
    """(label, path of the capture or None) of each capture: None in an archive, or gone since."""
    folder = os.path.join(data, "traffic") if os.path.isdir(os.path.join(data, "traffic")) else data
    for label in lj_labels.read(labels_path):
        path = os.path.join(folder, label["file"])
        yield label, path if os.path.exists(path) else None


def of_label_files(data, labels_path):
    """One of all files that rules name, or "" where they are not at hand."""
    digest = hashlib.sha256()
    for label, capture in _at_hand(data, labels_path):
        for name in lj_labels.files_of(label["rule"]):
            if capture is None:
                return ""
            digest.update(of_file(lj_labels.beside(capture, name)).encode())
    return digest.hexdigest()


def of_captures(data, labels_path):
    """One of their sizes and both ends, or "" where they are not at hand: whole ones may be terabytes."""
    digest = hashlib.sha256()
    for _, capture in _at_hand(data, labels_path):
        if capture is None:
            return ""
        size = os.path.getsize(capture)
        with open(capture, "rb") as file:
            digest.update(b"%d " % size + file.read(END_BYTES))
            file.seek(max(size - END_BYTES, 0))
            digest.update(file.read(END_BYTES))
    return digest.hexdigest()
