"""This machine's system once more, seen through an overlay in namespaces of the test's: what is installed, started and
removed there is gone with them. Only root can make one."""
import contextlib
import errno
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import wait

BUILD = pathlib.Path(os.environ.get("SMTPGUARDD", "/nowhere/server/smtpguardd")).parent.parent
NAMESPACES = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child",
              "/bin/sh", "-euxc"]

# below "$ROOM": the system with its own /proc, /run, /tmp and a network of its own, in $R
OVERLAY = r"""
mount --make-rprivate /
mount -t tmpfs tmpfs "$ROOM"
mkdir "$ROOM/upper" "$ROOM/work" "$ROOM/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$ROOM/upper,workdir=$ROOM/work" "$ROOM/root"
R=$ROOM/root
mount -t proc proc "$R/proc"
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/tmp"
ip link set lo up
"""

# what a container's systemd finds: few devices, its own /sys and cgroups
FOR_SYSTEMD = r"""
mount -t sysfs sysfs "$R/sys"
mount -t cgroup2 none "$R/sys/fs/cgroup"
mount -t tmpfs tmpfs "$R/dev"
for device in null zero full random urandom tty; do
	touch "$R/dev/$device"
	mount --bind "/dev/$device" "$R/dev/$device"
done
mkdir "$R/dev/shm" "$R/dev/pts"
ln -s /proc/self/fd "$R/dev/fd"
ln -s pts/ptmx "$R/dev/ptmx"
"""

# a container's systemd that runs one script and ends with its exit code
BOOT = OVERLAY + FOR_SYSTEMD + r"""
rm -rf "$R/etc/systemd/system"
mkdir -p "$R/etc/systemd/system" "$R/before" "$R/test"
: >"$R/etc/fstab"
cat >"$R/etc/systemd/system/test.service" <<UNIT
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh -eux /test/steps
StandardOutput=append:/test/out
StandardError=append:/test/out
TimeoutStartSec=120
UNIT
# there is no journald
mkdir "$R/etc/systemd/system/smtpguardd.service.d"
printf '[Service]\nStandardError=append:/test/server\n%s\n' "$SERVICE" \
	>"$R/etc/systemd/system/smtpguardd.service.d/told.conf"
mount --bind "$SHARED" "$R/test"
cd "$R"
pivot_root . before
cd /
umount -l /before
export container=test
exec /lib/systemd/systemd --system --unit=test.service --show-status=no --log-target=console >/test/console 2>&1
"""

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make a system to install on")


def make_package(folder):
    """`make deb` of this build; the package."""
    made = subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder / "deb"],
                          capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    return next((folder / "deb").glob("*.deb"))


def run(folder, script, **given):
    """The script as process 1 of its namespaces, in sh -eux; $ROOM and what is given are in its environment."""
    room = folder / "room"
    room.mkdir(exist_ok=True)
    given = {name: str(value) for name, value in {"ROOM": room, **given}.items()}
    return subprocess.run([*NAMESPACES, script], env={**os.environ, **given}, capture_output=True, text=True,
                          timeout=300)


def can_overlay(script=""):
    """True when this kernel gives the namespaces, the overlay, and what the script does beside."""
    probe = OVERLAY.replace('"$ROOM"', "/mnt", 1).replace("$ROOM", "/mnt")
    return subprocess.run([*NAMESPACES, probe + script], capture_output=True).returncode == 0


# ---- control groups: a systemd keeps its own below one of the test's ----

def _unified():
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{root}/cgroup.procs"):
            return pathlib.Path(root)
    return None


def _is_removed(path):
    """False: what was killed in it is still on its way out."""
    try:
        os.rmdir(path)
    except OSError as failure:
        if failure.errno != errno.EBUSY:
            raise
        return False
    return True


@contextlib.contextmanager
def control_group(name):
    """Makes a control group and removes it with all below it. Its folder; None: there is no unified hierarchy here, or
    it may not be written."""
    root = _unified()
    group = root and root / f"{name}-{os.getpid()}"
    try:
        if group:
            group.mkdir()
    except OSError:
        group = None
    try:
        yield group
    finally:
        for path, _, _ in os.walk(group, topdown=False) if group else ():
            wait.until(lambda: _is_removed(path), 10, f"{path} empty")


# ---- a real systemd ----

def skip_without_systemd():
    if not can_overlay(FOR_SYSTEMD):
        pytest.skip("this kernel gives no namespaces with an overlay of the system and control groups")


def boot(folder, steps, files, service=""):
    """Boots a systemd that runs the steps (sh -eux) and ends. Beside them in /test: the files (name: text), and x.deb,
    this build's package. `service`: further lines for the unit's [Service]. The steps end with `echo ALL IS WELL`."""
    shared = folder / "shared"
    shared.mkdir()
    shutil.copy(make_package(folder), shared / "x.deb")
    for name, text in {"steps": steps, **files}.items():
        (shared / name).write_text(text)
    with control_group("smtpguard-test") as group:
        if not group:
            pytest.skip("this kernel gives no control group to a test")
        done = run(folder, 'echo $$ >"$GROUP/cgroup.procs"; exec unshare --cgroup /bin/sh -euxc "$BOOT"',
                   GROUP=group, BOOT=BOOT, SHARED=shared, SERVICE=service)
    told = "".join((shared / name).read_text(errors="replace")[-5000:] for name in ("console", "server", "out")
                   if (shared / name).exists())
    assert done.returncode == 0 and "ALL IS WELL" in told, told + done.stderr[-3000:]
