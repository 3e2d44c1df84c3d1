"""The Debian package: built, installed on a system without it, run, removed, purged (harness/system.py)."""
import subprocess

import pytest

from harness import system

pytestmark = system.needs_root

INSIDE = system.OVERLAY + r"""
mount --rbind /dev "$R/dev"
cp "$DEB" "$R/tmp/x.deb"
cp "$STEPS" "$R/tmp/steps"
chroot "$R" /bin/sh -eux /tmp/steps
"""

STEPS = r"""
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
no() { if "$@"; then exit 1; fi; }
no getent passwd smtpguard
dpkg --force-depends -i /tmp/x.deb

# a user without rights, its folders, settings that are fine as they are
getent passwd smtpguard | grep -E ':(/usr)?/s?bin/nologin$'
test "$(stat -c %U:%G:%a /var/lib/smtpguard)" = smtpguard:smtpguard:750
test "$(stat -c %U:%G:%a /var/spool/smtpguard)" = smtpguard:smtpguard:700
test "$(stat -c %U:%G:%a /etc/smtpguard/smtpguardd.cfg)" = root:root:644
smtpguardd -c /etc/smtpguard/smtpguardd.cfg --check
dpkg --verify smtpguard
for page in smtpguardd.8 smtpguardctl.1 smtpguardd.cfg.5 smtpguard-rules.5; do
	ls /usr/share/man/man*/$page*
done
test -x "$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' /usr/lib/systemd/system/smtpguardd.service)"

# it starts as root, is not root, greets, snapshots, stops
smtpguardd -c /etc/smtpguard/smtpguardd.cfg 2>/tmp/log & pid=$!
for i in $(seq 100); do smtpguardctl health && break; smtpguardctl stats >/dev/null 2>&1 && break; sleep 0.1; done
grep -q "^Uid:.*$(id -u smtpguard)" /proc/$pid/status
python3 -c 'import socket; s = socket.create_connection(("127.0.0.1", 25), 10); assert s.recv(99)[:3] == b"220"'
smtpguardctl snapshot
kill -TERM $pid
wait $pid
test "$(stat -c %U:%a /var/lib/smtpguard/state.snap)" = smtpguard:600

# what the administrator changed outlives a newer package and a removal
echo '# mine' >>/etc/smtpguard/smtpguardd.cfg
dpkg --force-depends --force-confold -i /tmp/x.deb
grep -q '^# mine' /etc/smtpguard/smtpguardd.cfg
dpkg -r smtpguard
test ! -e /usr/sbin/smtpguardd
grep -q '^# mine' /etc/smtpguard/smtpguardd.cfg
test -e /var/lib/smtpguard/state.snap
dpkg -P smtpguard
test ! -e /etc/smtpguard
test ! -e /var/lib/smtpguard
test ! -e /var/spool/smtpguard
echo ALL IS WELL
"""


@pytest.fixture
def package(folder):
    return system.make_package(folder)


def test_install_run_remove_purge(folder, package):
    if not system.can_overlay():
        pytest.skip("this kernel gives no namespaces with an overlay of the system")
    steps = folder / "steps"
    steps.write_text(STEPS)
    done = system.run(folder, INSIDE, DEB=package, STEPS=steps)
    assert done.returncode == 0 and "ALL IS WELL" in done.stdout, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_package_names_what_it_needs(package):
    control = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    for name in ("libc6", "libssl3", "libpcre2-8-0", "libconfig9", "libjansson4", "libmimalloc", "libseccomp2"):
        assert name in control, name
    files = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert "/usr/local" not in files
