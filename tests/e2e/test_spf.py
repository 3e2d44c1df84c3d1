"""SPF over the network: spf_query, with the server's resolver, against the scripted name server.

The public suite of RFC 7208 is served as it is (tests/dns/rfc7208); what the evaluator alone must do is tests/dns/spf.
"""
import os
import pathlib
import subprocess
import sys
import time

import pytest
import yaml

from harness import wait
from harness.dns import LOST, SERVFAIL, TRUNCATED, Dns, Slow

DNS_TESTS = pathlib.Path(__file__).resolve().parent.parent / "dns"
sys.path.insert(0, str(DNS_TESTS))

import spf_suite  # noqa: E402

SUITE = list(yaml.safe_load_all((DNS_TESTS / "rfc7208" / "rfc7208-tests.yml").read_text(encoding="utf-8")))
CHAIN = {f"n{i}.test": {"TXT": f"v=spf1 include:n{i + 1}.test -all"} for i in range(30)}


def ask(server, ip, helo, sender, *options):
    """The lines that it prints."""
    run = subprocess.run([os.environ["SPF_QUERY"], "--server", server, "--ip", ip, "--helo", helo, "--from", sender,
                          *options], capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.decode("ascii").split("\n")[:-1]


def zone_of(zonedata):
    """As harness.dns wants it."""
    zone = {}
    for name, entries in zonedata.items():
        entry = zone.setdefault(name.lower(), {})
        for _, kind, value in spf_suite.records(name, entries):
            if kind == "FAIL":
                entry["do"] = SERVFAIL
            elif kind == "CNAME":
                entry[kind] = value
            elif kind == "MX":
                entry.setdefault(kind, []).append((10, value))
            else:
                entry.setdefault(kind, []).append([value.encode("latin-1")] if kind == "TXT" else value)
        if "TXT" in entry and "do" in entry:
            del entry["do"]  # what fails there is type SPF, which nobody asks for
    return zone


@pytest.mark.parametrize("scenario", SUITE, ids=lambda s: s["description"].replace(" ", "-").lower())
def test_suite(scenario):
    wrong = []
    with Dns(zone_of(scenario["zonedata"])) as dns:
        for title, test in scenario["tests"].items():
            lines = ask(dns.server, test["host"], test["helo"] or "", test["mailfrom"] or "")
            wanted = spf_suite.case(test)
            texts = [f.removeprefix("text=") for f in wanted[5:]]
            if lines[0] not in wanted[4].split(",") or (texts and lines[1:] != [t for t in texts if t]):
                wrong.append((title, lines, wanted))
    assert not wrong


def test_a_domain_s_exchangers_are_asked_at_once():
    """Ten mail exchangers, each answered after 0.6 s, take one time, not ten."""
    hosts = [f"m{i}.a.test" for i in range(10)]
    zone = {"a.test": {"TXT": "v=spf1 mx -all", "MX": [(10, h) for h in hosts]}}
    zone |= {h: {"A": f"192.0.2.{i}", "do": Slow(0.6)} for i, h in enumerate(hosts)}
    with Dns(zone) as dns:
        start = time.monotonic()
        assert ask(dns.server, "192.0.2.9", "h.test", "u@a.test") == ["pass"]
        assert time.monotonic() - start < 5.5
        assert dns.count(kind="A") == 10


def test_silence_ends_in_temperror_when_its_time_is_over():
    with Dns({"a.test": {"TXT": "v=spf1 a:b.test -all"}, "b.test": {"do": LOST}}) as dns:
        start = time.monotonic()
        assert ask(dns.server, "192.0.2.1", "h.test", "u@a.test", "--timeout", "1")[0] == "temperror"
        assert time.monotonic() - start < 10 * wait.PATIENCE


def test_an_explanation_that_does_not_come_costs_the_fail_nothing():
    with Dns({"a.test": {"TXT": "v=spf1 -all exp=b.test"}, "b.test": {"do": LOST}}) as dns:
        assert ask(dns.server, "192.0.2.1", "h.test", "u@a.test", "--timeout", "3") == ["fail"]


def test_a_record_that_comes_over_tcp():
    record = "v=spf1 " + " ".join(f"ip4:198.51.100.{i}" for i in range(200)) + " ip4:192.0.2.1 -all"
    with Dns({"a.test": {"TXT": record, "do": TRUNCATED}}) as dns:
        assert ask(dns.server, "192.0.2.1", "h.test", "u@a.test") == ["pass"]
        assert dns.count(transport="tcp") == 1


def test_hostile_records_end_within_the_budget():
    ten = " ".join(f"include:%{{l}}{i}.x.test" for i in range(10))
    zone = {"n.test": {"TXT": "v=spf1 include:n0.test -all"}, **CHAIN,
            "loop.test": {"TXT": "v=spf1 redirect=loop.test"},
            "x.test": {"TXT": f"v=spf1 {ten} -all"}, "*.x.test": {"TXT": f"v=spf1 {ten} -all"},
            "big.test": {"TXT": "v=spf1 " + "exists:" + "%{s}" * 900 + ".test -all"},
            "a.test": {"MX": [(1, "m.test")], "TXT": "v=spf1 " + "mx " * 2000 + "-all"}}
    with Dns(zone) as dns:
        for domain, most in (("n.test", 12), ("loop.test", 2), ("x.test", 12), ("a.test", 4)):
            before = dns.count()
            lines = ask(dns.server, "192.0.2.1", "h.test", f"u@{domain}")
            assert lines[0] == "permerror", (domain, lines)
            assert dns.count() - before <= most
        assert ask(dns.server, "192.0.2.1", "h.test", "u" * 200 + "@big.test")[0] == "permerror"


def test_headers_hold_what_a_client_says_in_their_own_lines():
    with Dns({"a.test": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}}) as dns:
        lines = ask(dns.server, "192.0.2.7", 'h"(\r\nX: y', "u@a.test", "--name", "mx.ours.test", "--headers")
    assert lines == [
        "pass",
        "Received-SPF: pass (mx.ours.test: domain of u@a.test designates 192.0.2.7 as permitted sender)\r",
        "\treceiver=mx.ours.test; client-ip=192.0.2.7;\r",
        '\tenvelope-from="u@a.test";\r',
        '\thelo="h\\"(??X: y";\r',
        "\tidentity=mailfrom; mechanism=ip4\r",
        "Authentication-Results: mx.ours.test;\r",
        "\tspf=pass smtp.mailfrom=u@a.test\r"]
