#!/usr/bin/env python3
"""Hours of a busy site in minutes: the real server among good, bad, slow, TLS and broken clients, while its backends
die and come back, settings and certificates are reloaded (some of them wrong), snapshots are asked for and smtpguardctl
looks.

In the end: resident memory and descriptors as after the warm-up, no session left, what was told 250 is at a backend,
nothing is twice unless the journal names it as doubtful, no sanitizer has said a word. The exit code says whether.
Everything is on loopback addresses, at a bounded rate, and ends by itself.
"""
import argparse
import asyncio
import pathlib
import random
import re
import shutil
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import crowd  # noqa: E402
from backend import Backend  # noqa: E402
from harness import certs, guard, ports, wait  # noqa: E402
from ledger import Ledger, answered_too_late, doubtful  # noqa: E402

RULES = HERE.parent.parent / "rules.d" / "smtpguard-rules.cfg"
SHOWN = (["stats"], ["stats", "--prometheus"], ["health"], ["sessions"], ["list"], ["last", "20"], ["rules"], ["lists"],
         ["backend"], ["show", "127.66.1.1"], ["explain", "--client", "127.66.1.1"], ["config"])
MORE = ',\n{ name = "more"; when = "helo == \'x\'"; points = 1; }'
GROWTH = 0.05       # of resident memory, between the end of the warm-up and the end of the load
FLAT_SECONDS = 240  # of load: before, tables and caches still fill
SETTLE_SECONDS = 90


class Soak:
    def __init__(self, folder, options):
        self.options, self.folder = options, folder
        self.rng, self.ledger = random.Random(options.seed), Ledger()
        self.certs = [certs.make(folder, f"mx{n}.example.test") for n in (1, 2)]
        self.backends = [Backend(ports.free_port(), self.ledger, self.rng, slow=0.02, close=0.005, mute=0.005,
                                 defer=0.005) for _ in range(2)]
        self.guard = guard.Guard(folder / "guard", [b.port for b in self.backends], start=False)
        self.crowd = crowd.Crowd(self.guard.port, self.ledger, self.rng, crowd.lax(), wait.PATIENCE)
        self.samples, self.tasks, self.running = [], set(), True

    # ---- the server and its settings ----

    def configure(self, certificate=0, more=""):
        g = self.guard
        cert, key = self.certs[certificate]
        (self.folder / "trusted.list").write_text("192.0.2.1\n")
        g.configure(
            listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "tls": "starttls"},),
            tls={"certificates": ({"cert": cert, "key": key},)},
            lists={"trusted": str(self.folder / "trusted.list")},
            limits={"waiting": 500, "command_timeout": "10s", "data_timeout": "10s"},
            relay={"memory_per_message": "64k", "idle": "2s", "remember": 1000, "connections": 15},
            score={"memory": "16M", "half_life": "10s"}, log={"decisions": 2000})
        text = g.config.read_text().replace("rules = ();", "")
        g.config.write_text(f"{text}rules = (\n{RULES.read_text().rstrip().rstrip(',')}{more}\n);\n")

    def status(self):
        """Resident kilobytes and open descriptors."""
        text = pathlib.Path(f"/proc/{self.guard.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]), self.guard.descriptors()

    # ---- what happens to it ----

    async def every(self, seconds, act):
        while self.running:
            await asyncio.sleep(seconds * (0.5 + self.rng.random()))
            if self.running:
                await act()

    async def reload(self):
        choice = self.rng.randrange(4)
        if choice == 0:
            self.configure(more="oops")
        else:
            self.configure(choice % 2, MORE if choice == 3 else "")
        self.ledger.counts["reloads" if choice else "reloads of a wrong file"] += 1
        self.guard.signal(guard.signal.SIGHUP)

    async def snapshot(self):
        self.ledger.counts["snapshots"] += 1
        self.guard.signal(guard.signal.SIGUSR1)

    async def look(self):
        self.ledger.counts["smtpguardctl"] += 1
        done = await asyncio.to_thread(self.guard.ctl, *self.rng.choice(SHOWN))
        if done.returncode == 2 or "control" in done.stderr:
            self.ledger.faults.append(f"smtpguardctl: {done}")

    async def restart_backend(self):
        self.ledger.counts["backend restarts"] += 1
        backend = self.rng.choice(self.backends)
        await backend.stop()
        await asyncio.sleep(self.rng.random() * 2)
        await backend.start()

    async def sample(self):
        self.samples.append((time.monotonic(), *self.status()))

    async def press(self):
        """So many new sessions a second, none while too many are open."""
        until = time.monotonic() + self.options.time
        while time.monotonic() < until and self.guard.process.poll() is None:
            if len(self.tasks) < self.options.sessions:
                task = asyncio.create_task(self.crowd.one())
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(self.rng.expovariate(self.options.rate))

    async def load(self):
        """What surrounds the server goes on until the last session is over."""
        acts = ((5, self.reload), (7, self.snapshot), (1, self.look), (15, self.restart_backend), (0.5, self.sample))
        around = [asyncio.create_task(self.every(*act)) for act in acts]
        await self.press()
        self.running = False
        for task in around:
            await task
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=300 * wait.PATIENCE)
        if self.tasks:
            self.ledger.faults.append(f"{len(self.tasks)} clients did not come to an end")

    # ---- the whole ----

    def settled(self):
        stats = self.guard.ctl_json("stats")
        return stats["sessions"]["now"] == 0 and stats["waiting"] == 0 and stats["open_bodies"] == 0

    async def run(self):
        for backend in self.backends:
            await backend.start()
        self.configure()
        await asyncio.to_thread(self.guard.start)
        await self.crowd.deliver()
        await asyncio.sleep(5)
        _, first = self.status()
        await self.load()
        await asyncio.to_thread(wait.until, self.settled, SETTLE_SECONDS, "no session, no delay, no body")
        await asyncio.sleep(5)
        _, last = self.status()
        stats = self.guard.ctl_json("stats")
        await asyncio.to_thread(self.guard.stop)
        for backend in self.backends:
            await backend.stop()
        return first, last, stats

    def resident(self):
        """Medians in MB: behind the warm-up (the first third), at the end, of each the same span of time."""
        began, ended = self.samples[0][0], self.samples[-1][0]
        span = (ended - began) / 6
        early = [kb for at, kb, _ in self.samples if began + 2 * span <= at < began + 3 * span]
        late = [kb for at, kb, _ in self.samples if at >= ended - span]
        return statistics.median(early) / 1024, statistics.median(late) / 1024


def report(soak, first, last, stats):
    records = soak.guard.records()
    ledger, named, moment = soak.ledger, doubtful(records), answered_too_late(records)
    doubles = ledger.judge(named | moment)
    early, late = soak.resident()
    judged = not soak.options.sanitized and soak.options.time >= FLAT_SECONDS
    if late > early * (1 + GROWTH) and judged:
        ledger.faults.append(f"resident memory grew from {early:.1f} to {late:.1f} MB")
    if last > first + 2:
        ledger.faults.append(f"{last} descriptors at the end, {first} at the beginning")
    if stats["log_dropped"]:
        ledger.faults.append(f"{stats['log_dropped']} lines of the log were dropped")
    if soak.crowd.refused:
        ledger.faults.append(f"{len(soak.crowd.refused)} good mails were refused for good: {soak.crowd.refused[:5]}")
    sessions = sum(n for what, n in ledger.counts.items() if what.startswith("sessions: "))
    print(f"{soak.options.time:.0f} s, {sessions} client sessions, {len(records)} journal lines")
    print(f"resident {early:.1f} MB after the warm-up, {late:.1f} MB at the end ({100 * (late / early - 1):+.1f} %)"
          f"{'' if judged else ', not judged'}; the most {max(s[1] for s in soak.samples) / 1024:.1f}")
    print(f"descriptors {first} before, {max(s[2] for s in soak.samples)} at most, {last} after")
    print(f"mails: {len(ledger.heard)} told 250; {sum(map(len, ledger.copies.values()))} copies for "
          f"{len(ledger.copies)} recipients of theirs; {len(named)} named as doubtful, {len(moment)} reset in the "
          f"moment of their 250, {doubles} copies came twice")
    for what, n in sorted(ledger.counts.items()):
        print(f"  {n:8} {what}")
    for fault in ledger.faults[:30]:
        print("FAULT " + fault)
    print(f"{len(ledger.faults)} faults")
    return 1 if ledger.faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", type=float, default=1200, help="seconds of load (%(default)s)")
    parser.add_argument("--rate", type=float, default=60, help="new sessions a second (%(default)s)")
    parser.add_argument("--sessions", type=int, default=400, help="open at once, at most (%(default)s)")
    parser.add_argument("--sanitized", action="store_true", help="resident memory is told but not judged")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the journal")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="smtpguard-soak-"))
    soak = Soak(folder, options)
    try:
        return report(soak, *asyncio.run(soak.run()))
    finally:
        if soak.guard.process and soak.guard.process.poll() is None:
            soak.guard.process.kill()
        if options.keep:
            print(f"see {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
