"""`smtpguardctl top` in a real pseudo-terminal: what it shows, and what can be done from the screen."""
import os
import re
import time

import pytest

from harness import wait
from harness.client import Client
from harness.guard import ENVIRONMENT, program
from harness.terminal import Terminal

BAD, QUIET = "127.77.3.3", "127.77.3.4"
RULES = ({"name": "guessing", "when": "count(bad_recipients by client, 10m) > 0", "charge": 10},)


@pytest.fixture
def g(guard, backend):
    return guard(backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None}), rules=RULES)


@pytest.fixture
def top():
    terminals = []

    def make(g, *words, term="vt100", **size):
        command = [program("SMTPGUARDCTL"), "--socket", str(g.folder / "control"), "top", "--every", "1s", *words]
        environment = {k: v for k, v in os.environ.items() if k not in ("LINES", "COLUMNS")}
        terminals.append(Terminal(command, {**environment, **ENVIRONMENT, "TERM": term}, **size))
        return terminals[-1]

    yield make
    for one in terminals:
        one.kill()


def talk(g, source, mails, rcpt="user@example.test", sender="a@b.test"):
    with Client(g.port, source) as c:
        c.ehlo()
        for _ in range(mails):
            c.mail(sender=sender, rcpts=(rcpt,))
            c.cmd("RSET")
        c.cmd("QUIT")


def test_a_client_is_seen_and_blocked_from_the_screen(g, top):
    talk(g, QUIET, 1)
    talk(g, BAD, 3, "nobody@example.test")
    t = top(g)
    t.see(rf"^{BAD} +3 +0 +0 +3 +0 +\d+\.\d$")
    t.see(rf"^{QUIET} +1 +1 +0 +0 +0 +0\.0$")
    assert t.screen.marked_line().startswith(BAD) and "accepted 1" in t.text() and "refused 3" in t.text()
    t.press("b")
    t.see(rf"^block {BAD} for .*: 1h_")
    t.press("\x7f\x7f30m\r")
    t.see(rf"^block {BAD} for 30m\? y/n")
    t.press("n")
    t.see("nothing was done")
    with Client(g.port, BAD) as c:
        assert c.greeting.code == 220
    t.press("b\r")
    t.see(rf"^block {BAD} for 1h\? y/n")
    t.press("y")
    t.see(rf"^blocked: client {BAD} until ")
    with Client(g.port, BAD, greet=False) as c:
        assert c.reply().code == 421
    with Client(g.port, QUIET) as c:
        assert c.greeting.code == 220
    t.press("6")
    t.see(rf"^{BAD} +block +20\S+Z +administrator")
    t.press("dy")
    t.see("^deleted")
    with Client(g.port, BAD) as c:
        assert c.greeting.code == 220
    t.press("q")
    assert t.end() == 0


def test_panels_keys_and_details(g, top):
    talk(g, QUIET, 2, sender="friend@good.test")
    talk(g, BAD, 1, "nobody@example.test", sender="rogue@bad.test")
    with Client(g.port, QUIET) as c:
        c.ehlo("open.example.test")
        c.cmd("MAIL FROM:<open@good.test>")
        t = top(g, "--panel", "sessions")
        assert t.see(rf"^{QUIET} +envelope .*open.example.test +open@good.test")
        t.press("3")
        t.see(r"^127\.77\.3\.0/24 +3 ")
        t.press("4")
        t.see(r"^friend@good\.test +2 +2 +0 +0 +0 ")
        t.see(r"^rogue@bad\.test +1 +0 +0 +1 ")
        t.press("s")
        t.see("heaviest by open")
        assert t.screen.lines().index("") < t.text().index("open@good.test")
        t.press("5")
        t.see(r"^guessing +enforce +- +\d+ +0 +0 +10$")
        t.press("b")
        t.see("rules are set in the settings")
        t.press("2ss")
        t.see("heaviest by refused")
        t.press("j")
        t.press("k\r")
        t.see(rf"^{BAD} as client")
        t.see("guessing")
        t.press("q?")
        t.see("any key goes back")
        t.press("xa")
        t.see(rf"^allow {BAD} for")
        t.press("\r")
        t.press("y")
        t.see(f"^allowed: client {BAD}")
        t.press("dy")
        t.see("^deleted")
    assert g.ctl("show", BAD).stdout.count("points") == 0


def test_it_survives_resizes_tiny_terminals_and_a_server_that_comes_back(g, top):
    talk(g, BAD, 1)
    t = top(g, term="vt100")
    t.see(f"^{BAD}")
    for rows, cols in ((1, 1), (2, 5), (5, 20), (60, 200), (24, 80)):
        t.resize(rows, cols)
        for _ in range(3):
            t.read(0.1)
    t.see(f"^{BAD}")
    g.stop()
    t.see("DOES NOT ANSWER")
    g.start()
    t.see(r"smtpguardd \S+ up (?!.*DOES NOT)")
    assert "DOES NOT" not in t.see("^mails  accepted 0")
    t.press("q")
    assert t.end() == 0
    gone = top(g)
    gone.see("^mails")
    gone.close()  # the window is closed
    end = time.monotonic() + 10 * wait.PATIENCE
    while os.waitpid(gone.pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < end, "still running without a terminal"
        time.sleep(0.1)
    gone.pid = None


def test_hostile_bytes_do_not_reach_the_terminal(g, top):
    with Client(g.port, BAD) as c:
        c.send(b"EHLO x\r\nMAIL FROM:<\"\x1b[2J\"@b.test>\r\nMAIL FROM:<\"a\\\"b\"@b.test>\r\n")
        t = top(g, "--panel", "senders")
        t.see("SENDER")
        t.press("1")
        t.see(BAD)
        assert "\x1b" not in t.text() and "^[" not in t.text()


def test_without_a_terminal(g, guard):
    talk(g, BAD, 1)
    bad = g.ctl("top")
    assert bad.returncode == 1 and "top needs a terminal" in bad.stderr
    shown = g.ctl("top", "--once")
    assert shown.returncode == 0 and re.search(rf"^{BAD} +1 +1 ", shown.stdout, re.M), shown.stdout
    assert all(len(line) <= 120 for line in shown.stdout.splitlines()) and len(shown.stdout.splitlines()) == 40
    assert re.search("^guessing", g.ctl("top", "--once", "--panel", "rules").stdout, re.M)
    assert "--panel" in g.ctl("top", "--once", "--panel", "x").stderr
    assert g.ctl("top", "--every", "0s").returncode == 2
    g.stop()
    assert g.ctl("top", "--once").returncode == 1


def test_an_unknown_terminal_is_told(g, top):
    t = top(g, term="no-such-terminal")
    t.see("the terminal's type is not known")
    assert t.end() == 1
