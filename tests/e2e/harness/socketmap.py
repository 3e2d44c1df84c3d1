"""A server of Postfix's socketmap protocol that can be slow, rude or dead."""
import os
import socket
import threading
import time

from harness.listener import Listener


class Socketmap:
    """answers: key -> reply text, bytes to be sent as they are, or a call with the key that gives one of them.
    Other keys are not found. `asked` holds each request ("virtual joe@example.test")."""

    def __init__(self, answers, path=None, port=0):
        self.answers = answers
        self.asked = []
        self.connections = 0
        self.path = path
        self.open = []
        if path and os.path.exists(path):
            os.unlink(path)
        family = socket.AF_UNIX if path else socket.AF_INET
        self.listener = Listener(self._take, socket.create_server(path or ("127.0.0.1", port), family=family))
        self.port = self.listener.port

    @property
    def address(self):
        return f"unix:{self.path}" if self.path else f"inet:127.0.0.1:{self.port}"

    def _take(self, client):
        self.connections += 1
        self.open.append(client)
        threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        stream = client.makefile("rb")
        try:
            while True:
                length = b""
                while (c := stream.read(1)) != b":":
                    if not c:
                        return
                    length += c
                request = stream.read(int(length)).decode()
                assert stream.read(1) == b","
                self.asked.append(request)
                reply = self.answers.get(request.split(" ", 1)[1], "NOTFOUND ")
                if callable(reply):
                    reply = reply(request)
                if isinstance(reply, str):
                    reply = b"%d:%s," % (len(reply), reply.encode())
                if reply is None:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(reply)
        except OSError:
            pass
        finally:
            client.close()

    def drop_clients(self):
        for client in self.open:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open.clear()

    def stop(self):
        self.listener.close()
        self.drop_clients()


def slowly(seconds, reply):
    def answer(_):
        time.sleep(seconds)
        return reply
    return answer
