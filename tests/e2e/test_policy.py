"""A Postfix that stays in front asks what we think of its clients: check_policy_service."""
import pathlib
import re
import select
import shutil
import smtplib
import socket
import tempfile
import time

import pytest
from harness import dns as names
from harness import ports, wait
from harness import postfix as postfix_module
from harness.client import Client
from harness.guard import run_guard
from harness.policy import Policy
from test_trace import Trace

DELAY = 2.0  # times are kept in whole seconds
RULES = (
    {"name": "hello", "when": "helo == 'bad.test'", "do": "defer"},
    {"name": "sender", "when": "sender == 'no@client.test'", "do": "reject"},
    {"name": "person", "when": "recipient == 'no@example.test'", "do": "defer", "reply": "452 4.2.2 Not {rule} ({id})"},
    {"name": "banned", "when": "sender == 'ban@client.test'", "do": "block", "hold": "1h"},
    {"name": "crypt", "when": "tls and tls.version == '1.3'", "points": 1},
    {"name": "big", "when": "message.size > 1000", "do": "reject"},
    {"name": "many", "when": "count(messages by client, 1h) > 2", "points": 7},
    {"name": "often", "when": "count(connections by client, 1h) > 1", "points": 9},
    {"name": "slow", "when": "helo == 'slow.test'", "do": "wait", "delay": "3s"},
)
ID = r"\(id (\w{8}(?:-\d+)?)\)"


@pytest.fixture
def served(guard, backend):
    """served() -> the guard, whose policy_port takes questions."""
    def make(rules=RULES, **more):
        port = ports.free_port()
        g = guard(backend(), rules=rules, start=False, **more)
        listeners = (*g.settings["listeners"],
                     {"name": "ask", "address": [f"127.0.0.1:{port}"], "protocol": "policy"})
        g.configure(rules=rules, listeners=listeners, **more)
        g.start()
        g.policy_port = port
        return g
    return make


def ask(g, *arguments, **attributes):
    with Policy(g.policy_port) as p:
        return p.ask(*arguments, **attributes)


def rules_of(record):
    return {r.split(":")[0] for r in record["rules"]}


def test_what_nothing_stands_against_is_dunno(served):
    g = served()
    with Policy(g.policy_port) as p:
        assert p.ask() == "DUNNO"
        assert p.ask(recipient="other@example.test") == "DUNNO"
        assert p.ask("DATA", recipient="", recipient_count="2") == "DUNNO"
        assert p.ask("END-OF-MESSAGE", recipient="", recipient_count="2", size="500") == "DUNNO"
    mail, = g.journaled("mail")
    assert mail["listener"] == "ask" and mail["client"] == "192.0.2.7" and mail["port"] == 4000, mail
    assert mail["via"] == "policy" and mail["proxy"] == "127.0.0.1" and mail["helo"] == "mx.client.test", mail
    assert mail["to"] == ["good@example.test:250", "other@example.test:250"] and mail["size"] == 500, mail
    assert (mail["verdict"], mail["by"]) == ("accepted", "policy"), mail
    session, = g.journaled("session")
    assert session["mails"] == 1 and session["verdict"] == "accepted", session


def test_a_refusal_keeps_code_text_and_id(served):
    g = served()
    with Policy(g.policy_port) as p:
        found = re.fullmatch(r"550 5\.7\.1 .*" + ID, p.ask(sender="no@client.test"))
        assert found, found
        again = p.ask(sender="no@client.test", recipient="other@example.test")
        assert re.fullmatch(r"550 5\.7\.1 .*" + ID, again) and again != found[0]
        assert re.fullmatch(r"452 4\.2\.2 Not person \(\w{8}-1\)", p.ask(instance="2", recipient="no@example.test"))
        assert p.ask(instance="2") == "DUNNO"
    first, second = g.journaled("mail", 2)
    assert (first["verdict"], first["by"], first["code"]) == ("refused", "sender", 550), first
    assert (second["verdict"], second["to"][1]) == ("accepted", "good@example.test:250"), second
    told = g.ctl("explain", found[1].split("-")[0]).stdout
    assert "sender" in told and "192.0.2.7" in told, told


def test_a_mail_and_a_client_are_counted_once(served):
    g = served()
    with Policy(g.policy_port) as p:
        for state in ("CONNECT", "EHLO", "MAIL", "RCPT", "RCPT", "DATA", "END-OF-MESSAGE"):
            assert p.ask(state) == "DUNNO"
        assert p.ask(instance="2") == p.ask(instance="3") == "DUNNO"
        assert p.ask(instance="4", client_port="4001") == "DUNNO"
        assert p.ask(instance="5", client_address="2001:db8::9") == "DUNNO"
    mails = g.journaled("mail", 5)
    assert [rules_of(m) for m in mails] == [set(), set(), {"many"}, {"many", "often"}, set()]
    assert [m["client"] for m in mails[-2:]] == ["192.0.2.7", "2001:db8::9"]
    assert len(g.journaled("session", 3)) == 3


@pytest.mark.parametrize("how, code", [("rcpt", "450"), ("now", "450")])
def test_an_early_refusal_comes_where_it_is_set(served, how, code):
    g = served(refuse_at=how)
    with Policy(g.policy_port) as p:
        early = p.ask("EHLO", helo_name="bad.test")
        assert early == "DUNNO" if how == "rcpt" else early.startswith(code)
        assert p.ask(helo_name="bad.test").startswith(code + " 4.7.1")
        assert p.ask(client_port="77") == "DUNNO"


def test_a_block_hangs_up_and_holds(served):
    g = served()
    assert ask(g, sender="ban@client.test").startswith("421 4.7.0")
    assert ask(g, client_port="4001").startswith("421 4.7.0")
    assert ask(g, client_address="192.0.2.8") == "DUNNO"
    assert g.journaled("session", by="block")[0]["client"] == "192.0.2.7"


def test_enforce_false_refuses_nobody(served):
    g = served(enforce=False)
    assert ask(g, sender="no@client.test") == ask(g, sender="ban@client.test", instance="2") == "DUNNO"
    told = {m["from"]: m["observed"] for m in g.journaled("mail", 2)}  # of two connections, in any order
    assert told == {"no@client.test": "sender:reject", "ban@client.test": "banned:block"}


def test_behind_the_body_its_size_is_judged(served):
    g = served()
    with Policy(g.policy_port) as p:
        assert p.ask(encryption_protocol="TLSv1.3", encryption_cipher="X") == "DUNNO"
        assert p.ask("END-OF-MESSAGE", size="2000", encryption_protocol="TLSv1.3").startswith("550 5.7.1")
        assert p.ask(instance="2") == "DUNNO"
    mail = g.journaled("mail", 2)[0]
    assert rules_of(mail) == {"crypt", "big"} and (mail["tls"], mail["cipher"]) == ("TLSv1.3", "X"), mail


def test_a_wait_holds_the_answer_and_nobody_else(served):
    g = served()
    with Policy(g.policy_port) as slow:
        begun = time.monotonic()
        slow.send(b"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.9\nhelo_name=slow.test\n"
                  b"sender=\nrecipient=good@example.test\ninstance=9\n\n")
        slow.sock.shutdown(socket.SHUT_WR)  # as a script does that has asked all that it wants to know
        assert ask(g) == "DUNNO"
        assert not select.select([slow.sock], [], [], 0)[0] or time.monotonic() - begun >= 3
        assert slow.action() == "DUNNO" and time.monotonic() - begun >= 3


RCPT = b"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\n"
BAD = {
    "no such request": b"request=junk\n\n",
    "no address": b"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=unknown\n\n",
    "unknown state": b"request=smtpd_access_policy\nprotocol_state=NOOP\nclient_address=192.0.2.1\n\n",
    "empty": b"\n",
    "no value": b"request=smtpd_access_policy\nprotocol_state\n\n",
    "CR": b"request=smtpd_access_policy\r\nprotocol_state=RCPT\r\nclient_address=192.0.2.1\n\n",
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_judged_passes(served, what):
    g = served()
    with Policy(g.policy_port) as p:
        p.send(BAD[what])
        assert p.action() == "DUNNO"
        assert p.ask(sender="no@client.test").startswith("550")
    broken = what in ("no value", "CR")  # the others are no question about a client
    assert g.ctl_json("stats")["policy_unjudged"] == broken
    assert f"smtpguard_policy_unjudged_total {int(broken)}" in g.ctl("stats", "--prometheus").stdout


NOISE = {"a line": b"x" * 9000, "lines": b"a=b\n" * 200}


@pytest.mark.parametrize("what", NOISE)
def test_what_has_no_end_is_closed(served, what):
    g = served()
    with Policy(g.policy_port) as p:
        p.send(NOISE[what])
        assert p.replies.read() == b""
    assert ask(g) == "DUNNO"


def test_only_neighbours_may_ask(served):
    g = served()
    g.stop()
    g.configure(rules=RULES, listeners=(*g.settings["listeners"][:1], {
        **g.settings["listeners"][1], "policy_from": ["127.0.0.2"]}))
    g.start()
    with Policy(g.policy_port) as p:
        assert p.replies.read() == b""
    with Policy(g.policy_port, "127.0.0.2") as p:
        assert p.ask() == "DUNNO"
    assert g.journaled("session", by="policy")[0]["client"] == "127.0.0.1"
    assert g.ctl_json("stats")["policy_refused"] == 1


def test_a_client_that_is_quiet_has_left(served):
    g = served(limits={"command_timeout": "1s"})
    with Policy(g.policy_port) as p:
        assert p.ask() == "DUNNO"
        assert g.journaled("mail")[0]["verdict"] == "accepted"
        g.journaled("session")
        time.sleep(1.2)  # the connection stays
        assert p.ask(sender="no@client.test").startswith("550")
    assert [m["verdict"] for m in g.journaled("mail", 2)] == ["accepted", "refused"]
    assert len(g.journaled("session", 2)) == 2


def test_drain_does_not_wait_for_connections_that_rest(served):
    g = served()
    with Policy(g.policy_port) as resting, Policy(g.policy_port) as slow:
        assert resting.ask() == "DUNNO"
        begun = time.monotonic()
        slow.send(b"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.9\nhelo_name=slow.test\n"
                  b"sender=\nrecipient=good@example.test\ninstance=9\n\n")
        wait.until(lambda: g.ctl_json("stats")["waiting"] == 1 or time.monotonic() - begun > 3, 10, "one that waits")
        g.stop(20)
        assert slow.action() == "DUNNO" and slow.replies.read() == resting.replies.read() == b""
    assert {m["verdict"] for m in g.journal("mail")} == {"accepted"}


def test_log_replay_gives_the_same_verdicts(served):
    g = served(log={"replay": "replay.json"})
    with Policy(g.policy_port) as p:
        p.ask(sender="no@client.test")
        p.ask(instance="2", client_address="192.0.2.8")
    g.journaled("session", 2)
    g.stop()
    done = g.ctl("replay", "--rules", str(g.config), str(g.folder / "replay.json"))
    assert done.returncode == 0 and re.search(r"of 2 sessions.*(\d+) tests, \1 the same", done.stdout, re.S), done


def test_a_trace_shows_questions_and_answers(served):
    g = served()
    trace = Trace(g, "192.0.2.7")
    try:
        with Policy(g.policy_port) as p:
            p.ask(sender="no@client.test")
            p.ask(instance="2", client_address="192.0.2.8", sender="other@client.test")
            trace.wait_for("action=550")
    finally:
        text = trace.end()
    for line in ("EHLO mx.client.test", "MAIL FROM:<no@client.test>", "RCPT TO:<good@example.test>", "action=550 "):
        assert line in text, text
    assert "other@" not in text


# ---- with lookups ----

CLIENT = "127.9.0.7"
ZONE = {
    names.reverse(CLIENT): {"PTR": "mx.good.test"}, "mx.good.test": {"A": CLIENT},
    "good.test": {"TXT": f"v=spf1 ip4:{CLIENT} -all"}, names.listed(CLIENT, "bl.test"): {"A": "127.0.0.2"},
}
LOOKS = ({"name": "named", "when": "client.name == 'mx.good.test'", "points": 1},
         {"name": "listed", "when": "dnsbl('bl.test') == '127.0.0.2'", "points": 1},
         {"name": "proven", "when": "spf == 'pass'", "points": 1},
         {"name": "grey", "when": "not client.known_good and sender != 'free@good.test'", "do": "greylist"})


def names_from(server):
    return {"servers": [f"127.0.0.1:{server.port}"], "timeout": "20s"}


def test_dns_is_asked_and_greylisting_lets_the_retry_through(served, dns):
    g = served(LOOKS, dns=names_from(dns(ZONE)), greylist={"delay": f"{int(DELAY * 1000)}ms"})
    mail = {"client_address": CLIENT, "sender": "a@good.test"}
    assert re.match(r"450 4\.7\.1 .*[12] seconds", ask(g, **mail))
    time.sleep(DELAY + 0.2)
    assert ask(g, **mail, client_port="5000", instance="2") == "DUNNO"
    first, second = g.journaled("mail", 2)
    assert (first["verdict"], second["verdict"]) == ("deferred", "accepted")
    assert rules_of(second) == {"named", "listed", "proven", "grey"}, second
    assert (second["identity"], second["spf"], second["name"]) == ("good.test", "pass", "mx.good.test"), second


def test_null_senders_are_greylisted_behind_data(served, dns):
    g = served(LOOKS, dns=names_from(dns(ZONE)), greylist={"delay": "1m"})
    with Policy(g.policy_port) as p:
        assert p.ask(sender="") == "DUNNO"
        assert p.ask("DATA", sender="").startswith("450 4.7.1")
        assert p.ask("DATA", sender="", instance="2").startswith("450 4.7.1")


def test_dead_dns_delays_and_refuses_nobody(served):
    g = served(LOOKS[:3])
    begun = time.monotonic()
    assert ask(g) == "DUNNO" and time.monotonic() - begun < 10 * wait.PATIENCE
    assert rules_of(g.journaled("mail")[0]) == set()


# ---- behind a real Postfix ----

README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()


def readme_main(port):
    """What README.md says for main.cf; behind it accepted mail is held, so that the test can read it."""
    section = README[README.index("## Try it behind your Postfix first"):]
    lists = re.search(r"(?:^    .*check_policy_service.*\n|^    (?:smtpd| ).*\n)+", section, re.M)[0]
    lists = lists.replace("10040", str(port)).replace(
        "default_action=DUNNO }\n", "default_action=DUNNO }, check_recipient_access static:HOLD\n", 1)
    assert lists.count("check_policy_service") == 2 and "reject_unauth_destination" in lists, lists
    return re.sub(r"^    (?=smtpd)", "", lists, flags=re.M)


# in the same words: Postfix opens a connection for each way to write it
DATA = "smtpd_data_restrictions =\n check_policy_service { inet:127.0.0.1:%d, timeout=100s, default_action=DUNNO }\n"


def test_the_settings_of_the_readme_are_good(guard):
    g = guard(start=False)
    text = re.search(r"^    listeners = \( .*\n    relay = .*\n    enforce.*\n", README, re.M)[0]
    g.config.write_text(f'server = {{ hostname = "mx.example.test"; spool = "{g.folder}"; }};\n' + text)
    done = run_guard("-c", g.config, "--check")
    assert done.returncode == 0, done


@pytest.fixture
def fronted(served):
    """fronted() -> the guard, and a real Postfix before it."""
    postfix_module.require()
    folders, servers = [], []

    def make(rules=RULES, **more):
        g = served(rules, **more)
        folders.append(pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-postfix-")))
        folders[-1].chmod(0o711)
        servers.append(postfix_module.Postfix(folders[-1], extra=readme_main(g.policy_port) + DATA % g.policy_port))
        return g, servers[-1]

    yield make
    for one in servers:
        one.stop()
    for one in folders:
        shutil.rmtree(one, ignore_errors=True)


def deliver(port, client="127.0.0.9", sender="a@client.test", to=("good@example.test",), text="hello",
            helo="mx.c.test"):
    """What came of it: {} or {recipient: (code, text)}; smtplib raises when nobody is taken."""
    with smtplib.SMTP("127.0.0.1", port, helo, 30, (client, 0)) as c:
        return c.sendmail(sender, to, f"Subject: x\n\n{text}\n")


def refused_by(call, kind=smtplib.SMTPRecipientsRefused):
    with pytest.raises(kind) as found:
        call()
    if kind is smtplib.SMTPRecipientsRefused:
        (code, text), = found.value.recipients.values()
    else:
        code, text = found.value.smtp_code, found.value.smtp_error
    return code, text.decode()


def test_a_mail_passes_postfix(fronted):
    g, postfix = fronted()
    assert deliver(postfix.inner, to=("good@example.test", "other@example.test"), text="first one") == {}
    assert postfix.one_mail("first one").recipients == ["good@example.test", "other@example.test"]
    mail, = g.journaled("mail")
    assert (mail["verdict"], mail["by"], mail["client"]) == ("accepted", "policy", "127.0.0.9"), mail
    assert mail["to"] == ["good@example.test:250", "other@example.test:250"] and mail["size"] > 10, mail
    assert deliver(postfix.inner, text="second one", client="127.0.0.10") == {}
    assert [s["client"] for s in g.journaled("session")] == ["127.0.0.9"]  # until smtpd has another client


def test_postfix_says_our_refusals(fronted):
    g, postfix = fronted()
    code, text = refused_by(lambda: deliver(postfix.inner, sender="no@client.test"))
    assert code == 550 and text.startswith("5.7.1 <good@example.test>: Recipient address rejected: "), text
    g.journaled("mail")  # some seconds later: nothing follows such a mail
    told = g.ctl("explain", re.search(r"\(id (\w{8})", text)[1]).stdout
    assert "127.0.0.9" in told and "sender" in told, told
    code, text = refused_by(lambda: deliver(postfix.inner, helo="bad.test"))
    assert code == 450 and text.startswith("4.7.1 "), text
    code, text = refused_by(lambda: deliver(postfix.inner, text="x" * 2000), smtplib.SMTPDataError)
    assert code == 550 and text.startswith("5.7.1 "), text
    assert [m["by"] for m in g.journaled("mail", 2)][:2] == ["sender", "hello"]


def test_postfix_hangs_up_on_who_is_blocked(fronted):
    g, postfix = fronted()
    refused = (smtplib.SMTPRecipientsRefused, smtplib.SMTPServerDisconnected)
    with pytest.raises(refused):
        deliver(postfix.inner, sender="ban@client.test")
    with smtplib.SMTP("127.0.0.1", postfix.inner, "mx.c.test", 30, ("127.0.0.9", 0)) as c:
        c.ehlo()
        c.mail("a@client.test")
        assert c.rcpt("good@example.test")[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            c.noop()
    for helo, sender in ("h" * 2100, "a@c.test"), ("h", "a" * 600 + "@c.test"), ("h", '"\x01"@c.test'):
        with Client(postfix.inner, "127.0.0.9") as c:  # no words hide it
            assert [c.cmd(f"HELO {helo}").code, c.cmd(f"MAIL FROM:<{sender}>").code] == [250, 250]
            assert c.cmd("RCPT TO:<good@example.test>").code == 421, (helo, sender)


def test_postfix_greylists_with_us(fronted, dns):
    g, postfix = fronted(LOOKS, dns=names_from(dns(ZONE)), greylist={"delay": f"{int(DELAY * 1000)}ms"})
    code, text = refused_by(lambda: deliver(postfix.inner, CLIENT, "a@good.test"))
    assert code == 450 and "seconds" in text, text
    time.sleep(DELAY + 0.2)
    assert deliver(postfix.inner, CLIENT, "a@good.test", text="at last") == {}
    postfix.one_mail("at last")


def test_without_us_postfix_goes_on(fronted):
    g, postfix = fronted()
    assert deliver(postfix.inner, text="with") == {}
    g.stop()
    assert deliver(postfix.inner, text="without") == {}
    g.start()
    assert refused_by(lambda: deliver(postfix.inner, sender="no@client.test"))[0] == 550
    postfix.one_mail("without")
