"""log.replay: each decision of a real server is written down, and the same rules decide the same again."""
import concurrent.futures
import contextlib
import json
import os
import signal
import stat

import pytest

from harness import dns as names
from harness import mails, wait
from harness.client import Client, Closed
from harness.guard import run, run_guard

RULES = (
    {"name": "friend", "when": "client.ip == 127.56.0.9", "do": "ok"},
    {"name": "early", "when": "early_talker", "charge": 40, "do": "defer"},
    {"name": "newcomer", "when": "!client.known_good", "stage": "connect", "do": "wait", "delay": "300ms"},
    {"name": "harvest", "when": "count(bad_recipients by client, 10m) > 3", "charge": 20},
    {"name": "burst", "when": "count(messages by client, 1m) > 6", "charge": 5, "points": 3},
    {"name": "many", "when": "distinct(sender by client, 10m) > 3", "points": 7},
    {"name": "subject", "when": "header('Subject') =~ /offer/i", "points": 4},
    {"name": "watch", "when": "score >= 20", "state": "observe", "do": "reject"},
    {"name": "hold-off", "when": "score >= 60", "do": "defer"},
)


def unknown_users(c, line):
    return "550 5.1.1 nobody" if "nobody" in line else "450 4.2.1 later" if "later" in line else None


def good(g, source, n=3):
    for i in range(n):
        mails.send(g.port, f"offer{i}", source=source, sender=f"s{i}@{source[7:]}.test",
                   rcpts=["a@example.test", f"b{i}@example.test"])


def harvest(g, source):
    with Client(g.port, source) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<h@bot.test>")
        for n in range(9):
            c.cmd(f"RCPT TO:<nobody{n}@example.test>")
        c.cmd("RSET")
        c.cmd("MAIL FROM:<h@bot.test>")
        c.cmd("RCPT TO:<later@example.test>")
        c.cmd("QUIT")


def early(g, source):
    with Client(g.port, source, greet=False) as c:
        c.send("EHLO early.test\r\n")
        c.at_end() if c.reply().code != 220 else None


def burst(g, source):
    with Client(g.port, source) as c:
        c.ehlo()
        for n in range(9):
            c.mail(sender=f"n{n}@burst.test")
        c.cmd("NONSENSE")


def traffic(g, net="127.56.0"):
    """All kinds at once, from many clients, some of them twice at a time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [(kind, pool.submit(kind, g, f"{net}.{n}")) for n, kind in
                ((1, good), (2, good), (2, good), (3, harvest), (3, harvest), (4, burst), (4, burst), (5, early),
                 (9, harvest))]
        for kind, job in jobs:
            # a fifth refusal in a session is its last: only who is refused so often may be sent away
            with contextlib.suppress(*(() if kind is good else (Closed,))):
                job.result()
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 20, "the end of all sessions")


def records(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def settled(g, path):
    """All lines that were made are there."""
    wait.until(lambda: path.read_bytes().count(b"\n") >= g.ctl_json("stats")["replay"]["lines"], 10, "all lines")
    return records(path)


def assert_whole(report):
    assert [report[k] for k in ("uncertain", "sessions_broken", "missing", "crowded", "faults")] == [0] * 5, report


def replay(g, rules, *files):
    config = g.folder / "other.cfg"
    text = g.config.read_text()
    g.configure(rules=rules)
    config.write_text(g.config.read_text())
    g.config.write_text(text)
    done = run(os.environ["SMTPGUARDCTL"], "--json", "replay", "--rules", config, *files)
    assert done.stdout, done
    return json.loads(done.stdout)


@pytest.fixture
def traced(guard, backend):
    def make(**groups):
        g = guard(backend({"RCPT": unknown_users}), start=False)
        groups["log"] = {"replay": str(g.folder / "replay"), **groups.get("log", {})}
        g.configure(**{"rules": RULES, **groups})
        g.start()
        return g, g.folder / "replay"
    return make


def test_every_call_is_written_in_its_sessions_order(traced):
    g, path = traced()
    traffic(g)
    lines = settled(g, path)
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0
    assert lines[0]["kind"] == "head" and [l["kind"] for l in lines].count("head") == 1
    assert sorted(l["seq"] for l in lines) == list(range(1, len(lines) + 1))
    sessions = {}
    for line in lines[1:]:
        assert line["rules"] == lines[0]["rules"]
        sessions.setdefault(line["session"], []).append(line)
    assert len(sessions) == len(g.journaled("session", count=len(sessions)))
    for steps in sessions.values():
        assert [l["step"] for l in steps] == list(range(1, len(steps) + 1))
        assert steps[0]["event"] == "connections" and steps[-1]["kind"] == "end"
    # what is found before RCPT is held, whatever the score is then: the first of each session tells
    first = {l["session"]: l for l in reversed(lines[1:]) if l.get("now") == ["defer", "hold-off"]}
    assert first and all(l["score"] >= 60 for l in first.values())
    assert g.ctl_json("stats")["replay"] == {"on": True, "lines": len(lines), "lost": 0}


def test_a_trial_writes_nothing(traced):
    g, path = traced()
    assert g.ctl("test", "--client", "127.56.0.3", "--helo", "x", "--from", "a@b.test").returncode == 0
    assert [l["kind"] for l in settled(g, path)] == ["head"]


def test_the_same_rules_decide_the_same(traced):
    g, path = traced()
    traffic(g)
    lines = settled(g, path)
    report = replay(g, RULES, path)
    tests = sum(l["kind"] == "test" for l in lines)
    assert report["tests"] == report["same"] == tests > 100 and report["records"] == len(lines) and report["rules_same"]
    assert_whole(report)


def newly_held(lines, low, high):
    """How many tests a threshold of `low` instead of `high` must change, and how many it may: what is found before
    RCPT is held, so that it is told again by later tests of the session whatever the score is then."""
    fewest, most, held = 0, 0, set()
    for line in lines:
        if line["kind"] != "test" or line["facts"]["client"] == "127.56.0.9":
            continue
        passed = line.get("now", ["", ""])[0] not in ("defer", "reject")
        hit = passed and low <= line["score"] < high
        fewest += hit
        most += passed and (hit or line["session"] in held)
        if hit:
            held.add(line["session"])
    return fewest, most


def test_other_rules_decide_otherwise(traced):
    """A threshold that is lower, and a count that the old rules did not have."""
    g, path = traced()
    traffic(g)
    lines = settled(g, path)
    new = [dict(rule, when="score >= 40") if rule["name"] == "hold-off" else rule for rule in RULES]
    new.append({"name": "crowd", "when": "count(connections by client, 1h) > 5", "do": "reject"})
    report = replay(g, tuple(new), path)
    assert_whole(report)
    assert report["changed"] + report["same"] == report["tests"] and report["changed"] > 0 and not report["rules_same"]
    rules = {r["key"]: r["count"] for r in report["by_rule"]}
    fewest, most = newly_held(lines, 40, 60)
    assert 0 < fewest <= rules.pop("hold-off") <= most, report
    clients = {c["key"] for c in report["by_client"]}
    assert "127.56.0.9" not in clients and clients <= {"127.56.0.3", "127.56.0.4", "127.56.0.5", "127.56.0.2"}
    crowd = [e for e in report["new_expressions"] if e["expression"] == "count(connections by client, 1h)"]
    assert crowd and crowd[0]["reads"] > 0


def test_what_was_looked_up_is_replayed(traced, dns):
    """Names, a list, SPF and greylisting, some of it unknown: nobody is asked again."""
    asked = dns({names.reverse("127.56.0.1"): {"PTR": "mx.good.test"}, "mx.good.test": {"A": "127.56.0.1"},
                 names.reverse("127.56.0.2"): {"PTR": "mx.good.test"},
                 names.listed("127.56.0.2", "bl.test"): {"A": "127.0.0.2"},
                 names.listed("127.56.0.3", "bl.test"): {"do": names.LOST},
                 "good.test": {"TXT": "v=spf1 ip4:127.56.0.1 -all"}})

    def rules(threshold):
        return ({"name": "mismatch", "when": "client.rdns == 'mismatch'", "points": 5},
                {"name": "nameless", "when": "client.rdns is none", "points": 3},
                {"name": "list", "when": "dnsbl('bl.test') == '127.0.0.2'", "points": 10},
                {"name": "spf", "when": "spf == 'fail'", "points": 4},
                {"name": "unlisted", "when": "not (dnsbl('bl.test') is unknown) and client.name is none",
                 "do": "greylist"},
                {"name": "enough", "when": f"score >= {threshold}", "do": "reject"})

    g, path = traced(rules=rules(15), dns={"servers": [asked.server], "timeout": f"{wait.PATIENCE:g}s"})
    codes = [mails.send(g.port, "x", source=f"127.56.0.{n}", sender="a@good.test").code for n in (1, 2, 3, 4)]
    assert codes == [250, 550, 250, 450]
    lines = settled(g, path)
    asked.down = True
    report = replay(g, rules(15), path)
    assert_whole(report)
    assert report["tests"] == report["same"] == sum(l["kind"] == "test" for l in lines) > 12, report
    # 127.56.0.3 and .4 have no name, and SPF fails for them
    report = replay(g, rules(7), path)
    assert_whole(report)
    assert {r["key"] for r in report["by_rule"]} == {"enough", "unlisted"} and report["changed"] > 0
    assert {c["key"] for c in report["by_client"]} == {"127.56.0.3", "127.56.0.4"}


def test_rotation_and_new_rules(traced):
    """HUP between and within sessions: each file begins with a head, and together they hold every line."""
    g, path = traced()
    old = path.with_name("replay.1")
    with Client(g.port, "127.56.0.7") as c:
        c.ehlo()
        path.rename(old)
        g.reload()
        assert c.mail().code == 250
        new = [dict(rule, when="score >= 40") if rule["name"] == "hold-off" else rule for rule in RULES]
        g.configure(rules=tuple(new), log={"replay": str(path)})
        g.reload()
        assert c.mail().code == 250
    traffic(g)
    wait.until(lambda: old.read_bytes().count(b"\n") + path.read_bytes().count(b"\n")
               == g.ctl_json("stats")["replay"]["lines"], 10, "all lines in two files")
    first, second = records(old), records(path)
    assert first[0]["kind"] == second[0]["kind"] == "head"
    heads = [l["rules"] for l in first + second if l["kind"] == "head"]
    assert len(heads) == 3 and heads[0] == heads[1] != heads[2]
    seen = set()
    for line in first + second:
        seen.add(line["rules"])
        assert line["kind"] == "head" or line["rules"] in seen
    # the session that was open keeps the rules that it began with
    kept = [l for l in second if l.get("facts", {}).get("client") == "127.56.0.7"]
    assert kept and {l["rules"] for l in kept} == {heads[0]}
    assert sorted(l["seq"] for l in first + second) == list(range(1, len(first + second) + 1))
    report = replay(g, tuple(new), old, path)
    assert_whole(report)
    # what was decided by these rules is decided again; only the open session had others
    assert report["tests_by_same_rules"] > 100 and report["changed"] == 0, report


def test_it_is_turned_on_and_off_by_a_reload(traced):
    g, path = traced(log={"replay": ""})
    mails.send(g.port, "x")
    assert not path.exists() and g.ctl_json("stats")["replay"] == {"on": False, "lines": 0, "lost": 0}
    with Client(g.port, "127.56.0.7") as c:
        c.ehlo()
        g.configure(rules=RULES, log={"replay": str(path)})
        g.reload()
        assert c.mail().code == 250  # its beginning is not known: it is left out
    mails.send(g.port, "x", source="127.56.0.8")
    wait.until(lambda: b'"kind":"end"' in path.read_bytes(), 10, "the traced session")
    g.configure(rules=RULES, log={"replay": ""})
    g.reload()
    mails.send(g.port, "x", source="127.56.0.9")
    clients = {l["facts"]["client"] for l in records(path) if "facts" in l}
    assert clients == {"127.56.0.8"}


def test_a_full_disk_stops_no_mail_and_is_told(traced):
    g, path = traced(log={"replay": "/dev/full"})
    for n in range(5):
        assert mails.send(g.port, f"x{n}", source="127.56.0.1").code == 250
    g.said(r"lines of log\.replay were lost: No space left")
    wait.until(lambda: g.ctl_json("stats")["replay"]["lost"] > 20, 10, "lost lines")
    assert g.ctl("health").stdout.startswith("degraded")
    assert len([m for m in g.messages() if "were lost" in m]) == 1
    assert "smtpguard_replay_lost_total" in g.ctl("stats", "--prometheus").stdout


def test_a_pipe_that_nobody_reads_stops_no_mail(traced):
    g, path = traced(log={"replay": ""})
    os.mkfifo(path)
    g.configure(rules=RULES, log={"replay": str(path)})
    g.reload()
    for n in range(30):
        assert mails.send(g.port, f"x{n}", source=f"127.56.1.{n + 1}").code == 250
    g.signal(signal.SIGTERM)
    assert g.wait_end(20) == 0
    assert any("lines of log.replay were lost" in m for m in g.messages())


def test_no_way_through_a_symbolic_link(traced):
    g, path = traced(log={"replay": ""})
    path.symlink_to(g.folder / "elsewhere")
    g.configure(rules=RULES, log={"replay": str(path)})
    g.reload()
    g.said(r"log\.replay = .*no decisions are recorded")
    assert mails.send(g.port, "x").code == 250 and not (g.folder / "elsewhere").exists()
    assert "log.replay cannot be opened" in g.ctl("health").stdout


def test_half_a_line_of_before_spoils_none_of_ours(traced):
    g, path = traced(log={"replay": ""})
    path.write_bytes(b'{"kind":"ev')
    g.configure(rules=RULES, log={"replay": str(path)})
    g.reload()
    wait.until(lambda: path.read_bytes().count(b"\n") == 2, 10, "a head")
    assert json.loads(path.read_bytes().splitlines()[1])["kind"] == "head"


def test_hidden_addresses_are_not_written_beside(traced, guard, backend):
    g = guard(backend(), start=False)
    for how in ("hash", "none"):
        g.configure(log={"replay": str(g.folder / "replay"), "addresses": how})
        done = run_guard("-c", g.config, "--check")
        assert done.returncode == 1 and "log.addresses hides them" in done.stderr, done
