"""A mail store that speaks LMTP and is as unreliable as the test wants: a reply for each recipient, each at risk."""
import collections
import re
import socket
import threading

from harness.listener import Listener

Stored = collections.namedtuple("Stored", "mark recipient id")


class Store:
    """decide(stage, recipient) is asked at RCPT and behind the dot: None (take it), a reply to refuse with, "close"."""

    def __init__(self, decide=lambda stage, recipient: None):
        self.decide = decide
        self.lock = threading.Lock()
        self.stored = []  # written before the reply is sent, as a good store does
        self.listener = Listener(self._take)
        self.port = self.listener.port

    @property
    def url(self):
        return f"lmtp://127.0.0.1:{self.port}"

    def stop(self):
        self.listener.close()

    def _take(self, sock):
        threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock, sock.makefile("rb") as lines:
            try:
                sock.sendall(b"220 store LMTP\r\n")
                self._talk(sock, lines)
            except OSError:
                pass

    def _talk(self, sock, lines):
        taken = []
        for line in lines:
            verb = line[:4].upper()
            if verb == b"LHLO":
                reply = b"250-store\r\n250-PIPELINING\r\n250 8BITMIME"
            elif verb == b"RCPT":
                recipient = line.split(b"<", 1)[1].split(b">")[0].decode()
                said = self.decide("RCPT", recipient)
                if said == "close":
                    return
                if said is None:
                    taken.append(recipient)
                reply = (said or "250 2.1.5 Ok").encode()
            elif verb == b"DATA":
                if not taken:
                    reply = b"503 5.5.1 No valid recipients"
                else:
                    sock.sendall(b"354 go\r\n")
                    if not self._store(sock, lines, taken):
                        return
                    taken = []
                    continue
            else:
                taken = [] if verb in (b"MAIL", b"RSET") else taken
                reply = b"221 bye" if verb == b"QUIT" else b"250 2.0.0 Ok"
            sock.sendall(reply + b"\r\n")
            if verb == b"QUIT":
                return

    def _store(self, sock, lines, taken):
        body = []
        for line in lines:
            if line == b".\r\n":
                break
            body.append(line)
        else:
            return False  # no dot came: nothing is stored
        text = b"".join(body).decode("latin-1")
        mark, mail_id = re.search(r"Subject: (\S+)", text)[1], re.search(r"\bid (\w+)", text)[1]
        for recipient in taken:
            said = self.decide("dot", recipient)
            if said == "close before":
                return False
            if said in (None, "close"):
                with self.lock:
                    self.stored.append(Stored(mark, recipient, mail_id))
            if said == "close":
                return False
            sock.sendall((said or "250 2.1.5 Saved").encode() + b"\r\n")
        return True


def unreliable(rng, refused=0.15, cut=0.04):
    """Behind the dot each recipient may be refused for now, or the connection dies before or after it was stored."""
    def decide(stage, recipient):
        if recipient.startswith("never"):
            return "550 5.1.1 No such user"
        throw = rng.random()
        if stage == "RCPT":
            return "close" if throw < cut / 2 else None
        if throw < refused:
            return "452 4.2.2 Mailbox full"
        if throw < refused + cut:
            return "close before"
        return "close" if throw < refused + 2 * cut else None
    return decide
