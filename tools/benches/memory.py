#!/usr/bin/python3
"""Memory by number of live flows, as computed by linejudge --dry-run: tools/bench memory [--json PATH|-].

A unit test compares the computed memory with that of a full table (lib/flow: "a full table takes the memory that it was reckoned at").
"""

import re

import run

FLOWS = (100_000, 1_000_000, 4_000_000, 16_000_000)


def main():
    options = run.arguments(__doc__.splitlines()[0])
    rows = []
    for flows in FLOWS:
        _, _, out, _ = run.measure([run.BINARY, "--pcap", "/dev/null", "--model", "none", "--dry-run", "--set", f"flow.capacity={flows}"])
        mib = float(re.search(r"flow tables ([\d.]+) MiB", out).group(1))
        rows.append({"flows": flows, "flow_tables_mib": mib, "bytes_per_flow": round(mib * 2**20 / flows)})
        run.say(f"{flows:9} flows: {mib:8.1f} MiB, {mib * 2**20 / flows:6.0f} bytes a flow")
    run.write_json(options.json, rows)


if __name__ == "__main__":
    main()
