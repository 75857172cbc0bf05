"""A threshold by a site's own traffic: told before it holds, kept beside the bundle, taken back."""

import contextlib
import gzip
import importlib.machinery
import importlib.util
import json
import math
import os
import random
import shutil
import subprocess
import sys

import pytest

from framework.linejudge import BINARY, DEMO, ROOT, TOOLS, appliance, error_line, events, read_pcap, replay, run, verify
from framework.netns import IN_HOST, cable, send, two_hosts


sys.path.insert(0, TOOLS)

import lj_calibration  # noqa: E402: importable only now


def calibrate(*arguments):
    return subprocess.run([os.path.join(TOOLS, "calibrate"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)


def told(*arguments):
    done = calibrate(*arguments)
    verify(done.returncode == 0, done.stderr)
    return done.stdout


@pytest.fixture
def bundle(tmp_path):
    """The default model, where calibrating it harms nobody."""
    return shutil.copytree(os.path.join(ROOT, "models", "default"), tmp_path / "default")


@pytest.fixture
def office(tmp_path):
    """A capture of ordinary traffic, and the same with a scan in it."""
    loader = importlib.machinery.SourceFileLoader("pcapgen", os.path.join(TOOLS, "pcapgen"))
    pcapgen = importlib.util.module_from_spec(importlib.util.spec_from_loader("pcapgen", loader))
    loader.exec_module(pcapgen)
    paths = []
    for name, ports in (("office", 0), ("scanned", 40)):
        capture = pcapgen.Capture(5)
        for _ in range(350):
            pcapgen.web(capture, capture.random.uniform(0, 300))
            pcapgen.dns(capture, capture.random.uniform(0, 300))
        if ports:
            pcapgen.port_scan(capture, 100, ports)
        capture.save(tmp_path / f"{name}.pcap")
        paths.append(tmp_path / f"{name}.pcap")
    return paths


def in_force(folder):
    """(threshold, word on the calibration) as the program opens it."""
    line = next(line for line in run("model", "check", folder).stdout.splitlines() if "alert from" in line)
    return float(line.partition("alert from ")[2].split()[0]), line.partition("calibration ")[2].rstrip(")")


class TestCalibrate:
    def test_nothing_holds_before_it_is_activated(self, bundle, office):
        """
        Steps: calibrate; activate; revert.
        Verify: expected alerts and their spread are told first, the threshold changes on activation alone, and comes back.
        """
        shipped = in_force(bundle)
        said = told(bundle, "--pcap", office[0], "--fpr", "0.02")
        verify("expected:" in said and "uncertainty:" in said and "not in force yet" in said, said)
        verify(in_force(bundle) == shipped, "the threshold changed by itself")
        told(bundle, "--activate")
        entry = json.loads((bundle / "calibration.json").read_text())["history"][0]
        threshold, word = in_force(bundle)
        verify(abs(threshold - entry["threshold"]) < 1e-5 and word.startswith("1 of 20"), f"{threshold}, {word}, {entry}")
        told(bundle, "--revert")
        verify(in_force(bundle) == shipped, "not as shipped again")

    def test_the_budget_is_kept(self, bundle, office, tmp_path):
        """
        Steps: calibrate to 2 % of the flows, activate; replay the capture.
        Verify: at most so many alarm, and at least half as many: the budget is used.
        """
        told(bundle, "--pcap", office[0], "--fpr", "0.02", "--activate")
        summary = replay(office[0], "--model", bundle, "--eve", tmp_path / "eve.json")
        verify(0.01 <= summary["alerts"] / summary["flows"] <= 0.02, f"{summary['alerts']} alerts of {summary['flows']} flows")
        flow = next(e for e in events(tmp_path / "eve.json") if e["event_type"] == "flow")
        verify(abs(flow["ml"]["threshold"] - in_force(bundle)[0]) < 1e-5, "EVE says another threshold")

    def test_who_reads_the_bundle_reads_its_calibration(self, bundle, office):
        """
        Steps: calibrate a bundle that everybody reads, and one that its group reads, as root with umask 077.
        Verify: calibration.json has the bundle's mode and group, so that service.user can read it at `reload models`.
        """
        for mode, group in ((0o644, 0), (0o640, 65534)):
            os.chown(bundle / "manifest.json", -1, group)
            os.chmod(bundle / "manifest.json", mode)
            before = os.umask(0o077)
            try:
                told(bundle, "--pcap", office[0], "--fpr", "0.02", "--activate")
            finally:
                os.umask(before)
            made = os.stat(bundle / "calibration.json")
            verify((made.st_mode & 0o777, made.st_gid) == (mode, group), f"{made}")

    def test_calibrations_are_taken_back_one_by_one(self, bundle, office):
        """Verify: after two, reverting gives the first, then the threshold as shipped, then an error."""
        shipped = in_force(bundle)
        told(bundle, "--pcap", office[0], "--fpr", "0.02", "--activate")
        first = in_force(bundle)
        told(bundle, "--pcap", office[0], "--fpr", "0.1", "--activate")
        verify(in_force(bundle)[0] < first[0], "a greater budget did not lower the threshold")
        told(bundle, "--revert")
        verify(in_force(bundle) == first, "not the first again")
        shown = told(bundle, "--show").splitlines()
        verify([line[:3] for line in shown] == ["  a", "* 1", "  2"] and "for fpr 0.1, by " in shown[2], shown)
        told(bundle, "--revert")
        verify(in_force(bundle) == shipped, "not as shipped again")
        done = calibrate(bundle, "--revert")
        verify(done.returncode == 1 and "nothing to revert" in done.stderr, done.stderr)

    def test_what_was_activated_while_traffic_was_watched_is_kept(self, bundle, office, tmp_path):
        """
        Steps: calibrate by EVE lines that come through a pipe; while it waits for more, calibrate anew and activate that; let the first end.
        Verify: the second is in force, and the first comes after it in the history.
        """
        with self.waiting_for_lines(bundle, office[0], tmp_path) as done:
            told(bundle, "--pcap", office[0], "--fpr", "0.1", "--activate")
            second = in_force(bundle)
        verify(done.returncode == 0 and in_force(bundle) == second, f"{in_force(bundle)}, not {second}")
        shown = told(bundle, "--show").splitlines()
        verify([line[:3] for line in shown] == ["  a", "* 1", "  2"] and "for fpr 0.02, by " in shown[2], shown)

    def test_a_model_that_is_replaced_while_traffic_is_watched_is_not_calibrated_by_it(self, bundle, office, tmp_path):
        """
        Steps: the same, but meanwhile put another model into the folder.
        Verify: one line says so, and the other has no calibration.
        """
        with self.waiting_for_lines(bundle, office[0], tmp_path) as done:
            shutil.copytree(os.path.join(ROOT, "models", "scan"), bundle, dirs_exist_ok=True)
        verify(done.returncode == 1 and "its model was replaced" in done.said and not (bundle / "calibration.json").exists(), done.said)

    @staticmethod
    @contextlib.contextmanager
    def waiting_for_lines(bundle, capture, tmp_path):
        """A calibration by EVE lines of the capture, of which it has some within the block, and all after it; its process, which has `said` then."""
        replay(capture, "--model", bundle, "--eve", tmp_path / "eve.json")
        text = (tmp_path / "eve.json").read_text()
        os.mkfifo(tmp_path / "pipe")
        with subprocess.Popen([os.path.join(TOOLS, "calibrate"), bundle, "--eve", tmp_path / "pipe", "--fpr", "0.02"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as process:
            with open(tmp_path / "pipe", "w", encoding="utf-8") as pipe:  # opens once it reads
                pipe.write(text[:10000])
                pipe.flush()
                yield process
                pipe.write(text[10000:])
            process.said = process.communicate()[1]

    def test_nothing_is_called_activated_that_cannot_be_kept(self, bundle, office):
        """
        Steps: calibrate and activate a bundle on a file system that is read-only; then one whose calibration.json cannot be written.
        Verify: one line each, the first before the traffic is read; neither says that it is activated.
        """
        command = f"mount --bind {bundle} {bundle} && mount -o remount,bind,ro {bundle} && exec {TOOLS}/calibrate {bundle} --fpr 0.02 --activate --pcap"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", f"{command} nosuch.pcap"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 1 and f"{bundle}: cannot be written" in done.stderr and "Traceback" not in done.stderr, done.stderr)
        (bundle / "calibration.json.new").mkdir()
        done = calibrate(bundle, "--pcap", office[0], "--fpr", "0.02", "--activate")
        verify(done.returncode == 1 and "expected: " in done.stdout and "activated" not in done.stdout, f"{done.stdout}{done.stderr}")

    def test_attacks_among_the_traffic_do_not_raise_the_threshold(self, bundle, office, tmp_path):
        """
        Steps: calibrate to 0.5 % on ordinary traffic with a scan in it, which is far more than that; activate; replay it.
        Verify: the scanner is named, and the scan alarms.
        """
        said = told(bundle, "--pcap", office[1], "--fpr", "0.005", "--contaminated", "0.1", "--activate")
        verify("203.0.113.66 (" in said, said)
        replay(office[1], "--model", bundle, "--eve", tmp_path / "eve.json")
        scan = [e["ml"]["class"] for e in events(tmp_path / "eve.json") if e["event_type"] == "flow" and e["src_ip"] == "203.0.113.66"]
        verify(scan.count("malicious") >= 30, f"{scan.count('malicious')} of {len(scan)} flows of the scan alarm")

    def test_little_traffic_is_believed_less_than_much(self):
        """
        Steps: calibrate by 200 and by 8,000 flows of the same kind, which alarm less than the budget allows.
        Verify: the threshold lies between the traffic's own and the one as shipped, the nearer to the latter the fewer the flows; one
        that is stricter than the shipped is left alone.
        """
        believed, draw = [], random.Random(7)
        for n in (200, 8000):
            flows = [lj_calibration.Scored(1 / (1 + math.exp(-draw.gauss(-4, 1.5))), f"192.0.2.{i % 50}", "198.51.100.1", i * 0.1) for i in range(n)]
            plain = lj_calibration.threshold_for([flow.score for flow in flows], 0.01)
            entry = lj_calibration.calibrate(flows, 0.95, fpr=0.01)
            verify(plain < entry["threshold"] < 0.95, f"{n} flows: {plain}, {entry['threshold']}")
            believed.append(entry["believed"])
        verify(believed[0] < believed[1], believed)
        verify(lj_calibration.between(0.99, 0.95, believed[0]) == 0.99, "a stricter threshold was moved")

    def test_the_figures_are_what_a_person_counts(self):
        """
        Steps: calibrate by 1,000 flows of scores 0.000 to 0.999 in an hour, and by 19 more of one host that all alarm as shipped, which are too few to
            suspect it; for budgets of 1 % and 0.9 %.
        Verify: just the 10 flows and the 9 that score the most alarm; as shipped 100 and the 19; 10 alerts are enough to be measured, 9 are not.
        """
        flows = [lj_calibration.Scored(i * 7 % 1000 / 1000, f"192.0.2.{i % 50}", f"198.51.100.{i % 100}", i * 3.6, i * 3.6 + 3.6) for i in range(1000)]
        flows += [lj_calibration.Scored(0.95, "203.0.113.9", f"198.51.100.{i}", i, i + 1) for i in range(19)]
        for fpr, alarms in ((0.01, 10), (0.009, 9)):
            entry = lj_calibration.calibrate(flows, 0.9, fpr=fpr)
            alerts = entry["alerts"]
            verify(1 - (alarms + 1) / 1000 < entry["threshold"] <= 1 - alarms / 1000, entry)
            verify(alerts["share"] == alarms / 1019 and alerts["per_hour"] == alarms and alerts["shipped_per_hour"] == 119, entry)
            verify(entry["traffic"] == {"flows": 1019, "sampled": 1019, "hours": 1, "set_aside": 0, "suspected": {}}, entry)
            verify(entry["enough"] == (alarms == 10), entry)
        flows.append(lj_calibration.Scored(0.95, "203.0.113.9", "198.51.100.99", 20, 21))
        verify(lj_calibration.calibrate(flows, 0.9, fpr=0.01)["traffic"]["suspected"] == {"203.0.113.9": 20}, "20 flows are enough")

    def test_an_early_verdict_is_no_flow_more(self):
        """Verify: of a flow's EVE lines that of its early verdict is passed over."""
        last = {"event_type": "flow", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "ml": {"model": "m", "score": 0.5, "early": False},
                "flow": {"start": "2026-01-01T00:00:00.000000+0000", "end": "2026-01-01T00:00:09.000000+0000"}}
        early = {**last, "ml": {**last["ml"], "early": True}}
        verify(len(list(lj_calibration.read_eve(map(json.dumps, (early, last)), "m"))) == 1, "it was counted")

    def test_too_many_attacks_are_an_error(self, bundle, office):
        """Verify: one line that names the host."""
        done = calibrate(bundle, "--pcap", office[1], "--fpr", "0.005", "--contaminated", "0.01")
        verify(done.returncode == 1 and done.stderr.count("\n") == 1 and "203.0.113.66" in done.stderr, done.stderr)

    def test_of_traffic_that_was_looked_at_nobody_is_suspected(self, bundle, office):
        """
        Steps: calibrate to 0.5 % on ordinary traffic with a scan in it, said to be clean.
        Verify: nothing is set aside, and of all flows no more than the budget alarm: the scan does not, for the most part.
        """
        told(bundle, "--pcap", office[1], "--fpr", "0.005", "--contaminated", "0")
        entry = json.loads((bundle / "calibration.json").read_text())["history"][0]
        verify(entry["traffic"]["set_aside"] == 0 and not entry["traffic"]["suspected"] and 0 < entry["alerts"]["share"] <= 0.005, entry)

    def test_scores_that_are_bounds_set_no_threshold(self, bundle, office, tmp_path):
        """
        Steps: have the bundle decide early; calibrate it by a capture, as it was before; then by EVE that it wrote so.
        Verify: the same threshold; the EVE is refused in a line.
        """
        told(bundle, "--pcap", office[0], "--fpr", "0.02")
        path = bundle / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "mode": "decide"}))
        told(bundle, "--pcap", office[0], "--fpr", "0.02")
        exact, decided = (entry["threshold"] for entry in json.loads((bundle / "calibration.json").read_text())["history"])
        verify(exact == decided, f"{exact}, {decided}")
        replay(office[0], "--model", bundle, "--eve", tmp_path / "eve.json")
        done = calibrate(bundle, "--eve", tmp_path / "eve.json", "--fpr", "0.02")
        verify(done.returncode == 1 and "eve.json: line 1: its score was decided early and is only a bound" in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    def test_pieces_of_a_rotated_log_are_read_as_one(self, bundle, office, tmp_path):
        """
        Steps: EVE in two pieces, the earlier one compressed; calibrate by what zcat makes of them.
        Verify: the flows and the hours of the whole.
        """
        replay(office[0], "--model", bundle, "--eve", tmp_path / "eve.json")
        lines = (tmp_path / "eve.json").read_bytes().splitlines(keepends=True)
        told(bundle, "--eve", tmp_path / "eve.json", "--fpr", "0.02")
        half = len(lines) // 2
        (tmp_path / "eve.json.1.gz").write_bytes(gzip.compress(b"".join(lines[:half])))
        (tmp_path / "eve.json").write_bytes(b"".join(lines[half:]))
        pieces = subprocess.run(["zcat", "-f", tmp_path / "eve.json", tmp_path / "eve.json.1.gz"], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run([os.path.join(TOOLS, "calibrate"), bundle, "--eve", "/dev/stdin", "--fpr", "0.02"], input=pieces, check=True)
        whole, both = (entry["traffic"] for entry in json.loads((bundle / "calibration.json").read_text())["history"])
        verify(whole == both, f"{whole}, {both}")

    def test_a_running_box_says_what_holds(self, bundle, office, tmp_path):
        """Verify: show model has the calibrated threshold, the one as shipped, and which calibration it is."""
        told(bundle, "--pcap", office[0], "--alerts-per-hour", "200", "--activate")
        config = {"capture": {"ports": [{"name": "net_null0"}]}, "models": [str(bundle)], "eal": {"huge": "off"}}
        with appliance(tmp_path, config, "lj-calibrate") as (_, telemetry):
            model = telemetry.ask("/linejudge/show/model")["default"]
        verify(abs(float(model["threshold"]) - in_force(bundle)[0]) < 1e-5, model)
        verify(model["threshold_shipped"] != model["threshold"] and model["calibration"].startswith("1 of"), model)

    def test_a_calibration_that_makes_no_sense_is_refused(self, bundle, office):
        """Verify: the program says the file and does not start."""
        told(bundle, "--pcap", office[0], "--fpr", "0.02", "--activate")
        path = bundle / "calibration.json"
        path.write_text(path.read_text().replace('"threshold": 0.', '"threshold": 7.'))
        line = error_line(run("--pcap", office[0], "--model", bundle))
        verify("calibration.json" in line and "threshold" in line, line)

    def test_bad_calls_change_nothing(self, bundle, office, tmp_path):
        """
        Steps: budgets that are none, a model that is none, EVE lines of alerts alone, a calibration.json that is none.
        Verify: each is refused in words, and the bundle stays as it was.
        """
        replay(DEMO, "--model", bundle, "--eve", tmp_path / "alerts.json", "--set", "eve.flows=alerts")
        with open(tmp_path / "alerts.json", encoding="utf-8") as file:
            lines = [line for line in file if json.loads(line)["event_type"] == "flow" and "203.0.113.66" in line]
        (tmp_path / "alerts.json").write_text("".join(lines))
        for arguments, said in (((bundle, "--pcap", office[0], "--fpr", "nan"), "nan is not a share"),
                                ((bundle, "--pcap", office[0], "--alerts-per-hour", "0"), "0 is not over 0"),
                                ((bundle, "--pcap", office[0], "--fpr", "0.01", "--contaminated", "-1"), "-1 is not a share"),
                                ((bundle, "--iface", "eth0", "--fpr", "0.01"), "--iface and --config need --seconds"),
                                ((tmp_path, "--pcap", office[0], "--fpr", "0.01"), "is not a model's folder"),
                                ((bundle, "--eve", "a", "--eve", "b", "--fpr", "0.01"), "--eve is given twice"),
                                (("--model", bundle, "--model", tmp_path, "--show"), "--model is given twice"),
                                ((bundle, "--show", "--revert"), "give traffic and a budget"),
                                ((bundle, "--eve", tmp_path / "none.json", "--fpr", "0.01"), f"calibrate: {tmp_path}/none.json: No such file"),
                                ((bundle, "--eve", tmp_path / "alerts.json", "--fpr", "0.01"), "EVE lines of all flows are needed")):
            done = calibrate(*arguments)
            verify(done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr, f"{arguments}: {done.stderr}")
        verify(not (bundle / "calibration.json").exists(), "something was written")
        (bundle / "calibration.json").write_text("[]")
        done = calibrate(bundle, "--activate")
        verify(done.returncode == 1 and "calibration.json: is not a calibration of format 1" in done.stderr, done.stderr)

    def test_a_site_where_all_alarms_can_be_calibrated(self, bundle, office):
        """
        Steps: have the model alarm at whatever it sees; calibrate by a capture, and again with --contaminated 0.
        Verify: the hosts are named, and what to say if they are as they should be (nothing of EVE, of which there is none); that said, a
            threshold is found.
        """
        path = bundle / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "threshold": 1e-6}))
        done = calibrate(bundle, "--pcap", office[0], "--fpr", "0.02")
        verify(done.returncode == 1 and "use --contaminated 0" in done.stderr and "eve.flows" not in done.stderr, done.stderr)
        told(bundle, "--pcap", office[0], "--fpr", "0.02", "--contaminated", "0")

    @pytest.mark.parametrize("broken", [{"active": 5}, {"history": {}}, {"history": [3], "active": None}, {"history": [{"id": 1}]}])
    def test_a_calibration_that_somebody_broke_is_told(self, bundle, office, broken):
        """
        Steps: break calibration.json: an entry in force that is none, a history that is no list, entries that are none.
        Verify: whatever is asked, one line names the file.
        """
        told(bundle, "--pcap", office[0], "--fpr", "0.02", "--activate")
        path = bundle / "calibration.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **broken}))
        for arguments in (("--show",), ("--revert",), ("--activate",)):
            done = calibrate(bundle, *arguments)
            verify(done.returncode == 1 and f"{path}: is not valid" in done.stderr and done.stderr.count("\n") == 1, done.stderr)


class TestSample:
    def test_flows_that_were_not_scored_are_passed_over(self, office, tmp_path):
        """
        Steps: EVE lines of a replay, of which a few are made those of shed flows.
        Verify: the others are read.
        """
        replay(office[0], "--eve", tmp_path / "eve.json")
        lines = [json.dumps(event) for event in events(tmp_path / "eve.json") if event["event_type"] == "flow"]
        shed = {"event_type": "flow", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "flow": {}, "ml": {"due": "idle", "shed": True, "class": "unclassified"}}
        flows = lj_calibration.Sample(lj_calibration.read_eve([json.dumps(shed), *lines, json.dumps(shed)], "default"))
        verify(len(flows) == len(lines) > 100, f"{len(flows)} of {len(lines)}")

    def test_lines_that_were_cut_are_passed_over(self, bundle, office, tmp_path):
        """
        Steps: calibrate by EVE lines of which a crash cut one in the middle and filled another, and whose end is just being written; then by a file
            that is no EVE, and by one of which every other line is cut.
        Verify: the others are read, and it says how many were not; of what is no EVE a line is named.
        """
        eve = tmp_path / "eve.json"
        replay(office[0], "--model", bundle, "--eve", eve)
        lines = eve.read_bytes().splitlines(keepends=True)
        eve.write_bytes(b"".join((*lines[:50], lines[50][:99], b"\n", *lines[51:70], b"\0\xff" * 99, b"\n", *lines[70:], *lines, lines[0][:40])))
        done = calibrate(bundle, "--eve", eve, "--fpr", "0.02")
        verify(done.returncode == 0 and f"3 of {2 * len(lines) + 2} lines are incomplete and were skipped; line 51 " in done.stderr, done.stderr)
        eve.write_bytes(b"".join(line for pair in zip(lines, (line[:99] + b"\n" for line in lines)) for line in pair))
        for path in (eve, DEMO):
            done = calibrate(bundle, "--eve", path, "--fpr", "0.02")
            verify(done.returncode == 1 and f"{path}: line " in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    def test_of_more_flows_than_are_kept_the_budget_is_that_of_all(self):
        """
        Steps: 100,000 flows of random scores, of which 20,000 are kept; a budget of 600 alerts in an hour of them.
        Verify: all are counted, the threshold lets about 600 of them alarm, and the report says on how many it was measured.
        """
        draw, shipped = random.Random(1), 0.97
        scores = [draw.random() ** 4 for _ in range(100_000)]
        flows = lj_calibration.Sample((lj_calibration.Scored(score, f"10.0.0.{i % 200}", "192.0.2.1", i * 0.036, i * 0.036 + 1)
                                       for i, score in enumerate(scores)), most=20_000)
        verify(len(flows) == 20_000 and flows.total == 100_000, f"{len(flows)} of {flows.total}")
        entry = lj_calibration.calibrate(flows, shipped, alerts_per_hour=600, hours=1)
        alarms = sum(score >= entry["threshold"] for score in scores)
        verify(400 <= alarms <= 800 and abs(entry["alerts"]["per_hour"] - 600) < 10, f"{alarms} alarms; {entry}")
        said = lj_calibration.report(entry, shipped)
        verify("100000 flows in 1 h" in said and "measured on 20000 of them" in said, said)


def by_linejudge(*arguments, within=()):
    done = subprocess.run([*within, BINARY, "--calibrate", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    verify(done.returncode == 0, done.stderr)
    return done.stdout


class TestByLinejudge:
    """linejudge --calibrate: on a capture, and live for a stated time."""

    def test_a_capture(self, bundle, office):
        """
        Steps: calibrate by the option, among others, and by the tool; activate and revert by the option.
        Verify: the same figures; in force when activated, as shipped when reverted.
        """
        shipped = in_force(bundle)
        said = by_linejudge("--model", bundle, "--pcap", office[0], "--fpr", "0.02")
        verify(said.splitlines()[:-1] == told(bundle, "--pcap", office[0], "--fpr", "0.02").splitlines()[:-1], said)
        by_linejudge(bundle, "--activate")
        verify(in_force(bundle) != shipped, "not in force")
        by_linejudge("--model", bundle, "--revert")
        verify(in_force(bundle) == shipped, "not as shipped again")

    def test_the_ports_of_an_appliance(self, bundle, office, tmp_path):
        """
        Steps: a configuration whose port plays the capture; calibrate by it for a second.
        Verify: the flows are of the capture, and the hours those that it watched, from when it was ready.
        """
        config = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={office[0]}"}]}, "eal": {"huge": "off", "file_prefix": "lj-calibrate"},
                  "eve": {"flows": "alerts"}}
        (tmp_path / "c.json").write_text(json.dumps(config))
        by_linejudge("--model", bundle, "--config", tmp_path / "c.json", "--seconds", "1", "--fpr", "0.02")
        traffic = json.loads((bundle / "calibration.json").read_text())["history"][0]["traffic"]
        verify(0 < traffic["flows"] <= replay(office[0])["flows"], traffic)
        verify(1 <= traffic["hours"] * 3600, traffic)

    def test_the_two_legs_of_a_tap(self, bundle):
        """
        Steps: tap one end each of two veth pairs, while name look-ups are sent at the one and their answers at the other.
        Verify: both interfaces are watched, and something is proposed.
        """
        dns = [data[16:] for _, data in read_pcap(DEMO)[1] if data[16 + 23] == 17]
        with two_hosts():
            cable("ljx0", "ljx1")
            cable("ljx2", "ljx3")
            with subprocess.Popen([*IN_HOST, BINARY, "--calibrate", "--model", bundle, "--iface", "ljx0", "--iface", "ljx2", "--seconds", "5", "--fpr", "0.1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                while process.poll() is None:
                    send("ljx1", [frame for frame in dns if frame[36:38] in (b"\x00\x35", b"\x00\x7b")])
                    send("ljx3", [frame for frame in dns if frame[34:36] in (b"\x00\x35", b"\x00\x7b")])
                said, complaint = process.communicate()
        verify(process.returncode == 0 and "watching ljx0, ljx2 for 5 s" in complaint and "expected:" in said, f"{said} {complaint}")

    def test_an_interface(self, bundle):
        """
        Steps: tap one end of a veth pair for 5 s, while name look-ups of the demo are sent at the other, again and again.
        Verify: flows were scored, and something is proposed.
        """
        frames = [data[16:] for _, data in read_pcap(DEMO)[1] if data[16 + 23] == 17]
        with two_hosts():
            cable("ljx0", "ljx1")
            with subprocess.Popen([*IN_HOST, BINARY, "--calibrate", "--model", bundle, "--iface", "ljx0", "--seconds", "5", "--fpr", "0.1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                while process.poll() is None:
                    send("ljx1", frames)
                said, complaint = process.communicate()
        verify(process.returncode == 0 and "expected:" in said, f"{said} {complaint}")
        traffic = json.loads((bundle / "calibration.json").read_text())["history"][0]["traffic"]
        verify(traffic["flows"] > 100, traffic)
