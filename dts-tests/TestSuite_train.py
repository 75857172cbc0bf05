"""A person trains a bundle of their own from labelled captures."""

import collections
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import numpy
import pytest
import xgboost
from sklearn.metrics import roc_auc_score

from framework import training
from framework.linejudge import TIMEOUT_S, TOOLS, events, replay, run, verify
from framework.training import ATTACKS, refusal, train, write_labels

sys.path.insert(0, TOOLS)

import lj_bag  # noqa: E402: importable only now
import lj_dataset  # noqa: E402: importable only now
import lj_family  # noqa: E402: importable only now
import lj_labels  # noqa: E402: importable only now
import lj_recipe  # noqa: E402: importable only now


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training.write_captures(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory):
    return training.train_bundle(data, tmp_path_factory.mktemp("models") / "mine")


class TestCaptures:
    def test_what_is_trained_opens_and_tells_attacks_from_the_rest(self, bundle, data, tmp_path):
        """
        Steps: train on small captures; replay a scan and office traffic through the bundle.
        Verify: the scan's flows score higher than the office's.
        """
        medians = {}
        for name in ("scan-1", "office-3"):
            replay(data / f"{name}.pcap", "--model", bundle, "--eve", tmp_path / name)
            scores = sorted(e["ml"]["score"] for e in events(tmp_path / name) if e["event_type"] == "flow")
            medians[name] = scores[len(scores) // 2]
        verify(medians["scan-1"] > 0.8 and medians["office-3"] < 0.2, f"median scores: {medians}")

    def test_the_card_says_what_its_data_cannot_carry(self, bundle, data, tmp_path):
        """
        Steps: read the card; train without one of the scans' captures.
        Verify: one publisher, too few benign flows for one in a thousand; then the family with two captures alone, by name.
        """
        card = (bundle / "README.md").read_text()
        verify("of one publisher" in card and "what alarms in a thousand cannot be told from so few" in card, card)
        verify("Too few captures to go by" not in card, card)
        lines = [line for line in (data / "LABELS.tsv").read_text().splitlines() if not line.startswith("scan-1")]
        (tmp_path / "l.tsv").write_text("\n".join(lines) + "\n")
        done = train("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify(done.returncode == 0, done.stderr)
        verify("Too few captures to go by: scan (2)." in (tmp_path / "x" / "README.md").read_text(), "no word of the two scans")

    def test_the_same_inputs_give_the_same_model(self, bundle, data, tmp_path):
        """Verify: a second training gives every file of the bundle bit for bit."""
        again = tmp_path / "mine"
        done = train("--data", data, "--labels", data / "LABELS.tsv", "--out", again)
        verify(done.returncode == 0, done.stderr)
        for name in ("model.ubj", "golden.csv", "reference.json", "manifest.json"):
            verify((bundle / name).read_bytes() == (again / name).read_bytes(), f"{name} differs")

    def test_the_features_of_another_bundle_are_kept(self, bundle, data, tmp_path):
        """Verify: with --features-of they are its, in its order; one that the captures do not have is named."""
        names = ["host_src_60s_flows", "packets", "length_mean", "duration_us"]
        (tmp_path / "manifest.json").write_text(json.dumps({"features": names}))
        done = train("--data", data, "--labels", data / "LABELS.tsv", "--features-of", tmp_path, "--out", tmp_path / "mine")
        verify(done.returncode == 0, done.stderr)
        kept = json.loads((tmp_path / "mine" / "manifest.json").read_text())["features"]
        verify(kept == names, kept)
        (tmp_path / "manifest.json").write_text(json.dumps({"features": ["no_such_thing"]}))
        done = train("--data", data, "--labels", data / "LABELS.tsv", "--features-of", tmp_path, "--out", tmp_path / "x")
        verify(done.returncode == 1 and "no_such_thing is none of" in done.stderr.splitlines()[-1], done.stderr)

    def test_several_boosters_joined_say_the_mean_of_what_they_say(self):
        """Verify: of all rounds and of the first three, the margin is the mean of the boosters'."""
        rng = numpy.random.default_rng(5)
        x = rng.random((400, 5), numpy.float32)
        boosters = [xgboost.train({"objective": "binary:logistic", "max_depth": 4, "subsample": 0.5, "seed": seed},
                                  xgboost.DMatrix(x, label=x[:, 0] + x[:, 1] > 1), 6) for seed in range(3)]
        whole, rows = lj_bag.joined(boosters), xgboost.DMatrix(x)
        verify(whole.num_boosted_rounds() == 18, whole.num_boosted_rounds())
        for rounds in (6, 3):
            apart = [b.predict(rows, output_margin=True, iteration_range=(0, rounds)) for b in boosters]
            off = numpy.abs(whole.predict(rows, output_margin=True, iteration_range=(0, 3 * rounds)) - numpy.mean(apart, axis=0)).max()
            verify(off < 1e-5, f"{rounds} rounds: {off}")

    def test_it_has_a_second_model_that_names_families(self, bundle, data, tmp_path):
        """
        Steps: replay a scan and a beacon.
        Verify: most of what alarms is named as it was labelled.
        """
        for family in ATTACKS:
            replay(next(data.glob(f"{family}-*.pcap")), "--model", bundle, "--eve", tmp_path / family)
            named = [e["ml"]["family"]["name"] for e in events(tmp_path / family) if e["event_type"] == "alert"]
            verify(named and named.count(family) > len(named) / 2, f"{family}: {collections.Counter(named)}")

    def test_measures_stand_beside_what_is_asked(self, bundle, data, tmp_path):
        """Verify: the folds' AUC and a kind that was left out, each with what is asked and whether it is met."""
        done = subprocess.run([os.path.join(TOOLS, "measures"), bundle, "--data", data, "--labels", data / "LABELS.tsv", "--seeds", "1",
                               "--json", tmp_path / "m.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        verify("| AUC, plain | at least 0.985 |" in done.stdout and "| left out: scan | at least 0.98 |" in done.stdout, done.stdout)

    def test_a_model_has_the_reference_that_it_was_given_again(self, data, tmp_path):
        """
        Steps: train on a kept table that has attacks that were made, too; tools/reference of the bundle without them, then as it was trained.
        Verify: other scores, then the reference that training gave it, to the byte.
        """
        made, rng = [{"file": f"generated/{n}.pcap", "class": "malicious", "family": "flood:made"} for n in range(10)], numpy.random.default_rng(1)
        captured = list(lj_labels.read(data / "LABELS.tsv"))
        dataset = lj_dataset.Dataset(captured, made)
        for number, label in enumerate(captured + made):
            attack = label["class"] == "malicious"
            dataset.add(rng.normal(attack, 1, (30, 3)).astype(numpy.float32), [attack] * 30, [number] * 30, False)
        lj_dataset.save(str(tmp_path / "t.npz"), dataset.finish(["packets", "bytes", "fwd_packets"]), [], str(data), str(data / "LABELS.tsv"))
        given = ("--data", data, "--labels", data / "LABELS.tsv", "--table", tmp_path / "t.npz", "--made")
        done = train(*given, "--out", tmp_path / "mine")
        verify(done.returncode == 0, done.stderr)
        before = (tmp_path / "mine" / "reference.json").read_bytes()
        for arguments, same in ((given[:-1], False), (given, True)):
            done = subprocess.run([os.path.join(TOOLS, "reference"), tmp_path / "mine", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  check=False)
            verify(done.returncode == 0 and ((tmp_path / "mine" / "reference.json").read_bytes() == before) == same, f"{arguments}: {done.stderr}")

    def test_specialists_are_compared_at_the_same_false_alarms(self, bundle, data, tmp_path):
        """
        Steps: tools/specialists on the small captures, bundles written.
        Verify: a row for the folds and for each kind left out, none for the one publisher, without whom there is no attack to learn; the
        scan's specialist opens.
        """
        done = subprocess.run([os.path.join(TOOLS, "specialists"), bundle, "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0, done.stderr)
        names = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]]
        verify(names == ["none: folds of captures", "captured beacon", "captured scan"] and "Warning" not in done.stderr, done.stdout + done.stderr)
        check = run("model", "check", tmp_path / "scan")
        verify(check.returncode == 0, check.stderr)

    def test_a_missing_capture_is_named(self, data, tmp_path):
        """Verify: the label file, and the capture that is not there."""
        labels = write_labels(tmp_path / "l.tsv", [("gone.pcap", "benign", "office", "benign:*")])
        line = refusal("--data", data, "--labels", labels, "--out", tmp_path / "x")
        verify("l.tsv" in line and "gone.pcap: no such capture" in line, line)

    def test_a_family_of_one_capture_is_an_error_until_it_is_chosen(self, data, tmp_path):
        """Verify: the family is named, and what can be chosen."""
        text = (data / "LABELS.tsv").read_text().replace("malicious\tscan", "malicious\tlonely", 1)
        (tmp_path / "l.tsv").write_text(text)
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("lonely" in line and "--lone keep" in line, line)

    def test_a_table_that_is_none_is_named(self, data, tmp_path):
        """Verify: the file, and what to do: of a text, an array of numpy's, and a table that is damaged."""
        line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--table", tmp_path / "none" / "t.npz", "--out", tmp_path / "x")
        verify("none/t.npz: there is no such folder" in line, line)
        with open(tmp_path / "damaged.npz", "wb") as file:
            numpy.savez_compressed(file, x=numpy.random.default_rng(1).random(5000), labels="")
            file.seek(3000)
            file.write(b"damaged")
        (tmp_path / "text.npz").write_text("not yet written")
        numpy.save(tmp_path / "array.npy", numpy.ones(3))
        for name in ("damaged.npz", "text.npz", "array.npy"):
            line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--table", tmp_path / name, "--out", tmp_path / "x")
            verify(f"{name}: is not a table" in line, line)

    def test_a_table_may_be_kept_by_two_at_once(self, data, tmp_path, monkeypatch):
        """
        Steps: keep a table; when it is about to take its place, another process keeps the same.
        Verify: both go well, and nothing but the table is left; out of disk not even that, and it is said in a line.
        """
        labels = list(lj_labels.read(data / "LABELS.tsv"))
        dataset = lj_dataset.Dataset(labels)
        dataset.add(numpy.ones((len(labels), 3), numpy.float32), [label["class"] != "benign" for label in labels], range(len(labels)), False)
        dataset.finish(["packets", "bytes", "duration_us"])
        given, replace = (str(tmp_path / "t.npz"), dataset, [], str(data), str(data / "LABELS.tsv")), os.replace

        def late(new, path):
            monkeypatch.undo()
            other = multiprocessing.get_context("fork").Process(target=lj_dataset.save, args=given)
            other.start()
            other.join()
            verify(other.exitcode == 0, "the other failed")
            replace(new, path)
        monkeypatch.setattr(os, "replace", late)
        lj_dataset.save(*given)
        verify(os.listdir(tmp_path) == ["t.npz"], os.listdir(tmp_path))
        verify((lj_dataset.restore(given[0], *given[3:])[0].x == 1).all(), "another table")
        (tmp_path / "t.npz").unlink()
        command = f"mount -t tmpfs -o size=4k none {tmp_path} && {TOOLS}/train --data {data} --labels {data}/LABELS.tsv --out /tmp/lj-none --table {tmp_path}/t.npz; ls -A {tmp_path}"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        lines = done.stderr.splitlines()
        verify(done.stdout == "" and lines[-1].startswith("tools/train: No space left on device, where it writes") and "Traceback" not in done.stderr, done.stderr)

    def test_a_table_is_of_its_labels_and_their_files(self, data, tmp_path):
        """
        Steps: keep the features of a training with a lone family and a label file; train by them without --lone, dropping it, when the label
        file has changed, and when a capture has.
        Verify: the lone family is an error again; it can be dropped; changed labels are not passed over.
        """
        folder = shutil.copytree(data, tmp_path / "data")
        text = (data / "LABELS.tsv").read_text().replace("malicious\tbeacon", "malicious\tlonely", 1)
        (folder / "LABELS.tsv").write_text(text.replace("office-0.pcap\tbenign\toffice\t", "office-0.pcap\tbenign\toffice\ttimes:t.csv;"))
        (folder / "t.csv").write_text("start,end,class\n1,2,malicious\n")
        given = ("--data", folder, "--labels", folder / "LABELS.tsv", "--table", tmp_path / "kept", "--out", tmp_path / "x")
        done = train(*given, "--lone", "keep")
        verify(done.returncode == 0, done.stderr)
        verify("lonely" in refusal(*given), "a lone family passes by a table")
        done = train(*given, "--lone", "drop")
        verify(done.returncode == 0 and "extracted" not in done.stderr, done.stderr)
        verify("lonely" not in (tmp_path / "x" / "README.md").read_text(), "it was not dropped")
        (folder / "t.csv").write_text("start,end,class\n1,3,malicious\n")
        line = refusal(*given, "--lone", "keep")
        verify("kept: a file of labels" in line, line)
        (folder / "t.csv").write_text("start,end,class\n1,2,malicious\n")
        shutil.copy(folder / "office-1.pcap", folder / "office-2.pcap")
        line = refusal(*given, "--lone", "keep")
        verify("kept: a capture that" in line and "has changed: remove it" in line, line)

    @pytest.mark.parametrize("was, becomes, said", [
        ("mal:*", "bad:*", "no such clause: bad:*"),
        ("mal:*", "mal:port=80", "no such condition: mal:port=80"),
        ("mal:*", "mal:peer=10.0.0:80", "'10.0.0' does not appear to be an IPv4"),
        ("mal:*", "mal:ports=http", "http is not a port"),
        ("malicious", "evil", "class evil is none of benign, malicious, mixed"),
        ("scan-1.pcap", "scan-3.pcap", "scan-3.pcap is in line"),
        ("scan-1.pcap", "./scan-3.pcap", "scan-3.pcap is in line"),
        ("scan-1.pcap", "../data/scan-1.pcap", "../data/scan-1.pcap is not below the folder"),
        ("scan-1.pcap", "/data/scan-1.pcap", "/data/scan-1.pcap is not below the folder"),
        ("malicious\tscan", "malicious\t", "no family"),
        ("\t", ",", "no column file: a header"),
        ("file\tclass", "name\tclass", "no column file: a header"),
        ("scan-1.pcap", "gone.pcap", "gone.pcap: no such capture"),
    ])
    def test_a_slip_in_the_labels_is_named_with_its_line(self, data, tmp_path, was, becomes, said):
        """Verify: file and line, and what is wrong; nothing is extracted before."""
        (tmp_path / "l.tsv").write_text((data / "LABELS.tsv").read_text().replace(was, becomes))
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("l.tsv: line " in line and said in line, line)

    def test_too_few_captures_are_counted(self, data, tmp_path):
        """Verify: the label file, and how many there are of each."""
        lines = (data / "LABELS.tsv").read_text().splitlines()
        (tmp_path / "l.tsv").write_text("\n".join(line for line in lines if "\tmalicious\t" not in line) + "\n")
        line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("l.tsv: 6 benign captures and 0 others" in line, line)

    def test_labels_of_no_capture_are_an_error(self, data, tmp_path):
        """Verify: an empty file and a header alone, one line each; a folder that is none, too."""
        for text in ("", "file\tclass\tfamily\trule\n"):
            (tmp_path / "l.tsv").write_text(text)
            line = refusal("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
            verify("l.tsv: names no captures" in line, line)
        line = refusal("--data", tmp_path / "none", "--labels", data / "LABELS.tsv", "--out", tmp_path / "x")
        verify("none: is not a folder of captures" in line, line)

    def test_archives_are_unpacked_and_one_that_is_cut_is_named(self, bundle, data, tmp_path):
        """
        Steps: pack the captures as traffic-1.tar.xz; labels as a spreadsheet saves them, with a mark of UTF-8 and CRLF; train; cut the archive.
        Verify: the same model; then one line with the archive.
        """
        archive, out = tmp_path / "packed" / "traffic-1.tar.xz", tmp_path / "mine"
        archive.parent.mkdir()
        with tarfile.open(archive, "w:xz") as tar:
            for path in data.glob("*.pcap"):
                tar.add(path, f"traffic/{path.name}")
        (tmp_path / "l.tsv").write_bytes(b"\xef\xbb\xbf" + (data / "LABELS.tsv").read_bytes().replace(b"\n", b"\r\n"))
        done = train("--data", archive.parent, "--labels", tmp_path / "l.tsv", "--out", out)
        verify(done.returncode == 0, done.stderr)
        verify((bundle / "model.ubj").read_bytes() == (out / "model.ubj").read_bytes(), "another model")
        os.truncate(archive, archive.stat().st_size // 2)
        done = train("--data", archive.parent, "--labels", tmp_path / "l.tsv", "--out", out)
        verify(done.returncode == 1 and f"{archive}: cannot be unpacked" in done.stderr.splitlines()[-1], done.stderr)

    def test_labels_that_come_to_nothing_are_told(self, data, tmp_path):
        """
        Steps: give one scan of six attacks a rule that none of its flows meets; then all of them.
        Verify: the capture is named, with its rule, and that a fold has no attack; without any malicious flow there is nothing to do.
        """
        text = (data / "LABELS.tsv").read_text()
        (tmp_path / "l.tsv").write_text(text.replace("scan-1.pcap\tmalicious\tscan\tmal:*", "scan-1.pcap\tmalicious\tscan\tmal:peer=10.9.9.9"))
        done = train("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "x")
        verify("scan-1.pcap: is malicious, and none of its 60 flows is, by mal:peer=10.9.9.9\n" in done.stderr, done.stderr)
        verify(done.returncode == 1 and "of 5 has no malicious flow" in done.stderr.splitlines()[-1], done.stderr)
        (tmp_path / "l.tsv").write_text(text.replace("mal:*", "drop:*"))
        done = train("--data", data, "--labels", tmp_path / "l.tsv", "--out", tmp_path / "y")
        verify(done.returncode == 1 and done.stderr.endswith("l.tsv: no flow is malicious\n"), done.stderr)

    def test_a_capture_that_is_cut_short_is_named(self, data, tmp_path):
        """Verify: the file, once, and the byte."""
        folder = shutil.copytree(data, tmp_path / "data")
        os.truncate(folder / "office-2.pcap", 3000)
        done = train("--data", folder, "--labels", folder / "LABELS.tsv", "--out", tmp_path / "x")
        last = done.stderr.splitlines()[-1]
        verify(done.returncode == 1 and last.count("office-2.pcap") == 1 and "the file is truncated" in last, done.stderr)

    def test_pcapng_is_trained_on_as_pcap_is(self, bundle, data, tmp_path):
        """
        Steps: have Wireshark write the captures as pcapng, with times of a nanosecond; train, merges and all.
        Verify: the same model bit for bit.
        """
        folder = shutil.copytree(data, tmp_path / "data")
        for path in folder.glob("*.pcap"):
            subprocess.run(["editcap", "-F", "pcapng", data / path.name, path], check=True)
            verify(path.read_bytes().startswith(b"\n\r\r\n"), "no pcapng")
        done = train("--data", folder, "--labels", folder / "LABELS.tsv", "--out", tmp_path / "mine")
        verify(done.returncode == 0, done.stderr)
        verify((bundle / "model.ubj").read_bytes() == (tmp_path / "mine" / "model.ubj").read_bytes(), "another model")

    @pytest.mark.parametrize("after", ["extracted", "fold 2 of 5"])
    def test_what_is_interrupted_leaves_the_bundle_as_it_was(self, bundle, data, tmp_path, after):
        """
        Steps: train anew over a bundle, and press Ctrl-C; once more where none is.
        Verify: one line says so; every file is as before, and nothing else is there.
        """
        old = shutil.copytree(bundle, tmp_path / "mine")
        before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
        for out in (old, tmp_path / "new"):
            with subprocess.Popen([os.path.join(TOOLS, "train"), "--data", data, "--labels", data / "LABELS.tsv", "--out", out], stderr=subprocess.PIPE, text=True,
                                  start_new_session=True) as process:
                for line in process.stderr:
                    if after in line:
                        break
                os.killpg(process.pid, signal.SIGINT)
                said = process.stderr.read()
            verify(process.returncode == 1 and said.endswith("tools/train: interrupted\n") and "Traceback" not in said, said)
        verify({path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before, "the bundle changed")
        verify(os.listdir(tmp_path) == ["mine"], f"left behind: {os.listdir(tmp_path)}")

    def test_an_interrupt_within_a_destructor_is_not_lost(self):
        """
        Steps: have Ctrl-C come while an object's destructor runs, where Python drops the exception.
        Verify: the tool ends all the same, in one line.
        """
        work = ("class Closed:\n    def __del__(self):\n        signal.raise_signal(signal.SIGINT)\n"
                "def work():\n    Closed()\n    time.sleep(5)\n    sys.exit(0)\n")
        done = subprocess.run([sys.executable, "-c", f"import signal, sys, time\nimport lj_tool\n{work}lj_tool.run('tool', work)"], cwd=TOOLS, timeout=TIMEOUT_S,
                              stderr=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 1 and done.stderr == "tool: interrupted\n", done.stderr)

    def test_a_worker_that_is_killed_ends_it(self, data, tmp_path):
        """
        Steps: kill one of the processes that extract, as the kernel does where memory ends.
        Verify: it ends in one line that says so, and leaves nothing behind.
        """
        with subprocess.Popen([os.path.join(TOOLS, "train"), "--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / "mine"], stderr=subprocess.PIPE,
                              text=True) as process:
            workers = []
            while not workers and process.poll() is None:
                with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
                    workers = file.read().split()
                time.sleep(0.01)
            os.kill(int(workers[0]), signal.SIGKILL)
            try:
                said = process.communicate(timeout=60)[1]
            except subprocess.TimeoutExpired:
                process.terminate()
                raise
        verify(process.returncode == 1 and "tools/train: a worker was killed" in said and "Traceback" not in said, said)
        verify(os.listdir(tmp_path) == [], os.listdir(tmp_path))

    def test_a_folder_that_cannot_be_written_is_told_before_training(self, data, tmp_path):
        """Verify: one line that names it, for a file of that name, a folder below a file, one that the kernel refuses, and too long a name."""
        (tmp_path / "file").write_text("")
        for out in (tmp_path / "file", tmp_path / "file" / "x", "/proc/x/y"):
            line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--out", out)
            verify("file: " in line or "/proc/x: " in line, line)
        line = refusal("--data", data, "--labels", data / "LABELS.tsv", "--out", tmp_path / ("long" * 16))
        verify("the model's name, which is limited to 63 bytes" in line, line)


class TestRecipe:
    def test_a_score_is_earned_on_captures_not_seen(self, monkeypatch):
        """
        Steps: captures of which each has a mark of its own, and whether they are attacks says nothing but the mark; fold them.
        Verify: by the mark a model knows again what it was trained on, every row of it; what was held back it has to guess.
        """
        monkeypatch.setattr(lj_recipe, "MEMBERS", 4)
        rng, labels, rows, y, captures = numpy.random.default_rng(5), [], [], [], []
        for number, mark in enumerate(rng.permutation(40)):
            attack = number % 2 == 1
            labels.append({"file": f"p/{number}.pcap", "class": "malicious" if attack else "benign", "family": "scan" if attack else ""})
            rows.append(numpy.full((30, 2), mark))
            y += [attack] * 30
            captures += [number] * 30
        dataset = lj_dataset.Dataset(labels)
        dataset.add(numpy.concatenate(rows).astype(numpy.float32), y, captures, False)
        dataset.finish(["packets", "bytes"])
        _, scores = lj_recipe.cross_validate(dataset, [0, 1], lj_recipe.SEED)
        auc = roc_auc_score(dataset.y, scores)
        verify(0.2 < auc < 0.75, f"AUC {auc}")
        booster, _ = lj_recipe.fit(dataset, dataset.capture >= 0, [0, 1], 40, 1)
        verify(roc_auc_score(dataset.y, lj_recipe.scores_of(booster, dataset, numpy.arange(len(y)), [0, 1])) > 0.9, "the mark was not learnt")

    def test_a_family_is_called_by_its_name(self):
        """Verify: what the second model of three families names, trained on them, are their names, each nearly sure."""
        rng, labels, rows = numpy.random.default_rng(3), [], []
        for place, family in enumerate(("", "scan", "flood", "trojan")):
            for number in range(5):
                labels.append({"file": f"p/{family or 'web'}-{number}.pcap", "class": "malicious" if family else "benign", "family": family})
                rows.append(rng.normal(4 * place, 0.5, (40, 3)))
        labels += [{**label, "file": f"p/more-{n}.pcap"} for n, label in enumerate(labels[:5])]
        captures = numpy.repeat(numpy.arange(20), 40)
        dataset = lj_dataset.Dataset(labels)
        dataset.add(numpy.concatenate(rows).astype(numpy.float32), captures >= 5, captures, False)
        dataset.finish(["packets", "bytes", "duration_us"])
        classes, everything = lj_family.classes_of(dataset), numpy.ones(800, bool)
        verify(classes == ["benign", "flood", "scan", "trojan"], classes)
        attacks = numpy.flatnonzero(dataset.y == 1)
        said, sure = lj_family.named(lj_family.fit(dataset, everything, [0, 1, 2], classes, 1), dataset, attacks, [0, 1, 2])
        right = numpy.array(classes)[said] == dataset.family[attacks]
        verify(right.mean() > 0.95 and numpy.median(sure) > 0.9, f"{right.mean()} are right, {numpy.median(sure)}")

    def test_weights_of_groups_publishers_and_classes(self, monkeypatch):
        """
        Steps: 4 flows of a scan, 9 of a flood, and 12 and 4 benign ones of two publishers; weigh them; train the second model on them.
        Verify: the weights computed by hand: benign and malicious sum to the same; in the second model each class does.
        """
        sizes = {"p/scan": 4, "p/flood": 9, "p/web": 12, "r/web": 4}
        labels = [{"file": f"{name}.pcap", "class": "benign" if "web" in name else "malicious", "family": "" if "web" in name else name[2:]}
                  for name in sizes]
        captures = numpy.repeat(numpy.arange(4), list(sizes.values()))
        dataset = lj_dataset.Dataset(labels, folds=False)
        dataset.add(numpy.zeros((29, 1), numpy.float32), captures < 2, captures, False)
        dataset.finish(["packets"])
        root = 3 ** 0.5
        wanted = numpy.array([29 / 2 * 2 / 5 / 4, 29 / 2 * 3 / 5 / 9, 29 / 2 * root / (root + 1) / 12, 29 / 2 / (root + 1) / 4])
        said = lj_recipe.weights(dataset, numpy.arange(29))
        verify(numpy.allclose(said, wanted[captures], rtol=1e-9), said)
        given = []
        monkeypatch.setattr(lj_family.xgboost, "train", lambda _, data, __: given.append((data.get_label(), data.get_weight())))
        lj_family.fit(dataset, numpy.ones(29, bool), [0], ["benign", "flood", "scan"], 1)
        label, weight = given[0]
        sums = [float(weight[label == k].sum()) for k in range(3)]
        verify(numpy.allclose(sums, 29 / 3, rtol=1e-5), sums)

    def test_a_publisher_left_out_is_scored_by_who_did_not_see_it(self):
        """
        Steps: attacks of two publishers, of which those of one look as the benign flows do, but for a mark of its own.
        Verify: who was trained without it takes them for benign, and the other's for attacks of a kind it does not know.
        """
        rng, labels, rows, y, captures = numpy.random.default_rng(3), [], [], [], []
        for publisher, kind, like, marked in (("a", "benign", 0, 0), ("b", "benign", 0, 0), ("x", "malicious", 3, 0), ("odd", "malicious", 0, 1)):
            for number in range(10):
                labels.append({"file": f"{publisher}/{number}.pcap", "class": kind, "family": publisher})
                rows.append(numpy.column_stack([rng.normal(like, 0.5, (40, 4)), numpy.full((40, 4), marked)]))
                y += [kind == "malicious"] * 40
                captures += [len(labels) - 1] * 40
        dataset = lj_dataset.Dataset(labels)
        dataset.add(numpy.concatenate(rows).astype(numpy.float32), y, captures, False)
        said = {publisher: attacks for publisher, attacks, _ in lj_recipe.unseen_publishers(dataset.finish([f"packets_{i}" for i in range(8)]), list(range(8)), 20)}
        verify(sorted(said) == ["odd", "x"] and numpy.median(said["odd"]) < 0.5, {p: numpy.median(s) for p, s in said.items()})

    def test_sources_never_seen_are_scored_by_who_did_not_see_them(self):
        """
        Steps: three sources of benign flows, of which one looks like the attacks but for a mark of its own; a fourth is too small.
        Verify: who was trained without that source takes it for an attack, and the others for what they are; the fourth is not there.
        """
        rng, labels, rows, y, captures = numpy.random.default_rng(3), [], [], [], []
        for publisher, kind, marked, n in (("a", "benign", 0, 60), ("b", "benign", 0, 60), ("odd", "benign", 1, 60), ("few", "benign", 0, 5), ("x", "malicious", 0, 60)):
            for number in range(6):
                labels.append({"file": f"{publisher}/{number}.pcap", "class": kind, "family": publisher})
                like = publisher in ("odd", "x")
                rows.append(numpy.column_stack([rng.normal(3 * like, 0.5, (n, 4)), numpy.full((n, 4), marked)]))
                y += [kind == "malicious"] * n
                captures += [len(labels) - 1] * n
        dataset = lj_dataset.Dataset(labels)
        dataset.add(numpy.concatenate(rows).astype(numpy.float32), y, captures, False)
        scores = lj_recipe.quiet_elsewhere(dataset.finish([f"packets_{i}" for i in range(8)]), list(range(8)), 10, 1)
        verify(sorted(scores) == ["a", "b", "odd"] and len(scores["odd"]) == 360, sorted(scores))
        verify(numpy.median(scores["odd"]) > 0.8 and max(numpy.median(scores[p]) for p in "ab") < 0.2, {p: numpy.median(s) for p, s in scores.items()})
