"""Every call that can fail is made to fail, the first, the second, ... the last of a whole transaction.

Whatever fails: no crash, no stall, no leak, no false 250 and nothing delivered that was refused. harness/fail_call.c
is loaded before the server's libraries and is told here what shall fail. Allocations are those of mimalloc: a server
that is built without it, as the sanitized ones are, has them failed by tests/server/test_session.c.
"""
import contextlib
import errno
import mmap
import os
import signal
import ssl
import struct
import subprocess
import time

import pytest

from harness import certs, guard as guarded, lmtp, mails, ports, wait
from harness.backend import CLOSE
from harness.client import Client, Closed
from harness.manager import Manager

SHIM = os.environ.get("SMTPGUARD_FAIL_CALL", "")
KINDS = {name: n for n, name in enumerate(
    "none allocate read write accept connect socket open sync rename pread epoll tls map unmap advise".split())}
# the same order as struct order
ORDER = struct.Struct("=ii q q i")
ERRORS = {"read": errno.ECONNRESET, "write": errno.EPIPE, "accept": errno.EMFILE, "connect": errno.ENETUNREACH,
          "socket": errno.EMFILE, "open": errno.ENOSPC, "sync": errno.EIO, "rename": errno.EIO, "pread": errno.EIO,
          "epoll": errno.ENOSPC, "tls": errno.ECONNRESET, "allocate": errno.ENOMEM, "map": errno.ENOMEM,
          "unmap": errno.ENOMEM, "advise": errno.ENOMEM}
# more than any transaction, or start, makes: an end for a test that never ends
CALLS_MAX, STARTS_MAX = 400, 2000
BUILT = [k for k in KINDS if k != "none" and (k != "allocate" or os.environ.get("SMTPGUARD_FAIL_ALLOCATE") == "1")]


class Faults:
    def __init__(self, path):
        path.write_bytes(bytes(64))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 64)

    def order(self, kind, after=0, whole=False, error=None):
        # the kind last: from then on calls count
        self.map[:ORDER.size] = ORDER.pack(0, ERRORS.get(kind, 0) if error is None else error, after, 0, whole)
        self.map[:4] = struct.pack("=i", KINDS[kind])

    def end(self):
        """How many calls failed."""
        self.map[:4] = bytes(4)
        return ORDER.unpack(self.map[:ORDER.size])[3]


@pytest.fixture
def faults(folder, monkeypatch):
    assert os.path.exists(SHIM), "SMTPGUARD_FAIL_CALL must name the library that makes calls fail"
    one = Faults(folder / "order")
    monkeypatch.setenv("FAIL_CALL_ORDER", str(folder / "order"))
    monkeypatch.setenv("LD_PRELOAD", SHIM)
    return one


@pytest.fixture
def served(faults, guard, backend, folder, monkeypatch):
    cert, key = certs.make(folder)
    b = backend()
    g = guard(b, start=False)
    g.configure(server={"workers": 1}, relay={"memory_per_message": "64k", "recipients": ["none"]},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},),
                tls={"certificates": ({"cert": cert, "key": key},)},
                rules=({"name": "many", "when": "count(recipients by client, 1h) > 1000000", "charge": 1},))
    g.start()
    monkeypatch.delenv("LD_PRELOAD")
    g.backend, g.faults = b, faults
    wait.until(lambda: mails.send(g.port, "first").code == 250, 10, "a first mail")
    return g


def transaction(port, mark, tls):
    """The code of the reply to the mail; None: the connection ended before it."""
    try:
        with Client(port, timeout=15) as c:
            c.ehlo()
            if tls:
                if c.cmd("STARTTLS").code != 220:
                    return 454
                context = ssl._create_unverified_context()
                c.sock = context.wrap_socket(c.sock)
                c.ehlo()
            return c.mail(mails.big(mark, 150_000), rcpts=["a@example.test", "b@example.test"]).code
    except (Closed, ConnectionError, ssl.SSLError):
        return None


def delivered(g, mark):
    return [m for m in g.backend.taken if m.body and mark.encode() in m.body]


def is_doubtful(g):
    return sum("sent whole" in m for m in g.messages())


def check(g, kind, n, code, mark, doubts):
    what = f"{kind} {n}: the client heard {code}"
    copies = len(delivered(g, mark))
    if code == 250:
        assert copies == 1, f"{what}, the backend has {copies}"
    elif code is not None:
        # what was refused is not there, unless the backend's answer was what got lost
        assert code >= 400, what
        if copies:
            wait.until(lambda: is_doubtful(g) > doubts, 20, f"a word about the doubt ({what})")
    else:
        assert copies <= 1, f"{what}, the backend has {copies}"
    assert g.process.poll() is None, f"{what}, and the server is gone: {g.told()}"


def settles(g):
    mark = mails.marker()
    wait.until(lambda: mails.send(g.port, mark).code == 250, 15, "a clean mail after the fault")


@pytest.mark.parametrize("kind, tls", [
    (k, tls) for k in BUILT if k not in ("rename", "sync", "map", "unmap", "advise")
    for tls in (False, True) if tls or k != "tls"])
def test_each_call_of_a_transaction_fails_once(served, kind, tls):
    g = served
    if kind in ("connect", "socket"):
        g.backend.script["dot"] = ["250 2.0.0 Ok", CLOSE]  # each mail needs a connection of its own
    transaction(g.port, mails.marker(), tls)
    settles(g)
    before, n = g.descriptors(), 0
    for n in range(CALLS_MAX):
        mark, doubts = mails.marker(), is_doubtful(g)
        g.faults.order(kind, after=n)
        code = transaction(g.port, mark, tls)
        failed = g.faults.end()
        check(g, kind, n, code, mark, doubts)
        if not failed:
            break
        settles(g)
    assert 0 < n < CALLS_MAX - 1, f"{n} calls of this kind were seen"
    # connections to the backend may be more or fewer; sessions, bodies and the rest are given back
    wait.until(lambda: g.descriptors() <= before + 10, 15, "descriptors given back")
    wait.until(lambda: g.ctl_json("stats")["open_bodies"] == 0, 15, "bodies given back")


@pytest.mark.parametrize("kind", ["open", "pread", "sync", "rename"])
def test_a_disk_that_does_not_take_or_give_anything(served, kind):
    """Spool, snapshot: 4xx and one clear line, never a 250 for what is not there; afterwards all is well again."""
    g = served
    mark = mails.marker()
    g.faults.order(kind, whole=True)
    code, snapshot = transaction(g.port, mark, False), g.ctl("snapshot")
    failed = g.faults.end()
    assert failed > 0
    assert snapshot.returncode == (1 if kind != "pread" else 0), snapshot
    if kind in ("open", "pread"):
        assert code is not None and 400 <= code < 500 and not delivered(g, mark), code
    else:
        assert code == 250
    settles(g)
    assert g.ctl("snapshot").returncode == 0


# ---- a delivery to some of the recipients: what is remembered of it ----

class Half:
    """A store that takes a mail for a@ and refuses b@ at the dot while it is full, and a server before it."""

    def __init__(self, guard):
        self.full = True
        self.store = lmtp.Store(lambda stage, to: "452 4.2.2 Mailbox full"
                                if stage == "dot" and to.startswith("b@") and self.full else None)
        self.guard = guard(self.store.url, start=False)
        self.guard.configure(server={"workers": 1}, relay={"identity": "none", "recipients": ["none"]},
                             score={"memory": "1M"})

    def bring(self, mark):
        """The code of the reply to one mail for both; None: the connection ended before it."""
        try:
            with Client(self.guard.port, timeout=15) as c:
                c.ehlo()
                return c.mail(mails.content(mark), rcpts=["a@example.test", "b@example.test"]).code
        except (Closed, ConnectionError):
            return None

    def copies(self, mark):
        return [sum(s.mark == mark and s.recipient == f"{name}@example.test" for s in self.store.stored)
                for name in "ab"]

    def doubts(self):
        return is_doubtful(self.guard) + len([r for r in self.guard.journal("mail") if r.get("doubtful")])


@pytest.mark.parametrize("kind", [k for k in BUILT if k in ("allocate", "read", "write", "sync", "epoll")])
def test_each_call_of_a_partial_delivery_fails_once(faults, guard, monkeypatch, kind):
    """Never 250 while one has it not; the retry completes it, and nobody has it twice without a word."""
    half = Half(guard)
    half.guard.start()
    monkeypatch.delenv("LD_PRELOAD")
    wait.until(lambda: half.bring(mails.marker()) == 451, 10, "a first mail")
    n = 0
    for n in range(CALLS_MAX):
        mark, doubts, half.full = mails.marker(), half.doubts(), True
        faults.order(kind, after=n)
        code = half.bring(mark)
        failed = faults.end()
        assert code is None or 400 <= code < 500, f"{kind} {n}: the client heard {code}"
        half.full = False
        wait.until(lambda: half.bring(mark) == 250, 15, f"the retry taken ({kind} {n})")
        copies = half.copies(mark)
        assert all(copies), f"{kind} {n}: {copies} copies"
        if copies != [1, 1]:
            wait.until(lambda: half.doubts() > doubts, 20, f"a word about {copies} copies ({kind} {n})")
        assert half.guard.process.poll() is None, half.guard.told()
        if not failed:
            break
    assert 0 < n < CALLS_MAX - 1, f"{n} calls of this kind were seen"
    half.store.stop()


@pytest.mark.parametrize("kind", ["sync", "rename", "write", "pread", "open", "map", "unmap"])
def test_what_was_remembered_outlives_a_start_that_fails(faults, guard, monkeypatch, kind):
    """The state is read and written anew at each start. Whichever call of that fails, and whether the server then runs
    without it or not at all: who has the mail is still known by the next start that succeeds."""
    half = Half(guard)
    g = half.guard
    monkeypatch.delenv("LD_PRELOAD")
    g.start()
    mark, n = mails.marker(), 0
    assert half.bring(mark) == 451 and half.copies(mark) == [1, 0]
    g.stop()
    monkeypatch.setenv("LD_PRELOAD", SHIM)
    for n in range(STARTS_MAX):
        faults.order(kind, after=n)
        try:
            g.start()
            g.signal(signal.SIGTERM)
        except AssertionError:
            assert g.process.returncode is not None, g.told()
        assert g.wait_end() in (0, 1), g.told()  # it may have listened before it failed
        g.check_stderr()
        g.checked, failed = True, faults.end()
        if not failed:
            break
    assert 0 < n < STARTS_MAX - 1, f"{n} calls of this kind were seen"
    half.full = False
    g.start()
    assert half.bring(mark) == 250 and half.copies(mark) == [1, 1]
    half.store.stop()


def test_a_disk_that_hangs(faults, guard, monkeypatch):
    """A partial delivery cannot be flushed: its client is told to come again all the same, and nothing comes twice."""
    full = ["452 4.2.2 Mailbox full"]
    store = lmtp.Store(lambda stage, to: full.pop() if stage != "RCPT" and to.startswith("b") and full else None)
    g = guard(store.url, relay={"identity": "none"})
    monkeypatch.delenv("LD_PRELOAD")
    rcpts = ("a@example.test", "b@example.test", "c@example.test")
    assert mails.send(g.port, "first", rcpts=rcpts[:1]).code == 250  # the start is over
    faults.order("sync", error=-1)
    seconds, reply = guarded.elapsed(lambda: mails.send(g.port, "hangs", rcpts=rcpts))
    assert reply.code == 451 and seconds < 15 * wait.PATIENCE
    assert g.said("disk has not taken")
    assert g.journaled("mail", verdict="deferred")[0]["doubtful"]
    assert mails.send(g.port, "hangs", rcpts=rcpts).code == 250
    faults.end()
    assert sorted(m.recipient for m in store.stored if m.mark == "hangs") == sorted(rcpts)
    assert mails.send(g.port, "other", rcpts=rcpts).code == 250
    store.stop()


IN_FILES = {"memory_per_message": "8k", "recipients": ["none"]}


def vouched_for(manager, g, monkeypatch):
    """A server that works, and whose manager has heard so."""
    monkeypatch.delenv("LD_PRELOAD")
    assert mails.send(g.port, "first").code == 250
    assert "READY" in manager.hear() and "WATCHDOG" in manager.hear()
    return g


@contextlib.contextmanager
def mail_that_hangs(faults, g):
    """Its body cannot be read back from its file, and the worker waits there until the faults end."""
    faults.order("pread", error=-1)
    with Client(g.port) as c:
        c.at_data()
        c.send(mails.big("hangs", 50_000) + b".\r\n")
        yield c


def test_a_worker_that_hangs_is_not_vouched_for(faults, guard, backend, folder, monkeypatch):
    """Its service manager hears no beat any more, and would start another server."""
    manager = Manager(folder, monkeypatch, watchdog_s=0.6)
    g = vouched_for(manager, guard(backend(), server={"workers": 2}, relay=IN_FILES), monkeypatch)
    with mail_that_hangs(faults, g) as c:
        wait.until(lambda: manager.hears_nothing(1.2), 10, "no more beats")
        faults.end()
        assert c.reply().code == 250
    manager.socket.settimeout(5 * wait.PATIENCE)
    assert manager.hear() == {"WATCHDOG": "1"}
    faults.end()


def test_a_worker_that_is_only_slow_is_vouched_for_in_time(faults, guard, backend, folder, monkeypatch):
    """It missed one look, of the two within the manager's patience: the next is not as far away as the first two."""
    manager = Manager(folder, monkeypatch, watchdog_s=8)
    g = vouched_for(manager, guard(backend(), server={"workers": 1}, relay=IN_FILES), monkeypatch)
    with mail_that_hangs(faults, g) as c:
        assert "WATCHDOG" in manager.hear()  # it has turned since the word before
        assert manager.hears_nothing(4.4)
        began = time.monotonic()
        faults.end()
        manager.socket.settimeout(10 * wait.PATIENCE)
        assert "WATCHDOG" in manager.hear() and time.monotonic() - began < 3
        assert c.reply().code == 250


@pytest.mark.parametrize("kind", [
    k for k in BUILT if k not in ("accept", "connect", "tls")])
def test_each_call_of_the_start_fails_once(faults, guard, backend, kind):
    """It runs, or it ends with code 1 and says why; it never crashes and never runs deaf. There is a state and a
    snapshot of before."""
    g = guard(backend(), start=False)
    # large pages are asked for large tables alone
    g.configure(server={"workers": 1}, score={"memory": "512M" if kind == "advise" else "1M"})
    g.start()
    mails.send(g.port, "before")
    g.stop()
    (g.folder / "journal").unlink(missing_ok=True)
    for n in range(STARTS_MAX):
        faults.order(kind, after=n)
        process = subprocess.Popen([guarded.program("SMTPGUARDD"), "-c", g.config], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env={**os.environ, **guarded.ENVIRONMENT})
        try:
            wait.until(lambda: process.poll() is not None or ports.listening(g.port), 20, "the server up or ended")
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            told = process.communicate(timeout=20 * wait.PATIENCE)[0]
        finally:
            process.kill()
        failed = faults.end()
        guarded.check_report(told)
        logged = g.told() + "".join(g.messages())
        assert process.returncode == 0 or (process.returncode == 1 and (told or logged)), (n, process.returncode, told)
        if not failed:
            break
        (g.folder / "journal").unlink(missing_ok=True)
    assert 0 < n < STARTS_MAX - 1, f"{n} calls of this kind were seen"
