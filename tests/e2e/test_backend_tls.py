"""TLS toward the backend: whenever it is offered, or verified and nothing else."""
import ssl
import threading

import pytest

from harness import certs, mails, postfix as postfix_module, wait
from harness.client import Client
from harness.guard import elapsed
from harness.listener import Listener


class Mta:
    """A small SMTP server with STARTTLS; `behind` is sent in one write with its 220."""

    def __init__(self, cert, key, offers=True, behind=b"", breaks=False, mute=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.offers, self.behind, self.breaks, self.mute = offers, behind, breaks, mute
        self.mails, self.resumed, self.names = [], 0, []
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        self.listener = Listener(self.take)
        self.port = self.listener.port

    def take(self, sock):
        threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            sock.sendall(b"220 mta ESMTP\r\n")
            self.talk(sock, sock.makefile("rb"), "clear")
        except (OSError, ssl.SSLError):
            pass
        finally:
            sock.close()

    def talk(self, sock, lines, how):
        for line in lines:
            verb = line[:4].upper()
            if verb == b"EHLO":
                offer = b"250-STARTTLS\r\n" if self.offers and how == "clear" else b""
                sock.sendall(b"250-mta\r\n" + offer + b"250 PIPELINING\r\n")
            elif verb == b"STAR":
                sock.sendall(b"220 go\r\n" + self.behind)
                if self.mute:
                    sock.recv(1)
                    lines.read()
                if self.breaks or self.mute:
                    return
                inner = self.context.wrap_socket(sock, server_side=True)
                self.resumed += inner.session_reused
                self.talk(inner, inner.makefile("rb"), inner.version())
                return
            elif verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                body = b"".join(iter(lines.readline, b".\r\n"))
                self.mails.append((how, body))
                sock.sendall(b"250 2.0.0 taken\r\n")
            else:
                sock.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n")
                if verb == b"QUIT":
                    return


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return certs.make(tmp_path_factory.mktemp("backend-certs"), "backend.example.test")


def settings(pair, tls="require", name="backend.example.test", ca=True):
    return {"relay": {"identity": "none", "recipients": "none", "tls": tls, "tls_name": name, "idle": "200ms",
                      **({"tls_ca": pair[0]} if ca else {})}}


def test_verified(guard, pair):
    mta = Mta(*pair)
    g = guard(mta.port, **settings(pair))
    for _ in range(3):
        assert mails.send(g.port, mails.marker()).code == 250
        wait.until(lambda: g.ctl_json("backend")["backends"][0]["connections"]["open"] == 0, 10, "the idle end")
    assert {how for how, _ in mta.mails} == {"TLSv1.3"}
    shown = g.ctl_json("backend")["backends"][0]["tls"]
    assert shown == {"set": "require", "version": "TLSv1.3", "failed": False}
    assert set(mta.names) == {"backend.example.test"}
    assert mta.resumed, "no session was resumed"


def test_a_large_body_in_tls(guard, pair):
    """From memory into TLS records without a buffer between, beside one with dots, which goes through the buffer."""
    mta = Mta(*pair)
    g = guard(mta.port, **settings(pair))
    bodies = [mails.steady(mails.marker(), 2_000_000, dots) for dots in (0, 500)]
    for body in bodies:
        with Client(g.port, timeout=60) as c:
            c.ehlo()
            assert c.mail(body).code == 250
    wire = [body.replace(b"\r\n.", b"\r\n..") for body in bodies]
    assert [m[1][-len(w):] for m, w in zip(mta.mails, wire)] == wire


@pytest.mark.parametrize("how", ["name", "authority"])
def test_require_means_verified(guard, pair, how):
    mta = Mta(*pair)
    wrong = settings(pair, name="other.example.test") if how == "name" else settings(pair, ca=False)
    g = guard(mta.port, **wrong)
    assert mails.send(g.port, mails.marker()).code == 451
    g.said("UNHEALTHY: TLS failed")
    assert not mta.mails


def test_require_and_not_offered(guard, pair):
    mta = Mta(*pair, offers=False)
    g = guard(mta.port, **settings(pair))
    assert mails.send(g.port, mails.marker()).code == 451
    g.said("does not offer STARTTLS")
    assert not mta.mails


def test_bytes_behind_its_220(guard, pair):
    """What was sent in the clear behind the 220 is an injection: no word of that connection is believed."""
    mta = Mta(*pair, behind=b"250 2.0.0 injected\r\n")
    g = guard(mta.port, **settings(pair))
    assert mails.send(g.port, mails.marker()).code == 451
    assert not mta.mails and not mta.names


def test_a_handshake_has_its_deadline(guard, pair):
    """A backend that says 220 to STARTTLS and nothing more: 15 s, then the client hears 451 and the log why."""
    mta = Mta(*pair, mute=True)
    g = guard(mta.port, **settings(pair))
    with Client(g.port, timeout=60) as c:
        c.ehlo()
        seconds, reply = elapsed(c.mail)
    assert reply.code == 451 and 10 < seconds < 30 * wait.PATIENCE
    g.said("TLS failed: no answer in time")
    assert not mta.mails


def test_may(guard, pair):
    """Whoever answers; in the clear where it is not offered, or does not work."""
    for mta, wanted in ((Mta(*pair), "TLSv1.3"), (Mta(*pair, offers=False), "clear"),
                        (Mta(*pair, breaks=True), "clear")):
        g = guard(mta.port, **settings(pair, tls="may", name="other.example.test", ca=False))
        wait.until(lambda: mails.send(g.port, mails.marker()).code == 250, 20, "a mail")
        assert mta.mails[0][0] == wanted


@pytest.mark.parametrize("was", [{"tls": "may"}, {"tls": "require"}], ids=["may", "name"])
def test_a_reload_that_wants_more_verifies_anew(guard, pair, was):
    """A session of before, made when anybody was believed or another name was meant, proves nothing."""
    mta = Mta(*pair)
    g = guard(mta.port, **settings(pair, **was))
    assert mails.send(g.port, mails.marker()).code == 250
    g.configure(**settings(pair, name="other.example.test"))
    g.reload()
    for _ in range(4):
        assert mails.send(g.port, mails.marker()).code == 451
    g.said("UNHEALTHY: TLS failed")
    assert len(mta.mails) == 1


def test_unreadable_authorities(guard, pair, tmp_path):
    from harness import guard as guards
    g = guard(1, start=False, relay={"tls": "require", "tls_ca": str(tmp_path / "none.pem")})
    done = guards.run_guard("--check", "-c", g.config)
    assert done.returncode == 1 and "tls_ca" in done.stdout + done.stderr


def test_tls_with_postfix_survives_xclient(guard, pair, folder):
    """One verified connection speaks for one client after the other; Postfix saw TLS with each of their mails."""
    postfix_module.require()
    (folder / "own").mkdir()
    options = postfix_module.readme_options().replace("smtpd_tls_security_level=none", "smtpd_tls_security_level=may")
    server = postfix_module.Postfix(folder / "own", inner_options=options, extra=(
        f"smtpd_tls_cert_file = {pair[0]}\nsmtpd_tls_key_file = {pair[1]}\nsmtpd_tls_received_header = yes"))
    try:
        g = guard(server.inner, relay={"tls": "require", "tls_name": "backend.example.test", "tls_ca": pair[0]},
                  server={"workers": 1})
        for source in ("127.8.0.1", "127.8.0.2", "127.8.0.1"):
            mark = mails.marker()
            assert mails.send(g.port, mark, source=source).code == 250
            mail = server.one_mail(mark)
            assert server.client_of(mail) == source
            assert b"using TLSv1.3" in mail.content.split(b"by inner.example.test")[0]
        # the mails' own, and the one that asked at the start
        assert server.connections() <= 2
    finally:
        server.stop()
