"""Postfix's side of its policy delegation protocol, by hand."""
import socket

from harness import wait


class Policy:
    """One connection of one smtpd process."""

    def __init__(self, port, source="127.0.0.1"):
        self.sock = socket.create_connection(("127.0.0.1", port), 10 * wait.PATIENCE, source_address=(source, 0))
        self.replies = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def action(self):
        """The next answer's action."""
        first = self.replies.readline()
        assert first.startswith(b"action=") and self.replies.readline() == b"\n", first
        return first[len("action="):-1].decode()

    def ask(self, state="RCPT", **attributes):
        """attributes: on top of those of a mail that is like any other."""
        request = {"request": "smtpd_access_policy", "protocol_state": state, "protocol_name": "ESMTP",
                   "client_address": "192.0.2.7", "client_port": "4000", "client_name": "unknown",
                   "helo_name": "mx.client.test", "sender": "a@client.test", "recipient": "good@example.test",
                   "recipient_count": "0", "queue_id": "", "instance": "1.1", "size": "0",
                   "encryption_protocol": "", "encryption_cipher": "", **attributes}
        self.send("".join(f"{k}={v}\n" for k, v in request.items()).encode() + b"\n")
        return self.action()

    def close(self):
        self.replies.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
