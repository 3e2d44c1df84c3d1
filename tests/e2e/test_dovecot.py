"""A real Dovecot behind LMTP: TCP and Unix socket, unknown users, and one mailbox that has no room."""
import pytest

from harness import mails
from harness.client import Client
from harness.dovecot import dovecot  # noqa: F401  a fixture

RELAY = {"identity": "none"}


def brings(g, mark, *names):
    """The replies to each recipient and to the mail."""
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<sender@client.test>").code == 250
        said = [c.cmd(f"RCPT TO:<{name}@example.test>") for name in names]
        if not any(r.code == 250 for r in said) or c.cmd("DATA").code != 354:
            return said, None
        return said, c.body(mails.content(mark))


@pytest.mark.parametrize("way", [0, 1])
def test_mail_and_unknown_users(guard, dovecot, way):  # noqa: F811
    g = guard(dovecot.urls[way], relay=RELAY)
    said, reply = brings(g, mails.marker(), "good", "nobody", "other")
    assert [r.code for r in said] == [250, 550, 250]
    assert said[1].enhanced == "5.1.1"
    assert reply.code == 250
    for name in ("good", "other"):
        (text,) = dovecot.mails(name)
        assert b"by mx.example.test" in text
    # many mails share few connections
    for _ in range(20):
        assert brings(g, mails.marker(), "third")[1].code == 250
    assert len(dovecot.mails("third")) == 20


def test_one_without_room(guard, dovecot):  # noqa: F811
    """Dovecot tells it behind the dot: the others have the mail, once, however often it is brought."""
    g = guard(dovecot.urls[0], relay=RELAY)
    mark = mails.marker()
    _, reply = brings(g, mark, "good", "full", "other")
    assert reply.code == 451 and "some recipients" in reply.text
    for again in range(2):
        if again:
            g.kill()
            g.start()
        _, reply = brings(g, mark, "good", "full", "other")
        assert reply.code in (452, 552), reply
    assert len(dovecot.mails("good")) == len(dovecot.mails("other")) == 1
    assert not dovecot.mails("full")
