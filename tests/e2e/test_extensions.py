"""SMTPUTF8, DSN and LIMITS: told when the backend has them, and carried to a real Postfix as they were said."""
import pathlib
import shutil
import tempfile

import pytest

from harness import mails, postfix as postfix_module, wait
from harness.backend import EXTENSIONS
from harness.client import Client

UTF8_SENDER, UTF8_RCPT = "žofie@přísně.test", "grün@example.test"


@pytest.fixture(scope="module")
def utf8_postfix():
    """A Postfix with smtputf8_enable = yes that knows a recipient who is not ASCII."""
    postfix_module.require()
    path = pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-postfix-"))
    path.chmod(0o711)
    try:
        server = postfix_module.Postfix(path, extra="smtputf8_enable = yes\nstrict_smtputf8 = yes")
        with open(path / "users", "a") as users:
            users.write(f"{UTF8_RCPT} x\n")
        server.stop()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def other(*more):
    """A scripted backend's extensions with these more."""
    return [*EXTENSIONS, *more]


# ---- SMTPUTF8 ----

def offers(g, word):
    """A backend that has just been started may take more than the second that the door stays shut for it."""
    def told():
        with Client(g.port) as c:
            return word in c.ehlo()
    wait.until(told, 20, word)


def test_utf8_addresses_reach_postfix(guard, utf8_postfix):
    g, mark = guard(utf8_postfix.inner), mails.marker()
    offers(g, "SMTPUTF8")
    content = b"Subject: " + mark.encode() + " – grüße\r\n\r\nhello\r\n".encode()
    with Client(g.port) as c:
        assert "SMTPUTF8" in c.ehlo()
        reply = c.mail(content, sender=UTF8_SENDER, rcpts=(UTF8_RCPT,), options=" SMTPUTF8 BODY=8BITMIME")
        assert reply.code == 250, reply
    mail = utf8_postfix.one_mail(mark)
    assert (mail.sender, mail.recipients) == (UTF8_SENDER, [UTF8_RCPT])
    assert mail.without_trace() == content
    trace = mail.content.split(b"Subject")[0]
    assert b"with UTF8SMTP id" in trace and f"for <{UTF8_RCPT}>".encode() in trace
    record = g.journaled("mail", verdict="accepted")[0]  # every byte of it is ASCII, or records() fails
    assert record["to"][0].startswith("gr") and record["to"][0].endswith(":250"), record
    told = g.ctl("explain", record["id"])
    assert told.returncode == 0 and "example.test" in told.stdout, told


def test_without_the_parameter_they_are_refused(guard, utf8_postfix):
    g = guard(utf8_postfix.inner)
    offers(g, "SMTPUTF8")
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd(f"MAIL FROM:<{UTF8_SENDER}>").code == 553
        assert c.cmd("MAIL FROM:<a@client.test>").code == 250
        assert c.cmd(f"RCPT TO:<{UTF8_RCPT}>").code == 553
        assert c.cmd("RCPT TO:<good@example.test>").code == 250
        assert c.cmd("RSET").code == 250
        assert c.cmd(b"MAIL FROM:<\xff\xfe@client.test> SMTPUTF8").code in (501, 553)


def test_an_unknown_utf8_recipient_is_the_backends_word(guard, utf8_postfix):
    g = guard(utf8_postfix.inner)
    offers(g, "SMTPUTF8")
    with Client(g.port) as c:
        c.ehlo()
        reply = c.envelope(sender=UTF8_SENDER, rcpts=("unbekännt@example.test",), options=" SMTPUTF8")
        assert (reply.code, reply.enhanced) == (550, "5.1.1"), reply


def test_not_announced_where_a_backend_has_it_not(guard, backend, utf8_postfix):
    g = guard(utf8_postfix.inner, backend().port)
    with Client(g.port) as c:
        assert not {"SMTPUTF8", "DSN"} & set(c.ehlo())
        assert c.cmd("MAIL FROM:<a@client.test> SMTPUTF8").code == 555
        assert c.cmd("MAIL FROM:<a@client.test> RET=HDRS").code == 555


@pytest.mark.parametrize("ask", ["backend", "none"])
def test_a_backend_that_has_it_no_more(guard, backend, ask):
    """Its client heard SMTPUTF8 from us; what is ASCII after all passes, the rest is refused for good."""
    b = backend(extensions=other("SMTPUTF8"))
    g = guard(b, relay={"recipients": [ask]})
    offers(g, "SMTPUTF8")
    with Client(g.port) as c:
        assert "SMTPUTF8" in c.ehlo()
        b.extensions = EXTENSIONS
        for one in b.connections:
            one.hang_up()
        assert c.mail(sender="a@client.test", options=" SMTPUTF8").code == 250
        reply = c.mail(sender=UTF8_SENDER, options=" SMTPUTF8")
        assert (reply.code, reply.enhanced) == (550, "5.6.7"), reply
        c.cmd("RSET")
        reply = c.mail("Subject: grün\r\n\r\n".encode(), sender="a@client.test", options=" SMTPUTF8")
        assert (reply.code, reply.enhanced) == (550, "5.6.7"), reply
        assert "SMTPUTF8" not in c.ehlo()
    assert b.one_mail().sender == "a@client.test"
    assert not [line for line in b.lines("MAIL") if "SMTPUTF8" in line]


def test_rules_and_replay_with_utf8(guard, utf8_postfix, folder):
    """A rule may name what is not ASCII; the trace of its judging can be read again."""
    g = guard(utf8_postfix.inner, log={"replay": str(folder / "judged")},
              rules=({"name": "zofie", "when": f'sender == "{UTF8_SENDER}"', "do": "reject"},))
    offers(g, "SMTPUTF8")
    with Client(g.port) as c:
        c.ehlo()
        reply = c.mail(sender=UTF8_SENDER, rcpts=(UTF8_RCPT,), options=" SMTPUTF8")
        assert reply.code == 550, reply
        c.cmd("RSET")
        assert c.mail(sender="ž2@přísně.test", rcpts=(UTF8_RCPT,), options=" SMTPUTF8").code == 250
    assert g.journaled("mail", verdict="refused")[0]["by"] == "zofie"
    g.stop()
    done = g.ctl("replay", "--rules", g.config, "--check-same", folder / "judged")
    assert done.returncode == 0, done


# ---- DSN ----

def test_dsn_reaches_postfix(guard, postfix):
    g, mark = guard(postfix.inner), mails.marker()
    offers(g, "DSN")
    with Client(g.port) as c:
        assert "DSN" in c.ehlo()
        assert c.cmd("MAIL FROM:<a@client.test> RET=HDRS ENVID=QQ314159+2Bx").code == 250
        asked = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Carol+40home@there.test"
        assert c.cmd(f"RCPT TO:<good@example.test> {asked}").code == 250
        assert c.cmd("RCPT TO:<nobody@example.test> NOTIFY=FAILURE").code == 550
        assert c.cmd("RCPT TO:<other@example.test> NOTIFY=NEVER").code == 250
        assert c.cmd("RCPT TO:<third@example.test>").code == 250
        assert c.cmd("DATA").code == 354
        assert c.body(mails.content(mark)).code == 250
    mail = postfix.one_mail(mark)
    assert mail.attributes["envelope_id"] == "QQ314159+x" and mail.attributes["ret_flags"] == "2"
    assert mail.recipients == ["good@example.test", "other@example.test", "third@example.test"]
    assert mail.of_recipients == [
        {"dsn_orig_rcpt": "rfc822;Carol@home@there.test", "notify_flags": "10"},
        {"dsn_orig_rcpt": "rfc822;other@example.test", "notify_flags": "1"},
        {"dsn_orig_rcpt": "rfc822;third@example.test"}], mail.of_recipients


def test_bad_dsn_is_refused(guard, postfix):
    g = guard(postfix.inner)
    offers(g, "DSN")
    with Client(g.port) as c:
        c.ehlo()
        for bad in ("RET=SOME", "ENVID=a=b", "ENVID=" + "x" * 101, "RET=FULL RET=FULL"):
            assert c.cmd(f"MAIL FROM:<a@client.test> {bad}").code == 501, bad
        assert c.cmd("MAIL FROM:<a@client.test>").code == 250
        for bad in ("NOTIFY=NEVER,SUCCESS", "NOTIFY=", "ORCPT=nothing", "ORCPT=rfc822;a b"):
            assert c.cmd(f"RCPT TO:<good@example.test> {bad}").code in (501, 555), bad


# ---- LIMITS ----

def test_limits_are_told_and_kept(guard, backend):
    b = backend(extensions=other("LIMITS RCPTMAX=3"))
    for limits, least in (({"recipients": 2}, 2), ({}, 3)):
        g = guard(b, limits=limits)
        wait.until(lambda: g.ctl_json("backend")["backends"][0]["rcpt_max"] == 3, 20, "the backend's limit")
        with Client(g.port) as c:
            assert c.ehlo()["LIMITS"] == f"LIMITS RCPTMAX={least}"
            assert c.cmd("MAIL FROM:<a@client.test>").code == 250
            got = [c.cmd(f"RCPT TO:<u{i}@example.test>") for i in range(least + 2)]
            assert [r.code for r in got] == [250] * least + [452] * 2
            assert got[-1].enhanced == "4.5.3"
            assert c.cmd("DATA").code == 354
            assert c.body(b"Subject: x\r\n\r\n").code == 250
    assert [len(m.recipients) for m in b.mails] == [2, 3]
