"""The benchmarks, and the tables of docs/performance.md made from them.

A benchmark is a name and a program that prints JSON: a list of flat objects, or an object of such lists. A table selects rows and columns of these.
To add one, add a row here and its markers to the page.
"""

import dataclasses
import os
import typing

import run


@dataclasses.dataclass(frozen=True)
class Bench:
    help: str
    python: bool = False  # tools/benches/NAME.py; otherwise build/lib/bench_NAME
    target: str = ""  # ninja target, if it is not the program itself


BENCHES = {
    "datapath": Bench("mbuf to record, beside the same path over rte_hash_lookup_bulk [--seconds S] [--flows MOST]"),
    "packet": Bench("mbuf to facts, beside rte_net_get_ptype, which only finds the layers"),
    "host": Bench("host context a flow, beside finding the same hosts in rte_hash [--seconds S]"),
    "queue": Bench("queues between lcores, beside rte_ring"),
    "toeplitz": Bench("the Toeplitz hash by table and by GFNI, beside rte_softrss_be"),
    "capture": Bench("reading files"),
    "xdp": Bench("the XDP tap, beside a program that only passes (root)"),
    "xdp_link": Bench("the same on a veth, native and generic, frames going through (root)"),
    "rxonly": Bench("net_pcap to record, beside testpmd that only receives [--seconds S] [--runs N]", python=True),
    "peers": Bench("packets a CPU second of other meters, on one capture [--packets N] [--runs N] [--pcap FILE]", python=True),
    "scaling": Bench("packets a second by workers: 1 and 2 measured, 4 to 16 computed [--seconds S] [--runs N]", python=True),
    "memory": Bench("memory by live flows", python=True),
    "start": Bench("a start, beside that of a build with shared DPDK [--runs N]", python=True),
    "infer": Bench("a row's score by engine, batch and model, beside XGBoost's C API [--seconds S] [--models DIR] [--quick]"),
    "batch": Bench("one setting of micro-batches at every load, beside batches of 1 [--seconds S] [--realtime]"),
    "models": Bench("XGBoost, random forest, decision tree: size, load time, ns a row, float32 beside float64 [--part 0.1]", python=True),
    "grid": Bench("decision time and flows/s by batch x workers, beside XGBoost flow by flow [--seconds S] [--csv PATH] [--picture PATH]",
                  python=True, target="lib/bench_grid"),
    "load": Bench("decision time under steady, ramp, spike, wave and random load, and up to which rate it holds "
                  "[--seconds S] [--realtime]"),
}


def program(name):
    """The command of a benchmark, without arguments."""
    if BENCHES[name].python:
        return [os.path.join(run.ROOT, "tools", "benches", name + ".py")]
    return [os.path.join(run.ROOT, "build", "lib", "bench_" + name)]


def targets(names):
    """The ninja targets of these benchmarks."""
    return sorted({BENCHES[name].target or ("app/linejudge" if BENCHES[name].python else "lib/bench_" + name) for name in names})


def whole(value):
    return f"{value:,.0f}"


def one(value):
    return f"{value:,.1f}"


def two(value):
    return f"{value:.2f}"


def four(value):
    return f"{value:.4f}"


def bold(value):
    return f"**{value:.2f}**"


def millions(value):
    return f"{value / 1e6:.2f}"


@dataclasses.dataclass(frozen=True)
class Table:
    name: str  # name of its markers in the page
    bench: str
    columns: tuple  # (heading, field, format)
    rows: str = ""  # the list's name, if the benchmark prints an object
    keep: typing.Callable = lambda row: True


SHOWN_BATCHES = (1, 10, 32, 64, 100)

TABLES = (
    Table("datapath", "datapath", (("traffic", "traffic", str), ("live flows", "flows", whole), ("times rte_hash bulk", "ratio", bold),
                                   ("ns/packet", "ns_per_packet", one), ("rte_hash bulk, ns", "rte_hash_bulk_ns_per_packet", one))),
    Table("rxonly", "rxonly", (("flows", "flows", whole), ("times testpmd's time", "times_testpmd", bold),
                               ("ns/packet", "ns_per_packet", one), ("testpmd, ns", "testpmd_ns_per_packet", one))),
    Table("peers", "peers", (("meter", "meter", str), ("times Argus", "ratio_to_argus", bold),
                             ("M packets/CPU s", "packets_per_cpu_s", millions), ("records/CPU s", "flows_per_cpu_s", whole),
                             ("records", "records", whole), ("what it extracts", "extracts", str))),
    Table("scaling", "scaling", (("workers", "workers", str), ("times 10 GbE at 64 B", "times_10gbe_64b", bold), ("Mpps", "mpps", one),
                                 ("", "how", str))),
    Table("memory", "memory", (("live flows", "flows", whole), ("flow tables, MiB", "flow_tables_mib", whole),
                               ("bytes a flow", "bytes_per_flow", whole))),
    Table("start", "start", (("what is started", "start", str), ("times the shared build's speed", "ratio", bold), ("ms", "ms", whole),
                             ("CPU, ms", "cpu_ms", whole), ("MiB", "rss_mib", whole), ("shared, ms", "shared_ms", whole),
                             ("CPU, ms", "shared_cpu_ms", whole), ("MiB", "shared_rss_mib", whole))),
    Table("packet", "packet", (("frames", "name", str), ("times rte_net_get_ptype's speed", "ratio", bold),
                               ("ns/packet", "ns_per_packet", one), ("rte_net_get_ptype, ns", "rte_net_get_ptype_ns", one))),
    Table("queue", "queue", (("what", "name", str), ("times rte_ring", "ratio", bold), ("ns/record", "ns_per_record", one),
                             ("rte_ring, ns", "rte_ring_ns", one))),
    Table("host", "host", (("hosts", "hosts", whole), ("services", "services", str), ("features", "read", str), ("times rte_hash alone", "ratio", bold),
                           ("ns/flow", "flow_ns", whole), ("rte_hash alone, ns", "rte_hash_ns", whole))),
    Table("toeplitz", "toeplitz", (("bytes", "bytes", str), ("GFNI, times rte_softrss_be", "gfni_ratio", bold),
                                   ("table, times", "table_ratio", bold), ("GFNI, ns", "gfni_ns", one), ("table, ns", "table_ns", one),
                                   ("rte_softrss_be, ns", "rte_softrss_be_ns", one))),
    Table("capture", "capture", (("format", "format", str), ("frame, bytes", "bytes", str), ("legs", "legs", str),
                                 ("ns/packet", "ns_per_packet", one))),
    Table("xdp", "xdp", (("frame, bytes", "bytes", str), ("program", "program", str), ("share of the host's rate", "share_of_rate", two),
                         ("added, ns", "added_ns", one), ("ns", "ns", one))),
    Table("xdp-link", "xdp_link", (("frame, bytes", "bytes", str), ("program", "program", str),
                                   ("share of the rate of only passing", "share_of_rate", two), ("ns a frame", "ns", one))),
    Table("infer", "infer", (("model", "model", str), ("batch", "batch", str), ("times XGBoost", "ratio", bold),
                             ("ns/row", "ns_per_row", whole), ("XGBoost, ns/row", "xgboost_ns_per_row", whole)),
          keep=lambda row: row["engine"] == "forest" and row["batch"] in SHOWN_BATCHES),
    Table("models", "models", (("model", "model", str), ("times XGBoost, batch 100", "ratio", bold), ("ns/row", "ns_per_row", whole),
                               ("trees", "trees", whole), ("bytes", "bytes", whole), ("to open, ms", "load_ms", one),
                               ("by XGBoost, ms", "xgboost_load_ms", one), ("accuracy in float32", "accuracy_float32", four),
                               ("in float64", "accuracy_float64", four))),
    Table("batch", "batch", (("load", "load", two), ("flows/s, times batch 1", "ratio", bold), ("flows/s", "flows_per_s", whole),
                             ("mean batch", "mean_batch", one), ("p50, us", "p50_us", one), ("p99, us", "p99_us", one),
                             ("batch 1: p50, us", "batch_1_p50_us", one), ("p99, us", "batch_1_p99_us", one))),
    Table("grid", "grid", (("batch x workers", "name", str), ("engine", "engine", str), ("times sequential", "ratio", bold),
                           ("flows/s", "flows_per_s", whole), ("decision mean, us", "decision_mean_us", one),
                           ("p99, us", "decision_p99_us", one))),
    Table("load", "load", (("pattern", "pattern", str), ("host context", "host", lambda on: "on" if on else "off"), ("CPUs", "cpus", str),
                           ("p99, times shorter than batch 1", "ratio", bold), ("flows/s", "flows_per_s", whole),
                           ("p50, us", "p50_us", one), ("p99, us", "p99_us", one), ("offered late, p99, us", "lag_p99_us", one),
                           ("p99.9, us", "p999_us", one), ("shed", "shed", whole),
                           ("recovered after, us", "recovery_us", lambda us: "" if us is None else whole(us))),
          rows="patterns"),
    Table("load-search", "load", (("of capacity", "of_capacity", two), ("CPUs", "cpus", str), ("flows/s", "rate", whole),
                                     ("p99, us", "p99_us", one), ("state", "state", str)),
          rows="search"),
)
