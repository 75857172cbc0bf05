"""Drives the real binary by its own faces: command line, EVE, telemetry socket, prompt."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, "build", "app", "linejudge")
DEMO = os.path.join(ROOT, "tools", "data", "demo.pcap")
DEMO_LABELS = os.path.join(ROOT, "tools", "data", "demo.csv")
TOOLS = os.path.join(ROOT, "tools")
TIMEOUT_S = 60


def verify(condition, message):
    """DTS's word for assert."""
    assert condition, message


def run(*arguments, **options):
    """Runs to the end: CompletedProcess with stdout and stderr as text."""
    return subprocess.run([BINARY, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=TIMEOUT_S, check=False, **options)


def replay(capture, *arguments):
    """Replays a capture that has to go well; the JSON summary."""
    done = run("--pcap", capture, "--summary", "json", *arguments)
    verify(done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
    summary = json.loads(done.stdout)
    verify(summary["ledger"]["balanced"], f"the ledger does not balance: {summary['ledger']}")
    return summary


def events(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def flows(path):
    """What identifies and sums up each flow event."""
    return sorted((e["src_ip"], e.get("src_port", 0), e["dest_ip"], e.get("dest_port", 0), e["proto"], e["flow"]["pkts_toserver"],
                   e["flow"]["pkts_toclient"], e["flow"]["bytes_toserver"], e["flow"]["bytes_toclient"])
                  for e in events(path) if e["event_type"] == "flow")


def error_line(done):
    """The one line that a failed run has to say."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("linejudge: ")]
    verify(done.returncode == 1, f"exit {done.returncode}, not 1: {done.stderr}")
    verify(len(lines) == 1, f"not one clear line: {done.stderr!r}")
    return lines[0]


def runtime_dir():
    if os.geteuid() == 0:
        return "/var/run/dpdk"
    return os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "dpdk")


class Telemetry:
    """A client of the DPDK telemetry socket."""

    def __init__(self, prefix):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # DPDK listens with a short backlog. With a timeout of Python's own a full one is EAGAIN at once; the kernel's waits.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
        self.socket.connect(os.path.join(runtime_dir(), prefix, "dpdk_telemetry.v2"))
        self.socket.settimeout(10)
        self.info = json.loads(self.socket.recv(1024))

    def ask_raw(self, command):
        self.socket.send(command.encode())
        return self.socket.recv(self.info["max_output_len"])

    def ask(self, command):
        return json.loads(self.ask_raw(command))[command.split(",")[0]]

    def ask_all(self, command):
        """All pages of a reply that may be too long for one."""
        rows, following = {}, 0
        while following is not None:
            page = self.ask(command if following == 0 else f"{command},{following}") or {}
            following = page.pop("next", None)
            rows.update(page)
        return rows

    def close(self):
        self.socket.close()


def polling(telemetry):
    """Telemetry answers before the capture starts; once the roles poll, it has."""
    lcores = telemetry.ask_all("/linejudge/show/lcores")
    if not lcores or not all(role["polls"] for role in lcores.values()):
        raise OSError("not started")


@contextlib.contextmanager
def appliance(tmp_path, config, prefix, within=(), **options):
    """
    Runs linejudge on a configuration until the block ends, then asks it to stop; yields (process, telemetry). `within`: the words
    of a command to run it by. `options` are Popen's. Who wants what it says ends it in the block, by a signal and communicate().
    """
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    with subprocess.Popen([*within, BINARY, "--config", str(path), "--set", f"eal.file_prefix={prefix}", "--summary", "json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            telemetry = wait_for(lambda: Telemetry(prefix), process)
            wait_for(lambda: polling(telemetry), process)
            yield process, telemetry
            telemetry.close()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def wait_for(attempt, process):
    """Tries until it goes, as long as the process lives."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return attempt()
        except (OSError, KeyError, TypeError):
            if process.poll() is not None:
                raise AssertionError(f"linejudge ended: {process.stderr.read()}") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def write_pcap(path, frames, link_type=1):
    """frames: (time in ns, bytes)."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, link_type))
        for time_ns, frame in frames:
            file.write(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, len(frame), len(frame)) + frame)
    return path


def read_pcap(path):
    """The frames of a nanosecond pcap as tools/pcapgen writes it: (time in ns, captured bytes, header)."""
    with open(path, "rb") as file:
        data = file.read()
    at, frames = 24, []
    while at < len(data):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", data, at)
        frames.append((seconds * 10**9 + fraction, data[at:at + 16 + captured]))
        at += 16 + captured
    return data[:24], frames
