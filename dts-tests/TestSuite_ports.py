"""Kernel interfaces as ports: the same frames give the same flows as their replay."""

import socket
import subprocess

import pytest

from framework.linejudge import DEMO, appliance, flows, read_pcap, replay, verify, wait_for, write_pcap

FRAMES = 3000
PORTION = 50
NEAR, FAR = "ljdts0", "ljdts1"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def silence(interface):
    """Nothing but what the test sends: no IPv6 neighbour discovery of the host's own."""
    with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w", encoding="ascii") as file:
        file.write("1")


@pytest.fixture
def veth():
    ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    try:
        for interface in (NEAR, FAR):
            silence(interface)
            ip("link", "set", interface, "up")
        yield
    finally:
        ip("link", "del", NEAR)


def send(interface, frames, have_come):
    """In portions, each when the last has come, because the kernel's rings are small and it drops without a word."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((interface, 0))
        for start in range(0, len(frames), PORTION):
            for frame in frames[start:start + PORTION]:
                raw.send(frame)
            have_come(min(start + PORTION, len(frames)))


def same_flows_as_replay(tmp_path, port, interface):
    frames = [data[16:] for _, data in read_pcap(DEMO)[1][:FRAMES]]
    live, still = tmp_path / "live.json", tmp_path / "still.json"
    config = {"capture": {"ports": [{"name": port}]}, "models": [], "eve": {"target": str(live)}}
    with appliance(tmp_path, config, "lj-dts-ports") as (process, telemetry):
        if interface != NEAR:
            silence(interface)
        before = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"]
        came = 0

        def have_come(sent):
            def enough():
                nonlocal came
                came = telemetry.ask("/linejudge/show/packet/stats")["rx_packets"] - before
                if came < sent:
                    raise OSError(f"{came} of {sent} frames came")

            wait_for(enough, process)

        send(interface, frames, have_come)
    verify(process.returncode == 0, f"exit {process.returncode}")
    write_pcap(tmp_path / "still.pcap", [(10**18 + i * 100_000, frame) for i, frame in enumerate(frames)])
    replay(tmp_path / "still.pcap", "--model", "none", "--eve", still)
    if came == FRAMES and before == 0:
        verify(flows(live) == flows(still), "live and replay differ")
    else:
        verify(set(flows(still)) <= set(flows(live)), "flows of the replay are missing")


class TestKernelInterfaces:
    def test_af_packet(self, tmp_path, veth):
        """
        Steps: watch one end of a veth pair by net_af_packet; send 3,000 frames at the other.
        Verify: their flows are those of the replay.
        """
        same_flows_as_replay(tmp_path, f"net_af_packet0,iface={FAR}", NEAR)

    def test_af_xdp(self, tmp_path, veth):
        """
        Steps: the same by net_af_xdp, which does not start without a transmit queue.
        Verify: as above.
        """
        same_flows_as_replay(tmp_path, f"net_af_xdp0,iface={FAR}", NEAR)

    def test_tap(self, tmp_path):
        """
        Steps: the same by net_tap, which makes its own interface and wants a transmit queue, too.
        Verify: as above.
        """
        same_flows_as_replay(tmp_path, "net_tap0,iface=ljdtstap", "ljdtstap")
