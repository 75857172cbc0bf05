"""Does it run at all: a version, a replay, the ports that need nothing, and one frame over the link."""

import json
import os
import re
import signal

import pytest

from framework import topology
from framework.linejudge import DEMO, ROOT, TIMEOUT_S, appliance, read_pcap, replay, run, verify, wait_for

FRAMES = 100


def stopped(process):
    """Asks it to end; its summary."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=TIMEOUT_S)
    verify(process.returncode == 0, f"exit {process.returncode}: {err}")
    return json.loads(out)


class TestSmoke:
    def test_it_says_its_version_and_what_it_takes(self):
        """Verify: --version and --help exit 0 and say so."""
        verify(re.fullmatch(r"linejudge \d+\.\d+\.\d+\n", run("--version").stdout), "no version")
        verify("usage: linejudge" in run("--help").stdout, "no usage")

    def test_the_demo_capture_is_classified(self):
        """
        Steps: replay it through the default model.
        Verify: flows, alerts, a ledger that balances.
        """
        summary = replay(DEMO)
        verify(summary["flows"] > 0 and summary["alerts"] > 0, summary)

    @pytest.mark.parametrize("port,packets", [("net_null0", True), ("net_ring0", False)])
    def test_ports_that_need_nothing(self, tmp_path, port, packets):
        """
        Steps: start on the null and on the ring PMD; look; stop.
        Verify: null's packets flow, the ring is empty; the ledger balances.
        """
        with appliance(tmp_path, {"capture": {"ports": [{"name": port}]}, "models": []}, "lj-dts-smoke") as (process, telemetry):
            def first_packet():
                if packets and telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] == 0:
                    raise OSError("no packet yet")
                return True

            wait_for(first_packet, process)
            summary = stopped(process)
        verify(summary["ledger"]["balanced"], summary["ledger"])
        verify((summary["packets"] > 0) == packets, summary["packets"])

    @pytest.mark.parametrize("conf,kind", [("no_link", "veth"), ("lab_x710", "pci")])
    def test_every_test_run_that_is_described_is_understood(self, conf, kind):
        """
        Steps: read each file of dts-tests/conf.
        Verify: its node has the link that its name says, and the options of the suites.
        """
        described = topology.load(os.path.join(ROOT, "dts-tests", "conf", f"{conf}.yaml"))
        verify(described["node"]["link"]["kind"] == kind and described["soak_seconds"] > 0, f"{described}")

    def test_frames_come_over_the_link(self, tmp_path, link):
        """
        Steps: watch the test run's link; send frames at its other end.
        Verify: all of them are received and accounted for.
        """
        frames = [data[16:] for _, data in read_pcap(DEMO)[1][:FRAMES]]
        with appliance(tmp_path, {"capture": {"ports": [link.port]}, "models": []}, "lj-dts-link") as (process, telemetry):
            link.send(frames)

            def all_came():
                if telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] < FRAMES:
                    raise OSError("frames are missing")
                return True

            wait_for(all_came, process)
            summary = stopped(process)
        verify(summary["ledger"]["balanced"] and summary["flows"] > 0, summary)
