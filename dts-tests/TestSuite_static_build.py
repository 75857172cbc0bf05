"""Which DPDK is linked: all drivers of a PC's NICs, some (tools/build --static), or shared (--shared): it is the same program."""

import json
import os
import re
import shutil
import subprocess

import pytest

from framework.linejudge import BINARY, DEMO, ROOT, TOOLS, verify

DAEMON = os.path.join(ROOT, "build-daemon", "app", "linejudge")
STATIC, SHARED = DAEMON + "-static", DAEMON + "-shared"
SOME = "net_i40e,net_null"
# Drivers of NICs that are fitted often.
FITTED = {"net_i40e", "net_ice", "net_ixgbe", "net_iavf", "net_e1000_igb", "mlx5_eth", "net_bnxt", "net_virtio", "net_vmxnet3", "net_ena"}
NULL = {"capture": {"ports": [{"name": "net_null0"}]}, "models": [], "flow": {"capacity": 1024}, "eal": {"file_prefix": "lj-dts-static"}}


@pytest.fixture(scope="module", autouse=True)
def built():
    for how, binary in ((("--static", SOME), STATIC), (("--shared",), SHARED)):
        done = subprocess.run([os.path.join(TOOLS, "build"), *how], capture_output=True, text=True, check=False)
        verify(done.returncode == 0 and done.stdout == "build-daemon/app/linejudge\n", done.stdout + done.stderr[-2000:])
        shutil.copy(DAEMON, binary)  # beside it, where the default model is found


def static(*arguments, words=""):
    return subprocess.run([STATIC, *map(str, arguments)], input=words, capture_output=True, text=True, timeout=60, check=False)


class TestStaticBuild:
    def test_no_library_of_dpdk_is_needed(self):
        """
        Steps: list the libraries of each build.
        Verify: the shared one needs DPDK's, the others none.
        """
        def dpdk(binary):
            return "librte_" in subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout

        verify(dpdk(SHARED) and not dpdk(STATIC) and not dpdk(BINARY), "librte_")

    def test_the_ordinary_build_has_the_drivers_of_nics(self):
        """
        Steps: list what the ordinary build and the one with some drivers tell of their drivers (dpdk-pmdinfo's strings).
        Verify: drivers of common NICs are in the ordinary build; of them only the one asked for is in the other.
        """
        def told(binary):
            with open(binary, "rb") as file:
                names = re.findall(rb'PMD_INFO_STRING= \{"name": "(\w+)"', file.read())
            return {name.decode() for name in names}

        verify(FITTED <= told(BINARY), f"{sorted(FITTED - told(BINARY))} are not linked in")
        verify(FITTED & told(STATIC) == {"net_i40e"}, f"{sorted(told(STATIC))}")

    def test_verdicts_are_the_same(self, tmp_path):
        """
        Steps: replay the demo capture by each build.
        Verify: the same bytes.
        """
        for name, binary in (("all", BINARY), ("some", STATIC), ("shared", SHARED)):
            subprocess.run([binary, "--pcap", DEMO, "--eve", tmp_path / name, "--summary", "none"], check=True, timeout=60)
        verify(len({(tmp_path / name).read_bytes() for name in ("all", "some", "shared")}) == 1, "they differ")

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
