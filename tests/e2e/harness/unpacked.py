"""Mail servers that cannot be installed beside Postfix: unpacked by packaging/install-packages.sh, run by the test.

Each runs in a mount and pid namespace of its own: there it finds its accounts and the folders that are compiled into
it, of which nothing is seen outside, and with its first process all others of it end.
"""
import os
import pathlib
import subprocess

import pytest

from harness import ports, wait

FOLDER = pathlib.Path("/usr/local/lib/smtpguard-test")
# they end with the test, however it ends
NAMESPACES = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]


def require(package):
    assert (FOLDER / package).is_dir(), f"{package} is not unpacked: packaging/install-packages.sh test"
    if os.getuid() != 0:
        pytest.skip(f"{package} needs root")
    tried = subprocess.run([*NAMESPACES, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    if tried.returncode != 0:
        pytest.skip("this kernel gives no namespaces")


class Server:
    """One server. `accounts`: of its own, as in passwd and group; `prepare`: shell lines said in the namespace."""

    def __init__(self, folder, accounts, prepare, command, listens):
        self.folder = pathlib.Path(folder)
        # the shell stays, as the first process: a server that changes its account forgets to die with its parent
        self._write("passwd", (f"{name}:x:{n}:{n}::/nonexistent:/usr/sbin/nologin" for name, n in accounts.items()))
        self._write("group", (f"{name}:x:{n}:" for name, n in accounts.items()))
        script = f"""mount --bind {self.folder}/passwd /etc/passwd
            mount --bind {self.folder}/group /etc/group
            {prepare}
            "$@" || exit 1"""
        self.process = subprocess.Popen([*NAMESPACES, "sh", "-ec", script, "sh", *map(str, command)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / "stderr", "wb"))
        wait.until(lambda: all(map(ports.listening, listens)) or self.process.poll() is not None, 20, str(command[0]))
        assert self.process.poll() is None, self.told()

    def _write(self, name, lines):
        text = pathlib.Path("/etc", name).read_text()
        (self.folder / name).write_text(text + "".join(line + "\n" for line in lines))

    def told(self):
        return "".join(p.read_text(errors="replace") for p in [self.folder / "stderr", *self.folder.glob("*log")])

    def mails(self, user):
        """What lies in a user's Maildir."""
        return [p.read_bytes() for p in sorted((self.folder / "mail" / user / "new").glob("*"))]

    def delivered(self, user, count=1):
        """Waits for that many mails."""
        return wait.until(lambda: len(found := self.mails(user)) >= count and found, 20, f"{count} mails of {user}")

    def stop(self):
        self.process.kill()
        self.process.wait(20 * wait.PATIENCE)
