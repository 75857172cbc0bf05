"""The build with DPDK's drivers linked in (tools/build --static): it is the same program, with those drivers and no others."""

import json
import os
import subprocess

import pytest

from framework.linejudge import BINARY, DEMO, ROOT, TOOLS, verify

STATIC = os.path.join(ROOT, "build-static", "app", "linejudge")
NULL = {"capture": {"ports": [{"name": "net_null0"}]}, "models": [], "flow": {"capacity": 1024}, "eal": {"file_prefix": "lj-dts-static"}}


@pytest.fixture(scope="module", autouse=True)
def built():
    done = subprocess.run([os.path.join(TOOLS, "build"), "--static"], capture_output=True, text=True, check=False)
    verify(done.returncode == 0 and done.stdout == "build-static/app/linejudge\n", done.stdout + done.stderr[-2000:])


def static(*arguments, words=""):
    return subprocess.run([STATIC, *map(str, arguments)], input=words, capture_output=True, text=True, timeout=60, check=False)


class TestStaticBuild:
    def test_no_library_of_dpdk_is_needed(self):
        """
        Steps: list the libraries of both builds.
        Verify: the shared one needs DPDK's, the static one none.
        """
        def dpdk(binary):
            return "librte_" in subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout

        verify(dpdk(BINARY) and not dpdk(STATIC), "librte_")

    def test_verdicts_are_the_same(self, tmp_path):
        """
        Steps: replay the demo capture by both builds.
        Verify: the same bytes.
        """
        for name, binary in (("shared", BINARY), ("static", STATIC)):
            subprocess.run([binary, "--pcap", DEMO, "--eve", tmp_path / name, "--summary", "none"], check=True, timeout=60)
        verify((tmp_path / "shared").read_bytes() == (tmp_path / "static").read_bytes(), "they differ")

    def test_its_drivers_are_those_asked_for(self, tmp_path):
        """
        Steps: watch a null port, which is linked in, and a TAP port, which is not.
        Verify: packets come; the EAL says that there is no such device.
        """
        config = tmp_path / "null.json"
        config.write_text(json.dumps(NULL))
        done = static("--config", config, "--interactive", "--summary", "json", words="show port info\nquit\n")
        verify(done.returncode == 0 and "net_null," in done.stdout, done.stdout + done.stderr)
        config.write_text(json.dumps(dict(NULL, capture={"ports": [{"name": "net_tap0"}]})))
        done = static("--config", config)
        verify(done.returncode == 1 and "net_tap0" in done.stderr, done.stderr)
