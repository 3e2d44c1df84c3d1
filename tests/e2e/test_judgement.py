"""The rules chapter as the sessions live it: delays, their caps, the place of a refusal, what counts and what not."""
import time

from harness import mails, wait
from harness.client import Client
from harness.guard import elapsed


EVERYBODY = "client.ip in 0.0.0.0/0"


def rule(name, when, do, **more):
    return {"name": name, "when": when, "do": do, **more}


# ---- delays ----

def test_a_delay_before_the_greeting_does_not_eat_the_clients_time(guard, backend):
    g = guard(backend(), limits={"command_timeout": "4s"}, rules=(rule("slow", EVERYBODY, "wait", delay="4s"),))
    with Client(g.port) as c:
        time.sleep(0.3)
        assert c.cmd("EHLO client.test").code == 250


def test_a_delay_at_the_header_does_not_skip_the_last_stage(guard, backend):
    b = backend()
    g = guard(b, rules=(rule("slow", "sender == 'bad@client.test'", "wait", delay="1s", stage="data"),
                        rule("no", "sender == 'bad@client.test'", "reject", stage="message")))
    assert mails.send(g.port, "bad", sender="bad@client.test").code == 550
    assert not b.taken


def test_all_delays_of_a_session_share_one_cap(guard, backend):
    g = guard(backend(), limits={"delay": "2s"},
              rules=(rule("at-once", EVERYBODY, "wait", delay="1s", stage="connect"),
                     rule("at-helo", EVERYBODY, "wait", delay="5s", stage="helo"),
                     rule("at-mail", EVERYBODY, "wait", delay="5s", stage="mail")))
    seconds, reply = elapsed(lambda: mails.send(g.port, "capped"))
    assert reply.code == 250 and 2 <= seconds < 10 * wait.PATIENCE
    assert g.journaled("session")[0]["waited_ms"] == 2000


# ---- early talk ----

def test_early_talk_is_known_before_the_greeting(guard, backend):
    rules = (rule("slow", EVERYBODY, "wait", delay="1s", stage="connect"),
             rule("hasty", "offences > 0", "reject", stage="greet"),
             {"name": "told", "when": "count(offences by client, 10m) > 0", "points": 3})
    g = guard(backend(), refuse_at="now", rules=rules)
    with g.talked_to_early("127.0.0.1", b"EHLO client.test\r\n") as c:
        assert c.reply().code == 554
    line = g.journaled("session")[0]
    assert (line["verdict"], line["by"], line["offence"]) == ("refused", "hasty", "early-talk")
    with Client(g.port, "127.0.0.2") as c:
        assert c.greeting.code == 220


# ---- the place of a refusal ----

def test_now_defers_at_the_greeting_with_421(guard, backend):
    g = guard(backend(), refuse_at="now", rules=(rule("later", EVERYBODY, "defer"),))
    with Client(g.port, greet=False) as c:
        reply = c.reply()
        assert (reply.code, reply.enhanced) == (421, "4.7.1")
        c.at_end()
    assert g.journaled("session", verdict="deferred", by="later", code=421)


def test_now_rejects_at_helo_and_at_mail(guard, backend):
    g = guard(backend(), refuse_at="now", rules=(rule("name", "helo == 'bad.test'", "reject"),
                                                 rule("from", "sender == 'bad@client.test'", "defer")))
    with Client(g.port) as c:
        assert c.cmd("EHLO bad.test").code == 550
        assert c.cmd("QUIT").code == 221
    assert "rule name" in g.journaled("session", verdict="refused", by="name")[0]["reply"]
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<bad@client.test>").code == 450
        assert c.cmd("RCPT TO:<good@example.test>").code == 503
        assert c.mail(b"x\r\n").code == 250


def test_who_refused_a_client_without_a_mail_is_told(guard, backend):
    """By its QUIT a client does not become the one who refused it."""
    g = guard(backend(), refuse_at="now", rules=(
        rule("door", "client.ip == 127.0.0.2", "reject"),
        {"name": "gate", "when": "helo == 'bad.test'", "do": "block", "hold": "1h"},
        {"name": "desk", "when": "sender == 'bad@client.test'", "do": "block", "hold": "1h"}))
    with Client(g.port, "127.0.0.2") as c:
        assert c.greeting.code == 554 and c.cmd("QUIT").code == 221
    with Client(g.port, "127.0.0.3") as c:
        assert c.cmd("EHLO bad.test").code == 421 and not c.at_end()
    with Client(g.port, "127.0.0.4") as c:
        assert c.cmd("EHLO good.test").code == 250 and c.cmd("MAIL FROM:<bad@client.test>").code == 421
    for client, by, code, verdict in (("127.0.0.2", "door", 554, "refused"), ("127.0.0.3", "gate", 421, "deferred")):
        line = g.journaled("session", client=client)[0]
        told = g.ctl_json("explain", "--client", client)["decisions"][0]
        for one in (line, told):
            assert (one["by"], one["code"], one["verdict"]) == (by, code, verdict) and f"rule {by}" in one["reply"], one
    assert g.journaled("session", client="127.0.0.4", by="desk", code=421)


def test_a_client_that_leaves_a_mail_before_its_held_refusal(guard, backend):
    g = guard(backend(), rules=(rule("from", "sender == 'bad@client.test'", "reject"),))
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<bad@client.test>").code == 250 and c.cmd("RSET").code == 250
        assert c.envelope().code == 250 and c.cmd("QUIT").code == 221
    with Client(g.port) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<bad@client.test>").code == 250
    left = [("quit", "from"), ("quit", "client"), ("lost", "from")]
    assert [(m["verdict"], m["by"]) for m in g.journaled("mail", 3)] == left


def test_a_client_that_leaves_before_its_held_refusal(guard, backend):
    g = guard(backend(), rules=(rule("name", "helo == 'bad.test'", "reject"),))
    with Client(g.port) as c:
        assert c.cmd("EHLO bad.test").code == 250
        assert c.cmd("QUIT").code == 221
    assert g.journaled("session", verdict="quit", by="name")


def test_the_fifth_held_refusal_ends_the_session(guard, backend):
    b = backend()
    g = guard(b, rules=(rule("name", "helo == 'bad.test'", "reject"),))
    with Client(g.port) as c:
        c.ehlo("bad.test")
        assert c.cmd("MAIL FROM:<a@client.test>").code == 250
        for _ in range(5):
            assert c.cmd("RCPT TO:<good@example.test>").code == 550
        assert c.replies_at_end() == [421]
    assert not b.lines("RCPT")


def test_our_refusals_carry_their_id(guard, backend):
    g = guard(backend())
    reply = mails.send(g.port, "x", rcpts=("a@elsewhere.test",))
    line = g.journaled("mail")[0]
    assert reply.code == 550 and reply.text.endswith(f"(id {line['id']}-1)")
    assert line["to"] == [f"a@elsewhere.test:550:{line['id']}-1"]


def test_what_would_have_been_is_told_of_a_client_without_mail_too(guard, backend):
    g = guard(backend(), refuse_at="now", rules=(rule("no", EVERYBODY, "reject", state="observe"),))
    with Client(g.port) as c:
        assert c.cmd("QUIT").code == 221
    assert g.journaled("session", observed="no:reject")


def test_faults_of_syntax_and_order_carry_no_id(guard, backend):
    with Client(guard(backend()).port) as c:
        for line in ("NONSENSE", "HELO", "RCPT TO:<good@example.test>", "DATA", "EHLO client.test",
                     "RCPT TO:<good@example.test>", "DATA", "MAIL FROM:<",
                     "MAIL FROM:<a@b.test> XYZ=1", "MAIL FROM:<a@b.test>", "MAIL FROM:<a@b.test>", "RCPT TO:<@>"):
            reply = c.cmd(line)
            assert reply.code in (250, 500, 501, 502, 503, 504, 555) and "(id " not in reply.text, (line, reply)


def test_limits_and_protocol_stand_above_an_ok(guard, backend):
    """The first rule lets all pass: more sessions than allowed, and more faults, are ended all the same."""
    g = guard(backend(), limits={"errors": 3, "sessions_per_client": 1}, rules=(rule("all", EVERYBODY, "ok"),))
    with Client(g.port) as c:
        with Client(g.port) as second:
            assert second.greeting.code == 421
        for _ in range(3):
            c.send("NONSENSE\r\n")
        assert c.replies_at_end()[-1] == 421
    assert g.journaled("session", by="limit")


# ---- what counts ----

BUDGET = rule("budget", "count(messages by client, 10m) > 2 || count(recipients by client, 10m) > 4", "reject")


def test_a_deferred_mail_does_not_eat_a_budget(guard, backend):
    """Deferred at RCPT by a held rule, at RCPT itself, or after the body: each is taken back."""
    rules = (BUDGET, rule("held", "sender == 'held@client.test'", "defer"),
             rule("rcpt", "recipient == 'later@example.test'", "defer"),
             rule("body", "sender == 'body@client.test'", "defer", stage="message"))
    g = guard(backend(), rules=rules)
    for _ in range(4):
        assert mails.send(g.port, "x", sender="held@client.test").code == 450
        assert mails.send(g.port, "x", rcpts=("later@example.test",)).code == 450
        assert mails.send(g.port, "x", sender="body@client.test", rcpts=("good@example.test",) * 2).code == 450
    assert [mails.send(g.port, "x").code for _ in range(3)] == [250, 250, 550]


def test_a_refused_mail_does(guard, backend):
    g = guard(backend(), rules=(BUDGET, rule("no", "sender == 'no@client.test'", "reject")))
    for _ in range(2):
        assert mails.send(g.port, "x", sender="no@client.test").code == 550
    assert g.journaled("mail", count=2, by="no")
    assert mails.send(g.port, "x").code == 550
    assert g.journaled("mail", by="budget")


def test_deferrals_are_counted(guard, backend):
    g = guard(backend(), rules=(rule("enough", "count(deferred by client, 10m) > 2", "reject"),
                                rule("held", "sender == 'held@client.test'", "defer")))
    codes = [mails.send(g.port, "x", sender="held@client.test").code for _ in range(4)]
    assert codes == [450, 450, 450, 550]


# ---- who is meant ----

def test_a_share_of_the_clients(guard, backend):
    """percent: the same client is always in or always out."""
    g = guard(backend(), rules=(rule("half", EVERYBODY, "reject", percent=50),))
    clients = [f"127.7.0.{n + 1}" for n in range(40)]
    first = [mails.send(g.port, "x", source=c).code for c in clients]
    assert [mails.send(g.port, "x", source=c).code for c in clients] == first
    assert 5 <= first.count(550) <= 35 and first.count(550) + first.count(250) == 40


def test_a_rule_that_is_over(guard, backend):
    g = guard(backend(), rules=(rule("gone", EVERYBODY, "reject", until="2020-01-31"),
                                rule("not-yet", EVERYBODY, "log", until="2099-01-31")))
    assert mails.send(g.port, "x").code == 250
    assert g.said("rule not-yet")


def test_addresses_are_hidden_in_a_rules_log_line_too(guard, backend):
    g = guard(backend(), rules=(rule("tell", EVERYBODY, "log"),), log={"addresses": "hash"})
    assert mails.send(g.port, "x", source="127.6.5.4").code == 250
    assert "127.6.5.4" not in g.said("rule tell")


# ---- events ----

def test_each_event_is_counted_where_it_happens(guard, backend):
    """What a client did in one session is seen in its next one; who did nothing of it is not charged with it."""
    events = ("connections", "messages", "accepted", "recipients", "bad_recipients", "refused", "deferred", "offences",
              "bytes")
    rules = [{"name": e, "when": f"count({e} by client, 10m) > {1 if e == 'connections' else 0}", "points": 1,
              "stage": "connect"} for e in events]
    b = backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None})
    g = guard(b, rules=(*rules, rule("no", "sender == 'bad@client.test'", "reject"),
                        rule("later", "sender == 'slow@client.test'", "defer")))

    def seen(source):
        before = len(g.journal("mail", client=source))
        assert mails.send(g.port, "x", source=source).code == 250
        line = g.journaled("mail", before + 1, client=source)[-1]
        return {r.split(":")[0] for r in line["rules"]}

    assert seen("127.6.7.1") == set()
    assert seen("127.6.7.1") == {"connections", "messages", "accepted", "recipients", "bytes"}
    for sender, rcpt, event in (("bad@client.test", "good@example.test", "refused"),
                                ("slow@client.test", "good@example.test", "deferred"),
                                ("a@client.test", "nobody@example.test", "bad_recipients")):
        source = f"127.6.8.{len(event)}"
        mails.send(g.port, "x", source=source, sender=sender, rcpts=[rcpt])
        g.journaled("mail", client=source)
        got = seen(source)
        others = {"refused", "deferred", "bad_recipients", "accepted", "bytes"} - {event}
        assert event in got and not got & others, (event, got)
    with Client(g.port, "127.6.7.3") as c:
        c.cmd("NONSENSE")
    assert "offences" in seen("127.6.7.3")
