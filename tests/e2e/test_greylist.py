"""Greylisting by who a sender is proven to be, not by its address."""
import re
import time

import pytest
from harness import dns as names, wait
from harness.client import Client

DELAY = 2.0  # times are kept in whole seconds
LONG_DELAY = 6.0  # for who must come again before it is over
NETS = [f"127.{n}.0.5" for n in range(20, 40)]

ZONE = {
    "big.test": {"TXT": "v=spf1 ip4:127.20.0.0/16 " + " ".join(f"ip4:{a}" for a in NETS) + " -all"},
    "wide.test": {"TXT": "v=spf1 ip4:127.0.0.0/8 -all"},
    "all.test": {"TXT": "v=spf1 +all"},
    **{names.reverse(a): {"PTR": f"out{i}.named.test"} for i, a in enumerate(NETS)},
    **{f"out{i}.named.test": {"A": a} for i, a in enumerate(NETS)},
}

RULES = ({"name": "grey", "when": "not client.known_good", "do": "greylist"},)


@pytest.fixture
def served(guard, backend, dns):
    def make(zone=ZONE, rules=RULES, script=None, delay=DELAY, timeout="20s", **more):
        server = dns(zone)
        g = guard(backend(script), rules=rules, greylist={"delay": f"{int(delay * 1000)}ms"},
                  dns={"servers": [f"127.0.0.1:{server.port}"], "timeout": timeout}, **more)
        return g, server
    return make


def rcpt(g, client, sender="news@big.test", to="user@example.test"):
    """The reply to one RCPT."""
    with Client(g.port, client) as c:
        c.ehlo("mx.client.test")
        assert c.cmd(f"MAIL FROM:<{sender}>").code == 250
        reply = c.cmd(f"RCPT TO:<{to}>")
        c.cmd("QUIT")
    return reply


def waits(reply):
    assert reply.code == 450 and "4.7.1" in reply.text, reply
    return int(re.search(r"(\d+) seconds", reply.text).group(1))


@pytest.mark.parametrize("sender, zone", [("news@big.test", {"big.test": ZONE["big.test"]}),
                                          ("news@elsewhere.test", {k: v for k, v in ZONE.items() if k != "big.test"})])
def test_one_identity_behind_many_addresses_waits_once(served, sender, zone):
    g, _ = served(zone)
    assert 1 <= waits(rcpt(g, NETS[0], sender)) <= 2
    time.sleep(DELAY + 0.2)
    assert rcpt(g, NETS[7], sender).code == 250
    assert rcpt(g, NETS[11], sender).code == 250
    assert g.journaled("mail", client=NETS[7])[0]["identity"] == ("big.test" if "big.test" in zone else "named.test")


@pytest.mark.parametrize("sender", ["a@all.test", "a@wide.test", "a@nobody.test"])
def test_who_proves_nothing_waits_for_each_net(served, sender):
    g, _ = served({k: ZONE[k] for k in ("all.test", "wide.test")})
    waits(rcpt(g, NETS[0], sender))
    time.sleep(DELAY + 0.2)
    waits(rcpt(g, NETS[1], sender))
    assert rcpt(g, NETS[0], sender).code == 250
    assert rcpt(g, NETS[0].replace(".0.5", ".0.77"), sender).code == 250  # its /24


def test_an_early_retry_does_not_start_the_clock_again(served):
    g, _ = served(delay=LONG_DELAY)
    waits(rcpt(g, NETS[0]))
    begun = time.monotonic()
    time.sleep(1.2)
    waits(rcpt(g, NETS[0]))
    time.sleep(max(0, LONG_DELAY + 0.2 - (time.monotonic() - begun)))
    assert rcpt(g, NETS[0]).code == 250


def test_spf_that_ends_late_adds_its_rung(served):
    zone = {"big.test": {**ZONE["big.test"], "do": [names.Slow(2.0 * wait.PATIENCE), names.OK]}}

    def adds():  # unless the machine was so slow that SPF found no answer at all
        g, _ = served(zone, server={"workers": 1}, timeout=f"{wait.PATIENCE:g}s")
        waits(rcpt(g, NETS[0]))  # dns.timeout is over before SPF is through
        wait.until(lambda: not g.ctl_json("stats")["dns"]["open"], 10, "the end of SPF")
        time.sleep(DELAY + 0.2)
        return rcpt(g, NETS[3]).code == 250

    wait.until(adds, 20, "an identity that is known by SPF of before")


def test_bounces_wait_at_the_end_of_data(served):
    g, _ = served()
    with Client(g.port, NETS[0]) as c:
        c.ehlo("mx.client.test")
        assert c.envelope("", ("user@example.test", "good@example.test")).code == 250
        assert c.cmd("DATA").code == 354
        waits(c.body(b"Subject: bounce\r\n\r\nx\r\n"))
    time.sleep(DELAY + 0.2)
    with Client(g.port, NETS[0]) as c:
        c.ehlo("mx.client.test")
        assert c.mail(sender="", rcpts=("user@example.test", "good@example.test")).code == 250


def test_known_good_and_trusted_never_wait(served):
    g, _ = served(rules=({"name": "mine", "when": f"client.ip in {NETS[5]}/32", "do": "ok"}, *RULES),
                  known_good={"messages": 1, "over": "0s"})
    assert rcpt(g, NETS[5]).code == 250
    waits(rcpt(g, NETS[0]))
    time.sleep(DELAY + 0.2)
    with Client(g.port, NETS[0]) as c:
        c.ehlo("mx.client.test")
        assert c.mail(sender="news@big.test", rcpts=("user@example.test",)).code == 250
    assert rcpt(g, NETS[0], to="other@example.test", sender="x@quite.different.test").code == 250


def test_an_identity_is_known_good_whatever_address_it_uses(served):
    g, _ = served(known_good={"messages": 1, "over": "0s"})
    waits(rcpt(g, NETS[0]))
    time.sleep(DELAY + 0.2)
    with Client(g.port, NETS[0]) as c:
        c.ehlo("mx.client.test")
        assert c.mail(sender="news@big.test", rcpts=("user@example.test",)).code == 250
    assert rcpt(g, NETS[9], sender="quite-another@big.test", to="other@example.test").code == 250
    waits(rcpt(g, NETS[9], sender="quite-another@unproven.test", to="third@example.test"))


def test_what_waits_eats_no_rate_budget(served):
    g, _ = served(rules=({"name": "rate", "when": "count(recipients by client, 1h) > 2", "do": "reject"}, *RULES),
                  delay=LONG_DELAY)
    for _ in range(6):
        waits(rcpt(g, NETS[0]))
    time.sleep(LONG_DELAY + 0.2)
    assert rcpt(g, NETS[0]).code == 250


def test_it_outlives_a_restart(served):
    g, _ = served()
    waits(rcpt(g, NETS[0]))
    g.stop()
    g.start()
    time.sleep(DELAY + 0.2)
    assert rcpt(g, NETS[2]).code == 250


def test_an_observed_rule_makes_nobody_wait(served):
    g, _ = served(rules=({**RULES[0], "state": "observe"},))
    assert rcpt(g, NETS[0]).code == 250
    assert g.journaled("mail", client=NETS[0])[0]["observed"] == "grey:greylist"


def test_a_rule_may_word_its_reply(served):
    g, _ = served(rules=({**RULES[0], "reply": "450 4.7.1 Come again in {wait} seconds, {client} (id {id})"},))
    reply = rcpt(g, NETS[0])
    assert reply.code == 450 and f"Come again in 2 seconds, {NETS[0]}" in reply.text
