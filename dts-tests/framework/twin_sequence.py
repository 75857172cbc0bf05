"""One side's TCP sequence space: what was sent again, what came out of order, what is missing. Two judges of the same packets."""

from framework.twin_packet import FIN, RST, SYN


class Judge:
    """Counts; a subclass says what a packet with old data is. `next` is one past the highest number sent, on a line without end."""

    def __init__(self, packets):
        self.again, self.again_bytes, self.out_of_order, self.missing = 0, 0, 0, 0
        self.next = None
        for p in packets:
            if p.flags & RST:  # a reset's number may be anything its receiver accepts
                continue
            control = bool(p.flags & SYN) + bool(p.flags & FIN)
            # Of all numbers that are the same modulo 2^32 the one nearest to what is expected.
            begin = p.seq if self.next is None else self.next + (p.seq - self.next + 2**31) % 2**32 - 2**31
            end = begin + p.payload + control
            if self.next is None or (p.flags & SYN and end != self.next):
                self.new_space(begin, end)
                self.next = end
            elif end > begin:
                self.judge(begin, end, p.payload, control)
                self.next = max(self.next, end)

    def sent_again(self, count):
        self.again += 1
        self.again_bytes += count


class ByLatestGap(Judge):
    """As a record judges: it knows the place of the latest gap, and of those before it how many bytes are missing in all."""

    def new_space(self, begin, end):
        self.begin, self.gap = begin, (end, end)

    def judge(self, begin, end, payload, control):
        low, high = self.gap
        overlap = min(end, high) - max(begin, low)
        if begin >= self.next:
            if begin > self.next:
                self.out_of_order += 1
                self.missing += begin - self.next
                self.gap = (self.next, begin)
        elif end > self.next:
            self.sent_again(min(self.next - begin, payload))
        elif (begin, end) == (self.next - 1, self.next) and not control:
            pass  # a keep-alive probe
        elif begin < self.begin:  # older than all that was seen
            self.out_of_order += 1
            self.begin = begin
        elif overlap > 0:
            self.out_of_order += 1
            self.missing = max(self.missing - overlap, 0)
            self.gap = (low, begin) if end >= high and begin > low else (min(end, high), high)
        elif begin < low and self.missing - (high - low) >= end - begin:
            self.out_of_order += 1
            self.missing -= end - begin
        else:
            self.sent_again(payload)


class ByPlace(Judge):
    """The truth: the set of bytes seen."""

    def new_space(self, begin, end):
        self.begin, self.seen = begin, [(begin, end)]

    def judge(self, begin, end, payload, control):
        known = sum(max(min(b, end) - max(a, begin), 0) for a, b in self.seen)
        if begin > self.next:
            self.out_of_order += 1
            self.missing += begin - self.next
        elif begin < self.next:
            late = min(end, self.next) - max(begin, self.begin) - known  # not what is older than the first number seen
            self.missing -= max(late, 0)
            if known == 0:
                self.out_of_order += 1
            elif (begin, end) != (self.next - 1, self.next) or control:  # not a keep-alive probe
                self.sent_again(min(known, payload))
        self.begin = min(self.begin, begin)
        self.seen = merged(self.seen + [(begin, end)])


def merged(spans):
    result = []
    for a, b in sorted(spans):
        if result and a <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], b))
        else:
            result.append((a, b))
    return result
