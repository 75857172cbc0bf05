#!/usr/bin/python3
"""Attacks that are made, to train on beside captured ones: floods, scans, guessing and a few more, of which few captures are public.

    tools/lj_attacks.py --out DIR [--captures N]

What such an attack is, is a matter of its mechanism: packets that nobody answers, from everywhere; one host at many ports; the same short
talk with one service again and again; much data in questions for names; a program that calls home. Of some, on a link of asymmetric
routes, one half alone. What is not is drawn anew for each capture, widely: rates, sizes, options of a SYN, timestamps, round
trips, addresses, who answers. So that a model learns the mechanism, and no tool. Nothing is ever measured on these captures.
"""

import argparse
import csv
import os
import random
import struct

from lj_frames import ACK, FIN, PSH, RST, START_NS, SYN, Capture, Connection

PUBLISHER = "generated"
CAPTURES = 6  # of each attack
FLOWS = (60, 260)
# What begins a connection: bare as from tools that write their own packets, or with a system's options.
SYN_OPTIONS = (b"", struct.pack(">BBH", 2, 4, 1460), struct.pack(">BBHBBBBBB", 2, 4, 1460, 1, 3, 3, 8, 1, 1) + b"\4\2\1",
               struct.pack(">BBHBB", 2, 4, 1460, 4, 2) + bytes((8, 10)) + bytes(8) + b"\1\3\3\7")


class Attack:
    """A capture, and what was drawn for it."""

    def __init__(self, seed):
        self.capture = Capture(seed)
        self.random = r = self.capture.random
        self.flows = r.randint(*FLOWS)
        self.attacker, self.victim = self.host(), self.host()
        self.options = r.choice(SYN_OPTIONS)
        self.rtt_ms = 10 ** r.uniform(-0.7, 2.2)
        # By the seed alone: nothing else that is drawn depends on it.
        self.stamped = random.Random(f"timestamps {seed}").random() < 0.5
        self.now = START_NS + r.randint(0, 10**10)

    def host(self):
        r = self.random
        return f"{r.choice((10, 172, 192, r.randint(11, 126), r.randint(128, 223)))}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}"

    def sources(self, spoofed):
        """A function that names each flow's source: any at all, or one of a few, of which the attacker is one."""
        few = [self.host() for _ in range(self.random.choice((1, 2, 10, 40)))]
        if not spoofed:
            self.attacker = few[0]
        return self.host if spoofed else lambda: self.random.choice(few)

    def ticks(self, low_ms, high_ms):
        """Times of the flows, at one pace that is drawn for the capture between the two, evenly on a scale of decades."""
        mean, regular = self.between(low_ms, high_ms), self.random.random() < 0.5
        for _ in range(self.flows):
            self.now += int((mean * self.random.uniform(0.9, 1.1) if regular else self.random.expovariate(1 / mean)) * 10**6)
            yield self.now

    def between(self, low, high):
        return low * (high / low) ** self.random.random()

    def port(self):
        return self.random.randint(1024, 65535)

    def connection(self, at_ns, source, sport, target, dport, crafted=False):
        """`crafted`: of segments that a tool writes itself, without a system's options."""
        rtt_ms = self.rtt_ms * self.random.uniform(0.8, 1.3)
        return Connection(self.capture, at_ns, source, sport, target, dport, rtt_ms, self.stamped and not crafted)


def tcp_flood(flags, spoofed, answers):
    """`answers`: what the victim says, if anything."""
    def make(a):
        r, source, service = a.random, a.sources(spoofed), a.random.choice((80, 443, 22, 53, 25565, a.port()))
        replies, size = r.choice((0, 0, 0.1, 0.7, 1)), r.choice((0, 0, 0, r.randint(1, 1400)))
        any_port = r.random() < 0.2
        for now in a.ticks(0.02, 20):
            c = a.connection(now, source(), a.port(), a.victim, a.port() if any_port else service, crafted=True)
            for _ in range(1 if spoofed else r.choice((1, 1, 2, 3))):
                c.send(0, flags, size, a.options if flags & SYN else b"")
                c.wait(0.1, 3)
            if answers and r.random() < replies:
                c.send(1, answers, 0, a.options if answers & SYN else b"")
    return make


def reflection(a):
    """Servers answer what somebody else asked in the victim's name: SYN-ACKs."""
    r, service, again = a.random, a.random.choice((80, 443, 22, 179)), a.random.choice((1, 1, 2, 4))
    one_port = r.choice((None, a.port()))
    for now in a.ticks(0.02, 20):
        c = a.connection(now, a.host(), service, a.victim, one_port or a.port())
        for _ in range(r.randint(1, again)):
            c.send(0, SYN | ACK, 0, a.options)
            c.wait(500, 1100)
        if r.random() < 0.1:
            c.send(1, RST)


def udp_flood(spoofed):
    def make(a):
        r, source, low = a.random, a.sources(spoofed), a.random.randint(0, 1200)
        high, service = r.choice((low, low + 200)), r.choice((None, 80, 443, a.port()))
        for now in a.ticks(0.02, 20):
            sport, dport, host = a.port(), service or a.port(), source()
            for i in range(1 if spoofed else r.choice((1, 2, 10))):
                a.capture.udp(now + i * 10**5, host, sport, a.victim, dport, bytes(r.randint(low, high)))
    return make


def amplification(a):
    """Large answers of UDP services to questions that the victim never asked."""
    r, service = a.random, a.random.choice((19, 111, 161, 389, 427, 1434, 3283, 11211, 27015))
    low = r.randint(60, 1000)
    high, most, victims = low + r.choice((0, 30, 400)), r.choice((1, 1, 3, 20)), r.choice((None, a.port()))
    for now in a.ticks(0.02, 20):
        host, dport = a.host(), victims or a.port()
        for i in range(r.randint(1, most)):
            a.capture.udp(now + i * 50000, host, service, a.victim, dport, bytes(min(r.randint(low, high), 1472)))


def request_flood(a):
    """Whole requests, faster than anybody reads."""
    r, source, asked, answered = a.random, a.sources(False), a.random.randint(80, 700), a.random.randint(150, 9000)
    for now in a.ticks(2, 100):
        c = a.connection(now, source(), a.port(), a.victim, 80)
        c.open()
        c.say(0, asked + r.randint(0, 20))
        if r.random() < 0.9:
            c.say(1, answered)
        c.close() if r.random() < 0.7 else c.send(r.randint(0, 1), RST | ACK)


def ports_of(a):
    """Ports in the order that a scanner takes them."""
    first = a.random.choice((1, 1, a.random.randint(1, 40000)))
    ports = list(range(first, first + a.flows))
    if a.random.random() < 0.6:
        ports = a.random.sample(range(1, a.random.choice((1100, 10000, 65535))), a.flows)
    return ports


def tcp_scan(flags):
    """Every port of a host; closed ones answer with RST unless something drops the probes."""
    def make(a):
        r, closed, opened, one = a.random, a.random.choice((0, 0, 0.2, 1, 1)), a.random.choice((0, 0.005, 0.05)), a.port()
        fixed, twice = r.random() < 0.5, r.random() < 0.4
        for now, port in zip(a.ticks(0.05, 3000), ports_of(a)):
            c = a.connection(now, a.attacker, one if fixed else a.port(), a.victim, port, crafted=True)
            c.send(0, flags, 0, a.options if flags & SYN else b"")
            c.now += c.rtt
            if flags & SYN and r.random() < opened:
                c.send(1, SYN | ACK, 0, a.options)
                c.send(0, RST)
            elif r.random() < closed:
                c.send(1, RST | ACK)
            elif twice:
                c.wait(100, 1200)
                c.send(0, flags, 0, a.options if flags & SYN else b"")
    return make


def connect_scan(a):
    r, closed, opened = a.random, a.random.choice((0, 0.9, 1)), a.random.choice((0.01, 0.05, 0.2))
    for now, port in zip(a.ticks(0.2, 3000), ports_of(a)):
        c = a.connection(now, a.attacker, a.port(), a.victim, port)
        if r.random() < opened:
            c.open()
            if r.random() < 0.5:
                c.say(1, r.randint(10, 200))
            c.send(0, RST | ACK)
            continue
        c.send(0, SYN, 0, a.options)
        c.now += c.rtt
        if r.random() < closed:
            c.send(1, RST | ACK)
        else:
            c.wait(900, 1100)
            c.send(0, SYN, 0, a.options)


def udp_scan(a):
    r, size, answers = a.random, a.random.choice((0, 0, 8, 40)), a.random.choice((0, 0.01, 0.1))
    for now, port in zip(a.ticks(0.2, 1500), ports_of(a)):
        sport = a.port()
        for i in range(r.choice((1, 1, 2))):
            a.capture.udp(now + i * 10**9, a.attacker, sport, a.victim, port, bytes(size))
        if r.random() < answers:
            a.capture.udp(now + int(a.rtt_ms * 1e6), a.victim, port, a.attacker, sport, bytes(r.randint(1, 200)))


def sweep(a):
    """One port of many hosts: what a worm does, or a search for a service."""
    r, service = a.random, a.random.choice((21, 22, 23, 80, 445, 1433, 2323, 3389, 5900, 6379, 8080))
    up, opened, near = r.choice((0, 0.05, 0.5)), r.choice((0, 0.02, 0.2)), r.random() < 0.5
    head = a.victim.rsplit(".", 2)[0]
    for i, now in enumerate(a.ticks(0.1, 2000)):
        target = f"{head}.{i // 254}.{i % 254 + 1}" if near else a.host()
        c = a.connection(now, a.attacker, a.port(), target, service)
        c.send(0, SYN, 0, a.options)
        c.now += c.rtt
        if r.random() < opened:
            c.send(1, SYN | ACK, 0, a.options)
            c.send(0, ACK)
            c.say(0, r.randint(10, 200))
            c.send(0, RST | ACK)
        elif r.random() < up:
            c.send(1, RST | ACK)


def answers_alone(a):
    """Half of a scan: a link of asymmetric routes carries what the targets say, not what they were asked. Nobody acknowledges it there."""
    r, ports, near = a.random, ports_of(a), a.random.random() < 0.3
    service, opened, again = r.choice((21, 22, 80, 443, 3389, a.port())), r.choice((0.05, 0.5, 1)), r.choice((1, 1, 2, 4))
    one_port, from_one = r.choice((None, a.port())), r.random() < 0.3
    for now, port in zip(a.ticks(0.05, 300), ports):
        target = a.victim if from_one else f"{a.victim.rsplit('.', 1)[0]}.{r.randint(1, 254)}" if near else a.host()
        c = a.connection(now, target, port if from_one else service, a.attacker, one_port if one_port and not from_one else a.port())
        if r.random() >= opened:
            c.send(0, RST | ACK)
            continue
        for _ in range(r.randint(1, again)):
            c.send(0, SYN | ACK, 0, a.options)
            c.wait(900, 3100)


def udp_sweep(a):
    """One UDP service of many hosts, as who looks for amplifiers does; of asymmetric routes a link carries one half alone."""
    r, service, seen = a.random, a.random.choice((69, 111, 123, 161, 389, 1434, 1900, 11211, a.port())), a.random.choice(("both", "questions", "answers"))
    asked, low, most = r.randint(8, 80), r.randint(20, 1000), r.choice((1, 1, 3, 20))
    up, high, one_port = r.choice((0.02, 0.3, 0.9)), low + r.choice((0, 30, 400)), r.choice((None, a.port()))
    for now in a.ticks(0.05, 300):
        target, sport = a.host(), one_port or a.port()
        if seen != "answers":
            a.capture.udp(now, a.attacker, sport, target, service, bytes(asked))
        if seen == "answers" or (seen == "both" and r.random() < up):
            for i in range(r.randint(1, most)):
                a.capture.udp(now + int(a.rtt_ms * 10**6) + i * 50000, target, service, a.attacker, sport, bytes(min(r.randint(low, high), 1472)))


def drawn(r, turns):
    """A talk's lengths: the program's own words always as long, what is guessed a little shorter or longer."""
    return [(side, size + (r.randint(-4, 4) if varies else 0)) for side, size, varies in turns]


def banner_talk(r):
    """FTP, SMTP, POP3, Telnet: a greeting, then name, password, refusal, some times over."""
    turns = [(1, r.randint(15, 90), False)] if r.random() < 0.9 else []
    for _ in range(r.choice((1, 1, 1, 2, 3, 5))):
        turns += [(0, r.randint(8, 22), True), (1, r.randint(12, 50), False), (0, r.randint(9, 24), True), (1, r.randint(14, 60), False)]
    return turns + ([(0, 6, False), (1, r.randint(10, 40), False)] if r.random() < 0.3 else [])


def ssh_talk(r):
    turns = [(0, r.randint(18, 40), False), (1, r.randint(20, 45), False), (0, r.randint(400, 1600), False), (1, r.randint(700, 1200), False),
             (0, r.randint(40, 1300), False), (1, r.randint(300, 1500), False), (0, 16, False), (0, 44, False), (1, 44, False), (0, r.choice((52, 60, 68)), False),
             (1, 52, False)]
    return turns + [(0, r.randint(80, 150), True), (1, 52, False)] * r.choice((1, 1, 3, 6))


def form_talk(r):
    """A login page that is posted to, once a connection or some times."""
    asked, answered = r.randint(180, 800), r.choice((r.randint(120, 500), r.randint(500, 6000)))
    return [(0, asked, True), (1, answered, False)] * r.choice((1, 1, 1, 2, 10))


def session_talk(r):
    """RDP, SMB, databases: a negotiation, credentials, an error."""
    turns = [(1, r.randint(60, 110), False)] if r.random() < 0.4 else []
    for _ in range(r.randint(1, 4)):
        turns += [(0, r.randint(19, 500), True), (1, r.randint(11, 900), False)]
    return turns


def guessing(talk, ports):
    def make(a):
        r, turns, service = a.random, talk(a.random), a.random.choice((*ports, a.port()))
        source, think = a.sources(False), r.choice((0, 0, 300, 2500))
        how, noise = r.choice(("close", "reset", "server")), r.choice((0, 0.02, 0.1))
        for now in a.ticks(15, 4000):
            c = a.connection(now, source(), a.port(), a.victim, service)
            c.open()
            said = drawn(r, turns)
            for side, size in said[:r.randint(1, len(said))] if r.random() < noise else said:
                c.wait(0.1 + think * side, 2 + think * side * 1.2)
                c.say(side, max(size, 1))
            if how == "close":
                c.close()
            elif how == "reset":
                c.send(r.randint(0, 1), RST | ACK)
            else:
                c.send(1, FIN | ACK)
                c.now += c.rtt
                c.send(0, ACK | FIN)
    return make


def finish(a, c):
    how = a.random.random()
    if how < 0.6:
        c.close()
    elif how < 0.8:
        c.send(a.random.randint(0, 1), RST | ACK)
    # Otherwise nobody says farewell before the capture ends.


def idle_out(a, c, patience_ms):
    """The connection stays, and nobody says anything, until the server has waited long enough."""
    c.wait(patience_ms, patience_ms * 1.02)
    c.send(1, FIN | ACK)
    c.now += c.rtt
    c.send(0, (RST if a.random.random() < 0.4 else FIN) | ACK)


def web_shell(a):
    """A program left on a web server: commands, each a post to one page, what they print coming back; now and then a file, either way. Some
    send the code with every command, some once; some are typed at, some asked by a program at its own pace."""
    r, service = a.random, a.random.choice((80, 443, 8080, 7001, a.port()))
    code, wrapped, printed = int(a.between(30, 15000)), int(a.between(20, 1500)), a.between(50, 30000)
    once, head = r.choice((0, 0, int(a.between(5000, 60000)))), r.choice((0, r.randint(150, 700)))
    kept, patience_ms, moved = r.choice((1, 1, 1, 3, 20)), r.choice((0, 0, a.between(1000, 70000))), r.choice((0, 0.01, 0.05))
    pace_ms, jitter, think_ms = a.between(150, 20000), r.choice((None, None, a.between(0.001, 0.3))), r.choice((20, 400))
    for _ in range(a.flows):
        a.now += int((r.expovariate(1 / pace_ms) if jitter is None else pace_ms * r.uniform(1 - jitter, 1 + jitter)) * 10**6)
        c = a.connection(a.now, a.attacker, a.port(), a.victim, service)
        c.open()
        for _ in range(r.randint(1, kept)):
            files = [int(a.between(5000, 300000)) if r.random() < moved / 2 else 0 for _ in range(2)]
            if head:  # in a segment of its own
                c.say(0, head)
            c.say(0, code + once + int(a.between(10, 600)) + files[0])
            once = 0
            c.wait(1, think_ms)
            c.say(1, wrapped + int(a.between(1, printed)) + files[1])
            c.wait(5, min(pace_ms, 3000))
        idle_out(a, c, patience_ms) if patience_ms else finish(a, c)


def sealed(r):
    """A TLS handshake's turns, as any client and server have them."""
    return [(0, r.randint(150, 600)), (1, r.choice((r.randint(90, 200), r.randint(1200, 4500)))), (0, r.randint(60, 400)), (1, r.randint(40, 300))]


def beacon(a):
    """A program that calls home: the same small question at its own pace, mostly the same small answer, now and then an order or its result."""
    r, hello = a.random, sealed(a.random) if a.random.random() < 0.5 else []
    pace_ms, jitter, down = a.between(800, 300000), r.choice((0, 0.1, 0.5)), r.choice((0, 0, 0.1, 0.6))
    asked, answered, orders = r.randint(60, 900), r.randint(20, 900), r.choice((0, 0.02, 0.15))
    homes = [(a.host(), r.choice((80, 443, 8080, 4443, a.port()))) for _ in range(r.choice((1, 1, 2, 5)))]
    for i in range(a.flows):
        a.now += int(pace_ms * r.uniform(1 - jitter, 1 + jitter) * 10**6)
        c = a.connection(a.now, a.attacker, a.port(), *homes[i % len(homes)])
        if r.random() < down:
            for wait in (1000, 2000, 4000)[:r.randint(1, 3)]:
                c.send(0, SYN, 0, a.options)
                c.wait(wait, wait)
            continue
        c.open()
        for side, size in hello:
            c.say(side, size)
        ordered = r.random() < orders
        c.say(0, asked + r.randint(0, 12) + (int(a.between(500, 60000)) if ordered and r.random() < 0.5 else 0))
        c.wait(1, 60)
        c.say(1, answered + r.randint(0, 6) + (int(a.between(500, 150000)) if ordered else 0))
        finish(a, c)


def remote_control(a):
    """A connection that is kept to whoever commands: a heartbeat, then somebody types; begun again whenever it breaks."""
    r, beat_ms, small = a.random, a.between(3000, 60000), a.random.randint(1, 120)
    home = (a.host(), a.random.choice((443, 1177, 4444, 5552, 6667, 8080, a.port())))
    for _ in range(a.flows // 12):
        c = a.connection(a.now, a.attacker, a.port(), *home)
        c.open()
        c.say(0, r.randint(40, 700))
        for _ in range(r.randint(1, 30)):
            c.wait(beat_ms * 0.9, beat_ms * 1.1)
            first = r.randint(0, 1)
            c.say(first, small + r.randint(0, 3))
            c.say(1 - first, small + r.randint(0, 3))
            if r.random() < 0.1:
                c.say(1, r.randint(10, 400))
                c.wait(20, 2000)
                c.say(0, int(a.between(50, 40000)))
        finish(a, c)
        a.now = c.now + int(a.between(500, 60000) * 10**6)


def web_probing(a):
    """Page after page of a server that are not there, or one page with every parameter that might break it."""
    r, source, asked, answered = a.random, a.sources(False), a.random.randint(90, 500), a.random.randint(150, 3000)
    kept, found = r.choice((1, 1, 5, 30)), r.choice((0, 0.02, 0.2))
    for now in a.ticks(3, 600):
        c = a.connection(now, source(), a.port(), a.victim, r.choice((80, 443)))
        c.open()
        for _ in range(r.randint(1, kept)):
            c.say(0, max(asked + r.randint(-30, 60), 1))
            c.say(1, r.randint(500, 20000) if r.random() < found else answered + r.randint(0, 8))
        finish(a, c)


def name_tunnel(a):
    """Questions for names that carry data, answers that carry more: one long conversation with a resolver at a time."""
    r, low, most = a.random, a.random.randint(40, 120), a.random.randint(130, 280)
    for _ in range(r.randint(2, 6)):
        now, sport, busy = a.now, a.port(), r.choice((0.1, 0.5, 0.95))
        answer = r.randint(100, 1100)
        for _ in range(r.randint(40, 600)):
            full = r.random() < busy
            a.capture.udp(now, a.attacker, sport, a.victim, 53, bytes(r.randint(low + 20, most) if full else low + r.randint(0, 6)))
            now += int(a.rtt_ms * r.uniform(0.9, 2) * 1e6)
            a.capture.udp(now, a.victim, 53, a.attacker, sport, bytes(r.randint(most, most + answer) if full else low + r.randint(16, 40)))
            now += int(a.between(1, 30) * 1e6) if full else int(r.uniform(300, 4000) * 1e6)
        a.now = now


ATTACKS = {
    "flood:made, SYN": tcp_flood(SYN, True, SYN | ACK), "flood:made, SYN of a few": tcp_flood(SYN, False, SYN | ACK),
    "flood:made, ACK": tcp_flood(ACK, True, RST), "flood:made, ACK of a few": tcp_flood(ACK | PSH, False, RST),
    "flood:made, RST and FIN": tcp_flood(RST, True, 0), "flood:made, SYN-ACK": tcp_flood(SYN | ACK, True, RST), "flood:made, reflection": reflection,
    "flood:made, UDP": udp_flood(True), "flood:made, UDP of a few": udp_flood(False), "flood:made, amplification": amplification,
    "flood:made, requests": request_flood,
    "scan:made, SYN": tcp_scan(SYN), "scan:made, FIN": tcp_scan(FIN), "scan:made, NULL": tcp_scan(0), "scan:made, XMAS": tcp_scan(FIN | PSH | 32),
    "scan:made, ACK": tcp_scan(ACK), "scan:made, connect": connect_scan, "scan:made, UDP": udp_scan, "scan:made, sweep": sweep,
    "brute:made, banner": guessing(banner_talk, (21, 23, 25, 110)), "brute:made, SSH": guessing(ssh_talk, (22, 2222)),
    "brute:made, form": guessing(form_talk, (80, 443, 8080)), "brute:made, session": guessing(session_talk, (445, 1433, 3306, 3389, 5432)),
    "webshell:made, shell": web_shell, "webshell:made, probing": web_probing, "dnstunnel:made": name_tunnel,
    "scan:made, answers": answers_alone, "mta:made, beacon": beacon, "mta:made, control": remote_control,
    "scan:made, UDP sweep": udp_sweep,
}


def write(folder, captures=CAPTURES):
    """`captures` of each attack under `folder`; rows as LABELS.tsv has them, with `path` and the addresses of `attacker` and `victim`, where
    there are such: an attacker is nobody where sources are spoofed or others are made to answer, a victim where a program calls home."""
    os.makedirs(folder, exist_ok=True)
    rows = []
    for kind, (family, make) in enumerate(ATTACKS.items()):
        for number in range(captures):
            attack = Attack(1000 * kind + number)
            make(attack)
            path = os.path.join(folder, f"{kind:02}-{number}.pcap")
            attack.capture.save(path)
            rows.append({"file": f"{PUBLISHER}/{os.path.basename(path)}", "class": "malicious", "family": family, "rule": "mal:*", "path": path,
                         "attacker": attack.attacker, "victim": attack.victim})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="DIR", help="captures are put into its folder generated/, labels into LABELS.tsv")
    parser.add_argument("--captures", type=int, default=CAPTURES, help="of each attack (default: %(default)s)")
    arguments = parser.parse_args()
    rows = write(os.path.join(arguments.out, PUBLISHER), arguments.captures)
    with open(os.path.join(arguments.out, "LABELS.tsv"), "w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, ("file", "class", "family", "rule"), delimiter="\t", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
