"""Error handling of the tools: one line that says where and what, instead of a traceback."""

import argparse
import errno
import json
import os
import signal
import sys
import tempfile
import threading

import lj_foreign


def _interrupt_again(dropped):
    """For sys.unraisablehook. Python drops an exception that is raised in a destructor or a callback, even Ctrl-C's: so that one is sent again."""
    if dropped.exc_type is KeyboardInterrupt:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(dropped)


def run(name, work):
    """Runs work(); errors that the user can fix exit with 1 and one line."""
    sys.unraisablehook = _interrupt_again
    try:
        work()
    except OSError as error:
        where = f", where it writes to or in {tempfile.gettempdir()}" if error.errno == errno.ENOSPC else ""
        sys.exit(f"{name}: {f'{error.filename}: {error.strerror}' if error.filename and error.strerror else (error.strerror or str(error)) + where}")
    except (ValueError, lj_foreign.ImportFailed) as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted")


def times(text):
    """An integer of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return int(text)


def folder_of(path):
    """Creates `path` if necessary and checks that it is writable, before hours of work."""
    os.makedirs(path, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise ValueError(f"{path}: cannot be written")
    return path


def manifest_of(bundle):
    """A bundle's manifest, after linejudge has checked the bundle."""
    path = os.path.join(bundle, "manifest.json")
    if not os.path.exists(path):
        raise ValueError(f"{bundle}: is not a model's folder: it has no manifest.json")
    lj_foreign.check(bundle)
    with open(path, encoding="utf-8") as file:
        return json.load(file)
