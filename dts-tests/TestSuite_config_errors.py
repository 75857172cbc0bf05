"""Bad input: one clear line saying where and what, exit 1, nothing accepted is lost."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from framework.linejudge import BINARY, DEMO, ROOT, error_line, events, replay, run, verify, write_pcap


def bundle(tmp_path, name="bundle"):
    return shutil.copytree(os.path.join(ROOT, "models", "default"), tmp_path / name)


def edit_manifest(path, change):
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


class TestCaptures:
    @pytest.mark.parametrize("content,words", [
        (None, "No such file"), (b"", "is empty"), (b"x" * 64, "is not a pcap or pcapng file"), (b"\xd4\xc3\xb2\xa1\x02", "truncated"),
        (b"\x1f\x8b\x08\x00" + b"x" * 60, "is compressed (gzip)"),
    ])
    def test_a_capture_that_cannot_be_read(self, tmp_path, content, words):
        """Verify: its path and what is wrong."""
        path = tmp_path / "capture.pcap"
        if content is not None:
            path.write_bytes(content)
        line = error_line(run("--pcap", path))
        verify(str(path) in line and words in line, line)

    def test_another_link_type(self, tmp_path):
        """Verify: the link type's number."""
        line = error_line(run("--pcap", write_pcap(tmp_path / "cooked.pcap", [], link_type=113)))
        verify("link type 113" in line, line)

    def test_a_truncated_capture_keeps_what_was_whole(self, tmp_path):
        """
        Steps: cut the demo capture in the middle of a record.
        Verify: an error with the byte offset, and a summary of all whole packets.
        """
        path = tmp_path / "cut.pcap"
        with open(DEMO, "rb") as demo:
            path.write_bytes(demo.read()[:500_000])
        done = run("--pcap", path, "--summary", "json", "--eve", tmp_path / "eve.json")
        line = error_line(done)
        verify("byte offset" in line and str(path) in line, line)
        summary = json.loads(done.stdout)
        verify(summary["packets"] > 5000 and summary["ledger"]["balanced"], "whole packets were lost")
        verify(sum(e["event_type"] == "flow" for e in events(tmp_path / "eve.json")) == summary["flows"], "flows were lost")


class TestConfiguration:
    @pytest.mark.parametrize("text,words", [
        ('{"flow": {"idle_timeout_s": 0}}', "flow.idle_timeout_s: 0 is not in 0.001..86400"),
        ('{"flow": {"capacity": "many"}}', "flow.capacity: is not a number"),
        ('{"flow": {"idle_timeout": 3}}', "did you mean flow.idle_timeout_s"),
        ('{"flwo": {}}', "flwo: no such key"),
        ('{"flow": {"capacity": 2000.5}}', "is not a whole number"),
        ('{"idle": {"mode": "lazy"}}', 'idle.mode: "lazy" is not one of adaptive|poll'),
        ('{"capture": {"ports": [{"queues": 1}]}}', "capture.ports[0].name: is missing"),
        ('{"capture": {"ports": [{"name": "net_null0", "mtu": 3}]}}', "capture.ports[0].mtu: 3 is not in 68..9702"),
        ('{"flow": ', "config.json:1:"),
        ('[]', "is not a JSON object"),
        ('{"lcores": 2}', "lcores: is not an object of keys"),
        ('{"eal": {"file_prefix": "a/b"}, "capture": {"ports": [{"name": "net_null0"}]}}', "eal.file_prefix"),
        (json.dumps({"capture": {"files": [DEMO]}, "lcores": {"sink_cpus": "1023"}}), "lcores.sink_cpus: there is no CPU 1023"),
        ('{"lcores": {"worker_cpus": "0-x"}, "capture": {"ports": [{"name": "net_null0"}]}}', "lcores.worker_cpus"),
        ('{}', "no input: set capture.ports"),
    ])
    def test_a_key_that_is_wrong(self, tmp_path, text, words):
        """Verify: the key's path and what is permitted."""
        path = tmp_path / "config.json"
        path.write_text(text)
        line = error_line(run("--config", path))
        verify(words in line, line)

    def test_a_configuration_that_is_not_there(self, tmp_path):
        """Verify: its path and why it cannot be read; a folder likewise."""
        line = error_line(run("--config", tmp_path / "none.json"))
        verify(f"{tmp_path}/none.json: cannot be read: No such file" in line, line)
        line = error_line(run("--config", tmp_path))
        verify(f"{tmp_path}: cannot be read: Is a directory" in line, line)

    @pytest.mark.parametrize("arguments,words", [
        (["--set", "flow.capacity"], "is not KEY=VALUE"), (["--frobnicate"], "no such option"), (["file.pcap"], "--pcap"),
        (["--pcap"], "needs an argument"), (["--pcap", DEMO, "--tap"], "2 to 8 legs"),
        (["--pcap", DEMO, "--workers", "0"], "lcores.workers"), (["--pcap", DEMO, "--features", "x", "--set", "features.set=nope"],
                                                                   "no set of features"),
        (["--pcap", DEMO, "--set", "features.set=nope"], "features.set"),
        (["--pcap", DEMO, *["--model", "x"] * 9], "models: has 9 items; 8 are the most"),
        (["--pcap", DEMO, "--eve", "-", "--features", "-"], 'features.csv: "-" is also eve.target'),
        (["--pcap", DEMO, "--set", "capture.files=other.pcap"], "capture.files: is given both by --pcap and by --set"),
        (["--set=lcores.workers=3", "--workers", "2", "--pcap", DEMO], "lcores.workers: is given both by --workers and by --set"),
    ])
    def test_a_command_line_that_is_wrong(self, arguments, words):
        """Verify: the argument and what is wrong."""
        line = error_line(run(*arguments))
        verify(words in line, line)

    def test_an_argument_that_the_eal_does_not_take(self):
        """Verify: an error on stderr, and not DPDK's usage on stdout; its help is there for who asks."""
        done = run("--pcap", DEMO, "--", "--frobnicate")
        verify(done.returncode == 1 and done.stdout == "", done.stdout)
        verify("linejudge: EAL: DPDK does not start: Invalid argument" in done.stderr, done.stderr)
        verify("EAL common options" in run("--pcap", DEMO, "--", "--help").stdout, "no help")

    def test_a_port_that_is_not_there(self, tmp_path):
        """Verify: the port's name."""
        line = error_line(run("--set", 'capture.ports=[{"name":"0000:ff:1f.7"}]', "--set", "eal.huge=off"))
        verify("0000:ff:1f.7" in line, line)

    def test_a_capture_is_not_written_over(self, tmp_path):
        """
        Steps: name a capture as where EVE goes, by another path.
        Verify: refused, and the capture is as it was.
        """
        path = shutil.copy(DEMO, tmp_path / "capture.pcap")
        line = error_line(run("--pcap", path, "--eve", f"{tmp_path}/./capture.pcap"))
        verify("eve.target" in line and "would be overwritten" in line, line)
        with open(path, "rb") as kept, open(DEMO, "rb") as demo:
            verify(kept.read() == demo.read(), "the capture was changed")

    def test_a_dump_leaves_the_models_own_settings_to_the_model(self, tmp_path):
        """
        Steps: a bundle with an idle timeout of its own; replay by options, and by the dump of those options.
        Verify: the same flows.
        """
        path = bundle(tmp_path)
        edit_manifest(path, lambda m: m["flow"].update(idle_timeout_s=0.5))
        config = tmp_path / "config.json"
        config.write_text(run("--pcap", DEMO, "--model", path, "--dump-config").stdout)
        verify(json.loads(config.read_text())["flow"]["idle_timeout_s"] is None, "the dump has a timeout")
        flows = json.loads(run("--pcap", DEMO, "--model", path, "--summary", "json").stdout)["flows"]
        again = json.loads(run("--config", config, "--summary", "json").stdout)["flows"]
        verify(flows == again > replay(DEMO)["flows"], f"{flows} flows, by the dump {again}")

    def test_what_is_dumped_is_read_back(self, tmp_path):
        """
        Steps: dump the configuration, load the dump, dump again.
        Verify: the same.
        """
        first = run("--pcap", DEMO, "--set", "flow.idle_timeout_s=7.5", "--dump-config")
        path = tmp_path / "config.json"
        path.write_text(first.stdout)
        second = run("--config", path, "--dump-config")
        verify(first.stdout == second.stdout, second.stdout + second.stderr)
        verify(json.loads(first.stdout)["flow"]["idle_timeout_s"] == 7.5, first.stdout)

    @pytest.mark.parametrize("option,key", [
        ("--pcap", "capture.files[1]"), ("--model", "models[0]"), ("--iface", "capture.ports[0].name"), ("--eve", "eve.target"),
    ])
    def test_a_name_that_no_dump_can_say_is_refused(self, option, key):
        """
        Steps: dump a configuration with a name that is no UTF-8, which a file's may well be.
        Verify: the key, and nothing is dumped without it.
        """
        done = run("--pcap", "first.pcap", option, "na\udcefve", "--dump-config", errors="surrogateescape")
        line = error_line(done)
        verify(line.startswith(f"linejudge: {key}: ") and "not UTF-8 text" in line, line)
        verify(done.stdout == "", done.stdout)


class TestModels:
    @pytest.mark.parametrize("file", ["manifest.json", "model.ubj", "golden.csv", "reference.json"])
    def test_a_missing_file(self, tmp_path, file):
        """Verify: the file's path."""
        path = bundle(tmp_path)
        (path / file).unlink()
        line = error_line(run("--pcap", DEMO, "--model", path))
        verify(f"{path / file}: cannot be read: No such file" in line, line)

    @pytest.mark.parametrize("file", ["model.ubj", "golden.csv", "reference.json"])
    def test_a_wrong_hash(self, tmp_path, file):
        """Verify: the file's path and both hashes."""
        path = bundle(tmp_path)
        with open(path / file, "ab") as end:
            end.write(b" ")
        line = error_line(run("--pcap", DEMO, "--model", path))
        verify(str(path / file) in line and "SHA-256" in line, line)

    @pytest.mark.parametrize("change,words", [
        (lambda m: m["features"].__setitem__(0, "duration_is"), '"duration_is": no such feature; did you mean duration_us'),
        (lambda m: m.pop("threshold"), "threshold"), (lambda m: m.update(threshold=2), "threshold"),
        (lambda m: m.update(threshold=1e-46), "threshold: is not a number over 0"),
        (lambda m: m.update(feature_schema=99), "feature_schema"), (lambda m: m.update(classes=["benign"]), "classes"),
        (lambda m: m.update(tresholds=1), "tresholds: no such key; did you mean threshold"),
        (lambda m: m["files"].update(refrence=m["files"].pop("reference")), "files.refrence: no such key; did you mean reference"),
        (lambda m: m["files"]["golden"].update(sha265=""), "files.golden.sha265: no such key; did you mean sha256"),
        (lambda m: m["features"].pop(), "takes 41 features, the manifest names 40"),
        (lambda m: m.update(classes=["benign", "a", "b"]), "gives 1 scores"),
        (lambda m: m.update(classes=["benign", "benign"]), "classes: has a name twice"),
        (lambda m: m["flow"].update(idle_timeout_s=0), "flow.idle_timeout_s: is not a number in 0.001..86400"),
        (lambda m: m["flow"].update(tcp_linger_s="1"), "flow.tcp_linger_s: is not a number in 0..3600"),
        (lambda m: m["flow"].pop("active_timeout_s"), "flow.active_timeout_s: is missing"),
    ])
    def test_a_manifest_that_is_wrong(self, tmp_path, change, words):
        """Verify: the key and what is wrong."""
        path = bundle(tmp_path)
        edit_manifest(path, change)
        line = error_line(run("--pcap", DEMO, "--model", path))
        verify(words in line, line)

    def test_a_golden_row_that_differs(self, tmp_path):
        """
        Steps: change the last digit of one margin, and the hash with it.
        Verify: line and column.
        """
        import hashlib
        path = bundle(tmp_path)
        rows = (path / "golden.csv").read_text().splitlines()
        cells = rows[3].split(",")
        cells[-2] = f"{float(cells[-2]) * (1 + 2e-7):.9g}"
        rows[3] = ",".join(cells)
        text = "\n".join(rows) + "\n"
        (path / "golden.csv").write_text(text)
        edit_manifest(path, lambda m: m["files"]["golden"].update(sha256=hashlib.sha256(text.encode()).hexdigest()))
        line = error_line(run("--pcap", DEMO, "--model", path))
        verify("line 4: margin_0" in line, line)

    def test_a_golden_file_without_rows_proves_nothing(self, tmp_path):
        """
        Steps: leave the header alone, and change the hash with it.
        Verify: one line that says so.
        """
        import hashlib
        path = bundle(tmp_path)
        text = (path / "golden.csv").read_text().partition("\n")[0] + "\n"
        (path / "golden.csv").write_text(text)
        edit_manifest(path, lambda m: m["files"]["golden"].update(sha256=hashlib.sha256(text.encode()).hexdigest()))
        line = error_line(run("--pcap", DEMO, "--model", path))
        verify("golden.csv: has no rows" in line, line)


class TestWriting:
    def test_a_full_disk_is_said_and_counted(self):
        """
        Steps: write EVE to /dev/full.
        Verify: the error, the number of lines lost, a ledger that balances.
        """
        done = run("--pcap", DEMO, "--eve", "/dev/full", "--summary", "json")
        verify(done.returncode == 1, done.stderr)
        line = done.stderr.splitlines()[-1]
        verify("/dev/full" in line and "lines lost: No space left" in line, done.stderr)
        summary = json.loads(done.stdout)
        verify(summary["ledger"]["balanced"], "does not balance")
        verify(summary["refused"]["sink_lost"] == summary["flows"] + summary["alerts"], "lost lines are not counted")

    @pytest.mark.parametrize("lcore", [1, 3])
    def test_an_lcore_that_the_eal_has_not(self, lcore):
        """
        Steps: make the first, then the last lcore of the roles the EAL's main one.
        Verify: one line that names it; nothing falls.
        """
        line = error_line(run("--pcap", DEMO, "--", f"--main-lcore={lcore}"))
        verify(f"lcore {lcore}: cannot be launched" in line, line)

    @pytest.mark.parametrize("option", [("--pcap", DEMO), ("--dump-config",), ("--pcap", DEMO, "--dry-run")])
    def test_what_cannot_be_printed_is_an_error(self, option):
        """
        Steps: print the summary, the configuration, the dry run to a full disk.
        Verify: one line that says so.
        """
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([BINARY, *option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        verify("stdout: cannot be written" in error_line(done), done.stderr)

    def test_a_socket_nobody_listens_on(self, tmp_path):
        """Verify: the socket's path."""
        line = error_line(run("--pcap", DEMO, "--eve", f"unix:{tmp_path}/nobody"))
        verify(f"{tmp_path}/nobody" in line, line)

    @pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda asked: asked.name)
    def test_an_interrupt_loses_nothing_accepted(self, asked, tmp_path):
        """
        Steps: send the signal in the middle of a long replay.
        Verify: one line, exit 1, the ledger balances, every event a whole line.
        """
        pieces = [a for _ in range(400) for a in ("--pcap", DEMO)]
        with subprocess.Popen([BINARY, *pieces, "--eve", str(tmp_path / "eve.json"), "--summary", "json"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while not (tmp_path / "eve.json").exists() or (tmp_path / "eve.json").stat().st_size == 0:
                verify(process.poll() is None, "ended before it could be interrupted")
                time.sleep(0.01)
            process.send_signal(asked)
            out, err = process.communicate(timeout=60)
        verify(process.returncode == 1 and f"interrupted by signal {asked:d}" in err, err)
        summary = json.loads(out)
        verify(summary["ledger"]["balanced"], "does not balance")
        verify(sum(e["event_type"] == "flow" for e in events(tmp_path / "eve.json")) == summary["flows"], "events were lost")
