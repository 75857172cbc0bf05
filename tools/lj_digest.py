"""Digests that tell whether a saved table belongs to the present labels and captures."""

import hashlib
import os

import lj_labels

END_BYTES = 1 << 16  # bytes from each end of a capture that identify it


def of_file(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _at_hand(data, labels_path):
    """(label, path of the capture or None) of each capture: None if it is in an archive, or missing."""
    folder = os.path.join(data, "traffic") if os.path.isdir(os.path.join(data, "traffic")) else data
    for label in lj_labels.read(labels_path):
        path = os.path.join(folder, label["file"])
        yield label, path if os.path.exists(path) else None


def of_label_files(data, labels_path):
    """Digest of all files named by rules; "" if they are not available."""
    digest = hashlib.sha256()
    for label, capture in _at_hand(data, labels_path):
        for name in lj_labels.files_of(label["rule"]):
            if capture is None:
                return ""
            digest.update(of_file(lj_labels.beside(capture, name)).encode())
    return digest.hexdigest()


def of_captures(data, labels_path):
    """Digest of the captures' sizes and both ends; "" if they are not available. Not of all contents, which may be terabytes."""
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
