"""A store that takes a mail for some recipients and not for others: nothing lost, nothing twice without a word."""
import collections
import random
import re
import threading
import time

import pytest

from harness import lmtp, mails, wait
from harness.client import Client, Closed

USERS = ["a", "b", "c", "d", "e"]


class Sender(threading.Thread):
    """Brings mails to random recipients until each is taken; at times it leaves without waiting for the reply."""

    def __init__(self, port, number, end):
        super().__init__(daemon=True)
        self.port, self.number, self.end = port, number, end
        self.rng = random.Random(number)
        self.accepted = {}  # mark: the recipients that it was told 250 for
        self.left = collections.Counter()  # mark: how often it left behind its dot without waiting for the reply

    def run(self):
        while not self.end.is_set():
            mark = mails.marker()
            wanted = self.rng.sample(USERS, self.rng.randrange(1, len(USERS) + 1)) + ["never"]
            self.one(mark, [f"{name}{self.number}@example.test" for name in wanted])

    def one(self, mark, wanted):
        content = mails.content(mark, self.rng.choice((3, 300, 8000)))
        while not self.end.is_set():
            try:
                taken = self.attempt(mark, content, wanted)
            except (OSError, Closed):
                taken = None
            if taken:
                self.accepted[mark] = taken
                return

    def attempt(self, mark, content, wanted):
        """The recipients that have it, as far as we are told; None: all are to be tried again."""
        with Client(self.port, f"127.31.{self.number}.1", timeout=20) as c:
            c.ehlo()
            if c.cmd("MAIL FROM:<sender@client.test>").code != 250:
                return None
            answers = {to: c.cmd(f"RCPT TO:<{to}>").code for to in wanted}
            if any(code // 100 == 4 for code in answers.values()):
                return None  # so that a retry is the same mail to the same recipients
            taken = [to for to, code in answers.items() if code == 250]
            if not taken or c.cmd("DATA").code != 354:
                return None
            if self.rng.random() < 0.1:
                self.left[mark] += 1
                c.send(content + b".\r\n")
                time.sleep(self.rng.random() * 0.01)
                return None
            return taken if c.body(content).code == 250 else None


def journal_text(g):
    """As text: a kill may have cut a line."""
    return (g.folder / "journal").read_text(errors="replace") + g.told()


def in_doubt(g):
    """The ids of mails that the journal or the log of a start says may come twice."""
    text = journal_text(g)
    doubtful = {m[1] for m in re.finditer(r'"event":"mail","id":"(\w+)"[^\n]*"doubtful"', text)}
    return doubtful | set(re.findall(r"mail (\w+): sent whole", text))


@pytest.mark.parametrize("kills", [0, 8])
def test_every_recipient_has_it_once(guard, kills):
    """Random recipients, faults behind the dot, clients that leave, and kill -9 of us: after the retries each
    accepted recipient has the mail, once, but where the journal says otherwise; none that was refused has it."""
    store = lmtp.Store(lmtp.unreliable(random.Random(5)))
    g = guard(store.url, relay={"identity": "none"})
    end = threading.Event()
    senders = [Sender(g.port, n, end) for n in range(4)]
    for s in senders:
        s.start()

    def accepted():
        return sum(len(s.accepted) for s in senders)
    for _ in range(kills):
        before = accepted()
        wait.until(lambda: accepted() >= before + 5, 60, "some mails")
        time.sleep(random.random() * 0.05)
        g.kill()
        g.start()
    before = accepted()
    wait.until(lambda: accepted() >= before + 40, 120, "mails after the last start")
    end.set()
    for s in senders:
        s.join(60)
    g.stop()
    store.stop()

    copies = collections.defaultdict(list)
    for mail in store.stored:
        copies[mail.mark, mail.recipient].append(mail.id)
    assert not [m for m in store.stored if m.recipient.startswith("never")], "a refused recipient has it"
    doubt = in_doubt(g)
    for s in senders:
        for mark, wanted in s.accepted.items():
            for to in wanted:
                ids = copies[mark, to]
                assert ids, f"{mark} was told 250 and {to} has it not"
                unexplained = [i for i in ids[:-1] if i not in doubt]
                # a reply given to a socket whose client has gone is not known to be lost, so it is not remembered
                assert len(unexplained) <= s.left[mark], f"{to} has {mark} {len(ids)} times, unexplained {unexplained}"
    assert "4.3.0 Delivered to some" in journal_text(g), "there was no partial delivery"
