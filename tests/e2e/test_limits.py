"""Every wait has a deadline and every number a cap; what they cut off is told and costs the others nothing."""
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import mails, wait
from harness.backend import SILENCE
from harness.client import Client
from harness.guard import elapsed, quickest


def greeted(port, source="127.0.0.1"):
    """A connection and the code of its greeting."""
    c = Client(port, source)
    return c, c.greeting.code


def test_sessions_in_all(guard, backend):
    g = guard(backend(), limits={"sessions": 3})
    open_ = [greeted(g.port, f"127.0.0.{n + 1}") for n in range(3)]
    assert [code for _, code in open_] == [220] * 3
    extra, code = greeted(g.port, "127.0.0.9")
    assert code == 421
    extra.at_end()
    assert open_[0][0].cmd("QUIT").code == 221
    wait.until(lambda: greeted(g.port, "127.0.0.9")[1] == 220, 10, "a free place")
    assert g.journaled("session", by="limit")


def test_sessions_of_one_client(guard, backend):
    g = guard(backend(), limits={"sessions_per_client": 2})
    open_ = [greeted(g.port, "127.0.0.5") for _ in range(2)]
    assert [code for _, code in open_] == [220] * 2
    assert greeted(g.port, "127.0.0.5")[1] == 421
    assert greeted(g.port, "127.0.0.6")[1] == 220


def test_a_silent_client_is_sent_away(guard, backend):
    g = guard(backend(), limits={"command_timeout": "1s"})
    began = time.monotonic()
    with Client(g.port) as c:
        assert c.replies_at_end(20) == [421]
    assert 0.9 < time.monotonic() - began < 15 * wait.PATIENCE


def test_one_byte_a_time_does_not_extend_a_command(guard, backend):
    """The deadline is absolute: dripping bytes win nothing."""
    g = guard(backend(), limits={"command_timeout": "1s"})
    with Client(g.port) as c:
        start = time.monotonic()
        try:
            while time.monotonic() - start < 20 * wait.PATIENCE:
                c.send(b"N")
                if not c.silent(0.1):
                    break
        except (ConnectionError, BrokenPipeError):
            pass
        assert time.monotonic() - start < 15 * wait.PATIENCE


def cut_off_in_a_body(g, begun):
    """The replies to a client that falls silent in its body, after a second and soon after it."""
    start = time.monotonic()
    with Client(g.port) as c:
        c.at_data()
        c.send(begun)
        codes = c.replies_at_end(20)
    assert 0.9 < time.monotonic() - start < 15 * wait.PATIENCE
    return codes


def test_silence_in_a_body(guard, backend):
    b = backend()
    g = guard(b, limits={"data_timeout": "1s"})
    assert cut_off_in_a_body(g, b"Subject: half\r\n\r\nhalf a li") == [421]
    assert not b.taken
    assert g.journaled("mail", by="limit", code=421)[0]["verdict"] == "deferred"


def test_the_least_rate_of_a_body(guard, backend):
    """Never silent for long, but slower than limits.min_data_rate."""
    b = backend()
    g = guard(b, limits={"min_data_rate": 20_000, "data_timeout": "4s"})
    with Client(g.port, timeout=60) as c:
        c.at_data()
        start = time.monotonic()
        try:
            while time.monotonic() - start < 60 * wait.PATIENCE:
                c.send(b"a slow line\r\n")
                if not c.silent(0.05):
                    break
        except (ConnectionError, BrokenPipeError):
            pass
        assert time.monotonic() - start < 55 * wait.PATIENCE
    assert not b.taken
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail(mails.big("fast", 100_000)).code == 250


def trickle(c, command, piece):
    """Sends the command, then a piece each millisecond; the seconds until the server has had enough, and what it has
    said."""
    start, got = time.monotonic(), b""
    c.send(command + "\r\n")
    c.sock.setblocking(False)
    while time.monotonic() - start < 20 * wait.PATIENCE and b"421 " not in got:
        try:
            c.sock.send(piece)
            time.sleep(0.001)
            got += c.sock.recv(65536)
        except BlockingIOError:
            pass
        except OSError:
            break
    return time.monotonic() - start, got


@pytest.mark.parametrize("how, piece", [("DATA", b"xx"), ("BDAT 10000000", b"xx"), ("NOOP", b"BDAT 1\r\nx")])
def test_many_small_pieces_are_slow_as_well(guard, backend, how, piece):
    """At the moment when the rate is measured there is always one more: that does not put it off."""
    g = guard(backend(), limits={"min_data_rate": 100_000, "data_timeout": "4s"}, server={"drain": "1s"})
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        seconds, got = trickle(c, how, piece)
    assert seconds < 15 * wait.PATIENCE and b"421 4.4.2 Body is sent too slowly" in got, (seconds, got)


@pytest.mark.parametrize("how", ["DATA", "BDAT 1000001 LAST"])
@pytest.mark.parametrize("first, code, enhanced", [(b"x", 552, "5.3.4"), (b"\0", 550, "5.6.0")], ids=["size", "NUL"])
def test_a_refused_body_is_heard_to_its_end(guard, backend, how, first, code, enhanced):
    """However long the rest takes: a client that hears 421 in its midst would bring it again and again."""
    g = guard(backend(), limits={"data_timeout": "5s", "min_data_rate": 10_000, "message_size": "100k"})
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        c.send(how + "\r\n")
        c.send(first)
        for _ in range(100):
            c.send((b"x" * 98 + b"\r\n") * 100)
            time.sleep(0.06)
        if how == "DATA":
            assert c.reply().code == 354
            c.send(b".\r\n")
        reply = c.reply()
        assert (reply.code, reply.enhanced) == (code, enhanced), reply
        assert c.cmd("NOOP").code == 250


def test_a_refused_chunk_is_heard_to_its_end(guard, backend):
    """It has the time of a body, not that of a command: where no recipient was taken, none was named, and without a
    mail."""
    g = guard(backend({"RCPT": "550 5.1.1 No such user"}), limits={"command_timeout": "4s", "min_data_rate": 10_000})

    def refused(rcpts):
        with Client(g.port) as c:
            c.ehlo()
            if rcpts is not None:
                c.envelope(rcpts=rcpts)
            c.send("BDAT 400000 LAST\r\n")
            for _ in range(40):
                c.send(b"x" * 10_000)
                time.sleep(0.11)
            return c.reply().code, c.cmd("NOOP").code

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(refused, [("nobody@example.test",), (), None])) == [(554, 250), (503, 250), (503, 250)]


@pytest.mark.parametrize("rate, silence, why", [(0, 1, b"Timeout"), (100_000, 4, b"Body is sent too slowly")])
def test_a_refused_chunk_has_its_deadlines_too(guard, backend, rate, silence, why):
    g = guard(backend(), limits={"data_timeout": f"{silence}s", "min_data_rate": rate})
    with Client(g.port) as c:
        c.ehlo()
        seconds, got = trickle(c, "BDAT 10000000", b"" if why == b"Timeout" else b"xx")
    assert 0.5 < seconds < 15 * wait.PATIENCE and b"421 4.4.2 " + why in got, (seconds, got)


def test_a_refused_body_has_its_deadline_too(guard, backend):
    g = guard(backend(), limits={"data_timeout": "1s"})
    assert cut_off_in_a_body(g, b"\0") == [421]


def test_the_session_time(guard, backend):
    """After it no new mail begins, but one that runs is finished."""
    b = backend()
    g = guard(b, limits={"session_time": "4s"})
    with Client(g.port) as c:
        c.at_data()
        for _ in range(42):
            c.send(b"x" * 3000 + b"\r\n")
            time.sleep(0.1)
        assert c.body(b"last\r\n").code == 250
        assert c.cmd("MAIL FROM:<again@client.test>").code == 421
        c.at_end()
    b.one_mail()


def test_the_hard_stop(guard, backend):
    """limits.session_end: a body as well, however fast it comes; nothing of it is delivered. One that is idle ends with
    limits.session_time."""
    b = backend()
    g = guard(b, limits={"session_time": "4s", "session_end": "5s"})

    def idle():
        with Client(g.port) as c:
            c.send("EHLO idle.test\r\n")
            return c.replies_at_end(30)[-1]

    start = time.monotonic()
    with ThreadPoolExecutor() as pool, Client(g.port) as c:
        beside = pool.submit(elapsed, idle)
        c.at_data()
        try:
            while time.monotonic() - start < 20 * wait.PATIENCE:
                c.send(b"x" * 3000 + b"\r\n")
                if not c.silent(0.05):
                    break
        except (ConnectionError, BrokenPipeError):
            pass
        assert 4.5 < time.monotonic() - start < 15 * wait.PATIENCE
        seconds, code = beside.result()
        assert code == 421 and 3.5 < seconds < 15 * wait.PATIENCE
    assert not b.taken
    assert g.journaled("mail", by="limit", code=421)


def test_after_the_session_time_only_a_fast_body_goes_on(guard, backend):
    """10 kB/s from then on; the same body within the session time may be as slow as min_data_rate."""
    b = backend()
    limits = {"min_data_rate": 10, "data_timeout": "4s", "session_time": "4s"}
    g = guard(b, limits=limits)
    start = time.monotonic()
    with Client(g.port, timeout=40) as c:
        c.at_data()
        try:
            while time.monotonic() - start < 20 * wait.PATIENCE:
                c.send(b"a slow line\r\n")
                if not c.silent(0.1):
                    break
        except (ConnectionError, BrokenPipeError):
            pass
        assert 3 < time.monotonic() - start < 18 * wait.PATIENCE
    assert not b.taken


def test_time_that_we_throttle_is_not_the_client_s(guard, backend):
    """A body that we read at 2 kB/s, with a floor of 4 kB/s: only the client's own slowness counts."""
    b = backend()
    rules = ({"name": "brake", "when": "client.ip in 127.0.0.7/32", "do": "throttle", "rate": "2k"},)
    g = guard(b, limits={"min_data_rate": 4000, "data_timeout": "4s"}, rules=rules)
    with Client(g.port, "127.0.0.7", timeout=60) as c:
        c.ehlo()
        seconds, reply = elapsed(lambda: c.mail(b"Subject: braked\r\n\r\n" + (b"x" * 98 + b"\r\n") * 240))
    assert reply.code == 250 and seconds > 8
    b.one_mail()


def test_one_who_goes_on_talking_after_its_dot(guard, backend):
    """While the backend is asked nothing more is read: what comes waits in the kernel, not with us."""
    answer = threading.Event()
    b = backend({"dot": lambda connection, line: answer.wait(60 * wait.PATIENCE) and None})
    g = guard(b, server={"drain": "1s"})
    with Client(g.port, timeout=30) as c:
        c.at_data()
        c.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        wait.until(lambda: b.taken, 10, "the mail at the backend")
        c.sock.setblocking(False)
        pushed, end, before = 0, time.monotonic() + 1, g.cpu_ms()
        while time.monotonic() < end:
            try:
                pushed += c.sock.send(b"NOOP\r\n" * 1000)
            except BlockingIOError:
                time.sleep(0.01)
        assert pushed < 30_000_000
        assert g.cpu_ms() - before < 300
        answer.set()
        c.sock.settimeout(c.timeout)
        assert c.reply().code == 250


def test_waiting_sessions_are_capped(guard, backend):
    """limits.waiting: who would be one more in a delay is not held; he passes or is sent away at once."""
    rules = ({"name": "slow", "when": "client.ip in 127.9.0.0/16", "do": "wait", "delay": "10s"},)
    g = guard(backend(), limits={"waiting": 2}, server={"drain": "1s"}, rules=rules)
    held = [Client(g.port, f"127.9.0.{n + 1}", greet=False) for n in range(2)]
    assert all(c.line() == "220-mx.example.test" for c in held)
    assert all(c.silent(0.3) for c in held)
    with Client(g.port, "127.9.0.9", greet=False) as extra:
        seconds, reply = elapsed(lambda: extra.reply())
        assert seconds < 9 and reply.code in (220, 421)
    with Client(g.port, "127.8.0.1") as c:
        assert c.greeting.code == 220


def test_a_delay_is_kept_and_bounded(guard, backend):
    """A wait before the greeting is held, with limits.delay as its cap."""
    rules = ({"name": "slow", "when": "client.ip in 127.9.0.0/16", "do": "wait", "delay": "30s"},)
    g = guard(backend(), limits={"delay": "1s"}, rules=rules)
    seconds, _ = elapsed(lambda: mails.send(g.port, "slow", source="127.9.1.1"))
    assert 0.9 < seconds < 15 * wait.PATIENCE
    assert quickest(lambda: mails.send(g.port, "fast", source="127.8.1.1")) < 0.9
    assert int(g.journaled("mail", client="127.9.1.1")[0]["waited_ms"]) >= 900


def test_stress_shortens_the_wait_for_commands(guard, backend):
    """Over 90 % of the sessions used: stress_timeout replaces command_timeout."""
    g = guard(backend(), limits={"sessions": 10, "command_timeout": "60s", "stress_timeout": "1s"})
    clients = [Client(g.port, f"127.0.3.{n + 1}") for n in range(10)]
    for c in clients[:3]:
        try:
            c.ehlo()
        except (AssertionError, OSError):  # it was sent away already
            return
    wait.until(lambda: any(not c.silent(0.05) for c in clients), 15, "the first one sent away")


def test_a_client_that_does_not_read(guard, backend):
    """Its replies pile up only to a bound; its commands are then not read, and it ends by the deadline."""
    g = guard(backend(), limits={"command_timeout": "5s", "junk_commands": 1_000_000, "errors": 1_000_000})
    with Client(g.port, timeout=30) as c:
        c.ehlo()
        c.sock.setblocking(False)
        sent, idle = 0, time.monotonic()
        while time.monotonic() - idle < 0.5:
            try:
                sent += c.sock.send(b"VRFY someone\r\n" * 1000)
                idle = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            except (ConnectionResetError, BrokenPipeError):
                break
            assert sent < 200_000_000, "the server takes input without end"
        status = open(f"/proc/{g.pid}/status").read()
        assert int(status.split("VmRSS:")[1].split()[0]) < 400_000
    assert mails.send(g.port, "still there").code == 250


def test_open_bodies_are_capped(guard, backend):
    """relay.open_bodies: beyond it DATA gets 451 4.3.1."""
    b = backend()
    g = guard(b, relay={"open_bodies": 1, "memory_per_message": "4k"}, server={"drain": "1s"})
    first, second = Client(g.port, "127.0.0.1"), Client(g.port, "127.0.0.2")
    for c in (first, second):
        c.ehlo()
        c.envelope()
    assert first.cmd("DATA").code == 354
    first.send(b"x" * 900 + b"\r\n")
    for _ in range(40):
        first.send(b"y" * 900 + b"\r\n")
    wait.until(lambda: any("(deleted)" in t for t in targets(g.pid)), 10, "the first body in a file")
    reply = second.cmd("DATA")
    if reply.code == 354:
        reply = second.body(mails.big("second", 50_000))
    assert (reply.code, reply.enhanced) == (451, "4.3.1")
    assert first.body(b"end\r\n").code == 250
    assert first.cmd("NOOP").code == 250  # it has heard: nothing is kept for its sake
    assert second.mail(mails.big("third", 50_000)).code == 250


def targets(pid):
    """Where the open descriptors of a process lead."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return found


def test_a_busy_backend_does_not_hold_the_listener(guard, backend):
    """All connections stuck: others still get answers. (How long it is waited for: tests/relay/test_limits.c.)"""
    b = backend({"dot": SILENCE})
    g = guard(b, relay={"connections": 1}, server={"drain": "1s"})
    with Client(g.port) as c:
        c.at_data()
        c.send(b"x\r\n.\r\n")
        wait.until(lambda: b.taken, 10, "the body at the backend")
        with Client(g.port, "127.0.0.2") as other:
            other.ehlo()
            assert other.cmd("MAIL FROM:<a@client.test>").code == 250


def test_descriptors_and_memory_come_back(guard, backend):
    """300 sessions of every kind of end leave nothing open."""
    g = guard(backend())
    mails.send(g.port, "warm")
    before = g.descriptors()
    for n in range(300):
        c = Client(g.port, f"127.0.4.{n % 250 + 1}")
        if n % 3:
            c.send("EHLO x.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<good@example.test>\r\nDATA\r\nhalf a bo")
        c.reset() if n % 2 else c.close()
    wait.until(lambda: g.descriptors() <= before + 12, 15, "closed descriptors")
    wait.until(lambda: len(g.journal("session")) >= 301, 15, "a journal line for each session")
