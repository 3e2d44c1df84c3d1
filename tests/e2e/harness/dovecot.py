"""A real Dovecot with nothing but LMTP, of the test's own: own folder, loopback port and Unix socket."""
import grp
import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

from harness import ports, wait

# users with a mailbox; `full` has no room for any mail
USERS = ["good", "other", "third", "full"]

CONFIG = """protocols = lmtp
base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log
ssl = no
listen = 127.0.0.1
default_internal_user = {me}
default_internal_group = {group}
default_login_user = {me}
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
mail_plugins = quota
lmtp_rcpt_check_quota = no
protocol lmtp {{
  mail_plugins = quota
  postmaster_address = postmaster@example.test
}}
plugin {{
  quota = maildir:User quota
}}
passdb {{
  driver = passwd-file
  args = {d}/users
}}
userdb {{
  driver = passwd-file
  args = {d}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener {d}/lmtp {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = ports.free_port()
        mail = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        me = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("dovecot")
        for name in USERS:
            home = self.folder / "home" / name
            home.mkdir(parents=True)
            os.chown(home, mail.pw_uid, mail.pw_gid)
        extra = {"full": "userdb_quota_rule=*:bytes=1"}
        (self.folder / "users").write_text("".join(
            f"{n}@example.test::{mail.pw_uid}:{mail.pw_gid}::{self.folder}/home/{n}::{extra.get(n, '')}\n"
            for n in USERS))
        self.config = self.folder / "dovecot.conf"
        self.config.write_text(CONFIG.format(d=self.folder, port=self.port, me=me.pw_name,
                                             group=grp.getgrgid(me.pw_gid).gr_name))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.config], stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / "stderr", "wb"))
        wait.until(lambda: ports.listening(self.port) or self.process.poll() is not None, 20, "dovecot")
        assert self.process.poll() is None, self.told()

    @property
    def urls(self):
        return [f"lmtp://127.0.0.1:{self.port}", f"lmtp+unix://{self.folder}/lmtp"]

    def told(self):
        files = (self.folder / "stderr", self.folder / "log")
        return "".join(p.read_text(errors="replace") for p in files if p.exists())

    def mails(self, name):
        return [p.read_bytes() for p in sorted((self.folder / "home" / name / "Maildir/new").glob("*"))]

    def stop(self):
        self.process.terminate()
        self.process.wait(20 * wait.PATIENCE)


@pytest.fixture
def dovecot(folder):
    assert shutil.which("dovecot"), "dovecot-core and dovecot-lmtpd are missing: packaging/install-packages.sh test"
    folder.chmod(0o755)
    (folder / "dovecot").mkdir()
    one = Dovecot(folder / "dovecot")
    yield one
    one.stop()
