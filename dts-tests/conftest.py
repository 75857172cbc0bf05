"""Options, the test run from YAML, and the result table."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from framework import report, topology  # noqa: E402: importable only now

# Who started this may have them ignored (nohup, a shell in the background), and so would what the tests start.
for number, action in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    signal.signal(number, action)

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
def open_folder():
    """A folder that any user can reach, unlike pytest's."""
    path = tempfile.mkdtemp(prefix="lj-dts-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def link(test_run):
    with topology.connected(test_run["node"]) as connection:
        yield connection


def call_of_suite(cls, name, *arguments):
    function = getattr(cls, name, None)
    if function is not None:
        function(*arguments)


@pytest.fixture(scope="class", autouse=True)
def dts_suite(request, tmp_path_factory):
    """DTS's names for what comes before and after all cases of a suite's class; it has a folder for them, `suite_path`."""
    cls = request.cls
    if cls is not None and hasattr(cls, "set_up_suite"):
        cls.suite_path = tmp_path_factory.mktemp(cls.__name__)
        cls.set_up_suite(cls)
    yield
    call_of_suite(cls, "tear_down_suite", cls)


@pytest.fixture(autouse=True)
def dts_case(request):
    """And before and after each case."""
    call_of_suite(request.cls, "set_up_test_case", request.instance)
    yield
    call_of_suite(request.cls, "tear_down_test_case", request.instance)


def pytest_configure(config):
    test_run = topology.load(config.getoption("--conf"))
    config.pluginmanager.register(report.ResultTable(test_run["name"]))
