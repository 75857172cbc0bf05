"""Models that were trained on other people's columns run unchanged: their feature names alone decide what is computed."""

import csv

import numpy as np
import pytest
import xgboost

from framework.bundle import ARGUS, CIC_2017, CIC_2022, NETFLOW_V2, train_on_table, write_bundle
from framework.linejudge import DEMO, error_line, events, replay, run, verify

SPELLINGS = {"cic-2017": CIC_2017, "cic-2022": CIC_2022, "netflow-v2": NETFLOW_V2, "argus": ARGUS}


def table_of(tmp_path, names):
    """The demo's flows in the columns asked for: a bundle that names them writes nothing, so the sets are looked up by spelling."""
    sets = tmp_path / "features.csv"
    replay(DEMO, "--model", "none", "--features", sets, "--set", "features.set=linejudge,network,cic,netflow,argus")
    with open(sets, encoding="utf-8") as file:
        flows = list(csv.DictReader(file))
    by_spelling = spellings()
    return flows, [[float(flow[by_spelling[name.strip().lower()]] or "nan") for name in names] for flow in flows]


def spellings():
    """Every spelling in the reference of features, and the feature's own name."""
    found = {}
    for line in run("--help-features").stdout.splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if not line.startswith("| `"):
            continue
        name = cells[0].strip("|` ")
        for spelling in [name, *cells[2].split("; ")]:
            found.setdefault(spelling.lower(), name)
    return found


class TestForeignModels:
    @pytest.mark.parametrize("columns", SPELLINGS)
    def test_a_model_of_other_columns_gives_the_scores_of_python(self, tmp_path, columns):
        """
        Steps: train in Python on a table with those column names; run the bundle.
        Verify: every flow's score is the one that Python's XGBoost gives its row.
        """
        names = SPELLINGS[columns]
        flows, table = table_of(tmp_path, names)
        label = [flow["dst_port"] == "22" or flow["bwd_packets"] in ("0", "0.0") for flow in flows]
        booster, rows = train_on_table(table, label)
        bundle = write_bundle(tmp_path / columns, booster, names, rows[:40])
        replay(DEMO, "--model", bundle, "--eve", tmp_path / "eve.json")
        wanted = {flow["flow_id"]: score for flow, score in zip(flows, booster.predict(xgboost.DMatrix(rows)))}
        got = {str(e["flow_id"]): e["ml"]["score"] for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"}
        verify(got.keys() == wanted.keys(), "not the same flows")
        worst = max(abs(got[i] - wanted[i]) for i in got)
        verify(worst < 1e-6, f"scores differ by {worst}")
        verify(len({round(float(s), 3) for s in wanted.values()}) > 3, "the model says the same of everything: nothing is tested")

    def test_an_unknown_column_is_named_with_the_nearest(self, tmp_path):
        """Verify: one line with the name and what may be meant."""
        rows = np.zeros((4, 2), dtype=np.float32)
        booster, rows = train_on_table(rows, [0, 1, 0, 1])
        bundle = write_bundle(tmp_path / "odd", booster, ["Flow Duration", "Flow Byts/sec"], rows)
        line = error_line(run("--pcap", DEMO, "--model", bundle))
        verify("Flow Byts/sec" in line and "Flow Byts/s" in line, line)

    def test_a_column_that_is_no_feature_says_why(self, tmp_path):
        """Verify: the reason, not a near name that means something else."""
        booster, rows = train_on_table(np.zeros((4, 2), dtype=np.float32), [0, 1, 0, 1])
        bundle = write_bundle(tmp_path / "addresses", booster, ["Flow Duration", "Src IP"], rows)
        line = error_line(run("--pcap", DEMO, "--model", bundle))
        verify("Src IP" in line and "address" in line, line)
