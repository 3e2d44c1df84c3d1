"""STARTTLS and TLS from the first byte, with certificates made here; a reload changes them, a bad one does not."""
import shutil
import socket
import ssl
import struct
import subprocess
import warnings

import pytest

from harness import certs, mails, wait
from harness.client import Client
from harness.guard import run_guard


def tls(cert, *more, **settings):
    return {"certificates": tuple({"cert": c, "key": k} for c, k in (cert, *more)), **settings}


def listener(port):
    return ({"name": "mx", "address": [f"127.0.0.1:{port}"], "tls": "starttls"},)


@pytest.fixture
def cert(folder):
    return certs.make(folder)


@pytest.fixture
def secure(guard, cert):
    """secure(backend) starts a server with the certificate."""
    def make(backend, **groups):
        g = guard(backend, start=False)
        g.configure(listeners=listener(g.port), **{"tls": tls(cert), **groups})
        g.start()
        return g
    return make


def served(port):
    """The certificate that a new client is shown."""
    with Client(port) as c:
        c.ehlo()
        c.starttls()
        return c.sock.getpeercert(binary_form=True)


def der(cert):
    return ssl.PEM_cert_to_DER_cert(open(cert[0]).read())


def test_a_mail_over_starttls(secure, backend, cert):
    b = backend()
    g = secure(b)
    with Client(g.port) as c:
        assert "STARTTLS" in c.ehlo()
        c.starttls(cafile=cert[0])
        assert c.sock.version() in ("TLSv1.2", "TLSv1.3")
        assert "STARTTLS" not in c.ehlo()
        assert c.mail(mails.big("tls", 400_000)).code == 250
        assert c.cmd("STARTTLS").code == 503
        assert c.cmd("QUIT").code == 221
    body = b.one_mail().body
    assert body.endswith(mails.big("tls", 400_000))
    assert b"with ESMTPS" in body and b"TLSv1." in body.split(b"Subject")[0]
    record = g.journaled("mail", verdict="accepted")[0]
    assert record["tls"] in ("TLSv1.2", "TLSv1.3", "1.2", "1.3") and record["cipher"]


def test_what_was_said_before_tls_is_forgotten(secure, backend):
    """RFC 3207 4.2: the client's name too; a mail begun in the clear is not carried over."""
    b = backend()
    g = secure(b)
    with Client(g.port) as c:
        c.ehlo("clear.test")
        c.starttls()
        assert c.cmd("MAIL FROM:<a@client.test>").code == 503
        c.ehlo("secret.test")
        assert c.mail().code == 250
    assert b.one_mail().client["HELO"] == "secret.test"
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        if c.cmd("STARTTLS").code == 220:
            c.handshake()
            assert c.cmd("DATA").code == 503
        else:
            assert c.cmd("DATA").code == 354


def test_pipelining_after_starttls_is_an_offence(secure, backend):
    """Whether it is offered within TLS, only the EHLO there tells."""
    g = secure(backend())
    with Client(g.port) as c:
        c.ehlo()
        c.starttls()
        c.send(b"EHLO client.test\r\nMAIL FROM:<a@client.test>\r\n")
        assert [c.reply().code, c.reply().code, c.cmd("QUIT").code] == [250, 250, 221]
    assert g.journaled("session")[0]["offence"] == "pipelining"


@pytest.mark.parametrize("behind", [b"MAIL FROM:<evil@client.test>\r\n", b"x", b"\r\n",
                                    b"EHLO evil.test\r\nMAIL FROM:<evil@client.test>\r\n"])
def test_bytes_behind_starttls_close_the_session(secure, backend, behind):
    b = backend()
    g = secure(b)
    with Client(g.port) as c:
        c.ehlo()
        c.send(b"STARTTLS\r\n" + behind)
        got = c.at_end()
        assert not got.startswith(b"220"), got
    assert not b.lines("MAIL")
    assert g.journaled("session")


def test_without_a_certificate_there_is_no_starttls(guard, backend):
    g = guard(backend(), start=False)
    g.configure(listeners=listener(g.port))
    g.start()
    with Client(g.port) as c:
        assert "STARTTLS" not in c.ehlo()
    g.said("certificate|STARTTLS")


def test_old_tls_is_refused(secure, backend):
    g = secure(backend())
    with Client(g.port) as c:
        c.ehlo()
        c.cmd("STARTTLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(c.sock)
    with Client(g.port) as c:
        c.ehlo()
        c.starttls()


def test_garbage_instead_of_a_handshake(secure, backend):
    g = secure(backend())
    for junk in (b"MAIL FROM:<evil@client.test>\r\n" * 20, b"\x16\x03\x01\xff\xff" + b"\0" * 300, b"\0" * 5):
        with Client(g.port) as c:
            c.ehlo()
            c.cmd("STARTTLS")
            try:
                c.send(junk)
                c.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            assert b"250" not in c.at_end()
    served(g.port)


def test_an_end_of_tls_in_a_body_is_no_mail(secure, backend):
    b = backend()
    g = secure(b)
    with Client(g.port) as c:
        c.ehlo()
        c.starttls()
        c.at_data()
        c.send(b"Subject: half\r\n\r\nhalf")
        c.sock.unwrap().close()
    g.journaled("mail", verdict="lost")
    assert not b.taken


def test_two_certificates_by_name(secure, backend, folder, cert):
    second = certs.make(folder, "second.example.test")
    g = secure(backend(), tls=tls(cert, second))
    for name, wanted in (("mx.example.test", cert), ("second.example.test", second), ("unknown.test", cert)):
        with Client(g.port) as c:
            c.ehlo()
            c.starttls(name=name)
            assert c.sock.getpeercert(binary_form=True) == der(wanted), name


def test_hup_brings_a_new_certificate(secure, backend, folder, cert):
    g = secure(backend())
    assert served(g.port) == der(cert)
    with Client(g.port) as old:
        old.ehlo()
        old.starttls()
        new = certs.make(folder)
        g.reload()
        wait.until(lambda: served(g.port) == der(new), 10, "the new certificate")
        old.ehlo()
        assert old.mail().code == 250


def test_a_bad_certificate_keeps_the_old_one(secure, backend, cert):
    g = secure(backend())
    before = der(cert)
    with open(cert[0], "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n")
    g.reload()
    assert served(g.port) == before
    g.said(r"mx\.example\.test\.pem|certificate")


def test_a_key_of_another_certificate_is_no_start(guard, backend, folder, cert):
    other = certs.make(folder, "other.example.test")
    g = guard(backend(), start=False)
    g.configure(listeners=listener(g.port), tls=tls((cert[0], other[1])))
    done = run_guard("--check", "-c", g.config)
    assert done.returncode == 1 and "smtpguardd.cfg:" in done.stderr + done.stdout


def run(*command, **options):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60 * wait.PATIENCE,
                          **options)


def test_swaks_with_tls(secure, backend, cert):
    b = backend()
    done = run("swaks", "--server", "127.0.0.1", "--port", secure(b).port, "--from", "a@client.test", "--to",
               "good@example.test", "--tls", "--tls-verify", "--tls-ca-path", cert[0], "--tls-verify-target",
               "mx.example.test", "--helo", "swaks.test")
    if "Unknown option" in done.stdout + done.stderr:
        done = run("swaks", "--server", "127.0.0.1", "--port", secure(b).port, "--from", "a@client.test", "--to",
                   "good@example.test", "--tls", "--helo", "swaks.test")
    assert done.returncode == 0, done.stdout
    assert b"with ESMTPS" in b.one_mail().body


def test_curl_with_tls(secure, backend, cert, folder):
    b = backend()
    g = secure(b)
    (folder / "mail").write_bytes(mails.content("curl"))
    done = run("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", cert[0], "--resolve",
               f"mx.example.test:{g.port}:127.0.0.1", f"smtp://mx.example.test:{g.port}/curl.test", "--mail-from",
               "a@client.test", "--mail-rcpt", "good@example.test", "--upload-file", folder / "mail")
    assert done.returncode == 0, done.stderr
    assert b"with ESMTPS" in b.one_mail().body


def test_openssl_resumes_a_session(secure, backend, folder):
    """A second handshake with the first one's ticket is a resumption."""
    g = secure(backend())
    common = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{g.port}", "-tls1_2"]
    first = run(*common, "-sess_out", folder / "ticket", input="QUIT\r\n")
    assert "New, TLSv1.2" in first.stdout, first.stdout
    second = run(*common, "-sess_in", folder / "ticket", input="QUIT\r\n")
    assert "Reused, TLSv1.2" in second.stdout, second.stdout


# ---- implicit TLS ----

def implicit(port):
    return ({"name": "mx", "address": [f"127.0.0.1:{port}"], "tls": "implicit"},)


@pytest.fixture
def wrapped(guard, cert):
    """wrapped(backend) starts a server that speaks TLS from the first byte."""
    def make(backend, **groups):
        g = guard(backend, start=False)
        g.configure(**{"listeners": implicit(g.port), "tls": tls(cert), **groups})
        g.start()
        return g
    return make


def within(port, name="mx.example.test", **options):
    c = Client(port, greet=False, **options)
    c.handshake(name=name)
    return c


def test_tls_from_the_first_byte(wrapped, backend, folder, cert):
    b = backend()
    second = certs.make(folder, "second.example.test")
    g = wrapped(b, tls=tls(cert, second))
    with within(g.port, "second.example.test") as c:
        assert c.sock.getpeercert(binary_form=True) == der(second)
        assert c.reply().code == 220
        assert "STARTTLS" not in c.ehlo()
        assert c.cmd("STARTTLS").code == 503
        assert c.mail().code == 250
        assert c.cmd("QUIT").code == 221
    assert b"with ESMTPS" in b.one_mail().body
    assert g.journaled("mail", verdict="accepted")[0]["cipher"]


def segments(sock):
    """With data, that have come so far: tcpi_data_segs_in."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 152)[0]


def test_what_belongs_together_is_one_segment(wrapped, backend):
    g = wrapped(backend())
    seen = []
    for _ in range(5):  # what is held back for more than 200 ms the kernel sends
        with within(g.port) as c:
            assert c.reply().code == 220
            greeted = segments(c.sock)
            assert c.cmd("QUIT").code == 221
            assert c.at_end() == b""
            seen.append((greeted, segments(c.sock) - greeted))
    assert min(n for n, _ in seen) == 2, "a handshake's flight, the ticket with the greeting"
    assert min(n for _, n in seen) == 1, "221 with TLS's farewell"


def test_clear_text_gets_no_word_of_smtp(wrapped, backend):
    g = wrapped(backend(), limits={"sessions_per_client": 1})
    with Client(g.port, greet=False) as c:
        assert c.silent()
        wait.until(lambda: g.ctl_json("sessions")["sessions"], 10, "the first in its seat")
        with Client(g.port, greet=False) as second:
            assert second.at_end() == b"", "one too many: nothing is said in the clear"
        c.send(b"EHLO x.test\r\n")
        assert b"220" not in c.at_end()
    # the other worker may be there before the first has given the only seat back
    wait.until(lambda: g.ctl_json("sessions")["sessions"] == [], 10, "the end of the first session")
    with within(g.port) as c:
        assert c.reply().code == 220


def test_early_talk_within_tls(wrapped, backend):
    g = wrapped(backend(), rules=(
        {"name": "held", "stage": "greet", "when": "!client.known_good", "do": "wait", "delay": "1s"},
        {"name": "early", "when": "early_talker", "do": "reject"},))
    with within(g.port) as c:
        assert c.reply().code == 220
        c.ehlo()
        assert c.mail().code == 250
    with g.talked_to_early("127.0.0.1", b"EHLO early.test\r\n", tls=True) as c:
        assert c.reply().code == 220
        assert c.reply().code == 250
        assert c.envelope().code == 550


def test_what_is_hidden_from_some(secure, backend):
    g = secure(backend(), smtp={"ehlo_hide": ({"from": ["127.3.0.0/16"], "keywords": ["STARTTLS", "CHUNKING"]},)})
    with Client(g.port, "127.3.0.1") as c:
        assert not {"STARTTLS", "CHUNKING"} & set(c.ehlo())
        assert c.cmd("STARTTLS").code == 502
        assert c.mail().code == 250
    with Client(g.port, "127.4.0.1") as c:
        assert {"STARTTLS", "CHUNKING"} <= set(c.ehlo())


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_ticket_outlives_a_reload(secure, backend, folder, version):
    g = secure(backend(), server={"workers": 2})
    common = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{g.port}", version]
    for connection in range(2):
        if connection:
            g.reload()
        how = ["-sess_in" if connection else "-sess_out", folder / "ticket"]
        done = subprocess.run([str(w) for w in common + how + ["-ign_eof"]], input="EHLO x.test\r\nQUIT\r\n", text=True,
                              capture_output=True, timeout=60)
        assert ("Reused" if connection else "New") + ", TLSv1" in done.stdout, done.stdout


def test_a_ticket_of_before_a_restart_is_no_failure(secure, backend, folder):
    """Its key is gone: the client gets a full handshake."""
    g = secure(backend())
    common = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{g.port}", "-tls1_2", "-ign_eof"]
    run(*common, "-sess_out", folder / "ticket", input="EHLO x.test\r\nQUIT\r\n")
    g.stop()
    g.start()
    again = run(*common, "-sess_in", folder / "ticket", input="EHLO x.test\r\nQUIT\r\n")
    assert "New, TLSv1.2" in again.stdout and "\n221 " in again.stdout, again.stdout
