#!/usr/bin/env python3
"""The release's programs have what the compiler and the linker can give them against an attacker."""
import argparse
import json
import pathlib
import re
import subprocess
import sys

# those that can be read off a program are; the others off the commands that made its objects
FLAGS = ["-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full"]
ROOMS = ["base", "smtp", "score", "config", "net", "relay", "ctl", "server", "tools", "replay", "rulebook"]


def faults_of_program(program):
    told = subprocess.run(["readelf", "-W", "-h", "-l", "-d", "-n", "--dyn-syms", program], check=True, text=True,
                          capture_output=True).stdout
    wanted = {
        "is position independent (PIE)": r"Type:\s+DYN",
        "has a read-only relocation table (RELRO)": r"GNU_RELRO",
        "binds all at its start (full RELRO)": r"FLAGS.*\b(BIND_NOW|NOW)\b",
        "has no executable stack": r"GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW\s",
        "guards its stack frames": r"__stack_chk_fail",
        "calls checked C functions (_FORTIFY_SOURCE)": r"__(memcpy|snprintf|vsnprintf|read|recv|memmove)_chk",
    }
    if re.search(r"Machine:.*X86-64", told):
        # the program's own property needs start files that have it as well, and Debian's have not
        told += subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], check=True, text=True,
                               capture_output=True).stdout
        wanted["has control flow protection"] = r"<main>:\n[^\n]*\bendbr64"
    return [f"{program}: not so: {what}" for what, pattern in wanted.items() if not re.search(pattern, told)]


def faults_of_commands(commands):
    faults, seen = [], 0
    for entry in commands:
        path = pathlib.PurePath(entry["file"])
        if not any(path.match(f"{room}/*.c") and "tests" not in path.parts for room in ROOMS):
            continue
        seen += 1
        missing = [flag for flag in FLAGS if flag not in entry["command"].split()]
        if not re.search(r"-ftrivial-auto-var-init=(zero|pattern)", entry["command"]):
            missing.append("-ftrivial-auto-var-init")
        if missing:
            faults.append(f"{path}: compiled without {' '.join(missing)}")
    return faults if seen else ["no command of a room was found"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", help="compile_commands.json", required=True)
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    faults = faults_of_commands(json.loads(pathlib.Path(args.commands).read_text()))
    for program in args.programs:
        faults += faults_of_program(program)
    print("\n".join(faults) or f"hardening: {len(args.programs)} programs are as they should be")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
