"""Nodes and the test run, from YAML: which port linejudge watches, and where frames go in."""

import contextlib
import socket
import subprocess
import time

import yaml

from framework.linejudge import verify

LINK_KEYS = {"veth": {"kind", "interfaces"}, "pci": {"kind", "port", "generator"}}


def load(path):
    """The test run, with its node under "node"; what is missing or unknown is said by key."""
    with open(path, encoding="utf-8") as file:
        conf = yaml.safe_load(file)
    test_run, nodes = conf["test_run"], conf["nodes"]
    name = test_run["system_under_test"]
    verify(name in nodes, f"{path}: test_run.system_under_test: no node {name}")
    hostname = nodes[name]["hostname"]
    verify(hostname in ("localhost", socket.gethostname()), f"{path}: nodes.{name}.hostname: {hostname} is not this machine, where the suites run")
    link = nodes[name]["link"]
    verify(link["kind"] in LINK_KEYS, f"{path}: nodes.{name}.link.kind: {link['kind']} is none of {sorted(LINK_KEYS)}")
    verify(set(link) == LINK_KEYS[link["kind"]], f"{path}: nodes.{name}.link: wants {sorted(LINK_KEYS[link['kind']])}")
    return dict(test_run, node=nodes[name])


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Link:
    """A port for linejudge's configuration, and the interface at whose end it is."""

    def __init__(self, port, interface):
        self.port, self.interface = port, interface

    def send(self, frames):
        """In portions, because the kernel's rings are small and it drops without a word."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((self.interface, 0))
            for i, frame in enumerate(frames):
                raw.send(frame)
                if i % 10 == 9:
                    time.sleep(0.001)


@contextlib.contextmanager
def connected(node):
    """The node's link, up for the block."""
    link = node["link"]
    if link["kind"] == "pci":
        ip("link", "set", link["generator"], "up")
        yield Link({"name": link["port"]}, link["generator"])
        return
    near, far = link["interfaces"]
    ip("link", "add", near, "type", "veth", "peer", "name", far)
    try:
        for interface in (near, far):
            # Nothing but what the test sends.
            with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w", encoding="ascii") as file:
                file.write("1")
            ip("link", "set", interface, "up")
        yield Link({"name": f"net_af_packet0,iface={far}"}, near)
    finally:
        ip("link", "del", near)
