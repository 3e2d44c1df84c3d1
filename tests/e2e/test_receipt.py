"""A client that does not hear our 250 brings its mail again: it must be there once, and be answered from memory."""
import ctypes
import socket
import struct
import threading
import time

import pytest

from harness import certs, dns as names, mails, wait
from harness.backend import CLOSE, SILENCE
from harness.client import Client

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
TAKE_NOTHING = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF: return 0
BEFORE = "2.0.0 Ok: delivered before"
LATE = 1.5  # seconds after which what is not acknowledged counts as lost


class Deaf(Client):
    """Its kernel can be made to drop whatever comes, and so to acknowledge nothing: as behind a cut cable."""

    def deafen(self):
        self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                             struct.pack("=HxxxxxxQ", 1, ctypes.addressof(TAKE_NOTHING)))

    def hear(self):
        self.sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


@pytest.fixture(params=["clear", "tls"])
def server(request, guard, folder):
    """server(backend) starts a server; clients of .begin() talk to it in the clear or in TLS."""
    def make(b, **groups):
        g = guard(b, start=False)
        cert, key = certs.make(folder)
        g.configure(listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},),
                    tls={"certificates": ({"cert": cert, "key": key},)}, **groups)
        g.start()
        g.secure = request.param == "tls"
        return g
    return make


def connect(g, source="127.0.0.1"):
    c = Deaf(g.port, source)
    c.ehlo()
    if g.secure:
        c.starttls()
        c.ehlo()
    return c


def at_data(g, rcpts=("a@example.test", "b@example.test"), source="127.0.0.1"):
    c = connect(g, source)
    assert c.envelope("sender@client.test", rcpts).code == 250
    assert c.cmd("DATA").code == 354
    return c


def unheard(g, content, behind=b""):
    """The whole mail by a client that hears nothing behind its dot, when it was answered."""
    c = at_data(g)
    before = len(g.journal("mail"))
    c.deafen()
    c.send(content + b".\r\n" + behind)
    g.journaled("mail", before + 1)
    return c


def again(g, content, source="127.0.0.1"):
    with at_data(g, source=source) as c:
        reply = c.body(content)
        assert c.cmd("QUIT").code == 221
        return reply


def assert_once(g, b, content, copies=1):
    """The retry is answered from memory, once; the same again is a new mail."""
    reply = again(g, content)
    assert (reply.code, reply.text) == (250, BEFORE)
    assert len(b.mails) == copies
    wait.until(lambda: not g.ctl_json("stats")["remembered"]["entries"], 10, "what has served forgotten")
    assert again(g, content).text != BEFORE
    assert len(b.mails) == copies + 1


@pytest.mark.parametrize("behind", [b"", b"QUIT\r\n"])
def test_a_reset_before_the_reply_is_acknowledged(server, backend, behind):
    b = backend()
    g = server(b)
    content = mails.content("reset")
    unheard(g, content, behind).reset()
    g.said("before its client had heard")
    assert_once(g, b, content)


def test_a_client_that_has_ended_its_side(server, backend):
    """It ends its side behind its dot, as one may that wants nothing else; then its machine is gone."""
    b = backend()
    g = server(b)
    content = mails.content("half")
    c = at_data(g)
    c.deafen()
    c.send(content + b".\r\n")
    c.sock.shutdown(socket.SHUT_WR)
    g.journaled("mail")
    c.reset()
    g.said("before its client had heard")
    assert_once(g, b, content)


def test_what_was_lost_outlives_a_kill(server, backend):
    b = backend()
    g = server(b)
    content = mails.content("kill")
    state = g.folder / "relay.state"
    wait.until(state.exists, 10, "the state file in its place")
    before = state.read_bytes()
    unheard(g, content).reset()
    g.said("before its client had heard")
    wait.until(lambda: state.read_bytes() != before, 10, "what was lost in the file")
    g.kill()
    g.start()
    assert_once(g, b, content)


def test_a_retry_while_the_first_connection_hangs(server, backend):
    """Nothing comes any more of the first client, not even a reset."""
    b = backend()
    g = server(b)
    content = mails.content("hang")
    c = unheard(g, content)
    time.sleep(LATE * wait.PATIENCE)
    assert_once(g, b, content)
    c.reset()


def test_what_is_heard_late_is_heard(server, backend):
    b = backend()
    g = server(b)
    content = mails.content("late")
    c = unheard(g, content)
    time.sleep(LATE * wait.PATIENCE)
    c.hear()
    assert c.reply().code == 250
    assert c.cmd("NOOP").code == 250
    assert again(g, content).text != BEFORE
    assert len(b.mails) == 2
    assert c.cmd("QUIT").code == 221


@pytest.mark.parametrize("how", ["reset", "close", "QUIT", "pipelined QUIT"])
def test_who_has_heard_sends_a_new_mail(server, backend, how):
    """What was acknowledged is not remembered: the same mail again is one that its sender wants to be there."""
    b = backend()
    g = server(b)
    content = mails.content("heard")
    c = at_data(g)
    c.send(content + b".\r\n" + (b"QUIT\r\n" if how == "pipelined QUIT" else b""))
    assert c.reply().code == 250
    if how.endswith("QUIT"):
        assert (c.cmd("QUIT") if how == "QUIT" else c.reply()).code == 221
        assert c.sock.recv(100) == b""
    c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # what it has not acknowledged yet it does now
    c.reset() if how == "reset" else c.close()
    g.journaled("session")
    assert again(g, content).text != BEFORE
    assert len(b.mails) == 2


def test_a_half_closed_client_that_has_heard(guard, backend):
    b = backend()
    g = guard(b)
    g.secure = False
    content = mails.content("both")
    with at_data(g) as c:
        c.send(content + b".\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        assert c.reply().code == 250
        assert c.sock.recv(100) == b""
    g.journaled("session")
    assert again(g, content).text != BEFORE


def test_an_idle_client_that_has_heard(guard, backend):
    """Nothing comes of it, but it is not taken for lost, and nothing of its mail is kept."""
    b = backend()
    g = guard(b)
    g.secure = False
    content = mails.content("idle")
    with at_data(g) as c:
        assert c.body(content).code == 250
        time.sleep(LATE * wait.PATIENCE)
        c.reset()
    g.journaled("session")
    assert again(g, content).text != BEFORE


def test_many_mails_in_one_breath(guard, backend):
    """Pipelined by BDAT, and none of the replies is heard."""
    b = backend()
    g = guard(b)
    contents = [mails.content(f"breath-{i}") for i in range(12)]
    c = Deaf(g.port)
    c.ehlo()
    c.deafen()
    for content in contents:
        c.send(b"MAIL FROM:<sender@client.test>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
               b"BDAT %d LAST\r\n" % len(content) + content)
    g.journaled("mail", len(contents))
    c.reset()
    g.said("before its client had heard")
    g.secure = False
    for content in contents:
        assert again(g, content).text == BEFORE
    assert len(b.mails) == len(contents)


# ---- a retry that comes before the backend has decided ----

SLOW = 0.7


class Held:
    """What a backend does at the first dot, once it is let go."""

    def __init__(self, dot):
        self.dot, self.free = dot, threading.Event()

    def backend(self, make):
        def first_waits(connection, line):
            if len(connection.backend.taken) > 1:
                return None
            self.free.wait(60 * wait.PATIENCE)
            return self.dot
        return make({"dot": first_waits})

    def let_go_in(self, seconds):
        threading.Timer(seconds, self.free.set).start()


def leave(c, how):
    """Behind its dot the client goes away: its program was killed (close), or its machine (reset)."""
    c.reset() if how == "reset" else c.close()


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("dot, text", [
    ("250 2.0.0 Ok: taken", BEFORE),
    ("451 4.3.0 Not now", "2.0.0 Ok: queued as 1"),
    (CLOSE, "2.0.0 Ok: queued as 1"),
])
def test_a_retry_waits_for_the_first(guard, backend, how, dot, text):
    """The first is under way at the backend: whatever becomes of it, the mail is there once."""
    held = Held(dot)
    b = held.backend(backend)
    g = guard(b)
    g.secure = False
    content = mails.content("overtaken")
    c = at_data(g)
    c.send(content + b".\r\n")
    wait.until(lambda: b.taken, 10, "the first mail at the backend")
    leave(c, how)
    began = time.monotonic()
    held.let_go_in(SLOW)
    assert again(g, content).text == text
    assert time.monotonic() - began > SLOW / 2
    assert len(b.mails) == 1
    assert len(b.taken) == (1 if text == BEFORE else 2)


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("dot, text", [("250 2.0.0 Ok: taken", BEFORE), ("451 4.3.0 Not now", "2.0.0 Ok: queued as 1")])
def test_a_retry_that_comes_before_its_first_is_seen_to_go(guard, backend, how, workers, dot, text):
    """Both are there when the server looks again, and it sees the retry before the end of the first's client."""
    held = Held(dot)
    b = held.backend(backend)
    g = guard(b, server={"workers": workers})
    g.secure = False
    content = mails.content("overtaken")
    first, retry = at_data(g), at_data(g)
    first.send(content + b".\r\n")
    wait.until(lambda: b.taken, 10, "the first mail at the backend")
    with g.standing_still():
        retry.send(content + b".\r\n")
        leave(first, how)
    held.let_go_in(SLOW)
    assert retry.reply().text == text
    assert len(b.mails) == 1
    retry.close()


def test_retries_of_retries(guard, backend):
    """Each leaves in its turn while the first is under way, and so does one whose turn never came."""
    held = Held("250 2.0.0 Ok: taken")
    b = held.backend(backend)
    g = guard(b)
    g.secure = False
    content = mails.content("again")
    for n in range(6):
        c = at_data(g)
        c.send(content + b".\r\n")
        wait.until(lambda: b.taken, 10, "the first mail at the backend")
        time.sleep(0.05)
        leave(c, "reset" if n % 2 else "close")
    held.let_go_in(SLOW)
    assert again(g, content).text == BEFORE
    assert len(b.mails) == 1


def test_other_mails_do_not_wait(guard, backend):
    b = backend({"dot": lambda connection, line: SILENCE if len(b.taken) == 1 else None})
    g = guard(b, server={"drain": "1s"})
    g.secure = False
    content = mails.content("one")
    c = at_data(g)
    c.send(content + b".\r\n")
    wait.until(lambda: b.taken, 10, "the first mail at the backend")
    leave(c, "reset")
    assert again(g, content.replace(b"Subject: one", b"Subject: two")).text == "2.0.0 Ok: queued as 1"
    late = at_data(g)
    late.send(content + b".\r\n")
    time.sleep(0.3)
    assert not g.journal("mail", verdict="deferred")
    late.close()


# ---- a first try that is still judged when its client leaves and the retry comes ----

OTHER = "127.0.0.9"  # a sender has several hosts: this one is judged at once
JUDGED = 2.0  # seconds; what comes before it is over must have time
WAITED_FOR = {
    "delay": ({"name": "slow", "when": "client.ip == 127.0.0.1", "stage": "message", "do": "wait",
               "delay": f"{JUDGED:g}s"},),
    "list": ({"name": "listed", "when": "dnsbl('bl.test') == '127.0.0.2'", "stage": "message", "do": "tag",
              "header": "X-Listed: yes"},),
}


@pytest.fixture(params=WAITED_FOR)
def judging(request, guard, backend, dns):
    """judging(**more): (backend, server) where a mail of 127.0.0.1 waits behind its dot."""
    def make(more=(), **backend_does):
        zone = dns({names.listed(OTHER, "bl.test"): {"A": "127.0.0.3"}, names.listed("127.0.0.1", "bl.test"):
                    {"A": "127.0.0.3", "do": names.Slow(JUDGED)}})
        b = backend(backend_does)
        g = guard(b, dns={"servers": [zone.server], "timeout": "10s"}, rules=WAITED_FOR[request.param] + more)
        g.secure = False
        return b, g
    return make


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_retry_does_not_overtake_a_first_that_is_judged(judging, how):
    b, g = judging()
    content = mails.content("judged")
    c = at_data(g)
    c.send(content + b".\r\n")
    time.sleep(0.3)
    assert not b.taken, "the first is still judged"
    leave(c, how)
    reply = again(g, content, OTHER)
    assert reply.code == 250
    g.journaled("mail", 2)
    time.sleep(1.0)
    assert len(b.mails) == 1
    assert (reply.text == BEFORE) == (how == "close")


def test_a_client_that_leaves_with_its_dot(judging):
    """Its end comes in the same moment; so does the end of a retry, and the next one waits for both."""
    b, g = judging()
    content = mails.content("judged")
    for source in ("127.0.0.1", OTHER):
        c = at_data(g, source=source)
        c.send(content + b".\r\n")
        c.close()
        time.sleep(0.1)
    assert again(g, content, OTHER).text == BEFORE
    assert len(b.mails) == 1


def test_who_ends_its_side_while_it_is_judged_is_answered(judging):
    """It may be there all the same: the mail goes on, its retry would wait, another mail does not."""
    b, g = judging()
    content = mails.content("half")
    with at_data(g) as c:
        c.send(content + b".\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        assert again(g, mails.content("other"), OTHER).code == 250
        assert len(b.mails) == 1
        assert c.reply().code == 250
        assert c.sock.recv(100) == b""
    assert len(b.mails) == 2


def test_a_first_that_is_refused_at_last(judging):
    """The retry waits for that, then it is judged by itself."""
    refused = {"name": "refused", "when": "client.ip == 127.0.0.1", "stage": "message", "do": "defer"}
    b, g = judging((refused,))
    content = mails.content("refused")
    c = at_data(g)
    c.send(content + b".\r\n")
    time.sleep(0.3)
    c.close()
    assert again(g, content, OTHER).text == "2.0.0 Ok: queued as 1"
    assert len(b.mails) == 1
