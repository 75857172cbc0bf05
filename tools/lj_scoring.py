"""Scores labelled flows with linejudge itself: captures by replay, tables by golden rows."""

import contextlib
import datetime
import json
import os
import shutil
import subprocess
import tempfile

import numpy
import xgboost

import lj_bundle
import lj_dataset
import lj_digest
import lj_foreign
import lj_labels
import lj_measures
import lj_table


def _ns(text):
    return round(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1e6) * 1000


def _score_of(event, threshold):
    """EVE rounds scores to six digits; a score that equals the threshold after rounding is put on the side given by the verdict."""
    score, alerted = event["ml"]["score"], event["flow"]["alerted"]
    if score is None or alerted == (score >= threshold) or event["ml"]["threshold"] != float(f"{threshold:.6g}"):
        return score
    return threshold if alerted else numpy.nextafter(threshold, 0)


def _waits(manifest):
    """Delay in ns of a verdict after its flow's last packet, by the reason it was due; linejudge's defaults if the bundle has none."""
    flow = {**lj_bundle.FLOW, **manifest.get("flow", {})}
    return {"idle": round(flow["idle_timeout_s"] * 1e9), **dict.fromkeys(("fin", "rst"), round(flow["tcp_linger_s"] * 1e9))}


def _early_alerts(events):
    """{flow: time of its early alert}."""
    return {event["flow_id"]: _ns(event["flow"]["end"]) for event in events if event["event_type"] == "alert" and event["ml"]["early"]}


def _replay(job):
    """[(score, y, start s, decided s)] of one capture's labelled flows, and its length in h."""
    path, label, bundle, waits, threshold = job
    with tempfile.NamedTemporaryFile("r", suffix=".json", encoding="utf-8") as eve:
        # The XGBoost engine starts faster, and gives identical results.
        done = subprocess.run([lj_dataset.LINEJUDGE, "--pcap", path, "--model", bundle, "--eve", eve.name, "--summary", "none",
                               "--set", "model.engine=xgboost"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(done.stderr.strip().splitlines()[-1].removeprefix("linejudge: "))
        events = list(map(json.loads, eve))
    labelled, early, rows = lj_labels.Rule(label["rule"], path), _early_alerts(events), []
    events = [event for event in events if event["event_type"] == "flow"]
    spans = [(_ns(event["flow"]["start"]), _ns(event["flow"]["end"])) for event in events]
    for event, (first, last) in zip(events, spans):
        flow = lj_labels.Flow(event["src_ip"], event.get("src_port", 0), event["dest_ip"], event.get("dest_port", 0),
                              lj_labels.protocol(event["proto"]), first - 1000, last + 1000)
        y = labelled(flow)
        score = _score_of(event, threshold)
        if y is not None and score is not None:
            decided = last + waits.get(event["ml"]["due"], 0)
            rows.append((score, y, first / 1e9, min(decided, early.get(event["flow_id"], decided)) / 1e9))
    lj_dataset.complain(label, len(events), {y for _, y, _, _ in rows}, labelled)
    return rows, (max(last for _, last in spans) - min(first for first, _ in spans)) / 3.6e12 if rows else 0


def captures(bundle, data, labels_path, per_family=0):
    """Scores all labelled captures with the daemon; at most `per_family` of a family, if that is not 0."""
    folder, scratch = lj_dataset.unpack(data)
    labels, _ = lj_dataset.read_labels(folder, labels_path, "keep")
    if per_family:
        ordered, taken = sorted(labels, key=lambda label: lj_dataset.hash_fraction(label["file"], "sample")), {}
        for label in ordered:
            key = label["family"].partition(":")[0] + label["file"].partition("/")[0] if label["class"] == "benign" else label["family"]
            taken.setdefault(key, []).append(label)
        labels = [label for family in taken.values() for label in family[:per_family]]
    with open(os.path.join(bundle, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    jobs = [(os.path.join(folder, label["file"]), label, bundle, _waits(manifest), manifest["threshold"]) for label in labels]
    columns, hours = [[] for _ in range(7)], {}
    with contextlib.closing(lj_dataset.by_workers(_replay, jobs)) as results:
        for label, (rows, length) in zip(labels, results):
            hours[label["file"]] = length
            publisher = label["file"].partition("/")[0] if "/" in label["file"] else "captures"
            for score, y, start, decided in rows:
                for column, value in zip(columns, (score, y, label["family"], label["file"], publisher, start, decided)):
                    column.append(value)
    if scratch is not None:
        scratch.cleanup()
    if not columns[0]:
        raise ValueError(f"{labels_path}: no flow of any capture is used according to its rule")
    return lj_measures.Scored(*columns, hours)


def _prove(bundle, manifest, rows):
    """Scores of the rows, after checking that the daemon's engine gives the same margins, bit for bit, and probabilities; an error names the
    first row that differs."""
    booster, transform = xgboost.Booster(model_file=os.path.join(bundle, manifest["files"]["booster"]["name"])), manifest.get("transform")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(os.path.join(bundle, manifest["files"]["booster"]["name"]), scratch)
        golden = os.path.join(scratch, manifest["files"]["golden"]["name"])
        probabilities = lj_foreign.write_golden(golden, booster, manifest["features"], rows, transform)
        # The other files of the bundle do not affect scores.
        files = {part: manifest["files"][part] for part in ("booster", "golden")}
        files["golden"] = {**files["golden"], "sha256": lj_digest.of_file(golden)}
        with open(os.path.join(scratch, "manifest.json"), "w", encoding="utf-8") as file:
            json.dump({**{key: value for key, value in manifest.items() if key != "family"}, "files": files}, file)
        done = subprocess.run([lj_dataset.LINEJUDGE, "model", "check", scratch], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            raise ValueError(done.stderr.strip().splitlines()[-1])
    return lj_foreign.score_of(probabilities)


def tables(bundle, paths, label, benign, family):
    """Scores labelled tables in Python, checked with linejudge's engine."""
    with open(os.path.join(bundle, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    dataset, _ = lj_table.load(paths, label, benign, family, learn=False)
    known = lj_table.known_columns()
    have = {known[name.lower()]: i for i, name in enumerate(dataset.names)}
    wanted = [known.get(name.strip().lower(), name) for name in manifest["features"]]
    missing = [name for name, feature in zip(manifest["features"], wanted) if feature not in have]
    if missing:
        raise ValueError(f"{paths[0]}: {len(missing)} of the model's features are not among its columns: {', '.join(missing[:5])}")
    scores = _prove(bundle, manifest, dataset.x[:, [have[feature] for feature in wanted]])
    names = numpy.array(dataset.captures)[dataset.capture]
    return lj_measures.Scored(scores, dataset.y, dataset.family, names, dataset.publisher)
