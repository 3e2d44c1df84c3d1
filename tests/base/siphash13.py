"""SipHash-1-3 written again from the paper, to make the vectors of test_hash.c: prints them.

The empty key's values are also what Python itself gives (3.11 and later hash bytes with SipHash-1-3):
PYTHONHASHSEED=0 python3 -c 'print(hex(hash(b"smtp") & (1 << 64) - 1))'
"""
MASK = (1 << 64) - 1


def rotated(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def mixed(v, rounds):
    a, b, c, d = v
    for _ in range(rounds):
        a, c = (a + b) & MASK, (c + d) & MASK
        b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
        a = rotated(a, 32)
        c, a = (c + b) & MASK, (a + d) & MASK
        b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
        c = rotated(c, 32)
    return [a, b, c, d]


def siphash13(key, data):
    k0, k1 = (int.from_bytes(key[i:i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]
    whole = len(data) // 8 * 8
    last = data[whole:].ljust(7, b"\0") + bytes([len(data) & 255])
    for at in range(0, whole + 8, 8):
        word = int.from_bytes(last if at == whole else data[at:at + 8], "little")
        v[3] ^= word
        v = mixed(v, 1)
        v[0] ^= word
    v[2] ^= 0xff
    a, b, c, d = mixed(v, 3)
    return a ^ b ^ c ^ d


if __name__ == "__main__":
    for length in range(24):
        print(f"\t0x{siphash13(bytes(range(16)), bytes(range(length))):016x},")
    for word in (b"", b"smtp", b"192.0.2.7 is a client"):
        print(word, hex(siphash13(bytes(16), word)))
