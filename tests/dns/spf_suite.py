"""The public SPF test suite of the authors of RFC 7208 (rfc7208/, with its licence) run by spf_script.

    spf_suite.py SPF_SCRIPT SUITE.yml
"""
import subprocess
import sys

import yaml


def escaped(value):
    """Bytes that a line of a script cannot hold, as \\xHH."""
    return "".join(c if " " <= c < "\x7f" and c != "\\" else f"\\x{ord(c):02x}" for c in value)


def joined(value):
    """TXT may be a list of strings."""
    return "".join(value) if isinstance(value, list) else value


def records(name, entries):
    """Lines of one name. SPF records stand for TXT, unless the name has TXT records of its own."""
    entries = [e if isinstance(e, dict) else {e: True} for e in entries]
    own_txt = any("TXT" in e for e in entries)
    for kind, value in (pair for e in entries for pair in e.items()):
        if kind in ("TIMEOUT", "CNAMELOOP"):
            yield name, "FAIL", ""
        elif kind == "SPF" and not own_txt:
            yield name, "TXT", joined(value)
        elif kind == "MX":
            yield name, "MX", value[1]
        elif kind != "SPF" and value != "NONE":
            yield name, kind, joined(value)


def case(test):
    """One line of a case. DEFAULT is a receiver's own text: here there is none."""
    results = test["result"] if isinstance(test["result"], list) else [test["result"]]
    fields = ["?", test["host"], test["helo"] or "-", test["mailfrom"] or "-", ",".join(results)]
    if "explanation" in test:
        fields.append("text=" + ("" if test["explanation"] == "DEFAULT" else test["explanation"]))
    return fields


def script(suite):
    """All scenarios, one behind the other."""
    for scenario in yaml.safe_load_all(suite):
        yield "reset"
        for name, entries in scenario["zonedata"].items():
            for fields in records(name, entries):
                yield "\t".join(map(escaped, fields))
        for title, test in scenario["tests"].items():
            yield f"# {title}"
            yield "\t".join(map(escaped, case(test)))


def main():
    """Runs it; shows the lines that a fault names."""
    program, path = sys.argv[1:]
    with open(path, encoding="utf-8") as suite:
        lines = list(script(suite))
    run = subprocess.run([program, "/dev/stdin"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    for line in run.stdout.splitlines():
        number = line.removeprefix("/dev/stdin:").split(":")[0]
        print(line, lines[int(number) - 2] if number.isdigit() else "")
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
