"""The bench runs, compares, and writes the page; its figures are not asserted."""

import json
import os
import shutil
import subprocess

import pytest

from framework.linejudge import ROOT, TOOLS, verify

BENCH = os.path.join(TOOLS, "bench")
PAGE = os.path.join(ROOT, "docs", "performance.md")


def bench(*arguments):
    return subprocess.run([BENCH, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, check=False)


def rows(name, *arguments):
    done = bench(name, "--json", "-", *arguments)
    verify(done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


class TestBench:
    def test_tables_of_the_page_are_written(self, tmp_path):
        """
        Steps: let the bench write the tables of memory and of queues into a copy of the page.
        Verify: both have rows and tell their command; nothing else of the page has changed.
        """
        page = tmp_path / "performance.md"
        shutil.copy(PAGE, page)
        done = bench("--only", "memory,queue", "--page", page, "--log", tmp_path / "log")
        verify(done.returncode == 0, done.stderr)
        text = page.read_text()
        for name in ("memory", "queue"):
            section = text.partition(f"<!-- table: {name} -->\n")[2].partition("<!-- end -->")[0]
            verify(section.count("\n|") > 3 and f"`tools/bench {name}`" in section, section)
        untouched = ("datapath", "infer", "peers")
        for name in untouched:
            marker = f"<!-- table: {name} -->"
            before = open(PAGE, encoding="utf-8").read().partition(marker)[2].partition("<!-- end -->")[0]
            verify(text.partition(marker)[2].partition("<!-- end -->")[0] == before, f"{name} has changed")

    def test_a_bench_that_fails_leaves_its_table(self, tmp_path):
        """
        Steps: give a page without the table's markers.
        Verify: the exit code tells, and names the table.
        """
        page = tmp_path / "performance.md"
        page.write_text("<!-- table: machine -->\n<!-- end -->\n")
        done = bench("--only", "memory", "--page", page, "--log", tmp_path / "log")
        verify(done.returncode == 1 and "<!-- table: memory -->" in done.stderr, done.stderr)

    def test_an_unknown_bench_is_refused(self):
        """
        Steps: ask for a bench that is none.
        Verify: it is refused, with the list of those that are.
        """
        done = bench("nosuch")
        verify(done.returncode == 1 and "no such bench: nosuch" in done.stderr and "datapath" in done.stderr, done.stderr)

    def test_the_data_path_is_told_by_traffic(self):
        """
        Steps: a short run of the data path at 1,000 and 100,000 flows.
        Verify: each kind of traffic has both times and their ratio. Where no flow is new, none is begun; of a SYN flood every packet
            begins a flow and evicts one, of the others as many as they have conversations; none is refused.
        """
        found = rows("datapath", "--seconds", 0.02, "--flows", 100000)
        begun = {"uniform": 0, "zipf": 0, "synflood": 1, "scan": 1 / 2, "small": 1 / 4}
        verify([(row["traffic"], row["flows"]) for row in found] == [("uniform", 1000)] + [(kind, 100000) for kind in begun], found)
        for row in found:
            verify(row["ns_per_packet"] > 0 and row["rte_hash_bulk_ns_per_packet"] > 0 and row["ratio"] > 0, row)
            for what in ("begun_per_packet", "evicted_per_packet"):
                verify(abs(row[what] - begun[row["traffic"]]) < 0.05, row)
            verify(row["refused_packets"] == 0, row)

    def test_peers_read_the_same_capture(self):
        """
        Steps: all meters over a small capture.
        Verify: each makes records of it, and those that keep bidirectional flows and have no limit on their age agree on their number.
        """
        found = {row["meter"]: row for row in rows("peers", "--packets", 20000, "--runs", 1)}
        verify(len(found) == 10 and all(row["records"] > 0 for row in found.values()), found)
        verify(found["linejudge, records"]["records"] == found["linejudge, IPFIX"]["records"] == found["tshark"]["records"], found)

    @pytest.mark.parametrize("name", ["rxonly", "scaling"])
    def test_endless_captures_are_polled(self, name):
        """
        Steps: a short run from net_pcap's endless file.
        Verify: there is a figure.
        """
        for row in rows(name, "--seconds", 0.3, "--runs", 1):
            verify(row.get("ns_per_packet", 1) > 0 and row.get("mpps", 1) > 0, row)

    def test_a_start_is_told_by_what_is_in_it(self):
        """
        Steps: start each kind once.
        Verify: both builds have a figure of each.
        """
        found = rows("start", "--runs", 1)
        verify(len(found) == 4 and all(row["ms"] > 0 and row["shared_ms"] > 0 and row["rss_mib"] > 1 for row in found), found)

    def test_the_grid_is_a_table_and_a_picture(self, tmp_path):
        """
        Steps: a short run of the grid, with --csv and --picture.
        Verify: the sequential baseline and the cells in CSV and JSON; a picture of them.
        """
        table, picture = tmp_path / "grid.csv", tmp_path / "grid.svg"
        cells = rows("grid", "--seconds", 0.5, "--csv", table, "--picture", picture)
        names = [line.split(",")[0] for line in table.read_text().splitlines()]
        verify(names == ["name"] + [cell["name"] for cell in cells] and {"sequential", "1b1w", "10b4w", "50b3w"} < set(names), names)
        verify("</svg>" in picture.read_text(), picture)

    def test_models_are_told_by_size_time_and_accuracy(self):
        """
        Steps: the three kinds of model, of a twentieth of flows and trees.
        Verify: each has its figures, and float32 costs hardly a verdict.
        """
        for row in rows("models", "--part", 0.05):
            verify(row["bytes"] > 0 and row["load_ms"] > 0 and all(batch["ns_per_row"] > 0 for batch in row["rows"]), row)
            verify(row["accuracy_float32"] > 0.6 and row["verdicts_that_differ"] < row["flows_aside"] / 100, row)
