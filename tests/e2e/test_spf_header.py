"""What SPF found is told in the mail's header, and nobody else tells it in our name."""
import pytest

from harness.client import Client

HOST = "mx.example.test"
ZONE = {"good.test": {"TXT": "v=spf1 ip4:127.0.0.1 -all"}}
RULES = ({"name": "asks", "when": "spf == 'fail'", "points": 1},)
FORGED = f"Authentication-Results: {HOST}; spf=fail\r\n"
OTHERS = "Authentication-Results: else.test; spf=pass\r\n"


@pytest.fixture
def received(guard, backend, dns):
    """The mail as the backend got it."""
    def give(mail, rules=RULES, **settings):
        behind = backend()
        servers = [f"127.0.0.1:{dns(ZONE).port}"]
        g = guard(behind, rules=rules, dns={"servers": servers, "timeout": "20s"}, **settings)
        with Client(g.port) as c:
            c.ehlo("mx.good.test")
            assert c.mail(mail.encode(), sender="a@good.test").code == 250
        return behind.mails[-1].body.decode()
    return give


def test_received_spf_stands_below_received(received):
    content = received(FORGED + "Subject: x\r\n\r\nbody\r\n")
    lines = [x for x in content.split("\r\n") if not x.startswith(("\t", " "))]
    assert lines[0].startswith("Received: ") and lines[1].startswith("Received-SPF: pass ")
    assert FORGED not in content  # a filter behind us would believe it, whatever we write ourselves


def test_authentication_results_are_ours_alone(received):
    mail = FORGED + OTHERS + "Subject: x\r\n" + FORGED + "\r\n" + FORGED + "body\r\n"
    content = received(mail, spf_header="authentication-results")
    header, body = content.split("\r\n\r\n", 1)
    ours = [x for x in header.split("\r\n") if x.startswith(f"Authentication-Results: {HOST}")]
    assert len(ours) == 1 and "spf=pass" in header and "spf=fail" not in header
    assert OTHERS in content and body.startswith(FORGED + "body")


@pytest.mark.parametrize("settings", [{"spf_header": "none"}, {"rules": ()}])
def test_nothing_is_told_where_nothing_is_wanted_or_known(received, settings):
    assert "Received-SPF" not in received("Subject: x\r\n\r\nbody\r\n", **settings)
