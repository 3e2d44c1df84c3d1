"""smtpguardctl: what it shows is true, what it orders happens, in text and in JSON."""
import json
import os
import signal
import socket
import stat
import subprocess
import threading

import pytest

from harness import mails, ports, wait
from harness.client import Client
from harness.guard import program


def test_stats_count_what_happened(guard, backend):
    b = backend({"RCPT": lambda c, line: "550 5.1.1 nobody" if "nobody" in line else None})
    g = guard(b)
    for _ in range(3):
        assert mails.send(g.port, "x").code == 250
    mails.send(g.port, "x", rcpts=["nobody@example.test"])
    with Client(g.port):
        wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 1, 10, "one session")
    stats = wait.until(lambda: (s := g.ctl_json("stats"))["sessions"]["now"] == 0 and s, 10, "no session")
    assert stats["mails"]["accepted"] == 3 and stats["mails"]["refused"] == 1
    assert stats["recipients"]["accepted"] == 3 and stats["recipients"]["refused"] == 1
    assert stats["sessions"]["total"] == 5 and stats["sessions"]["peak"] >= 1
    assert stats["probes"]["sent"] == 2 and stats["cache"]["hits"] == 2 and stats["cache"]["entries"] == 2
    assert stats["workers"] == 2 and stats["draining"] is False and stats["enforce"] is True
    assert stats["bytes"]["received"] >= 3 * len(mails.content("x"))
    text = g.ctl("stats")
    assert text.returncode == 0 and "accepted" in text.stdout and "3" in text.stdout


def test_health(guard, backend):
    b = backend()
    g = guard(b)
    mails.send(g.port, "x")
    assert g.ctl("health").returncode == 0 and g.ctl_json("health")["status"] == "ok"
    b.stop()
    mails.send(g.port, "x")
    done = wait.until(lambda: (d := g.ctl("--json", "health")).returncode == 1 and d, 10, "bad health")
    assert json.loads(done.stdout)["status"] in ("degraded", "failing")


def test_sessions(guard, backend):
    g = guard(backend())
    with Client(g.port, source="127.4.5.6") as c, Client(g.port, source="127.4.5.7"):
        c.ehlo("shown.test")
        c.envelope(sender="who@client.test")
        shown = wait.until(lambda: (s := g.ctl_json("sessions"))["total"] == 2 and s, 10, "two sessions")
        one = next(s for s in shown["sessions"] if s["client"] == "127.4.5.6")
        assert one["helo"] == "shown.test" and one["port"] == c.port and one["from"] == "who@client.test"
        assert one["recipients"] == 1 and one["worker"] in (0, 1)
        assert len(g.ctl_json("sessions", "--top", "1")["sessions"]) == 1
        assert "127.4.5.6" in g.ctl("sessions").stdout


def test_sessions_of_a_proxy_that_end_while_they_are_shown(guard, backend):
    """What is shown is a copy: the session may be gone by then. (ThreadSanitizer and AddressSanitizer see it.)"""
    g = guard(backend(), start=False)
    g.configure(listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "off",
                            "proxy_protocol_from": ["127.4.0.0/16"]},))
    g.start()
    end = threading.Event()

    def come_and_go():
        while not end.is_set():
            with Client(g.port, "127.4.5.6", greet=False) as c:
                c.send("PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n")
                c.reply()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(100):
        assert g.ctl("sessions").returncode == 0
    end.set()
    for t in threads:
        t.join()


def test_a_name_from_outside_cannot_write_on_the_terminal(guard, backend):
    g = guard(backend())
    with Client(g.port) as c:
        c.send(b"EHLO \x1b[31mred\x07.test\r\n")
        c.reply()
        c.cmd("MAIL FROM:<\"\x1b[2J\"@client.test>")
        for options in ([], ["--json"]):
            done = g.ctl(*options, "sessions")
            assert done.returncode == 0 and "\x1b" not in done.stdout and "\x07" not in done.stdout


def test_config_shows_what_is_in_effect(guard, backend):
    g = guard(backend(), limits={"recipients": 77})
    assert "recipients = 77" in g.ctl("config").stdout
    shown = g.ctl_json("config")
    assert shown["file"] == str(g.config) and "recipients = 77" in shown["text"]
    g.configure(limits={"recipients": 78})
    assert "recipients = 77" in g.ctl("config").stdout


def test_reload(guard, backend):
    g = guard(backend(), limits={"recipients": 77})
    g.configure(limits={"recipients": 78}, server={"workers": 1})
    told = g.ctl_json("reload")
    assert told["changed"] == ["limits.recipients"] and told["needs_restart"] == ["server.workers"]
    assert "recipients = 78" in g.ctl("config").stdout
    g.config.write_text(g.config.read_text() + "nonsense = 1;\n")
    done = g.ctl("reload")
    line = g.config.read_text().count("\n")
    assert done.returncode == 1 and f"smtpguardd.cfg:{line}:" in done.stderr + done.stdout
    assert "recipients = 78" in g.ctl("config").stdout


def test_backend_shows_the_connections(guard, backend):
    b = backend()
    g = guard(b, relay={"connections": 7})
    mails.send(g.port, "x")
    shown = g.ctl_json("backend")["backends"]
    assert len(shown) == 1
    assert shown[0]["url"] == f"smtp://127.0.0.1:{b.port}" and shown[0]["state"] == "up"
    assert shown[0]["reusable"] is True and shown[0]["identity"] == "xclient" and shown[0]["delivered"] == 1
    assert shown[0]["connections"]["limit"] == 7
    assert 1 <= shown[0]["connections"]["open"] <= 7
    wait.until(lambda: len(b.open) == g.ctl_json("backend")["backends"][0]["connections"]["open"], 10, "the same")
    assert "PIPELINING" in [c.split(" ")[0] for c in shown[0]["caps"]]
    assert str(b.port) in g.ctl("backend").stdout


def test_a_backend_that_is_down_is_shown_down(guard, backend):
    g = guard(ports.free_port())
    mails.send(g.port, "x")
    assert g.ctl_json("backend")["backends"][0]["state"] == "down"
    assert g.ctl_json("backend")["backends"][0]["last_error"]


def test_drain(guard, backend):
    b = backend()
    g = guard(b, server={"drain": "20s"})
    with Client(g.port) as c:
        c.at_data()
        assert g.ctl_json("drain")["sessions"] == 1
        wait.until(lambda: not ports.listening(g.port), 10, "the listener closed")
        assert c.body(b"x\r\n").code == 250
    assert g.wait_end(20) == 0
    b.one_mail()


def test_only_a_second_signal_cuts_a_drain_short(guard, backend):
    """Who drains before the server is stopped, or drains twice, must not cut off the mail that he waits for."""
    b = backend()
    g = guard(b, server={"drain": "20s"})
    with Client(g.port) as c, Client(g.port) as late:
        for one in (c, late):
            one.at_data()
        for _ in range(2):
            assert g.ctl("drain").returncode == 0
        g.signal(signal.SIGTERM)
        g.reload()  # what was asked for before it has been seen
        assert c.body(b"x\r\n").code == 250
        g.signal(signal.SIGTERM)
        assert late.replies_at_end() == [421]
    assert g.wait_end(5) == 0
    b.one_mail()


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["forget"], ["forget", "a", "b"], ["sessions", "--top", "x"],
                                       ["stats", "extra"], ["--frob", "stats"]])
def test_wrong_usage(guard, backend, arguments):
    g = guard(backend())
    done = g.ctl(*arguments)
    assert done.returncode == 2 and done.stderr


def test_no_server(folder):
    done = subprocess.run([program("SMTPGUARDCTL"), "--socket", folder / "none", "stats"], capture_output=True,
                          text=True)
    assert done.returncode == 1 and "none" in done.stderr


def test_the_socket_is_for_its_group_alone(guard, backend):
    g = guard(backend())
    mode = (g.folder / "control").stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


def test_nobody_else_is_served(guard, backend, folder):
    """Another user gets no answer, even where the socket's mode would let him in."""
    if os.getuid() != 0:
        pytest.skip("to become another user needs root")
    g = guard(backend())
    g.folder.chmod(0o755)
    (g.folder / "control").chmod(0o666)
    ctl = [program("SMTPGUARDCTL"), "--socket", g.folder / "control", "stats"]
    as_nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    probe = subprocess.run([*as_nobody, "test", "-x", ctl[0]])
    if probe.returncode:
        pytest.skip("another user cannot reach the program's folder here")
    done = subprocess.run([*as_nobody, *ctl], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "accepted" not in done.stdout
    assert g.ctl("stats").returncode == 0


@pytest.mark.parametrize("junk", [b"\0" * 100, b"{" * 100_000, b"not json\n", b'{"command":"stats"', b"\xff\n", b"[]\n",
                                  b"x" * 2_000_000 + b"\n", b'{"command": 7}\n'], ids=range(8))
def test_junk_on_the_socket_harms_nobody(guard, backend, junk):
    g = guard(backend())
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(g.folder / "control"))
        try:
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except OSError:
            pass
    assert g.ctl("stats").returncode == 0


def test_a_silent_visitor_holds_nobody(guard, backend):
    g = guard(backend())
    visitors = [socket.socket(socket.AF_UNIX) for _ in range(5)]
    for s in visitors:
        s.connect(str(g.folder / "control"))
    assert g.ctl("stats").returncode == 0


def test_a_stale_socket_is_replaced_a_live_one_is_not(guard, backend):
    g = guard(backend())
    g.kill()
    assert (g.folder / "control").exists()
    g.start()
    assert g.ctl("stats").returncode == 0
    second = guard(backend(), start=False)
    second.configure(server={"control": str(g.folder / "control")})
    with pytest.raises(AssertionError, match="the server ended with 1"):
        second.start()
    second.checked = True
    assert g.ctl("stats").returncode == 0
