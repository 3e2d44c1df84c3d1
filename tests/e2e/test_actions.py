"""What rules do beside refusing: mail, throttle, block, delete, tag; the facts they read; the known-good promise."""
import re
import threading
import time

from harness import mails, wait
from harness.client import Client, Closed
from harness.guard import elapsed

RELAY = {"identity": "none", "recipients": "none", "domains": ["example.test"]}
ALERTS = {"to": ["admin@example.test"], "from": "guard@example.test", "every": "1h"}


def alert_mails(folder):
    """The texts of the alerts that a Maildir holds."""
    found = [p.read_text() for p in sorted((folder / "mail" / "new").glob("*"))]
    return [text for text in found if "\nAuto-Submitted: auto-generated" in text]


def maildir(folder):
    return f"maildir://{folder}/mail"


def greeting(port, source):
    with Client(port, source) as c:
        return c.greeting


# ---- mail ----

def test_a_rule_tells_once_for_each_key(guard, folder):
    g = guard(maildir(folder), relay=RELAY, alerts=ALERTS, rules=(
        {"name": "spike", "when": "count(messages by sender, 1m) > 2", "charge": 7, "do": "mail"},))
    for n in range(5):
        assert mails.send(g.port, mails.marker(), source=f"127.1.1.{n + 1}", sender="loud@bad.test").code == 250
    for _ in range(4):
        assert mails.send(g.port, mails.marker(), sender="second@bad.test").code == 250
    texts = wait.until(lambda: len(found := alert_mails(folder)) == 2 and found, 10, "two alerts")
    first = next(text for text in texts if "loud@bad.test" in text)
    assert "Subject: SmtpGuard: rule spike: sender loud@bad.test" in first
    assert re.search(r"client: +127\.1\.1\.3", first) and re.search(r"fired: +spike:0", first)
    found = re.search(r"explain ([0-9A-Z]{8})", first)[1]
    assert g.journaled("mail", id=found)[0]["from"] == "loud@bad.test"
    wait.until(lambda: len([m for m in g.messages() if m.startswith("alert: rule spike")]) == 2, 10, "both in the log")


def test_who_leaves_is_told_of_all_the_same(guard, backend):
    """What only its last command made true, no further test of the session would tell."""
    rules = ({"name": "harvest", "when": "count(bad_recipients by client, 10m) > 2", "charge": 70},
             {"name": "tell", "when": "score >= 60", "do": "mail"})
    g = guard(backend({"RCPT": "550 5.1.1 No such user"}), rules=rules)
    with Client(g.port, "127.8.8.8") as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@client.test>")
        for n in range(3):
            assert c.cmd(f"RCPT TO:<none{n}@example.test>").code == 550
    assert g.said("alert: rule tell, client 127.8.8.8")


def test_an_alert_is_nobody_s_event(guard, folder):
    """Were the alert judged as a mail, it would be counted and cause the next one."""
    g = guard(maildir(folder), relay=RELAY, alerts={**ALERTS, "every": "0s"}, rules=(
        {"name": "any", "when": "count(messages by all, 1h) > 0", "do": "mail"},))
    assert mails.send(g.port, mails.marker()).code == 250
    wait.until(lambda: alert_mails(folder), 10, "the alert")
    time.sleep(0.5)
    assert len(alert_mails(folder)) == 1
    assert len(g.journaled("session")) == 1 and len(g.journal("mail")) == 1


def test_an_alert_that_is_not_taken_is_logged_and_told_again(guard, backend):
    """The backend refuses the alert's recipient."""
    def nobody(_, line):
        return "550 5.1.1 nobody" if "admin@" in line else None
    g = guard(backend({"RCPT": nobody}), alerts=ALERTS, rules=(
        {"name": "any", "when": "sender == 'a@b.test'", "do": "mail"},))
    for n in range(2):
        assert mails.send(g.port, "x", sender="a@b.test").code == 250
        wait.until(lambda: len([m for m in g.messages() if "could not be mailed" in m]) == n + 1, 10, "the failure")


def test_an_alert_may_go_anywhere(guard, backend):
    """Its readers are the administrator's choice: their domains need not be in relay.domains."""
    b = backend()
    away = ["admin@elsewhere.test", "second@example.test"]
    g = guard(b, relay={"domains": ["example.test"]}, alerts={**ALERTS, "to": away}, rules=(
        {"name": "any", "when": "sender == 'a@b.test'", "do": "mail"},))
    assert mails.send(g.port, "x", sender="a@b.test").code == 250
    told = wait.until(lambda: [m for m in b.mails if m.recipients == away], 10, "the alert")
    assert b"rule any" in told[0].body
    assert not [m for m in g.messages() if "could not be mailed" in m]


# ---- throttle ----

def test_throttled_bodies_keep_the_rate_and_the_others_do_not(guard, folder):
    """Its time does not count against limits.min_data_rate, which is set above the rate."""
    g = guard(maildir(folder), relay=RELAY, limits={"min_data_rate": 20000}, rules=(
        {"name": "slow", "when": "client.ip in 127.9.0.0/16", "do": "throttle", "rate": "8k"},))
    body = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * 4 * 1024 + b"\r\n"

    def send(source):
        with Client(g.port, source) as c:
            c.ehlo()
            return c.mail(body)

    seconds, reply = elapsed(lambda: send("127.9.1.1"))
    assert reply.code == 250 and seconds >= 6, (seconds, reply)
    seconds, reply = elapsed(lambda: send("127.8.1.1"))
    assert reply.code == 250 and seconds < 6 * wait.PATIENCE, (seconds, reply)


# ---- block ----

def test_a_block_ends_the_session_and_shuts_the_door(guard, backend):
    b = backend()
    g = guard(b, rules=({"name": "enough", "when": "count(bad_recipients by client, 1h) > 3 || helo == 'bot.test'",
                         "do": "block", "hold": "1h"},))
    with Client(g.port, "127.6.6.1") as c:
        reply = c.cmd("EHLO bot.test")
        assert reply.code == 421 and reply.enhanced == "4.7.0", reply
        assert c.at_end() == b""
    told = greeting(g.port, "127.6.6.1")
    assert told.code == 421 and told.enhanced == "4.7.0" and re.search(r"\(id [0-9A-Z]{8}\)", told.text), told
    assert greeting(g.port, "127.6.6.2").code == 220
    found = re.search(r"id ([0-9A-Z]{8})", told.text)[1]
    assert g.journaled("session", id=found, by="enough", client="127.6.6.1", code=421)


def test_a_block_that_is_over_lets_in_again(guard, backend):
    g = guard(backend(), rules=({"name": "enough", "when": "helo == 'bot.test'", "do": "block", "hold": "4s"},))
    began = time.monotonic()
    with Client(g.port, "127.6.6.1") as c:
        assert c.cmd("EHLO bot.test").code == 421
    assert greeting(g.port, "127.6.6.1").code == 421 or time.monotonic() - began >= 4
    wait.until(lambda: greeting(g.port, "127.6.6.1").code == 220, 20, "the end of the block")
    assert time.monotonic() - began >= 3


def test_a_block_in_the_administrator_s_words(guard, backend):
    g = guard(backend(), rules=({"name": "enough", "when": "helo == 'bot.test'", "do": "block", "hold": "1h",
                                 "reply": "554 5.7.1 {client} is not welcome here, see {id}"},))
    with Client(g.port, "127.6.6.1") as c:
        reply = c.cmd("EHLO bot.test")
        assert re.fullmatch(r"554 5\.7\.1 127\.6\.6\.1 is not welcome here, see [0-9A-Z]{8}", reply.lines[0]), reply
        assert c.at_end() == b""
    told = greeting(g.port, "127.6.6.1")
    assert re.fullmatch(r"554 5\.7\.1 127\.6\.6\.1 is not welcome here, see [0-9A-Z]{8}", told.lines[0]), told


def test_enforce_false_opens_the_door_again(guard, backend):
    rules = ({"name": "enough", "when": "helo == 'bot.test'", "do": "block", "hold": "1h"},)
    g = guard(backend(), rules=rules)
    with Client(g.port, "127.6.6.1") as c:
        assert c.cmd("EHLO bot.test").code == 421
    assert greeting(g.port, "127.6.6.1").code == 421
    g.configure(rules=rules, enforce=False)
    g.reload()
    wait.until(lambda: greeting(g.port, "127.6.6.1").code == 220, 10, "the new settings at every worker")


def test_observed_nobody_is_blocked(guard, backend):
    g = guard(backend(), rules=({"name": "enough", "when": "helo == 'bot.test'", "do": "block", "hold": "1h",
                                 "state": "observe"},))
    assert mails.send(g.port, "x", source="127.6.6.1", helo="bot.test").code == 250
    assert mails.send(g.port, "x", source="127.6.6.1").code == 250


# ---- delete ----

def test_delete_forgets_the_record(guard, backend):
    g = guard(backend(), rules=(
        {"name": "bad", "when": "helo == 'bad.test'", "charge": 50},
        {"name": "forgive", "when": "helo == 'good.test'", "do": "delete"},
        {"name": "hold-off", "when": "score >= 40", "do": "defer", "stage": "rcpt"}))
    assert mails.send(g.port, "x", helo="bad.test").code == 450
    assert mails.send(g.port, "x").code == 450
    mails.send(g.port, "x", helo="good.test")
    assert mails.send(g.port, "x").code == 250


# ---- tag ----

def test_tags_stand_on_top_with_received(guard, folder):
    g = guard(maildir(folder), relay=RELAY, rules=(
        {"name": "odd", "when": "helo == 'odd.test'", "do": "tag", "header": "X-SmtpGuard: odd helo"},
        {"name": "many", "when": "header('Subject') =~ /win/", "do": "tag", "header": "X-Spam: {rule} of {client}"},
        {"name": "not", "when": "helo == 'other.test'", "do": "tag", "header": "X-Not: this"}))
    with Client(g.port) as c:
        c.cmd("EHLO odd.test")
        assert c.mail(b"Subject: you\r\n win\r\n\r\nbody\r\n").code == 250
        assert c.mail(b"Subject: plain\r\n\r\nbody\r\n").code == 250
    texts = [p.read_text() for p in (folder / "mail" / "new").glob("*")]
    won = next(t for t in texts if "you" in t)
    head = won.split("Subject:")[0]
    assert head.startswith("Received:") or "\nReceived:" in head
    assert "\nX-SmtpGuard: odd helo" in head and "\nX-Spam: many of 127.0.0.1" in head and "X-Not" not in won
    plain = next(t for t in texts if "plain" in t)
    assert "X-SmtpGuard: odd helo" in plain and "X-Spam" not in plain


# ---- facts ----

def test_headers_size_and_helo_form_are_seen(guard, backend):
    g = guard(backend(), rules=(
        {"name": "header", "when": "header('X-Mailer') == 'Bulk 1.0'", "do": "reject"},
        {"name": "size", "when": "message.size > 2000", "do": "defer"},
        {"name": "form", "when": "helo.form == 'bare'", "do": "reject"}))
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail(b"Subject: x\r\nx-mailer:  Bulk\r\n 1.0\r\n\r\nbody\r\n").code == 550
        assert c.mail(b"Subject: x\r\n\r\nX-Mailer: Bulk 1.0\r\n").code == 250
        assert c.mail(b"Subject: x\r\n\r\n" + b"a" * 500 + b"\r\n" * 800).code == 450
        c.cmd("EHLO pc")
        assert c.mail().code == 550


def test_a_client_is_as_old_as_its_first_connection(guard, backend):
    g = guard(backend(), rules=({"name": "fresh", "when": "client.age < 5s", "do": "defer"},))
    assert mails.send(g.port, "first", source="127.9.9.9").code == 450
    wait.until(lambda: mails.send(g.port, "again", source="127.9.9.9").code == 250, 20, "the client old enough")
    assert mails.send(g.port, "other", source="127.9.9.8").code == 450


def test_open_connections_are_counted(guard, backend):
    g = guard(backend(), rules=({"name": "many", "when": "client.connections > 3", "do": "defer"},))
    held = [Client(g.port, "127.4.4.4") for _ in range(3)]
    assert mails.send(g.port, "x", source="127.4.4.4").code == 450
    assert mails.send(g.port, "x", source="127.4.4.5").code == 250
    held.pop().close()
    wait.until(lambda: mails.send(g.port, "x", source="127.4.4.4").code == 250, 10, "one connection less")
    for c in held:
        c.close()


def test_sessions_stress_and_load_are_seen(guard, backend):
    """Of eight places six are used by others: with its own it is the seventh; the machine's load is known."""
    g = guard(backend(), limits={"sessions": 8}, rules=(
        {"name": "crowd", "when": "sessions >= 7", "points": 1}, {"name": "half", "when": "stress > 0.7", "points": 1},
        {"name": "load", "when": "load >= 0 and load < 10000", "points": 1}))

    def fired():
        before = len(g.journal("mail"))
        assert mails.send(g.port, "x").code == 250
        return {r.split(":")[0] for r in g.journaled("mail", before + 1)[-1]["rules"]}

    assert fired() == {"load"}
    others = [Client(g.port, f"127.4.4.{n}") for n in range(1, 7)]
    wait.until(lambda: fired() == {"crowd", "half", "load"}, 10, "seven sessions")
    for c in others:
        c.close()
    wait.until(lambda: fired() == {"load"}, 10, "one session")


def test_who_talks_before_the_greeting(guard, backend):
    g = guard(backend(), refuse_at="now", rules=(
        {"name": "newcomer", "when": "!client.known_good", "stage": "connect", "do": "wait", "delay": "1s"},
        {"name": "early", "when": "early_talker", "charge": 40, "do": "defer"}))
    with g.talked_to_early("127.4.4.4", b"EHLO pc.example\r\n") as c:
        assert c.reply().code in (421, 450)
    with Client(g.port, "127.4.4.5") as c:
        assert c.greeting.code == 220 and c.ehlo()


def test_a_wait_for_the_message_does_not_pass_over_later_rules(guard, backend):
    g = guard(backend(), rules=(
        {"name": "look", "when": "header('X-Slow') == 'yes'", "do": "wait", "delay": "1s", "stage": "data"},
        {"name": "big", "when": "message.size > 1", "stage": "message", "do": "reject"}))
    with Client(g.port) as c:
        c.ehlo()
        seconds, reply = elapsed(lambda: c.mail(b"X-Slow: yes\r\n\r\nbody\r\n"))
        assert reply.code == 550 and seconds >= 0.9


# ---- known good ----

KNOWN = {"messages": 3, "over": "0s", "refused_share": 0.02}


def test_known_good_is_deferred_with_an_alarm_never_refused(guard, folder):
    g = guard(maildir(folder), relay=RELAY, alerts=ALERTS, known_good=KNOWN, rules=(
        {"name": "bad-words", "when": "sender == 'bad@client.test'", "do": "reject"},
        {"name": "bot", "when": "helo == 'bot.test'", "do": "block", "hold": "1h"},
        {"name": "no-mercy", "when": "helo == 'worm.test'", "do": "reject", "even_known_good": True}))
    for _ in range(3):
        assert mails.send(g.port, "x", source="127.3.3.3").code == 250
    for _ in range(3):
        assert mails.send(g.port, "x", source="127.3.3.3", sender="bad@client.test").code // 100 == 4
    assert mails.send(g.port, "x", source="127.3.3.3", helo="bot.test").code // 100 == 4
    assert mails.send(g.port, "x", source="127.3.3.3").code == 250, "it was not blocked"
    assert mails.send(g.port, "x", source="127.3.3.4", sender="bad@client.test").code == 550
    texts = wait.until(lambda: len(found := alert_mails(folder)) == 2 and found, 10, "two alarms")
    assert any('"bad-words" asks for: reject' in t and "known good" in t for t in texts)
    assert any('"bot" asks for: block' in t for t in texts)
    assert mails.send(g.port, "x", source="127.3.3.3", helo="worm.test").code == 550


def test_what_the_promise_does_not_cover(guard, backend):
    """Protocol faults, recipients that are not ours, the backend's own reply, a block that was typed."""
    g = guard(backend({"RCPT": lambda _, line: "550 5.1.1 nobody" if "nobody" in line else None}), known_good=KNOWN)
    for _ in range(3):
        assert mails.send(g.port, "x", source="127.3.3.3").code == 250
    assert g.ctl_json("show", "127.3.3.3")["entries"][0]["known"]["good"] is True
    with Client(g.port, "127.3.3.3") as c:
        assert c.cmd("NONSENSE").code == 500
        c.ehlo()
        c.cmd("MAIL FROM:<a@b.test>")
        assert c.cmd("RCPT TO:<nobody@example.test>").code == 550
        assert c.cmd("RCPT TO:<a@elsewhere.test>").code == 550
    assert g.ctl("block", "127.3.3.3", "--for", "1h").returncode == 0
    assert greeting(g.port, "127.3.3.3").code == 421


def test_a_block_meant_even_so_stays_at_the_door(guard, backend):
    g = guard(backend(), known_good={**KNOWN, "refused_share": 0.5}, rules=(
        {"name": "worm", "when": "helo == 'worm.test'", "do": "block", "hold": "1h", "even_known_good": True},))
    for _ in range(3):
        assert mails.send(g.port, "x", source="127.3.3.3").code == 250
    with Client(g.port, "127.3.3.3") as c:
        assert c.cmd("EHLO worm.test").code == 421
    assert greeting(g.port, "127.3.3.3").code == 421


# ---- the administrator's word ----

def test_a_typed_block_and_an_allow(guard, backend):
    g = guard(backend(), rules=({"name": "all", "when": "client.ip in 127.2.0.0/16", "do": "reject"},))
    with Client(g.port, "127.5.5.5") as c:
        c.ehlo()
        assert c.mail().code == 250
        assert g.ctl("block", "127.5.5.5", "--for", "1h", "--reason", "noise").returncode == 0
        assert c.cmd("MAIL FROM:<a@client.test>").code == 421
    assert greeting(g.port, "127.5.5.5").code == 421
    assert g.ctl("allow", "127.5.5.5", "--for", "1h").returncode == 0
    assert mails.send(g.port, "x", source="127.5.5.5").code == 250
    assert mails.send(g.port, "x", source="127.2.2.2").code == 550
    assert g.ctl("allow", "127.2.2.0/24", "--for", "1h").returncode == 0
    assert mails.send(g.port, "x", source="127.2.2.2").code == 250
    assert g.ctl("block", "bad@client.test", "--for", "1h").returncode == 0
    reply = mails.send(g.port, "x", sender="bad@client.test")
    assert reply.code == 450 and reply.enhanced == "4.7.1" and "id " in reply.text
    assert mails.send(g.port, "x", sender="good@client.test").code == 250


# ---- escalation ----

LADDER = (
    {"name": "harvest", "when": "count(bad_recipients by client, 10m) > 5", "charge": 20},
    {"name": "slow-down", "when": "score >= 40", "do": "wait", "delay": "1s"},
    {"name": "hold-off", "when": "score >= 80", "do": "defer"},
    {"name": "on-and-on", "when": "count(deferred by client, 10m) > 3", "charge": 40},
    {"name": "enough", "when": "score >= 150", "do": "block", "hold": "1h"},
)


def guesses(port, source, each, most=60):
    """Unknown recipients, so many a session, until the door is shut; (seconds, code) of each answer."""
    seen = []
    while len(seen) < most:
        with Client(port, source, greet=False) as c:
            seconds, reply = elapsed(c.reply)
            seen.append((seconds, reply.code))
            if seen[-1][1] == 421:
                return seen
            try:
                c.ehlo()
                c.cmd("MAIL FROM:<h@harvester.test>")
                for n in range(each):
                    seconds, reply = elapsed(lambda: c.cmd(f"RCPT TO:<guess{len(seen)}@example.test>"))
                    seen.append((seconds, reply.code))
                    if reply.code == 421:
                        break
            except (Closed, AssertionError):
                continue
    return seen


def escalates(g, postfix, source, each):
    quiet, end = [], threading.Event()

    def quiet_client():
        while not end.is_set():
            mark = mails.marker()
            quiet.append((mark, mails.send(g.port, mark, source="127.66.1.1")))

    thread = threading.Thread(target=quiet_client)
    thread.start()
    try:
        seen = guesses(g.port, source, each)
    finally:
        end.set()
        thread.join()
    answers = [code for _, code in seen if code != 220]
    assert answers[:5] == [550] * 5, seen
    assert any(seconds >= 0.9 for seconds, _ in seen), seen
    assert 450 in answers and answers.index(450) > 5, seen
    assert seen[-1][1] == 421 and len(seen) < 60, seen
    assert greeting(g.port, source).code == 421
    assert quiet and all(reply.code == 250 for _, reply in quiet)
    assert {mail["waited_ms"] for mail in g.journaled("mail", len(quiet), client="127.66.1.1")} == {0}
    assert postfix.one_mail(quiet[0][0]) and postfix.one_mail(quiet[-1][0])


def test_harvester_in_one_long_session(guard, postfix):
    escalates(guard(postfix.inner, rules=LADDER), postfix, "127.66.6.1", 60)


def test_harvester_in_many_short_sessions(guard, postfix):
    escalates(guard(postfix.inner, rules=LADDER), postfix, "127.66.6.2", 2)


def test_a_spike_of_one_sender_from_200_addresses(guard, folder):
    """Seen, told once, held by the sender's record; other mail of the same addresses passes."""
    g = guard(maildir(folder), relay=RELAY, alerts=ALERTS, rules=(
        {"name": "spike", "when": "count(messages by sender, 5m) > 50", "charge": 30, "do": "mail"},
        {"name": "hot-sender", "when": "record(sender) >= 60", "do": "defer"}))
    codes = [mails.send(g.port, "x", source=f"127.77.{n // 100}.{n % 100 + 1}", sender="stolen@client.test").code
             for n in range(200)]
    assert codes[:50] == [250] * 50 and set(codes[60:]) == {450}, codes
    for n in (0, 150, 199):
        source = f"127.77.{n // 100}.{n % 100 + 1}"
        assert mails.send(g.port, "x", source=source, sender=f"n{n}@client.test").code == 250
    texts = wait.until(lambda: alert_mails(folder), 10, "the alert")
    assert len(texts) == 1 and "sender stolen@client.test" in texts[0]
