"""Each row of the failure table: what the client gets when the backend fails, and that the listener stays up."""
import concurrent.futures
import time

import pytest

from harness import mails, ports, wait
from harness.backend import CLOSE, SILENCE, Slowly
from harness.client import Client, Closed

XCLIENT = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN"


def attempt(port, source="127.0.0.1", mark="failure", **envelope):
    """A mail; the reply that ended it."""
    return mails.send(port, mark, source, **envelope)


def recovers(g, b):
    """With the backend well again, mail passes: nothing stuck, nothing remembered too long."""
    b.script.clear()
    wait.until(lambda: attempt(g.port).code == 250, 20, "the first mail after the fault", pause=0.2)


def test_unreachable(guard, backend):
    g = guard(ports.free_port())
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.3.2")
    assert g.journaled("mail", verdict="deferred")[0]["by"] == "backend"
    b = backend(port=int(g.settings["relay"]["backends"][0].rsplit(":", 1)[1]))
    recovers(g, b)


def test_a_backend_s_trouble_is_not_the_client_s(guard, backend):
    """Who tries again and again while the backend defers is not charged for it, as the shipped rules charge for what
    they defer themselves."""
    rules = ({"name": "on-and-on", "when": "count(deferred by client, 10m) > 3", "charge": 50},
             {"name": "enough", "when": "score >= 100", "do": "block", "hold": "1h"},
             {"name": "later", "when": "header('Subject') =~ /later/", "do": "defer"})
    b = backend({"dot": "451 4.3.0 full"})
    g = guard(b, rules=rules)
    assert {attempt(g.port).code for _ in range(12)} == {451}
    recovers(g, b)
    with pytest.raises(Closed):  # what a rule defers is charged for
        for _ in range(10):
            assert mails.send(g.port, "later").code == 450


def test_unreachable_behind_the_body(guard, backend):
    """The recipient was known and the body is here: the same words, and nothing is in doubt."""
    b = backend()
    g = guard(b)
    assert attempt(g.port).code == 250
    with Client(g.port) as c:
        c.at_data()
        b.stop()
        reply = c.body(mails.content("late"))
        assert (reply.code, reply.enhanced) == (451, "4.3.2")
        assert c.mail().enhanced == "4.3.2"
    assert not [r for r in g.journaled("mail", 2, verdict="deferred", by="backend") if "doubtful" in r]
    b.start()
    recovers(g, b)
    assert len(b.mails) == 2


@pytest.mark.parametrize("greeting", ["554 5.3.2 go away", "421 4.3.2 too busy", "220", CLOSE, b"\r\n", "999 what"])
def test_greeting_refused(guard, backend, greeting):
    b = backend({"greeting": greeting})
    g = guard(b)
    if greeting == "220":
        # short, but a greeting
        assert attempt(g.port).code == 250
        return
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.3.2"), reply
    recovers(g, b)


def test_a_second_backend_helps_out(guard, backend):
    b = backend()
    g = guard(ports.free_port(), b)
    assert attempt(g.port).code == 250
    b.one_mail()


@pytest.mark.parametrize("greeting", ["554 5.3.2 sick", "421 4.3.2 too busy", CLOSE])
def test_a_sick_backend_is_tried_by_few(guard, backend, greeting):
    """40 clients at once: all of them hear 451, and it is one connection of a worker at a time that tries again."""
    b = backend()
    g = guard(b, relay={"connections": 20}, server={"workers": 2})
    assert attempt(g.port).code == 250
    b.script["greeting"] = greeting
    for connection in list(b.open):
        connection.hang_up()
    # until one has failed all of them may try; a second later it is time for the next try
    wait.until(lambda: attempt(g.port).code == 451, 10, "the fault felt")
    time.sleep(1.1)
    before, b.most_open = len(b.connections), 0
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda n: attempt(g.port, f"127.0.7.{n + 1}"), range(40)))
    assert {(r.code, r.enhanced) for r in replies} <= {(451, "4.3.2"), (451, "4.4.2")}
    assert b.most_open <= 2 and 0 < len(b.connections) - before < 20, "where a machine is slow there are more tries"
    recovers(g, b)


def test_ehlo_refused(guard, backend):
    b = backend({"EHLO": "502 5.5.1 no"})
    g = guard(b)
    assert attempt(g.port).code == 451
    recovers(g, b)


REFUSALS = ["550 5.7.1 Not this one", "451 4.3.0 Come again", "554 no enhanced code",
            "550-5.7.1 Several lines\r\n550-5.7.1 of text, 100% of them\r\n550 5.7.1 pass"]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
def test_a_refusal_passes_unchanged(guard, backend, stage, refusal):
    """Code, enhanced code and text, line by line."""
    b = backend({stage: refusal})
    g = guard(b)
    reply = attempt(g.port)
    assert reply.lines == refusal.split("\r\n")
    record = g.journaled("mail")[0]
    assert record["by"] == "backend" and record["verdict"] == ("deferred" if refusal[0] == "4" else "refused")
    assert refusal.split("\r\n")[-1].split(" ", 1)[1] in record["backend_reply"]
    recovers(g, b)


@pytest.mark.parametrize("stage", ["EHLO", "XCLIENT", "MAIL", "RCPT", "DATA"])
def test_closing_before_the_dot_is_tried_once_more(guard, backend, stage):
    """The first time only: another connection delivers the mail, and the client sees nothing of it."""
    seen = []
    b = backend({stage: lambda c, line: None if seen.append(1) or len(seen) > 1 else CLOSE})
    g = guard(b)
    wait.until(lambda: attempt(g.port).code == 250, 20, "a mail", pause=0.2)
    assert len(b.mails) >= 1 and len(b.taken) == len(b.mails)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_closing_before_the_dot_each_time(guard, backend, stage):
    b = backend({stage: CLOSE})
    g = guard(b)
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.4.2"), reply
    assert not b.taken
    recovers(g, b)


def test_closing_in_the_body(guard, backend):
    """Gone in the middle of a large body: one more try on another connection."""
    content = mails.content("half") + (b"x" * 998 + b"\r\n") * 12_000  # more than the kernel holds between the two
    seen = []
    b = backend({"DATA": lambda c, line: None if seen.append(1) or len(seen) > 1 else ["354 go on", CLOSE]})
    g = guard(b)
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail(content).code == 250
    assert len(b.taken) == 1


@pytest.mark.parametrize("end", [CLOSE, b"250", b"2"])
def test_closing_after_the_dot_is_never_tried_again(guard, backend, end):
    """It may have been taken: the client decides."""
    b = backend({"dot": [end, CLOSE]})
    g = guard(b)
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.4.2")
    assert len(b.taken) == 1
    record = g.journaled("mail", verdict="deferred")[0]
    assert record["by"] == "backend"
    recovers(g, b)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("junk", [
    b"hello there\r\n", b"25\r\n", b"\x16\x03\x01\0\0\r\n", b"250-a\r\n550 b\r\n", b"250 bare\n",
    b"600 x\r\n", b"2500 x\r\n"])
def test_garbage_drops_the_connection(guard, backend, stage, junk):
    b = backend({stage: junk})
    g = guard(b)
    reply = attempt(g.port)
    assert reply.code == 451 and reply.enhanced == "4.3.0", reply
    used = [c for c in b.connections if stage in c.counts]
    wait.until(lambda: not b.open & set(used), 10, "the end of that connection")
    recovers(g, b)


@pytest.mark.parametrize("junk", [b"250 nul \0 inside\r\n", b"250 cr \r inside\r\n", b"250 esc \x1b[2J\xff inside\r\n"])
def test_foreign_bytes_in_a_reply_reach_no_client(guard, backend, junk):
    """Refused as garbage, or shown without them; the client's reply is plain either way."""
    b = backend({"dot": junk})
    g = guard(b)
    with Client(g.port) as c:
        c.ehlo()
        reply = c.mail()
    assert reply.code in (250, 451) and all(" " <= char <= "~" for char in reply.text), reply
    assert g.journaled("mail")[0]["code"] == reply.code


@pytest.mark.parametrize("endless", [b"250 " + b"x" * 1_000_000, b"250-more and more of this\r\n" * 40_000],
                         ids=["a line", "lines"])
def test_endless_lines_are_cut_off(guard, backend, endless):
    b = backend({"RCPT": endless})
    g = guard(b)
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.3.0")
    recovers(g, b)


@pytest.mark.parametrize("unasked", [b"250 2.1.0 Ok\r\n250 2.1.5 unasked\r\n", b"250 Ok\r\n421 4.3.2 bye\r\n"])
def test_unasked_replies_are_never_taken_for_an_answer(guard, backend, unasked):
    """A reply too many would shift all that follow: RCPT is refused here, so no mail may be accepted."""
    b = backend({"MAIL": unasked, "RCPT": "550 5.1.1 nobody", "DATA": "554 5.5.1 no valid recipients"})
    g = guard(b)
    reply = attempt(g.port)
    assert reply.code != 250 and not b.mails


def test_a_reply_before_it_was_asked(guard, backend):
    """A connection at rest that begins to talk is not used again."""
    b = backend()
    g = guard(b)
    assert attempt(g.port).code == 250
    b.say(b"250 2.0.0 for the next one\r\n")
    b.script["dot"] = "554 5.6.0 refused"
    wait.until(lambda: attempt(g.port).code == 554, 20, "the true answer")
    assert len(b.mails) == 1


def test_slow_replies_byte_by_byte(guard, backend):
    slow = {stage: Slowly(reply, 0.002) for stage, reply in {
        "greeting": b"220 slow ESMTP\r\n", "MAIL": b"250 2.1.0 Ok\r\n", "RCPT": b"250 2.1.5 Ok\r\n",
        "DATA": b"354 go\r\n", "dot": b"250 2.0.0 taken\r\n"}.items()}
    b = backend(slow)
    assert attempt(guard(b).port).text == "2.0.0 taken"


@pytest.mark.parametrize("refusal", ["550 5.1.1 gone meanwhile", "450 4.2.1 full"])
def test_some_recipients_refused_after_our_250(guard, backend, refusal):
    """The probe said yes to both, the delivery to one: nothing is handed on, and the retry tells them apart."""
    b = backend()
    g = guard(b)
    rcpts = ["one@example.test", "two@example.test"]
    content = mails.content("partial")
    with Client(g.port) as c:
        c.ehlo()
        c.envelope(rcpts=rcpts)
        b.script["RCPT"] = lambda conn, line: refusal if "two@" in line else None
        assert c.cmd("DATA").code == 354
        assert 400 <= c.body(content).code < 500
        assert not b.taken
        c.cmd("MAIL FROM:<sender@client.test>")
        assert [c.cmd(f"RCPT TO:<{r}>").lines[0] for r in rcpts][1] == refusal
        assert c.cmd("DATA").code == 354
        assert c.body(content).code == 250
    assert [m.recipients for m in b.taken] == [["one@example.test"]]


@pytest.mark.parametrize("refused", [["one"], ["two"], ["two", "three"], ["one", "two", "three"]], ids="+".join)
def test_each_recipient_once_whatever_was_refused(guard, backend, refused):
    """A client that repeats the whole mail until all is said: each has it once in the end."""
    b = backend()
    g = guard(b)
    rcpts = [f"{r}@example.test" for r in ("one", "two", "three")]
    left, tries, full = list(rcpts), 0, "450 4.2.1 full"
    while left:
        with Client(g.port) as c:
            c.ehlo()
            c.cmd("MAIL FROM:<sender@client.test>")
            taken = [r for r in left if c.cmd(f"RCPT TO:<{r}>").code == 250]
            if tries == 0:
                b.script["RCPT"] = lambda conn, line: full if any(f"<{r}@" in line for r in refused) else None
            if taken and c.cmd("DATA").code == 354 and c.body(mails.content("whole")).code == 250:
                left = [r for r in left if r not in taken]
        tries += 1
        assert tries < 10
        if tries == 3:
            b.script.clear()
    assert sorted(r for m in b.mails for r in m.recipients) == sorted(rcpts)
    assert len(b.taken) == len(b.mails)


@pytest.mark.parametrize("stage", ["RCPT", "dot"])
def test_421_in_a_connection_retires_it(guard, backend, stage):
    """A backend that restarts says 421: another connection serves, or the client is told to come again."""
    retired = set()
    b = backend({stage: lambda c, line: retired.add(c) or ["421 4.3.2 restarting"]})
    g = guard(b)
    assert 400 <= attempt(g.port).code < 500
    b.script.clear()
    assert attempt(g.port).code == 250
    assert retired and b.mails[-1].connection not in retired
    wait.until(lambda: not b.open & retired, 10, "the end of what said 421")


def test_421_at_rest(guard, backend):
    """Postfix closes idle connections with a 421: the next mail must not suffer."""
    b = backend()
    g = guard(b)
    for _ in range(3):
        assert attempt(g.port).code == 250
        b.say(b"421 4.4.2 timeout\r\n")
        for connection in list(b.open):
            connection.hang_up()


def test_without_pipelining(guard, backend):
    """A backend without PIPELINING gets one command at a time."""
    def alone(connection, line):
        time.sleep(0.02)
        assert not connection.pending, "a command came before the reply to the one before it"
        return None
    b = backend({v: alone for v in ("MAIL", "RCPT", "DATA", "XCLIENT", "EHLO")}, extensions=["8BITMIME", XCLIENT])
    g = guard(b)
    assert attempt(g.port, rcpts=["one@example.test", "two@example.test"]).code == 250
    assert b.one_mail().recipients == ["one@example.test", "two@example.test"]


@pytest.mark.parametrize("extensions", [["PIPELINING"], ["PIPELINING", "XCLIENT NAME PROTO HELO"]])
def test_without_xclient_nothing_is_delivered(guard, backend, extensions):
    """Never a silent fall back to no identity: the backend would take every client for its own network's."""
    b = backend(extensions=extensions)
    g = guard(b)
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.3.2")
    assert not b.lines("RCPT")
    g.said("XCLIENT")
    b.extensions[:] = ["PIPELINING", XCLIENT]
    recovers(g, b)


def test_xclient_refused_the_first_time(guard, backend):
    b = backend({"XCLIENT": "550 5.7.0 insufficient authorization"})
    g = guard(b)
    reply = attempt(g.port)
    assert (reply.code, reply.enhanced) == (451, "4.3.2")
    assert not b.lines("RCPT")
    g.said("XCLIENT")


def test_xclient_refused_the_second_time(guard, backend):
    """Announced again but refused for the next client: a fresh connection, no client sees it."""
    def once(connection, line):
        return "550 5.7.0 insufficient authorization" if connection.counts["XCLIENT"] > 1 else None
    b = backend({"XCLIENT": once})
    g = guard(b)
    for n in range(5):
        assert attempt(g.port, source=f"127.0.5.{n + 1}").code == 250
    assert [m.client["ADDR"] for m in b.mails] == [f"127.0.5.{n + 1}" for n in range(5)]


def test_a_silent_backend_does_not_hold_the_others(guard, backend):
    """Greeting silence: the session waits, the listener does not."""
    b = backend({"greeting": SILENCE})
    g = guard(b, server={"drain": "1s"})
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("NOOP").code == 250
    g.signal(15)
    assert g.wait_end(20) == 0
