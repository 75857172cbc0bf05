"""Synthetic floods and scans, defined by their mechanism: unanswered packets from everywhere; one host at many ports. Each function fills the
capture of an Attack."""

from lj_frames import ACK, RST, SYN


def tcp_flood(flags, spoofed, answers):
    """`answers`: the victim's reply, if any."""
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
    """SYN-ACKs from servers that received SYNs with the victim's address."""
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
    """Large replies of UDP services to requests that the victim never sent."""
    r, service = a.random, a.random.choice((19, 111, 161, 389, 427, 1434, 3283, 11211, 27015))
    low = r.randint(60, 1000)
    high, most, victims = low + r.choice((0, 30, 400)), r.choice((1, 1, 3, 20)), r.choice((None, a.port()))
    for now in a.ticks(0.02, 20):
        host, dport = a.host(), victims or a.port()
        for i in range(r.randint(1, most)):
            a.capture.udp(now + i * 50000, host, service, a.victim, dport, bytes(min(r.randint(low, high), 1472)))


def request_flood(a):
    """Complete requests, faster than anybody reads."""
    r, source, asked, answered = a.random, a.sources(False), a.random.randint(80, 700), a.random.randint(150, 9000)
    for now in a.ticks(2, 100):
        c = a.connection(now, source(), a.port(), a.victim, 80)
        c.open()
        c.say(0, asked + r.randint(0, 20))
        if r.random() < 0.9:
            c.say(1, answered)
        c.close() if r.random() < 0.7 else c.send(r.randint(0, 1), RST | ACK)


def ports_of(a):
    """Ports in the order of a scanner."""
    first = a.random.choice((1, 1, a.random.randint(1, 40000)))
    ports = list(range(first, first + a.flows))
    if a.random.random() < 0.6:
        ports = a.random.sample(range(1, a.random.choice((1100, 10000, 65535))), a.flows)
    return ports


def tcp_scan(flags):
    """A scan of the ports of a host; closed ones reply with RST, unless the probes are filtered."""
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
    """A scan of one port of many hosts, by a worm or in search of a service."""
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
    """Only the replies of a scan, as seen on a link with asymmetric routing; they are never acknowledged there."""
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
    """A scan of one UDP service on many hosts, in search of amplifiers; with asymmetric routing a link carries only one direction."""
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
