#!/usr/bin/env python3
"""kill -9 at random moments under load, and a restart each time: once with an SMTP backend, once with an LMTP backend
that takes a mail for some of its recipients only.

Senders bring each mail again until they are told 250. In the end: what was told 250 is there for every recipient;
nothing is there twice unless the journal names that mail as doubtful, at its end or at the next start.
"""
import argparse
import asyncio
import pathlib
import random
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from backend import Backend  # noqa: E402
from harness import guard, ports, wait  # noqa: E402
from ledger import Ledger, answered_too_late, doubtful  # noqa: E402
from sender import Mail, Sender  # noqa: E402
from talk import Way  # noqa: E402

LAST_MAILS_SECONDS = 120  # for what is on its way when the killing is over


async def load(sender, way, number, end):
    """One mail after the other; some are cut off behind the dot, by a client that is as mortal as the server."""
    rng = sender.rng
    while not end.is_set():
        recipients = [f"user{rng.randrange(1000)}.{i}@example.test" for i in range(rng.choice((1, 2, 3)))]
        mail = Mail(rng, f"sender{number}@client.test", recipients, rng.choice((300, 3000, 40_000, 400_000)))
        await sender.deliver(lambda: way, mail, cut=rng.random() < 0.1, pause=0.05, tries=10_000)


def settings(lmtp, port):
    scheme = "lmtp" if lmtp else "smtp"
    return {"relay": {"backends": [f"{scheme}://127.0.0.1:{port}"], "identity": "none" if lmtp else "xclient",
                      "memory_per_message": "64k"}, "score": {"memory": "1M"}}


async def kill_and_start(g, rng, options):
    await asyncio.sleep(rng.random() * options.between * wait.PATIENCE)
    await asyncio.to_thread(g.kill)
    await asyncio.to_thread(g.start)


async def run(folder, lmtp, options):
    rng = random.Random(options.seed)
    ledger, port = Ledger(), ports.free_port()
    backend = Backend(port, ledger, rng, lmtp=lmtp, slow=0.03, close=0.02, mute=0.01, partly=0.15, defer=0.02)
    await backend.start()
    g = guard.Guard(folder, [port], start=False)
    g.configure(**settings(lmtp, port))
    await asyncio.to_thread(g.start)
    sender, end = Sender(ledger, rng, patience=wait.PATIENCE), asyncio.Event()
    working = [asyncio.create_task(load(sender, Way(g.port, f"127.30.{n}.1"), n, end))
               for n in range(options.senders)]
    for _ in range(options.count):
        await kill_and_start(g, rng, options)
    end.set()
    _, late = await asyncio.wait(working, timeout=LAST_MAILS_SECONDS * wait.PATIENCE)
    for task in late:
        ledger.faults.append("a sender is still not told 250")
        task.cancel()
    for task in working:
        if task not in late:
            task.result()
    await asyncio.to_thread(g.stop)
    await backend.stop()
    return ledger, g


def report(kind, ledger, g, options):
    records = g.records()
    named, late = doubtful(records), answered_too_late(records)
    doubles = ledger.judge(named | late)
    print(f"{kind}: {options.count} times kill -9; {len(ledger.heard)} mails told 250, "
          f"{sum(map(len, ledger.copies.values()))} copies for {len(ledger.copies)} recipients of theirs; "
          f"{len(named)} mails named as doubtful, {len(late)} reset in the moment of their 250, "
          f"{doubles} copies came twice, {len(ledger.faults)} faults")
    print("  " + ", ".join(f"{what}: {n}" for what, n in sorted(ledger.counts.items())))
    for fault in ledger.faults[:20]:
        print("  FAULT " + fault)
    if options.count and len(ledger.heard) < options.count:
        print("  too little load: this says nothing")
        return False
    return not ledger.faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="kills, for each kind of backend (%(default)s)")
    parser.add_argument("--senders", type=int, default=12, help="at once (%(default)s)")
    parser.add_argument("--between", type=float, default=0.5, help="the most seconds from a start to the next kill "
                        "(%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the random numbers, to have them again")
    parser.add_argument("--keep", action="store_true", help="keep the folders with the journals")
    options = parser.parse_args()
    options.seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {options.seed}", flush=True)
    well = True
    for kind in ("SMTP", "LMTP"):
        folder = tempfile.mkdtemp(prefix="smtpguard-kill-")
        try:
            ledger, g = asyncio.run(run(pathlib.Path(folder), kind == "LMTP", options))
            good = report(kind, ledger, g, options)
        finally:
            if options.keep:
                print(f"  see {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        well &= good
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
