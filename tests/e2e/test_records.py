"""list, show, delete, block, allow, lists, snapshot, stats --prometheus: the store in the administrator's hand."""
import pathlib
import re

import pytest

from harness import mails, wait
from harness.client import Client

RULES = ({"name": "guessing", "when": "count(bad_recipients by client, 10m) > 0", "charge": 10},
         {"name": "sender", "when": "count(bad_recipients by sender, 10m) > 0", "charge": 7},
         {"name": "full", "when": "score >= 1000", "do": "reject"})


@pytest.fixture
def g(guard, backend):
    b = backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None})
    return guard(b, rules=RULES)


def offend(g, source, times=1, sender="bad@bot.test"):
    with Client(g.port, source) as c:
        c.ehlo()
        c.cmd(f"MAIL FROM:<{sender}>")
        for n in range(times):
            assert c.cmd(f"RCPT TO:<nobody{n}@example.test>").code == 550
        c.cmd("QUIT")


def test_the_heaviest_come_first(g):
    for n in range(1, 4):
        offend(g, f"127.77.0.{n}", times=n)
    shown = g.ctl_json("list", "--kind", "client")["entries"]
    assert [e["key"] for e in shown] == ["127.77.0.3", "127.77.0.2", "127.77.0.1"]
    assert shown[0]["points"] == pytest.approx(30, rel=0.01) and shown[0]["kind"] == "client"
    assert shown[0]["first"] <= shown[0]["last"]
    assert [e["key"] for e in g.ctl_json("list", "--kind", "client", "--top", "1")["entries"]] == ["127.77.0.3"]
    assert [e["key"] for e in g.ctl_json("list", "--kind", "sender")["entries"]] == ["bad@bot.test"]
    assert len(g.ctl_json("list")["entries"]) == 4 and g.ctl_json("list", "--kind", "net")["entries"] == []
    assert "127.77.0.3" in g.ctl("list").stdout
    assert g.ctl("list", "--kind", "nonsense").returncode == 1
    assert g.ctl_json("list", "--kind", "greylist")["entries"] == []


def test_show_and_delete(g):
    offend(g, "127.77.0.1")
    assert g.ctl_json("show", "127.77.0.1")["entries"][0]["points"] == pytest.approx(10, rel=0.01)
    assert g.ctl_json("show", "bad@bot.test")["entries"][0]["kind"] == "sender"
    assert g.ctl("show", "127.77.0.2").returncode == 1 and g.ctl("show", "127.77.0.1/16").returncode == 1
    assert "10.0 points" in g.ctl("show", "127.77.0.1").stdout
    assert g.ctl_json("delete", "127.77.0.1")["deleted"] == 1
    assert g.ctl("show", "127.77.0.1").returncode == 1 and g.ctl("delete", "127.77.0.1").returncode == 1
    assert g.ctl("show", "bad@bot.test").returncode == 0


def test_half_life_can_be_set(guard, backend):
    """For who lists records and for the rules: 150 points, three half-lives later nobody is held off."""
    b = backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None})
    g = guard(b, score={"half_life": "2s"},
              rules=(RULES[0], {"name": "hot", "when": "score >= 20", "stage": "mail", "do": "defer"}))
    offend(g, "127.77.0.1", times=15)
    wait.until(lambda: mails.send(g.port, "x", source="127.77.0.1").code == 250, 20, "three half-lives")
    assert g.ctl_json("list")["entries"][0]["points"] < 20


def test_delete_leaves_a_block_unless_all(g):
    offend(g, "127.77.0.1")
    assert g.ctl("block", "127.77.0.1", "--for", "1h", "--reason", "a bot").returncode == 0
    assert g.ctl_json("delete", "127.77.0.1")["deleted"] == 1
    assert g.ctl_json("show", "127.77.0.1")["entries"][0]["hold"]["reason"] == "a bot"
    assert g.ctl_json("delete", "127.77.0.1", "--all")["deleted"] == 1
    assert g.ctl("show", "127.77.0.1").returncode == 1


def test_blocks_and_allowances_are_listed_with_end_and_reason(g):
    told = g.ctl_json("block", "127.77.1.0/24", "--for", "2h", "--reason", "a bad net")
    assert told["kind"] == "net" and told["key"] == "127.77.1.0/24" and told["until"]
    assert g.ctl_json("allow", "Customer.test", "--for", "1d")["kind"] == "sender.domain"
    shown = {e["key"]: e["hold"] for e in g.ctl_json("list", "--kind", "block")["entries"]}
    assert shown["127.77.1.0/24"]["kind"] == "block" and shown["127.77.1.0/24"]["reason"] == "a bad net"
    assert shown["customer.test"]["kind"] == "allow"
    assert g.ctl_json("allow", "127.77.1.0/24", "--for", "1h")["until"]
    assert g.ctl_json("show", "127.77.1.0/24")["entries"][0]["hold"]["kind"] == "allow"
    assert "allowed until" in g.ctl("show", "127.77.1.0/24").stdout


def test_hashed_keys_are_found_by_who_knows_them(guard, backend):
    b = backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None})
    g = guard(b, rules=RULES, log={"addresses": "hash"})
    offend(g, "127.77.0.1")
    keys = [e["key"] for e in g.ctl_json("list")["entries"]]
    assert len(keys) == 2 and all(re.fullmatch("#[0-9a-f]{16}", key) for key in keys)
    assert g.ctl("show", "bad@bot.test").returncode == 0
    assert g.ctl_json("delete", "127.77.0.1")["deleted"] == 1
    assert g.ctl_json("delete", "bad@bot.test")["deleted"] == 1 and g.ctl_json("list")["entries"] == []


@pytest.mark.parametrize("words", [["block", "127.0.0.1"], ["block", "127.0.0.1", "--for", "0s"],
                                   ["allow", "127.0.0.1", "--for", "400d"], ["block", "--for", "1h"]])
def test_wrong_usage(g, words):
    assert g.ctl(*words).returncode == 2


@pytest.mark.parametrize("words", [["block", "127.0.0.1/8", "--for", "1h"], ["allow", "someuser", "--for", "1h"],
                                   ["block", "127.0.0.9", "--for", "1h", "--reason", "x" * 49]])
def test_what_cannot_be_held_is_said(g, words):
    done = g.ctl(*words)
    assert done.returncode == 1 and done.stderr


def test_lists(guard, backend, folder):
    (folder / "friends.list").write_text("192.0.2.1\nexample.test\n# a comment\n")
    g = guard(backend(), lists={"friends": str(folder / "friends.list")})
    shown = g.ctl_json("lists")["lists"]
    assert shown == [{"name": "friends", "file": str(folder / "friends.list"), "entries": 2, "faults": 0,
                      "memory_bytes": shown[0]["memory_bytes"]}]
    assert "friends" in g.ctl("lists").stdout


def test_a_snapshot_by_order(g):
    offend(g, "127.77.0.1")
    told = g.ctl_json("snapshot")
    assert told["entries"] >= 1 and told["path"].endswith("state.snap")
    assert (g.folder / "state.snap").stat().st_size == told["bytes"]
    assert "state.snap" in g.ctl("snapshot").stdout


def test_metrics_are_well_formed_and_true(g):
    assert mails.send(g.port, "x").code == 250
    offend(g, "127.77.0.1")
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 10, "no session")
    lines = g.ctl("stats", "--prometheus").stdout.splitlines()
    sample = re.compile(r'^(smtpguard_[a-z_]+)(\{[a-z]+="[a-z]+"\})? (\d+)$')
    typed = {}
    values = {}
    for line in lines:
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in typed and kind in ("counter", "gauge") and (kind == "counter") == name.endswith("_total")
            typed[name] = kind
        elif not line.startswith("# HELP "):
            name, label, value = sample.match(line).groups()
            assert name in typed and (name, label) not in values
            values[name, label] = int(value)
    assert values["smtpguard_mails_total", '{verdict="accepted"}'] == 1
    assert values["smtpguard_sessions_total", None] == 2 and values["smtpguard_sessions", None] == 0
    assert values["smtpguard_recipients_total", '{verdict="refused"}'] == 1
    assert values["smtpguard_enforce", None] == 1
    documented = (pathlib.Path(__file__).parents[2] / "docs/METRICS.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| (\w+) \|", documented, re.M) == list(typed.items())
