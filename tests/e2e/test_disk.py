"""Full and read-only disks under spool, state, snapshot and log: 4xx, never 250, a line that says why; then it goes on.

Each server runs in a mount namespace of its own with tiny tmpfs inside; nothing of it is seen outside.
"""
import json
import os
import shutil
import socket
import subprocess

import pytest

from harness import lmtp, mails, wait
from harness.backend import CLOSE
from harness.client import Client

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)"),
    pytest.mark.skipif(
        subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0,
        reason="this kernel gives no mount namespace"),
]

# "$1": the folder to mount on, "$2": options, then the server's command
MOUNT = ["unshare", "-m", "sh", "-ec", 'mount -t tmpfs -o "$2" none "$1"; shift 2; exec "$@"', "sh"]


def small(folder, size="256k", mode="0700"):
    folder.mkdir(exist_ok=True)
    return [*MOUNT, str(folder), f"size={size},mode={mode}"]


def inside(g, command):
    """A command in the server's namespace."""
    done = subprocess.run(["nsenter", "-t", str(g.pid), "-m", "sh", "-ec", command], capture_output=True, text=True)
    assert done.returncode == 0, done
    return done.stdout


def fill(g, folder):
    inside(g, f"dd if=/dev/zero of={folder}/filler bs=4k count=1000 2>/dev/null || true; "
              f"dd if=/dev/zero bs=64 count=1000 >> {folder}/filler 2>/dev/null || true")


def big_mail(g, size, source="127.0.0.1"):
    with Client(g.port, source) as c:
        c.ehlo()
        return c.mail(mails.big("big", size))


def test_a_full_spool(guard, backend, folder):
    b = backend()
    disk = folder / "spool"
    g = guard(b, start=False, server={"spool": str(disk)}, relay={"memory_per_message": "8k"})
    g.start(small(disk))
    reply = big_mail(g, 1_000_000)
    assert (reply.code, reply.enhanced) == (451, "4.3.1")
    assert not b.taken
    assert "No space left on device" in g.said("server.spool")
    assert mails.send(g.port, "small").code == 250, "what fits into memory needs no disk"
    assert big_mail(g, 100_000).code == 250, "the room of the first has come back"
    assert g.journaled("mail", by="limit", code=451)[0]["verdict"] == "deferred"
    assert len([m for m in g.messages() if "server.spool" in m]) == 1


def test_a_read_only_spool(guard, backend, folder):
    b = backend()
    disk = folder / "spool"
    g = guard(b, start=False, server={"spool": str(disk)}, relay={"memory_per_message": "8k"})
    g.start(small(disk))
    inside(g, f"mount -o remount,ro {disk}")
    assert big_mail(g, 100_000).code == 451
    g.said("server.spool: Read-only file system")
    assert not b.taken
    inside(g, f"mount -o remount,rw {disk}")
    assert big_mail(g, 100_000).code == 250


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_snapshot_without_a_place(guard, backend, folder, trouble):
    """It is said and told by health; mail goes on, the old snapshot stays, and the next one is whole."""
    disk = folder / "state"
    g = guard(backend(), start=False, score={"memory": "16M", "snapshot": f"{disk}/state.snap"})
    g.start(small(disk, "8m"))
    mails.send(g.port, "one")
    assert g.ctl("snapshot").returncode == 0
    if trouble == "full":
        fill(g, disk)
        inside(g, f"dd if=/dev/zero of={disk}/more bs=64k count=1000 2>/dev/null || true")
    else:
        inside(g, f"mount -o remount,ro {disk}")
    done = g.ctl("snapshot")
    assert done.returncode == 1, done
    wanted = "No space left on device" if trouble == "full" else "Read-only file system"
    assert wanted in g.said("snapshot.*(No space|Read-only)")
    assert g.ctl("health").returncode == 1
    assert mails.send(g.port, "two").code == 250
    assert "state.snap" in inside(g, f"ls {disk}")
    inside(g, f"mount -o remount,rw {disk}; rm -f {disk}/filler {disk}/more")
    assert g.ctl("snapshot").returncode == 0
    assert g.ctl("health").returncode == 0


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_state_file_without_a_place(guard, backend, folder, trouble):
    """Nothing can be remembered or noted: mail goes on, and a mail in doubt is a 4xx and a line that says so."""
    disk = folder / "state"
    b = backend()
    g = guard(b, start=False, relay={"state": f"{disk}/relay.state"})
    g.start(small(disk, mode="0700" if trouble == "full" else "0700,ro"))
    if trouble == "full":
        fill(g, disk)
    else:
        g.said("relay.state.*Read-only file system")
    for n in range(20):
        assert mails.send(g.port, f"mail {n}").code == 250
    b.script["dot"] = CLOSE
    reply = mails.send(g.port, "in doubt")
    assert reply.code // 100 == 4
    assert g.journaled("mail", verdict="deferred")[0]["doubtful"]


def send_to(g, rcpts):
    with Client(g.port) as c:
        c.ehlo()
        return c.mail(rcpts=rcpts)


def state_check(g):
    """What health says in all, and of relay.state."""
    told = json.loads(g.ctl("--json", "health").stdout)
    return told["status"], next(c for c in told["checks"] if c["name"] == "relay.state")


def state_stats(g):
    """Does relay.state fail, as stats tell people and machines?"""
    failing = g.ctl_json("stats")["remembered"]["failing"]
    assert f"smtpguard_remembered_failing {int(failing)}\n" in g.ctl("stats", "--prometheus").stdout
    return failing


def test_health_tells_of_a_state_file_that_is_not_written(guard, folder):
    """And it is written again without a restart, with what could not be written meanwhile."""
    disk = folder / "state"
    later = ["later@example.test"]
    store = lmtp.Store(lambda stage, to: "451 4.2.0 Not now" if stage == "dot" and to in later else None)
    g = guard(store, start=False, limits={"recipients": 200},
              relay={"state": f"{disk}/relay.state", "backends": [store.url], "identity": "none"})
    g.start(small(disk))
    assert state_check(g) == ("ok", {"name": "relay.state", "ok": True, "text": "kept up"})
    fill(g, disk)
    rcpts = [f"u{n}@example.test" for n in range(120)] + later  # more than fits into the page that the file has
    assert send_to(g, rcpts).code == 451
    status, check = wait.until(lambda: (s := state_check(g))[0] == "degraded" and s, 10, "the fault")
    assert "No space left on device" in check["text"] and "put that right" in check["text"]
    inside(g, f"rm {disk}/filler")
    wait.until(lambda: state_check(g)[0] == "ok", 20, "another try")
    assert not state_stats(g)
    assert int(inside(g, f"stat -c %s {disk}/relay.state")) >= 120 * 40
    later.clear()
    assert send_to(g, rcpts).code == 250
    assert sorted(s.recipient for s in store.stored) == sorted(rcpts)
    store.stop()


def test_health_tells_of_a_state_file_that_cannot_be_opened(guard, backend, folder):
    g = guard(backend(), start=False, relay={"state": f"{folder}/nowhere/at/all/relay.state"})
    g.start()
    status, check = state_check(g)
    assert status == "degraded" and "No such file" in check["text"] and "restart" in check["text"]
    assert state_stats(g)


def test_a_full_disk_under_the_log(guard, backend, folder):
    """Mail goes on; what the log did not take is counted, told by health, and said in the log when there is room."""
    disk = folder / "log"
    g = guard(backend(), start=False, log={"to": f"{disk}/journal", "format": "json"})
    g.start(small(disk, "64k"))
    with subprocess.Popen(["nsenter", "-t", str(g.pid), "-m", "sleep", "60"]) as holder:  # keeps the disk for us
        inside(g, f"dd if=/dev/zero of={disk}/filler bs=4k count=1000 2>/dev/null || true")
        for n in range(60):
            assert mails.send(g.port, f"mail {n}").code == 250
        wait.until(lambda: g.ctl_json("stats")["log_dropped"] > 0, 10, "lost lines counted")
        assert "log" in [c["name"] for c in json.loads(g.ctl("--json", "health").stdout)["checks"] if not c["ok"]]
        inside(g, f"rm {disk}/filler")
        assert mails.send(g.port, "later", sender="later@client.test").code == 250
        g.stop()
        done = subprocess.run(["nsenter", "-t", str(holder.pid), "-m", "cat", f"{disk}/journal"], capture_output=True,
                              text=True, check=True)
        holder.terminate()
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.endswith("}")]  # one may be cut short
    assert [line for line in lines if line.get("from") == "later@client.test"]
    assert [line for line in lines if "log lines were lost: No space left on device" in line.get("msg", "")]


# ---- log.to = "syslog" ----

# a /dev of its own, whose log is the socket in "$1"
OWN_SYSLOG = ["unshare", "-m", "sh", "-ec", """
mount -t tmpfs none /mnt
for name in null zero urandom; do : > /mnt/$name; mount --bind /dev/$name /mnt/$name; done
ln -s "$1/log" /mnt/log
mount --move /mnt /dev
shift
exec "$@" """, "sh"]


class Syslog:
    """What a syslog daemon hears."""

    def __init__(self, folder):
        self.path = folder / "log"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.path))
        self.path.chmod(0o666)
        self.sock.setblocking(False)
        self.lines = []

    def heard(self, word):
        try:
            while True:
                self.lines.append(self.sock.recv(65536).decode())
        except BlockingIOError:
            return [line for line in self.lines if word in line]

    def stop(self):
        self.sock.close()
        self.path.unlink()


def test_syslog(guard, backend, folder):
    """Journal and messages go there, also within the sandbox, and to the next daemon when that one was restarted."""
    daemon = Syslog(folder)
    g = guard(backend(), start=False, log={"to": "syslog"})
    g.start([*OWN_SYSLOG, str(folder)])
    assert mails.send(g.port, "one", sender="one@client.test").code == 250
    line = wait.until(lambda: daemon.heard("one@client.test"), 10, "the mail's line")[0]
    assert line.startswith("<22>") and f"smtpguardd[{g.pid}]: " in line and '"verdict":"accepted"' in line
    assert daemon.heard("listening on")
    daemon.stop()
    assert mails.send(g.port, "two").code == 250, "mail does not wait for a log"
    daemon = Syslog(folder)
    assert mails.send(g.port, "three", sender="three@client.test").code == 250
    wait.until(lambda: daemon.heard("three@client.test"), 10, "the line of the mail behind the restart")
