"""smtpguardd as a user starts it: a settings file, a process, a journal; and an end that is looked at closely."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

from harness import client, ports, settings, wait

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer")
# a server that counts its lines (make coverage) writes them down at its end, in the folder of its build
SANDBOX = not os.environ.get("SMTPGUARD_TEST_NO_SANDBOX")
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:verify_asan_link_order=0", "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
}


def program(name):
    path = os.environ.get(name)
    assert path and os.access(path, os.X_OK), f"{name} must name the program (it is {path!r})"
    return path


def check_report(text):
    """A sanitizer ends a program with code 1, as a refusal of ours does: only its words tell the two apart."""
    assert not SANITIZER.search(text), f"a sanitizer found something:\n{text[-6000:]}"


def run(*command, timeout=60):
    """A program of ours that ends by itself; its exit code and its output are the caller's to judge."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=timeout * wait.PATIENCE, env={**os.environ, **ENVIRONMENT})
    check_report(done.stderr)
    return done


def run_guard(*arguments, timeout=60):
    """smtpguardd with other arguments than a server's: --check, --dump, --version."""
    return run(program("SMTPGUARDD"), *arguments, timeout=timeout)


class Guard:
    """One server with its folder. Settings are given as groups: Guard(folder, backend, limits={...}, rules=(...))."""

    def __init__(self, folder, backends, start=True, **groups):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = ports.free_port()
        self.base = self._defaults(backends)
        self.process = None
        self.checked = True
        self.starts = self.traces = 0
        self.configure(**groups)
        if start:
            self.start()

    def _defaults(self, backends):
        d = str(self.folder)
        urls = [b if isinstance(b, str) else f"smtp://127.0.0.1:{b}" for b in backends]
        return {
            "server": {"hostname": "mx.example.test", "workers": 2, "user": "", "control": d + "/control",
                       "spool": d, "drain": "10s", "sandbox": SANDBOX},
            "listeners": ({"name": "mx", "address": [f"127.0.0.1:{self.port}"], "tls": "off"},),
            "limits": {"sessions_per_client": 0, "sessions_per_net": 0},
            "relay": {"backends": urls, "domains": ["example.test"], "identity": "xclient", "connections": 10,
                      "recipients": ["backend"], "state": d + "/relay.state"},
            "score": {"memory": "64M", "snapshot": d + "/state.snap"},
            "lists": {},
            "dns": {"servers": ["127.0.0.1:9"], "timeout": f"{wait.PATIENCE:g}s"},  # nobody asks the machine's own
            "log": {"to": d + "/journal", "format": "json"},
            "rules": (),
        }

    @property
    def config(self):
        return self.folder / "smtpguardd.cfg"

    def configure(self, **groups):
        """Writes the settings file: the defaults with these changes."""
        self.settings = settings.merged(self.base, groups)
        self.config.write_text(settings.text(self.settings))

    def start(self, under=()):
        """under: a command that becomes the server, such as prlimit."""
        self.starts += 1
        stderr = open(self.folder / f"stderr.{self.starts}", "wb")
        self.process = subprocess.Popen([*under, program("SMTPGUARDD"), "-c", self.config], stdin=subprocess.DEVNULL,
                                        stdout=stderr, stderr=stderr, env={**os.environ, **ENVIRONMENT})
        stderr.close()
        self.checked, self.traces = False, 0
        wait.until(lambda: self.process.poll() is not None or self.serves(), 20, "the server serving")
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.told()}"

    def serves(self):
        """It listens early in its start; what answers on its control socket is started last."""
        return self.answers("stats")

    def answers(self, command, **args):
        """Has this very process a good answer to what smtpguardctl would ask?"""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20 * wait.PATIENCE)
            try:
                s.connect(self.settings["server"]["control"])
                pid = struct.unpack("=iII", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
                s.sendall(json.dumps({"command": command, "args": args}).encode() + b"\n")
                return pid == self.pid and s.recv(10, socket.MSG_WAITALL) == b'{"ok":true'
            except OSError:
                return False

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait_end(self, seconds=30):
        return self.process.wait(seconds * wait.PATIENCE)

    def stop(self, seconds=30):
        """TERM, a clean end within seconds, exit code 0."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait_end(seconds)
        self.check_stderr()
        assert code == 0, f"exit code {code}: {self.told()}"
        self.checked = True

    def kill(self):
        self.process.kill()
        self.wait_end()
        self.check_stderr()
        self.checked = True

    def finish(self):
        """For the fixture: whatever the test left behind ends, and must end well."""
        if self.process is None or self.checked:
            return
        try:
            self.stop()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def told(self):
        """All that it wrote to stderr, all starts together."""
        return "".join(p.read_text(errors="replace") for p in sorted(self.folder.glob("stderr.*")))

    def check_stderr(self):
        check_report(self.told())

    def records(self):
        """Every line of the log: journal records and messages."""
        path = self.folder / "journal"
        if not path.exists():
            return []
        lines = path.read_bytes().split(b"\n")[:-1]
        for line in lines:
            assert all(0x20 <= byte < 0x7F for byte in line), f"a raw control or foreign byte in the journal: {line!r}"
        return [json.loads(line) for line in lines]

    def journal(self, event=None, **fields):
        """The journal's records of an event whose fields have these values."""
        return [r for r in self.records() if "event" in r and event in (None, r["event"])
                and all(r.get(k) == v for k, v in fields.items())]

    def journaled(self, event, count=1, **fields):
        """Waits until there are that many such records; returns them."""
        return wait.until(lambda: len(found := self.journal(event, **fields)) >= count and found, 10,
                          f"{count} {event} records with {fields}")

    def messages(self):
        return [r.get("msg", "") for r in self.records() if "event" not in r] + self.told().splitlines()

    def said(self, pattern, seconds=10):
        """Waits for a message to the administrator that matches."""
        return wait.until(lambda: next((m for m in self.messages() if re.search(pattern, m, re.I)), None), seconds,
                          f"a message like {pattern!r}")

    def ctl(self, *arguments):
        """smtpguardctl on this server's socket."""
        return run(program("SMTPGUARDCTL"), "--socket", self.settings["server"]["control"], *arguments)

    def ctl_json(self, *arguments):
        done = self.ctl("--json", *arguments)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def is_stopped(self):
        tasks = pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat")
        return {task.read_text().rsplit(")", 1)[1].split()[0] for task in tasks} == {"T"}

    @contextlib.contextmanager
    def standing_still(self):
        """What is done meanwhile is all there when the server looks again."""
        self.signal(signal.SIGSTOP)
        try:
            wait.until(self.is_stopped, 10, "all threads to stop")
            yield
        finally:
            self.signal(signal.SIGCONT)

    def talked_to_early(self, source, data, tls=False):
        """A client whose data is there before the server can have greeted it, however slow we are: with the connection,
        or with the last bytes of the handshake."""
        if tls:
            one = client.Client(self.port, source, greet=False)
            with self.standing_still():
                one.begin_tls()
            one.await_tls()
        with self.standing_still():
            if not tls:
                one = client.Client(self.port, source, greet=False)
            elif not one.goes_on_with_tls():
                raise AssertionError("the server's words in a handshake of TLS 1.3 come together")
            one.send(data)
        return one

    def explained(self, *words):
        """Waits until something is kept for what `explain` is asked; the decisions, the newest first."""
        done = wait.until(lambda: (d := self.ctl("--json", "explain", *words)).returncode == 0 and d, 10,
                          f"a decision of {words}")
        return json.loads(done.stdout)["decisions"]

    def reload(self):
        """HUP, and waits until the server said what became of it."""
        before = len(self.messages())
        self.signal(signal.SIGHUP)
        wait.until(lambda: any(re.search("reload: (done|.*has faults)", m) for m in self.messages()[before:]), 20,
                   "the reload")

    def cpu_ms(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def elapsed(call):
    """(seconds, result) of call()."""
    start = time.monotonic()
    result = call()
    return time.monotonic() - start, result


def quickest(call, times=5):
    """The least seconds of some calls: that nothing holds them back one of them shows, whatever a busy machine does to
    the others."""
    return min(elapsed(call)[0] for _ in range(times))
