"""Behind a proxy: the PROXY protocol (with a real HAProxy) and XCLIENT, believed from listed hosts and no others."""
import re
import shutil
import socket
import struct
import subprocess

import pytest

from harness import certs, mails, ports, wait
from harness.client import Client, Closed

PROXY = "127.66.6.6"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
RULES = ({"name": "evil", "when": "client.ip in 203.0.113.0/24", "do": "reject"},)


def listener(port, **more):
    return ({"name": "mx", "address": [f"127.0.0.1:{port}"], "tls": "off", **more},)


@pytest.fixture
def behind(guard, backend):
    """behind(**groups): a server that wants a PROXY header from PROXY, and its backend."""
    def make(b=None, tls_of_the_listener="off", **groups):
        b = b or backend()
        g = guard(b, start=False)
        mx = listener(g.port, proxy_protocol_from=[PROXY], tls=tls_of_the_listener)
        g.configure(**{"listeners": mx, "rules": RULES, **groups})
        g.start()
        return g, b
    return make


def v1(client="198.51.100.7", port=4711):
    return f"PROXY TCP4 {client} 192.0.2.25 {port} 25\r\n".encode()


def v2(client="198.51.100.7", port=4711, command=0x21, tlvs=b""):
    address = socket.inet_aton(client) + socket.inet_aton("192.0.2.25") + struct.pack(">HH", port, 25)
    family = 0x11 if command == 0x21 else 0
    address = address if family else b""
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(address + tlvs)) + address + tlvs


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def connect(g, header, source=PROXY, **options):
    c = Client(g.port, source, greet=False, **options)
    c.send(header)
    c.greeting = c.reply()
    return c


@pytest.mark.parametrize("header", [v1(), v2()], ids=["v1", "v2"])
@pytest.mark.parametrize("rejoined", [False, True], ids=["apart", "with the hello"])
def test_a_header_before_implicit_tls(behind, folder, header, rejoined):
    """The header is taken to its last byte and no further: the ClientHello may stand behind it in the same packet. The
    limits are the real client's, and the handshake of one too many does not begin."""
    cert, key = certs.make(folder)
    g, b = behind(tls={"certificates": ({"cert": cert, "key": key},)}, limits={"sessions_per_client": 1},
                  tls_of_the_listener="implicit")
    with Client(g.port, PROXY, greet=False) as c:
        if rejoined:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        c.send(header)
        c.handshake(name="mx.example.test")
        assert c.reply().code == 220
        c.ehlo()
        assert c.mail().code == 250
        with Client(g.port, PROXY, greet=False) as second:
            second.send(header)
            assert second.at_end() == b""
    assert b"with ESMTPS" in b.one_mail().body
    assert g.journaled("mail", client="198.51.100.7", port=4711)[0]["cipher"]


@pytest.mark.parametrize("header", [v1(), v2()], ids=["v1", "v2"])
@pytest.mark.parametrize("bytewise", [False, True])
def test_the_client_is_who_the_proxy_says(behind, header, bytewise):
    g, b = behind()
    with Client(g.port, PROXY, greet=False) as c:
        for i in range(len(header)) if bytewise else ():
            c.send(header[i:i + 1])
        if not bytewise:
            c.send(header)
        c.greeting = c.reply()
        c.ehlo()
        assert c.mail().code == 250
        assert c.cmd("QUIT").code == 221
    mail = b.one_mail()
    assert mail.client["ADDR"] == "198.51.100.7" and b"[198.51.100.7]" in mail.body
    record = g.journaled("mail", verdict="accepted")[0]
    assert (record["client"], record["port"], record["proxy"], record["via"]) == \
        ("198.51.100.7", 4711, PROXY, "proxy-protocol")


def test_rules_judge_the_real_client(behind):
    g, _ = behind()
    with connect(g, v1("203.0.113.9")) as c:
        c.ehlo()
        assert c.envelope().code == 550


def test_facts_of_its_tls(behind):
    g, b = behind()
    tls = tlv(0x20, b"\x01" + struct.pack(">I", 0) + tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_256_GCM_SHA384"))
    with connect(g, v2(tlvs=tls)) as c:
        assert "STARTTLS" not in c.ehlo()
        assert [s["tls"] for s in g.ctl_json("sessions")["sessions"]] == ["TLSv1.3"]
        assert c.mail().code == 250
    assert b"with ESMTPS" in b.one_mail().body and b"TLS_AES_256_GCM_SHA384" in b.mails[0].body
    assert g.journaled("mail", verdict="accepted")[0]["tls"] in ("TLSv1.3", "1.3")


@pytest.mark.parametrize("header", [b"EHLO x.test\r\n", b"PROXY TCP4 1.2.3.4\r\n", SIGNATURE + b"\x21\x11\xff\xff",
                                    b"PROXY " + b"x" * 600, b"\x16\x03\x01"], ids=range(5))
def test_without_a_good_header_it_is_closed_without_a_word(behind, header):
    g, b = behind()
    with Client(g.port, PROXY, greet=False) as c:
        c.send(header)
        assert c.at_end() == b""
    wait.until(lambda: g.ctl_json("stats")["proxy_refused"] == 1, 10, "one that was refused")
    record = g.journaled("session", by="proxy")[0]
    assert record["client"] == PROXY
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 10, "no session")
    (told,) = g.ctl_json("last")["decisions"]
    assert (told["id"], told["client"], told["by"], told["connections"]) == (record["id"], PROXY, "proxy", 1)
    assert "PROXY header" in g.ctl("explain", record["id"]).stdout
    assert "PROXY header" in g.ctl("explain", "--client", PROXY).stdout
    assert re.search(r"proxies +1 refused", g.ctl("stats").stdout)
    assert "smtpguard_proxy_refused_total 1" in g.ctl("stats", "--prometheus").stdout


def test_a_header_has_its_deadline(behind):
    g, _ = behind()
    with Client(g.port, PROXY, greet=False) as c:
        c.send(b"PROXY TCP4 ")
        assert c.at_end(15) == b""
    assert g.ctl_json("stats")["proxy_refused"] == 1


def test_others_are_not_believed(behind):
    g, _ = behind()
    with Client(g.port, "127.0.0.1") as c:
        assert c.cmd(v1().strip()).code in (500, 502)
    record = g.journaled("session")[0]
    assert record["client"] == "127.0.0.1" and "proxy" not in record


def test_limits_and_blocks_are_the_real_clients(behind):
    g, _ = behind(limits={"sessions_per_client": 2})
    held = [connect(g, v1("198.51.100.7", 1000 + i)) for i in range(2)]
    with connect(g, v1("198.51.100.7", 1002)) as c:
        assert c.greeting.code == 421
    with connect(g, v1("198.51.100.8")) as c:
        assert c.greeting.code == 220
    for c in held:
        c.close()
    assert g.ctl("block", "198.51.100.9", "--for", "1h").returncode == 0
    with connect(g, v1("198.51.100.9")) as c:
        assert c.greeting.code == 421
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 10, "every session's end")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(command=0x20)], ids=["v1", "v2"])
def test_the_proxys_own_check_gets_in(behind, header):
    g, _ = behind()
    assert g.ctl("block", PROXY, "--for", "1h").returncode == 0
    with connect(g, header) as c:
        assert c.greeting.code == 220
        assert c.cmd("QUIT").code == 221
    assert g.journaled("session")[0]["client"] == PROXY


HAPROXY = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen smtp
  bind 127.0.0.1:{port}
  server mx 127.0.0.1:{guard} source {proxy} {options} check inter 300ms
"""


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
def test_a_real_haproxy(behind, postfix, folder, options):
    haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not shutil.which(haproxy):
        pytest.skip("haproxy is not installed")
    g, _ = behind(b=postfix.inner)
    port, mark = ports.free_port(), mails.marker()
    (folder / "haproxy.cfg").write_text(HAPROXY.format(port=port, guard=g.port, proxy=PROXY, options=options))
    process = subprocess.Popen([haproxy, "-db", "-f", folder / "haproxy.cfg"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        wait.until(lambda: ports.listening(port), 10, "HAProxy listening")
        reply = mails.send(port, mark, source="127.12.34.56")
        assert reply.code == 250, reply
    finally:
        process.terminate()
        process.wait(20)
    mail = postfix.one_mail(mark)
    assert postfix.client_of(mail) == "127.12.34.56"
    record = g.journaled("mail", verdict="accepted")[0]
    assert record["client"] == "127.12.34.56" and record["proxy"] == PROXY


@pytest.mark.parametrize("bytewise", [False, True])
def test_in_front_of_implicit_tls(guard, backend, folder, bytewise):
    """The header, in the clear, then the handshake; both may come in one packet, or byte by byte."""
    b = backend()
    cert, key = certs.make(folder)
    g = guard(b, start=False)
    g.configure(listeners=listener(g.port, proxy_protocol_from=[PROXY], tls="implicit"), rules=RULES,
                tls={"certificates": ({"cert": cert, "key": key},)})
    g.start()
    with Client(g.port, PROXY, greet=False) as c:
        header = v2()
        for part in [header[i:i + 1] for i in range(len(header))] if bytewise else [header]:
            c.send(part)
        c.handshake(cert)
        c.greeting = c.reply()
        assert c.greeting.code == 220
        c.ehlo()
        assert c.mail().code == 250
        assert c.cmd("QUIT").code == 221
    mail = b.one_mail()
    assert mail.client["ADDR"] == "198.51.100.7" and b"with ESMTPS" in mail.body
    # the handshake without a header: no client of this proxy's
    with Client(g.port, PROXY, greet=False) as c:
        c.send(b"\x16\x03\x01\x00\x05hello")
        assert c.at_end() == b""
    assert g.ctl_json("stats")["proxy_refused"] == 1
    # who is no proxy is in TLS at once
    with Client(g.port, "127.0.0.1", greet=False) as c:
        c.handshake(cert)
        assert c.reply().code == 220


# ---- XCLIENT ----

@pytest.fixture
def trusting(guard, backend):
    """A server that takes XCLIENT from PROXY, and its backend."""
    def make(**groups):
        b = backend()
        g = guard(b, start=False)
        g.configure(**{"listeners": listener(g.port, xclient_from=[PROXY]), "rules": RULES, **groups})
        g.start()
        return g, b
    return make


def test_xclient_begins_a_session(trusting):
    g, b = trusting()
    with Client(g.port, PROXY) as c:
        assert "XCLIENT" in c.ehlo("proxy.test")
        reply = c.cmd("XCLIENT ADDR=198.51.100.7 PORT=4711 NAME=host.client.test HELO=claimed.test LOGIN=jo+40x.test")
        assert reply.code == 220 and "ESMTP" in reply.text, reply
        assert c.cmd("MAIL FROM:<a@client.test>").code == 503, "EHLO is wanted again"
        assert "XCLIENT" in c.ehlo("real.test")
        assert c.mail().code == 250
        assert c.cmd("XCLIENT ADDR=203.0.113.9").code == 220
        c.ehlo("evil.test")
        assert c.envelope().code == 550, "judged anew, as the new client"
        c.cmd("RSET")
        assert c.cmd("XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE]").code == 220
        c.ehlo("six.test")
        assert c.mail().code == 250
        assert c.cmd("QUIT").code == 221
    first, second = b.mails
    assert first.client["ADDR"] == "198.51.100.7" and first.client["NAME"] == "host.client.test"
    assert first.client.get("LOGIN", "jo@x.test") in ("jo@x.test", "jo+40x.test")
    assert b"from real.test (host.client.test [198.51.100.7])" in first.body
    assert second.client["ADDR"].lower() == "ipv6:2001:db8::7" and b"(unknown [IPv6:2001:db8::7])" in second.body
    sessions = g.journaled("session", count=4)
    assert len({s["id"] for s in sessions}) == 4
    assert [s["client"] for s in sessions] == [PROXY, "198.51.100.7", "203.0.113.9", "2001:db8::7"]
    assert [s.get("proxy") for s in sessions] == [None, PROXY, PROXY, PROXY]
    assert [s.get("via") for s in sessions] == [None] + ["xclient"] * 3
    assert sessions[1]["name"] == "host.client.test" and sessions[1]["login"] == "jo@x.test"
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 10, "the end")


def test_xclient_within_tls(trusting, folder):
    """The connection's TLS goes on, who was named within it starts anew; what is named in the clear may begin TLS."""
    cert, key = certs.make(folder)
    g, b = trusting()
    g.configure(listeners=listener(g.port, xclient_from=[PROXY], tls="starttls"),
                tls={"certificates": ({"cert": cert, "key": key},)})
    g.stop()
    g.start()
    with Client(g.port, PROXY) as c:
        c.ehlo()
        assert c.cmd("XCLIENT ADDR=198.51.100.7").code == 220
        assert "STARTTLS" in c.ehlo()
        c.starttls()
        c.ehlo()
        assert c.mail().code == 250
        assert c.cmd("XCLIENT ADDR=198.51.100.8").code == 220
        assert c.cmd("MAIL FROM:<a@client.test>").code == 503
        assert "STARTTLS" not in c.ehlo()
        assert c.mail().code == 250
    assert [m.client["ADDR"] for m in b.mails] == ["198.51.100.7", "198.51.100.8"]
    assert all(b"with ESMTPS" in m.body for m in b.mails)
    assert len({s["id"] for s in g.journaled("session", 3)}) == 3


def test_xclient_of_others_is_refused(trusting):
    g, _ = trusting()
    with Client(g.port, "127.0.0.1") as c:
        assert "XCLIENT" not in c.ehlo()
        assert c.cmd("XCLIENT ADDR=198.51.100.7").code == 550
        assert c.mail().code == 250
    assert g.journaled("mail", verdict="accepted")[0]["client"] == "127.0.0.1"


def test_bad_xclient_changes_nothing(trusting):
    g, _ = trusting()
    with Client(g.port, PROXY) as c:
        c.ehlo()
        for bad in ("ADDR=nonsense", "ADDR=[UNAVAILABLE]", "COLOUR=blue", "ADDR=1.2.3.4 ADDR=1.2.3.5", ""):
            assert c.cmd("XCLIENT " + bad).code == 501, bad
        c.envelope()
        assert c.cmd("XCLIENT ADDR=198.51.100.7").code == 503
        c.cmd("RSET")
        assert c.mail().code == 250
    assert g.journaled("mail", verdict="accepted")[0]["client"] == PROXY


def test_blocks_and_limits_of_who_xclient_names(trusting):
    g, _ = trusting(limits={"sessions_per_client": 1})
    assert g.ctl("block", "198.51.100.9", "--for", "1h").returncode == 0
    with Client(g.port, PROXY) as c, pytest.raises(Closed):
        assert c.cmd("XCLIENT ADDR=198.51.100.9").code == 421
        c.cmd("NOOP")
    with Client(g.port, PROXY) as one:
        assert one.cmd("XCLIENT ADDR=198.51.100.7").code == 220
        with Client(g.port, PROXY) as two:
            assert two.cmd("XCLIENT ADDR=198.51.100.7").code == 421
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 10, "the end")
    with Client(g.port, PROXY) as c:
        assert c.cmd("XCLIENT ADDR=198.51.100.7").code == 220


def test_a_delay_of_who_xclient_names(trusting):
    g, _ = trusting(rules=({"name": "slow", "stage": "greet", "when": "client.ip in 198.51.100.0/24", "do": "wait",
                                "delay": "1s"},))
    with Client(g.port, PROXY) as c:
        c.send(b"XCLIENT ADDR=198.51.100.7\r\nEHLO real.test\r\n")
        assert c.reply().code == 220
        assert c.reply().code == 250
        assert c.mail().code == 250
    assert g.journaled("session", client="198.51.100.7")[0].get("offences") is None


def test_swaks_xclient(trusting):
    if not shutil.which("swaks"):
        pytest.skip("swaks is not installed")
    g, b = trusting()
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(g.port), "--local-interface", PROXY,
                           "--from", "a@client.test", "--to", "good@example.test", "--helo", "real.test",
                           "--xclient", "ADDR=198.51.100.7 NAME=host.client.test"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert b.one_mail().client["ADDR"] == "198.51.100.7"
