"""Network namespaces: a host whose interfaces are tapped, and the far ends of its cables."""

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import threading

HOST, FAR = "lj-host", "lj-far"
IN_HOST = ("ip", "netns", "exec", HOST)
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    return subprocess.run(["ip", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@contextlib.contextmanager
def inside(namespace):
    """This thread in the namespace: sockets opened here stay there."""
    with open(f"/proc/self/task/{threading.get_native_id()}/ns/net", "rb") as own, open(f"/run/netns/{namespace}", "rb") as other:
        if libc.setns(other.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if libc.setns(own.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns back")


def cable(near, far, queues=1):
    """A veth pair from HOST (near) to FAR, both up; nothing but what the test sends: no IPv6 neighbour discovery of their own."""
    ip("-n", HOST, "link", "add", near, "numrxqueues", str(queues), "numtxqueues", str(queues), "type", "veth", "peer", "name", far,
       "netns", FAR, "numrxqueues", str(queues), "numtxqueues", str(queues))
    for namespace, interface in ((HOST, near), (FAR, far)):
        with inside(namespace), open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    for namespace, interface in ((HOST, near), (FAR, far)):
        ip("-n", namespace, "link", "set", interface, "up")


def tagging_switch(port, other):
    """
    A switch in FAR between the cable's end `port` and a new one, whose plug is `other`. What is sent there with a VLAN tag goes on
    with the tag beside the frame, as offloading has it: the switch takes it out, and veth does not put it back.
    """
    ip("-n", FAR, "link", "add", "ljswitch", "type", "bridge", "mcast_snooping", "0")
    ip("-n", FAR, "link", "add", other, "type", "veth", "peer", "name", f"{other}s")
    for interface in (other, f"{other}s", "ljswitch"):
        with inside(FAR), open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    for interface in (port, f"{other}s"):
        ip("-n", FAR, "link", "set", interface, "master", "ljswitch")
        # Both ends of a conversation come from one side.
        ip("-n", FAR, "link", "set", interface, "type", "bridge_slave", "learning", "off")
    for interface in (other, f"{other}s", "ljswitch"):
        ip("-n", FAR, "link", "set", interface, "up")


@contextlib.contextmanager
def two_hosts():
    """Both namespaces; whatever is in them goes with them. Those of a run that was killed are made anew."""
    for namespace in (HOST, FAR):
        if os.path.exists(f"/run/netns/{namespace}"):
            ip("netns", "del", namespace)
        ip("netns", "add", namespace)
    try:
        yield
    finally:
        for namespace in (HOST, FAR):
            ip("netns", "del", namespace)


def send(interface, frames, cpu=None):
    """From FAR, on one CPU if given. veth's ring holds 256 frames and the kernel drops what is more: so a pause now and then."""
    before = os.sched_getaffinity(0)
    with inside(FAR):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind((interface, 0))
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        with raw:
            for i, frame in enumerate(frames):
                raw.send(frame)
                if i % 10 == 9:
                    threading.Event().wait(0.001)
    finally:
        os.sched_setaffinity(0, before)


def link(interface):
    """What the kernel says of an interface of HOST."""
    return json.loads(ip("-n", HOST, "-d", "-j", "link", "show", "dev", interface))[0]


def programs():
    """The tap's programs that are loaded, in any namespace."""
    done = subprocess.run(["/usr/sbin/bpftool", "-j", "prog", "list"], check=True, stdout=subprocess.PIPE, text=True)
    return {program["id"]: program["name"] for program in json.loads(done.stdout) if program.get("name") in ("polled", "received", "tap", "tap_tags")}
