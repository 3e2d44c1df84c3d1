"""What is remembered outlives the process: at a clean end, on USR1, when asked, by the clock, and over kill -9."""
import os
import signal
import threading

import pytest

from harness import mails, wait

# a third mail of a client within the hour is deferred, and each one charges its record
RULES = ({"name": "third", "when": "count(messages by client, 1h) > 2", "do": "defer"},
         {"name": "each", "when": "count(messages by client, 1h) > 0", "charge": 10.0})


def server(guard, backend, **groups):
    return guard(backend(), rules=RULES, **groups)


def snapshot(g):
    return g.folder / "state.snap"


def mail(g, source="127.0.0.1"):
    return mails.send(g.port, "x", source=source).code


def points(g, client="127.0.0.1"):
    done = g.ctl("--json", "show", client)
    return done.returncode == 0 and '"points"' in done.stdout


def test_a_restart_keeps_records_and_counters(guard, backend):
    g = server(guard, backend)
    assert [mail(g), mail(g)] == [250, 250]
    assert mail(g, "127.0.0.9") == 250
    g.stop()
    assert snapshot(g).stat().st_mode & 0o777 == 0o600
    g.start()
    g.said("entries of .* restored")
    assert points(g)
    assert mail(g) == 450
    assert mail(g, "127.0.0.9") == 250
    assert mail(g, "127.0.0.9") == 450


@pytest.mark.parametrize("way", ["usr1", "ctl", "clock"])
def test_kill_9_loses_only_what_came_after_the_snapshot(guard, backend, way):
    g = server(guard, backend, score={"snapshot_every": "1s" if way == "clock" else "1h"})
    assert [mail(g), mail(g)] == [250, 250]
    if way == "usr1":
        g.signal(signal.SIGUSR1)
        g.said("snapshot: .* written")
    elif way == "ctl":
        told = g.ctl_json("snapshot")
        assert told["entries"] >= 2 and told["bytes"] == snapshot(g).stat().st_size, told
    else:
        done = {p.stat().st_mtime for p in [wait.until(lambda: snapshot(g).exists() and snapshot(g), 10, "a snapshot")]}
        wait.until(lambda: snapshot(g).stat().st_mtime > max(done), 10, "another snapshot")
    g.kill()
    g.start()
    assert mail(g) == 450


def test_kill_9_amid_snapshots_and_mail(guard, backend):
    """Whenever it is killed, the start finds a whole snapshot."""
    g = server(guard, backend)
    assert [mail(g), mail(g)] == [250, 250]
    g.signal(signal.SIGUSR1)
    g.said("snapshot: .* written")
    for delay in (0.01, 0.02, 0.04, 0.07, 0.11):
        pid, stop = g.pid, threading.Event()

        def keep_asking():
            while not stop.is_set():
                os.kill(pid, signal.SIGUSR1)
        asking = threading.Thread(target=keep_asking)
        asking.start()
        stop.wait(delay)
        stop.set()
        asking.join()
        g.kill()
        g.start()
        assert mail(g) == 450
    assert not any("damaged" in m for m in g.messages())
    assert not (g.folder / "state.snap.aside").exists()


def broken(g, how):
    """Makes of the good snapshot one that must not be trusted; says what the log will tell."""
    path = snapshot(g)
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[:-7])
        return "damaged"
    if how == "head":
        data[20] ^= 1
        path.write_bytes(data)
        return "head is damaged"
    if how == "garbage":
        path.write_bytes(os.urandom(len(data)))
        return "no snapshot of SmtpGuard"
    if how == "shared":
        path.chmod(0o666)
        return "may write it"
    path.rename(g.folder / "elsewhere")
    path.symlink_to(g.folder / "elsewhere")
    return "symbolic link"


@pytest.mark.parametrize("how", ["cut", "head", "garbage", "shared", "link"])
def test_what_cannot_be_believed_is_put_aside_and_the_server_starts(guard, backend, how):
    g = server(guard, backend)
    assert [mail(g), mail(g)] == [250, 250]
    g.stop()
    words = broken(g, how)
    g.start()
    g.said(f"{words}.*moved to .*state.snap.aside")
    assert (g.folder / "state.snap.aside").exists()
    # of the cut one all but its last line is whole; of the others nothing is believed
    assert mail(g) == (450 if how == "cut" else 250)
    g.stop()
    assert snapshot(g).is_file() and not snapshot(g).is_symlink()


def test_a_reload_moves_the_snapshot(guard, backend):
    g = server(guard, backend)
    g.configure(rules=RULES, score={"snapshot": str(g.folder / "other.snap")})
    g.reload()
    g.signal(signal.SIGUSR1)
    wait.until((g.folder / "other.snap").exists, 10, "the snapshot at its new place")
    assert not snapshot(g).exists()


def test_a_folder_that_is_not_there_is_told_and_mail_flows(guard, backend, folder):
    (folder / "file").write_text("no folder\n")
    g = server(guard, backend, score={"snapshot": str(folder / "file" / "state.snap")})
    g.said("snapshot: .*Not a directory")
    assert mail(g) == 250
    done = g.ctl("snapshot")
    assert done.returncode == 1 and "/file/state.snap: Not a directory" in done.stderr
    g.stop()


def test_a_larger_memory_takes_the_old_snapshot(guard, backend):
    g = server(guard, backend)
    assert [mail(g), mail(g)] == [250, 250]
    g.stop()
    g.configure(rules=RULES, score={"memory": "128M"})
    g.start()
    assert mail(g) == 450
