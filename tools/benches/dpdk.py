"""Measures the CPU time per packet of a DPDK program's polling threads, by the statistics of its port."""

import contextlib
import json
import os
import socket
import subprocess
import time

import run


class Telemetry:
    """Client of a DPDK program's telemetry socket, for one request at a time."""

    def __init__(self, runtime, process):
        path = os.path.join(runtime, "dpdk_telemetry.v2")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        give_up = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                self.socket.connect(path)
                break
            if process.poll() is not None or time.monotonic() > give_up:
                raise run.Failure(f"{process.args[0]} does not start")
            time.sleep(0.1)
        self.most = json.loads(self.socket.recv(1024))["max_output_len"]

    def ask(self, command):
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(self.most))[command.partition(",")[0]]

    def close(self):
        self.socket.close()


def cpu_ns(process):
    """CPU time of each thread of a process."""
    times = {}
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{task}/schedstat", encoding="ascii") as file:
            times[task] = int(file.read().split()[0])
    return times


def ns_per_packet(command, prefix, cpus, warm_up, seconds, pollers=1):
    """Runs a program with `pollers` threads that poll port 0; returns their CPU time per packet in ns, measured after `warm_up` packets."""
    environment = dict(os.environ)
    runtime = f"/var/run/dpdk/{prefix}" if os.geteuid() == 0 else os.path.join(environment["XDG_RUNTIME_DIR"], "dpdk", prefix)
    with subprocess.Popen(["taskset", "-c", ",".join(map(str, cpus)), *command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        try:
            telemetry = Telemetry(runtime, process)
            give_up = time.monotonic() + 60
            while telemetry.ask("/ethdev/stats,0")["ipackets"] < warm_up:
                if time.monotonic() > give_up:
                    raise run.Failure(f"{command[0]} receives nothing")
                time.sleep(0.1)
            before, packets = cpu_ns(process), telemetry.ask("/ethdev/stats,0")["ipackets"]
            time.sleep(seconds)
            after = cpu_ns(process)
            packets = telemetry.ask("/ethdev/stats,0")["ipackets"] - packets
            telemetry.close()
        except (run.Failure, OSError) as problem:
            process.kill()
            raise run.Failure(f"{problem}: {process.stderr.read().decode(errors='replace')[-300:]}") from problem
        process.terminate()
        process.communicate(timeout=60)
    # The polling threads are those that use the most CPU time.
    used = sorted(after[task] - before.get(task, 0) for task in after)
    return sum(used[-pollers:]) / packets
