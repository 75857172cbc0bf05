"""Synthetic attacks with conversations, defined by their mechanism: password guessing, web shells, programs that call home, tunnels. Each
function fills the capture of an Attack."""

from lj_frames import ACK, FIN, RST, SYN


def drawn(r, turns):
    """The lengths of a conversation: constant for the program's own messages, slightly varied for guesses."""
    return [(side, size + (r.randint(-4, 4) if varies else 0)) for side, size, varies in turns]


def banner_talk(r):
    """FTP, SMTP, POP3, Telnet: a greeting, then name, password and refusal, several times."""
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
    """A login page that receives POSTs, one or several per connection."""
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
    # Otherwise the connection is still open when the capture ends.


def idle_out(a, c, patience_ms):
    """The connection stays idle until the server closes it."""
    c.wait(patience_ms, patience_ms * 1.02)
    c.send(1, FIN | ACK)
    c.now += c.rtt
    c.send(0, (RST if a.random.random() < 0.4 else FIN) | ACK)


def web_shell(a):
    """A web shell on a server: commands as POSTs to one page, with their output in the replies, and occasionally a file in either direction.
    Some send the code with each command, some once; commands are typed, or sent by a program at its own rate."""
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
    """The messages of an ordinary TLS handshake."""
    return [(0, r.randint(150, 600)), (1, r.choice((r.randint(90, 200), r.randint(1200, 4500)))), (0, r.randint(60, 400)), (1, r.randint(40, 300))]


def beacon(a):
    """A program that calls home: the same small request at its own interval, mostly with the same small reply, sometimes with a command or its
    result."""
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
    """A persistent connection to a controller: heartbeats, and sometimes interactive commands; reestablished when it breaks."""
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
    """Requests for many pages that do not exist, or for one page with all parameters that might break it."""
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
    """Queries for names that carry data, and replies that carry more: one long conversation with a resolver at a time."""
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
