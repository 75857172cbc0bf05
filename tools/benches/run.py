"""What the benches in Python share: arguments, a process on one core and what it costs, the JSON."""

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
    """--json PATH|-, and --NAME VALUE for each default, of its type."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--json", metavar="PATH", help="write the results there, - for standard output")
    for name, default in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=str if default is None else type(default), default=default)
    return parser.parse_args()


def say(text):
    """A line for a person: standard error, because standard output may be the JSON's."""
    print(text, file=sys.stderr, flush=True)


def write_json(path, rows):
    """The results; None is nowhere."""
    text = json.dumps(rows, indent=1) + "\n"
    if path == "-":
        sys.stdout.write(text)
    elif path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def last_cpu():
    """The highest CPU we may use: CPU 0 has the most of what is not ours."""
    return max(os.sched_getaffinity(0))


class Failure(Exception):
    """A measured program fails; str() tells how."""


def measure(command, cpu=None):
    """Runs a command, on one CPU: (CPU seconds of user and system, elapsed seconds, its standard output, its standard error)."""
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
