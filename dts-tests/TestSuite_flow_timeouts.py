"""When a flow ends: silence, age and what follows a TCP close, as configured; by packet times in a replay, by the clock live."""

import pytest

from framework.frames import ACK, FIN, RST, SYN, Talk
from framework.linejudge import appliance, events, replay, verify, wait_for
from framework.netns import IN_HOST, cable, send, two_hosts

SECONDS = 1000  # in ms


def records(tmp_path, talk, **flow):
    """How each record of a replay ended, and its packets each way, in the order of their beginnings."""
    talk.write(tmp_path / "talk.pcap")
    settings = [word for key, value in flow.items() for word in ("--set", f"flow.{key}={value}")]
    replay(tmp_path / "talk.pcap", "--model", "none", "--eve", tmp_path / "eve.json", *settings)
    found = sorted((e["flow"]["start"], e["ml"]["part"], e["ml"]["due"], e["flow"]["pkts_toserver"], e["flow"]["pkts_toclient"])
                   for e in events(tmp_path / "eve.json") if e["event_type"] == "flow")
    return [record[2:] for record in found]


def closed(straggler_ms, close):
    """A TCP conversation closed one second in, and what comes after."""
    talk = Talk().tcp(0, 0, SYN, 1).tcp(10, 1, SYN | ACK, 1, 2).tcp(20, 0, ACK, 2, 2)
    if close == "fin":
        talk.tcp(1000, 0, FIN | ACK, 2, 2).tcp(1001, 1, FIN | ACK, 2, 3)
    else:
        talk.tcp(1000, 0, FIN | ACK, 2, 2).tcp(1001, 1, RST, 2)
    return talk.tcp(1001 + straggler_ms, 0, ACK, 3, 3)


class TestIdle:
    @pytest.mark.parametrize("gap_ms,timeout_s,wanted", [
        (4999, 5, [("flushed", 2, 0)]), (5000, 5, [("flushed", 2, 0)]), (5001, 5, [("idle", 1, 0), ("flushed", 1, 0)]),
        (5001, 6, [("flushed", 2, 0)]), (2, 0.001, [("idle", 1, 0), ("flushed", 1, 0)]), (86_400_000, 86400, [("flushed", 2, 0)]),
    ])
    def test_a_gap(self, tmp_path, gap_ms, timeout_s, wanted):
        """
        Steps: two packets with a gap shorter than the timeout, of its length, and longer.
        Verify: a longer gap ends the record, no other.
        """
        talk = Talk().udp(0, 0, 10).udp(gap_ms, 0, 10)
        verify(records(tmp_path, talk, idle_timeout_s=timeout_s, active_timeout_s=604800) == wanted, "other records")

    def test_either_direction_keeps_a_flow_alive(self, tmp_path):
        """
        Steps: question and answer in turn, each 3 s after the other; the timeout is 5 s.
        Verify: one record.
        """
        talk = Talk()
        for i in range(20):
            talk.udp(i * 3 * SECONDS, i % 2, 10)
        verify(records(tmp_path, talk, idle_timeout_s=5) == [("flushed", 10, 10)], "more records")


class TestActive:
    def test_a_long_flow_is_cut(self, tmp_path):
        """
        Steps: a packet each second for 20 s; the active timeout is 6 s.
        Verify: records of no more than 6 s, each packet in one of them; all but the last ended by age.
        """
        talk = Talk()
        for i in range(20):
            talk.udp(i * SECONDS, i % 2, 10)
        found = records(tmp_path, talk, active_timeout_s=6, idle_timeout_s=60)
        verify(sum(record[1] + record[2] for record in found) == 20, f"{found}")
        verify([record[0] for record in found] == ["active"] * (len(found) - 1) + ["flushed"], f"{found}")
        verify(len(found) == 3 and all(record[1] + record[2] <= 7 for record in found), f"{found}")

    def test_a_long_timeout_cuts_nothing(self, tmp_path):
        """
        Steps: the same with a timeout of 20 s.
        Verify: one record.
        """
        talk = Talk()
        for i in range(20):
            talk.udp(i * SECONDS, i % 2, 10)
        verify(records(tmp_path, talk, active_timeout_s=20, idle_timeout_s=60) == [("flushed", 10, 10)], "more records")


class TestLinger:
    @pytest.mark.parametrize("close", ["fin", "rst"])
    def test_stragglers(self, tmp_path, close):
        """
        Steps: close a conversation by FIN both ways, and by RST; one more packet 0.5 s later, with a linger of 1 s and of 0.2 s.
        Verify: with the first it belongs to the record; with the second the record has ended, and it begins another.
        """
        (one,) = records(tmp_path, closed(500, close), tcp_linger_s=1, idle_timeout_s=60)
        verify(one == (close, 4, 2), f"{one}")
        two = records(tmp_path, closed(500, close), tcp_linger_s=0.2, idle_timeout_s=60)
        verify(two == [(close, 3, 2), ("flushed", 1, 0)], f"{two}")


class TestLive:
    """By the clock: nothing has to come for a flow to end."""

    def set_up_test_case(self):
        self.hosts = two_hosts()
        self.hosts.__enter__()
        cable("ljx0", "ljx1")

    def tear_down_test_case(self):
        self.hosts.__exit__(None, None, None)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_silence_ends_a_flow_and_the_timeout_can_be_set(self, tmp_path, workers):
        """
        Steps: set the idle timeout of an hour to 0.2 s at the running box, with one worker, and with two and a spreader before them; send
        packets of two flows, then nothing.
        Verify: both flows end as idle, though nothing more comes.
        """
        talk = Talk().udp(0, 0, 10).udp(1, 1, 10)
        frames = [frame for _, frame in talk.frames] + [frame for _, frame in Talk(sport=40001).udp(0, 0, 10).frames]
        config = {"capture": {"ports": [{"name": "xdp:ljx0"}]}, "models": [], "flow": {"idle_timeout_s": 3600},
                  "lcores": {"workers": workers}, "eve": {"target": str(tmp_path / "eve.json")}}

        def flow_stats(telemetry, **wanted):
            stats = telemetry.ask("/linejudge/show/flow/stats")
            if any(stats[key] != value for key, value in wanted.items()):
                raise OSError(f"{stats}, not {wanted}")
            return stats

        with appliance(tmp_path, config, "lj-dts-timeouts", IN_HOST) as (process, telemetry):
            telemetry.ask("/linejudge/set/timeout/idle,0.2")
            send("ljx1", frames)
            wait_for(lambda: flow_stats(telemetry, flow_created=2, flow_hit=1, flow_ended_idle=2, flow_active=0), process)
        verify(process.returncode == 0, f"exit {process.returncode}")
        verify([e["ml"]["due"] for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"] == ["idle"] * 2, "ended otherwise")
