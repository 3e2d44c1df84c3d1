"""`smtpguardctl trace`: what the sessions of one client say and hear; never AUTH, never a body, never another's."""
import base64
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import certs, wait
from harness.client import Client, session
from harness.guard import ENVIRONMENT, program

ME, OTHER = "127.77.1.1", "127.77.2.2"
SECRET = base64.b64encode(b"\0me\0secret").decode()
RULES = ({"name": "points", "when": "helo == \"client.example.test\"", "points": 4, "charge": 2},
         {"name": "shy", "when": "sender == \"bad@bot.test\"", "do": "reject", "state": "observe"},
         {"name": "spam", "when": "recipient == \"trap@example.test\"", "do": "reject"})


class Trace:
    """A running `smtpguardctl trace`; its lines as they come."""

    def __init__(self, g, *words):
        self.out = g.folder / f"trace{time.monotonic_ns()}"
        with open(self.out, "wb") as out:
            command = [program("SMTPGUARDCTL"), "--socket", g.folder / "control", "trace", *words]
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                            env={**os.environ, **ENVIRONMENT})
        g.traces += 1
        wait.until(lambda: g.answers("trace", trace=g.traces) or self.process.poll() is not None, 10, "a trace")

    def text(self):
        return self.out.read_text("latin-1")

    def wait_for(self, what):
        wait.until(lambda: what in self.text() or self.process.poll() is not None, 10, f"{what!r} in the trace")
        assert what in self.text(), self.text()
        return self.text()

    def end(self):
        """As Ctrl-C does; all that was traced."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0, self.text()
        return self.text()


@pytest.fixture
def g(guard, backend):
    return guard(backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None}), rules=RULES,
                 limits={"sessions_per_client": 0, "junk_commands": 100000})


@pytest.fixture
def trace():
    traces = []

    def make(*arguments):
        traces.append(Trace(*arguments))
        return traces[-1]

    yield make
    for one in traces:
        one.process.kill()
        one.process.wait()


def send(c, body="Subject: x\r\n\r\nthe body itself\r\n"):
    c.cmd("MAIL FROM:<bad@bot.test>")
    c.cmd("RCPT TO:<user@example.test>")
    c.cmd("DATA")
    return c.cmd(body + ".")


def in_order(text, *parts):
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"no {part!r} behind {text[:at][-200:]!r} in\n{text}"
        at = found + len(part)


def test_a_session_is_told_from_end_to_end(g, trace):
    t = trace(g, ME)
    with Client(g.port, OTHER) as other, Client(g.port, ME) as c:
        other.ehlo("other.test")
        c.ehlo()
        assert c.cmd("NOOP").code == 250
        assert send(c).code == 250
        c.cmd("MAIL FROM:<a@b.test>")
        assert c.cmd("RCPT TO:<nobody@example.test>").code == 550
        assert c.cmd("RCPT TO:<trap@example.test>").code == 550
        send(other)
        c.cmd("QUIT")
    t.wait_for("-- end")
    text = t.end()
    in_order(text, f"-- connect {ME} port {c.port} at listener mx", " S: 220 mx.example.test ESMTP",
             " C: EHLO client.example.test", "-- rule helo: points, +4 points, charges +2", " S: 250-mx.example.test",
             " C: NOOP", " S: 250 ", " C: MAIL FROM:<bad@bot.test>", "-- rule mail: shy, only observed",
             "-- verdict mail: would be reject by shy", " S: 250 2.1.0 Ok", " C: RCPT TO:<user@example.test>",
             "-- backend ", ": 250 ", " C: DATA", " S: 354 ", " C: [body: 31 bytes]", "-- backend ", "queued as 1",
             " S: 250 ", " C: RCPT TO:<nobody@example.test>", "550 5.1.1 nobody", " C: RCPT TO:<trap@example.test>",
             "-- verdict rcpt: reject by spam", " S: 550 5.7.1", " C: QUIT", " S: 221 ", "-- end by client, 2 mails")
    assert OTHER not in text and "other.test" not in text and "the body itself" not in text and "Subject" not in text
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}Z [0-9A-Z]{8} (C:|S:|--) ", line) for line in text.splitlines())
    assert len({line.split()[1] for line in text.splitlines()}) == 1


def test_within_tls_the_plain_text_is_told(g, trace):
    cert, key = certs.make(g.folder)
    g.configure(listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},),
                tls={"certificates": ({"cert": cert, "key": key},)})
    g.stop()
    g.start()
    t = trace(g, ME)
    with Client(g.port, ME) as c:
        c.ehlo()
        c.starttls()
        c.ehlo("inside.test")
        assert send(c, "Subject: y\r\n\r\nunder seal\r\n").code == 250
        c.cmd("QUIT")
    with Client(g.port, ME) as c:
        c.ehlo()
        assert c.cmd("STARTTLS").code == 220
        c.send(b"no handshake at all\r\n")
        c.at_end()
    wait.until(lambda: t.text().count("-- end") == 2, 10, "both ends")
    text = t.end()
    in_order(text, " C: STARTTLS", " S: 220 2.0.0", "-- tls TLSv1", " C: EHLO inside.test", " S: 250-mx.example.test",
             " C: [body:", "-- backend ", " C: QUIT", " S: 221", "-- end", " C: STARTTLS", "-- tls handshake failed",
             "-- end by tls")
    assert "under seal" not in text and "no handshake" not in text


def test_auth_is_never_told(g, trace):
    t = trace(g, ME)
    with Client(g.port, ME) as c:
        c.ehlo()
        c.cmd(f"AUTH PLAIN {SECRET}")
        c.cmd(f"auth login {SECRET}")
        c.cmd(SECRET)  # what a client sends that does not wait for 334
        c.cmd(f" AUTH PLAIN {SECRET}")
        c.cmd("MAIL FROM:<a@b.test>")
        c.cmd("QUIT")
    with Client(g.port, ME) as c:
        c.ehlo()
        c.cmd(f"XAUTH {SECRET}")
    t.wait_for("-- end")
    wait.until(lambda: t.text().count("-- end") == 2, 20, "both ends")
    text = t.end()
    assert SECRET not in text and "secret" not in text
    assert text.count("C: AUTH ***") == 2 + 1 and text.count("C: ***") >= 2 and "C: MAIL FROM:<a@b.test>" in text


def test_what_follows_a_refused_data_is_not_told(g, trace):
    t = trace(g, ME)
    with Client(g.port, ME) as c:
        c.ehlo()
        c.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\nprivate words\r\nmore words\r\n.\r\n")
        assert [c.reply().code for _ in range(4)] == [250, 550, 554, 421]
        time.sleep(0.2)
    text = t.wait_for("-- end")
    assert "words" not in text and "[body:" in text, text


def test_hostile_bytes_are_escaped(g, trace):
    t = trace(g, ME)
    with Client(g.port, ME) as c:
        c.send(b"EHLO \x1b[2J\x9b\x07\xff\r\n")
        c.reply()
        c.send(b"N" * 3000 + b"\r\n")
        c.reply()
    t.wait_for("-- end")
    text = t.end()
    assert "EHLO \\x1b[2J\\x9b\\x07\\xff" in text
    assert all(0x20 <= ord(char) < 0x7F or char == "\n" for char in text)
    assert "bytes more" in text or "C: NNNN" in text and max(len(line) for line in text.splitlines()) < 2200


def test_an_open_session_is_joined_and_max_and_for_end_it(g, trace):
    with Client(g.port, ME) as c:
        c.ehlo()
        t = trace(g, "127.77.1.0/24", "--max", "3", "--json")
        c.cmd("NOOP joined")
        c.cmd("NOOP again")
        assert t.process.wait(20) == 0
        lines = [json.loads(line) for line in t.text().splitlines()]
        assert [(line["kind"], line["text"]) for line in lines][0] == ("in", "NOOP joined") and len(lines) == 3
        t = trace(g, ME, "--for", "1s")
        assert t.process.wait(20) == 0 and t.text() == ""


def test_a_reader_that_stops_or_dies_holds_nothing(g, trace):
    t = trace(g, ME)
    t.process.send_signal(signal.SIGSTOP)
    with Client(g.port, ME) as c:
        c.ehlo()
        for _ in range(20):
            c.send("NOOP\r\n" * 50)
            assert {c.reply().code for _ in range(50)} == {250}
    t.process.send_signal(signal.SIGCONT)
    assert re.search(r"^\.\.\. \d+ lines lost$", t.wait_for("-- end"), re.M)
    dead = trace(g, ME)
    dead.process.kill()
    traces = [trace(g, ME) for _ in range(6)]  # with the dead one and the first: all eight
    assert "8 traces are on" in g.ctl("trace", ME, "--for", "1s").stderr
    for one in traces:
        one.end()
    assert g.ctl("trace", ME, "--for", "1s").returncode == 0
    t.end()


def test_wrong_usage(g):
    assert g.ctl("trace").returncode == 2 and g.ctl("trace", ME, "--for", "soon").returncode == 2
    bad = g.ctl("trace", "127.77.1.1/8")
    assert bad.returncode == 1 and "a client's address or a prefix" in bad.stderr


def test_it_tells_who_is_turned_away(g, trace):
    assert g.ctl("block", ME, "--for", "1h").returncode == 0
    t = trace(g, ME)
    with Client(g.port, ME, greet=False) as c:
        assert c.reply().code == 421
    in_order(t.wait_for("-- end"), "turned away by block", " S: 421 4.7.0", "-- end turned away")


def test_no_chunk_is_told(g, trace):
    """Neither a taken chunk nor a refused one: both are body. In packets of any size."""
    t = trace(g, ME)
    body = b"SECRET one\r\nSECRET two\r\n"
    chunks = b"BDAT 8\r\n" + body[:8] + b"BDAT %d LAST\r\n" % (len(body) - 8) + body[8:]
    data = b"EHLO x.test\r\n" + b"".join(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<%s@example.test>\r\n" % who + chunks
                                       for who in (b"nobody", b"good")) + b"QUIT\r\n"
    session(g.port, data, source=ME, cuts=range(60, len(data), 9), pause=0.002)
    t.wait_for("221")
    told = t.end()
    assert "RCPT TO:<nobody@example.test>" in told and "BDAT 8" in told and "SECRET" not in told, told
