"""A long run stays as it was: memory, files, lcores, counters. Seconds by the test run's soak_seconds or --soak-seconds."""

import json
import os
import signal
import time

from framework.linejudge import DEMO, TIMEOUT_S, appliance, verify, wait_for

# What XGBoost, the C library and the kernel may still take after the first tenth; a leak of a byte a flow is far more.
GROWTH_KB = 8192
PCAP = f"net_pcap0,rx_pcap={DEMO},infinite_rx=1"


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class TestSoak:
    def test_nothing_grows_and_nothing_stalls(self, tmp_path, test_run):
        """
        Steps: two workers on an endless capture, confined, with EVE to a file that is emptied; ask telemetry all along.
        Verify: counters only rise; resident memory, files and threads stay; packets never stand still; the ledger balances.
        """
        seconds, eve = test_run["soak_seconds"], tmp_path / "eve.json"
        config = {"capture": {"ports": [{"name": PCAP, "mbufs": 32768}]}, "lcores": {"workers": 2},
                  "flow": {"capacity": 4096, "idle_timeout_s": 0.1}, "eve": {"target": str(eve), "append": True, "flows": "alerts"},
                  "service": {"user": "nobody"}}
        with appliance(tmp_path, config, "lj-dts-soak") as (process, telemetry):
            wait_for(lambda: telemetry.ask("/linejudge/show/verdicts")["records"] or telemetry.ask("/none")["none"], process)
            begun, settled, previous = time.monotonic(), None, {}
            while time.monotonic() - begun < seconds:
                time.sleep(min(1, seconds / 20))
                os.truncate(eve, 0)
                counters = telemetry.ask("/linejudge/show/counters")
                for name, before in previous.items():
                    verify(counters[name] >= before or name.endswith(("_active", "_waiting")), f"{name} fell: {before} to {counters[name]}")
                verify(counters["rx_packets"] > previous.get("rx_packets", 0), "packets stand still")
                previous = counters
                now = (resident_kb(process.pid), len(os.listdir(f"/proc/{process.pid}/fd")), len(os.listdir(f"/proc/{process.pid}/task")))
                if settled is None and time.monotonic() - begun > seconds / 10:
                    settled = now
            verify(now[0] - settled[0] < GROWTH_KB, f"resident memory: {settled[0]} kB, then {now[0]} kB")
            verify(now[1:] == settled[1:], f"files, threads: {settled[1:]}, then {now[1:]}")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT_S)
        verify(process.returncode == 0, f"exit {process.returncode}: {err}")
        summary = json.loads(out)
        verify(summary["ledger"]["balanced"], summary["ledger"])
