"""A backend that does what a test tells it, and remembers everything it was sent.

A script names stages: greeting EHLO XCLIENT XFORWARD STARTTLS MAIL RCPT DATA dot RSET QUIT NOOP. Its value is
what is done there instead of the usual answer: a reply line, bytes (sent as they are), CLOSE, SILENCE, a list of
such steps, or a function (backend connection, line) that returns one of these; None is the usual answer.
"""
import contextlib
import re
import socket
import threading
import time

from harness import ports, wait
from harness.listener import Listener

TCP_ESTABLISHED = 1
CLOSE, SILENCE = "(close)", "(silence)"
EXTENSIONS = ["PIPELINING", "SIZE 60000000", "ENHANCEDSTATUSCODES", "8BITMIME",
              "XCLIENT NAME ADDR PORT PROTO HELO LOGIN REVERSE_NAME DESTADDR DESTPORT",
              "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"]
USUAL = {"greeting": "220 backend.test ESMTP", "XCLIENT": "220 backend.test ESMTP", "XFORWARD": "250 2.0.0 Ok",
         "MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok", "DATA": "354 End data with <CR><LF>.<CR><LF>",
         "dot": "250 2.0.0 Ok: queued as {n}", "RSET": "250 2.0.0 Ok", "NOOP": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye",
         "VRFY": "252 2.0.0 maybe"}


class Slowly:
    """Bytes that are sent one by one."""

    def __init__(self, data, pause=0.005):
        self.data, self.pause = data, pause


class Mail:
    def __init__(self, connection):
        self.connection, self.client = connection, dict(connection.identity)
        self.sender, self.recipients, self.body = None, [], None

    def __repr__(self):
        return f"<{self.sender} -> {self.recipients} {len(self.body or b'')} bytes from {self.client}>"


class Gone(Exception):
    """The connection ended, by us or by the other side."""


class Connection:
    def __init__(self, backend, sock, number):
        self.backend, self.sock, self.number = backend, sock, number
        self.raw, self.pending = b"", b""
        self.lines, self.verbs = [], []
        self.identity, self.mail = {}, None
        self.counts = {}

    def __repr__(self):
        return f"<connection {self.number}: {' '.join(self.verbs)}>"

    def alive(self):
        """Established on both sides: what the other side has closed no longer counts, read to its end or not."""
        try:
            return self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED
        except OSError:
            return False

    def hang_up(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone from None

    def read(self):
        try:
            got = self.sock.recv(65536)
        except OSError:
            got = b""
        if not got:
            raise Gone
        self.raw += got
        self.pending += got

    def line(self):
        while b"\r\n" not in self.pending:
            self.read()
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line.decode("latin-1")

    def body(self):
        """The bytes up to the lone dot; they stay in sight of the test while they come."""
        while not self.pending.startswith(b".\r\n") and b"\r\n.\r\n" not in self.pending:
            self.read()
        if self.pending.startswith(b".\r\n"):
            body, self.pending = b"", self.pending[3:]
        else:
            body, self.pending = self.pending.split(b"\r\n.\r\n", 1)
            body += b"\r\n"
        return (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:]

    def answer(self, stage, line="", mail=None):
        """Does what the script says for this stage; True if it was a positive reply. That takes the mail, if any."""
        self.counts[stage] = self.counts.get(stage, 0) + 1
        step = self.backend.script.get(stage)
        if callable(step):
            step = step(self, line)
        if step is None:
            step = self.usual(stage)
        return all([self.do(one, mail) for one in (step if isinstance(step, list) else [step])])

    def usual(self, stage):
        if stage == "EHLO":
            lines = ["backend.test", *self.backend.extensions]
            return "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{t}" for i, t in enumerate(lines))
        return USUAL.get(stage, "502 5.5.2 Unknown").format(n=len(self.backend.mails) + 1)

    def do(self, step, mail=None):
        if step == CLOSE:
            raise Gone
        if step == SILENCE:
            while True:
                self.read()
        if isinstance(step, (int, float)):
            time.sleep(step)
            return True
        words = step.data if isinstance(step, Slowly) else step if isinstance(step, bytes) else step.encode() + b"\r\n"
        positive = words[:1] in (b"2", b"3")
        if positive and mail:
            self.backend.mails.append(mail)  # before anybody can have heard of it
        if isinstance(step, Slowly):
            for byte in step.data:
                self.send(bytes([byte]))
                time.sleep(step.pause)
        else:
            self.send(words)
        return positive

    def serve(self):
        try:
            self.answer("greeting")
            while self.command(self.line()):
                pass
        except Gone:
            pass
        finally:
            self.sock.close()
            self.backend.open.discard(self)

    def command(self, line):
        verb = line.split(" ")[0].upper()
        stage = "EHLO" if verb == "HELO" else verb
        self.lines.append(line)
        self.verbs.append(verb)
        self.before(verb, line)
        positive = self.answer(stage, line)
        if verb == "DATA" and positive:
            self.take_body()
        self.after(verb, line, positive)
        return verb != "QUIT"

    def before(self, verb, line):
        if verb == "MAIL":
            self.mail = Mail(self)

    def after(self, verb, line, positive):
        address = re.search(r"<(.*?)>", line)
        if verb in ("XCLIENT", "XFORWARD") and positive:
            self.identity.update(a.split("=", 1) for a in line.split(" ")[1:])
            self.mail = None
        elif verb == "MAIL" and positive:
            self.mail.sender = address.group(1)
        elif verb == "RCPT" and positive and self.mail:
            self.mail.recipients.append(address.group(1))
        elif verb == "RSET":
            self.mail = None

    def take_body(self):
        mail = self.mail or Mail(self)
        mail.body = self.body()
        # remembered before it is answered: what was taken in, with or without a reply
        self.backend.taken.append(mail)
        self.answer("dot", mail=mail)
        self.mail = None


class Backend:
    def __init__(self, script=None, extensions=None, port=None):
        self.script = dict(script or {})
        self.extensions = list(EXTENSIONS if extensions is None else extensions)
        self.mails, self.taken, self.connections, self.open = [], [], [], set()
        self.most_open = 0
        self.port = port or ports.free_port()
        self.listener = None
        self.start()

    def start(self):
        self.listener = Listener(self._take, socket.create_server(("127.0.0.1", self.port), backlog=128))

    def _take(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock, len(self.connections))
        self.connections.append(connection)
        self.open.add(connection)
        self.most_open = max(self.most_open, sum(c.alive() for c in list(self.open)))
        threading.Thread(target=connection.serve, daemon=True).start()

    def stop(self):
        """No longer reachable, and every connection is reset."""
        if self.listener:
            self.listener.close()
            self.listener = None
        for connection in list(self.open):
            connection.hang_up()
        wait.until(lambda: not self.open, 10, "the end of the backend's connections")

    def say(self, data):
        """Unasked, on each connection that is open; one that is about to end may be among them."""
        for connection in list(self.open):
            with contextlib.suppress(Gone):
                connection.send(data)

    def lines(self, verb):
        """Every command line with this verb, over all connections."""
        return [line for c in self.connections for line in c.lines if line.split(" ")[0].upper() == verb]

    def one_mail(self):
        wait.until(lambda: self.mails, 10, "a mail at the backend")
        assert len(self.mails) == 1, self.mails
        return self.mails[0]
