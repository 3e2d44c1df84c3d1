#!/usr/bin/env python3
"""Hours of a busy site in minutes: the real server among good, bad, slow, TLS and broken clients, while its backends
die and come back, name servers and DNS lists fall silent, fail, lie and come back, settings and certificates are
reloaded (some of them wrong), snapshots are asked for and smtpguardctl looks.

In the end: resident memory and descriptors as after the warm-up, no session left, what was told 250 is at a backend,
what was told to come again passed in the end, nothing is twice unless the journal names it as doubtful, no sanitizer
has said a word, and all that the soak is for was seen (verdict.py). The exit code says whether. Everything is on
loopback addresses, at a bounded rate, and ends by itself.
"""
import argparse
import asyncio
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import crowd  # noqa: E402
import verdict  # noqa: E402
import world  # noqa: E402
from backend import Backend  # noqa: E402
from harness import certs, dns, guard, ports, wait  # noqa: E402
from ledger import Ledger  # noqa: E402

RULES = HERE.parent.parent / "rules.d" / "smtpguard-rules.cfg"
SHOWN = (["stats"], ["stats", "--prometheus"], ["health"], ["sessions"], ["list"], ["last", "20"], ["rules"], ["lists"],
         ["backend"], ["show", "127.16.1.1"], ["explain", "--client", "127.16.1.1"], ["config"])
MORE = ',\n{ name = "more"; when = "helo == \'x\'"; points = 1; }'
# On top of the shipped rules, which are all enforced here: strangers from half of the nets come twice, and each kind of
# lookup has a rule that reads it.
OURS = r"""
{ name = "strangers"; when = "not client.known_good and (client.ip in 127.10.0.0/22 or client.ip in 2001:db8::/32)";
  do = "greylist"; reply = "450 4.7.1 Come again in {wait} s, {client}"; },
{ name = "bad-domain"; when = "not (dnsbl_domain('dbl.soak.test', sender.domain) is none)"; do = "reject"; },
{ name = "listed"; when = "not (dnsbl('bl.soak.test') is none)"; do = "reject"; reply = "550 5.7.1 On {list}: {txt}"; },
{ name = "named"; when = "client.name =~ /\\.org[a-e]\\.test$/"; points = 1; },
{ name = "rdns-unknown"; when = "client.rdns is unknown"; points = 1; },
{ name = "spf-unknown"; when = "spf is unknown"; points = 1; },
{ name = "spf-pass"; when = "spf == 'pass'"; points = 1; },
{ name = "proven"; when = "identity == 'ip.test'"; points = 1; },
"""
SETTLE_SECONDS = 90
DNS_RETEST = "2s"


class Soak:
    def __init__(self, folder, options):
        self.options, self.folder = options, folder
        self.rng, self.ledger = random.Random(options.seed), Ledger()
        self.certs = [certs.make(folder, f"mx{n}.example.test") for n in (1, 2)]
        self.backends = [Backend(ports.free_port(), self.ledger, self.rng, slow=0.02, close=0.005, mute=0.005,
                                 defer=0.005) for _ in range(2)]
        self.world = world.World()
        self.names = [dns.Dns(self.world) for _ in range(2)]
        self.guard = guard.Guard(folder / "guard", [b.port for b in self.backends], start=False)
        self.proxied = ports.free_port()
        self.crowd = crowd.Crowd(self.guard.port, self.proxied, self.ledger, self.rng, crowd.lax(), wait.PATIENCE)
        self.samples, self.tasks, self.running = [], set(), True

    # ---- the server and its settings ----

    def configure(self, certificate=0, more=""):
        g = self.guard
        cert, key = self.certs[certificate]
        (self.folder / "trusted.list").write_text(f"192.0.2.1\n{crowd.XCLIENT}\n")
        g.configure(
            listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}"], "xclient_from": [crowd.XCLIENT]},
                       {"name": "proxied", "address": [f"127.0.0.1:{self.proxied}"],
                        "proxy_protocol_from": [crowd.PROXY]}),
            tls={"certificates": ({"cert": cert, "key": key},)},
            lists={"trusted": str(self.folder / "trusted.list")},
            limits={"waiting": 500, "command_timeout": "10s", "data_timeout": "10s"},
            relay={"memory_per_message": "64k", "idle": "2s", "remember": 1000, "connections": 15},
            dns={"servers": [n.server for n in self.names], "timeout": "1s", "retest": DNS_RETEST, "cache": 4000},
            greylist={"delay": "2s", "window": "60s", "keep": "8s"}, known_good={"messages": 20, "over": "30s"},
            score={"memory": "8M", "half_life": "10s"}, log={"decisions": 2000})
        text = g.config.read_text().replace("rules = ();", "")
        shipped = RULES.read_text().replace('state = "observe";', "").rstrip().rstrip(",")
        g.config.write_text(f"{text}rules = (\n{OURS}{shipped}{more}\n);\n")

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

    async def fail_list(self):
        """One of the DNS lists, for a while; most of them are back in play a little later."""
        zone, trouble = self.rng.choice((*world.LISTS, world.DOMAINS)), self.rng.choice(world.TROUBLES)
        self.ledger.counts["DNS lists that failed"] += 1
        self.world.trouble[zone] = trouble
        await asyncio.sleep(2 + self.rng.random() * 6)
        del self.world.trouble[zone]

    async def fail_names(self):
        """One name server, or both, for a moment: silent, or slow."""
        failing = self.rng.choice(([self.names[0]], [self.names[1]], self.names))
        self.ledger.counts["name servers that failed"] += len(failing)
        slow = self.rng.random() * 0.5
        for names in failing:
            names.down, names.delay = slow < 0.2, slow
        await asyncio.sleep(1 + self.rng.random() * 3)
        for names in failing:
            names.down, names.delay = False, 0

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
        acts = ((5, self.reload), (7, self.snapshot), (1, self.look), (15, self.restart_backend), (0.5, self.sample),
                (8, self.fail_list), (20, self.fail_names))
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

    async def warm_up(self):
        """What is opened once is open: both workers' sockets, a connection to a backend."""
        await asyncio.gather(*(self.crowd.deliver() for _ in range(30)))
        await asyncio.to_thread(wait.until, self.settled, SETTLE_SECONDS, "no session, no delay, no body")
        await asyncio.sleep(5)

    async def run(self):
        for backend in self.backends:
            await backend.start()
        self.configure()
        await asyncio.to_thread(self.guard.start)
        await self.warm_up()
        _, first = self.status()
        await self.load()
        await asyncio.to_thread(wait.until, self.settled, SETTLE_SECONDS, "no session, no delay, no body")
        await asyncio.sleep(5)
        _, last = self.status()
        stats, deaf = self.guard.ctl_json("stats"), sum(not n.thread.is_alive() for n in self.names)
        try:
            await asyncio.to_thread(self.guard.stop)
        except AssertionError as fault:
            self.ledger.faults.append(str(fault))
        for backend in self.backends:
            await backend.stop()
        return verdict.Evidence(self.options.time, not self.options.sanitized, self.samples, (first, last), stats,
                                self.guard.records(), deaf, self.crowd.refused, self.ledger)


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
        return verdict.report(asyncio.run(soak.run()))
    finally:
        for names in soak.names:
            names.stop()
        if soak.guard.process and soak.guard.process.poll() is None:
            soak.guard.process.kill()
        if options.keep:
            print(f"see {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
