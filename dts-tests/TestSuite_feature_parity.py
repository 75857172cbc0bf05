"""Every feature against the twin: the same flows from the same packets by plain formulas (framework/twin*.py)."""

from framework import twin
from framework.linejudge import DEMO, verify


def agree(capture, tmp_path, *arguments, **timeouts):
    """linejudge and the twin give the same records and values of the capture; linejudge's rows."""
    ours = twin.of_linejudge(capture, tmp_path / "features.csv", *arguments)
    flows, values, differences = twin.compare(ours, twin.rows(capture, **timeouts))
    verify(not differences, f"{len(differences)} of {values} values of {flows} flows differ: {differences[:5]}")
    return ours


class TestTwin:
    def test_the_demo_capture_gives_what_the_twin_computes(self, tmp_path):
        """
        Steps: replay the demo capture with all feature sets; let the twin compute them.
        Verify: the same records; integers equal, floats to 1e-6.
        """
        rows = agree(DEMO, tmp_path)
        verify(len(rows) == 2062, f"{len(rows)} flows")

    def test_other_timeouts_cut_the_same_flows(self, tmp_path):
        """
        Steps: the same with timeouts so short that they cut many flows.
        Verify: the same records.
        """
        rows = agree(DEMO, tmp_path, "--set", "flow.idle_timeout_s=6", "--set", "flow.active_timeout_s=10",
                     "--set", "flow.tcp_linger_s=0.2", idle_s=6, active_s=10, linger_s=0.2)
        verify(len({r["end_reason"] for r in rows}) == 5, "not every kind of end")
