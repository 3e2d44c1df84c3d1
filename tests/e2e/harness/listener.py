"""A listening socket that gives each connection to `take`, in a thread of its own, until it is closed for sure."""
import contextlib
import socket
import threading


class Listener:
    def __init__(self, take, sock=None):
        self.take = take
        self.sock = sock or socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.sock.getsockname()[1] if self.sock.family == socket.AF_INET else None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            self.take(connection)

    def close(self):
        """Nothing is taken any more. A thread left in accept() would go on, with the next socket of that descriptor:
        what was meant for a later test's server."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.sock.close()
