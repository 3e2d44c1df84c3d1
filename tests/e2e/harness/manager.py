"""A service manager, as systemd is one (sd_notify(3))."""
import socket

from harness import wait


class Manager:
    """What systemd is for a service of Type=notify: a socket that is told how far it is."""

    def __init__(self, folder, monkeypatch, watchdog_s=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.settimeout(10 * wait.PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        if watchdog_s:
            monkeypatch.setenv("WATCHDOG_USEC", str(int(watchdog_s * 1e6)))

    def hear(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def hear_other(self, word):
        """The next that has not this word."""
        while word in (heard := self.hear()):
            pass
        return heard

    def hears_nothing(self, seconds):
        """Once what has been said before is read."""
        self.socket.settimeout(seconds)
        try:
            return not self.hear()
        except TimeoutError:
            return True
