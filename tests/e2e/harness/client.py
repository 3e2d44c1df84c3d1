"""A raw SMTP client: says exactly the bytes it is told, from any loopback address."""
import select
import socket
import ssl
import time

from harness import wait


class Closed(AssertionError):
    """The server closed the connection where a reply was wanted; .got holds what had come."""

    def __init__(self, got):
        super().__init__(f"connection closed; before it came {got!r}")
        self.got = got


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.text = "\n".join(line[4:] for line in lines)

    @property
    def enhanced(self):
        first = self.text.split(" ")[0]
        return first if first.count(".") == 2 else ""

    def __repr__(self):
        return f"<{' / '.join(self.lines)}>"


class Client:
    def __init__(self, port, source="127.0.0.1", address="127.0.0.1", timeout=20, greet=True):
        self.timeout = timeout * wait.PATIENCE
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if family == socket.AF_INET:
            self.sock.bind((source, 0))
        self.sock.connect((address, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.source, self.port = self.sock.getsockname()[:2]
        self.pending = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a RST, as a client that vanished does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.pending:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                raise Closed(self.pending)
            self.pending += got
        line, self.pending = self.pending.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a reply line without CR: {line!r}"
        return line[:-1].decode("ascii")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
            teased = lines[0].startswith("220-") and len(lines) == 2  # a refusal may follow the banner's first line
            assert teased or lines[-1][:3] == lines[0][:3], f"codes differ within a reply: {lines}"
        return Reply(lines)

    def cmd(self, line):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def ehlo(self, name="client.example.test"):
        reply = self.cmd("EHLO " + name)
        assert reply.code == 250, reply
        return {line[4:].split(" ")[0].upper(): line[4:] for line in reply.lines[1:]}

    def starttls(self, cafile=None, name="mx.example.test"):
        reply = self.cmd("STARTTLS")
        assert reply.code == 220, reply
        self.handshake(cafile, name)

    def handshake(self, cafile=None, name="mx.example.test"):
        context = ssl.create_default_context(cafile=cafile)
        if cafile is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def begin_tls(self):
        """Says hello, while the server cannot answer: with its answer here the handshake would go on."""
        context = ssl._create_unverified_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.sock = context.wrap_socket(self.sock, do_handshake_on_connect=False)
        self.sock.setblocking(False)
        assert not self.goes_on_with_tls()

    def await_tls(self):
        """Until the server's part of the handshake is here."""
        assert select.select([self.sock], [], [], self.timeout)[0], "no answer to the hello"

    def goes_on_with_tls(self):
        """Says what there is to say; True: that was the last of the handshake."""
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.sock.settimeout(self.timeout)
        return True

    def envelope(self, sender="sender@client.test", rcpts=("good@example.test",), options=""):
        """MAIL and each RCPT; the last reply."""
        reply = self.cmd(f"MAIL FROM:<{sender}>{options}")
        for rcpt in rcpts if reply.code == 250 else ():
            reply = self.cmd(f"RCPT TO:<{rcpt}>")
        return reply

    def at_data(self, *args, **envelope):
        """EHLO, an envelope, DATA: what comes next is a body."""
        self.ehlo()
        self.envelope(*args, **envelope)
        reply = self.cmd("DATA")
        assert reply.code == 354, reply

    def body(self, content):
        """The body as a client writes it: stuffed dots, CR LF . CR LF; the reply to the dot."""
        self.send(stuffed(content))
        return self.reply()

    def mail(self, content=b"Subject: test\r\n\r\nhello\r\n", **envelope):
        """One whole mail; the reply that ended it: the first refusal, or the one to the dot."""
        reply = self.envelope(**envelope)
        if reply.code != 250:
            return reply
        reply = self.cmd("DATA")
        return self.body(content) if reply.code == 354 else reply

    def at_end(self, seconds=10):
        """What still comes until the server closes; fails when it does not close in time."""
        self.sock.settimeout(seconds * wait.PATIENCE)
        got, self.pending = self.pending, b""
        try:
            while data := self.sock.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError(f"still open after {seconds} s; came: {got!r}") from None
        finally:
            self.sock.settimeout(self.timeout)
        return got

    def replies_at_end(self, seconds=10):
        """The codes of all that still comes until the server closes."""
        lines = self.at_end(seconds).decode("latin-1").split("\r\n")
        return [int(line[:3]) for line in lines if line[3:4] == " "]

    def silent(self, seconds=0.3):
        """True if nothing comes for that long: the one thing that only time can show."""
        self.sock.settimeout(seconds)
        try:
            self.pending += self.sock.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(self.timeout)
        return False


def stuffed(content):
    """content (CR LF lines) as it goes over the wire, with its end."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    lines = content.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def session(port, data, source="127.0.0.1", cuts=(), pause=0.0, seconds=15):
    """Writes data in the pieces that cuts make of it, ends, and returns all that came until the close."""
    with Client(port, source, greet=False, timeout=seconds) as c:
        first = c.reply()
        at = 0
        for cut in [*cuts, len(data)]:
            try:
                c.send(data[at:cut])
            except (BrokenPipeError, ConnectionResetError):
                break
            at = cut
            time.sleep(pause)
        return ("\r\n".join(first.lines) + "\r\n").encode() + c.at_end(seconds)
