"""Decision time, as the daemon measures it: by stage, by model, as bars, and beside its objective."""

import time

from framework.linejudge import DEMO, TIMEOUT_S, appliance, verify

# The demo capture for ever, and flows that end soon.
CONFIG = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1", "mbufs": 32768}]},
          "flow": {"capacity": 4096, "idle_timeout_s": 0.001, "tcp_linger_s": 0}}


def until(telemetry, command, condition):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition(answer := telemetry.ask(command)):
        verify(time.monotonic() < deadline, f"{command}: {answer}")
        time.sleep(0.1)
    return answer


class TestLatency:
    def test_an_objective_that_cannot_be_held_is_said_to_be_missed(self, tmp_path):
        """
        Steps: run the endless capture with an objective of 1 us and two inference lcores.
        Verify: show slo tells objective, percentile and a margin below 0, seconds missed, and batches of at most half of the objective.
        """
        config = dict(CONFIG, slo={"decision_us": 1}, lcores={"infer": 2})
        with appliance(tmp_path, config, "lj-dts-slo") as (_, telemetry):
            told = until(telemetry, "/linejudge/show/slo", lambda answer: answer["missed_s"] > 0)
            verify(told["decision_us"] == 1 and told["state"].startswith("missed"), told)
            verify(float(told["p99_us"]) > 1 and float(told["margin_percent"]) < 0, told)
            verify(told["batch_deadline_us"] == 1 and told["lcores"] == told["lcores_of"] == 2, told)

    def test_loops_are_counted_by_how_long_they_took(self, tmp_path):
        """
        Steps: run the endless capture; ask for loop times, and for their histogram.
        Verify: each lcore has at least as many loops in all ranges as it had before, and its worst one lies in the last range that it has.
        """
        with appliance(tmp_path, CONFIG, "lj-dts-loops") as (_, telemetry):
            stalls = until(telemetry, "/linejudge/show/stalls", lambda answer: all(row["loops"] > 1000 for row in answer.values()))
            rows = telemetry.ask("/linejudge/show/stalls/histogram")
        for lcore, row in stalls.items():
            verify(sum(loops[lcore] for loops in rows.values()) >= row["loops"], f"{lcore}: {rows}")
            ends = [int("".join(filter(str.isdigit, name))) for name, loops in rows.items() if loops[lcore] > 0]
            verify(max(ends) * 1000 >= row["worst"] * 0.96, f"{lcore}: {row}, {rows}")

    def test_without_an_objective_none_is_judged(self, tmp_path):
        """
        Steps: run the endless capture without an objective until there are decisions.
        Verify: show slo says none; the bars hold about as many decisions as show latency counts.
        """
        with appliance(tmp_path, CONFIG, "lj-dts-bars") as (_, telemetry):
            counted = until(telemetry, "/linejudge/show/latency", lambda answer: answer["decision"]["count"] > 1000)
            rows = telemetry.ask("/linejudge/show/latency/histogram")
            verify(sum(row["decisions"] for row in rows.values()) >= counted["decision"]["count"], rows)
            verify(max(len(row["bar"].strip()) for row in rows.values()) == 50, rows)
            told = telemetry.ask("/linejudge/show/slo")
            verify(told["state"] == "none" and told["batch_deadline_us"] == 50, told)
