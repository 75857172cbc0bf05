"""More than the machine can take: packets and flows are refused by name, the rest is classified, and the ledger balances."""

import json
import signal
import time

import pytest

from framework.linejudge import DEMO, TIMEOUT_S, appliance, verify, wait_for

# The demo capture for ever, as fast as a port gives it, into tables and queues far too small for it.
ENDLESS = f"net_pcap0,rx_pcap={DEMO},infinite_rx=1"
SMALL = {"capture": {"ports": [{"name": ENDLESS, "mbufs": 32768}]}, "flow": {"capacity": 1024, "idle_timeout_s": 0.001, "tcp_linger_s": 0},
         "queue": {"infer": 64, "sink": 64, "spread": 64}}


def summary_of(process):
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=TIMEOUT_S)
    verify(process.returncode in (0, 1), f"exit {process.returncode}: {err}")
    return json.loads(out), err


def until(process, telemetry, command, condition):
    def attempt():
        answer = telemetry.ask(command)
        if not condition(answer):
            raise OSError(f"{command}: {answer}")
        return answer

    return wait_for(attempt, process)


def received_at_rest(telemetry):
    """Packets received, once they are no more; a worker that the kernel let wait is in the middle of a burst when it is told to stop."""
    first = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
    time.sleep(0.1)
    now = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
    if now != first:
        raise OSError(f"still receives: {first}, then {now}")
    return now


class TestOverload:
    @pytest.mark.parametrize("workers", [1, 3])
    def test_what_does_not_fit_is_refused_by_name(self, tmp_path, workers):
        """
        Steps: run the endless capture into small tables and queues until flows were evicted and refused.
        Verify: evictions and refusals are counted by name, flows still are scored and written, telemetry answers, the ledger balances.
        """
        eve = tmp_path / "eve.json"
        config = dict(SMALL, lcores={"workers": workers}, eve={"target": str(eve)})
        with appliance(tmp_path, config, "lj-dts-overload") as (process, telemetry):
            until(process, telemetry, "/linejudge/show/batch/stats", lambda c: c["batch_refused"] > 1000 and c["model_scored"] > 1000)
            until(process, telemetry, "/linejudge/show/flow/stats", lambda c: c["flow_ended"] > 10_000)
            if workers > 1:
                until(process, telemetry, "/linejudge/show/packet/stats", lambda c: c["spread_refused"] > 1000)
            summary, _ = summary_of(process)
        verify(summary["ledger"]["balanced"], summary["ledger"])
        verify(summary["refused"]["batch_refused"] > 1000, summary["refused"])
        with open(eve, encoding="utf-8") as file:
            lines = sum(json.loads(line)["event_type"] in ("flow", "alert") for line in file)
        written = sum(summary["verdicts"].values()) + summary["alerts"]
        verify(lines == written, f"{lines} lines, {written} verdicts and alerts")

    @pytest.mark.parametrize("policy", ["oldest", "newest", "smallest"])
    def test_what_is_shed_leaves_a_record(self, tmp_path, policy):
        """
        Steps: the same with batches of 4, so that inference is late, under each policy of batch.shed, and oldest for what nobody answered.
        Verify: flows are shed, counted by class under the class's policy; those whose verdict found room in the sink's queue are lines marked shed, without a score; the ledger balances.
        """
        eve = tmp_path / "eve.json"
        config = dict(SMALL, batch={"size": 4, "shed": policy}, shed={"unanswered": "oldest"}, eve={"target": str(eve)}, queue={"infer": 64, "sink": 4096, "spread": 64})
        with appliance(tmp_path, config, "lj-dts-shed") as (process, telemetry):
            until(process, telemetry, "/linejudge/show/batch/stats", lambda c: c["batch_shed"] > 1000)
            until(process, telemetry, "/linejudge/show/verdicts", lambda c: c["shed"] > 100)
            until(process, telemetry, "/linejudge/show/shed", lambda c: c["unanswered"]["shed"] > 100)
            classes = telemetry.ask("/linejudge/show/shed")
            verify(all(row["policy"] == ("oldest" if name == "unanswered" else policy) for name, row in classes.items()), classes)
            summary, _ = summary_of(process)
        verify(summary["ledger"]["balanced"], summary["ledger"])
        refused = summary["refused"]
        verify(refused["batch_shed"] == sum(n for name, n in refused.items() if name.startswith("batch_shed_")), refused)
        with open(eve, encoding="utf-8") as file:
            shed = [event["ml"] for event in map(json.loads, file) if event["ml"].get("shed")]
        verify(len(shed) > 100, f"{len(shed)} lines")
        verify(all(ml["class"] == "unclassified" and "score" not in ml for ml in shed), shed[:3])

    def test_a_sink_that_takes_nothing_loses_only_its_own(self, tmp_path):
        """
        Steps: the same with EVE to /dev/full.
        Verify: packets and scoring go on; lost lines are counted and said; the ledger balances.
        """
        config = dict(SMALL, eve={"target": "/dev/full"})
        with appliance(tmp_path, config, "lj-dts-full") as (process, telemetry):
            first = until(process, telemetry, "/linejudge/show/sink/stats", lambda c: any(row["lost"] > 100 for row in c.values()))
            verify(all(row["written"] == 0 for row in first.values()), first)
            scored = telemetry.ask("/linejudge/show/batch/stats")["model_scored"]
            until(process, telemetry, "/linejudge/show/batch/stats", lambda c: c["model_scored"] > scored)
            summary, err = summary_of(process)
        verify(summary["ledger"]["balanced"], summary["ledger"])
        verify("/dev/full" in err and "lines lost" in err, err)

    def test_after_the_storm_all_is_as_before(self, tmp_path):
        """
        Steps: overload; stop taking packets; wait until all queues are empty.
        Verify: nothing waits, every line of the ledger balances at rest, and taking up again goes on.
        """
        with appliance(tmp_path, SMALL, "lj-dts-after") as (process, telemetry):
            until(process, telemetry, "/linejudge/show/batch/stats", lambda c: c["batch_refused"] > 1000)
            telemetry.ask("/linejudge/stop")
            before = wait_for(lambda: received_at_rest(telemetry), process)
            until(process, telemetry, "/linejudge/show/batch/stats", lambda c: c["batch_waiting"] == c["verdict_waiting"] == 0)
            until(process, telemetry, "/linejudge/show/ledger", lambda rows: all(row["difference"] == 0 for row in rows.values()))
            verify(telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] == before, "received more at rest")
            telemetry.ask("/linejudge/start")
            until(process, telemetry, "/linejudge/show/packet/stats", lambda c: c["rx_packets"] > before)
            summary, _ = summary_of(process)
        verify(summary["ledger"]["balanced"], summary["ledger"])
