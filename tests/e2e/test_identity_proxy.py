"""relay.identity = "proxy": a real Postfix that expects PROXY headers learns each client."""
import pathlib
import re
import shutil
import socket
import struct
import tempfile

import pytest

from harness import certs, mails, postfix, wait
from harness.client import Client

EXPECTS = " -o smtpd_upstream_proxy_protocol=haproxy"


@pytest.fixture(scope="module")
def haproxied():
    """A Postfix whose inner service expects a PROXY header and offers TLS."""
    postfix.require()
    path = pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-postfix-"))
    path.chmod(0o711)
    cert, key = certs.make(path, "inner.example.test")
    try:
        server = postfix.Postfix(path / "p", inner_options=EXPECTS, extra=f"smtpd_tls_security_level = may\n"
                                 f"smtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n"
                                 "smtpd_tls_received_header = yes\ninet_protocols = all\n")
        server.cert = cert
        yield server
        server.stop()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def proxied(guard, server, **relay):
    return guard(server.inner, relay={"identity": "proxy", "domains": [], **relay})


def received(mail):
    """The header lines of the backend, unfolded; the first is Postfix's own."""
    head = re.sub(rb"\r?\n[ \t]+", b" ", mail.content.split(b"\n\n")[0].split(b"\r\n\r\n")[0])
    return [line.decode() for line in head.splitlines() if line.startswith(b"Received:")]


def test_postfix_sees_the_client(guard, haproxied):
    g = proxied(guard, haproxied)
    for n in range(1, 4):
        mark = mails.marker()
        assert mails.send(g.port, mark, source=f"127.5.6.{n}", helo=f"told{n}.test").code == 250
        mail = haproxied.one_mail(mark)
        assert haproxied.client_of(mail) == f"127.5.6.{n}"
        assert re.match(rf"Received: from told{n}\.test \(unknown \[127\.5\.6\.{n}\]\)", received(mail)[0])
    shown = g.ctl_json("backend")["backends"][0]
    assert (shown["identity"], shown["state"]) == ("proxy", "up")


def test_several_mails_of_a_session_share_a_connection(guard, haproxied):
    g = proxied(guard, haproxied)
    wait.until(lambda: g.ctl_json("backend")["backends"][0]["state"] == "up", 10, "the backend")
    before = haproxied.log()
    with Client(g.port, "127.5.7.1") as c:
        c.ehlo("several.test")
        for _ in range(3):
            assert c.mail(mails.content(mails.marker())).code == 250
        c.cmd("QUIT")
    wait.until(lambda: "127.5.7.1" in haproxied.log()[len(before):], 20, "the log")
    assert len(re.findall(r"connect from unknown\[127\.5\.7\.1\]", haproxied.log()[len(before):])) == 1


def test_the_backend_decides_what_is_relayed(guard, haproxied):
    """It sees a stranger, not its own network; and 127.0.0.1 as what it is."""
    g = proxied(guard, haproxied)
    for source, code in (("127.9.9.9", 554), ("127.0.0.1", 250)):
        with Client(g.port, source) as c:
            c.ehlo()
            assert c.envelope(rcpts=["x@elsewhere.test"]).code == code, source


def test_with_tls(guard, haproxied):
    """The header stands in front, in the clear; then STARTTLS."""
    g = proxied(guard, haproxied, tls="require", tls_name="inner.example.test", tls_ca=haproxied.cert)
    mark = mails.marker()
    assert mails.send(g.port, mark, source="127.5.8.1").code == 250
    mail = haproxied.one_mail(mark)
    assert haproxied.client_of(mail) == "127.5.8.1"
    assert "using TLS" in received(mail)[0] and "with ESMTPS" in received(mail)[0]


def test_an_ipv6_client(guard, haproxied):
    """Told by XCLIENT: its header has the form of its own family, whatever it came through."""
    g = guard(haproxied.inner, start=False)
    g.configure(relay={"identity": "proxy", "domains": []}, listeners=(
        {"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "off", "xclient_from": ["127.66.6.6"]},))
    g.start()
    mark = mails.marker()
    with Client(g.port, "127.66.6.6") as c:
        assert c.cmd("XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE]").code == 220
        c.ehlo("six.test")
        assert c.mail(mails.content(mark)).code == 250
    assert haproxied.client_of(haproxied.one_mail(mark)) == "2001:db8::7"


def tlvs(data):
    found = {}
    while data:
        kind, size = struct.unpack(">BH", data[:3])
        found[kind], data = data[3:3 + size], data[3 + size:]
    return found


def take_header(connection, line):
    """The scripted backend's greeting waits for the header."""
    while len(connection.pending) < 16 or len(connection.pending) < 16 + int.from_bytes(connection.pending[14:16]):
        connection.read()
    size = int.from_bytes(connection.pending[14:16])
    connection.identity["header"] = connection.pending[:16 + size]
    connection.pending = connection.pending[16 + size:]


@pytest.mark.parametrize("tls", [False, True])
def test_what_the_header_says(guard, backend, folder, tls):
    b = backend({"greeting": take_header})
    cert, key = certs.make(folder)
    g = guard(b, start=False)
    g.configure(relay={"identity": "proxy", "domains": []}, tls={"certificates": ({"cert": cert, "key": key},)},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},))
    g.start()
    with Client(g.port, "127.5.9.1") as c:
        c.ehlo()
        if tls:
            c.starttls(cert)
            c.ehlo("secret.test")
        assert c.mail().code == 250
        ours = c.sock.getsockname()
        c.cmd("QUIT")
    header = b.one_mail().client["header"]
    addresses = socket.inet_aton("127.5.9.1") + socket.inet_aton("127.0.0.1") + struct.pack(">HH", ours[1], g.port)
    assert header[12:14] == b"\x21\x11" and header[16:28] == addresses
    said = tlvs(header[28:])
    assert said.pop(0x05).decode() == g.journaled("session")[0]["id"]
    if tls:
        assert said.pop(0x02) == b"mx.example.test"
        client, verify = struct.unpack(">BI", said[0x20][:5])
        facts = tlvs(said.pop(0x20)[5:])
        assert client == 1 and verify != 0 and facts[0x21] == b"TLSv1.3" and facts[0x23].startswith(b"TLS_")
    assert not said

    def checks():  # one that has only just come says nothing yet
        return [c.identity["header"][12:16] for c in b.connections if "MAIL" not in c.verbs and "header" in c.identity]

    assert set(wait.until(checks, 10, "a check of the backend")) == {b"\x20\0\0\0"}


def test_a_backend_that_expects_none(guard, postfix):
    g = guard(postfix.inner, relay={"identity": "proxy"})
    assert mails.send(g.port, mails.marker()).code == 451
    assert g.said("PROXY header")


def test_a_backend_that_expects_one_and_gets_none(guard, haproxied):
    g = guard(haproxied.inner, relay={"identity": "none"})
    assert mails.send(g.port, mails.marker()).code == 451
