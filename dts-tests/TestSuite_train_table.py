"""A person trains a bundle from a table that somebody else made."""

import csv
import json

import pytest

from framework import training
from framework.linejudge import replay, run, verify
from framework.training import refusal, train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training.write_captures(tmp_path_factory.mktemp("data"))


class TestTable:
    @pytest.fixture
    def table(self, data, tmp_path):
        """CIC's columns of a scan and of office traffic, with a label."""
        out = tmp_path / "cic.csv"
        with open(out, "w", newline="", encoding="ascii") as file:
            for name, label in (("office-1", "BENIGN"), ("scan-1", "PortScan")):
                replay(data / f"{name}.pcap", "--model", "none", "--features", tmp_path / "t.csv", "--set", "features.set=cic")
                with open(tmp_path / "t.csv", newline="", encoding="ascii") as part:
                    header, *rows = csv.reader(part)
                if label == "BENIGN":
                    csv.writer(file).writerow([*header[9:], "Label"])
                csv.writer(file).writerows([*row[9:], label] for row in rows)
        return out

    def test_a_table_becomes_a_bundle(self, table, tmp_path):
        """Verify: it opens, has no port among its features, its card says what captures are of a table, and the daemon takes it."""
        done = train("--csv", table, "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        verify("A table has no captures" in (tmp_path / "cic" / "README.md").read_text(), "the card speaks of captures")
        verify("port" not in (tmp_path / "cic" / "manifest.json").read_text(), "a port is a feature")
        check = run("model", "check", tmp_path / "cic")
        verify(check.returncode == 0, check.stderr)

    def test_a_column_that_is_there_twice_is_used_once(self, table, tmp_path):
        """
        Steps: add a column again, as CIC-IDS2017's own files have 'Fwd Header Length', a space before every name, and a byte of Windows' in the attack's.
        Verify: the bundle opens.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        at = header.index("cic_flow_duration")
        with open(tmp_path / "own.csv", "w", newline="", encoding="cp1252") as file:
            csv.writer(file).writerow([f" {name}" for name in [*header[:-1], header[at], header[-1]]])
            csv.writer(file).writerows([*row[:-1], row[at], row[-1].replace("PortScan", "Web Attack \u2013 XSS")] for row in rows)
        done = train("--csv", tmp_path / "own.csv", "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        check = run("model", "check", tmp_path / "cic")
        verify(check.returncode == 0, check.stderr)

    def test_families_of_any_alphabet_are_named(self, table, tmp_path):
        """
        Steps: call the attacks by two long names of letters of two bytes each.
        Verify: the bundle opens, and its families are these, cut to what a manifest takes.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        with open(tmp_path / "own.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(header)
            csv.writer(file).writerows([*row[:-1], ("\u0430" * 40, "\u0431" * 40)[i % 2] if row[-1] == "PortScan" else row[-1]]
                                       for i, row in enumerate(rows))
        done = train("--csv", tmp_path / "own.csv", "--out", tmp_path / "own")
        verify(done.returncode == 0, done.stderr)
        classes = json.loads((tmp_path / "own" / "family" / "manifest.json").read_text())["classes"]
        verify(classes == ["benign", "\u0430" * 15, "\u0431" * 15], classes)

    def test_what_names_no_attack_is_no_family(self, table, tmp_path):
        """
        Steps: a column of families that says of a third of the attacks nothing, of another that they are benign, and names two of the rest.
        Verify: the bundle opens, and names those two.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        with open(tmp_path / "named.csv", "w", newline="", encoding="ascii") as file:
            csv.writer(file).writerow([*header, "Attack"])
            csv.writer(file).writerows([*row, "" if row[-1] == "BENIGN" else ("", "benign", "scan", "", "benign", "sweep")[i % 6]]
                                       for i, row in enumerate(rows))
        done = train("--csv", tmp_path / "named.csv", "--family", "Attack", "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        classes = json.loads((tmp_path / "cic" / "family" / "manifest.json").read_text())["classes"]
        verify(classes == ["benign", "scan", "sweep"], f"{classes}")

    def test_tables_of_several_days_are_one_model(self, table, tmp_path):
        """
        Steps: deal the table's rows to two; train on both; once more with another header in the second.
        Verify: a bundle of both, each named as its source; the other header is an error that names the file, and so is a second table of the same
        name, which would be of the same publisher, or the same once more.
        """
        with open(table, newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file)
        for name, part, first in (("monday", rows[0::2], header), ("friday", rows[1::2], header), ("sunday", rows[1::2], ["X", *header[1:]])):
            with open(tmp_path / f"{name}.csv", "w", newline="", encoding="ascii") as file:
                csv.writer(file).writerows([first, *part])
        done = train("--csv", tmp_path / "monday.csv", "--csv", tmp_path / "friday.csv", "--out", tmp_path / "cic")
        verify(done.returncode == 0, done.stderr)
        manifest = json.loads((tmp_path / "cic" / "manifest.json").read_text())
        verify(manifest["trained_on"] == ["friday.csv", "monday.csv"], manifest["trained_on"])
        line = refusal("--csv", tmp_path / "monday.csv", "--csv", tmp_path / "sunday.csv", "--out", tmp_path / "x")
        verify("sunday.csv: has other columns than" in line, line)
        for other in (tmp_path / "monday.csv", tmp_path / "elsewhere" / "monday.csv"):
            line = refusal("--csv", tmp_path / "monday.csv", "--csv", other, "--out", tmp_path / "x")
            verify(f"{other}: has the same name as {tmp_path}/monday.csv" in line, line)

    @pytest.mark.parametrize("text, said", [
        (b"", "is not a table"), (b"\xd4\xc3\xb2\xa1\x02\x00", "is not a table"), (b"IN_BYTES,OUT_BYTES,Label\n", "no rows"),
        (b"IN_BYTES;OUT_BYTES;Label\n1;2;0\n", "separated by semicolons: use commas"),
        (b"IN_BYTES\tOUT_BYTES\tLabel\n1\t2\t0\n", "separated by tabs: use commas"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2\n", "line 2: 2 cells, and the header has 3"),
        (b"IN_BYTES,OUT_BYTES,Label\nNaN,,0\nnan,inf,1\n", "none of the feature columns has a value"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2,0\n1,3,0\n", "every row is benign"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2,0\n1,3,1\n", "t.csv: 1 benign rows and 1 others: folds need 5 of each"),
        (b"IN_BYTES,OUT_BYTES,Label\n1,2,0\n\n,,\n1,3,\n", "t.csv: line 5: Label is empty"),
    ])
    def test_a_table_that_nothing_can_be_learnt_of_is_refused(self, tmp_path, text, said):
        """Verify: one line, and no bundle."""
        (tmp_path / "t.csv").write_bytes(text)
        line = refusal("--csv", tmp_path / "t.csv", "--out", tmp_path / "x")
        verify(said in line and not (tmp_path / "x").exists(), line)

    def test_rows_of_nothing_are_passed_over(self, table, tmp_path):
        """
        Steps: train; add empty lines and rows of commas alone, as CIC-IDS2017's own files have them; train again.
        Verify: the same model.
        """
        lines = table.read_text().splitlines()
        commas = "," * lines[0].count(",")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "cic.csv").write_text("\n".join([*lines[:5], "", *lines[5:], *[commas] * 40]) + "\n")
        for path, out in ((table, "a"), (tmp_path / "full" / "cic.csv", "b")):
            done = train("--csv", path, "--out", tmp_path / out)
            verify(done.returncode == 0, done.stderr)
        verify((tmp_path / "a" / "model.ubj").read_bytes() == (tmp_path / "b" / "model.ubj").read_bytes(), "another model")

    def test_what_is_of_captures_does_not_go_with_a_table(self, table, tmp_path):
        """Verify: one option each, named, instead of being passed over."""
        for option in (("--leave-out", "x"), ("--made",), ("--lone", "keep"), ("--data", tmp_path), ("--table", "t.npz")):
            done = train("--csv", table, *option, "--out", tmp_path / "x")
            verify(done.returncode == 2 and f"{option[0]} is of captures" in done.stderr, done.stderr)

    def test_a_missing_label_column_is_named_with_the_nearest(self, table, tmp_path):
        """Verify: what was asked for, and what is there."""
        line = refusal("--csv", table, "--label", "Lable", "--out", tmp_path / "x")
        verify("no column 'Lable'" in line and "Label" in line, line)

    def test_columns_that_are_no_features_are_an_error(self, tmp_path):
        """Verify: the columns are named, and which are wanted."""
        (tmp_path / "t.csv").write_text("apples,pears,Label\n1,2,0\n3,4,1\n")
        line = refusal("--csv", tmp_path / "t.csv", "--out", tmp_path / "x")
        verify("apples" in line and "CIC-IDS2017" in line, line)

    def test_what_is_not_a_number_is_named_by_line_and_column(self, tmp_path):
        """Verify: file, line, column."""
        for cell in ("many", "1_000"):  # the latter is one to Python
            (tmp_path / "t.csv").write_text(f"IN_BYTES,OUT_BYTES,Label\n1,2,0\n3,{cell},1\n")
            line = refusal("--csv", tmp_path / "t.csv", "--out", tmp_path / "x")
            verify(f"line 3: OUT_BYTES: '{cell}' is not a number" in line, line)
