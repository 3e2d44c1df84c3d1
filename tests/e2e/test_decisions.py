"""explain, last and test: a decision can be found by its id, its client, its recipient, and says what it stood on."""
import json
import re

import pytest

from harness import mails, wait
from harness.client import Client

ID = re.compile(r"id ([0-9A-Z]{8})(-\d+)?\b")
RULES = (
    {"name": "friend", "when": "client.ip == 127.55.0.9", "do": "ok"},
    {"name": "guessing", "when": "count(bad_recipients by client, 10m) > 1", "charge": 30, "points": 5},
    {"name": "watch", "when": "score >= 30", "state": "observe", "do": "reject"},
    {"name": "no", "when": "score >= 60", "do": "defer", "reply": "450 4.7.1 Not now, {client} (id {id})"},
    {"name": "spam", "when": "sender.domain == 'spam.test'", "do": "reject"},
)


def unknown_users(c, line):
    return "550 5.1.1 nobody" if "nobody" in line else None


@pytest.fixture
def g(guard, backend):
    return guard(backend({"RCPT": unknown_users}), rules=RULES)


def harvest(g, source="127.55.0.7"):
    """Until it is deferred; that reply."""
    with Client(g.port, source) as c:
        c.ehlo("bot.test")
        c.cmd("MAIL FROM:<h@bot.test>")
        for n in range(10):
            reply = c.cmd(f"RCPT TO:<nobody{n}@example.test>")
            if reply.code == 450:
                break
        c.cmd("QUIT")
    return reply


def test_an_id_of_a_refusal_finds_its_whole_story(g):
    reply = harvest(g)
    found = ID.search(reply.text)
    assert reply.code == 450 and found[2], reply
    for typed in (found[0][3:], found[1], found[1].lower()):
        shown = wait.until(lambda: g.ctl("--json", "explain", typed).returncode == 0, 10, "the decision")
    shown = g.ctl_json("explain", found[0][3:])["decisions"]
    assert len(shown) == 1
    d = shown[0]
    assert d["client"] == "127.55.0.7" and d["helo"] == "bot.test" and d["from"] == "h@bot.test"
    assert d["event"] == "mail" and d["verdict"] == "deferred" and d["by"] == "no"
    assert {"address": "nobody0@example.test", "code": 550} in d["to"]
    assert d["to"][-1]["code"] == 450 and d["to"][-1]["id"] == found[0][3:]
    rules = {r["name"]: r for r in d["rules"]}
    assert rules["guessing"]["stage"] == "rcpt" and rules["guessing"]["points"] == 5
    assert rules["guessing"]["read"] == [{"name": "count(bad_recipients by client, 10m)", "value": 2.0}]
    assert rules["watch"]["observed"] is True and rules["watch"]["points"] == 0
    assert rules["no"]["action"] == "defer" and d["score"] >= 60
    assert d["observed"] == "watch:reject"
    text = g.ctl("explain", found[1]).stdout
    assert "guessing" in text and "count(bad_recipients by client, 10m) = 2" in text and "deferred by no" in text


def test_by_client_and_by_recipient(g):
    assert mails.send(g.port, "x", source="127.55.0.7").code == 250
    assert mails.send(g.port, "x", source="127.55.0.8", rcpts=["Other@example.test"]).code == 250
    wait.until(lambda: len(g.ctl_json("last")["decisions"]) == 2, 10, "two decisions")
    by = lambda *words: [d["client"] for d in g.ctl_json("explain", *words)["decisions"]]
    assert by("--client", "127.55.0.7") == ["127.55.0.7"]
    assert by("--client", "127.55.0.0/24") == ["127.55.0.8", "127.55.0.7"]
    assert by("--client", "127.55.0.0/24", "--top", "1") == ["127.55.0.8"]
    assert by("--rcpt", "other@EXAMPLE.test") == ["127.55.0.8"]
    for words in (["--client", "127.55.0.99"], ["--rcpt", "none@example.test"], ["00000000"]):
        done = g.ctl("explain", *words)
        assert done.returncode == 1 and "journal" in done.stdout, done
    assert g.ctl("explain", "--client", "nonsense").returncode == 1
    assert g.ctl("explain", "IL").returncode == 1


def test_who_is_turned_away_at_the_door_is_kept_once_a_minute(guard, backend):
    """A blocked client is found by its address and id; its thousand tries do not push the others out."""
    g = guard(backend(), server={"workers": 1}, log={"decisions": 20})
    assert mails.send(g.port, "x", source="127.55.0.1").code == 250
    assert g.ctl("block", "127.55.0.9", "--for", "1h").returncode == 0
    for n in range(50):
        with Client(g.port, "127.55.0.9", greet=False) as c:
            reply = c.reply()
            first = first if n else ID.search(reply.text)[1]
    kept = g.explained("--client", "127.55.0.9")
    assert [(d["id"], d["by"], d["code"], d["connections"]) for d in kept] == [(first, "block", 421, 1)]
    assert "at door" in g.ctl("explain", first).stdout
    assert len(g.ctl_json("explain", "--client", "127.55.0.1")["decisions"]) == 1


def test_last_is_newest_first_and_says_who_decided(g):
    for n in range(3):
        mails.send(g.port, "x", source=f"127.55.1.{n}", sender="a@spam.test" if n == 1 else "a@ham.test")
    wait.until(lambda: g.ctl_json("stats")["decisions"]["total"] == 3, 10, "three decisions")
    shown = g.ctl_json("last", "2")["decisions"]
    assert [d["client"] for d in shown] == ["127.55.1.2", "127.55.1.1"]
    assert shown[1]["by"] == "spam" and shown[1]["verdict"] == "refused" and shown[0]["by"] == "backend"
    text = g.ctl("last").stdout
    assert text.splitlines()[0].split()[:2] == ["TIME", "ID"] and "127.55.1.0" in text and "spam" in text


def test_a_session_without_a_mail_is_kept_too(g):
    with Client(g.port, "127.55.0.7") as c:
        c.ehlo("silent.test")
        c.cmd("QUIT")
    d = wait.until(lambda: g.ctl_json("last")["decisions"], 10, "the session")[0]
    assert d["event"] == "session" and d["helo"] == "silent.test" and d["verdict"] == "quit"


def test_what_an_ok_cancelled_is_said(g):
    reply = harvest(g, "127.55.0.9")
    assert reply.code == 550
    d = wait.until(lambda: g.ctl_json("last")["decisions"], 10, "the mail")[0]
    assert [r["name"] for r in d["rules"]] == ["friend"]


def test_the_oldest_go_first(guard, backend):
    g = guard(backend(), log={"decisions": 4})
    for n in range(10):
        mails.send(g.port, "x", source=f"127.55.2.{n}")
    shown = wait.until(lambda: (s := g.ctl_json("stats"))["decisions"]["total"] == 10 and g.ctl_json("last"), 10, "ten")
    assert shown["kept"] <= 4 and shown["decisions"][0]["client"] == "127.55.2.9"
    assert len(shown["decisions"]) == shown["kept"] and shown["oldest"]


def test_an_id_no_longer_in_memory_is_found_in_the_journal(guard, backend):
    g = guard(backend(), server={"workers": 1}, log={"decisions": 2}, rules=RULES)
    found = ID.search(mails.send(g.port, "x", sender="a@spam.test").text)[1]
    wait.until(lambda: g.ctl("explain", found).returncode == 0, 10, "the decision")
    for _ in range(5):
        mails.send(g.port, "x")
    wait.until(lambda: g.ctl_json("stats")["decisions"]["total"] == 6, 10, "six decisions")
    done = g.ctl("explain", found)
    told = re.search(r'nothing of it is in memory: 2 decisions are kept.*journal \(log\.to = "([^"]+)"\): look there '
                     "for the id", done.stdout, re.S)
    assert done.returncode == 1 and told, done
    assert told[1] == str(g.folder / "journal") and g.journaled("mail", id=found)[0]["by"] == "spam"


def test_a_refusal_of_the_backend_passes_and_is_found(g):
    reply = mails.send(g.port, "x", source="127.55.0.7", rcpts=["nobody@example.test"])
    assert reply.lines == ["550 5.1.1 nobody"]
    line = g.journaled("mail")[0]
    for words in (["--client", "127.55.0.7"], ["--rcpt", "nobody@example.test"], [line["id"]]):
        kept = g.explained(*words)
        assert [(d["id"], d["by"], d["backend_reply"]) for d in kept] == [(line["id"], "backend", "5.1.1 nobody")]


def test_none_are_kept_when_none_are_wanted(guard, backend):
    g = guard(backend(), log={"decisions": 0})
    assert mails.send(g.port, "x").code == 250
    assert g.ctl_json("last")["decisions"] == [] and g.ctl_json("stats")["decisions"]["kept"] == 0


@pytest.mark.parametrize("mode", ["hash", "none"])
def test_what_the_journal_hides_is_hidden_here(guard, backend, mode):
    g = guard(backend(), log={"addresses": mode})
    assert mails.send(g.port, "x", source="127.55.0.7", rcpts=["secret@example.test"]).code == 250
    shown = wait.until(lambda: g.ctl_json("last")["decisions"], 10, "the mail")
    assert "secret" not in json.dumps(shown) and "127.55.0.7" not in json.dumps(shown)
    assert g.ctl("explain", "--rcpt", "secret@example.test").returncode == (0 if mode == "hash" else 1)
    assert g.ctl("explain", "--client", "127.55.0.7").returncode == (0 if mode == "hash" else 1)
    assert g.ctl("explain", shown[0]["id"]).returncode == 0


def test_a_thousand_recipients_are_cut_not_lost(g):
    with Client(g.port, "127.55.0.7") as c:
        c.ehlo()
        c.envelope(rcpts=[f"{n:0>60}@example.test" for n in range(300)])
        c.cmd("QUIT")
    d = wait.until(lambda: g.ctl_json("last")["decisions"], 10, "the mail")[0]
    assert 100 < len(d["to"]) < 300 and len(d["to"]) + d["to_more"] == 300


def test_what_would_happen_and_nothing_does(g):
    def judged(*words):
        return {s["stage"]: s for s in g.ctl_json("test", "--client", "127.55.0.7", *words)["stages"]}
    assert list(judged()) == ["connect", "greet"]
    stages = judged("--helo", "x", "--from", "a@spam.test", "--rcpt", "b@example.test")
    assert list(stages) == ["connect", "greet", "helo", "mail", "rcpt"]
    assert stages["mail"]["verdict"] == "reject" and stages["mail"]["by"] == "spam" and stages["mail"]["code"] == 550
    harvest(g)
    score = g.ctl_json("show", "127.55.0.7")["entries"][0]["points"]
    told = g.ctl_json("test", "--client", "127.55.0.7", "--from", "a@b.test", "--rcpt", "nobody@example.test")
    assert told["stages"][-1]["by"] == "no" and "127.55.0.7" in told["stages"][-1]["reply"]
    names = [r["name"] for r in told["rules"]]
    assert "guessing" in names and "no" in names
    for _ in range(5):
        judged("--from", "a@b.test", "--rcpt", "nobody@example.test")
    assert g.ctl_json("show", "127.55.0.7")["entries"][0]["points"] == pytest.approx(score, rel=0.01)
    friend = g.ctl_json("test", "--client", "127.55.0.9", "--from", "a@spam.test")
    assert friend["stages"][-1]["verdict"] == "none" and friend["stages"][-1]["ok"] == "friend"
    for word, key in (("allow", "127.55.0.9"), ("block", "shut@example.test")):
        assert g.ctl(word, key, "--for", "1h").returncode == 0
    told = g.ctl_json("test", "--client", "127.55.0.9", "--rcpt", "shut@example.test")
    assert told["hold"]["kind"] == "block"  # as RCPT would be answered: what a client is allowed lifts no other's block
    assert mails.send(g.port, "x", rcpts=("shut@example.test",), source="127.55.0.9").code == 450
    assert g.ctl("test", "--client", "nonsense").returncode == 1
    assert g.ctl("test", "--client", "127.55.0.7", "--rdns", "no host's name").returncode == 1
    assert "would be judged" in g.ctl("test", "--client", "127.55.0.7").stdout


def test_the_known_good_promise_is_told(guard, backend):
    g = guard(backend(), rules=RULES, known_good={"messages": 2, "over": "0s"})
    for _ in range(2):
        assert mails.send(g.port, "x", source="127.55.0.7").code == 250
    reply = mails.send(g.port, "x", source="127.55.0.7", sender="a@spam.test")
    assert reply.code == 450, reply
    shown = g.ctl_json("show", "127.55.0.7")["entries"][0]["known"]
    assert shown["good"] is True and shown["accepted"] == 2
    d = g.explained("--client", "127.55.0.7")[0]
    assert d["promise"] == "spam" and d["verdict"] == "deferred"
    assert "known good" in g.ctl("explain", d["id"]).stdout
    told = g.ctl_json("test", "--client", "127.55.0.7", "--from", "a@spam.test")["stages"][-1]
    assert told["verdict"] == "defer" and told["code"] == 450


def test_an_allowance_and_a_block_are_seen_by_test(g):
    words = ["test", "--client", "127.55.0.7", "--from", "a@spam.test"]
    assert g.ctl("allow", "127.55.0.0/24", "--for", "1h", "--reason", "a customer").returncode == 0
    told = g.ctl_json(*words)
    assert told["stages"][-1]["verdict"] == "none" and told["hold"]["reason"] == "a customer"
    assert mails.send(g.port, "x", source="127.55.0.7", sender="a@spam.test").code == 250
    assert g.ctl("block", "127.55.0.7", "--for", "1h").returncode == 0
    assert g.ctl("delete", "127.55.0.0/24", "--all").returncode == 0
    told = g.ctl_json(*words)
    assert told["stages"][-1]["verdict"] == "reject" and told["hold"]["kind"] == "block"
