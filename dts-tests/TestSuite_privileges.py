"""
Least privilege: from the moment the daemon is ready it is nobody in particular.

That forbidden calls fail is tried by build/lib/test_service, which calls what the daemon calls to confine itself and then makes
them, on the main thread and on one that was there before. Here the daemon's own state is looked at, and that it works confined.
"""

import glob
import grp
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from framework.linejudge import BINARY, DEMO, ROOT, TIMEOUT_S, appliance, error_line, events, replay, run, verify, wait_for

USER, GROUP = "nobody", "daemon"
# Live capture refuses what inference is too late for: the queues have room for all flows of the demo, however busy the machine.
PORT = {"capture": {"ports": [{"name": f"net_pcap0,rx_pcap={DEMO}"}]}, "queue": {"infer": 16384, "sink": 16384}}


def confined(**more):
    return dict(PORT, service={"user": USER}, telemetry={"group": GROUP, "mode": "0660"}, **more)


def statuses(pid):
    """/proc's status of every thread, as a dict each."""
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="ascii") as file:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def internet_sockets(pid):
    inodes = set()
    for family in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        with open(f"/proc/{pid}/net/{family}", encoding="ascii") as file:
            inodes |= {line.split()[9] for line in list(file)[1:]}
    return [link for link in (os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*"))
            if link.startswith("socket:[") and link[8:-1] in inodes]


class TestPrivileges:
    def test_every_thread_is_bare_once_ready(self, tmp_path):
        """
        Steps: run with a service user on a vdev that is no kernel interface.
        Verify: in every thread the user, no group, no capability, no_new_privs, a seccomp filter; no internet socket.
        """
        config = confined(capture={"ports": [{"name": "net_null0"}]}, models=[])
        user = str(pwd.getpwnam(USER).pw_uid)
        with appliance(tmp_path, config, "lj-dts-bare") as (process, telemetry):
            wait_for(lambda: telemetry.ask("/linejudge/show/keepalive")["lcore1"], process)
            wait_bare(process)
            threads = list(statuses(process.pid))
            verify(len(threads) >= 5, f"{len(threads)} threads")
            for thread in threads:
                verify(thread["Uid"].split() == [user] * 4 and thread["Groups"].strip() == "", thread)
                verify(int(thread["CapEff"], 16) == int(thread["CapPrm"], 16) == 0, thread)
                verify(thread["NoNewPrivs"] == "1" and thread["Seccomp"] == "2", thread)
            verify(internet_sockets(process.pid) == [], "has internet sockets")
        verify(process.returncode == 0, process.returncode)

    def test_confined_it_does_all_its_work(self, tmp_path):
        """
        Steps: classify the demo capture from a port with EVE to a file only root may open; tune by telemetry; stop.
        Verify: the flows and the ledger of the replay; the settings taken; exit 0.
        """
        eve = tmp_path / "eve.json"
        wanted = replay(DEMO)
        with appliance(tmp_path, confined(eve={"target": str(eve)}), "lj-dts-works") as (process, telemetry):
            wait_bare(process)
            verify(telemetry.ask("/linejudge/set/batch/size,16")["batch_size"] == 16, "not set")

            def all_came():
                if telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] < wanted["packets"]:
                    raise OSError("packets are missing")
                return True

            wait_for(all_came, process)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT_S)
        summary = json.loads(out)
        verify(process.returncode == 0 and summary["ledger"]["balanced"], err)
        verify(summary["flows"] == wanted["flows"] == sum(e["event_type"] == "flow" for e in events(eve)), summary)

    def test_logs_are_rotated_without_losing_a_line(self, tmp_path, open_folder):
        """
        Steps: write EVE as a service user into a folder of its own; have logrotate turn it by the package's configuration; stop.
        Verify: the second file is the user's; both together have the flows and alerts of the summary, and each flow once.
        """
        shutil.chown(open_folder, USER, GROUP)
        eve, rules = os.path.join(open_folder, "eve.json"), tmp_path / "rules"
        with open(os.path.join(ROOT, "drivers-config", "logrotate.d", "linejudge"), encoding="ascii") as file:
            rules.write_text(file.read().replace("/var/log/linejudge", open_folder))
        with appliance(tmp_path, confined(eve={"target": eve, "append": True}), "lj-dts-rotate") as (process, _):
            wait_bare(process)
            wait_for(lambda: os.path.getsize(eve) or os.stat("/nothing yet"), process)
            subprocess.run(["logrotate", "--force", "--state", str(tmp_path / "state"), str(rules)], check=True)
            verify(not os.path.exists(eve), "logrotate has left the file")
            time.sleep(1.2)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT_S)
        summary = json.loads(out)
        both = [*events(eve + ".1"), *events(eve)]
        verify(process.returncode == 0 and summary["ledger"]["balanced"], err)
        verify(pwd.getpwuid(os.stat(eve).st_uid).pw_name == USER, "the second file is somebody else's")
        verify(sum(e["event_type"] == "alert" for e in both) == summary["alerts"] > 0, summary)
        flows = [e["flow_id"] for e in both if e["event_type"] == "flow"]
        verify(len(flows) == len(set(flows)) == summary["flows"], summary)

    def test_ports_on_kernel_interfaces_keep_two_capabilities_on_main(self, tmp_path):
        """
        Steps: the same on net_af_packet, whose driver needs the kernel to let go.
        Verify: NET_ADMIN and NET_RAW on the main thread, nothing on the others.
        """
        config = confined(capture={"ports": [{"name": "net_af_packet0,iface=lo"}]}, models=[])
        with appliance(tmp_path, config, "lj-dts-kept") as (process, telemetry):
            wait_bare(process)
            kept = {thread["Pid"]: int(thread["CapEff"], 16) for thread in statuses(process.pid)}
            verify(kept.pop(str(process.pid)) == 1 << 12 | 1 << 13, "not those two")
            verify(kept and not any(kept.values()), kept)

    def test_what_fail_over_needs_is_kept_where_it_is_asked_for(self, tmp_path):
        """
        Steps: a port that needs nothing, with capture.failover command, and auto.
        Verify: NET_ADMIN, NET_RAW, PERFMON and BPF on the main thread, nothing on the others.
        """
        for policy in ("command", "auto"):
            config = confined(capture={"ports": [{"name": "net_null0"}], "failover": policy}, models=[])
            with appliance(tmp_path, config, "lj-dts-kept") as (process, telemetry):
                wait_bare(process)
                kept = {thread["Pid"]: int(thread["CapEff"], 16) for thread in statuses(process.pid)}
                verify(kept.pop(str(process.pid)) == 1 << 12 | 1 << 13 | 1 << 38 | 1 << 39, "not those four")
                verify(kept and not any(kept.values()), kept)

    def test_the_telemetry_socket_is_its_groups(self, tmp_path, open_folder):
        """
        Steps: ask as another user with and without the group, the first by DPDK's client, too, told the folder as docs/operation.md says.
        Verify: the first is answered, the second refused; owner, group and mode as configured.
        """
        env = dict(os.environ, RUNTIME_DIRECTORY=open_folder)
        config = tmp_path / "config.json"
        config.write_text(json.dumps(confined(models=[])))
        path = os.path.join(open_folder, "dpdk", "lj-dts-group", "dpdk_telemetry.v2")
        with subprocess.Popen([BINARY, "--config", str(config), "--set", "eal.file_prefix=lj-dts-group"], env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_for(lambda: connect(path), process)
                wait_bare(process)
                # What tmpfiles.d does for /run/dpdk.
                os.chmod(os.path.join(open_folder, "dpdk"), 0o755)
                status = os.stat(path)
                verify(stat.S_IMODE(status.st_mode) == 0o660, oct(status.st_mode))
                verify((status.st_uid, status.st_gid) == (pwd.getpwnam(USER).pw_uid, grp.getgrnam(GROUP).gr_gid), status)
                script = f"import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect({path!r}); print(s.recv(9999))"
                for group, answered in ((GROUP, True), ("games", False)):
                    done = subprocess.run(["/usr/bin/python3", "-I", "-c", script], user="games", group=group, extra_groups=[], cwd="/",
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
                    verify(("version" in done.stdout) == answered, f"{group}: {done.stdout}{done.stderr}")
                    verify(answered or "Permission denied" in done.stderr, done.stderr)
                done = subprocess.run(["/usr/bin/dpdk-telemetry.py", "-f", "lj-dts-group"], input="/linejudge/show/verdicts\nquit\n", user="games",
                                      group=GROUP, extra_groups=[], cwd="/", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, check=False)
                verify('"alerts": 0' in done.stdout, done.stdout)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(TIMEOUT_S)
        verify(process.returncode == 0, "does not end well")

    def test_without_a_service_user_a_desk_stays_as_it_was(self, tmp_path):
        """
        Steps: run without service.user, then with the filter alone.
        Verify: nothing changed; then seccomp on every thread.
        """
        for more, seccomp in (({}, "0"), ({"service": {"seccomp": "on"}}, "2")):
            with appliance(tmp_path, dict(PORT, models=[], **more), "lj-dts-desk") as (process, telemetry):
                wait_for(lambda: telemetry.ask("/linejudge/show/keepalive")["lcore1"], process)
                if seccomp == "2":
                    wait_bare(process)
                verify({thread["Seccomp"] for thread in statuses(process.pid)} == {seccomp}, more)
                verify({thread["Uid"].split()[0] for thread in statuses(process.pid)} == {str(os.geteuid())}, more)

    @pytest.mark.parametrize("key,value,words", [
        ("service.user", "lj-no-such-user", "service.user: no such user"), ("service.group", "daemon", "service.group: needs service.user"),
        ("telemetry.mode", "0999", "telemetry.mode: \"0999\" is not an octal mode"),
        ("service.seccomp", "maybe", "service.seccomp: \"maybe\" is not one of auto|on|off"),
    ])
    def test_a_key_that_is_wrong(self, key, value, words):
        """Verify: the key and what is wrong, before any port is touched."""
        line = error_line(run("--set", 'capture.ports=[{"name":"net_null0"}]', "--set", f"{key}={value}"))
        verify(words in line, line)

    def test_what_is_forbidden_fails(self):
        """
        Steps: run build/lib/test_service, which is confined as the daemon is and tries execve, ptrace, mount, setuid, fork, listen ...
        Verify: every attempt ends as it must.
        """
        done = subprocess.run([os.path.join(ROOT, "build", "lib", "test_service")], stdout=subprocess.PIPE, text=True, check=False)
        verify(done.returncode == 0 and "what only an intruder calls ends the process ...passed" in done.stdout, done.stdout)


def connect(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(path)
        return client.recv(1024)


def wait_bare(process):
    """Until the confinement, which comes right after the start, is complete."""
    def bare():
        if not all(thread["Seccomp"] == "2" for thread in statuses(process.pid)):
            raise OSError("not confined yet")
        return True

    wait_for(bare, process)
