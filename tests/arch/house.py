"""What the house rules share: which rooms there are, who may include whom, and how a fault is told.

The tables are those of docs/ARCHITECTURE.md. A rule script prints one line for each fault, in the
form FILE:LINE: message, and exits 1; without a fault it prints what it looked at and exits 0.
"""
import argparse
import pathlib
import sys

ALL = "base smtp score config rulebook net dns relay rcpt scan ctl replay tools server".split()

# room -> rooms it may include besides its own
MAY_INCLUDE = {
    "base": [], "smtp": ["base"], "score": ["base"], "config": ["base"], "net": ["base"], "dns": ["base"],
    "relay": ["base", "smtp", "net"], "rcpt": ["base", "net"], "scan": ["base", "net"], "ctl": ["base", "net"],
    "rulebook": ["base", "score", "config"],
    "replay": ["base", "score", "config", "ctl"],
    "tools": ["base", "net", "ctl", "score", "config", "rulebook", "replay"],
    "server": ALL,
}
# file -> rooms that this one file may include beyond its room's
EXCEPTIONS = {"dns/resolver.c": ["net"], "dns/channel.c": ["net"]}
# third-party header (or folder of headers) -> the one file that may name it
THIRD_PARTY = {
    "mimalloc.h": "base/mem.c", "sanitizer/": "base/pool.c", "pcre2.h": "score/regex.c", "libconfig.h": "config/load.c",
    "openssl/": "net/tls.c", "sys/epoll.h": "net/loop.c", "ares.h": "dns/channel.c", "libpsl.h": "dns/org.c",
    "sqlite3.h": "rcpt/sqlite.c", "libpq-fe.h": "rcpt/pgsql.c", "gmime/": "scan/mime.c", "jansson.h": "ctl/json.c",
    "ncurses.h": "tools/top.c", "seccomp.h": "server/sandbox.c", "systemd/": "server/daemon.c",
}
# pure rooms: bytes and structs in, structs out
PURE = ["smtp", "score", "config"]


def sources(root, suffixes=(".c", ".h"), rooms=ALL):
    """Each source file of the rooms below root, with its name relative to root."""
    for room in rooms:
        folder = pathlib.Path(root) / room
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if path.suffix in suffixes:
                yield str(path.relative_to(root)), path


def run(check, what, argv=None, arguments=("root",)):
    """Runs check(args) -> (faults, things looked at), tells the outcome and exits."""
    parser = argparse.ArgumentParser(description=what)
    for name in arguments:
        parser.add_argument("--" + name, required=True)
    faults, seen = check(parser.parse_args(argv))
    for fault in faults:
        print(fault)
    if not seen:
        print(f"{what}: found nothing to check, which is a fault too")
        sys.exit(1)
    print(f"{what}: {seen} looked at, {len(faults)} faults")
    sys.exit(1 if faults else 0)
