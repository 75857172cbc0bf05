"""Common code of the benchmarks in Python: arguments, running a process on one core, and the JSON output."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, "build", "app", "linejudge")


def arguments(doc, **defaults):
    """Parses --json PATH|-, and --NAME VALUE for each default, with the default's type."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--json", metavar="PATH", help="write the results there, - for standard output")
    for name, default in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=str if default is None else type(default), default=default)
    return parser.parse_args()


def say(text):
    """Prints a line for the user on stderr, because stdout may be for the JSON."""
    print(text, file=sys.stderr, flush=True)


def write_json(path, rows):
    """Writes the results as JSON; nothing if the path is None."""
    text = json.dumps(rows, indent=1) + "\n"
    if path == "-":
        sys.stdout.write(text)
    elif path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def last_cpu():
    """The highest CPU available; CPU 0 has the most other work."""
    return max(os.sched_getaffinity(0))


class Failure(Exception):
    """A measured program failed; str() tells how."""


def measure(command, cpu=None):
    """Runs a command on one CPU. Returns (user and system CPU seconds, elapsed seconds, stdout, stderr)."""
    if shutil.which(command[0]) is None:
        raise Failure(f"{command[0]} is not installed: tools/setup")
    pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
    began = time.monotonic()
    before = os.times()
    done = subprocess.run([*pin, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=900, text=True,
                          errors="replace")
    after = os.times()
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} exits with {done.returncode}: {done.stderr.strip()[-200:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, time.monotonic() - began, done.stdout, done.stderr
