"""smtpguardctl backend test: what each backend offers, and the very lines that are to be changed."""
import json
import shutil
import socket
import tempfile
import threading
import pathlib

import pytest

from harness import certs, guard as guards, mails, postfix as postfixes, wait
from harness.dovecot import dovecot  # noqa: F811,F401  a fixture


def asked(g):
    """The answer, and of the first backend its entry."""
    done = g.ctl("--json", "backend", "test")
    data = json.loads(done.stdout)
    assert done.returncode == (0 if data["good"] else 1), done
    return data, data["backends"][0]


def lines(entry, where="master.cf"):
    return [line for a in entry["advice"] if a["where"] == where for line in a["lines"]]


def must(entry):
    return [a["what"] for a in entry["advice"] if a["must"]]


@pytest.fixture
def make_postfix():
    """make_postfix(options of the inner service, extra lines of main.cf)"""
    made = []

    def make(options, extra=""):
        postfixes.require()
        path = pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-postfix-"))
        path.chmod(0o711)
        made.append((path, postfixes.Postfix(path / "p", inner_options=options, extra=extra)))
        return made[-1][1]

    yield make
    for path, server in made:
        server.stop()
        shutil.rmtree(path, ignore_errors=True)


def test_postfix_as_the_readme_says(guard, postfix):
    g = guard(postfix.inner)
    before = len(postfix.mails())
    data, b = asked(g)
    assert data["good"] and b["state"] == "ok" and not b["advice"]
    assert "ADDR" in b["identity"]["xclient"] and b["identity"]["again"]
    assert (b["identity"]["first"]["code"], b["identity"]["second"]["code"]) == (220, 220)
    assert (b["stranger"]["code"], b["unknown"]["code"], b["unknown_counts"]) == (554, 550, True)
    assert b["unknown"]["text"].startswith("5.1.1") and b["recipient"].endswith("@example.test")
    assert b["size"] == 60000000 and b["refusals"] > 20 and b["rsets"] > 100 and "8BITMIME" in b["ehlo"]
    assert len(postfix.mails()) == before, "a mail was sent"
    text = g.ctl("backend", "test")
    assert text.returncode == 0 and "Nothing to change." in text.stdout and "Relay access denied" in text.stdout
    wait.until(lambda: "unknown[198.51.100.1]" in postfix.log(), 10, "the made-up client in its log")


def test_what_it_says_helps(guard, postfix, make_postfix):
    """A stock service; with the lines that are printed, and no others, nothing is left to be changed."""
    data, b = asked(guard(postfix.stock))
    assert not data["good"] and b["state"] == "change" and not must(b)
    assert not b["identity"]["again"] and b["slowed"]
    said = lines(b)
    assert "-o smtpd_authorized_xclient_hosts=static:all" in said and "-o smtpd_error_sleep_time=0" in said
    assert "-o smtpd_client_connection_count_limit=0" in said
    text = guard(postfix.stock).ctl("backend", "test").stdout
    assert all(f" {line}\n" in text for line in said)
    data, b = asked(guard(make_postfix("".join(f" {line}\n" for line in said).rstrip()).inner))
    assert data["good"], b


@pytest.mark.parametrize("identity,line", [("xclient", "-o smtpd_authorized_xclient_hosts=static:all"),
                                           ("xforward", "-o smtpd_authorized_xforward_hosts=127.0.0.0/8"),
                                           ("proxy", "-o smtpd_upstream_proxy_protocol=haproxy")])
def test_a_backend_that_cannot_be_told(guard, make_postfix, identity, line):
    """And with the line it can."""
    limits = " -o smtpd_error_sleep_time=0\n -o smtpd_soft_error_limit=1000\n -o smtpd_hard_error_limit=1000"
    for options, good in ((limits, False), (f"{limits}\n {line}", True)):
        data, b = asked(guard(make_postfix(options).inner, relay={"identity": identity}))
        assert data["good"] == good, b
        assert good or (b["state"] == "failed" and must(b) and lines(b) == [line])


def test_a_limit_that_hangs_up(guard, make_postfix):
    options = postfixes.readme_options().replace("hard_error_limit=1000000", "hard_error_limit=15")
    _, b = asked(guard(make_postfix(options).inner))
    assert b["hung_up"] and b["refusals"] < 16 and "-o smtpd_hard_error_limit=1000000" in lines(b)


def test_a_header_that_is_not_sent(guard, make_postfix):
    server = make_postfix(" -o smtpd_upstream_proxy_protocol=haproxy")
    seconds, (_, b) = guards.elapsed(lambda: asked(guard(server.inner)))
    assert lines(b) == ["-o smtpd_upstream_proxy_protocol=haproxy"] and "identity" in must(b)[0]
    assert seconds < 20 * wait.PATIENCE


def test_tls(guard, make_postfix, folder):
    cert, key = certs.make(folder, "inner.example.test")
    server = make_postfix(postfixes.readme_options().replace("security_level=none", "security_level=may"),
                          f"smtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n")
    relay = {"tls": "require", "tls_ca": cert, "tls_name": "inner.example.test"}
    data, b = asked(guard(server.inner, relay=relay))
    assert data["good"] and b["tls"]["version"] == "TLSv1.3" and b["tls"]["set"] == "require", b
    _, b = asked(guard(server.inner, relay={**relay, "tls_name": "other.example.test"}))
    assert b["state"] == "failed" and "-o smtpd_tls_security_level=may" in lines(b) and b["tls"]["fault"]
    _, b = asked(guard(server.stock, relay={**relay, "tls_name": "other.example.test"}))
    assert b["state"] == "failed" and not b["identity"].get("first"), "nothing was told in the clear"


def test_an_open_relay(guard, make_postfix):
    server = make_postfix(postfixes.readme_options(), "mynetworks = 0.0.0.0/0\n")
    data, b = asked(guard(server.inner, relay={"domains": []}))
    assert not data["good"] and b["stranger"]["code"] == 250
    assert must(b) and "smtpd_relay_restrictions" in lines(b, "main.cf")[0]


def test_it_takes_anybody(guard, backend):
    _, b = asked(guard(backend()))
    assert b["state"] == "change" and b["unknown"]["code"] == 250 and lines(b, "main.cf")
    _, b = asked(guard(backend({"RCPT": "550 no"})))
    assert b["unknown_counts"] and b["state"] == "ok"
    _, b = asked(guard(backend({"RCPT": "554 5.7.1 no"})))
    assert not b["unknown_counts"] and "unknown_user" in b["advice"][0]["what"]
    _, b = asked(guard(backend({"RCPT": "450 4.1.1 later"})))
    assert "unknown_local_recipient_reject_code = 550" in lines(b, "main.cf")


def test_a_domain_that_is_none_of_its_own(guard, make_postfix):
    """Debian's Postfix puts a stranger who would relay off, and so our recipient when we ask about another's domain."""
    server = make_postfix(postfixes.readme_options(), "smtpd_relay_restrictions = permit_mynetworks, "
                          "permit_sasl_authenticated, defer_unauth_destination\n")
    data, b = asked(guard(server.inner, relay={"domains": ["elsewhere.example"]}))
    assert b["state"] == "change" and (b["stranger"]["code"], b["unknown"]["code"]) == (454, 454)
    assert ["none of its own" in a["what"] for a in b["advice"]] == [True] and not lines(b, "main.cf")
    data, b = asked(guard(server.inner))
    assert data["good"] and b["unknown"]["code"] == 550, b


def test_dovecot(guard, dovecot):  # noqa: F811
    for url in dovecot.urls:
        data, b = asked(guard(url, relay={"identity": "none"}))
        assert data["good"] and b["unknown"]["text"].startswith("5.1.1") and "Dovecot" in b["greeting"], b
    _, b = asked(guard(dovecot.urls[0]))
    assert b["state"] == "failed" and "login_trusted_networks" in lines(b, "dovecot.conf")[0]


@pytest.fixture
def mute():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


def test_dead_and_mute(guard, postfix, mute):
    """All at once, in bounded time; the server does its work meanwhile, and so does its control socket."""
    g = guard(postfix.inner, start=False)
    g.configure(relay={"groups": (
        {"name": "dead", "backends": ["smtp://127.0.0.1:1"], "domains": ["dead.test"]},
        {"name": "mute", "backends": [f"smtp://127.0.0.1:{mute}"], "domains": ["mute.test"]},
        {"name": "box", "backends": ["maildir://" + str(g.folder / "box")], "domains": ["box.test"]})})
    g.start()
    answer = []
    asking = threading.Thread(target=lambda: answer.append(guards.elapsed(lambda: asked(g))))
    asking.start()
    for _ in range(5):
        seconds, _ = guards.elapsed(lambda: g.ctl_json("stats"))
        assert seconds < 6 * wait.PATIENCE
        assert mails.send(g.port, mails.marker()).code == 250
    asking.join()
    seconds, (data, _) = answer[0]
    assert seconds < 35 * wait.PATIENCE
    assert [(b["name"], b["state"]) for b in data["backends"]] == [
        ("main", "ok"), ("dead", "failed"), ("mute", "failed"), ("box", "ok")]
    text = g.ctl("backend", "test").stdout
    assert "Connection refused" in text and "does not greet" in text


def test_the_server_ends_meanwhile(guard, mute):
    g = guard(mute, server={"drain": "1s"})
    asking = threading.Thread(target=lambda: g.ctl("backend", "test"))
    asking.start()
    threading.Event().wait(1)
    seconds, _ = guards.elapsed(g.stop)
    assert seconds < 7 * wait.PATIENCE
    asking.join()


def test_usage(guard, backend):
    g = guard(backend())
    assert g.ctl("backend", "tset").returncode == 2
    assert g.ctl("backend", "test", "more").returncode == 2
    assert "MUST" not in g.ctl("backend", "test", "--help").stdout
    assert "backend test" in guards.run(guards.program("SMTPGUARDCTL"), "--help").stdout
