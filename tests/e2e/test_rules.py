"""`smtpguardctl rules`: how often each rule fired, decided and charged, over a reload too."""
import re

from harness import mails, wait
from harness.client import Client

RULES = ({"name": "guessing", "when": "count(bad_recipients by client, 10m) > 0", "charge": 10.5},
         {"name": "seen", "when": "listener == \"mx\"", "points": 2, "state": "observe"},
         {"name": "spam", "when": "sender == \"bad@bot.test\"", "points": 3, "do": "reject"},
         {"name": "slow", "when": "helo == \"slow.test\"", "do": "wait", "delay": "50ms"},
         {"name": "unused", "when": "helo == \"other.test\"", "do": "reject", "state": "off"})


def offend(g, helo="client.example.test", rcpt="nobody@example.test"):
    with Client(g.port) as c:
        c.ehlo(helo)
        c.cmd("MAIL FROM:<a@b.test>")
        assert c.cmd(f"RCPT TO:<{rcpt}>").code == 550
        c.cmd("RSET")
        c.cmd("MAIL FROM:<bad@bot.test>")
        assert c.cmd("RCPT TO:<user@example.test>").code == 550
        c.cmd("QUIT")


def rules(g, *words):
    return {r["name"]: r for r in g.ctl_json("rules", *words)["rules"]}


def test_each_rule_is_counted(guard, backend):
    g = guard(backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None}), rules=RULES)
    for n in range(3):
        offend(g, "slow.test" if n == 0 else "client.example.test")
    shown = rules(g)
    assert list(shown) == [r["name"] for r in RULES]
    assert shown["guessing"]["charged"] == 3 and shown["guessing"]["charge_given"] == 31.5
    assert shown["seen"]["observed"] == 3 and shown["seen"]["fired"] == 0 and shown["seen"]["points_given"] == 0
    spam = shown["spam"]
    assert (spam["fired"], spam["decided"], spam["points_given"]) == (3, 3, 9)
    assert spam["action"] == "reject" and spam["state"] == "enforce" and "mail" in spam["stages"]
    assert shown["slow"]["fired"] == shown["slow"]["decided"] == 1
    assert shown["unused"]["state"] == "off" and shown["unused"]["fired"] == 0
    assert len(rules(g, "--top", "2")) == 2 and "slow" not in rules(g, "--top", "3")
    assert re.search(r"^spam +enforce +reject +\S+ +3 +0 +3 +9 +0$", g.ctl("rules").stdout, re.M), g.ctl("rules").stdout
    assert g.ctl("rules", "--top", "0").returncode == 2
    text = g.ctl("stats", "--prometheus").stdout
    assert 'smtpguard_rule_decided_total{rule="spam"} 3\n' in text
    assert 'smtpguard_rule_observed_total{rule="seen"} 3\n' in text


def test_a_reload_keeps_the_counters_of_the_same_name(guard, backend):
    g = guard(backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None}), rules=RULES)
    with Client(g.port) as old:
        old.ehlo()
        offend(g)
        kept = {**RULES[2], "points": 7}
        g.configure(rules=({"name": "new", "when": "listener == \"mx\""}, kept))
        assert g.ctl("reload").returncode == 0
        wait.until(lambda: rules(g).keys() == {"new", "spam"}, 5, "the new rules")
        assert rules(g)["spam"]["fired"] == 1 and rules(g)["new"]["fired"] == 0
        old.cmd("MAIL FROM:<bad@bot.test>")  # of the old generation: the same counter
        assert rules(g)["spam"]["fired"] == 2
    offend(g)
    assert rules(g)["spam"]["fired"] == 3 and rules(g)["spam"]["points_given"] == 3 + 3 + 7
    assert rules(g)["new"]["fired"] == 1
    g.configure(rules=RULES[1:])
    assert g.ctl("reload").returncode == 0
    assert rules(g)["spam"]["fired"] == 3
    assert rules(g)["slow"]["fired"] == 0  # it was gone in between


def test_a_pattern_that_gives_up_is_told_once_and_counted(guard, backend, folder):
    """The sender makes the pattern explode: the rule does not fire, the list is not known, nobody is held up."""
    (folder / "bad.list").write_text("/^(b+)+[cd]/\n")
    g = guard(backend(), lists={"bad": str(folder / "bad.list")},
              rules=({"name": "explodes", "when": "sender =~ /^(a+)+[bc]/", "do": "reject"},
                     {"name": "listed", "when": "sender in list(\"bad\")", "do": "reject"}))
    for letter in "aab":
        assert mails.send(g.port, "x", sender=letter * 60 + "@client.test").code == 250
    assert g.said("rule explodes: its patterns took too many steps")
    assert g.said("rule listed: its patterns took too many steps")
    assert (g.folder / "journal").read_text().count("took too many steps") == 2
    assert g.ctl_json("stats")["patterns_gave_up"] >= 3
    assert re.search(r"^smtpguard_patterns_gave_up_total [1-9]", g.ctl("stats", "--prometheus").stdout, re.M)


def test_a_recipient_that_a_list_cannot_say_is_deferred(guard, backend, folder):
    (folder / "users.list").write_text("/^(a+)+[bc]/\nuser@example.test\n")
    g = guard(backend(), relay={"recipients": ["list:users"]}, lists={"users": str(folder / "users.list")})
    with Client(g.port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@b.test>")
        assert c.cmd("RCPT TO:<user@example.test>").code == 250
        assert c.cmd("RCPT TO:<nobody@example.test>").code == 550
        reply = c.cmd("RCPT TO:<" + "a" * 60 + "@example.test>")
        assert reply.code == 450 and "4.3.0" in reply.text
    assert g.said("list users: its patterns took too many steps")
