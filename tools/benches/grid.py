#!/usr/bin/python3
"""Decision time and flows per second by batch size and workers, as in the paper's Figure 5: CSV, and a picture of it.

    tools/bench grid [--seconds S] [--csv PATH] [--picture PATH.png|PATH.svg] [--json PATH|-]

Each cell is compared with a sequential baseline in the same run: one worker that scores flow by flow with XGBoost's C API. Without --csv the CSV
goes to stdout, or to stderr if the JSON goes to stdout.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile

import matplotlib
import run

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402: the backend must be chosen first

COLUMNS = ("name", "engine", "batch", "workers", "flows_per_s", "decision_mean_us", "decision_p99_us", "ratio")
BASELINE, OURS = "0.6", "tab:blue"


def measure(seconds):
    with tempfile.NamedTemporaryFile("r", suffix=".json") as result:
        subprocess.run([os.path.join(run.ROOT, "build", "lib", "bench_grid"), "--json", result.name, "--seconds", str(seconds)],
                       stdout=subprocess.DEVNULL, check=True)
        return json.load(result)


def write_csv(rows, out):
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})


def draw(rows, path):
    names = ["sequential\n(XGBoost)" if row["name"] == "sequential" else row["name"] for row in rows]
    colours = [BASELINE if row["name"] == "sequential" else OURS for row in rows]
    figure, (times, rates) = plt.subplots(2, 1, figsize=(8, 6.4), sharex=True)
    times.bar(names, [row["decision_mean_us"] for row in rows], color=colours)
    times.plot(names, [row["decision_p99_us"] for row in rows], "k_", markersize=14, label="99th percentile")
    times.set(yscale="log", ylabel="decision time, us", title="by batch (b) and workers (w); bars are means")
    times.legend()
    rates.bar(names, [row["flows_per_s"] for row in rows], color=colours)
    for name, row in zip(names, rows):
        rates.text(name, row["flows_per_s"], f"{row['ratio']:.3g}x", ha="center", va="bottom", fontsize=8)
    rates.set(yscale="log", ylabel="flows/s", xlabel=f"{os.cpu_count()} CPUs; x: times the sequential baseline")
    for axes in (times, rates):
        axes.grid(axis="y", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={"Software": None} if path.endswith(".png") else {"Date": None})
    plt.close(figure)


def main():
    options = run.arguments(__doc__.splitlines()[0], seconds=10.0, csv="", picture="")
    if options.picture and not options.picture.endswith((".png", ".svg")):
        sys.exit(f"bench: {options.picture} is neither .png nor .svg")
    rows = measure(options.seconds)
    if options.csv:
        with open(options.csv, "w", newline="", encoding="ascii") as file:
            write_csv(rows, file)
    else:
        write_csv(rows, sys.stderr if options.json == "-" else sys.stdout)
    if options.picture:
        draw(rows, options.picture)
    run.write_json(options.json, rows)


if __name__ == "__main__":
    main()
