"""No source file over 500 lines, no line over 120 columns, no function longer than a screen."""
import house

FILE_LINES = 500
FUNCTION_LINES = 60
COLUMNS = 120
TAB = 8
PROGRAMS = house.ALL + ["tests", "fuzz", "bench"]


def functions(lines):
    """(first line, length) of each function: from the brace alone in column 0 to the one that closes it."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield start, number - start + 1
            start = None


def check_file(name, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield f"{name}:{len(lines)}: {len(lines)} lines, {FILE_LINES} are the most"
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(TAB)) > COLUMNS:
            yield f"{name}:{number}: {len(line.expandtabs(TAB))} columns, {COLUMNS} are the most"
    if name.endswith((".c", ".h")):
        for number, length in functions(lines):
            if length > FUNCTION_LINES:
                yield f"{name}:{number}: a function of {length} lines, {FUNCTION_LINES} are the most"


def check_tree(root):
    faults, seen = [], 0
    for name, path in house.sources(root, (".c", ".h", ".py"), PROGRAMS):
        seen += 1
        faults += check_file(name, path.read_text())
    return faults, seen


if __name__ == "__main__":
    house.run(lambda args: check_tree(args.root), "sizes")
