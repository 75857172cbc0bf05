"""The twin's meter: packets into flows, each a list of what was sent and by whom."""

import collections

from framework.twin_packet import ACK, FIN, RST, SYN, TCP

TICK_NS = 1 << 26  # silence is noticed at multiples of this

Limits = collections.namedtuple("Limits", "idle_ns active_ns linger_ns")


class Flow:
    """A record: `packets` is a list of (side, packet), side 0 being the initiator."""

    def __init__(self, packet, before=None):
        self.packets = []
        self.proto, self.version, self.end_reason = packet.proto, packet.version, None
        source, sink = (packet.src, packet.sport), (packet.dst, packet.dport)
        if before is not None:
            self.initiator, self.responder = before.initiator, before.responder
            self.midstream = packet.proto == TCP
        else:
            self.midstream = packet.proto == TCP and not packet.flags & SYN
            self.initiator, self.responder = (sink, source) if is_answer(packet) else (source, sink)
        self.closed_ns, self.fins, self.reset = None, set(), False
        self.first_ns = self.last_ns = packet.time_ns

    def add(self, packet):
        side = 0 if (packet.src, packet.sport) == self.initiator else 1
        self.packets.append((side, packet))
        self.first_ns, self.last_ns = min(self.first_ns, packet.time_ns), max(self.last_ns, packet.time_ns)
        if packet.proto != TCP:
            return
        if packet.flags & FIN:
            self.fins.add(side)
        if packet.flags & RST and len(self.fins) < 2:
            self.reset = True
        if self.closed_ns is None and (self.reset or len(self.fins) == 2):
            self.closed_ns = packet.time_ns

    def closing_reason(self):
        return "rst" if self.reset else "fin"


def is_answer(packet):
    """Whether who is seen first did not begin: a SYN-ACK, or mid-stream from a well-known port to a high one."""
    if packet.proto != TCP:
        return False
    if packet.flags & SYN:
        return bool(packet.flags & ACK)
    return packet.sport < 1024 <= packet.dport


def key_of(packet):
    ends = sorted([(packet.src, packet.sport), (packet.dst, packet.dport)])
    return packet.proto, packet.version, *ends


def silent_until(flow, now_ns, limits):
    """Why silence has ended the flow at `now_ns`, or None."""
    idle = now_ns > flow.last_ns + limits.idle_ns
    if flow.closed_ns is not None:
        return flow.closing_reason() if idle or now_ns > flow.closed_ns + limits.linger_ns else None
    return "idle" if idle else None


def why_over(flow, packet, limits):
    """Why the packet comes too late for the flow, or None."""
    reason = silent_until(flow, packet.time_ns, limits)
    if reason is not None:
        return reason
    if flow.closed_ns is not None:
        return flow.closing_reason() if packet.flags & (SYN | ACK) == SYN else None
    return "active" if packet.time_ns > flow.first_ns + limits.active_ns else None


def meter(packets, idle_s=120, active_s=1800, linger_s=1):
    """The flows of a capture's packets, in the order in which they began."""
    limits = Limits(*(int(s * 10**9) for s in (idle_s, active_s, linger_s)))
    live, flows, tick = {}, [], 0
    for packet in packets:
        if packet.time_ns // TICK_NS > tick:
            tick = packet.time_ns // TICK_NS
            for key, flow in list(live.items()):
                flow.end_reason = silent_until(flow, tick * TICK_NS, limits)
                if flow.end_reason is not None:
                    del live[key]
        key, before = key_of(packet), None
        flow = live.get(key)
        if flow is not None:
            flow.end_reason = why_over(flow, packet, limits)
            if flow.end_reason is not None:
                before, flow = (flow if flow.end_reason == "active" else None), None
        if flow is None:
            flow = live[key] = Flow(packet, before)
            flows.append(flow)
        flow.add(packet)
    for flow in live.values():
        flow.end_reason = "flushed" if flow.closed_ns is None else flow.closing_reason()
    return flows
