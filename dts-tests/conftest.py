"""Options, the test run from YAML, and the result table."""

import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from framework import report, topology  # noqa: E402: importable only now

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NO_LINK = os.path.join(ROOT, "dts-tests", "conf", "no_link.yaml")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also what takes minutes: every NIC booted")
    parser.addoption("--conf", default=NO_LINK, help="nodes and test run (YAML)")
    parser.addoption("--soak-seconds", type=int, default=None, help="overrides the test run's soak_seconds")


@pytest.fixture(scope="session")
def test_run(request):
    run = topology.load(request.config.getoption("--conf"))
    seconds = request.config.getoption("--soak-seconds")
    return run if seconds is None else dict(run, soak_seconds=seconds)


@pytest.fixture(scope="session")
def package():
    """The Debian package of the tree; its path."""
    done = subprocess.run([os.path.join(ROOT, "tools", "package")], stdout=subprocess.PIPE, text=True, check=True)
    return os.path.join(ROOT, done.stdout.split()[-1])


@pytest.fixture
def link(test_run):
    with topology.connected(test_run["node"]) as connection:
        yield connection


def pytest_configure(config):
    test_run = topology.load(config.getoption("--conf"))
    config.pluginmanager.register(report.ResultTable(test_run["name"]))
