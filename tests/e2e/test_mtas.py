"""Other mail servers than Postfix behind us: a real Exim, a real OpenSMTPD, and one that speaks like qmail.

None of them knows XCLIENT. Exim's refusals have no enhanced code, OpenSMTPD has no PIPELINING and ends a session's
mails at 100, qmail has neither extension nor enhanced code.
"""
import pathlib
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import mails, unpacked, wait
from harness.client import Client, stuffed
from harness.exim import Exim
from harness.opensmtpd import OpenSMTPD
from harness.qmail import Qmail

RELAY = {"identity": "none"}
SERVERS = {"exim": Exim, "opensmtpd": OpenSMTPD}


def run(name, **options):
    unpacked.require(SERVERS[name].package)
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"smtpguard-{name}-"))
    try:
        server = SERVERS[name](path, **options)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def exim():
    yield from run("exim")


@pytest.fixture(scope="module")
def opensmtpd():
    yield from run("opensmtpd")


@pytest.fixture(params=SERVERS)
def mta(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def qmail():
    servers = []

    def make(**options):
        servers.append(Qmail(**options))
        return servers[-1]

    yield make
    for one in servers:
        one.stop()
        assert not one.offences


def front(guard, port, **relay):
    """A server before that port, once it knows what is behind it."""
    g = guard(port, relay={**RELAY, **relay})
    wait.until(lambda: g.ctl_json("backend")["backends"][0]["state"] == "up", 20, "the backend is up")
    return g


def brings(g, content, *rcpts, options=""):
    """The replies to each recipient and to the mail."""
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<sender@client.test>" + options).code == 250
        said = [c.cmd(f"RCPT TO:<{name}@example.test>") for name in rcpts]
        assert c.cmd("DATA").code == 354
        return said, c.body(content)


def got(mta, user, mark):
    """The one mail of user with this mark, as it lies there, its lines ending as on the wire."""
    def found():
        return [m for m in mta.mails(user) if mark.encode() in m]
    one, = wait.until(found, 20, f"a mail of {user}")
    return one.replace(b"\n", b"\r\n")


# ---- each of the real ones ----

def test_some_of_several_recipients(guard, mta):
    g, mark = front(guard, mta.plain), mails.marker()
    said, reply = brings(g, mails.content(mark), "good", "nobody", "other", "third")
    assert [r.code // 100 for r in said] == [2, 5, 2, 2]
    assert reply.code == 250
    for user in ("good", "other", "third"):
        mail = got(mta, user, mark)
        assert mail.endswith(mails.content(mark).split(b"\r\n\r\n")[1])
        assert b"by mx.example.test" in mail


def test_many_mails_share_few_connections(guard, mta):
    connections = mta.connections()
    g = front(guard, mta.plain)
    before = len(mta.mails("two"))
    for _ in range(30):
        assert brings(g, mails.content(mails.marker()), "two")[1].code == 250
    assert len(mta.delivered("two", before + 30)) == before + 30
    # each of the two workers has its own, and worker 0 the first of all
    assert mta.connections() - connections <= 4


def test_a_refused_sender(guard, mta):
    g = front(guard, mta.plain)
    reply = mails.send(g.port, mails.marker(), sender="refused@client.test")
    assert reply.code // 100 == 5


def test_a_large_mail_comes_whole(guard, mta):
    g, mark = front(guard, mta.plain), mails.marker()
    content = mails.big(mark, 3_000_000)
    assert brings(g, content, "good", options=f" SIZE={len(content)}")[1].code == 250
    assert got(mta, "good", mark).split(b"\r\n\r\n", 1)[1] == content.split(b"\r\n\r\n", 1)[1]


def test_chunks_become_what_it_takes(guard, mta):
    g, mark = front(guard, mta.plain), mails.marker()
    content = mails.content(mark, 0) + b".a dot\r\n.\r\nbehind it\r\n"
    with Client(g.port) as c:
        assert "CHUNKING" in c.ehlo()
        assert c.envelope().code == 250
        c.send(b"BDAT 30\r\n" + content[:30] + f"BDAT {len(content) - 30} LAST\r\n".encode() + content[30:])
        assert [c.reply().code, c.reply().code] == [250, 250]
    assert got(mta, "good", mark).endswith(b"\r\n\r\n.a dot\r\n.\r\nbehind it\r\n")


def test_more_than_its_size(guard, mta):
    g = front(guard, mta.plain)
    with Client(g.port) as c:
        assert c.ehlo()["SIZE"] == "SIZE 20971520"
        assert c.cmd("MAIL FROM:<sender@client.test> SIZE=30000000").code == 552


def test_dsn_is_carried(guard, mta):
    g, mark = front(guard, mta.plain), mails.marker()
    with Client(g.port) as c:
        assert "DSN" in c.ehlo()
        assert c.cmd("MAIL FROM:<sender@client.test> RET=HDRS ENVID=x1").code == 250
        assert c.cmd("RCPT TO:<good@example.test> NOTIFY=NEVER ORCPT=rfc822;g@x.test").code == 250
        assert c.cmd("DATA").code == 354
        assert c.body(mails.content(mark)).code == 250
    assert got(mta, "good", mark)


def test_questions_beyond_its_patience(guard, mta):
    """Each ends a connection after some questions without a mail in its own way: none may be felt."""
    g = front(guard, mta.plain, recipient_bad_for="1s")
    for n in range(60):
        with Client(g.port) as c:
            c.ehlo()
            c.cmd("MAIL FROM:<sender@client.test>")
            said = [c.cmd(f"RCPT TO:<{name}@example.test>").code // 100 for name in (f"no{n}a", f"no{n}b", "good")]
            assert said == [5, 5, 2], n


# ---- Exim ----

def test_exim_has_smtputf8(guard, exim):
    g, mark = front(guard, exim.plain), mails.marker()
    content = f"Subject: {mark} – grüße\r\n\r\nhallo\r\n".encode()
    with Client(g.port) as c:
        offered = c.ehlo()
        assert "SMTPUTF8" in offered and "8BITMIME" in offered
        assert not {"PRDR", "PIPECONNECT"} & set(offered)
        assert c.mail(content, sender="žofie@client.test", options=" SMTPUTF8 BODY=8BITMIME").code == 250
    mail = got(exim, "good", mark)
    assert "žofie@client.test".encode() in mail and mail.endswith(content)


def test_exims_words_get_through(guard, exim):
    g = front(guard, exim.plain)
    with Client(g.port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<sender@client.test>")
        said = [c.cmd(f"RCPT TO:<{name}@example.test>") for name in ("temporary", "policy", "nobody", "good")]
        assert [r.code for r in said] == [451, 550, 550, 250]
        assert said[0].text == "4.2.1 Mailbox busy, come again"
        assert said[1].text == "5.7.1 This one is not for you"
        assert said[2].text.endswith("Unknown user")
        assert c.cmd("DATA").code == 354
        reply = c.body(b"Subject: x\r\n\r\na forbidden word\r\n")
        assert reply.code == 550 and reply.text.endswith("We do not like it")
    later = mails.send(g.port, mails.marker(), sender="later@client.test")
    assert later.code == 451


def test_exim_ends_a_connection_after_some_mails(guard):
    for exim in run("exim", mails_each=3):
        g = front(guard, exim.plain)
        for _ in range(12):
            assert mails.send(g.port, mails.marker()).code == 250
        assert len(exim.delivered("good", 12)) == 12


def test_exim_takes_fewer_connections_than_we_want(guard):
    """Its 421 is no failure: what it takes is learned, and all mails go through."""
    for exim in run("exim", extra="smtp_accept_max = 2"):
        g = front(guard, exim.plain, connections=10, recipients="none")
        with ThreadPoolExecutor(8) as pool:
            codes = pool.map(lambda _: [mails.send(g.port, mails.marker()).code for _ in range(5)], range(8))
        assert {code for some in codes for code in some} == {250}
        assert len(exim.delivered("good", 40)) == 40


@pytest.mark.parametrize("name, rounds, options", [
    ("exim", 1, {}), ("exim", 2, {"reject": "true"}), ("opensmtpd", 1, {})])
def test_fewer_recipients_than_we_take(guard, name, rounds, options):
    """The mail is not to be deferred for ever: at a retry the limit is known, and said at RCPT."""
    for mta in run(name, recipients=2, **options):
        g, mark = front(guard, mta.plain, recipient_ok_for="1h"), mails.marker()
        for _ in range(rounds):
            said, reply = brings(g, mails.content(mark), "good", "other", "third")
            assert [r.code for r in said] == [250] * 3 and reply.code == 451
        said, reply = brings(g, mails.content(mark), "good", "other", "third")
        assert [r.code for r in said] == [250, 250, 452] and said[2].enhanced == "4.5.3"
        assert reply.code == 250
        said, reply = brings(g, mails.content(mark), "third")
        assert reply.code == 250
        for user in ("good", "other", "third"):
            assert got(mta, user, mark)


@pytest.mark.parametrize("tls", ["may", "require"])
def test_tls_with_exim(guard, exim, tls):
    verified = {"tls_name": "exim.example.test", "tls_ca": exim.cert} if tls == "require" else {}
    g, mark = front(guard, exim.private, tls=tls, **verified), mails.marker()
    assert mails.send(g.port, mark).code == 250
    assert b"TLS1.3" in got(exim, "good", mark).split(b"by mx.example.test")[0]


def test_not_the_exim_that_was_meant(guard, exim):
    g = guard(exim.private, relay={**RELAY, "tls": "require", "tls_name": "no.example.test", "tls_ca": exim.cert})
    assert mails.send(g.port, mails.marker()).code == 451
    g.said("UNHEALTHY: TLS failed")


# ---- OpenSMTPD ----

def test_opensmtpd_takes_100_mails_in_a_session(guard, opensmtpd):
    g = guard(opensmtpd.plain, relay={**RELAY, "connections": 1}, server={"workers": 1})
    before = len(opensmtpd.mails("two"))
    for n in range(110):
        assert brings(g, mails.content(mails.marker()), "two")[1].code == 250, n
    assert len(opensmtpd.delivered("two", before + 110)) == before + 110


def test_tls_that_opensmtpd_offers_and_cannot(guard, opensmtpd):
    """With "may" it is spoken to in the clear, with "require" it has no mail."""
    g, mark = guard(opensmtpd.private, relay={**RELAY, "tls": "may"}), mails.marker()
    wait.until(lambda: mails.send(g.port, mark).code == 250, 20, "a mail in the clear")
    assert got(opensmtpd, "good", mark)
    strict = guard(opensmtpd.private, relay={**RELAY, "tls": "require", "tls_name": "opensmtpd.example.test",
                                             "tls_ca": opensmtpd.cert})
    assert mails.send(strict.port, mails.marker()).code == 451


def test_opensmtpd_learns_the_client_by_proxy(guard, opensmtpd):
    """listen ... proxy-v2: each client, of whichever family, stands in its log and its Received line."""
    g = guard(opensmtpd.proxied, start=False)
    g.configure(relay={"identity": "proxy"},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}", f"[::1]:{g.port}"], "tls": "off"},))
    g.start()
    wait.until(lambda: g.ctl_json("backend")["backends"][0]["state"] == "up", 20, "the backend is up")
    for source in ("127.9.9.1", "127.9.9.2"):
        mark = mails.marker()
        assert mails.send(g.port, mark, source=source).code == 250
        assert f"[{source}]".encode() in got(opensmtpd, "good", mark).split(b"by opensmtpd")[0]
    mark = mails.marker()
    with Client(g.port, address="::1") as c:
        c.ehlo()
        assert c.mail(mails.content(mark)).code == 250
    assert b"[::1]" in got(opensmtpd, "good", mark).split(b"by opensmtpd")[0]
    assert mails.send(g.port, mails.marker(), rcpts=("nobody@example.test",)).code // 100 == 5


def test_opensmtpd_has_no_smtputf8(guard, opensmtpd):
    g = front(guard, opensmtpd.plain)
    with Client(g.port) as c:
        assert "SMTPUTF8" not in c.ehlo()


# ---- qmail ----

@pytest.mark.parametrize("helo_only", [False, True])
def test_qmail(guard, qmail, helo_only):
    q = qmail(helo_only=helo_only)
    g, mark = front(guard, q.port), mails.marker()
    with Client(g.port) as c:
        assert not {"8BITMIME", "SMTPUTF8", "DSN"} & set(c.ehlo())
    content = mails.content(mark, 0) + b".dot\r\n\xe4 bare\nLF\r\n" + b"x" * 2000 + b"\r\n"
    said, reply = brings(g, content, "good", "nobody", "other")
    assert [r.code for r in said] == [250, 550, 250]
    assert said[1].text.endswith("(#5.1.1)")
    assert reply.code == 250
    (sender, rcpts, body), = q.mails
    assert (sender, rcpts) == ("sender@client.test", ["good@example.test", "other@example.test"])
    assert body.endswith(content.replace(b"bare\n", b"bare\r\n"))
    assert {line[:4] for line in q.hellos} == {b"HELO" if helo_only else b"EHLO"}


def test_qmail_by_many(guard, qmail):
    q = qmail()
    g = front(guard, q.port, connections=2)
    for n in range(30):
        assert brings(g, mails.content(mails.marker()), "good", "third")[1].code == 250
        assert mails.send(g.port, mails.marker(), rcpts=(f"no{n}@example.test",)).code == 550
    assert len(q.mails) == 30
    assert q.connections < 20


def test_qmails_limits(guard, qmail):
    q = qmail(size=1000)
    g = front(guard, q.port)
    reply = brings(g, mails.big(mails.marker(), 5000), "good")[1]
    assert reply.code == 552 and "databytes" in reply.text
    with Client(g.port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<sender@client.test>")
        assert c.cmd("RCPT TO:<a@elsewhere.test>").code == 550


# ---- all of them at once ----

def test_a_group_for_each(guard, postfix, exim, opensmtpd, qmail):
    """Each is told the client in the way that it knows, and has the mails of its domain."""
    q = qmail()
    groups = [("exim", exim.plain, "none"), ("opensmtpd", opensmtpd.proxied, "proxy"), ("qmail", q.port, "none")]
    g = guard(postfix.inner, relay={"groups": tuple(
        {"name": name, "domains": [name + ".test"], "backends": [f"smtp://127.0.0.1:{port}"], "identity": identity}
        for name, port, identity in groups)})
    wait.until(lambda: {b["state"] for b in g.ctl_json("backend")["backends"]} == {"up"}, 20, "all backends are up")
    with Client(g.port) as c:
        offered = c.ehlo()
        assert "8BITMIME" not in offered and "DSN" not in offered, "qmail has none of it"
        assert offered["SIZE"] == "SIZE 20971520", "the least of them"
    source, mark = "127.7.7.7", mails.marker()
    for domain in ("example.test", "exim.test", "opensmtpd.test", "qmail.test"):
        assert mails.send(g.port, mark, source=source, rcpts=(f"good@{domain}",)).code == 250
        assert mails.send(g.port, mark, source=source, rcpts=(f"nobody@{domain}",)).code // 100 == 5
    mail = postfix.one_mail(mark)
    assert postfix.client_of(mail) == source
    assert b"127.0.0.1" in got(exim, "good", mark).split(b"by exim")[0]
    assert source.encode() in got(opensmtpd, "good", mark).split(b"by opensmtpd")[0]
    assert [rcpts for _, rcpts, _ in q.mails] == [["good@qmail.test"]]
