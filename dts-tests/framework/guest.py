"""The appliance booted under QEMU: the image, the machine, a shell in it, frames into its ports."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from framework.linejudge import ROOT, TIMEOUT_S, verify

OVERLAY = os.path.join(ROOT, "dts-tests", "appliance", "overlay")
BOOT_S = 240
SLOT_S = 0.02
# Frames that may wait in a tap before its port has taken them: far fewer than its queue holds.
OUTSTANDING = 64
# An emulated machine takes 2 to 5 thousand frames a second without loss.
PORTION, PORTION_S = 32, 0.01


def config_for(nic, legs=2):
    queues = NICS[nic]["queues"]
    ports = [{"name": f"0000:00:{2 + leg:02x}.0", "leg": leg, "mbufs": 8192, "descriptors": 1024, "queues": queues} for leg in range(legs)]
    # Under emulation an lcore may be off its CPU for longer than on a machine: stalls are another suite's.
    return {"capture": {"ports": ports}, "lcores": {"workers": queues, "infer": 1}, "flow": {"capacity": 65536},
            "eve": {"target": "/var/log/linejudge/eve.json", "append": True}, "keepalive": {"stall_ms": 2000},
            "service": {"user": "linejudge", "group": "linejudge"}, "telemetry": {"group": "linejudge"}}


NICS = {
    # Long rings: QEMU's own RSS hands a frame to another queue than it came by, and when that one is full it stalls the first.
    "virtio": {"queues": 2, "device": "virtio-net-pci,rx_queue_size=1024,iommu_platform=on,disable-legacy=on,mq=on,vectors=6,rss=on"},
    "e1000": {"queues": 1, "device": "e1000"},
    "vmxnet3": {"queues": 1, "device": "vmxnet3"},
}


def build_image(folder, package):
    """Kernel and initrd with the Debian package, in `folder`."""
    subprocess.run([os.path.join(ROOT, "tools", "appliance-image"), "--package", package, str(folder)], check=True,
                   stdout=subprocess.DEVNULL)


def extra_archive(folder, nic):
    """What the test adds to the image: a configuration for this NIC, and a shell to drive it by; a cpio archive."""
    with tempfile.TemporaryDirectory() as extra:
        subprocess.run(["cp", "-a", OVERLAY + "/.", extra], check=True)
        os.makedirs(os.path.join(extra, "etc", "linejudge"))
        with open(os.path.join(extra, "etc", "linejudge", "linejudge.json"), "w", encoding="utf-8") as file:
            json.dump(config_for(nic), file)
        path = os.path.join(folder, f"{nic}.cpio")
        with open(path, "wb") as archive:
            names = subprocess.run(["find", "."], cwd=extra, stdout=subprocess.PIPE, check=True).stdout
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=extra, input=names, stdout=archive, check=True)
    return path


class Tap:
    """One leg: an interface of the host whose other end is a port of the guest."""

    def __init__(self, name, queues):
        self.name, self.sent = name, 0
        mode = ["multi_queue"] if queues > 1 else []
        # A run that was killed may have left it.
        subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["ip", "tuntap", "add", name, "mode", "tap", *mode], check=True)
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((name, 0))

    def taken(self):
        with open(f"/sys/class/net/{self.name}/statistics/tx_packets", encoding="ascii") as file:
            return int(file.read())

    def wait(self, outstanding):
        deadline = time.monotonic() + TIMEOUT_S
        while self.sent - self.taken() > outstanding:
            verify(time.monotonic() < deadline, f"{self.name}: the guest takes no more frames")
            time.sleep(0.001)

    def send(self, frame):
        self.wait(OUTSTANDING)
        self.socket.send(frame)
        self.sent += 1

    def close(self):
        self.socket.close()
        subprocess.run(["ip", "link", "del", self.name], check=True)


def conversation(frame):
    """(flow, leg) of a frame: both directions have one flow; the leg is that of its sender."""
    kind, = struct.unpack_from("!H", frame, 12)
    if kind == 0x0800:
        l4, protocol, a, b = 14 + (frame[14] & 15) * 4, frame[23], frame[26:30], frame[30:34]
    elif kind == 0x86DD:
        l4, protocol, a, b = 54, frame[20], frame[22:38], frame[38:54]
    else:
        return (kind,), 0
    if protocol in (6, 17):
        a, b = a + frame[l4:l4 + 2], b + frame[l4 + 2:l4 + 4]
    return (protocol, min(a, b), max(a, b)), int(a > b)


def in_slots(frames):
    """
    [(slot, leg, frame)]: a flow's frame is in a later slot than the one before it from the other side. There is no order
    between two ports; with a pause between slots the frames that need one have it all the same.
    """
    latest, slotted = {}, []
    for frame in frames:
        flow, leg = conversation(frame)
        slot, last_leg = latest.get(flow, (0, leg))
        slot += leg != last_leg
        latest[flow] = (slot, leg)
        slotted.append((slot, leg, frame))
    return sorted(slotted, key=lambda item: item[0])


class Guest:
    def __init__(self, folder, nic):
        self.nic, self.folder, self.console_path = nic, str(folder), os.path.join(str(folder), f"{nic}.console")
        self.shell_path = os.path.join(tempfile.mkdtemp(prefix="lj-guest-"), "shell")
        self.taps, self.process, self.shell = [], None, None

    def boot(self):
        initrd = os.path.join(self.folder, f"{self.nic}.initrd")
        with open(initrd, "wb") as out:
            for part in (os.path.join(self.folder, "initrd"), extra_archive(self.folder, self.nic)):
                with open(part, "rb") as file:
                    out.write(file.read())
                out.write(b"\0" * (-out.tell() % 512))
        queues = NICS[self.nic]["queues"]
        command = ["qemu-system-x86_64", "-machine", "q35,kernel-irqchip=split", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
                   "-m", "1536", "-display", "none", "-no-reboot", "-nodefaults", "-serial", f"file:{self.console_path}",
                   "-device", "intel-iommu,intremap=on,caching-mode=on", "-device", "virtio-serial-pci,addr=8",
                   "-chardev", f"socket,id=shell,path={self.shell_path},server=on,wait=off",
                   "-device", "virtserialport,chardev=shell,name=shell", "-kernel", os.path.join(self.folder, "vmlinuz"),
                   "-initrd", initrd, "-append",
                   "console=ttyS0 quiet panic=-1 intel_iommu=on iommu=pt hugepages=300 mitigations=off"]
        for leg in range(2):
            self.taps.append(Tap(f"ljboot{leg}", queues))
            several = f",queues={queues}" if queues > 1 else ""
            command += ["-netdev", f"tap,id=leg{leg},ifname=ljboot{leg},script=no,downscript=no,vhost=off{several}",
                        "-device", f"{NICS[self.nic]['device']},netdev=leg{leg},addr={2 + leg}"]
        with open(os.path.join(self.folder, f"{self.nic}.qemu"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.connect()

    def console(self):
        with open(self.console_path, "rb") as file:
            return file.read().decode(errors="replace").replace("\r", "")

    def connect(self):
        self.shell = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self.shell.connect(self.shell_path)
                break
            except OSError:
                verify(self.process.poll() is None and time.monotonic() < deadline, "QEMU does not start")
                time.sleep(0.05)
        self.shell.settimeout(BOOT_S)

    def run(self, command, check=True):
        """Output of a command in the guest."""
        self.shell.sendall(command.encode() + b"\n")
        answer = b""
        while b"\0" not in answer or not answer.endswith(b"\n"):
            piece = self.shell.recv(1 << 16)
            verify(piece, f"the guest is gone: {self.console()[-2000:]}")
            answer += piece
        output, _, code = answer.rpartition(b"\0")
        text = output.decode(errors="replace")
        verify(not check or int(code) == 0, f"{command}: exit {int(code)}: {text}\n{self.console()[-3000:]}")
        return text

    def wait_for(self, command, words):
        """Until the command's output has `words`."""
        deadline = time.monotonic() + BOOT_S
        while True:
            text = self.run(command, check=False)
            if words in text:
                return text
            verify("failed" not in text, f"{command}: {text}\n{self.console()[-3000:]}")
            verify(time.monotonic() < deadline, f"{command} never says {words!r}: {text}\n{self.console()[-3000:]}")
            time.sleep(0.2)

    def ask(self, command):
        """One telemetry command by Debian's client in the guest."""
        text = self.run(f"printf '{command}\\nquit\\n' | dpdk-telemetry.py -f linejudge")
        return json.loads(text[text.index("{"):])[command.split(",")[0]]

    def send(self, frames):
        """Sends the frames to the legs of their senders, slot by slot; what was sent, [(time in ns, frame)]."""
        sent, current = [], 0
        for slot, leg, frame in in_slots(frames):
            if slot != current:
                for tap in self.taps:
                    tap.wait(0)
                time.sleep(SLOT_S)
                current = slot
            if len(sent) % PORTION == 0:
                time.sleep(PORTION_S)
            self.taps[leg].send(frame)
            sent.append((time.time_ns(), frame))
        return sent

    def close(self):
        if self.shell is not None:
            self.shell.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
        for tap in self.taps:
            tap.close()
        shutil.rmtree(os.path.dirname(self.shell_path))


@contextlib.contextmanager
def booted(folder, nic):
    guest = Guest(folder, nic)
    try:
        guest.boot()
        yield guest
    finally:
        guest.close()
