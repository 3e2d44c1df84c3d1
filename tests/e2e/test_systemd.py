"""The unit, started by a real systemd with all its sandbox options, beside the server's own; and what can be judged
without a running one: its rating, sysusers.d, tmpfiles.d."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import certs, system

SOURCES = pathlib.Path(__file__).parents[2] / "packaging" / "systemd"

SETTINGS = r"""
server = { hostname = "mx.example.test"; };
listeners = ( { name = "mx"; address = ["127.0.0.1:25"]; tls = "starttls"; } );
tls = { certificates = ( { cert = "/etc/smtpguard/mx.pem"; key = "/etc/smtpguard/mx.key"; } ); };
relay = { backends = ["maildir:///var/lib/smtpguard/mail"]; domains = ["example.test"]; recipients = "none";
          memory_per_message = "8k"; };
log = { to = "/var/log/smtpguard/journal"; format = "json"; replay = "/var/log/smtpguard/replay"; };
rules = ( { name = "pattern"; when = "sender =~ /^(a|b)+@/"; points = 1; } );
"""

MAIL = r"""
import smtplib, ssl, sys
with smtplib.SMTP("127.0.0.1", 25, timeout=10) as c:
    c.starttls(context=ssl._create_unverified_context())
    c.sendmail("a@client.test", ["b@example.test"], "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 2000)
"""

STEPS = r"""
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
no() { if "$@"; then exit 1; fi; }
dpkg --force-depends -i /test/x.deb
no systemctl is-active smtpguardd
cp /test/smtpguardd.cfg /test/mx.pem /test/mx.key /etc/smtpguard/
chgrp smtpguard /etc/smtpguard/mx.key
chmod 640 /etc/smtpguard/mx.key

tell() { systemctl status --no-pager -l smtpguardd || :; tail -n 5 /var/log/smtpguard/journal; exit 1; }
ready() {
	for i in $(seq 100); do smtpguardctl stats >/dev/null 2>&1 && return; sleep 0.1; done
	tell
}
# from then on it serves, not some time later
systemctl start smtpguardd || tell
smtpguardctl stats >/dev/null || tell
test "$(systemctl show -P StatusText smtpguardd)" = "taking mail"
pid=$(systemctl show -P MainPID smtpguardd)
# its own user, no capability, and two walls: the unit's filters and the server's own
grep -q "^Uid:.*$(id -u smtpguard)" /proc/$pid/status
grep -q '^CapEff:[[:space:]]*0*$' /proc/$pid/status
grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/$pid/status
test "$(sed -n 's/^Seccomp_filters:[[:space:]]*//p' /proc/$pid/status)" -gt 1
test "$(stat -c %U:%G:%a /run/smtpguard)" = smtpguard:smtpguard:750
test "$(stat -c %U:%G:%a /run/smtpguard/control)" = smtpguard:smtpguard:660
grep -q 'sandbox: closed' /var/log/smtpguard/journal
# what the unit closes is closed: the system cannot be written, other processes are not seen
no nsenter -t $pid -m touch /etc/smtpguard/x
no nsenter -t $pid -m setpriv --reuid smtpguard --regid smtpguard --clear-groups ls /proc/1

# mail by way of TLS and the spool, a reload with the key read again, snapshots, each by its own thread
python3 /test/mail
smtpguardctl snapshot
systemctl reload smtpguardd
test "$(systemctl show -P ActiveState smtpguardd)" = active
journaled() { for i in $(seq 100); do grep -q "$1" /var/log/smtpguard/journal && return; sleep 0.1; done; tell; }
journaled 'reload: done' # its writer is another thread
no grep -q 'certificate in use is kept' /var/log/smtpguard/journal
python3 /test/mail
test "$(ls /var/lib/smtpguard/mail/new | wc -l)" = 2
# one that has faults fails, and changes nothing
cp /etc/smtpguard/smtpguardd.cfg /test/good.cfg
echo 'nonsense = 1;' >>/etc/smtpguard/smtpguardd.cfg
no systemctl reload smtpguardd
test "$(systemctl show -P ActiveState smtpguardd)" = active
systemctl show -P StatusText smtpguardd | grep 'have faults'
cp /test/good.cfg /etc/smtpguard/smtpguardd.cfg
systemctl reload smtpguardd
test "$(systemctl show -P StatusText smtpguardd)" = "taking mail"
# systemd waits for its beat, and hears it
for i in $(seq 100); do beat=$(systemctl show -P WatchdogTimestampMonotonic smtpguardd); sleep 0.1;
	test "$beat" != "${first:=$beat}" && break; done
test "$beat" -gt "$first"
test "$(systemctl show -P NRestarts smtpguardd)" = 0

# a crash is followed by a start
kill -KILL $pid
for i in $(seq 100); do test "$(systemctl show -P NRestarts smtpguardd)" = 1 && break; sleep 0.1; done
ready
python3 /test/mail

systemctl stop smtpguardd
test "$(systemctl show -P ActiveState smtpguardd)" = inactive
test "$(systemctl show -P Result smtpguardd)" = success
test "$(stat -c %U:%a /var/lib/smtpguard/state.snap)" = smtpguard:600
# settings with a fault do not bring it up
echo 'nonsense = 1;' >>/etc/smtpguard/smtpguardd.cfg
no systemctl start smtpguardd
systemctl reset-failed smtpguardd
dpkg -P smtpguard
echo ALL IS WELL
"""


@pytest.fixture
def unit(folder):
    """The unit as the package has it."""
    path = system.BUILD / "smtpguardd.service"
    system.make_package(folder)
    copy = folder / "smtpguardd.service"
    shutil.copy(path, copy)
    return copy


@system.needs_systemd
def test_the_unit_is_rated_at_most_1_5(unit):
    rated = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=15", unit],
                           capture_output=True, text=True)
    assert rated.returncode == 0, rated.stdout + rated.stderr
    assert re.search(r"Overall exposure level for smtpguardd.service: (0\.\d|1\.[0-5]) ", rated.stdout), rated.stdout


@system.needs_systemd
def test_sysusers_makes_the_user_and_tmpfiles_the_folder(folder):
    """In an empty tree, as an image's builder uses them."""
    root = folder / "root"
    (root / "etc").mkdir(parents=True)
    for kind in ("sysusers", "tmpfiles"):
        place = root / f"usr/lib/{kind}.d/smtpguard.conf"
        place.parent.mkdir(parents=True)
        shutil.copy(SOURCES / f"{kind}.conf", place)
        subprocess.run([f"systemd-{kind}", f"--root={root}", *(["--create"] if kind == "tmpfiles" else []),
                        "smtpguard.conf"], check=True, capture_output=True)
    user = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("smtpguard:"))
    name, _, uid, gid, _, home, shell = user.split(":")
    assert 0 < int(uid) < 1000 and home == "/var/lib/smtpguard" and shell == "/usr/sbin/nologin"
    assert f"smtpguard:x:{gid}:" in (root / "etc/group").read_text()
    spool = os.stat(root / "var/spool/smtpguard")
    assert (spool.st_uid, spool.st_gid, spool.st_mode & 0o7777) == (int(uid), int(gid), 0o700)


@system.needs_root
@system.needs_systemd
def test_a_real_systemd_starts_it(folder):
    system.skip_without_systemd()
    cert, key = certs.make(folder)
    system.boot(folder, STEPS, {"smtpguardd.cfg": SETTINGS, "mail": MAIL, "mx.pem": pathlib.Path(cert).read_text(),
                                "mx.key": pathlib.Path(key).read_text()}, service="WatchdogSec=10s")
