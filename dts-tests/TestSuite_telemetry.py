"""Telemetry at its largest: every reply as long as it can be, from as many clients as DPDK takes, while packets flow."""

import json
import threading
import time

from framework.linejudge import TIMEOUT_S, Telemetry, appliance, verify

WORKERS, INFER, PORTS = 64, 60, 16
CLIENTS, ROUNDS = 10, 5
PREFIX = "lj-dts-largest"

# Roles and ports up to the limits, on two lcores so that a small machine runs them.
LARGEST = {"capture": {"ports": [{"name": f"net_null{i}", "mbufs": 1024} for i in range(PORTS)]}, "models": [],
           "lcores": {"workers": WORKERS, "infer": INFER, "count": 2}, "flow": {"capacity": 1024},
           "queue": {"infer": 64, "spread": 64, "sink": 64}}

# Beside the ports, port info says whether conversations come in both directions, and rss how the spreader deals.
ROWS = {"show/lcores": WORKERS + INFER + 2, "show/keepalive": 2, "show/port/stats": PORTS, "show/port/info": PORTS + 1, "show/port/failover": PORTS, "show/rss": PORTS + 1,
        "show/stalls": 2, "show/latency": 5}
SHOWN = ("show/lcores", "show/keepalive", "show/port/stats", "show/port/info", "show/port/failover", "show/rss", "show/drops",
         "show/stalls", "show/stalls/histogram", "show/packet/stats", "show/flow/stats", "show/batch/stats", "show/host/stats",
         "show/sink/stats", "show/verdicts", "show/drift", "show/latency", "show/latency/models", "show/latency/histogram", "show/slo", "show/ledger",
         "show/model", "show/tuning", "show/counters", "help")


def connect():
    """One of DPDK's ten places; the one before may not be free yet."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return Telemetry(PREFIX)
        except (OSError, ValueError):
            verify(time.monotonic() < deadline, "no place becomes free")
            time.sleep(0.05)


class TestLargestReplies:
    def test_no_row_vanishes_with_ten_clients_at_once(self, tmp_path):
        """
        Steps: run with the most roles and ports; ten clients ask every show command, over and over, while packets flow.
        Verify: every reply is whole JSON within the socket's limit, with every row, page by page; packets went on; the ledger balances.
        """
        failures = []

        def client():
            try:
                telemetry = connect()
                for _ in range(ROUNDS):
                    for command in SHOWN:
                        raw = telemetry.ask_raw(f"/linejudge/{command}")
                        verify(len(raw) < telemetry.info["max_output_len"] and json.loads(raw) is not None, f"{command}: cut short")
                        rows = telemetry.ask_all(f"/linejudge/{command}")
                        verify("error" not in rows, f"{command}: {rows}")
                        verify(len(rows) == ROWS.get(command, len(rows)), f"{command}: {len(rows)} rows of {ROWS.get(command)}")
                telemetry.close()
            except (OSError, AssertionError, ValueError) as problem:
                failures.append(problem)

        with appliance(tmp_path, LARGEST, PREFIX) as (process, telemetry):
            before = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
            telemetry.close()
            threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            again = connect()
            verify(again.ask("/linejudge/show/packet/stats")["rx_packets"] > before, "packets stopped")
            again.close()
            process.terminate()
            out, _ = process.communicate(timeout=120)
        verify(not failures, failures)
        verify(process.returncode == 0 and json.loads(out)["ledger"]["balanced"], out)

    def test_the_last_page_is_followed_by_nothing(self, tmp_path):
        """
        Steps: ask for pages from rows near and beyond the end; with a word instead of a number, and below zero.
        Verify: what is left, an empty reply, an error.
        """
        with appliance(tmp_path, LARGEST, PREFIX) as (_, telemetry):
            rows = len(telemetry.ask_all("/linejudge/show/lcores"))
            verify(len(telemetry.ask(f"/linejudge/show/lcores,{rows - 1}")) == 1, "not one row left")
            verify(not telemetry.ask(f"/linejudge/show/lcores,{rows}"), "rows beyond the end")
            for word in ("sink", "-1"):
                verify("takes no parameter" in telemetry.ask(f"/linejudge/show/lcores,{word}")["error"], f"{word} is no row")

    def test_ports_of_names_alike_are_told_apart(self, tmp_path):
        """
        Steps: three ports whose names differ only in what DPDK's telemetry does not take in a name; then the page from the second.
        Verify: each has a row of its own, and the same name on every page.
        """
        ports = [{"name": name, "mbufs": 1024} for name in ("net_null0,copy=0", "net_null0_copy_0", "net_null0.copy.0")]
        with appliance(tmp_path, LARGEST | {"capture": {"ports": ports}}, PREFIX) as (_, telemetry):
            names, behind = ([name for name, _ in json.loads(telemetry.ask_raw(command), object_pairs_hook=lambda pairs: pairs)[0][1]]
                             for command in ("/linejudge/show/port/stats", "/linejudge/show/port/stats,1"))
        verify(names == ["net_null0_copy_0", "net_null0_copy_0_2", "net_null0_copy_0_3"], names)
        verify(behind == names[1:], behind)
