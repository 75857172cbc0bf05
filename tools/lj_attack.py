"""The base of a synthetic attack: its capture, and the parameters that are random for each capture."""

import random
import struct

from lj_frames import START_NS, Capture, Connection

FLOWS = (60, 260)
# Options of a SYN: none, as sent by tools that craft their own packets, or those of an operating system.
SYN_OPTIONS = (b"", struct.pack(">BBH", 2, 4, 1460), struct.pack(">BBHBBBBBB", 2, 4, 1460, 1, 3, 3, 8, 1, 1) + b"\4\2\1",
               struct.pack(">BBHBB", 2, 4, 1460, 4, 2) + bytes((8, 10)) + bytes(8) + b"\1\3\3\7")


class Attack:
    """A capture, and the random parameters of this attack."""

    def __init__(self, seed):
        self.capture = Capture(seed)
        self.random = r = self.capture.random
        self.flows = r.randint(*FLOWS)
        self.attacker, self.victim = self.host(), self.host()
        self.options = r.choice(SYN_OPTIONS)
        self.rtt_ms = 10 ** r.uniform(-0.7, 2.2)
        # From a generator of its own, so that the other random values do not change.
        self.stamped = random.Random(f"timestamps {seed}").random() < 0.5
        self.now = START_NS + r.randint(0, 10**10)

    def host(self):
        r = self.random
        return f"{r.choice((10, 172, 192, r.randint(11, 126), r.randint(128, 223)))}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}"

    def sources(self, spoofed):
        """A function that returns each flow's source: any address if `spoofed`, else one of a few, including the attacker's."""
        few = [self.host() for _ in range(self.random.choice((1, 2, 10, 40)))]
        if not spoofed:
            self.attacker = few[0]
        return self.host if spoofed else lambda: self.random.choice(few)

    def ticks(self, low_ms, high_ms):
        """Start times of the flows, at a rate chosen once per capture between the two limits, log-uniformly."""
        mean, regular = self.between(low_ms, high_ms), self.random.random() < 0.5
        for _ in range(self.flows):
            self.now += int((mean * self.random.uniform(0.9, 1.1) if regular else self.random.expovariate(1 / mean)) * 10**6)
            yield self.now

    def between(self, low, high):
        return low * (high / low) ** self.random.random()

    def port(self):
        return self.random.randint(1024, 65535)

    def connection(self, at_ns, source, sport, target, dport, crafted=False):
        """`crafted`: segments written by a tool itself, without an operating system's options."""
        rtt_ms = self.rtt_ms * self.random.uniform(0.8, 1.3)
        return Connection(self.capture, at_ns, source, sport, target, dport, rtt_ms, self.stamped and not crafted)
