"""Mails with a mark of their own, so that each test finds its own among all."""
import itertools
import os
import random

from harness.client import Client

_numbers = itertools.count(1)


def marker():
    return f"mark-{os.getpid()}-{next(_numbers)}-end"


def content(mark, lines=3):
    return f"From: a@client.test\r\nSubject: {mark}\r\n\r\n".encode() + b"a line of the body\r\n" * lines


def big(mark, size, seed=1):
    """A body of about that size: lines of every length, dots in front of some, 8-bit bytes among them."""
    rng = random.Random(seed)
    parts, left = [content(mark, 0)], size
    while left > 0:
        line = bytes(rng.choices(range(33, 256), k=rng.randrange(0, 900)))
        line = line if rng.random() > 0.1 else b"." * rng.randrange(1, 4) + line[:5]
        parts.append(line + b"\r\n")
        left -= len(parts[-1])
    return b"".join(parts)


def steady(mark, size, dots=0):
    """As most large mails are: lines of 76 bytes, `dots` of them with a dot in front. What is clean of them goes from
    where it was read to the backend without a copy."""
    rng = random.Random(size + dots)
    lines = [bytes(rng.choices(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+/.", k=75)) for _ in range(97)]
    body = [b"x" + lines[rng.randrange(97)] for _ in range(size // 78)]
    for _ in range(dots):
        body[rng.randrange(len(body))] = b"." * rng.randrange(1, 4)
    return content(mark, 0) + b"\r\n".join(body) + b"\r\n"


def send(port, mark, source="127.0.0.1", helo="client.example.test", **envelope):
    """A session with one mail; returns the reply that ended it."""
    with Client(port, source) as c:
        c.ehlo(helo)
        reply = c.mail(content(mark), **envelope)
        # a 421 has ended the session already
        if reply.code != 421:
            c.cmd("QUIT")
        return reply
