"""The appliance's faces while packets flow: telemetry, prompt, EVE by datagram."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pexpect
import pytest

from framework.linejudge import BINARY, DEMO, Telemetry, appliance, error_line, replay, run, runtime_dir, verify, wait_for

NULL = {"capture": {"ports": [{"name": "net_null0"}]}, "models": []}


def pcap_port(queues=1):
    return {"capture": {"ports": [{"name": "net_pcap0" + f",rx_pcap={DEMO}" * queues}]}}


class TestTelemetry:
    def test_every_command_answers_while_packets_flow(self, tmp_path):
        """
        Steps: run on the null PMD; ask every command that shows something.
        Verify: none errs, and packets go up.
        """
        with appliance(tmp_path, NULL, "lj-dts-commands") as (_, telemetry):
            before = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
            for words in telemetry.ask("/linejudge/help"):
                if words.startswith("show"):
                    answer = telemetry.ask("/linejudge/" + words.replace("_", "/", 2 if words.count("_") > 1 else 1))
                    verify("error" not in (answer or {}), f"{words}: {answer}")
            time.sleep(0.2)
            verify(telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] > before, "no packets flow")

    def test_help_of_some_commands(self, tmp_path):
        """
        Steps: ask for help of show, of set/batch, of "set batch", of what is no command, and from the second row on.
        Verify: the commands that begin with these words; an error; all but the first.
        """
        with appliance(tmp_path, NULL, "lj-dts-commands") as (_, telemetry):
            everything = list(telemetry.ask("/linejudge/help"))
            verify(list(telemetry.ask("/linejudge/help,show")) == [words for words in everything if words.startswith("show_")], "others, too")
            for words in ("set/batch", "set batch"):
                verify(list(telemetry.ask(f"/linejudge/help,{words}")) == ["set_batch_size__flows_", "set_batch_deadline__us_"], words)
            verify("no command starts with these words" in telemetry.ask("/linejudge/help,shew")["error"], "not said")
            verify(list(telemetry.ask("/linejudge/help,1")) == everything[1:], "no page")

    def test_debians_client_understands_it(self, tmp_path):
        """
        Steps: ask by dpdk-telemetry.py.
        Verify: its JSON has our answer.
        """
        with appliance(tmp_path, NULL, "lj-dts-client"):
            done = subprocess.run(["dpdk-telemetry.py", "-f", "lj-dts-client"], input="/linejudge/show/tuning\nquit\n",
                                  stdout=subprocess.PIPE, text=True, timeout=30, check=True)
            verify('"batch_size": 64' in done.stdout, done.stdout)

    def test_tuning_takes_effect_and_bad_values_do_not(self, tmp_path):
        """
        Steps: set the batch size, then values out of range.
        Verify: the setting in force, and errors that name the range.
        """
        with appliance(tmp_path, NULL, "lj-dts-tuning") as (_, telemetry):
            verify(telemetry.ask("/linejudge/set/batch/size,32")["batch_size"] == 32, "not set")
            verify("1..1024" in telemetry.ask("/linejudge/set/batch/size,0")["error"], "no range")
            verify("is not a number" in telemetry.ask("/linejudge/set/timeout/idle,soon")["error"], "no reason")
            verify("needs a parameter" in telemetry.ask("/linejudge/set/batch/size")["error"], "no reason")
            verify(telemetry.ask("/linejudge/show/tuning")["batch_size"] == 32, "a bad value was taken")

    def test_stop_and_start_and_clear(self, tmp_path):
        """
        Steps: stop; look twice; start; clear.
        Verify: the count stands, then runs, then begins anew; at rest the ledger balances.
        """
        with appliance(tmp_path, NULL, "lj-dts-stop") as (_, telemetry):
            telemetry.ask("/linejudge/stop")
            time.sleep(0.2)
            rows = telemetry.ask("/linejudge/show/ledger")
            verify(all(row["difference"] == 0 for row in rows.values()), f"does not balance: {rows}")
            first = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
            time.sleep(0.2)
            verify(telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] == first, "still receives")
            telemetry.ask("/linejudge/clear/stats")
            verify(telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] == 0, "not cleared")
            telemetry.ask("/linejudge/start")
            time.sleep(0.2)
            verify(telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] > 0, "does not receive again")

    def test_a_number_after_a_command_that_acts_is_refused(self, tmp_path):
        """
        Steps: ask for row 3 of clear stats, as of a show command that is paged.
        Verify: an error, and nothing is cleared.
        """
        with appliance(tmp_path, NULL, "lj-dts-acts") as (process, telemetry):
            def first_packet():
                if telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] == 0:
                    raise OSError("no packet yet")

            wait_for(first_packet, process)
            telemetry.ask("/linejudge/stop")
            verify("takes no parameter" in telemetry.ask("/linejudge/clear/stats,3")["error"], "no reason")
            verify(telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] > 0, "cleared")

    def test_fractions_are_numbers(self, tmp_path):
        """
        Steps: watch the demo capture on a pcap port until decisions are made; ask for their histogram.
        Verify: the percentages of its bars add up to 100.
        """
        with appliance(tmp_path, pcap_port(), "lj-dts-fraction") as (process, telemetry):
            def decided():
                if telemetry.ask("/linejudge/show/latency")["decision"]["count"] == 0:
                    raise OSError("no decision yet")

            wait_for(decided, process)
            bars = telemetry.ask("/linejudge/show/latency/histogram")
        verify(abs(sum(float(bar["percent"]) for bar in bars.values()) - 100) < 0.01, bars)

    def test_any_name_of_a_port_is_told(self, tmp_path):
        """
        Steps: watch a capture whose name has characters that telemetry does not take; ask about its port; ask with such characters.
        Verify: the port is there under its name, cleaned, and every answer is JSON.
        """
        capture = tmp_path / "caf\u00e9 @[1]~#%.pcap"
        shutil.copy(DEMO, capture)
        port = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={capture}"}]}, "models": []}
        with appliance(tmp_path, port, "lj-dts-names") as (_, telemetry):
            for words in ("show/port/stats", "show/port/failover", "show/port/info", "show/rss"):
                rows = telemetry.ask(f"/linejudge/{words}")
                names = [name for name in rows if name.startswith("net_pcap0_rx_pcap_")]
                verify(len(names) == 1 and names[0].endswith("_1_____pcap"), f"{words}: {rows}")
            verify("is not a number" in telemetry.ask("/linejudge/set/batch/size,\u00e9\u20ac")["error"], "no reason")
            telemetry.socket.send(b"/linejudge/set/batch/size,\xe9")
            answer = json.loads(telemetry.socket.recv(1 << 16))
            verify("error" in answer["/linejudge/set/batch/size"], answer)

    def test_ten_clients_and_one_that_dies(self, tmp_path):
        """
        Steps: eight clients ask at once, over and over; another one asks and closes without reading.
        Verify: all answers whole; the daemon ends well.
        """
        failures = []

        def client():
            try:
                telemetry = Telemetry("lj-dts-clients")
                for _ in range(100):
                    verify(telemetry.ask("/linejudge/show/counters")["rx_packets"] >= 0, "no counters")
                telemetry.close()
            except (OSError, AssertionError, ValueError) as problem:
                failures.append(problem)

        with appliance(tmp_path, NULL, "lj-dts-clients") as (process, _):
            threads = [threading.Thread(target=client) for _ in range(8)]
            for thread in threads:
                thread.start()
            rude = Telemetry("lj-dts-clients")
            rude.socket.send(b"/linejudge/show/counters")
            rude.close()
            for thread in threads:
                thread.join()
        verify(not failures, failures)
        verify(process.returncode == 0, process.returncode)


class TestLivePorts:
    def test_a_pcap_port_gives_the_replays_flows(self, tmp_path):
        """
        Steps: watch net_pcap's port until it has given all packets, then stop.
        Verify: every packet, and the flows of the replay; the ledger balances.
        """
        with appliance(tmp_path, pcap_port(), "lj-dts-pcap") as (process, telemetry):
            wanted = replay(DEMO)
            deadline = time.monotonic() + 30
            while telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] < wanted["packets"]:
                verify(time.monotonic() < deadline, "packets are missing")
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        verify(process.returncode == 0, err)
        summary = json.loads(out)
        verify(summary["ledger"]["balanced"], summary["ledger"])
        # net_pcap keeps microseconds, and drops nothing; live flows are cut by the same packet times.
        verify((summary["packets"], summary["flows"]) == (wanted["packets"], wanted["flows"]), summary)

    def test_several_workers_share_one_queue(self, tmp_path):
        """
        Steps: two workers on the null PMD's one queue.
        Verify: a spreader feeds them; stopping drains; the ledger balances.
        """
        config = dict(NULL, lcores={"workers": 2})
        with appliance(tmp_path, config, "lj-dts-spread") as (process, telemetry):
            verify({"spread", "worker0", "worker1", "infer0", "sink"} == set(telemetry.ask("/linejudge/show/lcores")), "roles")
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=60)
        verify(json.loads(out)["ledger"]["balanced"], out)


class TestPrompt:
    def test_a_person_at_the_prompt(self):
        """
        Steps: ask, mistype, complete by TAB, set, stop, quit.
        Verify: what a person sees.
        """
        shell = pexpect.spawn(BINARY, ["--pcap", DEMO, "--interactive"], encoding="utf-8", timeout=30)
        shell.expect("linejudge> ")
        shell.sendline("show flow stats")
        shell.expect("flow_created +[0-9]+")
        shell.sendline("show host stats")
        shell.expect("memory_bytes +[1-9][0-9]+")
        shell.expect("host_begun +[0-9]+")
        shell.sendline("show nonsense")
        shell.expect_exact('"nonsense" cannot follow "show"')
        shell.send("show led\t")
        shell.expect("show ledger")
        shell.sendline("")
        shell.expect("left +right +difference")
        shell.sendline("set batch deadline 10")
        shell.expect("batch_deadline_us +10")
        shell.sendline("set timeout idle 0")
        shell.expect("is not in 0.001..86400")
        shell.sendline("help")
        shell.expect("show latency +Returns decision time")
        shell.sendline("quit")
        shell.expect("ledger balances")
        shell.expect(pexpect.EOF)
        shell.close()
        verify(shell.exitstatus == 0, shell.exitstatus)


class TestEnd:
    def test_a_terminal_that_is_closed_ends_the_run_well(self, tmp_path):
        """
        Steps: send SIGHUP; the same to a run that nohup has started, then SIGTERM.
        Verify: the first ends with its summary and exit 0; the second runs on until SIGTERM.
        """
        with appliance(tmp_path, NULL, "lj-dts-hangup") as (process, _):
            process.send_signal(signal.SIGHUP)
            out, err = process.communicate(timeout=60)
            verify(process.returncode == 0 and json.loads(out)["ledger"]["balanced"], f"{process.returncode}: {err}")
        with appliance(tmp_path, NULL, "lj-dts-nohup", within=("nohup",)) as (process, telemetry):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            verify(telemetry.ask("/linejudge/show/tuning")["batch_size"] == 64, "no answer")

    def test_who_is_impatient_need_not_wait_for_the_reader_of_a_pipe(self, tmp_path):
        """
        Steps: write EVE to a pipe that nobody empties until lines are lost; send SIGTERM twice at once, and after three seconds.
        Verify: live, the sink's lcore does not stall; at the end it waits for its reader until the last signal, which ends it.
        """
        pipe = tmp_path / "eve.fifo"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        endless = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO},infinite_rx=1"}]}, "eve": {"target": str(pipe)}, "models": [],
                   "flow": {"idle_timeout_s": 0.001, "active_timeout_s": 0.1, "tcp_linger_s": 0.01}}
        with appliance(tmp_path, endless, "lj-dts-impatient") as (process, telemetry):
            def full():
                (sink,) = telemetry.ask("/linejudge/show/sink/stats").values()
                if sink["lost"] == 0:
                    raise OSError("the pipe is not full yet")

            wait_for(full, process)
            time.sleep(2)
            sink = telemetry.ask("/linejudge/show/keepalive")["lcore3"]
            verify(sink["longest_us"] < 1_500_000, f"stalled: {sink}")
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            time.sleep(3)
            verify(process.poll() is None, "did not wait")
            process.send_signal(signal.SIGTERM)
            verify(process.wait(30) == -signal.SIGTERM, process.returncode)
        os.close(reader)


    def test_a_pipe_without_a_reader_is_told(self, tmp_path):
        """
        Steps: replay with EVE to a pipe; open it for reading once its line is there.
        Verify: a line says what it waits for; every event comes.
        """
        pipe = tmp_path / "eve.fifo"
        os.mkfifo(pipe)
        with subprocess.Popen([BINARY, "--pcap", DEMO, "--eve", pipe, "--summary", "none"], stderr=subprocess.PIPE, text=True) as process:
            line = process.stderr.readline()
            verify(f"{pipe}: waiting for a reader of the pipe" in line, line)
            verify(len(pipe.read_text().splitlines()) > 2000, "events are lacking")
            verify(process.wait(30) == 0, process.returncode)


class TestDatagrams:
    def test_a_line_a_datagram(self, tmp_path):
        """
        Steps: listen on a unix datagram socket, slowly; replay with EVE to it.
        Verify: every line, whole, and none lost: a replay waits.
        """
        path, lines = str(tmp_path / "eve.sock"), []
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(path)

        def receive():
            for line in iter(lambda: listener.recv(65536), b"over"):
                lines.append(line)
                if len(lines) % 100 == 0:
                    time.sleep(0.01)

        receiver = threading.Thread(target=receive)
        receiver.start()
        done = run("--pcap", DEMO, "--eve", f"unix:{path}", "--summary", "json")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"over", path)
        receiver.join()
        summary = json.loads(done.stdout)
        verify(len(lines) == summary["flows"] + summary["alerts"] and "sink_lost" not in summary["refused"], f"{len(lines)} lines: {summary}")
        for line in lines:
            json.loads(line)


class TestDryRun:
    def test_it_says_what_would_be_done(self):
        """Verify: EAL arguments, an lcore a role, where flows go, memory."""
        out = run("--pcap", DEMO, "--workers", "2", "--dry-run", "--", "--log-level=debug").stdout
        for words in ("--no-huge", "--log-level=debug", "lcore 1 on CPU ", ": spread", ": worker1", ": sink", "flow tables", "hosts"):
            verify(words in out, f"{words} is not in {out}")
        out = run("--pcap", DEMO, "--workers", "3", "--set", "lcores.infer=2", "--set", "models=", "--dry-run").stdout
        for words in ("worker0, node 0, flows: infer0 100%", "worker1, node 0, flows: infer0 50%, infer1 50%", "worker2, node 0, flows: infer1 100%"):
            verify(words in out, f"{words} is not in {out}")
        out = run("--pcap", DEMO, "--workers", "3", "--set", "lcores.infer=2", "--dry-run").stdout
        verify(out.count("flows: by initiator to infer0 infer1") == 3, f"the default model needs host context: {out}")

    def test_the_need_is_held_against_the_memory_that_there_is(self):
        """
        Steps: dry runs of a small configuration without hugepages, of one whose tables are beyond any memory, of one whose packet buffers
            are, and of the latter with hugepages.
        Verify: what is available, and whether it suffices.
        """
        def dry(ports, mbufs, *settings):
            ports = [{"name": f"net_null{i}", "mbufs": mbufs} for i in range(ports)]
            return run("--set", f"capture.ports={json.dumps(ports)}", *(word for text in settings for word in ("--set", text)), "--dry-run").stdout

        for out, words in ((dry(1, 4096, "eal.huge=off"), "which hold it all\n"),
                           (dry(1, 4096, "eal.huge=off", "flow.capacity=134217728", "lcores.workers=64"), "which are too few once tables are full"),
                           (dry(16, 16777216, "eal.huge=off"), "which are too few for the packet buffers")):
            line = next(line for line in out.splitlines(True) if line.startswith("ordinary memory: "))
            verify(" MiB available" in line and words in line, out)
        out = dry(16, 16777216, "eal.huge=on")
        verify("ordinary" not in out and " needed: too few), of 1 GiB: " in out, out)

    def test_the_command_lines_eal_arguments_follow_the_configurations(self):
        """Verify: what stands after -- is further to eal.args, and last."""
        out = run("--pcap", DEMO, "--set", "eal.args=--no-telemetry", "--dry-run", "--", "--log-level=debug").stdout
        verify(" --no-telemetry --log-level=debug\n" in out, out)

    @pytest.mark.parametrize("arguments, prefix, ended", [
        (("--pcap", DEMO, "--summary", "none"), "linejudge", 0),
        (("--pcap", DEMO, "--", "-m", "99999999"), "linejudge", 1),
        (("rss-predict", "--pcap", DEMO, "--queues", "4"), "linejudge-predict", 0),
    ], ids=("replay", "replay-without-memory", "rss-predict"))
    def test_what_reads_files_leaves_nothing_behind(self, arguments, prefix, ended):
        """Verify: no runtime folder of this run stays, not even when the EAL does not start."""
        with subprocess.Popen([BINARY, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            verify(process.wait(60) == ended, "ends otherwise")
        folder = os.path.join(runtime_dir(), f"{prefix}-{process.pid}")
        verify(not os.path.exists(folder), f"{folder} stays")

    def test_nor_does_an_appliance_whose_folder_is_empty(self, tmp_path):
        """
        Steps: run on the null PMD and end it; again with somebody's file in the runtime folder.
        Verify: the folder is gone; then the file stays, and nothing else.
        """
        folder = os.path.join(runtime_dir(), "lj-dts-leaves")
        with appliance(tmp_path, NULL, "lj-dts-leaves"):
            verify(os.listdir(folder) == ["dpdk_telemetry.v2"], os.listdir(folder))
        verify(not os.path.exists(folder), f"{folder} stays")
        with appliance(tmp_path, NULL, "lj-dts-leaves"):
            with open(os.path.join(folder, "note"), "w", encoding="utf-8"):
                pass
        verify(os.listdir(folder) == ["note"], os.listdir(folder))
        shutil.rmtree(folder)


class TestPrefix:
    def test_a_second_appliance_by_the_same_prefix_is_refused(self, tmp_path):
        """
        Steps: while one runs, start another with the same prefix, without hugepages, and another mode for the socket.
        Verify: one line that names the key and the first's process; the first's folder is as it was, and it answers.
        """
        def folder_state():
            return {entry.name: (entry.stat().st_ino, entry.stat().st_mode, entry.stat().st_ctime_ns) for entry in os.scandir(folder)}

        folder = os.path.join(runtime_dir(), "lj-dts-prefix")
        with appliance(tmp_path, NULL, "lj-dts-prefix") as (process, telemetry):
            before = folder_state()
            line = error_line(run("--config", tmp_path / "config.json", "--set", "eal.file_prefix=lj-dts-prefix", "--set", "eal.huge=off",
                                  "--set", "doctor=off", "--set", "telemetry.mode=0666"))
            verify("eal.file_prefix: " in line and f"process {process.pid} " in line, line)
            verify(folder_state() == before, "the first one's folder was changed")
            verify("error" not in telemetry.ask("/linejudge/show/tuning"), "the first one answers no more")

    def test_what_a_killed_one_left_is_in_nobodys_way(self, tmp_path):
        """
        Steps: kill -9; start by the same prefix.
        Verify: it runs and answers.
        """
        with appliance(tmp_path, NULL, "lj-dts-prefix") as (process, _):
            process.kill()
            process.wait()
        verify(os.path.exists(os.path.join(runtime_dir(), "lj-dts-prefix", "dpdk_telemetry.v2")), "the kernel tidies up")
        with appliance(tmp_path, NULL, "lj-dts-prefix") as (process, telemetry):
            verify(telemetry.info["pid"] == process.pid, telemetry.info)
