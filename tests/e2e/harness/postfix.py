"""A real Postfix of the test's own: own folder, own main.cf and master.cf, loopback ports, stopped at the end.

It offers two services: `inner`, set up word for word as the README says, and `stock`, which authorises XCLIENT
for 127.0.0.1 alone, so that a second XCLIENT in a connection is refused (the clients of the tests have other
loopback addresses). Mail for known users is held in the queue, where mails() reads it.
"""
import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest

from harness import ports, queuefile, wait

DOMAIN = "example.test"
USERS = ["good", "other", "third", "postmaster", "user.name", "two"] + [f"u{i}" for i in range(120)]
UNKNOWN_TEXT = "Recipient address rejected: User unknown in virtual mailbox table"
ROOT = pathlib.Path(__file__).resolve().parents[3]


def readme_options():
    """The options of the inner service as the README tells users to write them."""
    text = (ROOT / "README.md").read_text()
    service = re.search(r"^ *127\.0\.0\.1:10025 inet .*smtpd\n((?: +-o \S+\n)+)", text, re.M)
    assert service and "smtpd_authorized_xclient_hosts=static:all" in service[1], "no inner service in README.md"
    return service[1].rstrip("\n")


MASTER = """127.0.0.1:{inner} inet n - n - 60 smtpd
{inner_options}
127.0.0.1:{stock} inet n - n - 60 smtpd
 -o smtpd_authorized_xclient_hosts=127.0.0.1
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """compatibility_level = 3.6
queue_directory = {d}/queue
data_directory = {d}/data
maillog_file = {d}/maillog
maillog_file_prefixes = {d}
mail_owner = postfix
setgid_group = postdrop
myhostname = inner.example.test
mydestination =
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
virtual_mailbox_domains = example.test
virtual_mailbox_maps = texthash:{d}/users
virtual_transport = discard
default_transport = discard
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access texthash:{d}/access, reject_unlisted_recipient,
  check_recipient_access static:HOLD, permit
smtpd_timeout = 300s
message_size_limit = 60000000
in_flow_delay = 0
{extra}
"""
ACCESS = """temporary@example.test 450 4.2.1 Mailbox busy, come again
policy@example.test 554 5.7.1 This one is not for you
plain@example.test 550 no enhanced code here
"""


class Postfix:
    def __init__(self, folder, extra="", inner_options=None):
        self.folder = pathlib.Path(folder)
        self.inner, self.stock = ports.free_port(), ports.free_port()
        self._known = {}
        self._write(extra, inner_options)
        self.start()

    def _write(self, extra, inner_options):
        d = self.folder
        for name in ("etc", "queue", "data"):
            (d / name).mkdir(parents=True)
        # Postfix's own accounts must reach their folders
        for parent in [d, *d.parents]:
            if parent.stat().st_uid == os.getuid() and parent != pathlib.Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        os.chown(d / "data", pwd.getpwnam("postfix").pw_uid, -1)
        (d / "users").write_text("".join(f"{u}@{DOMAIN} x\n" for u in USERS))
        (d / "access").write_text(ACCESS)
        (d / "etc/main.cf").write_text(MAIN.format(d=d, extra=extra))
        (d / "etc/master.cf").write_text(
            MASTER.format(inner=self.inner, stock=self.stock, inner_options=inner_options or readme_options()))
        for name in ("dynamicmaps.cf", "dynamicmaps.cf.d", "postfix-files", "postfix-files.d"):
            source = pathlib.Path("/etc/postfix") / name
            if source.is_dir():
                shutil.copytree(source, d / "etc" / name)
            elif source.exists():
                shutil.copy(source, d / "etc" / name)

    def _postfix(self, command):
        return subprocess.run(["postfix", "-c", self.folder / "etc", command], capture_output=True, text=True,
                              timeout=60)

    def start(self):
        # after a crash `postfix start` tidies the queue as its own user, and what it finds it logs by itself
        maillog = self.folder / "maillog"
        maillog.touch()
        maillog.chmod(0o666)
        done = self._postfix("start")
        assert done.returncode == 0, done.stderr + self.log()
        wait.until(lambda: ports.listening(self.inner) and ports.listening(self.stock), 20, "Postfix listening")
        self.master = int((self.folder / "queue/pid/master.pid").read_text())

    def stop(self):
        """Stops it and sees that no process of it is left."""
        self._postfix("stop")
        wait.until(lambda: not self.processes(), 20, "the end of Postfix")

    def processes(self):
        """The pids of this instance: its master, and what works in its queue folder."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)]

    def _is_ours(self, pid):
        try:
            if pathlib.Path(os.readlink(f"/proc/{pid}/exe")).parent != pathlib.Path("/usr/lib/postfix/sbin"):
                return False
            return os.readlink(f"/proc/{pid}/cwd") == str(self.folder / "queue")
        except OSError:
            return False

    def log(self):
        path = self.folder / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def connections(self, log=None):
        """How many connections the smtpd processes took."""
        return len(re.findall(r"smtpd\[\d+\]: connect from", log if log is not None else self.log()))

    def client_of(self, mail):
        """The client of a mail, as Postfix's log says: another process writes it, at times after the mail is there."""
        return wait.until(lambda: self.clients().get(mail.name), 10, f"the client of {mail.name} in the log")

    def clients(self):
        """queue id -> client address, as far as Postfix's log says it now."""
        return {m[1]: m[2] for m in re.finditer(r"smtpd\[\d+\]: (\w+): client=[^\[]*\[([^\]]+)\]", self.log())}

    def mails(self):
        """Every mail in the queue, whatever part of it it lies in."""
        found = {}
        for part in ("incoming", "active", "deferred", "hold"):
            for path in (self.folder / "queue" / part).rglob("*"):
                # a finished queue file never changes its content
                mail = self._known.get(path.name) or self._read(path)
                if mail:
                    found[mail.name] = self._known[mail.name] = mail
        return list(found.values())

    def _read(self, path):
        try:
            if not path.is_file() or not path.stat().st_mode & 0o100:
                return None
            return queuefile.parse(path.name, path.read_bytes())
        except (FileNotFoundError, IndexError):
            return None

    def one_mail(self, marker):
        """The one mail whose content holds marker."""
        mails = wait.until(lambda: self.with_marker(marker), 10, f"a mail with {marker!r}")
        assert len(mails) == 1, mails
        return mails[0]

    def with_marker(self, marker):
        marker = marker if isinstance(marker, bytes) else marker.encode()
        return [m for m in self.mails() if marker in m.content]


def why_not():
    """Why a private Postfix cannot be run here, or None."""
    if os.getuid() != 0:
        return "a private Postfix needs root"
    if not shutil.which("postfix"):
        return "postfix is not installed"
    return None


def require():
    if why_not():
        pytest.skip(why_not())
