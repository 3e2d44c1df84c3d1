"""What a client may say, in which order, and what the rest gets."""
import random
import re

import pytest

from harness import wait
from harness.client import Client, Closed, session

FULL = ["PIPELINING", "SIZE 60000000", "ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING", "SMTPUTF8", "DSN", "VRFY", "ETRN",
        "AUTH PLAIN LOGIN", "XCLIENT NAME ADDR PORT PROTO HELO LOGIN REVERSE_NAME"]


@pytest.fixture
def port(guard, backend):
    """A server before an easy backend."""
    return guard(backend()).port


def test_ehlo_is_what_we_and_the_backend_can(guard, backend):
    g = guard(backend(extensions=FULL))
    wait.until(lambda: g.ctl_json("backend")["backends"][0]["state"] == "up", 20, "the backend asked")
    with Client(g.port) as c:
        offered = c.ehlo()
    assert {"PIPELINING", "SIZE", "ENHANCEDSTATUSCODES", "8BITMIME"} <= set(offered)
    assert {"CHUNKING", "LIMITS"} <= set(offered)
    assert {"SMTPUTF8", "DSN"} & set(offered) == {word for word in ("SMTPUTF8", "DSN") if word in FULL}
    assert not {"XCLIENT", "XFORWARD", "AUTH", "ETRN", "VRFY", "STARTTLS"} & set(offered)


def test_ehlo_leaves_out_what_the_backend_cannot(guard, backend):
    bare = backend(extensions=["XCLIENT NAME ADDR PORT PROTO HELO"])
    with Client(guard(bare).port) as c:
        offered = c.ehlo()
        assert "8BITMIME" not in offered
        assert c.cmd("MAIL FROM:<a@client.test> BODY=8BITMIME").code in (501, 504, 555)
        assert c.mail().code == 250
    assert bare.one_mail().sender == "sender@client.test"


def test_several_backends_announce_what_all_can(guard, backend):
    g = guard(backend(), backend(extensions=["PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"]))
    with Client(g.port) as c:
        assert "8BITMIME" not in c.ehlo()


def test_greeting_and_names(port):
    with Client(port) as c:
        assert c.greeting.code == 220 and c.greeting.text.startswith("mx.example.test ESMTP")
        reply = c.cmd("EHLO client.test")
        assert reply.lines[0].startswith("250-mx.example.test")


@pytest.mark.parametrize("lines, code", [
    (["MAIL FROM:<a@client.test>"], 503), (["RCPT TO:<good@example.test>"], 503), (["DATA"], 503),
    (["EHLO c.test", "RCPT TO:<good@example.test>"], 503), (["EHLO c.test", "DATA"], 503),
    (["EHLO c.test", "MAIL FROM:<a@client.test>", "DATA"], 503),
    (["EHLO c.test", "MAIL FROM:<a@client.test>", "MAIL FROM:<b@client.test>"], 503),
    (["EHLO c.test", "MAIL FROM:<a@client.test>", "RSET", "RCPT TO:<good@example.test>"], 503),
    (["EHLO c.test", "MAIL FROM:<a@client.test>", "EHLO c.test", "RCPT TO:<good@example.test>"], 503),
    (["EHLO c.test", "MAIL a@client.test"], 501), (["EHLO c.test", "MAIL FROM:a b"], 501),
    (["EHLO c.test", "MAIL FROM:<a@client.test> FOO=bar"], 555),
    (["EHLO c.test", "MAIL FROM:<a@client.test> SIZE=x"], 501),
    (["EHLO c.test", "MAIL FROM:<a@client.test>", "RCPT TO:<>"], 501),
    (["EHLO"], 501), (["HELO"], 501), (["EHLO c.test", "FROBNICATE"], 500), (["EHLO c.test", "VRFY good"], 252),
    (["EHLO c.test", "EXPN list"], 502), (["EHLO c.test", "ETRN example.test"], 502), (["EHLO c.test", "NOOP"], 250),
    (["EHLO c.test", "TURN"], 502), (["EHLO c.test", "HELP"], 214), (["RSET"], 250), (["NOOP x"], 250), (["QUIT"], 221),
    (["EHLO c.test", "STARTTLS"], 502), (["EHLO c.test", "BDAT 0 LAST"], 503),
])
def test_order_and_syntax(port, lines, code):
    with Client(port) as c:
        *before, last = [c.cmd(line) for line in lines]
        assert all(r.code == 250 for r in before), before
        # 500 and 502 both say: no such command here
        assert last.code == code or {last.code, code} == {500, 502}, last


@pytest.mark.parametrize("line", ["mail from:<a@client.test>", "MAIL FROM: <a@client.test>", "MAIL FROM:<>",
                                  'MAIL FROM:<"a b"@client.test>', "MAIL FROM:<a@[192.0.2.1]>",
                                  "MAIL FROM:<@one.test,@two.test:a@client.test>", "MAIL FROM:<a+b=c@client.test>"])
def test_senders_that_rfc_5321_allows(port, line):
    with Client(port) as c:
        c.ehlo()
        assert c.cmd(line).code == 250


def test_long_local_parts(guard, backend):
    """VERP, SRS and BATV make them; a refusal would be for ever."""
    sender, rcpt = "v" * 243 + "=good@client.test", "r" * 255 + "@example.test"
    b = backend()
    with Client(guard(b).port) as c:
        c.ehlo()
        assert c.mail(sender=sender, rcpts=[rcpt]).code == 250
        assert c.cmd(f"MAIL FROM:<{'v' * 256}@client.test>").code == 501
    assert (b.one_mail().sender, b.one_mail().recipients) == (sender, [rcpt])


def test_a_source_route_is_dropped(guard, backend):
    b = backend()
    with Client(guard(b).port) as c:
        c.ehlo()
        assert c.mail(rcpts=["@relay.test:good@example.test"]).code == 250
    assert b.one_mail().recipients == ["good@example.test"]


@pytest.mark.parametrize("first", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\nMAIL FROM:<a@b.test>\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x01" * 500, b"SSH-2.0-OpenSSH_9\r\n",
], ids=["GET", "POST", "TLS", "SSH"])
def test_another_protocol_ends_the_session(guard, backend, first):
    b = backend()
    g = guard(b)
    got = session(g.port, first)
    assert re.search(rb"(^|\n)421 ", got) and b"\r\n250" not in got
    assert not b.lines("MAIL")
    with Client(g.port) as c:
        c.ehlo()


def test_an_over_long_line_is_skipped_whole(guard, backend):
    """Its tail never runs, wherever the reader's buffers end."""
    b = backend()
    g = guard(b, limits={"errors": 100})
    with Client(g.port) as c:
        c.ehlo()
        for length in (511, 600, 1024, 4096, 8190, 65536):
            c.send(b"NOOP " + b"x" * length + b"MAIL FROM:<evil@client.test>\r\n")
            reply = c.reply()
            assert (reply.code, reply.enhanced) == (500, "5.5.2")
            assert c.cmd("NOOP").code == 250
        assert c.cmd("RCPT TO:<good@example.test>").code == 503


def test_an_endless_line_is_no_memory(guard, backend):
    g = guard(backend())

    def resident_kb():
        status = open(f"/proc/{g.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    with Client(g.port) as c:
        c.ehlo()
        before = resident_kb()
        try:
            for _ in range(300):
                c.send(b"x" * 100_000)
            c.send(b"\r\n")
        except ConnectionError:
            pass
        assert resident_kb() - before < 8000
        try:
            assert c.reply().code in (421, 500)
        except Closed:
            pass


@pytest.mark.parametrize("line", [b"NO\0OP\r\n", b"MAIL FROM:<a\0@client.test>\r\n",
                                  b"MAIL FROM:<a\x01@client.test>\r\n",
                                  b"MAIL FROM:<\"a\x07\"@client.test>\r\n", b"MAIL FROM:<\xc3\xa4@client.test>\r\n",
                                  b"NOOP\nMAIL FROM:<evil@client.test>\r\n", b"NOOP\rMAIL FROM:<evil@client.test>\r\n",
                                  b"MAIL FROM:<a@client.test>\nRCPT TO:<evil@example.test>\r\n"])
def test_foreign_bytes_in_a_command_are_refused(guard, backend, line):
    b = backend()
    with Client(guard(b).port) as c:
        c.ehlo()
        c.send(line + b"RCPT TO:<good@example.test>\r\nQUIT\r\n")
        # a line with a stray LF may be told once for each of its pieces; none of them is run
        *pieces, rcpt, end = c.replies_at_end()
    assert 1 <= len(pieces) <= 2 and set(pieces) <= {500, 501, 553} and (rcpt, end) == (503, 221)
    assert not b.lines("MAIL")


@pytest.mark.parametrize("helo", ["a b", "x\ty", "name\x0bADDR=192.0.2.1", "a+0D+0AADDR=192.0.2.1", "é.test", "=",
                                  "a=b", "x" * 300])
def test_a_helo_cannot_add_an_attribute(guard, backend, helo):
    """Whatever a client calls itself, the backend gets one XCLIENT line with our attributes."""
    b = backend()
    with Client(guard(b).port, source="127.8.8.8") as c:
        if c.cmd(b"EHLO " + helo.encode()).code == 250:
            assert c.mail().code == 250
    for line in b.lines("XCLIENT"):
        assert re.fullmatch(r"XCLIENT( [A-Z_]+=[!-~]+)+", line), line
        names = re.findall(r" ([A-Z_]+)=", line)
        assert len(names) == len(set(names)) and "ADDR=127.8.8.8" in line.split(" ")


def test_errors_end_the_session(guard, backend):
    g = guard(backend(), limits={"errors": 3})
    got = session(g.port, b"EHLO c.test\r\n" + b"FROB\r\n" * 6)
    codes = [line[:3] for line in got.split(b"\r\n") if line[3:4] == b" "]
    assert codes[-1] == b"421" and len(codes) <= 6, got


def test_junk_commands_end_the_session(guard, backend):
    g = guard(backend(), limits={"junk_commands": 5})
    got = session(g.port, b"EHLO c.test\r\n" + b"NOOP\r\n" * 20)
    assert b"\r\n421 " in got and got.count(b"\r\n250 2") <= 6


def test_mails_are_no_junk(guard, backend):
    """Commands between mails do not add up over a long, honest session."""
    b = backend()
    with Client(guard(b, limits={"junk_commands": 4}).port) as c:
        c.ehlo()
        for _ in range(10):
            c.cmd("RSET")
            c.cmd("NOOP")
            assert c.mail().code == 250
    assert len(b.mails) == 10


def test_the_recipient_limit(guard, backend):
    b = backend()
    with Client(guard(b, limits={"recipients": 3}).port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@client.test>")
        replies = [c.cmd(f"RCPT TO:<u{i}@example.test>") for i in range(5)]
        assert [r.code for r in replies] == [250, 250, 250, 452, 452]
        assert replies[3].enhanced == "4.5.3"
        c.cmd("DATA")
        assert c.body(b"x\r\n").code == 250
    assert b.one_mail().recipients == ["u0@example.test", "u1@example.test", "u2@example.test"]


def test_a_mail_loop_is_refused(guard, backend):
    """50 hops are enough."""
    b = backend()
    with Client(guard(b).port) as c:
        c.ehlo()
        assert c.mail(b"Received: by x; now\r\n" * 49 + b"\r\nx\r\n").code == 250
        reply = c.mail(b"Received: by x; now\r\n" * 50 + b"\r\nx\r\n")
        assert reply.code == 554 and reply.enhanced == "5.4.6"
        assert c.mail(b"Subject: x\r\n\r\n" + b"Received: by x; now\r\n" * 60).code == 250
    assert len(b.mails) == 2


@pytest.mark.parametrize("lines, offends", [
    (b"EHLO c.test\r\nMAIL FROM:<a@client.test>\r\nQUIT\r\n", True),
    (b"HELO c.test\r\nQUIT\r\n", True),
    (b"QUIT\r\n", False)])
def test_pipelining_before_ehlo_is_an_offence(guard, backend, lines, offends):
    g = guard(backend())
    assert b"\r\n221 " in session(g.port, lines)
    assert g.journaled("session")[0].get("offence", "") == ("pipelining" if offends else "")


def test_pipelining_past_data_is_an_offence(guard, backend):
    """What stands behind DATA before our 354 was sent without knowing whether it is wanted."""
    b = backend()
    g = guard(b)
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        c.send(b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        assert [c.reply().code, c.reply().code, c.cmd("QUIT").code] == [354, 250, 221]
    assert g.journaled("session")[0]["offence"] == "pipelining"


def test_random_bytes_get_replies_or_a_close(guard, backend):
    """Any bytes at all: the server answers in SMTP or closes, and serves the next one."""
    g = guard(backend())
    rng = random.Random(7)
    words = [b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<good@example.test>", b"DATA", b"\r\n", b"\n", b"\r", b".",
             b"\0", b"RSET", b" ", b"<", b">", b"\xff", b"x" * 600]
    for _ in range(150):
        data = b"".join(rng.choice(words) for _ in range(rng.randrange(1, 40))) + b"\r\n.\r\nQUIT\r\n"
        got = session(g.port, data, cuts=sorted(rng.randrange(len(data)) for _ in range(2)))
        for line in got.split(b"\r\n")[:-1]:
            assert re.match(rb"[2345]\d\d[ -][ -~]*$", line), (data, line)
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail().code == 250
