"""RCPT is asked of the backend before the body: passed on word for word, cached where it may be, merged, bounded."""
import re
import threading

import pytest

from harness import mails, wait
from harness.client import Client

UNKNOWN = "550 5.1.1 no such user here"


def ask(port, rcpt, source="127.0.0.1", sender="sender@client.test"):
    """The reply to one RCPT."""
    with Client(port, source) as c:
        c.ehlo()
        reply = c.envelope(sender=sender, rcpts=[rcpt])
        c.cmd("QUIT")
        return reply


def test_postfix_text_passes(guard, postfix):
    reply = ask(guard(postfix.inner).port, "nobody@example.test")
    assert reply.lines == ["550 5.1.1 <nobody@example.test>: Recipient address rejected: "
                           "User unknown in virtual mailbox table"]


def test_a_bad_recipient_is_asked_once(guard, backend):
    b = backend({"RCPT": UNKNOWN})
    g = guard(b)
    for n in range(5):
        assert ask(g.port, "nobody@example.test", f"127.0.0.{n + 1}").lines == [UNKNOWN]
    assert len(b.lines("RCPT")) == 1


def test_a_good_recipient_is_asked_once_and_again_at_the_delivery(guard, backend):
    b = backend()
    g = guard(b)
    for n in range(5):
        assert ask(g.port, "good@example.test", f"127.0.0.{n + 1}").code == 250
    assert len(b.lines("RCPT")) == 1
    mails.send(g.port, "x")
    assert len(b.lines("RCPT")) == 2 and b.one_mail().recipients == ["good@example.test"]


def test_the_cache_ends(guard, backend):
    b = backend({"RCPT": UNKNOWN})
    g = guard(b, relay={"recipient_bad_for": "1s"})
    ask(g.port, "nobody@example.test")
    b.script.clear()
    wait.until(lambda: ask(g.port, "nobody@example.test").code == 250, 10, "the new answer", pause=0.2)
    assert len(b.lines("RCPT")) == 2


def test_forget_ends_it_at_once(guard, backend):
    b = backend({"RCPT": UNKNOWN})
    g = guard(b)
    ask(g.port, "nobody@example.test")
    b.script.clear()
    assert ask(g.port, "nobody@example.test").code == 550
    done = g.ctl("forget", "nobody@example.test")
    assert done.returncode == 0, done
    assert ask(g.port, "nobody@example.test").code == 250
    assert g.ctl("forget", "never-seen@example.test").returncode == 1


def test_what_speaks_about_the_client_is_never_cached(guard, backend):
    """4xx, policy refusals, and 5xx without an enhanced code that is not in relay.unknown_user."""
    for refusal in ("450 4.2.1 busy", "451 4.7.1 greylisted", "554 5.7.1 you are listed", "550 5.7.1 you are listed",
                    "553 5.1.8 your sender", "554 plain", "552 5.2.2 full"):
        b = backend({"RCPT": refusal})
        g = guard(b)
        for n in range(2):
            assert ask(g.port, "some@example.test", f"127.0.0.{n + 1}").lines == [refusal]
        assert len(b.lines("RCPT")) == 2, refusal


def test_what_speaks_about_the_recipient_is_cached(guard, backend):
    for code in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "plain"):
        refusal = f"550 {code} gone"
        b = backend({"RCPT": refusal})
        g = guard(b)
        for n in range(2):
            assert ask(g.port, "some@example.test", f"127.0.0.{n + 1}").lines == [refusal]
        assert len(b.lines("RCPT")) == 1, refusal


def test_a_probe_has_the_clients_identity_and_sender(guard, backend):
    b = backend({"RCPT": "554 5.7.1 no"})
    g = guard(b)
    ask(g.port, "some@example.test", "127.3.2.1", sender="who@client.test")
    assert b.lines("MAIL") and all("<who@client.test>" in line for line in b.lines("MAIL"))
    assert any("ADDR=127.3.2.1" in line for line in b.lines("XCLIENT"))


def test_questions_for_one_recipient_are_merged(guard, backend):
    b = backend({"RCPT": lambda c, line: [0.4, "250 2.1.5 Ok"]})
    g = guard(b, server={"workers": 1})
    replies = []

    def one(n):
        replies.append(ask(g.port, "same@example.test", f"127.0.1.{n + 1}").code)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert replies == [250] * 12
    assert len(b.lines("RCPT")) == 1


def test_merged_questions_do_not_share_a_refusal_of_one_client(guard, backend):
    """Each of those who waited asks for itself when the answer was about the client."""
    def by_client(connection, line):
        if connection.identity.get("ADDR") == "127.0.1.1":
            return [0.4, "554 5.7.1 you are listed"]
        return [0.1, "250 2.1.5 Ok"]
    b = backend({"RCPT": by_client})
    g = guard(b, server={"workers": 1})
    replies = {}

    def one(n):
        replies[n] = ask(g.port, "same@example.test", f"127.0.1.{n}").code

    first = threading.Thread(target=one, args=(1,))
    first.start()
    wait.until(lambda: b.lines("RCPT"), 10, "the first question")
    others = [threading.Thread(target=one, args=(n,)) for n in range(2, 6)]
    for t in others:
        t.start()
    for t in [first, *others]:
        t.join()
    assert replies == {1: 554, 2: 250, 3: 250, 4: 250, 5: 250}


def test_a_connection_retires_before_the_backend_gets_angry(guard, backend):
    """After 8 refusals Postfix is near its soft error limit: none of our connections goes beyond."""
    b = backend({"RCPT": UNKNOWN})
    g = guard(b)
    for session in range(6):
        with Client(g.port) as c:
            c.ehlo()
            c.cmd("MAIL FROM:<a@client.test>")
            for n in range(10):
                assert c.cmd(f"RCPT TO:<nobody{session}{n}@example.test>").code == 550
    assert len(b.lines("RCPT")) == 60
    assert max(c.counts.get("RCPT", 0) for c in b.connections) <= 8
    assert len(b.connections) >= 8


def test_probes_leave_connections_for_deliveries(guard, backend):
    """With every probe stuck, at most a quarter of the connections are taken; deliveries pass."""
    stuck = threading.Event()

    def hang(connection, line):
        if "stuck" in line:
            stuck.wait(20)
        return None
    b = backend({"RCPT": hang})
    g = guard(b, relay={"connections": 8})
    assert ask(g.port, "good@example.test").code == 250
    threads = [threading.Thread(target=ask, args=(g.port, f"stuck{n}@example.test", f"127.0.2.{n + 1}"))
               for n in range(12)]
    try:
        for t in threads:
            t.start()
        wait.until(lambda: [l for l in b.lines("RCPT") if "stuck" in l], 10, "a stuck question")
        assert mails.send(g.port, "passes").code == 250
        assert len([l for l in b.lines("RCPT") if "stuck" in l]) <= 2
    finally:
        stuck.set()
        for t in threads:
            t.join()


def test_a_refusal_that_came_late_drops_the_cached_ok(guard, backend):
    """The RCPT of the delivery is the final word."""
    b = backend()
    g = guard(b)
    assert ask(g.port, "two@example.test").code == 250
    b.script["RCPT"] = UNKNOWN
    b.script["DATA"] = "554 5.5.1 no valid recipients"
    with Client(g.port) as c:
        c.at_data(rcpts=["two@example.test"])
        assert c.body(b"x\r\n").code in (550, 451, 450)
    assert ask(g.port, "two@example.test").lines == [UNKNOWN]


def test_recipients_by_list(guard, backend, folder):
    """relay.recipients can be a list of the administrator's, asked before the backend is."""
    (folder / "users.list").write_text("good@example.test\n")
    b = backend()
    g = guard(b, relay={"recipients": ["list:users"]}, lists={"users": str(folder / "users.list")})
    assert ask(g.port, "good@example.test").code == 250
    reply = ask(g.port, "bad@example.test")
    assert (reply.code, reply.enhanced) == (550, "5.1.1")
    assert not b.lines("RCPT")


def test_a_mailbox_that_is_too_full_for_this_mail(guard, backend):
    """As by Dovecot's quota behind Postfix, which compares the SIZE of MAIL. What is known of it from smaller mails is
    of no use: the retry is asked for with the size, and the others get their mail."""
    def quota(connection, line):
        said = next(l for l in reversed(connection.lines) if l.startswith("MAIL"))
        size = re.search(r" SIZE=(\d+)", said if "<full@" in line else "")
        return "552 5.2.2 Mailbox is full" if size and int(size[1]) > 5000 else None
    b = backend({"RCPT": quota})
    g = guard(b)
    both, content = ["good@example.test", "full@example.test"], mails.content("large", 500)
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail(mails.content("small"), rcpts=both).code == 250
        assert c.mail(content, rcpts=both).code == 451
        assert c.cmd(f"MAIL FROM:<a@client.test> SIZE={len(content)}").code == 250
        assert c.cmd(f"RCPT TO:<{both[0]}>").code == 250
        assert c.cmd(f"RCPT TO:<{both[1]}>").lines == ["552 5.2.2 Mailbox is full"]
        assert c.cmd("DATA").code == 354
        assert c.body(content).code == 250
    assert [m.recipients for m in b.mails] == [both, both[:1]]


@pytest.mark.parametrize("behind", [[], ["backend"]])
def test_a_delivery_that_contradicts_a_list(guard, backend, folder, behind):
    """The list has a user whom the backend has no more: the retry hears so at RCPT, and the others get their mail."""
    (folder / "users.list").write_text("good@example.test\nformer@example.test\n")
    b = backend({"RCPT": lambda _, line: UNKNOWN if "<former@" in line else None})
    g = guard(b, relay={"recipients": ["list:users", *behind]}, lists={"users": str(folder / "users.list")})
    both = ["good@example.test", "former@example.test"]
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail(mails.content("first"), rcpts=both).code == 451
    assert not b.mails
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<a@client.test>").code == 250
        assert [c.cmd(f"RCPT TO:<{to}>").lines[0][:3] for to in both] == ["250", "550"]
        assert c.cmd("DATA").code == 354
        assert c.body(mails.content("second")).code == 250
    assert b.one_mail().recipients == both[:1]
