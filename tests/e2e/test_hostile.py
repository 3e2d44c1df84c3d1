"""Clients that half-close, vanish, never read or never stop: each gets its replies or its close, and costs nothing."""
import contextlib
import os
import re
import resource
import signal
import socket
import threading
import time

import pytest

from harness import certs, mails, ports, wait
from harness.client import Client, stuffed

HELLO = b"EHLO client.test\r\n"
ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<good@example.test>\r\n"
WHOLE = HELLO + ENVELOPE + b"DATA\r\n" + stuffed(b"Subject: half\r\n\r\nclosed\r\n")


def half_closed(port, data, seconds=10):
    """Writes, ends its side, and reads the codes of all that comes."""
    with Client(port) as c:
        c.send(data)
        c.sock.shutdown(socket.SHUT_WR)
        return c.replies_at_end(seconds)



def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])


# ---- half-closed: who has ended its side still hears every answer ----

@pytest.mark.parametrize("data,codes", [
    (b"NOOP\r\n", [250]),
    (HELLO + ENVELOPE, [250, 250, 250]),
    (WHOLE, [250, 250, 250, 354, 250]),
    (WHOLE + b"QUIT\r\n", [250, 250, 250, 354, 250, 221]),
])
def test_a_half_closed_client_hears_all(guard, backend, data, codes):
    b = backend({"dot": [0.3, "250 2.0.0 Ok"]})
    g = guard(b)
    assert half_closed(g.port, data) == codes
    assert len(b.mails) == (354 in codes)


def test_half_closed_while_a_recipient_is_asked(guard, backend):
    g = guard(backend({"RCPT": [0.3, "250 2.1.5 Ok"]}))
    assert half_closed(g.port, HELLO + ENVELOPE) == [250, 250, 250]


def test_half_closed_in_a_delay(guard, backend):
    """It has pipelined its mail and waits for the answers; one that only left is not waited for."""
    rules = ({"name": "slow", "when": "sender == 'a@client.test'", "do": "wait", "delay": "1s"},)
    b = backend()
    g = guard(b, rules=rules)
    assert half_closed(g.port, WHOLE) == [250, 250, 250, 354, 250]
    half_closed(g.port, HELLO + b"MAIL FROM:<a@client.test>\r\n")
    assert b.one_mail()
    wait.until(lambda: g.ctl_json("stats")["waiting"] == 0, 10, "no delay left")


# ---- clients that never stop, never read ----

def test_a_noop_is_a_command(guard, backend):
    """Each whole command begins the wait anew, also those that nobody is asked about."""
    g = guard(backend(), limits={"command_timeout": "4s"})
    with Client(g.port) as c:
        c.ehlo()
        for _ in range(6):
            time.sleep(0.7)
            assert c.cmd("NOOP").code == 250


@pytest.mark.parametrize("command", [b"NOOP\r\n", b"RCPT TO:<good@example.test>\r\n"])
def test_replies_that_nobody_reads_are_bounded(guard, backend, command):
    """Over 64 KB of replies unread: the input waits as well; memory stays, other clients are served."""
    g = guard(backend(), limits={"junk_commands": 1_000_000, "recipients": 5, "command_timeout": "30s"},
              server={"drain": "1s"})
    mails.send(g.port, "warm")
    before = resident_kb(g.pid)
    with Client(g.port) as c:
        c.send(HELLO + ENVELOPE)
        c.sock.setblocking(False)
        pushed, last = 0, time.monotonic()
        while time.monotonic() - last < 1:
            try:
                pushed += c.sock.send(command * 4096)
                last = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            assert pushed < 100_000_000, "the server takes input without end"
        assert resident_kb(g.pid) < before + 30_000
        assert mails.send(g.port, "beside", source="127.0.0.2").code == 250


def never_reads(port, source, command, seconds=0.5):
    """A client that asks until nothing more is taken, and reads nothing; what it has pushed."""
    c = Client(port, source)
    c.send(HELLO + ENVELOPE)
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.sock.setblocking(False)
    last = time.monotonic()
    while time.monotonic() - last < seconds:
        try:
            c.sock.send(command * 512)
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            break
    return c


def test_replies_that_nobody_reads_have_a_common_cap(guard, backend):
    """40 clients with 64 KB each are 2.5 MB; limits.memory = "1M" ends some of them, not one that is known good."""
    g = guard(backend(), limits={"junk_commands": 1_000_000, "errors": 1_000_000, "command_timeout": "60s",
                                 "memory": "1M"},
              known_good={"messages": 1, "over": "0s", "refused_share": 0.5}, server={"drain": "1s"})
    mails.send(g.port, "friend", source="127.0.8.1")
    crowd = [never_reads(g.port, f"127.0.7.{n + 1}", b"VRFY someone\r\n", 0.3) for n in range(40)]
    wait.until(lambda: 200_000 < g.ctl_json("stats")["session_memory_bytes"] <= 1 << 20, 10, "much memory, not more")
    ended = g.journaled("session", 6, by="limit", code=421)
    assert 5 < len(ended) < 40 and "memory" in ended[0]["reply"]
    many = [f"friend{n}@example.test" for n in range(900)]
    with Client(g.port, "127.0.8.1") as friend:
        friend.ehlo()
        assert friend.mail(rcpts=many).code == 250
    for c in crowd:
        c.close()
    wait.until(lambda: g.ctl_json("stats")["session_memory_bytes"] == 0, 20, "all given back")


# ---- too few descriptors ----

def test_out_of_descriptors(guard, backend):
    """The door is shut for a moment, without spinning; who knocked is let in as soon as others leave."""
    g = guard(backend(), server={"workers": 1})
    mails.send(g.port, "warm")
    _, hard = resource.prlimit(g.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(g.pid, resource.RLIMIT_NOFILE, (g.descriptors() + 4, hard))
    knocking = [Client(g.port, f"127.0.0.{n + 1}", greet=False) for n in range(20)]
    g.said("out of file descriptors")
    before = g.cpu_ms()
    time.sleep(1)
    assert g.cpu_ms() - before < 250
    inside = [c for c in knocking if not c.silent(0.05)]
    assert 0 < len(inside) < 20
    resource.prlimit(g.pid, resource.RLIMIT_NOFILE, (hard, hard))
    for c in knocking:
        assert c.reply().code == 220
        c.close()
    assert mails.send(g.port, "after").code == 250


# ---- reloads ----

def test_a_reload_that_drops_a_listener(guard, backend):
    """Listeners need a restart: the old ones go on as they were opened."""
    g = guard(backend(), start=False)
    second = ports.free_port()
    both = ({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "off"},
            {"name": "second", "address": [f"127.0.0.1:{second}"], "tls": "off"})
    g.configure(listeners=both)
    g.start()
    g.configure(listeners=both[:1])
    g.reload()
    assert g.said("listeners")
    assert mails.send(second, "x").code == 250
    assert g.journaled("mail")[0]["listener"] == "second"


def test_a_reload_changes_how_many_bodies_may_be_open(guard, backend):
    g = guard(backend(), relay={"memory_per_message": "4k"}, server={"drain": "1s"})
    g.configure(relay={"memory_per_message": "4k", "open_bodies": 1}, server={"drain": "1s"})
    g.reload()
    with Client(g.port) as first, Client(g.port, "127.0.0.2") as second:
        first.at_data()
        first.send(mails.big("first", 30_000))
        wait.until(lambda: g.ctl_json("stats")["open_bodies"] == 1, 10, "the first body in a file")
        second.ehlo()
        assert second.mail(mails.big("second", 30_000)).code == 451
        assert first.body(b"end\r\n").code == 250


def test_many_reloads_while_mail_flows(guard, backend):
    """100 times HUP: no session ends, no mail is lost, and memory and descriptors come back."""
    b = backend()
    g = guard(b)
    mails.send(g.port, "warm")
    g.reload()
    memory, descriptors = resident_kb(g.pid), g.descriptors()
    with Client(g.port) as c:
        c.ehlo()
        for n in range(100):
            g.signal(signal.SIGHUP)
            assert c.mail(mails.content(f"mail {n}")).code == 250
        assert c.cmd("QUIT").code == 221
    wait.until(lambda: len(b.mails) == 101, 10, "every mail")
    g.reload()
    wait.until(lambda: g.descriptors() <= descriptors + 10, 10, "closed descriptors")
    assert resident_kb(g.pid) < memory + 60_000


# ---- the last word ----

def test_a_last_word_is_heard_though_more_was_sent(guard, backend):
    """A whole body behind a refused DATA, and commands that cross our 421: it must not die with the close."""
    g = guard(backend(), server={"drain": "1s"})
    for n in range(20):
        with Client(g.port) as c:
            c.ehlo()
            c.cmd("MAIL FROM:<a@client.test>")
            with contextlib.suppress(OSError):
                c.send(b"RCPT TO:<good@elsewhere.test>\r\nDATA\r\n" + mails.big(f"m{n}", 200_000))
            assert 421 in c.replies_at_end()
    clients = [Client(g.port) for _ in range(50)]
    stopping = threading.Thread(target=g.stop)
    stopping.start()
    for c in clients:
        codes = set()
        try:
            for _ in range(2000):
                c.send(b"NOOP\r\n")
        except OSError:
            pass
        codes.update(c.replies_at_end())
        assert 421 in codes
        c.close()
    stopping.join()


def test_the_protocol_s_end_of_a_session_is_heard_and_journaled(guard, backend):
    """limits.errors: the client hears 421 though it goes on talking, and the journal says who ended it."""
    g = guard(backend(), limits={"errors": 3})
    for _ in range(30):
        with Client(g.port) as c:
            try:
                for _ in range(300):
                    c.send(b"NONSENSE\r\n")
            except OSError:
                pass
            assert 421 in c.replies_at_end()
    sessions = wait.until(lambda: len(g.journaled("session")) == 30 and g.journaled("session"), 10, "30 sessions")
    assert {(s["verdict"], s["by"], s["code"]) for s in sessions} == {("deferred", "protocol", 421)}
    told = g.ctl_json("explain", sessions[0]["id"])["decisions"][0]
    assert (told["offence"], told["offences"]) == (sessions[0]["offence"], sessions[0]["offences"])
    assert f"faults, the first: {told['offence']}" in g.ctl("explain", sessions[0]["id"]).stdout
