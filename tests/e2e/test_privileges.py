"""Started as root, the server gives up everything it does not need, for good."""
import os
import pathlib
import pwd
import re
import ssl
import subprocess

import pytest

from harness import certs, mails, wait
from harness.client import Client
from harness.guard import program, run_guard

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give up root")
ACCOUNT = "nobody"
OTHER = 54321  # nobody has this id


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def tasks(pid):
    return [int(t) for t in os.listdir(f"/proc/{pid}/task")]


@pytest.fixture
def dropped(guard, backend):
    """A server started as root with user = nobody, its folder nobody's."""
    account = pwd.getpwnam(ACCOUNT)
    b = backend()
    g = guard(b, start=False)
    os.chown(g.folder, account.pw_uid, account.pw_gid)
    g.configure(server={"user": ACCOUNT})
    g.start()
    g.backend = b
    return g


@needs_root
def test_no_thread_keeps_a_right(dropped):
    account = pwd.getpwnam(ACCOUNT)
    for task in tasks(dropped.pid):
        now = status(f"{dropped.pid}/task/{task}")
        assert now["Uid"].split() == [str(account.pw_uid)] * 4
        assert now["Gid"].split() == [str(account.pw_gid)] * 4
        assert set(now["Groups"].split()) <= {str(account.pw_gid)}
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(now[kind], 16) == 0, (kind, now[kind])
        assert now["NoNewPrivs"] == "1"


@needs_root
def test_it_works_without_them(dropped):
    assert mails.send(dropped.port, "x").code == 250
    assert dropped.ctl("stats").returncode == 0
    dropped.signal(1)
    dropped.said("reload")
    assert mails.send(dropped.port, "x").code == 250


@needs_root
def test_the_log_can_be_turned(dropped):
    """The file that root made is the account's: HUP opens it, or a new one in its place. What was there before the
    first start stays whose it was."""
    journal = dropped.folder / "journal"
    account = pwd.getpwnam(ACCOUNT)
    assert (journal.stat().st_uid, journal.stat().st_mode & 0o777) == (account.pw_uid, 0o640)
    journal.rename(dropped.folder / "journal.1")
    dropped.reload()
    mails.send(dropped.port, "turned")
    assert dropped.journaled("mail")
    assert not [m for m in dropped.messages() if "stays where it was" in m]
    dropped.stop()
    os.chown(journal, 0, 0)
    dropped.start()
    assert journal.stat().st_uid == 0


@needs_root
def test_a_body_file_is_nobodys(dropped):
    dropped.configure(server={"user": ACCOUNT}, relay={"memory_per_message": "4k"})
    dropped.reload()
    with Client(dropped.port) as c:
        c.ehlo()
        assert c.mail(mails.big("x", 200_000)).code == 250


def certificate(port):
    """The one that the server shows now."""
    with Client(port) as c:
        c.ehlo()
        assert c.cmd("STARTTLS").code == 220
        return ssl._create_unverified_context().wrap_socket(c.sock).getpeercert(binary_form=True)


def der(cert):
    return ssl.PEM_cert_to_DER_cert(pathlib.Path(cert).read_text())


@needs_root
def test_keys_are_read_again_after_root_is_given_up(guard, backend, folder):
    """A key for root alone serves from the start on, but cannot be read again: that is said at once, and at the reload
    the old certificate stays and the log says what to do. Then the certificate is replaced while the server runs."""
    account = pwd.getpwnam(ACCOUNT)
    cert, key = certs.make(folder)
    os.chmod(key, 0o600)
    g = guard(backend(), start=False)
    os.chown(g.folder, account.pw_uid, account.pw_gid)
    g.configure(server={"user": ACCOUNT}, tls={"certificates": ({"cert": cert, "key": key},)},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},))
    g.start()
    g.said("read at the start, by root, but not again at a reload: server.user or a group of it")
    first = der(cert)
    assert certificate(g.port) == first
    certs.make(folder)
    os.chmod(key, 0o600)
    g.reload()
    assert "server.user or a group of it must be able to read it" in g.said("certificate in use is kept")
    assert certificate(g.port) == first != der(cert)
    subprocess.run(["sh", "-ec", f"chgrp {account.pw_gid} {key} && chmod g+r {key}"], check=True)
    g.reload()
    wait.until(lambda: certificate(g.port) == der(cert), 10, "the new certificate")


@needs_root
@pytest.mark.parametrize("how", ["key", "folder", "link"])
def test_check_says_how_a_key_can_be_read_again(guard, backend, folder, how):
    """By a command that does it: until nothing is left to be said. As with certbot the key may be a link."""
    account = pwd.getpwnam(ACCOUNT)
    cert, key = certs.make(folder)
    os.chmod(key, 0o600)
    private = folder / "private"
    private.mkdir()
    private.chmod(0o755 if how == "key" else 0o700)
    os.rename(key, private / "1.key")
    key = private / "1.key"
    if how == "link":
        key = folder / "link.key"
        key.symlink_to("private/1.key")
    g = guard(backend(), start=False)
    g.configure(server={"user": ACCOUNT}, tls={"certificates": ({"cert": cert, "key": str(key)},)},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},))
    done = run_guard("-c", g.config, "--check")
    commands = []
    while "not again at a reload" in done.stderr and len(commands) < 3:
        commands += re.findall(r'must be able to [a-z ]+: (chgrp [^"]*)', done.stderr)
        subprocess.run(["sh", "-ec", commands[-1]], check=True)
        done = run_guard("-c", g.config, "--check")
    assert done.returncode == 0 and "reload" not in done.stderr, done
    wanted = [f"chgrp {account.pw_gid} {private} && chmod g+x {private}"] if how != "key" else []
    real = key.parent / "private/1.key" if how == "link" else key
    assert commands == [*wanted, f"chgrp {account.pw_gid} {real} && chmod g+r {real}"]
    os.chown(real, 0, 1)  # a group that has it already keeps it
    assert f"usermod -aG 1 USER, for {real}, and restart" in run_guard("-c", g.config, "--check").stderr


@needs_root
def test_a_key_that_the_account_may_not_read_is_a_fault_that_says_what_to_do(guard, backend, folder):
    """As under the systemd unit, where the server never was root."""
    account = pwd.getpwnam(ACCOUNT)
    cert, key = certs.make(folder)
    os.chmod(key, 0o600)
    g = guard(backend(), start=False)
    os.chown(g.folder, account.pw_uid, account.pw_gid)
    g.configure(tls={"certificates": ({"cert": cert, "key": key},)},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},))
    as_account = ["setpriv", "--reuid", ACCOUNT, "--regid", str(account.pw_gid), "--clear-groups"]
    done = subprocess.run([*as_account, program("SMTPGUARDD"), "-c", g.config, "--check"], capture_output=True,
                          text=True)
    assert done.returncode == 1
    assert f"Permission denied; server.user or a group of it must be able to read it: chgrp {account.pw_gid} {key} " \
           f"&& chmod g+r {key}" in done.stderr


@needs_root
def test_a_key_is_not_opened_to_whoever_checks_the_settings(guard, backend, folder):
    """Neither root nor the account: the command that lets the reader in would let in the wrong one."""
    cert, key = certs.make(folder)
    os.chmod(key, 0o600)
    g = guard(backend(), start=False)
    os.chown(g.folder, OTHER, OTHER)
    g.configure(server={"user": ACCOUNT}, tls={"certificates": ({"cert": cert, "key": key},)},
                listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},))
    as_other = ["setpriv", "--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups"]
    done = subprocess.run([*as_other, program("SMTPGUARDD"), "-c", g.config, "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Permission denied; do this as root, or as server.user" in done.stderr and "chgrp" not in done.stderr


@needs_root
def test_an_unknown_account_is_a_fault(guard, backend):
    g = guard(backend(), start=False)
    g.configure(server={"user": "no-such-account"})
    with pytest.raises(AssertionError, match="the server ended with 1"):
        g.start()
    g.checked = True
    assert "no-such-account" in g.told() + "".join(g.messages())


@needs_root
def test_root_is_no_account_to_run_as(guard, backend):
    """Without an account the server stays what it was and says so."""
    g = guard(backend())
    assert status(g.pid)["Uid"].split()[0] == str(os.getuid())
    g.said("root|privilege|user")


def test_no_core_and_no_new_rights(guard, backend):
    """Nor may others of the same account look into its memory, where keys are."""
    g = guard(backend())
    assert os.stat(f"/proc/{g.pid}/mem").st_uid == 0, "not dumpable: its files in /proc are root's"
    limits = pathlib.Path(f"/proc/{g.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    files = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert files.split()[3] == files.split()[4], "RLIMIT_NOFILE is raised to its hard limit"


def test_every_thread_is_in_the_sandbox(guard, backend):
    g = guard(backend(), server={"sandbox": True})
    g.said("sandbox: closed")
    for task in tasks(g.pid):
        assert status(f"{g.pid}/task/{task}")["Seccomp"] == "2", "2: a filter is in force"


def test_without_a_sandbox(guard, backend):
    g = guard(backend(), server={"sandbox": False})
    assert status(g.pid)["Seccomp"] == "0"
    assert mails.send(g.port, "x").code == 250


def test_a_reload_that_names_a_folder_outside_the_sandbox_says_what_to_do(guard, backend, folder):
    g = guard(backend(), server={"sandbox": True})
    other = folder / "elsewhere"
    other.mkdir()
    (other / "people.list").write_text("192.0.2.1\n")
    g.configure(server={"sandbox": True}, lists={"people": str(other / "people.list")})
    g.reload()
    g.said("restart")
    g.stop()
    g.start()
    assert mails.send(g.port, "x").code == 250
