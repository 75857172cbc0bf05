"""Which queue a NIC gives a frame to, by the definition of the Toeplitz hash, bit by bit."""

SYMMETRIC_KEY = bytes.fromhex("6d5a" * 20)
RETA = 128


def toeplitz(key, data):
    key_bits, result = int.from_bytes(key, "big"), 0
    for i in range(len(data) * 8):
        if data[i // 8] & 0x80 >> i % 8:
            result ^= key_bits >> len(key) * 8 - 32 - i & 0xFFFFFFFF
    return result


def queue_of(frame, queues, key=SYMMETRIC_KEY):
    """Of TCP or UDP over IPv4 without options: by addresses and ports, over a redirection table that is dealt in turn."""
    return toeplitz(key, frame[26:38]) % RETA % queues
