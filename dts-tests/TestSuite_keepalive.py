"""
A stalled lcore is found, named, and costs the watchdog its pings.

One thread of the daemon is stopped as a debugger stops it (PTRACE_INTERRUPT): SIGSTOP would stop them all.
"""

import contextlib
import ctypes
import os
import re
import signal
import socket
import time

from framework.linejudge import TIMEOUT_S, appliance, verify

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


def config(**keepalive):
    return {"capture": {"ports": [{"name": "net_null0"}]}, "models": [], "keepalive": dict({"stall_ms": 300}, **keepalive)}


def thread_of(process, name):
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{task}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                return int(task)
    raise AssertionError(f"no thread {name}")


@contextlib.contextmanager
def stopped(thread):
    verify(LIBC.ptrace(PTRACE_SEIZE, thread, None, None) == 0, os.strerror(ctypes.get_errno()))
    verify(LIBC.ptrace(PTRACE_INTERRUPT, thread, None, None) == 0, os.strerror(ctypes.get_errno()))
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        if LIBC.ptrace(PTRACE_DETACH, thread, None, None) != 0:
            # The process has ended meanwhile: its thread waits for us to take note.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(thread, WALL)


def until(telemetry, lcore, state):
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        row = telemetry.ask("/linejudge/show/keepalive")[lcore]
        if row["state"] == state:
            return row
        verify(time.monotonic() < deadline, f"{lcore} never is {state}: {row}")
        time.sleep(0.01)


class Manager:
    """The service manager's end of sd_notify."""

    def __init__(self, tmp_path, watchdog_us):
        self.path = str(tmp_path / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.env = dict(os.environ, NOTIFY_SOCKET=self.path, WATCHDOG_USEC=str(watchdog_us))

    def hear(self, word):
        """Until it is said."""
        self.socket.settimeout(TIMEOUT_S)
        while word not in self.socket.recv(4096).decode():
            pass

    def heard(self):
        """All that has been said and not been listened to."""
        self.socket.setblocking(False)
        words = []
        with contextlib.suppress(BlockingIOError):
            while True:
                words.append(self.socket.recv(4096).decode())
        return words


class TestKeepalive:
    def test_a_stalled_lcore_is_named_and_its_return_told(self, tmp_path):
        """
        Steps: stop the thread of lcore 1 until telemetry says that it is stalled; let it go on.
        Verify: that lcore alone, with its role, in telemetry and in the log, and how long it was; the ledger balances after all.
        """
        with appliance(tmp_path, config(), "lj-dts-stall") as (process, telemetry):
            until(telemetry, "lcore1", "alive")
            with stopped(thread_of(process, "rte-worker-1")):
                row = until(telemetry, "lcore1", "stalled")
                verify(row["roles"] == "worker0" and row["stalls"] >= 1 and row["silent_us"] >= 300_000, row)
            row = until(telemetry, "lcore1", "alive")
            verify(row["longest_us"] >= 300_000, row)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT_S)
        verify(re.search(r"keepalive: lcore 1 \(worker0\) is stalled: no progress for \d+ ms", err), err)
        verify(re.search(r"keepalive: lcore 1 \(worker0\) goes on after \d+ ms", err), err)
        verify(process.returncode == 0 and '"balanced": true' in out, out)

    def test_a_stall_costs_the_watchdogs_pings(self, tmp_path):
        """
        Steps: run under a service manager that wants a ping every 300 ms; stop lcore 2; let it go on; end.
        Verify: READY once; pings; none while it is stalled; pings again; STOPPING.
        """
        manager = Manager(tmp_path, 300_000)
        with appliance(tmp_path, config(), "lj-dts-watchdog", env=manager.env) as (process, telemetry):
            manager.hear("READY=1")
            manager.hear("STATUS=")
            manager.hear("WATCHDOG=1")
            with stopped(thread_of(process, "rte-worker-2")):
                until(telemetry, "lcore2", "stalled")
                manager.heard()
                time.sleep(1)
                words = manager.heard()
                verify("WATCHDOG=1" not in words, f"pings while stalled: {words}")
            until(telemetry, "lcore2", "alive")
            manager.hear("WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            manager.hear("STOPPING=1")

    def test_by_policy_a_long_stall_ends_the_process(self, tmp_path):
        """
        Steps: the same with keepalive.policy restart and restart_ms 500.
        Verify: the process aborts, after it named the lcore: on-failure starts it anew.
        """
        with appliance(tmp_path, config(policy="restart", restart_ms=500), "lj-dts-abort") as (process, telemetry):
            until(telemetry, "lcore3", "alive")
            with stopped(thread_of(process, "rte-worker-3")):
                # Ends when the last other thread has let go of it.
                err = process.stderr.read()
            process.wait(TIMEOUT_S)
        verify(process.returncode == -signal.SIGABRT, process.returncode)
        verify("lcore 3 (sink) is stalled" in err and "keepalive.restart_ms: aborting" in err, err)

    def test_a_process_that_was_stopped_whole_is_not_a_stall(self, tmp_path):
        """
        Steps: SIGSTOP the process for longer than the limit, then SIGCONT.
        Verify: no lcore counts a stall: main did not look, so it cannot tell whose silence it was.
        """
        with appliance(tmp_path, config(stall_ms=3000), "lj-dts-sigstop") as (process, telemetry):
            until(telemetry, "lcore1", "alive")
            process.send_signal(signal.SIGSTOP)
            time.sleep(3.5)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.5)
            rows = telemetry.ask("/linejudge/show/keepalive")
            verify(all(row["stalls"] == 0 for row in rows.values()), rows)
