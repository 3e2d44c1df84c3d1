"""No test sleeps unnoticed: each source of a test belongs to a registered ctest, none is disabled.

Reads `ctest --show-only=json-v1` and compile_commands.json of the build folder, and the sources under tests/. A
pytest file is registered by its name; a C test is compiled into a program, which sg_unit_test() registers.
"""
import json
import pathlib
import subprocess

import house

LABELS = {"unit", "e2e", "arch", "fuzz", "dialogue"}


def registered(build):
    out = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True, check=True).stdout
    return json.loads(out)["tests"]


def check_properties(tests):
    for test in tests:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        if properties.get("DISABLED"):
            yield f"{test['name']}: disabled"
        if not LABELS & set(properties.get("LABELS", [])):
            yield f"{test['name']}: has none of the labels {', '.join(sorted(LABELS))}"
        if not properties.get("TIMEOUT"):
            yield f"{test['name']}: has no TIMEOUT"
        if not test.get("command"):
            yield f"{test['name']}: its program was not built"


def check_sources(root, tests, compiled):
    """A test file that no ctest runs."""
    commands = {part for test in tests for part in test.get("command", [])}
    words = {pathlib.Path(part).name for part in commands}
    for path in sorted((pathlib.Path(root) / "tests").rglob("test_*")):
        name = str(path.relative_to(root))
        if path.suffix == ".py" and path.name not in words:
            yield f"{name}: no ctest runs it"
        if path.suffix == ".c" and str(path) not in compiled:
            yield f"{name}: belongs to no program"


def compiled_sources(build):
    """What the build compiles; each test program of a room is registered together with it (sg_unit_test)."""
    return {entry["file"] for entry in json.loads((pathlib.Path(build) / "compile_commands.json").read_text())}


def check_corpora(root, tests):
    """A fuzz target whose corpus is never run."""
    names = {test["name"] for test in tests}
    for folder in sorted((pathlib.Path(root) / "fuzz" / "corpus").glob("*/")):
        if f"fuzz_{folder.name}" not in names:
            yield f"fuzz/corpus/{folder.name}: no ctest runs it"


def check(args):
    tests = registered(args.build)
    faults = [*check_properties(tests), *check_sources(args.root, tests, compiled_sources(args.build)),
              *check_corpora(args.root, tests)]
    return faults, len(tests)


if __name__ == "__main__":
    house.run(check, "registered tests", arguments=("root", "build"))
