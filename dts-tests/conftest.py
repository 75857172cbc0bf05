"""Makes framework/ importable from the suites."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also what takes minutes: every NIC booted, the long soak")
