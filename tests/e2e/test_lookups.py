"""What DNS says of a client, its HELO and its sender, in rules; and what happens when it says nothing."""
import copy
import re
import time

import pytest
from harness import dns as names, wait
from harness.client import Client
from harness.guard import elapsed, quickest
from test_trace import Trace

TIMEOUT = 1.0 * wait.PATIENCE  # where it is waited for
LONG = 3.0  # for who must be done before it is over
PATIENT = 20.0  # where an answer comes, however busy the machine is
CLIENT = "127.9.0.7"

ZONE = {
    names.reverse(CLIENT): {"PTR": "mx.good.test"},
    "mx.good.test": {"A": [CLIENT]},
    names.reverse("127.9.0.8"): {"PTR": "mx.good.test"},
    names.reverse("127.9.0.9"): {"PTR": b"evil\r\nX-Header: 1.good.test"},
    names.reverse("127.9.0.10"): {"PTR": "dsl-127-9-0-10.pool.isp.test"},
    "good.test": {"MX": (10, "mx.good.test"), "TXT": "v=spf1 ip4:127.9.0.7 -all"},
    "nomail.test": {"MX": (0, "")},
    "address.test": {"A": "127.0.0.9"},
    names.listed(CLIENT, "bl.test"): {"A": "127.0.0.2"},
    names.listed("127.9.0.8", "bl.test"): {"A": "127.255.255.254"},
    "good.test.dbl.test": {"A": "127.0.0.4"},
    "lost.test": {"do": names.LOST},
    names.reverse("127.9.0.66"): {"do": names.LOST},
    names.listed("127.9.0.66", "bl.test"): {"do": names.LOST},
}

RULES = tuple({"name": name, "when": when, "points": 1} for name, when in (
    ("rdns-ok", "client.rdns == 'ok'"), ("rdns-none", "client.rdns is none"),
    ("rdns-mismatch", "client.rdns == 'mismatch'"), ("rdns-unknown", "client.rdns is unknown"),
    ("named", "client.name == 'mx.good.test'"), ("ptr", "client.ptr == 'mx.good.test'"),
    ("dynamic", "client.dynamic"), ("listed", "dnsbl('bl.test') == '127.0.0.2'"),
    ("clean", "dnsbl('bl.test') is none"), ("list-unknown", "dnsbl('bl.test') is unknown"),
    ("helo-resolves", "helo.resolves"), ("helo-void", "not helo.resolves"), ("helo-ours", "helo.ours"),
    ("mx", "sender.mx"), ("no-mx", "not sender.mx"), ("mx-unknown", "sender.mx is unknown"),
    ("local", "sender.local"), ("domain-listed", "dnsbl_domain('dbl.test', sender.domain) == '127.0.0.4'"),
    ("spf-pass", "spf == 'pass'"), ("spf-fail", "spf == 'fail'"), ("spf-unknown", "spf is unknown"),
    ("spf-none", "spf == 'none'"), ("who", "identity == 'good.test'"),
    ("never", "not (spf == 'pass') and spf is unknown and 1 == 2")))[:-1]


@pytest.fixture
def asked(dns):
    return dns(copy.deepcopy(ZONE))


def start(guard, backend, dns, rules=RULES, timeout=PATIENT, **more):
    return guard(backend(), dns={"servers": [f"127.0.0.1:{dns.port}"], "timeout": f"{int(timeout * 1000)}ms"},
                 rules=rules, **more)


def fired(g, client=CLIENT, helo="mx.good.test", sender="a@good.test", **how):
    """The rules that fired for one mail."""
    with Client(g.port, client, **how) as c:
        c.ehlo(helo)
        c.cmd(f"MAIL FROM:<{sender}>")
        c.cmd("RCPT TO:<user@example.test>")
        c.cmd("QUIT")
    return {r.split(":")[0] for r in g.journaled("mail", client=client)[-1]["rules"]}


CASES = {
    "proven": (CLIENT, "mx.good.test", "a@good.test",
               "rdns-ok named ptr listed helo-resolves mx domain-listed spf-pass who"),
    "mismatch": ("127.9.0.8", "mx.good.test", "a@good.test",
                 "rdns-mismatch ptr list-unknown helo-resolves mx domain-listed spf-fail"),
    "no host name": ("127.9.0.9", "nowhere.test", "a@nomail.test", "rdns-none clean helo-void no-mx spf-none"),
    "end user": ("127.9.0.10", "[127.9.0.10]", "a@address.test",
                 "rdns-mismatch dynamic clean helo-resolves mx spf-none"),
    "our own names": ("127.9.0.11", "mx.example.test", "a@example.test",
                      "rdns-none clean helo-void helo-ours no-mx local spf-none"),
    "our literal": ("127.9.0.12", "[127.0.0.1]", "", "rdns-none clean helo-resolves helo-ours mx spf-none"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_looked_up(guard, backend, asked, case):
    client, helo, sender, expected = CASES[case]
    g = start(guard, backend, asked)
    assert fired(g, client, helo, sender) == set(expected.split())


def test_silence_costs_one_timeout_a_stage_and_refuses_nobody(guard, backend, asked):
    refusals = tuple({"name": name, "when": when, "do": "reject"} for name, when in (
        ("spf", "not (spf == 'pass')"), ("no-rdns", "client.rdns is none"), ("mismatch", "not (client.rdns == 'ok')"),
        ("list", "not (dnsbl('bl.test') is none)"), ("mx", "not sender.mx"), ("helo", "not helo.resolves")))
    asked.down = True

    def in_time():
        g = start(guard, backend, asked, rules=refusals, timeout=TIMEOUT)
        begun = time.monotonic()
        with Client(g.port, "127.9.0.66") as c:
            greeted = time.monotonic()
            c.ehlo("lost.test")
            said = time.monotonic()
            assert c.cmd("MAIL FROM:<a@lost.test>").code == 250
            mailed = time.monotonic()
            assert c.cmd("RCPT TO:<user@example.test>").code == 250
            stages = (greeted - begun, said - greeted, mailed - said)
            assert all(TIMEOUT * 0.9 <= seconds for seconds in stages), stages
            return max(stages) < TIMEOUT * 1.8 and time.monotonic() - mailed < TIMEOUT * 0.8

    wait.until(in_time, 30, "a mail that waits for one timeout a stage")


def test_known_good_waits_for_nothing(guard, backend, asked):
    g = start(guard, backend, asked, timeout=TIMEOUT, known_good={"messages": 1, "over": "0s"})
    with Client(g.port, "127.9.0.66") as c:
        c.ehlo("mx.good.test")
        assert c.mail(b"Subject: x\r\n\r\nbody\r\n", sender="a@good.test").code == 250
    asked.down = True

    def mail():
        with Client(g.port, "127.9.0.66") as c:
            c.ehlo("lost.test")
            assert c.mail(b"Subject: x\r\n\r\nbody\r\n", sender="a@lost.test").code == 250

    assert quickest(mail) < TIMEOUT * 0.8


def test_rules_below_an_ok_ask_nothing(guard, backend, asked):
    g = start(guard, backend, asked, rules=({"name": "mine", "when": "client.ip in 127.9.0.0/16", "do": "ok"},
                                            *RULES))
    assert fired(g) == {"mine"}
    assert asked.asked == []


def test_equal_questions_are_asked_once(guard, backend, asked):
    asked.delay = 0.2
    g = start(guard, backend, asked, rules=RULES[:3], server={"workers": 1})  # nothing is asked once more
    clients = [Client(g.port, CLIENT, greet=False) for _ in range(20)]
    for c in clients:
        assert c.reply().code == 220
        c.close()
    assert len([q for q in asked.asked if q.type == "PTR"]) == 1


def test_explain_shows_each_lookup_with_its_answer_and_time(guard, backend, asked):
    g = start(guard, backend, asked)
    fired(g)
    shown = {x["name"]: x for x in g.explained("--client", CLIENT)[0]["lookups"]}
    assert shown["client.name"]["answer"] == "mx.good.test"
    assert shown["dnsbl('bl.test')"]["answer"] == "127.0.0.2"
    assert shown["spf"]["answer"] == "pass by ip4:127.9.0.7 of good.test"
    assert shown["sender.mx"]["answer"] == "yes" and shown["sender.mx"]["ms"] < 10_000 * wait.PATIENCE
    text = g.ctl("explain", "--client", CLIENT).stdout
    assert "client.name: mx.good.test" in text


def test_a_client_that_leaves_while_it_is_looked_up(guard, backend, asked):
    asked.delay = 0.3
    g = start(guard, backend, asked)
    for _ in range(30):
        Client(g.port, CLIENT, greet=False).close()
    with Client(g.port, CLIENT) as c:
        c.ehlo("mx.good.test")
    assert [s["rdns"] for s in g.journaled("session", 31, client=CLIENT) if s["port"] == c.port] == ["ok"]


def looked_up(g, *words):
    told = g.ctl_json("test", *words)
    return told, {x["name"]: x for x in told.get("lookups", [])}, {r["name"] for r in told["rules"]}


@pytest.mark.parametrize("case", CASES)
def test_a_made_up_session_is_looked_up_as_a_real_one(guard, backend, asked, case):
    client, helo, sender, expected = CASES[case]
    g = start(guard, backend, asked)
    told = looked_up(g, "--client", client, "--helo", helo, "--from", sender or "<>", "--rcpt", "user@example.test")
    # where it would have connected to is not known
    assert told[2] == set(expected.split()) - ({"helo-ours"} if case == "our literal" else set())
    assert g.ctl_json("stats")["sessions"]["total"] == 0 and g.ctl_json("stats")["dns"]["asked"] == 0


def test_a_made_up_session_shows_each_lookup(guard, backend, asked):
    asked.zone["good.test"]["do"] = names.Slow(0.5)
    words = ("--client", CLIENT, "--helo", "mx.good.test", "--from", "a@good.test", "--rcpt", "user@example.test")

    def the_slow_one_stands_out():
        _, shown, _ = looked_up(start(guard, backend, asked), *words)
        assert shown["client.name"]["answer"] == "mx.good.test"
        assert shown["dnsbl('bl.test')"]["answer"] == "127.0.0.2"
        assert shown["spf"]["answer"] == "pass by ip4:127.9.0.7 of good.test"
        assert 450 < shown["spf"]["ms"] < PATIENT * 1000
        return shown["client.name"]["ms"] < 450

    wait.until(the_slow_one_stands_out, 20, "a name that is looked up at once")
    text = start(guard, backend, asked).ctl("test", *words).stdout
    assert "client.name: mx.good.test" in text and re.search(r"spf: pass by .*\([0-9]+ m?s\)", text), text


def test_a_made_up_session_waits_one_timeout_a_stage(guard, backend, asked):
    asked.down = True

    def in_time():
        g = start(guard, backend, asked, timeout=TIMEOUT)
        seconds, (_, shown, rules) = elapsed(lambda: looked_up(
            g, "--client", "127.9.0.66", "--helo", "lost.test", "--from", "a@lost.test", "--rcpt", "user@example.test"))
        assert {x["answer"] for x in shown.values()} == {"unknown: timeout",
                                                         "temperror: the lookup of the record failed"}
        assert {"rdns-unknown", "list-unknown", "mx-unknown", "spf-unknown"} <= rules
        assert 3 * TIMEOUT * 0.9 <= seconds
        return seconds < 3.8 * TIMEOUT

    wait.until(in_time, 30, "an answer after one timeout a stage")


def test_the_name_of_a_made_up_session_may_be_given(guard, backend, asked):
    g = start(guard, backend, asked)
    _, shown, rules = looked_up(g, "--client", "127.9.0.8", "--rdns", "mx.good.test", "--from", "a@nospf.test")
    assert {"rdns-ok", "named", "ptr"} <= rules and "client.name" not in shown
    assert not [q for q in asked.asked if q.type == "PTR"]


def test_what_greylisting_would_say(guard, backend, asked):
    g = start(guard, backend, asked, rules=({"name": "grey", "when": "client.ip in 127.9.0.0/16", "do": "greylist"},),
              greylist={"delay": "5s"})
    words = ("--client", CLIENT, "--helo", "mx.good.test", "--from", "a@good.test", "--rcpt", "user@example.test")

    def said():
        return looked_up(g, *words)[0]["stages"][-1]

    for _ in range(2):  # nobody's clock is started
        stage = said()
        assert stage["verdict"] == "greylist" and stage["code"] == 450, stage
        assert stage["greylist"] == {"answer": "first", "identity": "good.test", "wait_s": 5}
    assert "first as good.test, to be tried again in 5 s" in g.ctl("test", *words).stdout

    def tried():
        with Client(g.port, CLIENT) as c:
            c.ehlo("mx.good.test")
            c.cmd("MAIL FROM:<a@good.test>")
            return c.cmd("RCPT TO:<user@example.test>").code

    assert tried() == 450
    assert said()["greylist"]["answer"] == "early"
    time.sleep(5.2)
    assert said()["greylist"] == {"answer": "passed", "identity": "good.test", "by": "spf"}
    assert tried() == 250
    assert "code" not in said() and said()["greylist"]["answer"] == "known"


def test_a_trace_shows_each_lookup_once_with_its_answer_and_time(guard, backend, asked):
    asked.zone["good.test"]["TXT"] = b"v=spf1 exists:\x1b[2J.test ip4:127.9.0.7 -all"
    asked.zone["slow.test"] = {"do": names.LOST}
    g = start(guard, backend, asked, timeout=LONG * wait.PATIENCE)
    trace = Trace(g, "127.9.0.0/16")
    fired(g)
    fired(g, "127.9.0.9", "slow.test", "a@nomail.test")
    text = trace.wait_for("end by client, 1 mails") and trace.end()
    assert "\x1b" not in text
    for line in ("client.name: mx.good.test (", "dnsbl('bl.test'): 127.0.0.2 (", "spf: ", "sender.mx: yes (",
                 "client.name: none (", "helo.resolves: unknown: "):
        assert text.count("-- dns " + line) >= 1, (line, text)
    assert text.count("client.name: mx.good.test (") == 1 and text.count("helo.resolves: unknown: ") == 1
    assert text.index("client.name: mx.good.test") < text.index("220 ")


@pytest.mark.parametrize("how", ["hash", "none"])
def test_hidden_addresses_are_hidden_in_names_too(guard, backend, asked, how):
    name = "host-127-9-0-7.good.test"
    asked.zone = {**ZONE, names.reverse(CLIENT): {"PTR": name}, name: {"A": [CLIENT]}}
    g = start(guard, backend, asked, log={"addresses": how})
    with Client(g.port, CLIENT) as c:
        c.ehlo("mx.good.test")
        c.envelope("a@good.test", ("user@example.test",))
        c.cmd("QUIT")
    g.journaled("session")
    said = (g.folder / "journal").read_text() + g.ctl("--json", "last").stdout
    assert "127-9-0-7" not in said and CLIENT not in said
    assert "pass" in said


def test_a_slow_list_holds_back_only_who_needs_it(guard, backend, asked):
    asked.zone["*.slow.test"] = {"do": names.LOST}
    g = start(guard, backend, asked, server={"workers": 1}, timeout=LONG, rules=(
        {"name": "slow", "when": "client.ip == 127.9.0.8 and dnsbl('slow.test') == '127.0.0.2'", "do": "reject"},
        {"name": "quick", "when": "dnsbl('bl.test') == '127.0.0.3'", "do": "reject"}))
    begun = time.monotonic()
    held = Client(g.port, "127.9.0.8", greet=False)
    for n in range(8):
        with Client(g.port, f"127.9.1.{n + 1}") as c:
            c.cmd("QUIT")
    assert held.silent(0.01) or time.monotonic() - begun >= LONG
    assert held.reply().code == 220 and time.monotonic() - begun >= LONG * 0.9
    held.close()


def test_a_list_is_asked_about_a_name_that_must_be_looked_up_first(guard, backend, asked):
    asked.zone = {**ZONE, "mx.good.test.hosts.test": {"A": "127.0.0.2"}}
    g = start(guard, backend, asked, rules=(
        {"name": "host", "when": "dnsbl_domain('hosts.test', client.name) == '127.0.0.2'", "points": 1},
        {"name": "clean", "when": "dnsbl_domain('hosts.test', client.name) is none", "points": 1}))
    assert fired(g) == {"host"}
    assert fired(g, "127.9.0.11") == {"clean"}
    shown = g.ctl_json("test", "--client", CLIENT)
    assert [r["name"] for r in shown["rules"]] == ["host"]


def test_a_chain_of_lookups_stays_within_one_timeout(guard, backend, asked):
    asked.zone = {**ZONE, names.reverse(CLIENT): {"PTR": "mx.good.test", "do": names.Slow(TIMEOUT * 0.7)},
                  "mx.good.test.hosts.test": {"do": names.LOST}}
    rules = ({"name": "host", "when": "dnsbl_domain('hosts.test', client.name) is unknown", "points": 1},)

    def in_time():
        g = start(guard, backend, asked, rules=rules, timeout=TIMEOUT)
        begun = time.monotonic()
        with Client(g.port, CLIENT):
            seconds = time.monotonic() - begun
            assert TIMEOUT * 0.9 <= seconds
            return seconds < TIMEOUT * 1.6

    wait.until(in_time, 20, "a greeting after one timeout")


def test_each_recipient_has_its_own_answer(guard, backend, asked):
    asked.zone = {**ZONE, "listed.test.dbl.test": {"A": "127.0.0.4"}}
    g = start(guard, backend, asked, relay={"domains": ["listed.test", "example.test"]}, rules=(
        {"name": "theirs", "when": "dnsbl_domain('dbl.test', recipient.domain) == '127.0.0.4'", "do": "reject"},))
    with Client(g.port, CLIENT) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<a@good.test>").code == 250
        codes = [c.cmd(f"RCPT TO:<user@{d}.test>").code for d in ("example", "listed", "example", "listed")]
    assert codes == [250, 550, 250, 550]
