"""DNS lists: which answers count, what the client is told, and lists that cannot be trusted."""
import re
import statistics
import threading
import time

import pytest
from harness import dns as names
from harness import wait
from harness.client import Client
from harness.guard import elapsed

RETEST = 1.0
TIMEOUT = 1.0 * wait.PATIENCE  # where it is waited for
PATIENT = 20.0  # where an answer comes, however busy the machine is
KEY = "k3yk3yk3y.bl.test"
BAD = "127.9.1."


def listed(zone, *clients, answer="127.0.0.2", **more):
    return {names.listed(c, zone): {"A": answer, "ttl": 1, **more} for c in clients}


def healthy(zone, *clients, **more):
    """A list as RFC 5782 wants it, with these clients in it."""
    return listed(zone, "127.0.0.2", *clients, **more)


def everybody(zone, answer="127.0.0.2"):
    return {"*." + zone: {"A": answer, "ttl": 1}}


def rule(zone="bl.test", name="listed", **more):
    return {"name": name, "when": f"dnsbl('{zone}') == '127.0.0.2'", "do": "reject", **more}


@pytest.fixture
def serve(guard, backend, dns):
    """serve(zone, rules): (name server, server)."""
    def make(zone, rules=None, timeout=PATIENT, **more):
        names_served = dns(zone)
        settings = {"servers": [names_served.server], "timeout": f"{int(timeout * 1000)}ms",
                    "retest": f"{int(RETEST * 1000)}ms"}
        return names_served, guard(backend(), dns=settings, rules=rules or (rule(),), **more)
    return make


def all_heard(g):
    wait.until(lambda: not g.ctl_json("stats")["dns"]["open"], 10, "the answers to all questions")


def try_mail(g, client, sender="a@client.test", stays=False):
    """The reply to RCPT; who stays is there until all is answered that was asked about it."""
    with Client(g.port, client) as c:
        c.ehlo("client.test")
        c.cmd(f"MAIL FROM:<{sender}>")
        reply = c.cmd("RCPT TO:<user@example.test>")
        if stays:
            all_heard(g)
        return reply


def lists(g):
    return {x["name"]: x for x in g.ctl_json("lists")["dns_lists"]}


def is_out(g, zone="bl.test", seconds=20):
    return wait.until(lambda: (x := lists(g)[zone])["state"] == "out" and x, seconds, f"{zone} going out")


def is_back(g, zone="bl.test", seconds=20):
    return wait.until(lambda: (x := lists(g)[zone])["state"] == "in play" and x, seconds, f"{zone} coming back")


def when_tested(g, asked, zone="bl.test"):
    """A client is asked about, and then the list is tested."""
    try_mail(g, BAD + "250")
    wait.until(lambda: asked.count(names.listed("127.0.0.2", zone)), 10, "the first test")
    all_heard(g)


def test_a_listing_is_refused_and_believed_by_a_decoy(serve):
    asked, g = serve(healthy("bl.test", BAD + "1"))
    assert try_mail(g, BAD + "1").code == 550
    assert try_mail(g, BAD + "2").code == 250
    after = [q.name for q in asked.asked[[q.name for q in asked.asked].index(names.listed(BAD + "1", "bl.test")):]]
    assert any(re.fullmatch(r"\d+\.\d+\.\d+\.127\.bl\.test", n) for n in after)
    assert lists(g)["bl.test"]["listed"] == 1


def test_yes_to_everybody_mid_flight_refuses_nobody(serve):
    asked, g = serve(healthy("bl.test", BAD + "1"))
    when_tested(g, asked)
    assert try_mail(g, BAD + "1").code == 550
    replies, stop = [], threading.Event()

    def clients(net):
        n = 0
        while not stop.is_set() and n < 200:
            n += 1
            replies.append(try_mail(g, f"127.9.{net}.{n}").code)

    threads = [threading.Thread(target=clients, args=(net,)) for net in range(20, 28)]
    for t in threads:
        t.start()
    wait.until(lambda: len(replies) > 20, 20, "mail that flows")
    asked.zone = everybody("bl.test")
    is_out(g)
    before = len(replies)
    wait.until(lambda: len(replies) > before + 20 or not any(t.is_alive() for t in threads), 20, "more mail")
    stop.set()
    for t in threads:
        t.join()
    assert len(replies) > 20 and set(replies) == {250}
    assert "cannot be listed" in is_out(g)["reason"]
    g.said("DNS list bl.test is out of play")
    asked.zone = healthy("bl.test", BAD + "2")
    is_back(g)
    g.said("DNS list bl.test answers well again")
    assert try_mail(g, BAD + "2").code == 550


@pytest.mark.parametrize("answer", ("127.255.255.254", "192.0.2.80", "10.0.0.1"))
def test_errors_are_no_listing(serve, answer):
    asked, g = serve(healthy("bl.test", BAD + "1"))
    when_tested(g, asked)
    asked.zone = everybody("bl.test", answer)
    for i in range(8):
        assert try_mail(g, BAD + str(i)).code == 250
    assert is_out(g)["reason"]
    asked.zone = healthy("bl.test", BAD + "99")
    is_back(g)
    assert try_mail(g, BAD + "99").code == 550


def test_servfail_takes_it_out(serve):
    asked, g = serve(healthy("bl.test"))
    when_tested(g, asked)
    asked.zone = {"*.bl.test": {"do": names.SERVFAIL}}
    for i in range(5):
        assert try_mail(g, BAD + str(i)).code == 250
    assert "does not answer" in is_out(g)["reason"]


def test_silence_is_awaited_a_few_times_and_then_not_at_all(serve):
    asked, g = serve(healthy("bl.test"), timeout=TIMEOUT)
    when_tested(g, asked)
    asked.zone = {"*.bl.test": {"do": names.LOST}}
    awaited, not_awaited = [], []
    while lists(g)["bl.test"]["state"] == "in play":
        assert len(awaited) < 8
        seconds, reply = elapsed(lambda: try_mail(g, f"127.9.2.{len(awaited) + 1}"))
        assert reply.code == 250
        awaited.append(seconds)
    assert min(awaited) < TIMEOUT * 1.8, awaited
    for i in range(5):
        seconds, reply = elapsed(lambda: try_mail(g, f"127.9.3.{i + 1}"))
        assert reply.code == 250
        not_awaited.append(seconds)
    assert statistics.median(not_awaited) < TIMEOUT / 2, not_awaited
    asked.zone = healthy("bl.test", BAD + "1")
    is_back(g)
    wait.until(lambda: try_mail(g, BAD + "1").code == 550, 10, "an answer in time")


def test_a_slow_list_goes_out(serve):
    asked, g = serve(healthy("bl.test"), timeout=5)
    when_tested(g, asked)
    asked.zone = {"*.bl.test": {"A": [], "do": names.Slow(2.7)}}  # over half of it
    threads = [threading.Thread(target=try_mail, args=(g, BAD + str(i))) for i in range(1, 8)]
    for t in threads:
        t.start()
    assert "too late" in is_out(g)["reason"]
    for t in threads:
        t.join()


def test_a_decoy_without_answer_makes_the_listing_unknown(serve):
    def within_one_timeout():
        zone = healthy("bl.test", BAD + "1")
        zone["*.bl.test"] = {"do": names.LOST}
        _, g = serve(zone, timeout=TIMEOUT)
        seconds, reply = elapsed(lambda: try_mail(g, BAD + "1"))
        assert reply.code == 250
        return seconds < TIMEOUT * 1.8

    wait.until(within_one_timeout, 20, "a mail that waits for one timeout")


def test_listing_known_good_clients_takes_it_out(serve):
    mine = {"name": "mine", "when": "helo == 'first.test'", "do": "ok"}
    asked, g = serve(healthy("bl.test", BAD + "1"), known_good={"messages": 1, "over": "0s"},
                     rules=(mine, rule(stage="rcpt")))
    good = [f"127.9.4.{i}" for i in range(1, 6)]
    for client in good:
        with Client(g.port, client) as c:
            c.ehlo("first.test")
            assert c.mail(sender="a@client.test").code == 250
    asked.zone |= healthy("bl.test", *good)
    for client in good:
        assert try_mail(g, client, stays=True).code in (250, 450)
    assert "known good" in is_out(g)["reason"]
    assert try_mail(g, BAD + "1").code == 250


def test_its_share_jumps(serve):
    half = [f"127.9.{net}.{i}" for net in (5, 6) for i in range(1, 101)]
    asked, g = serve(healthy("bl.test", *half[100:]), server={"workers": 1})
    for client in half[:100]:
        try_mail(g, client)
    all_heard(g)
    assert lists(g)["bl.test"]["usual_share"] == 0
    for client in half[100:]:
        try_mail(g, client)
    assert "far more" in is_out(g)["reason"]
    assert try_mail(g, half[100]).code == 250


def test_its_test_point_is_gone(serve):
    asked, g = serve(healthy("bl.test"))
    when_tested(g, asked)
    asked.zone = {"other.bl.test": {"A": "127.0.0.2"}, "*.bl.test": {"do": [names.SERVFAIL, names.NXDOMAIN]}}
    try_mail(g, BAD + "1")  # a failure: it is looked into
    assert "test point" in is_out(g, seconds=10 * RETEST + 5)["reason"]


def test_a_reload_keeps_what_is_known(serve):
    asked, g = serve(everybody("bl.test"))
    assert try_mail(g, BAD + "1").code == 250
    out = is_out(g)
    g.reload()
    assert lists(g)["bl.test"] | {"next_test_ms": 0, "since": 0} == out | {"next_test_ms": 0, "since": 0}
    assert try_mail(g, BAD + "1").code == 250


def test_many_lists_are_asked_in_parallel(serve):
    zones = [f"bl{i}.test" for i in range(10)]
    zone = {k: v for z in zones for k, v in healthy(z).items()}
    asked, g = serve(zone, rules=tuple(rule(z, f"r{i}") for i, z in enumerate(zones)))
    for z in zones:
        when_tested(g, asked, z)
    asked.delay = 0.5
    begun = time.monotonic()
    assert try_mail(g, BAD + "1").code == 250
    assert 0.5 <= time.monotonic() - begun < 4.5
    assert {q.name.split(".", 4)[-1] for q in asked.asked if q.name.startswith("1.1.9.127.")} == set(zones)


def test_an_ipv6_client(serve, guard):
    zone = healthy("bl.test")
    zone |= listed("bl.test", "::1")
    asked, g = serve(zone)
    port = wait_v6(g)
    with Client(port, address="::1") as c:
        c.ehlo("client.test")
        c.cmd("MAIL FROM:<a@client.test>")
        assert c.cmd("RCPT TO:<user@example.test>").code == 550


def wait_v6(g):
    port = g.port
    g.configure(**{"dns": g.settings["dns"], "rules": g.settings["rules"], "listeners": (
        {"name": "mx", "address": [f"127.0.0.1:{port}", f"[::1]:{port}"], "tls": "off"},)})
    g.stop()
    g.start()
    return port


def test_answers_that_count(serve):
    zone = healthy("bl.test", BAD + "1") | listed("bl.test", BAD + "2", answer="127.0.0.10")
    zone |= listed("bl.test", BAD + "3", answer="127.0.1.5")
    _, g = serve(zone, rules=({"name": "any", "when": "not (dnsbl('BL.test') is none)", "do": "reject"},),
                 dns_lists=({"zone": "bl.test", "answers": ["127.0.0.2-127.0.0.9", "127.0.1.5"]},))
    assert [try_mail(g, BAD + i).code for i in "1234"] == [550, 250, 550, 250]


def test_an_allow_list_that_says_yes_to_everybody_allows_nobody(serve):
    allow = {"name": "allow", "when": "dnsbl('wl.test') == '127.0.0.2'", "do": "ok"}
    _, g = serve(healthy("bl.test", BAD + "1", BAD + "2") | healthy("wl.test", BAD + "1") | healthy("gone.test"),
                 rules=(allow, rule()))
    assert try_mail(g, BAD + "1").code == 250
    assert try_mail(g, BAD + "2").code == 550
    _, g = serve(healthy("bl.test", BAD + "2") | everybody("wl.test"), rules=(allow, rule()))
    assert [try_mail(g, BAD + "2").code for _ in range(3)] == [550] * 3


def test_text_instead_of_a_paid_key(serve, folder):
    zone = healthy(KEY, BAD + "1", TXT="see https://list.test/127.9.1.1\r\n250 ok")
    zone |= healthy(KEY, BAD + "2", TXT="asked at " + KEY.upper())
    asked, g = serve(zone, rules=(rule(KEY, reply="550 5.7.1 {client} is on {list}: {txt}"),),
                     dns_lists=({"zone": KEY, "text": "The List"},))
    reply = try_mail(g, BAD + "1")
    assert reply.lines[0].startswith(
        r"550 5.7.1 127.9.1.1 is on The List: see https://list.test/127.9.1.1\x0d\x0a250 ok (id ")
    assert "is on The List:  (id" in try_mail(g, BAD + "2").lines[0]
    try_mail(g, BAD + "3")
    asked.zone = everybody(KEY)
    try_mail(g, BAD + "4")
    is_out(g, "The List", 15)
    seen = (g.folder / "journal").read_text() + g.told()
    for command in (("lists",), ("stats",), ("stats", "--prometheus"), ("rules",), ("last",), ("health",),
                    ("explain", "--client", BAD + "1"), ("explain", "--client", BAD + "3")):
        done = g.ctl(*command)
        seen += done.stdout + done.stderr + g.ctl("--json", *command).stdout
    assert "dnsbl('The List')" in seen and 'smtpguard_dns_list_in_play{list="The List",of="clients"} 0' in seen
    assert KEY.split(".", maxsplit=1)[0] not in seen.lower()


def test_txt_is_asked_only_when_a_reply_wants_it_and_never_delays_beyond_the_timeout(serve):
    asked, g = serve(healthy("bl.test", BAD + "1"))
    assert try_mail(g, BAD + "1").code == 550
    assert asked.count(kind="TXT") == 0

    def within_one_timeout():
        asked, g = serve(healthy("bl.test", BAD + "1"), rules=(rule(reply="550 5.7.1 On {list} {txt}"),),
                         timeout=TIMEOUT)
        asked.mute = "TXT"
        seconds, reply = elapsed(lambda: try_mail(g, BAD + "1"))
        in_time = seconds < TIMEOUT * 1.8  # and else the list itself may have answered too late
        assert not in_time or reply.code == 550 and "On bl.test  (id" in reply.lines[0], reply
        return in_time and asked.count(kind="TXT") >= 1

    wait.until(within_one_timeout, 20, "a reply without its text after one timeout")


def test_domains(serve):
    zone = {"bad.test.dbl.test": {"A": "127.0.1.2"}, "test.dbl.test": {"A": "127.0.1.2"}}
    asked, g = serve(zone, rules=({"name": "d", "when": "not (dnsbl_domain('dbl.test', sender.domain) is none)",
                                   "do": "reject"},),
                     dns_lists=({"zone": "dbl.test", "answers": ["127.0.1.2-127.0.1.99"]},))
    assert try_mail(g, BAD + "1", "a@bad.test").code == 550
    assert try_mail(g, BAD + "1", "a@good.test").code == 250
    asked.zone = everybody("dbl.test", "127.0.1.2")
    assert try_mail(g, BAD + "1", "a@other.test").code == 250
    assert is_out(g, "dbl.test")["of"] == "domains"


def test_a_list_of_rules_that_are_off_is_never_asked(serve):
    asked, g = serve(healthy("bl.test"), rules=(rule(state="off"),))
    try_mail(g, BAD + "1")
    assert asked.count() == 0 and lists(g) == {}


def test_an_alert_tells(serve):
    alerts = {"to": ["postmaster@example.test"], "every": "1h", "from": "guard@example.test"}
    asked, g = serve(everybody("bl.test"), alerts=alerts)
    try_mail(g, BAD + "1")
    is_out(g)
    g.said("DNS list bl.test is out of play")
    wait.until(lambda: g.ctl_json("stats")["alerts"] == 1, 10, "the alert")


def test_what_it_said_while_it_could_not_be_trusted_is_forgotten(serve):
    """Its lies are kept no longer than it is out of play, whatever they say of how long they hold."""
    mad = {"*.bl.test": {"A": "127.0.0.2", "ttl": 3600}}
    asked, g = serve(healthy("bl.test"))
    when_tested(g, asked)
    asked.zone = mad
    for i in range(1, 4):
        assert try_mail(g, BAD + str(i)).code == 250
    is_out(g)
    for i in range(1, 6):
        assert try_mail(g, BAD + str(i)).code == 250
    asked.zone = healthy("bl.test", BAD + "9")
    is_back(g)
    assert [try_mail(g, BAD + str(i)).code for i in (1, 2, 3, 4, 5, 9)] == [250] * 5 + [550]
