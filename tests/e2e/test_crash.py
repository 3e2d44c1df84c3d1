"""kill -9 in the middle of everything: what was answered 250 is there, and nothing is twice without a reason."""
import collections
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from harness import mails, ports, wait
from harness.backend import SILENCE
from harness.client import Client, Closed, stuffed
from harness.guard import program


class Sender(threading.Thread):
    """A client that sends mail after mail and, as RFC 5321 wants, tries again until it gets a 250."""

    def __init__(self, port, number, end):
        super().__init__(daemon=True)
        self.port, self.number, self.end = port, number, end
        # unsure: a dot may have gone out and no true reply came back
        self.accepted, self.attempts, self.unsure = set(), collections.Counter(), set()

    def run(self):
        while not self.end.is_set():
            self.one(mails.marker())

    def one(self, mark):
        size = random.choice((200, 3000, 100_000))
        content = mails.content(mark, size // 20)
        while not self.end.is_set():
            try:
                if self.attempt(mark, content):
                    self.accepted.add(mark)
                    return
            except (OSError, Closed):
                time.sleep(0.01)  # what makes it fail needs the processor

    def attempt(self, mark, content):
        with Client(self.port, f"127.30.{self.number}.1", timeout=10) as c:
            c.ehlo()
            # one recipient that is deferred defers the mail: it is the same mail for both or none
            steps = ("MAIL FROM:<sender@client.test>", "RCPT TO:<good@example.test>", "RCPT TO:<other@example.test>")
            if any(c.cmd(step).code != 250 for step in steps) or c.cmd("DATA").code != 354:
                return False
            self.attempts[mark] += 1
            try:
                reply = c.body(content)
            except (OSError, Closed):
                self.unsure.add(mark)
                raise
            if reply.enhanced == "4.4.2":
                self.unsure.add(mark)
            return reply.code == 250


def run_load(port, disturb, senders=4):
    """Senders at work while disturb() does its worst; what they know at the end."""
    end = threading.Event()
    working = [Sender(port, n, end) for n in range(senders)]
    for s in working:
        s.start()
    try:
        disturb(lambda: sum(len(s.accepted) for s in working))
        wait.until(lambda: all(s.accepted for s in working), 60, "a mail of each sender")
    finally:
        end.set()
        for s in working:
            s.join(60)
    return working


def judge(senders, mails_found):
    """Nothing lost, nothing doubled but where a dot went out and no reply came."""
    counted = collections.Counter(m.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in mails_found)
    for m in mails_found:
        assert m.recipients == ["good@example.test", "other@example.test"]
    for s in senders:
        assert s.accepted
        assert not [mark for mark in s.accepted if counted[mark] == 0], "answered 250 and lost"
        assert not [mark for mark in s.attempts if counted[mark] > 1 and mark not in s.unsure], "doubled for no reason"
        assert not [mark for mark in s.attempts if counted[mark] > s.attempts[mark]], "more often than it was sent"
    return counted


def test_kill_the_server(guard, postfix):
    """Each time in the middle of deliveries; a new one starts on the same files."""
    g = guard(postfix.inner)

    def disturb(accepted):
        for _ in range(6):
            before = accepted()
            wait.until(lambda: accepted() >= before + 8, 30, "some mails")
            threading.Event().wait(random.random() * 0.05)
            g.kill()
            g.start()
        before = accepted()
        wait.until(lambda: accepted() >= before + 8, 30, "mails after the last start")

    judge(run_load(g.port, disturb), postfix.mails())


def killed_in_doubt(guard, b):
    """A server that was killed while its dot was out and not answered."""
    g = guard(b)
    with Client(g.port) as c:
        c.at_data()
        c.send(stuffed(mails.content("doubt")))
        wait.until(lambda: b.taken, 10, "the mail at the backend")
        g.kill()
    return g


def test_a_doubt_survives_a_start_that_is_killed(guard, backend):
    """Its name is in the log before the note of it is made anew: a start that lives for a moment only loses neither."""
    g = killed_in_doubt(guard, backend({"dot": SILENCE}))
    notes = g.folder / "relay.state.out"
    before = notes.stat().st_ino
    short = subprocess.Popen([program("SMTPGUARDD"), "-c", g.config], stdin=subprocess.DEVNULL)
    wait.until(lambda: notes.stat().st_ino != before, 20, "notes made anew", pause=0)
    short.kill()
    short.wait()
    g.start()
    assert any("sent whole to" in m for m in g.messages()), g.messages()


@pytest.mark.parametrize("damage", [b"\xff" * 3000, b"a line\n" * 500], ids=["ones", "text"])
def test_damaged_notes_are_not_believed(guard, backend, damage):
    """They are told once, and a whole one among them is still named."""
    b = backend({"dot": SILENCE})
    g = killed_in_doubt(guard, b)
    notes = g.folder / "relay.state.out"
    whole = notes.read_bytes()
    size = 128
    used = next(at for at in range(0, len(whole), size) if any(whole[at:at + 8]))
    notes.write_bytes(damage[:len(damage) // size * size] + whole[used:used + size] + damage)
    g.start()
    told = [m for m in g.messages() if "sent whole to" in m]
    assert len(told) == 1 and f"smtp://127.0.0.1:{b.port}" in told[0], told
    assert len([m for m in g.messages() if "damaged and left out" in m]) == 1


def kill_all(postfix):
    """Also those that were born while the others were looked up. Returns whom it found."""
    found = postfix.processes()
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return found


def test_kill_the_backend(guard, own_postfix):
    """Postfix dies with all its processes, mid-mail, and comes back; the server lives on."""
    g = guard(own_postfix.inner)

    def disturb(accepted):
        for _ in range(3):
            before = accepted()
            wait.until(lambda: accepted() >= before + 8, 30, "some mails")
            threading.Event().wait(random.random() * 0.05)
            wait.until(lambda: not kill_all(own_postfix) and not ports.listening(own_postfix.inner), 10, "its end")
            own_postfix.start()
        before = accepted()
        wait.until(lambda: accepted() >= before + 8, 60, "mails after the last start")

    counted = judge(run_load(g.port, disturb), own_postfix.mails())
    # with a living server in front, each double is told in the journal as a dot without a reply
    doubles = sum(n - 1 for n in counted.values())
    wait.until(lambda: len([r for r in g.journal("mail") if "4.4.2" in str(r.get("reply"))]) >= doubles, 10,
               f"{doubles} doubles told")


def test_connections_cut_anywhere(guard, backend):
    """A backend whose connections die at random moments: mails told 250 were taken, and taken once each time."""
    rng = random.Random(3)

    def sometimes(stage):
        return lambda c, line: "(close)" if rng.random() < 0.08 else None
    b = backend({stage: sometimes(stage) for stage in ("greeting", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "dot")})
    g = guard(b)

    def disturb(accepted):
        wait.until(lambda: accepted() >= 60, 60, "60 mails")

    senders = run_load(g.port, disturb)
    subject = collections.Counter(m.body.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in b.taken)
    told = collections.Counter(m.body.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in b.mails)
    for s in senders:
        for mark in s.accepted:
            assert told[mark] == 1, f"{mark} was told 250 and is there {told[mark]} times"
            # each further time it was taken, the dot had gone out and the connection was cut
            assert subject[mark] <= s.attempts[mark]


def test_a_killed_server_leaves_no_body_behind(guard, backend):
    """Bodies lie in unlinked files: after a crash there is nothing to clean."""
    b = backend()
    g = guard(b, relay={"memory_per_message": "4k"})
    with Client(g.port) as c:
        c.at_data()
        for _ in range(200):
            c.send(b"secret" * 150 + b"\r\n")
        g.kill()
    for path in g.folder.iterdir():
        if path.is_file():
            assert b"secretsecret" not in path.read_bytes(), path
    g.start()
    assert mails.send(g.port, "x").code == 250


@pytest.mark.parametrize("state", [b"", b"\xff" * 500, b"\0" * 5000, b"a line\n" * 100],
                         ids=["empty", "ones", "zeros", "text"])
def test_a_torn_state_file_is_no_reason_to_stay_down(guard, backend, state):
    """relay.state cut or overwritten by a crash: the server starts and works."""
    b = backend()
    g = guard(b, start=False)
    (g.folder / "relay.state").write_bytes(state)
    g.start()
    assert mails.send(g.port, "x").code == 250
    g.stop()
    g.start()
    assert mails.send(g.port, "x").code == 250
    assert len(b.mails) == 2
