"""client.dynamic in a real server: names out of the DNS, words of the administrator's own."""
import pytest

from harness.client import Client
from harness.dns import reverse
from harness.guard import run_guard

RULES = ({"name": "line", "when": "client.dynamic", "do": "defer", "stage": "mail"},)
NAMES = {"127.10.1.1": "p127-10-1-1.isp.example", "127.10.1.2": "x2.dsl.isp.example", "127.10.1.3": "mx1.dsl.example",
         "127.10.1.4": "static-127-10-1-4.isp.example", "127.10.1.5": "flat5.isp.example"}


@pytest.fixture
def named(guard, backend, dns):
    def start(**settings):
        zone = {reverse(ip): {"PTR": name} for ip, name in NAMES.items()}
        return guard(backend(), dns={"servers": [dns(zone).server], "timeout": "20s", **settings}, rules=RULES)
    return start


def is_deferred(g, source):
    with Client(g.port, source) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@sender.test>")
        code = c.cmd("RCPT TO:<somebody@example.test>").code
        c.cmd("QUIT")
    assert code in (250, 450)
    return code == 450


def test_a_line_is_known_by_its_address_and_by_words(named):
    g = named()
    assert [is_deferred(g, ip) for ip in NAMES] == [True, True, False, False, False]
    assert not is_deferred(g, "127.10.1.9")


def test_the_words_can_be_ones_own(named, folder):
    words = folder / "words.list"
    words.write_text("end-user flat\n")
    g = named(end_user_words=str(words))
    assert [is_deferred(g, ip) for ip in NAMES] == [True, False, False, True, True]
    words.write_text("server flat\n")
    g.reload()
    assert not is_deferred(g, "127.10.1.5")


def test_wrong_words_are_a_fault_with_file_and_line(named, folder):
    words = folder / "words.list"
    words.write_text("end-user dsl\nenduser flat\n")
    g = named()
    g.configure(dns={"end_user_words": str(words)})
    check = run_guard("--check", "-c", g.config)
    assert check.returncode == 1 and f"{words}:2: a line begins with" in check.stderr
