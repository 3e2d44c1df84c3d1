"""A verdict that could not be bad would be none: each one is made to fail once."""
import pathlib
import random
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import sender  # noqa: E402
import verdict  # noqa: E402
from ledger import Ledger  # noqa: E402

SECONDS = 1200


def mail(number, recipients=("a@example.test",)):
    m = sender.Mail(random.Random(number), "s@ip.test", recipients, 100)
    m.mark = f"mark-{number}"
    return m


def body(number, name, text=b"text"):
    return b"Received: by x id %s\r\nSubject: mark-%d\r\n\r\n%s\r\n.\r\n" % (name.encode(), number, text)


def journal():
    """A log in which all was seen that must be."""
    told = [{"event": "mail", "spf": word, "by": by, "listener": listener, "verdict": "accepted",
             "rules": [f"{rule}:1" for rule in verdict.RULES]}
            for word in verdict.SPF for by in verdict.BY for listener in ("mx", "proxied")]
    return told + [{"msg": "DNS list x.test is out of play: it says so"}, {"msg": "DNS list x.test answers well again"}]


@pytest.fixture
def evidence():
    """Of a soak that went well, with one mail."""
    ledger = Ledger()
    ledger.counts.update(verdict.DONE)
    ledger.told_250("mark-1", ("a@example.test",))
    ledger.taken("s@ip.test", ["a@example.test"], body(1, "AAAAAAA1"))
    samples = [(second, 40_000 if second < SECONDS / 3 else 50_000, 30) for second in range(SECONDS)]
    dns = {"open": 0, **dict.fromkeys(("asked", "queries", *verdict.LOOKUPS), 1)}
    stats = {"log_dropped": 0, "dns": dns}
    return verdict.Evidence(SECONDS, True, samples, (18, 18), stats, journal(), 0, [], ledger)


def faults(e):
    code = verdict.report(e)
    assert code == bool(e.ledger.faults)
    return e.ledger.faults


def only(found, text):
    assert len(found) == 1 and text in found[0], found


def test_what_went_well(evidence):
    assert not faults(evidence)


def test_memory_that_grows(evidence):
    evidence.samples = [(at, kb + 2600 * (at > SECONDS * 0.8), fds) for at, kb, fds in evidence.samples]
    only(faults(evidence), "resident memory grew from 48.8 to 51.4 MB")


@pytest.mark.parametrize("change", [{"judged": False}, {"seconds": 60}])
def test_memory_that_says_nothing(evidence, change):
    evidence.samples = [(at, at * 100 + 1, fds) for at, _, fds in evidence.samples]
    for name, value in change.items():
        setattr(evidence, name, value)
    assert not faults(evidence)


def test_descriptors_that_stay_open(evidence):
    evidence.descriptors = (18, 21)
    only(faults(evidence), "21 descriptors at the end, 18 at the beginning")


@pytest.mark.parametrize("where, name", [(None, "log_dropped"), ("dns", "open")])
def test_what_is_left_or_lost_in_the_server(evidence, where, name):
    (evidence.stats[where] if where else evidence.stats)[name] = 3
    only(faults(evidence), "3 ")


def test_a_lost_mail(evidence):
    evidence.ledger.told_250("mark-2", ("a@example.test", "b@example.test"))
    evidence.ledger.taken("s@ip.test", ["a@example.test"], body(2, "AAAAAAA2"))
    only(faults(evidence), "lost: mark-2 was told 250 and b@example.test has it not")


def test_a_mail_that_came_twice(evidence):
    evidence.ledger.taken("s@ip.test", ["a@example.test"], body(1, "AAAAAAA2"))
    only(faults(evidence), "doubled without a word: mark-1 for a@example.test, as AAAAAAA1 AAAAAAA2")


def test_a_mail_that_came_twice_and_is_named(evidence):
    evidence.ledger.taken("s@ip.test", ["a@example.test"], body(1, "AAAAAAA2"))
    evidence.records[0] |= {"id": "AAAAAAA1", "doubtful": True}
    assert not faults(evidence)


def test_a_mail_that_never_passed(evidence):
    evidence.ledger.deferred |= {"mark-1", "mark-5"}
    only(faults(evidence), "mark-5 was told to come again, and never passed")


def test_a_mail_that_was_refused(evidence):
    evidence.refused = ["mark-7"]
    only(faults(evidence), "1 good mails were refused for good: ['mark-7']")


@pytest.mark.parametrize("text", [b"a\nb", b"a\rb", b"a\0b"])
def test_a_bare_line_end_at_the_backend(evidence, text):
    evidence.ledger.taken("s@ip.test", ["a@example.test"], body(9, "AAAAAAA9", text))
    only(faults(evidence), "a bare CR, bare LF or NUL at the backend")


def test_a_smuggled_mail(evidence):
    evidence.ledger.taken("smuggled@client.test", ["a@example.test"], body(9, "AAAAAAA9"))
    only(faults(evidence), "a mail that nobody was told 250 for")


def test_a_name_server_of_ours_that_died(evidence):
    evidence.deaf = 1
    only(faults(evidence), "1 name servers of our own died")


@pytest.mark.parametrize("word", verdict.DONE)
def test_what_was_never_done(evidence, word):
    evidence.ledger.counts[word] = 0
    only(faults(evidence), "never seen: " + word)


def without(evidence, field, word):
    for record in evidence.records:
        if isinstance(value := record.get(field), list):
            record[field] = [rule for rule in value if rule != word + ":1"]
        elif value == word:
            record[field] = "another"


def test_a_short_one_need_not_have_seen_all(evidence):
    evidence.seconds, evidence.records = 15, []
    assert not faults(evidence)


@pytest.mark.parametrize("field, word", [*(("spf", w) for w in verdict.SPF), *(("by", w) for w in verdict.BY),
                                         *(("rules", w) for w in verdict.RULES), ("listener", "proxied")])
def test_what_never_happened(evidence, field, word):
    without(evidence, field, word)
    only(faults(evidence), word)


@pytest.mark.parametrize("word, what", [("out of play", "out of play"), ("answers well again", "back in play")])
def test_lists_that_never_failed_or_came_back(evidence, word, what):
    evidence.records = [r for r in evidence.records if word not in r.get("msg", "")]
    only(faults(evidence), "never seen: a DNS list " + what)


@pytest.mark.parametrize("name", verdict.LOOKUPS)
def test_lookups_that_were_never_made(evidence, name):
    evidence.stats["dns"][name] = 0
    only(faults(evidence), "never seen: dns " + name)
