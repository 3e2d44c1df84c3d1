#!/usr/bin/env python3
"""Which lines and branches the tests have reached: a table by room, and by the files that carry the mail's fate.

Reads the counts that a build with the preset `coverage` left behind (gcov's JSON). A line counts once, in whichever
program it was reached. Branches are those of the machine code as gcov sees it: those that the compiler made of
itself, for an exception say, are left away.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# every line and every branch of these is reached, and stays so
FATE = {"framing": ["smtp/body_in.c", "smtp/body_out.c", "smtp/line.c", "smtp/reply_in.c"],
        "reply relay": ["relay/finish.c", "relay/envelope.c"],
        "relay.state": ["relay/memory.c", "relay/memory_file.c", "relay/remember.c", "relay/state_format.c",
                        "relay/intent.c", "relay/notes.c"]}
BATCH = 40


class Source:
    def __init__(self):
        self.lines = collections.Counter()
        self.branches = collections.Counter()

    def add(self, told):
        for line in told["lines"]:
            number = line["line_number"]
            self.lines[number] += line["count"]
            for place, branch in enumerate(b for b in line["branches"] if not b["throw"]):
                self.branches[number, place] += branch["count"]


def gcov(notes):
    done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *map(str, notes)],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"gcov cannot read these counts, run the tests again:\n{done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def read(build):
    """{name: Source} of everything in the rooms, headers too."""
    notes = [p for p in sorted(build.rglob("*.gcno")) if p.with_suffix(".gcda").exists()]
    sources = collections.defaultdict(Source)
    for at in range(0, len(notes), BATCH):
        for unit in gcov(notes[at:at + BATCH]):
            for told in unit["files"]:
                path = pathlib.Path(unit["current_working_directory"], told["file"]).resolve()
                name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
                if name and not name.startswith(("tests/", "fuzz/", "bench/", "build/")):
                    sources[name].add(told)
    return sources


def reached(counts):
    return sum(1 for n in counts.values() if n), len(counts)


def total(sources):
    lines = [reached(s.lines) for s in sources]
    branches = [reached(s.branches) for s in sources]
    return [sum(column) for column in zip(*lines)], [sum(column) for column in zip(*branches)]


def show(name, sources):
    parts = total(sources) if sources else ([0, 0], [0, 0])
    shares = [100 * part[0] / part[1] if part[1] else 100.0 for part in parts]
    print(f"{name:24}" + "".join(f"{part[0]:>8} of {part[1]:<6}{share:6.1f} %" for part, share in zip(parts, shares)))
    return shares[0]


def is_whole(source):
    return all(source.lines.values()) and all(source.branches.values())


def missed(name, source):
    lines = sorted(n for n, count in source.lines.items() if not count)
    ways = sorted({n for (n, _), count in source.branches.items() if not count} - set(lines))
    print(f"{name}: lines {' '.join(map(str, lines)) or 'all reached'}; "
          f"branches in {' '.join(map(str, ways)) or 'no line are missing'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the folder of the build, usually build/coverage")
    parser.add_argument("--least", type=float, default=0, help="per cent of all lines; fewer, or a branch less "
                        "of what was reached whole: exit code 1")
    parser.add_argument("--missed", nargs="*", metavar="FILE", help="also tell what was not reached in these files; "
                        "without a name: in all")
    options = parser.parse_args()
    sources = read(options.build)
    if not sources:
        sys.exit(f"no counts in {options.build}: run the tests of `cmake --preset coverage` first")
    rooms = sorted({name.split("/")[0] for name in sources})
    print(f"{'':24}{'lines':>17}{'':8}{'branches':>17}")
    for room in rooms:
        show(room, [s for name, s in sources.items() if name.split("/")[0] == room])
    for what, names in FATE.items():
        show(what, [sources[n] for n in names if n in sources])
        for name in names:
            if name not in sources:
                sys.exit(f"{name} is not among what was compiled")
    share = show("all", list(sources.values()))
    cut = [name for names in FATE.values() for name in names if not is_whole(sources[name])] if options.least else []
    for name in cut:
        missed(name, sources[name])
        print(f"{name}: every line and branch was reached before")
    if options.missed is not None:
        for name in options.missed or sorted(sources):
            missed(name, sources[name])
    return 0 if share >= options.least and not cut else 1


if __name__ == "__main__":
    sys.exit(main())
