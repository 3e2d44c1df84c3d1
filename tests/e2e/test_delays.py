"""The greeting is held back for who deserves it, by what DNS and the past say; and for nobody else."""
import time

import pytest
from harness import certs, wait
from harness import dns as names
from harness.client import Client
from harness.guard import quickest

TIMEOUT = f"{wait.PATIENCE:g}s"
STRANGER, NAMED, LISTED, LOST = "127.8.0.1", "127.8.0.2", "127.8.0.3", "127.8.0.4"
ZONE = {
    names.reverse(NAMED): {"PTR": "mx.named.test"}, "mx.named.test": {"A": NAMED},
    names.listed(LISTED, "bl.test"): {"A": "127.0.0.2"},
    names.reverse(LOST): {"do": names.LOST},
}
NO_RDNS = {"name": "no-rdns", "when": "client.rdns is none", "do": "wait", "delay": "1500ms"}
EARLY = {"name": "early", "when": "early_talker", "do": "defer"}


@pytest.fixture
def start(guard, backend, dns):
    def make(*rules, zone=ZONE, **settings):
        server = dns(zone)
        g = guard(backend(), rules=rules, dns={"servers": [f"127.0.0.1:{server.port}"], "timeout": TIMEOUT}, **settings)
        g.dns = server
        return g
    return make


def greeted(g, client):
    """Seconds to the banner's first line and to its last."""
    begun = time.monotonic()
    with Client(g.port, client, greet=False) as c:
        lines = [c.line()]
        first = time.monotonic() - begun
        while lines[-1][3] == "-":
            lines.append(c.line())
        c.cmd("QUIT")
    return first, time.monotonic() - begun, lines


def test_a_teaser_comes_at_once_and_the_rest_when_it_was_waited(start):
    g = start(NO_RDNS)

    def at_once_and_waited():
        first, last, lines = greeted(g, STRANGER)
        assert lines == ["220-mx.example.test", "220 mx.example.test ESMTP SmtpGuard"]
        assert last >= 1.4
        return first < 1 and last < 3

    wait.until(at_once_and_waited, 20, "a teaser at once, and the rest in time")


def test_the_class_of_the_name_decides(start):
    g = start(NO_RDNS)

    def at_once():
        _, last, lines = greeted(g, NAMED)
        assert len(lines) == 1  # nothing to wait for: no teaser either
        return last < 1

    wait.until(at_once, 10, "a greeting at once")


def test_lists_are_asked_before_a_delay_and_who_is_refused_does_not_wait(start):
    g = start({"name": "listed", "when": "dnsbl('bl.test') =~ /^127/", "do": "reject"}, NO_RDNS, refuse_at="now")

    def refused():
        with Client(g.port, LISTED, greet=False) as c:
            assert c.reply().code == 554

    assert quickest(refused) < 1
    assert greeted(g, STRANGER)[1] >= 1.4


def test_known_good_and_trusted_wait_for_nothing(start):
    g = start({"name": "mine", "when": "client.ip in 127.8.0.9/32", "do": "ok"},
              {"name": "newcomer", "when": "!client.known_good", "stage": "connect", "do": "wait", "delay": "1s"},
              known_good={"messages": 1, "over": "0s"})
    with Client(g.port, LOST) as c:
        c.ehlo()
        assert c.mail(rcpts=("user@example.test",)).code == 250
    for client in (LOST, "127.8.0.9"):
        assert quickest(lambda: greeted(g, client)) < 0.5
    assert greeted(g, STRANGER)[1] >= 0.9


def test_who_talks_while_names_are_looked_up_is_early(start):
    g = start(EARLY, {"name": "asks", "when": "client.rdns is none", "points": 1}, refuse_at="now")
    with g.talked_to_early(LOST, b"EHLO bot.test\r\n") as c:
        assert c.reply().code == 421
    with Client(g.port, LOST) as c:
        assert c.greeting.code == 220


def test_early_talkers_behind_tls(start, guard, backend, folder):
    cert, key = certs.make(folder)
    g = guard(backend(), start=False)
    g.configure(rules=(EARLY, {"name": "slow", "when": "!client.known_good", "stage": "connect", "do": "wait",
                               "delay": "1s"}),
                refuse_at="now", tls={"certificates": ({"cert": cert, "key": key},)},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "implicit"},))
    g.start()
    with g.talked_to_early(STRANGER, b"EHLO bot.test\r\n", tls=True) as c:
        assert c.reply().code == 421
    with Client(g.port, STRANGER, greet=False) as c:
        c.handshake()
        assert c.reply().code == 220


def test_waits_have_a_cap_over_all_sessions(start):
    g = start({**NO_RDNS, "delay": "10s"}, limits={"waiting": 2, "sessions_per_client": 0})
    waiting = [Client(g.port, STRANGER, greet=False) for _ in range(2)]
    for c in waiting:
        c.line()
    assert greeted(g, STRANGER)[1] < 9
    for c in waiting:
        c.close()
    assert g.ctl_json("stats")["waits_skipped"] >= 1


@pytest.mark.parametrize("bytes_, code", [(b"GET / HTTP/1.1\r\n", 421), (b"MAIL FROM:<a@b.test>\r\n", 503)])
def test_what_is_no_smtp_is_found_within_the_session(start, bytes_, code):
    g = start()
    with Client(g.port, STRANGER) as c:
        c.send(bytes_)
        assert c.reply().code == code


def test_a_counter_by_helo_sees_sessions(start):
    g = start({"name": "helos", "when": "count(connections by helo, 1h) > 2", "do": "reject"}, refuse_at="now")
    codes = []
    for n in range(4):
        with Client(g.port, f"127.8.1.{n + 1}") as c:
            codes.append(c.cmd("EHLO same.test").code)
    assert codes == [250, 250, 550, 550]
