"""Models are read anew while packets flow: a calibration, or a bundle trained anew, takes effect without a restart."""

import json
import os
import shutil
import signal
import time

import pytest

from framework.linejudge import DEMO, ROOT, TIMEOUT_S, appliance, events, run, verify, wait_for

QUICK = {"idle_timeout_s": 0.5, "active_timeout_s": 1, "tcp_linger_s": 0.2, "capacity": 65536}
FOREVER = {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1"}]}


@pytest.fixture
def folder(open_folder):
    """A folder with a bundle in it."""
    shutil.copytree(os.path.join(ROOT, "models", "default"), os.path.join(open_folder, "default"))
    return open_folder


def change(folder, **keys):
    path = os.path.join(folder, "default", "manifest.json")
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**manifest, **keys}, file)


def config_of(folder, **more):
    return {"capture": FOREVER, "models": [os.path.join(folder, "default")], "flow": QUICK, "eal": {"huge": "off"}, **more}


def model_of(telemetry):
    return telemetry.ask("/linejudge/show/model")["default"]


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class TestReload:
    def test_a_calibration_takes_effect_without_a_restart(self, folder, tmp_path):
        """
        Steps: score a capture over and over, by moments; calibrate the bundle on it meanwhile, and activate that; ask for the models to be
            read anew; revert the calibration, and ask again.
        Verify: the answers have the threshold and the calibration in force; the log tells of both; the verdicts' thresholds change with
            them; no packet and no flow is lost uncounted.
        """
        bundle, eve = os.path.join(folder, "default"), tmp_path / "eve.json"

        def moment(telemetry):
            telemetry.ask("/linejudge/start")
            time.sleep(0.2)
            telemetry.ask("/linejudge/stop")

        with appliance(tmp_path, config_of(folder, eve={"target": str(eve)}), "lj-dts-reload") as (process, telemetry):
            telemetry.ask("/linejudge/stop")
            shipped = model_of(telemetry)["threshold"]
            run("--calibrate", "--model", bundle, "--pcap", DEMO, "--fpr", "0.2", "--contaminated", "0", "--activate")
            verify(model_of(telemetry)["threshold"] == shipped, "it took effect by itself")
            answer = telemetry.ask("/linejudge/reload/models")["default"]
            verify(answer["calibration"].startswith("1 of") and answer["threshold"] != shipped, answer)
            verify(answer["threshold_shipped"] == shipped, answer)
            moment(telemetry)
            run("--calibrate", "--model", bundle, "--revert")
            verify(telemetry.ask("/linejudge/reload/models")["default"]["threshold"] == shipped, "not taken back")
            moment(telemetry)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT_S)
        verify(process.returncode == 0 and json.loads(out)["ledger"]["balanced"], err)
        verify(err.count("model default read anew: the same booster") == 2, err)
        thresholds = [event["ml"]["threshold"] for event in events(eve) if event["event_type"] == "flow" and "threshold" in event["ml"]]
        changes = [now for before, now in zip([None, *thresholds], thresholds) if now != before]
        verify([f"{threshold:.5g}" for threshold in changes]
               == [f"{float(threshold):.5g}" for threshold in (shipped, answer["threshold"], shipped)], changes)

    def test_a_signal_does_it_for_the_service_user(self, folder, tmp_path):
        """
        Steps: run as a service user; change the threshold, send SIGUSR2, as systemctl reload does; spoil the golden rows, and send it again.
        Verify: the first takes effect; the second is an error that names the file, and what was in force stays.
        """
        with appliance(tmp_path, config_of(folder, service={"user": "nobody"}), "lj-dts-reload-signal") as (process, telemetry):
            change(folder, threshold=0.5)
            process.send_signal(signal.SIGUSR2)

            def has_changed():
                if model_of(telemetry)["threshold"] != "0.5":
                    raise OSError("not yet")
                return True

            wait_for(has_changed, process)
            change(folder, threshold=0.25)
            with open(os.path.join(folder, "default", "golden.csv"), "a", encoding="ascii") as file:
                file.write("0\n")
            process.send_signal(signal.SIGUSR2)
            line = process.stderr.readline()
            while "golden.csv" not in line:
                verify(line != "", "nothing is said of what was spoilt")
                line = process.stderr.readline()
            verify("the file was changed" in line, line)
            verify(model_of(telemetry)["threshold"] == "0.5", "what cannot be proved took over")

    def test_often_and_on_several_lcores_nothing_piles_up(self, folder, tmp_path):
        """
        Steps: two workers and two inference lcores score a capture over and over, alerts explained, every flow's features watched; read the
            models anew twelve times.
        Verify: each takes over; the process does not grow by what was replaced; the ledger balances.
        """
        config = config_of(folder, lcores={"workers": 2, "infer": 2}, explain={"top": 3}, drift={"every": 1},
                           eve={"target": str(tmp_path / "eve.json"), "flows": "alerts"})
        config["capture"] = {"ports": [{"name": FOREVER["ports"][0]["name"]}]}
        with appliance(tmp_path, config, "lj-dts-reload-often") as (process, telemetry):
            sizes = []
            for i in range(12):
                change(folder, threshold=0.5 + i / 100)
                answer = telemetry.ask("/linejudge/reload/models")
                verify(answer["default"]["threshold"] == f"{0.5 + i / 100:.6g}", answer)
                sizes.append(resident_mb(process.pid))
            verify(sizes[-1] - sizes[3] < 40, f"grows: {sizes}")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT_S)
        verify(process.returncode == 0 and json.loads(out)["ledger"]["balanced"], err)

    def test_without_models_there_is_nothing_to_read(self, tmp_path):
        """Verify: an error that says so."""
        config = {"capture": {"ports": [{"name": "net_null0"}]}, "models": [], "eal": {"huge": "off"}}
        with appliance(tmp_path, config, "lj-dts-reload-none") as (_, telemetry):
            verify("there are none" in telemetry.ask("/linejudge/reload/models")["error"], "no error")
