"""Metrics in Prometheus's text format, for node_exporter's textfile collector, read by Prometheus's own Python client."""

import os
import shutil
import signal
import stat
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from framework.linejudge import DEMO, ROOT, TIMEOUT_S, appliance, error_line, run, verify, wait_for

ODD = 'od"d\\dir'


@pytest.fixture
def folder(open_folder):
    """A folder that every user can write to."""
    os.chmod(open_folder, 0o777)
    return open_folder


def config_of(file, pcap=DEMO, **more):
    return {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={pcap}"}]}, "models": [os.path.join(ROOT, "models", "default")],
            "queue": {"infer": 16384, "sink": 16384}, "flow": {"idle_timeout_s": 1, "capacity": 65536}, "eal": {"huge": "off"},
            "metrics": {"file": str(file), "every_s": 0.2}, **more}


def families(path):
    with open(path, encoding="utf-8") as file:
        return {family.name: family for family in text_string_to_metric_families(file.read())}


def values(family):
    """By their labels, without the one that all have."""
    verify(all(sample.labels["process"] == "lj-dts-metrics" for sample in family.samples), family)
    return {tuple(text for label, text in sample.labels.items() if label != "process"): sample.value for sample in family.samples}


class TestMetrics:
    def test_they_say_what_telemetry_says(self, folder, tmp_path):
        """
        Steps: score a capture from a port, as a service user, from a path with characters that labels escape; at rest, read the file with
            Prometheus's client, and ask telemetry.
        Verify: every counter, the packets of the port, verdicts by class and decision times are the same; each metric is of the type that
            its name says; anybody may read the file; at the end it is gone.
        """
        os.mkdir(os.path.join(folder, ODD))
        pcap, path = shutil.copy(DEMO, os.path.join(folder, ODD, "demo.pcap")), os.path.join(folder, "linejudge.prom")
        with appliance(tmp_path, config_of(path, pcap, service={"user": "nobody"}), "lj-dts-metrics") as (process, telemetry):

            def at_rest():
                counters = telemetry.ask("/linejudge/show/counters")
                if counters["rx_packets"] < 12124 or counters["verdict_taken"] < counters["flow_due"] or counters["flow_due"] < 2148:
                    raise OSError("not yet")
                return counters

            counters = wait_for(at_rest, process)
            time.sleep(0.5)
            verify(stat.S_IMODE(os.stat(path).st_mode) == 0o644, oct(os.stat(path).st_mode))
            told, asked = families(path), telemetry.ask("/linejudge/show/latency")["decision"]
            for name, value in counters.items():
                family = told[f"linejudge_{name}"]
                if not name.startswith(("cycles_", "polls")):
                    verify(values(family) == {(): value}, f"{name}: {family.samples}, {value}")
                verify(family.type == ("gauge" if family.samples[0].name == family.name else "counter"), family)
            verify(values(told["linejudge_port_received_packets"]) == {(f"net_pcap0,rx_pcap={pcap}",): 12124}, "not the port's packets")
            verify(sum(values(told["linejudge_verdicts"]).values()) == counters["model_scored"], "verdicts are missing")
            decisions = [sample for sample in told["linejudge_stage_seconds"].samples if sample.labels["stage"] == "decision"]
            buckets = [sample.value for sample in decisions if sample.name.endswith("_bucket")]
            verify(buckets == sorted(buckets) and buckets[-1] == asked["count"], buckets)
            total = next(sample.value for sample in decisions if sample.name.endswith("_sum"))
            verify(abs(total * 1e9 / asked["count"] - asked["mean"]) <= 1, total)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=TIMEOUT_S)
        verify(process.returncode == 0 and os.listdir(folder) == [ODD], os.listdir(folder))

    def test_a_folder_that_may_not_be_written_to_is_told_once(self, folder, tmp_path):
        """
        Steps: have metrics written every fifth of a second where the service user may not; wait for a second; permit it.
        Verify: one line that names the file; then the file is there.
        """
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "linejudge.prom")
        config = config_of(path, service={"user": "nobody"})
        with appliance(tmp_path, config, "lj-dts-metrics-may-not") as (process, _):
            time.sleep(1)
            os.chmod(folder, 0o777)
            wait_for(lambda: os.stat(path), process)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=TIMEOUT_S)
        verify(err.count(f"metrics.file: {path} cannot be written: Permission denied") == 1, err)

    @pytest.mark.parametrize("file, words", [("/nonexistent/linejudge.prom", "No such file or directory"), ("/dev/null", "is not a regular file"),
                                             ("eve.json", "is also written by a sink")])
    def test_a_file_that_is_none(self, file, words):
        """Verify: an error that names the key."""
        line = error_line(run("--pcap", DEMO, "--set", f"metrics.file={file}", "--set", "eve.target=eve.json", "--dry-run"))
        verify("metrics.file" in line and words in line, line)
