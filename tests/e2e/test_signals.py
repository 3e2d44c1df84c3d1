"""HUP, USR1, TERM and INT: what each changes, and that no mail suffers from it."""
import os
import re
import signal
import threading
import time

import pytest

from harness import mails, ports, wait
from harness.backend import SILENCE
from harness.client import Client, Closed
from harness.guard import elapsed, run_guard
from harness.manager import Manager


def recipients_taken(port, tried=5):
    """How many recipients one mail may have."""
    with Client(port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@client.test>")
        return sum(c.cmd(f"RCPT TO:<u{n}@example.test>").code == 250 for n in range(tried))


def test_hup_applies_new_settings(guard, backend):
    g = guard(backend(), limits={"recipients": 2})
    assert recipients_taken(g.port) == 2
    g.configure(limits={"recipients": 4})
    g.reload()
    assert recipients_taken(g.port) == 4


def test_an_open_session_survives_a_reload(guard, backend):
    b = backend()
    g = guard(b, limits={"recipients": 2})
    with Client(g.port) as c:
        c.at_data()
        c.send(b"Subject: x\r\n\r\nbefore\r\n")
        g.configure(limits={"recipients": 4})
        g.reload()
        assert c.body(b"after\r\n").code == 250
        # a session keeps the settings it began with
        c.cmd("MAIL FROM:<a@client.test>")
        assert sum(c.cmd(f"RCPT TO:<u{n}@example.test>").code == 250 for n in range(5)) == 2
    assert b.one_mail().body.endswith(b"before\r\nafter\r\n")


def test_a_bad_file_changes_nothing(guard, backend):
    g = guard(backend(), limits={"recipients": 2})
    good = g.config.read_text()
    for bad in ("limits = { recipients = 4 ; colour = 3; };\n", "limits = { recipients = 4\n",
                'rules = ( { when = "((" } );'):
        g.config.write_text(good + "\n" + bad)
        g.reload()
        line = good.count("\n") + 2
        told = [int(n) for m in g.messages() for n in re.findall(r"smtpguardd\.cfg:(\d+)", m)]
        assert any(line <= n <= line + 2 for n in told), g.messages()[-5:]
        assert recipients_taken(g.port) == 2
    g.config.write_text(good.replace("recipients = 2", "recipients = 3"))


def test_a_reload_brings_rules_and_lists(guard, backend, folder):
    (folder / "bad.list").write_text("one@client.test\n")
    rules = ({"name": "listed", "when": "sender in list('bad')", "do": "reject"},)
    g = guard(backend(), rules=rules, lists={"bad": str(folder / "bad.list")})
    assert mails.send(g.port, "x", sender="one@client.test").code == 550
    assert mails.send(g.port, "x", sender="two@client.test").code == 250
    (folder / "bad.list").write_text("two@client.test\n")
    g.reload()
    assert mails.send(g.port, "x", sender="one@client.test").code == 250
    assert mails.send(g.port, "x", sender="two@client.test").code == 550


CLIENTS, MAILS_EACH, CHARGE, RELOADS = 12, 25, 3, 3


def send_many(g, source, failures, reloaded):
    """MAILS_EACH mails in one session, then one in a session of its own that must be one too many."""
    try:
        with Client(g.port, source) as c:
            c.ehlo()
            codes = []
            for _ in range(MAILS_EACH):
                codes.append(c.mail().code)
                time.sleep(0.02)  # so that reloads fall between mails
            reloaded.wait(60 * wait.PATIENCE)
        codes.append(mails.send(g.port, "x", source=source).code)
        if codes != [250] * MAILS_EACH + [450]:
            failures.append((source, codes))
    except Exception as failure:
        failures.append((source, repr(failure)))


def test_reloads_under_load_drop_no_session_and_no_counter(guard, backend):
    """Rules come and go while mails are counted: nobody is thrown out, and the 26th mail of each is still the 26th."""
    rules = ({"name": "many", "when": f"count(messages by client, 1h) > {MAILS_EACH}", "do": "defer"},
             {"name": "each", "when": "count(messages by client, 1d) > 0", "charge": CHARGE})
    other = ({"name": "other", "when": "count(recipients by sender, 10m) > 1000000", "charge": 1}, *rules)
    g = guard(backend(), rules=rules, score={"half_life": "30d"})
    failures, sources, reloaded = [], [f"127.0.3.{n}" for n in range(1, CLIENTS + 1)], threading.Event()
    clients = [threading.Thread(target=send_many, args=(g, source, failures, reloaded)) for source in sources]
    for one in clients:
        one.start()
    reloads = 0
    while any(one.is_alive() for one in clients):
        g.configure(rules=(other, rules)[reloads % 2], score={"half_life": "30d"})
        g.reload()
        reloads += 1
        if reloads == RELOADS:
            reloaded.set()
    for one in clients:
        one.join()
    assert not failures, failures
    assert reloads >= RELOADS, "the reloads came while mails were sent"
    for source in sources:
        points = g.ctl_json("show", source)["entries"][0]["points"]
        assert points == pytest.approx(CHARGE * (MAILS_EACH + 1), rel=1e-3), source


def test_what_needs_a_restart_is_named(guard, backend):
    g = guard(backend(), limits={"recipients": 2})
    g.configure(limits={"recipients": 4}, server={"workers": 1})
    g.reload()
    g.said(r"workers.*restart|restart.*workers")
    assert recipients_taken(g.port) == 4


def test_hup_opens_the_log_anew(guard, backend):
    g = guard(backend())
    mails.send(g.port, "x")
    g.journaled("mail")
    log = g.folder / "journal"
    log.rename(g.folder / "journal.1")
    g.signal(signal.SIGHUP)
    wait.until(log.exists, 10, "a new log file")
    mails.send(g.port, "x")
    assert len(g.journaled("mail")) == 1


def test_a_log_that_cannot_be_opened(guard, backend, folder):
    """No start without a log, and one clear line why; a reload keeps the log that there is and says so."""
    nowhere = {"to": str(folder / "nowhere" / "journal")}
    g = guard(backend(), start=False, log=nowhere)
    done = run_guard("-c", g.config)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"smtpguardd: log.to {nowhere['to']}: No such file or directory"]
    g.configure()
    g.start()
    g.configure(log={**nowhere, "level": "error"})
    g.reload()
    assert "stays where it was" in g.said(r"log\.to = .*No such file or directory")
    mails.send(g.port, "x")
    assert g.journaled("mail")


def test_usr1_disturbs_nothing(guard, backend):
    g = guard(backend())
    with Client(g.port) as c:
        c.ehlo()
        for _ in range(3):
            g.signal(signal.SIGUSR1)
            assert c.mail().code == 250
    assert g.process.poll() is None


def test_term_ends_an_idle_server_at_once(guard, backend):
    for number in (signal.SIGTERM, signal.SIGINT):
        g = guard(backend())
        g.signal(number)
        seconds, code = elapsed(g.wait_end)
        assert code == 0 and seconds < 9 * wait.PATIENCE


def test_term_turns_nobody_away_without_a_word(guard, backend):
    """Who has connected and was not accepted yet gets a greeting and a 421, not a reset."""
    g = guard(backend())
    g.signal(signal.SIGSTOP)
    knocking = [Client(g.port, f"127.0.0.{n + 1}", greet=False) for n in range(40)]
    g.signal(signal.SIGTERM)
    g.signal(signal.SIGCONT)
    for c in knocking:
        assert c.replies_at_end() == [220, 421]
    assert g.wait_end(10) == 0


def test_term_lets_a_mail_finish(guard, backend):
    b = backend()
    g = guard(b, server={"drain": "20s"})
    with Client(g.port) as c:
        c.at_data()
        c.send(b"Subject: x\r\n\r\nbefore\r\n")
        g.signal(signal.SIGTERM)
        wait.until(lambda: not ports.listening(g.port), 10, "the listener closed")
        assert c.body(b"after\r\n").code == 250
    assert g.wait_end(20) == 0
    assert b.one_mail().body.endswith(b"after\r\n")
    assert g.journal("mail", verdict="accepted")
    g.check_stderr()


def test_no_new_mail_while_draining(guard, backend):
    g = guard(backend(), server={"drain": "20s"})
    with Client(g.port) as c:
        c.at_data()
        g.signal(signal.SIGTERM)
        wait.until(lambda: not ports.listening(g.port), 10, "the listener closed")
        assert c.body(b"x\r\n").code == 250
        try:
            assert c.cmd("MAIL FROM:<next@client.test>").code == 421
        except (Closed, ConnectionError):
            pass
    assert g.wait_end(15) == 0


def test_the_drain_ends(guard, backend):
    """A client that never finishes does not hold the server beyond server.drain."""
    g = guard(backend(), server={"drain": "1s"})
    with Client(g.port) as c:
        c.at_data()
        c.send(b"half")
        began = time.monotonic()
        g.signal(signal.SIGTERM)
        assert g.wait_end() == 0 and 0.9 < time.monotonic() - began < 15 * wait.PATIENCE
        assert b"250" not in c.at_end()


def test_a_second_term_ends_at_once(guard, backend):
    g = guard(backend(), server={"drain": "300s"})
    with Client(g.port) as c:
        c.at_data()
        g.signal(signal.SIGTERM)
        wait.until(lambda: not ports.listening(g.port), 10, "the listener closed")
        g.signal(signal.SIGTERM)
        seconds, _ = elapsed(g.wait_end)
        assert seconds < 20 * wait.PATIENCE
    g.check_stderr()
    g.checked = True


@pytest.mark.parametrize("name", ["USR2", "ALRM", "PIPE", "VTALRM", "PROF", "IO", "PWR", "XFSZ"])
def test_a_signal_without_a_meaning_changes_nothing(guard, backend, name):
    g = guard(backend())
    with Client(g.port) as c:
        c.ehlo()
        g.signal(signal.Signals[f"SIG{name}"])
        g.signal(signal.SIGUSR1)
        assert c.mail().code == 250
        assert mails.send(g.port, "x").code == 250
    assert g.process.poll() is None


def test_a_client_that_vanishes_is_no_signal(guard, backend):
    """Writing to a closed connection must not end the server (SIGPIPE)."""
    g = guard(backend())
    for _ in range(30):
        c = Client(g.port)
        c.send("EHLO x.test\r\n" * 50)
        c.reset()
    assert mails.send(g.port, "x").code == 250


# ---- a mail whose dot is out when the server has to end ----

def in_doubt(g, b, number):
    """So many clients whose mails wait for the backend's word on the dot."""
    clients = []
    for n in range(number):
        c = Client(g.port, f"127.0.6.{n + 1}")
        c.at_data()
        c.send(b"Subject: doubt\r\n\r\nx\r\n.\r\n")
        clients.append(c)
    wait.until(lambda: len(b.taken) == number, 10, "each mail at the backend")
    return clients


def doubtful(g):
    return [r["id"] for r in g.journal("mail") if "doubtful" in r]


@pytest.mark.parametrize("end", ["the drain is over", "a second TERM"])
def test_a_mail_that_is_cut_off_behind_its_dot_is_told(guard, backend, end):
    """One line for each that may have been delivered; its client hears 4xx and tries again."""
    b = backend({"dot": SILENCE})
    g = guard(b, server={"drain": "1s" if end == "the drain is over" else "60s"})
    clients = in_doubt(g, b, 3)
    g.signal(signal.SIGTERM)
    if end == "a second TERM":
        g.said("draining")
        g.signal(signal.SIGTERM)
    g.stop(20)
    for c in clients:
        codes = c.replies_at_end()
        assert codes and all(code // 100 == 4 for code in codes)
    told = doubtful(g)
    assert len(told) == 3 and len(set(told)) == 3
    assert not [r for r in g.journal("mail") if r["verdict"] == "accepted"]


def test_what_the_backend_said_before_the_end_is_not_in_doubt(guard, backend):
    """A reply in time makes it a delivered mail, drain or not."""
    b = backend({"dot": [0.5, "250 2.0.0 Ok"]})
    g = guard(b, server={"drain": "10s"})
    clients = in_doubt(g, b, 3)
    g.stop()
    assert all(250 in c.replies_at_end() for c in clients)
    assert not doubtful(g) and len(g.journal("mail", verdict="accepted")) == 3


def test_the_service_manager_is_told(guard, backend, folder, monkeypatch):
    manager = Manager(folder, monkeypatch)
    g = guard(backend())
    assert manager.hear() == {"READY": "1", "STATUS": "taking mail"}
    for how in (lambda: g.signal(signal.SIGHUP), lambda: g.ctl("reload")):
        before = time.monotonic_ns() // 1000
        how()
        heard = manager.hear()
        assert heard["RELOADING"] == "1" and before <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.hear() == {"READY": "1", "STATUS": "taking mail"}
    g.config.write_text("nonsense = 1;\n")
    assert g.ctl("reload").returncode == 1
    assert "RELOADING" in manager.hear() and "faults" in manager.hear()["STATUS"]
    g.said("has faults, the old settings stay")
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        g.signal(signal.SIGTERM)
        heard = manager.hear()
        assert heard["STOPPING"] == "1" and "1 sessions are open" in heard["STATUS"]
        c.cmd("QUIT")
    assert g.wait_end() == 0


def test_it_beats_for_the_watchdog(guard, backend, folder, monkeypatch):
    manager = Manager(folder, monkeypatch, watchdog_s=0.4)
    started = time.monotonic()
    g = guard(backend())
    assert "READY" in manager.hear()

    def in_time():
        began = time.monotonic()
        for _ in range(5):
            assert manager.hear() == {"WATCHDOG": "1"}
        assert time.monotonic() - started > 0.7  # some may have been said before they were heard here
        return time.monotonic() - began < 2 * wait.PATIENCE

    wait.until(in_time, 20, "five beats in their time")
    assert mails.send(g.port, "x").code == 250
    g.signal(signal.SIGTERM)
    assert "STOPPING" in manager.hear_other("WATCHDOG")


def test_it_beats_while_it_reloads(guard, backend, folder, monkeypatch):
    """However long a list takes to be read; a HUP that comes meanwhile is done when that is over."""
    manager = Manager(folder, monkeypatch, watchdog_s=0.4)
    words, slow = folder / "words.list", folder / "slow.list"
    words.write_text("one\n")
    g = guard(backend(), lists={"words": str(words)},
              rules=({"name": "words", "when": "helo in list('words')", "do": "log"},))
    assert "READY" in manager.hear()
    words.unlink()
    os.mkfifo(words)
    g.signal(signal.SIGHUP)
    assert "RELOADING" in manager.hear_other("WATCHDOG")
    for _ in range(5):
        assert manager.hear() == {"WATCHDOG": "1"}
    g.signal(signal.SIGHUP)
    assert manager.hear() == {"WATCHDOG": "1"}
    assert mails.send(g.port, "x").code == 250
    slow.write_text("two\n")
    with open(words, "w") as being_read:
        slow.rename(words)
        being_read.write("three\n")
    ready = {"READY": "1", "STATUS": "taking mail"}
    assert manager.hear_other("WATCHDOG") == ready
    assert "RELOADING" in manager.hear_other("WATCHDOG")
    assert manager.hear_other("WATCHDOG") == ready
    g.signal(signal.SIGTERM)
    assert "STOPPING" in manager.hear_other("WATCHDOG")
    assert g.wait_end() == 0


def test_a_reload_that_the_end_overtakes(guard, backend, folder):
    """What is being read is read to its end, then the server ends in good order."""
    words = folder / "words.list"
    words.write_text("one\n")
    g = guard(backend(), lists={"words": str(words)},
              rules=({"name": "words", "when": "helo in list('words')", "do": "log"},))
    words.unlink()
    os.mkfifo(words)
    g.signal(signal.SIGHUP)
    with open(words, "w") as being_read:
        g.signal(signal.SIGTERM)
        time.sleep(0.2)
        being_read.write("two\n")
    assert g.wait_end() == 0
    g.said("reload: done")
