"""How the backend learns the client, and that no form of it opens a relay."""
import re

import pytest

from harness import mails
from harness.client import Client

DOMAINS = ["example.test", "second.test"]


def attempt(g, rcpt, source="127.0.0.1"):
    """The reply to one recipient."""
    with Client(g.port, source) as c:
        c.ehlo()
        return c.envelope(rcpts=[rcpt])


def test_xclient_tells_all_that_was_offered(guard, backend):
    b = backend(extensions=["PIPELINING", "XCLIENT NAME ADDR PORT HELO PROTO"])
    g = guard(b)
    with Client(g.port, source="127.5.6.7") as c:
        c.ehlo("told.test")
        assert c.mail().code == 250
        port = c.port
    client = b.one_mail().client
    assert client["ADDR"] == "127.5.6.7" and client["HELO"] == "told.test" and client["PROTO"] == "ESMTP"
    assert client["NAME"] == "[UNAVAILABLE]"
    assert client.get("PORT", str(port)) == str(port)


def test_xclient_sends_only_what_was_announced(guard, backend):
    b = backend(extensions=["PIPELINING", "XCLIENT ADDR"])
    assert mails.send(guard(b).port, "x", source="127.5.6.7").code == 250
    for line in b.lines("XCLIENT"):
        assert re.fullmatch(r"XCLIENT ADDR=\S+", line)


def test_xclient_250_is_as_good_as_220(guard, backend):
    b = backend({"XCLIENT": "250 2.0.0 Ok"})
    assert mails.send(guard(b).port, "x").code == 250


@pytest.mark.parametrize("identity", ["xforward", "none"])
def test_each_mail_has_its_client(guard, backend, identity):
    """xforward: told for each mail over one connection; none: not told, and no XCLIENT either."""
    b = backend()
    g = guard(b, relay={"identity": identity, "connections": 1}, server={"workers": 1})
    for n in range(5):
        assert mails.send(g.port, "x", source=f"127.5.5.{n + 1}").code == 250
    assert not b.lines("XCLIENT")
    if identity == "none":
        assert not b.lines("XFORWARD")
    else:
        assert [m.client["ADDR"] for m in b.mails] == [f"127.5.5.{n + 1}" for n in range(5)]
    assert len(b.connections) == 1


def test_xforward_is_asked_of_a_backend_that_offers_it(guard, backend):
    """Without XFORWARD there is no way to tell: the mail is not passed nameless in silence."""
    b = backend(extensions=["PIPELINING", "8BITMIME"])
    g = guard(b, relay={"identity": "xforward"})
    reply = mails.send(g.port, "x")
    assert reply.code == 451 or g.said("XFORWARD")


@pytest.mark.parametrize("identity", ["xforward", "none", "xclient"])
def test_no_open_relay(guard, backend, identity):
    """A recipient that is not ours: refused by us, unless the client may relay."""
    b = backend()
    g = guard(b, relay={"identity": identity, "domains": DOMAINS, "clients": ["127.60.0.0/16"]})
    for rcpt in ("x@elsewhere.test", "x@sub.example.test", "x@example.test.elsewhere.test",
                 '"x@example.test"@elsewhere.test', "x%elsewhere.test@elsewhere.test",
                 "@example.test:x@elsewhere.test", "x@[127.0.0.1]"):
        reply = attempt(g, rcpt)
        assert (reply.code, reply.enhanced) == (550, "5.7.1"), (rcpt, reply)
    assert not b.lines("RCPT")
    assert attempt(g, "x@elsewhere.test", source="127.60.1.1").code == 250
    assert attempt(g, "x@second.test").code == 250
    assert attempt(g, "x@SECOND.Test").code == 250


def test_postmaster_without_a_domain(guard, backend):
    """RFC 5321 4.5.1: it must be taken, or at least passed on as the backend says."""
    b = backend()
    g = guard(b, relay={"identity": "none", "domains": DOMAINS})
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<a@client.test>").code == 250
        assert c.cmd("RCPT TO:<Postmaster>").code == 250


def test_no_domains_means_the_backend_decides(guard, postfix):
    g = guard(postfix.inner, relay={"domains": []})
    reply = attempt(g, "x@elsewhere.test", source="127.9.9.9")
    assert reply.code == 554 and "Relay access denied" in reply.text


def test_the_backends_own_networks_stay_closed(guard, postfix):
    """Postfix trusts 127.0.0.1, and it is us who connect from there: with XCLIENT that gives a client nothing."""
    g = guard(postfix.inner, relay={"domains": []})
    for source, code in (("127.9.9.8", 554), ("127.9.9.7", 554)):
        assert attempt(g, "x@elsewhere.test", source=source).code == code
