"""Holds every #include of every room against the table of ARCHITECTURE.md.

- "room/file.h" only, the file exists, and the room may be included from here;
- a third-party header is named by its one file, and by no header of ours;
- any other <header> is one of C, POSIX or Linux that is listed here; the pure rooms get fewer of them.
"""
import pathlib
import re

import house

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>|(\S.*))')
# C and POSIX without any I/O: for every room
PLAIN = """assert.h ctype.h errno.h float.h inttypes.h limits.h math.h stdalign.h stdatomic.h stdarg.h stdbool.h
    stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h""".split()
# for the rooms that do I/O
SYSTEM_HEADERS = """arpa/inet.h dirent.h fcntl.h getopt.h grp.h libgen.h linux/capability.h linux/filter.h
    linux/landlock.h linux/sched.h linux/seccomp.h linux/securebits.h linux/sockios.h linux/tcp.h locale.h malloc.h
    net/if.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h pwd.h sched.h signal.h spawn.h sys/capability.h
    sys/eventfd.h sys/file.h sys/ioctl.h sys/mman.h sys/prctl.h sys/random.h sys/resource.h sys/signalfd.h
    sys/socket.h sys/stat.h sys/statvfs.h sys/syscall.h sys/sysinfo.h sys/time.h sys/timerfd.h sys/types.h sys/uio.h
    sys/un.h sys/vfs.h sys/wait.h syslog.h threads.h time.h unistd.h sys/utsname.h sysexits.h""".split()
# for the pure rooms: what they get beyond PLAIN
SYSTEM = {"smtp": ["immintrin.h"], "score": ["pthread.h"], "config": ["sys/stat.h", "libgen.h"]}
# headers of base that a pure room must not see: it has no log and no clock
IMPURE_BASE = ["base/log.h", "base/clock.h"]


def third_party_owner(header):
    for name, owner in house.THIRD_PARTY.items():
        if header == name or (name.endswith("/") and header.startswith(name)):
            return owner
    return None


def check_own(root, name, header):
    room = name.split("/")[0]
    if "/" not in header:
        return f'"{header}" does not name its room'
    target = header.split("/")[0]
    if target not in house.MAY_INCLUDE:
        return f'"{header}": there is no room {target}/'
    # the build makes server/version.h of server/version.h.in
    if not any((pathlib.Path(root) / (header + suffix)).is_file() for suffix in ("", ".in")):
        return f'"{header}" does not exist'
    if target != room and target not in house.MAY_INCLUDE[room] + house.EXCEPTIONS.get(name, []):
        return f'{room}/ may not include "{header}"'
    if room in house.PURE and header in IMPURE_BASE:
        return f'{room}/ is pure: no "{header}"'
    return None


def check_foreign(name, header):
    room = name.split("/")[0]
    owner = third_party_owner(header)
    if owner:
        return None if owner == name else f"<{header}> may be named in {owner} alone"
    if header in PLAIN:
        return None
    if room in SYSTEM:
        return None if header in SYSTEM[room] else f"{room}/ is pure: no <{header}>"
    if header not in SYSTEM_HEADERS:
        return f"<{header}> is not known: list it here, or give the third-party one its one file"
    return None


def check_tree(root):
    faults, seen = [], 0
    for name, path in house.sources(root):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            seen += 1
            own, foreign, macro = match.groups()
            if macro:
                fault = "an #include by macro cannot be checked"
            else:
                fault = check_own(root, name, own) if own is not None else check_foreign(name, foreign)
            if fault:
                faults.append(f"{name}:{number}: {fault}")
    return faults, seen


if __name__ == "__main__":
    house.run(lambda args: check_tree(args.root), "includes")
