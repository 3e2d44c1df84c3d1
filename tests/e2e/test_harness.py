"""The tools of these tests, tried on a real Postfix without SmtpGuard between: what they report is true."""
import subprocess
import time

import pytest

from harness import dns as names
from harness import mails
from harness.backend import CLOSE, Slowly
from harness.client import Client, Closed
from harness.guard import Guard, run_guard
from harness.queuefile import cut_trace


def test_a_mail_is_found_in_the_queue_with_its_client(postfix):
    mark = mails.marker()
    content = b"Subject: " + mark.encode() + b"\r\n\r\n.dot\r\n..two\r\n\r\n" + b"x" * 3000 + b"\r\n.\r\n"
    with Client(postfix.inner, source="127.9.8.7") as c:
        assert "XCLIENT" in c.ehlo()
        assert c.cmd("XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7").code == 220
        c.ehlo()
        reply = c.mail(content, rcpts=["good@example.test", "other@example.test"])
        assert reply.code == 250
    mail = postfix.one_mail(mark)
    assert mail.client == "192.0.2.7" and postfix.client_of(mail) == "192.0.2.7"
    assert mail.sender == "sender@client.test" and mail.recipients == ["good@example.test", "other@example.test"]
    assert cut_trace(mail.content) == content
    text = subprocess.run(["postcat", "-c", postfix.folder / "etc", "-qbh", mail.name], capture_output=True).stdout
    assert text.replace(b"\n", b"\r\n") == mail.content


def test_recipients_are_refused_as_the_tests_expect(postfix):
    with Client(postfix.inner) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@b.test>")
        seen = {u: c.cmd(f"RCPT TO:<{u}@example.test>") for u in ("good", "nobody", "temporary", "policy", "plain")}
    assert {u: (r.code, r.enhanced) for u, r in seen.items()} == {
        "good": (250, "2.1.5"), "nobody": (550, "5.1.1"), "temporary": (450, "4.2.1"), "policy": (554, "5.7.1"),
        "plain": (550, "5.7.1")}


def test_the_inner_service_takes_xclient_again_the_stock_one_does_not(postfix):
    for port, second in ((postfix.inner, 220), (postfix.stock, 550)):
        with Client(port) as c:
            c.ehlo()
            assert c.cmd("XCLIENT ADDR=192.0.2.1").code == 220
            c.ehlo()
            assert c.cmd("XCLIENT ADDR=192.0.2.2").code == second


def test_the_backend_follows_its_script(backend):
    b = backend({"MAIL": "451 4.3.0 no", "RCPT": Slowly(b"250 2.1.5 slow\r\n", 0.001), "DATA": CLOSE})
    with Client(b.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<a@b.test>").text == "4.3.0 no"
        assert c.cmd("RCPT TO:<x@y.test>").text == "2.1.5 slow"
        c.send("DATA\r\n")
        with pytest.raises(Closed):
            c.reply()
    b.script.clear()
    with Client(b.port) as c:
        c.ehlo()
        c.cmd("XCLIENT ADDR=192.0.2.1 NAME=n")
        assert c.mail(b"a\r\n.b\r\n").code == 250
    assert b.one_mail().body == b"a\r\n.b\r\n" and b.mails[0].client == {"ADDR": "192.0.2.1", "NAME": "n"}
    assert len(b.connections) == 2


def test_postfix_ends_without_a_trace(own_postfix):
    assert own_postfix.processes()
    own_postfix.stop()
    assert not own_postfix.processes()
    own_postfix.start()


REPORTS = ["==7==ERROR: AddressSanitizer: heap-use-after-free", "==7==ERROR: LeakSanitizer: detected memory leaks",
           "server/talk.c:7:3: runtime error: signed integer overflow", "WARNING: ThreadSanitizer: data race (pid=7)"]


@pytest.mark.parametrize("report", REPORTS)
def test_what_a_sanitizer_reports_fails_a_test(folder, monkeypatch, report):
    """Also where the program was to fail, and where it was killed before it could."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\necho '{report}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("SMTPGUARDD", str(program))
    monkeypatch.setenv("SMTPGUARDCTL", str(program))
    with pytest.raises(AssertionError, match="a sanitizer found something"):
        run_guard("--check", "x")
    g = Guard(folder / "guard", [1], start=False)
    with pytest.raises(AssertionError, match="a sanitizer found something"):
        g.ctl("stats")
    with pytest.raises(AssertionError, match="Sanitizer|runtime error"):
        g.start()
    with pytest.raises(AssertionError, match="a sanitizer found something"):
        g.kill()


def code(message):
    return message[3] & 15


def test_the_name_server_answers_from_its_zone(dns):
    d = dns({"mail.example.test": {"A": ["192.0.2.1", "192.0.2.2"], "MX": (10, "mx.test"), "TXT": ["v=spf1 -all"]},
             "www.example.test": {"CNAME": "mail.example.test"}, "*.wild.test": {"A": "192.0.2.3"},
             names.reverse("192.0.2.7"): {"PTR": b"a\r\n.test"}, names.reverse("2001:db8::1"): {"PTR": "six.test"}})
    answer = names.ask(d.server, "www.example.test", "A")
    assert answer[7] == 3 and answer.count(b"\xc0\x00\x02") == 2
    assert b"\x0bv=spf1 -all" in names.ask(d.server, "mail.example.test", "TXT", tcp=True)
    assert b"\x00\x0a\x02mx\x04test\x00" in names.ask(d.server, "mail.example.test", "MX")
    assert b"\x03a\r\n\x04test" in names.ask(d.server, "7.2.0.192.in-addr.arpa", "PTR")
    assert b"\x03six" in names.ask(d.server, names.reverse("2001:db8::1"), "PTR")
    assert b"\xc0\x00\x02\x03" in names.ask(d.server, "any.wild.test", "A")
    assert code(names.ask(d.server, "nobody.test", "A")) == 3 and code(names.ask(d.server, "example.test", "A")) == 0
    assert names.listed("192.0.2.7", "list.test") == "7.2.0.192.list.test"
    assert d.count() == 8 and d.count("mail.example.test") == 2 and d.count(transport="tcp") == 1


def test_the_name_server_misbehaves_as_told(dns):
    d = dns({"once.test": {"do": [names.SERVFAIL, names.OK], "A": "192.0.2.1"}, "lost.test": {"do": names.LOST},
             "cut.test": {"do": names.TRUNCATED, "A": "192.0.2.1"}, "huge.test": {"do": names.HUGE},
             "slow.test": {"do": names.Slow(0.2), "A": "192.0.2.1"}, "forged.test": {"do": names.FORGED},
             "wrong.test": {"do": [names.WRONG_ID, names.WRONG_QUESTION, names.REFUSED]}})
    assert [code(names.ask(d.server, "once.test", "A")) for _ in range(3)] == [2, 0, 0]
    assert names.ask(d.server, "cut.test", "A")[2] & 2 and not names.ask(d.server, "cut.test", "A", tcp=True)[2] & 2
    assert len(names.ask(d.server, "huge.test", "TXT", tcp=True)) > 60000
    assert names.ask(d.server, "wrong.test", "A")[:2] != b"\x12\x34"
    assert b"wrong" not in names.ask(d.server, "wrong.test", "A")
    assert code(names.ask(d.server, "wrong.test", "A")) == 5
    started = time.monotonic()
    names.ask(d.server, "slow.test", "A")
    assert time.monotonic() - started >= 0.2
    for server_is_down, name in ((False, "lost.test"), (True, "once.test")):
        d.down = server_is_down
        with pytest.raises(TimeoutError):
            names.ask(d.server, name, "A", seconds=0.2)


def test_a_real_name_server(folder):
    with names.Nsd(folder / "nsd", {"example.test": "mail A 192.0.2.1\nwww CNAME mail\n"}) as nsd:
        assert b"\xc0\x00\x02\x01" in names.ask(nsd.server, "www.example.test", "A")
        assert code(names.ask(nsd.server, "nobody.example.test", "A", tcp=True)) == 3
        assert code(names.ask(nsd.server, "elsewhere.test", "A")) == 5
