"""Who was told what, and what is there: the two are compared when all is over."""
import collections
import re

# the mail's id, in the Received: that the server puts on top and in its journal
ID = re.compile(rb"\bid ([0-9A-HJKMNP-TV-Z]{8})\b")
MARK = re.compile(rb"^Subject: (mark-[0-9a-z-]+)\r$", re.M)
NAMED = re.compile(r"mail ([0-9A-HJKMNP-TV-Z]{8}): sent whole to")
UNHEARD = re.compile(r"mail ([0-9A-HJKMNP-TV-Z]{8}): the connection ended before its client had heard")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


class Ledger:
    def __init__(self):
        self.heard = {}                             # mark: the recipients of a mail whose 250 its client read
        self.copies = collections.defaultdict(list)  # (mark, recipient): the ids under which it came
        self.deferred = set()                       # the marks of mails that were told to come again, and will
        self.counts = collections.Counter()         # what clients and backends did and were told
        self.faults = []                            # what must never be seen

    def told_250(self, mark, recipients):
        if mark in self.heard:
            self.faults.append(f"{mark}: its client went on after a 250")
        self.heard[mark] = tuple(recipients)

    def taken(self, sender, recipients, body):
        """A backend has this mail for these recipients, whether or not anybody hears of it."""
        if BARE.search(body):
            self.faults.append(f"a bare CR, bare LF or NUL at the backend: {BARE.search(body)}")
        if "smuggled" in sender or any("unknown" in r for r in recipients):
            self.faults.append(f"a mail that nobody was told 250 for: {sender} -> {recipients}")
        mark, number = MARK.search(body), ID.search(body)
        if not mark or not number:
            self.faults.append(f"a mail without mark or id at the backend: {body[:200]!r}")
            return
        for recipient in recipients:
            self.copies[mark[1].decode(), recipient].append(number[1].decode())

    def judge(self, named):
        """Fills faults; named: the ids whose mails may be there twice."""
        doubles = 0
        for mark in self.deferred - set(self.heard):
            self.faults.append(f"{mark} was told to come again, and never passed")
        for mark, recipients in self.heard.items():
            for recipient in recipients:
                if (mark, recipient) not in self.copies:
                    self.faults.append(f"lost: {mark} was told 250 and {recipient} has it not")
        for (mark, recipient), ids in self.copies.items():
            doubles += len(ids) - 1
            if len([i for i in ids if i not in named]) > 1:
                self.faults.append(f"doubled without a word: {mark} for {recipient}, as {' '.join(ids)}")
            if recipient not in self.heard.get(mark, (recipient,)):
                self.faults.append(f"{mark} is there for {recipient}, which was not told 250")
        return doubles


def doubtful(records):
    """The ids that a journal names: at the end of the mail, or at the start after a crash."""
    named = {r["id"] for r in records if r.get("doubtful")}
    for record in records:
        if found := NAMED.search(record.get("msg", "")):
            named.add(found[1])
    return named


def answered_too_late(records):
    """The ids of mails whose 250 the client's kernel acknowledged, and whose client then reset its connection without
    another word: whether its program has read it is known to nobody. It is the last mail of a session, so one behind
    it clears it; and one whose 250 was not acknowledged is remembered, so it must not come twice."""
    cut = {r["session"] for r in records if r.get("event") == "session" and r.get("by") == "connection"}
    last = {r["session"]: r for r in records if r.get("event") == "mail" and r.get("session") in cut}
    remembered = {found[1] for r in records if (found := UNHEARD.search(r.get("msg", "")))}
    return {r["id"] for r in last.values() if r.get("verdict") == "accepted"} - remembered
