"""The feature table, as CSV and as a NumPy array: what is in one is in the other, whatever happens to the file."""

import csv
import os
import subprocess

import numpy
import pytest

from framework.bundle import train_on_table, write_bundle
from framework.frames import BEGIN_NS, frame_of, ip, udp
from framework.linejudge import DEMO, TOOLS, appliance, error_line, replay, run, verify, wait_for, write_pcap

ALL_SETS = "features.set=linejudge,host,cic,netflow,argus,network"
NAMES = ["packets", "duration_us", "fwd_bytes", "bwd_bytes"]


def load(path):
    """numpy.load, of what may have more columns than its bound on headers."""
    return numpy.load(path, max_header_size=1 << 16)


def tables_of(tmp_path, *arguments):
    """The demo's table as an array, and as the dicts of its CSV."""
    replay(DEMO, "--model", "none", "--features", tmp_path / "table.npy", *arguments)
    replay(DEMO, "--model", "none", "--features", tmp_path / "table.csv", *arguments)
    with open(tmp_path / "table.csv", encoding="ascii") as file:
        return load(tmp_path / "table.npy"), list(csv.DictReader(file))


class TestNumpy:
    def test_the_array_is_the_table(self, tmp_path):
        """
        Steps: replay the demo with all sets of features, as .npy and as CSV; read both in Python.
        Verify: the same columns, each once, and rows, in order; features are the CSV's numbers in float32, an empty field NaN.
        """
        array, rows = tables_of(tmp_path, "--set", ALL_SETS)
        verify(sorted(array.dtype.names) == sorted(rows[0]), f"{array.dtype.names}")
        verify(len(array) == len(rows) == 2062, f"{len(array)} rows, {len(rows)} lines")
        for name in array.dtype.names:
            told = [row[name] for row in rows]
            if array.dtype[name] == numpy.float32:
                verify(numpy.array_equal(array[name], numpy.array([n or "nan" for n in told], float).astype(numpy.float32), equal_nan=True), name)
            elif array.dtype[name].kind == "S":
                verify([text.decode() for text in array[name]] == told, name)
            else:
                verify([int(n) for n in told] == array[name].tolist(), name)

    def test_the_longest_address_fits(self, tmp_path):
        """
        Steps: a packet between two IPv6 addresses without a zero.
        Verify: both are in the array whole.
        """
        ends = ["2001:db8:1111:2222:3333:4444:5555:6666", "fd11:2222:3333:4444:5555:6666:7777:8888"]
        write_pcap(tmp_path / "six.pcap", [(BEGIN_NS, frame_of(ip(*ends, 17, udp(1111, 2222))))])
        replay(tmp_path / "six.pcap", "--model", "none", "--features", tmp_path / "table.npy")
        row, = load(tmp_path / "table.npy")
        verify([row["src_ip"].decode(), row["dst_ip"].decode()] == ends, f"{row}")

    def test_any_number_of_lcores_gives_the_same_bytes(self, tmp_path):
        """
        Steps: replay the demo by one worker, and by three workers and two inference lcores.
        Verify: the files are byte-identical.
        """
        replay(DEMO, "--features", tmp_path / "one.npy", "--set", "features.set=linejudge,host")
        replay(DEMO, "--features", tmp_path / "five.npy", "--set", "features.set=linejudge,host", "--workers", "3", "--infer", "2")
        verify((tmp_path / "one.npy").read_bytes() == (tmp_path / "five.npy").read_bytes(), "they differ")

    def test_a_capture_without_flows_gives_an_array_without_rows(self, tmp_path):
        """Verify: numpy.load reads it, and it has all columns."""
        (tmp_path / "empty.pcap").write_bytes(open(DEMO, "rb").read(24))
        replay(tmp_path / "empty.pcap", "--model", "none", "--features", tmp_path / "table.npy")
        array = load(tmp_path / "table.npy")
        verify(array.shape == (0,) and "fwd_gap_mean_us" in array.dtype.names, f"{array.dtype}")

    def test_it_is_read_while_it_is_written(self, tmp_path):
        """
        Steps: live, play the demo in a circle into a .npy; load it again and again; move it away meanwhile.
        Verify: every load succeeds and has rows, each with the duration of a flow; another file is begun under its name, and both end whole.
        """
        table = tmp_path / "live.npy"
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1", "mbufs": 131072}]}, "models": [],
                  "features": {"csv": str(table)}, "flow": {"idle_timeout_s": 10, "active_timeout_s": 0.5, "tcp_linger_s": 0.1},
                  "doctor": "off", "eal": {"huge": "off"}}

        def some_rows(more_than):
            array = load(table)
            if len(array) <= more_than:
                raise OSError(f"{len(array)} rows")
            verify((array["packets"] > 0).all() and (array["src_ip"] != b"").all(), "rows without a flow")
            return len(array)

        with appliance(tmp_path, config, "linejudge-npy") as (process, _):
            first = wait_for(lambda: some_rows(0), process)
            wait_for(lambda: some_rows(first), process)
            os.rename(table, tmp_path / "old.npy")
            wait_for(lambda: some_rows(0), process)
        for path in (table, tmp_path / "old.npy"):
            array = load(path)
            verify(len(array) > 0, f"{path}: no rows")
            verify((os.path.getsize(path) - len(array) * array.itemsize) % 64 == 0, f"{path}: something is behind the rows")

    @pytest.mark.parametrize("make", (os.mkfifo, os.mkdir))
    def test_what_is_no_file_is_refused(self, tmp_path, make):
        """Verify: a pipe and a folder are refused in a line that names them."""
        make(tmp_path / "table.npy")
        line = error_line(run("--pcap", DEMO, "--model", "none", "--features", tmp_path / "table.npy"))
        verify("table.npy" in line and ("is not a regular file" in line or "Is a directory" in line), line)


class TestReference:
    def test_either_table_gives_the_same_reference(self, tmp_path):
        """
        Steps: tools/reference of a bundle by the demo's CSV, and by its .npy.
        Verify: the same histograms to the byte.
        """
        array, _ = tables_of(tmp_path)
        rows = numpy.stack([array[name] for name in NAMES], axis=1)
        told = []
        for table in ("table.csv", "table.npy"):
            booster, rows = train_on_table(rows, rows[:, 3] == 0)
            bundle = write_bundle(tmp_path / table[-3:], booster, NAMES, rows[:40], threshold=0.5)
            done = subprocess.run([f"{TOOLS}/reference", bundle, tmp_path / table], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            verify(done.returncode == 0, done.stderr)
            told.append((bundle / "reference.json").read_bytes())
        verify(told[0] == told[1], "they differ")

    def test_an_array_that_is_none_is_refused(self, tmp_path):
        """Verify: a .npy that is cut short, and one without the columns, are named in a line."""
        array, _ = tables_of(tmp_path)
        rows = numpy.stack([array[name] for name in NAMES], axis=1)
        booster, rows = train_on_table(rows, rows[:, 3] == 0)
        bundle = write_bundle(tmp_path / "mine", booster, NAMES, rows[:40], threshold=0.5)
        whole = (tmp_path / "table.npy").read_bytes()
        (tmp_path / "cut.npy").write_bytes(whole[:len(whole) // 2])
        (tmp_path / "text.npy").write_text("flow_id,packets\n")
        numpy.save(tmp_path / "plain.npy", rows)
        for name, said in (("cut.npy", ""), ("text.npy", ""), ("plain.npy", "has no column packets (4 of the bundle's 4")):
            done = subprocess.run([f"{TOOLS}/reference", bundle, tmp_path / name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            verify(done.returncode == 1 and len(done.stderr.splitlines()) == 1 and name in done.stderr and said in done.stderr, done.stderr)
