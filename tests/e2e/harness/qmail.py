"""A backend that speaks as qmail-smtpd does: no XCLIENT, no PIPELINING, no enhanced codes in front, and strict.

What it must never be sent it notes in `offences`: a command before the reply to the one before it, a line that ends
in a bare LF. With `helo_only` it does not know EHLO.
"""
import re
import select
import socket
import threading

from harness.listener import Listener

WORDS = {b"RSET": b"250 flushed", b"NOOP": b"250 ok", b"VRFY": b"252 send some mail, i'll try my best",
         b"HELP": b"214 netqmail home page: http://qmail.org/netqmail", b"QUIT": b"221 qmail.test"}
TALKS_AHEAD_S = 0.02


class Qmail:
    def __init__(self, users=("good", "other", "third"), helo_only=False, size=None):
        self.users, self.helo_only, self.size = users, helo_only, size
        self.mails, self.offences, self.hellos, self.connections = [], [], [], 0
        self.listener = Listener(self._take)
        self.port = self.listener.port

    def stop(self):
        self.listener.close()

    def _take(self, sock):
        self.connections += 1
        threading.Thread(target=_Session(self, sock).run, daemon=True).start()


class _Session:
    def __init__(self, server, sock):
        self.server, self.sock, self.pending = server, sock, b""
        self.sender, self.recipients = None, []

    def run(self):
        with self.sock:
            try:
                self.say(b"220 qmail.test ESMTP")
                while self.command(self.line()):
                    pass
            except OSError:
                pass

    def say(self, words):
        """Nothing may have been sent ahead of this reply."""
        if self.pending or select.select([self.sock], [], [], TALKS_AHEAD_S)[0] and self.sock.recv(1, socket.MSG_PEEK):
            self.server.offences.append(f"sent ahead of the reply {words!r}")
        self.sock.sendall(words + b"\r\n")

    def read(self):
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionError
        self.pending += got

    def line(self):
        while b"\n" not in self.pending:
            self.read()
        line, self.pending = self.pending.split(b"\n", 1)
        if not line.endswith(b"\r"):
            self.stray()
        return line[:-1]

    def stray(self):
        self.server.offences.append("a bare LF")
        self.sock.sendall(b"451 See http://pobox.com/~djb/docs/smtplf.html.\r\n")
        raise ConnectionError

    def command(self, line):
        verb = line[:4].upper()
        handle = {b"EHLO": self.ehlo, b"HELO": self.helo, b"MAIL": self.mail, b"RCPT": self.rcpt, b"DATA": self.data}
        if verb in handle:
            handle[verb](line)
        elif verb == b"RSET":
            self.sender = None
            self.say(WORDS[verb])
        else:
            self.say(WORDS.get(verb, b"502 unimplemented (#5.5.1)"))
        return verb != b"QUIT"

    def ehlo(self, line):
        if self.server.helo_only:
            self.say(b"502 unimplemented (#5.5.1)")
            return
        self.helo(line)

    def helo(self, line):
        self.server.hellos.append(line)
        self.sender = None
        self.say(b"250 qmail.test")

    def mail(self, line):
        if not re.fullmatch(rb"MAIL FROM:<[^ ]*>", line):
            self.server.offences.append(f"options that it did not offer: {line!r}")
        self.sender, self.recipients = line[11:-1].decode(), []
        self.say(b"250 ok")

    def rcpt(self, line):
        address = line[9:-1].decode()
        user, _, domain = address.partition("@")
        if self.sender is None:
            self.say(b"503 MAIL first (#5.5.1)")
        elif domain not in ("example.test", "qmail.test"):
            self.say(b"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)")
        elif user not in self.server.users:
            self.say(b"550 sorry, no mailbox here by that name. (#5.1.1)")
        else:
            self.recipients.append(address)
            self.say(b"250 ok")

    def data(self, line):
        if self.sender is None or not self.recipients:
            self.say(b"503 RCPT first (#5.5.1)")
            return
        self.say(b"354 go ahead")
        body = []
        while (line := self.line()) != b".":
            body.append(line[1:] if line.startswith(b".") else line)
        content = b"".join(line + b"\r\n" for line in body)
        if self.server.size and len(content) > self.server.size:
            self.say(b"552 sorry, that message size exceeds my databytes limit (#5.3.4)")
        else:
            self.server.mails.append((self.sender, self.recipients, content))
            self.say(b"250 ok 1700000000 qp 4711")
        self.sender = None
