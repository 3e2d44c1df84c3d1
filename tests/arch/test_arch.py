"""Each house rule fails on a bad example and passes on a good one: a check that cannot fail is a defect."""
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import all_tests_run
import hardening
import include_direction
import sizes
import undefined_symbols


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


GOOD = {"base/buf.h": "#include <stddef.h>\n", "base/log.h": "", "base/mem.c": "#include <mimalloc.h>\n",
        "smtp/addr.h": '#include "base/buf.h"\n', "net/loop.c": "#include <sys/epoll.h>\n",
        "net/conn.h": "", "relay/pool.c": '#include "smtp/addr.h"\n#include "net/conn.h"\n'}


@pytest.fixture
def tmp_path():
    """pytest's own would leave its folders behind."""
    with tempfile.TemporaryDirectory(prefix="smtpguard-arch-") as name:
        yield pathlib.Path(name)


def test_a_good_tree_has_no_fault(tmp_path):
    faults, seen = include_direction.check_tree(tree(tmp_path, GOOD))
    assert (faults, seen) == ([], 6)


@pytest.mark.parametrize("name, line, reason", [
    ("smtp/x.c", '#include "net/conn.h"', "smtp/ may not include"),
    ("base/x.c", '#include "smtp/addr.h"', "base/ may not include"),
    ("relay/x.c", '#include "server/x.h"', "does not exist"),
    ("smtp/x.c", '#include "base/log.h"', "smtp/ is pure"),
    ("score/x.c", "#include <time.h>", "score/ is pure"),
    ("smtp/x.c", "#include <pthread.h>", "smtp/ is pure"),
    ("smtp/x.c", "  #  include <sys/socket.h>", "smtp/ is pure"),
    ("smtp/x.c", '#include "addr.h"', "does not name its room"),
    ("smtp/x.c", '#include "attic/addr.h"', "there is no room attic/"),
    ("net/x.c", "#include <openssl/ssl.h>", "may be named in net/tls.c alone"),
    ("net/tls.h", "#include <openssl/ssl.h>", "may be named in net/tls.c alone"),
    ("net/x.c", "#include <sys/epoll.h>", "may be named in net/loop.c alone"),
    ("base/x.c", "#include <mimalloc.h>", "may be named in base/mem.c alone"),
    ("server/x.c", "#include <curl/curl.h>", "is not known"),
    ("server/x.c", "#include HEADER", "by macro"),
])
def test_a_wrong_include_is_found(tmp_path, name, line, reason):
    faults, _ = include_direction.check_tree(tree(tmp_path, {**GOOD, name: "\n" + line + "\n"}))
    assert len(faults) == 1 and faults[0].startswith(f"{name}:2: ") and reason in faults[0]


def test_the_exception_of_one_file_is_not_its_rooms(tmp_path):
    root = tree(tmp_path, {**GOOD, "dns/resolver.c": '#include "net/conn.h"\n', "dns/org.c": '#include "net/conn.h"\n'})
    faults, _ = include_direction.check_tree(root)
    assert [f.split(":")[0] for f in faults] == ["dns/org.c"]


def library(folder, name, members):
    """A static library of small C files, as CMake would name their objects."""
    objects = []
    for member, text in members.items():
        source, target = folder / member, folder / (member + ".o")
        source.write_text(text)
        subprocess.run(["cc", "-w", "-O1", "-c", source, "-o", target], check=True)
        objects.append(target)
    path = folder / f"lib{name}.a"
    subprocess.run(["ar", "rcs", path, *objects], check=True)
    return str(path)


needs_cc = pytest.mark.skipif(not (shutil.which("cc") and shutil.which("nm")), reason="no C compiler")


@needs_cc
@pytest.mark.parametrize("room, call, allowed", [
    ("smtp", "memcpy", True), ("smtp", "buf_put", True), ("smtp", "snprintf", True), ("smtp", "own", True),
    ("smtp", "socket", False), ("smtp", "time", False), ("smtp", "clock_gettime", False), ("smtp", "fopen", False),
    ("smtp", "log_msg", False), ("smtp", "pthread_create", False), ("smtp", "pthread_mutex_lock", False),
    ("smtp", "printf", False), ("smtp", "getenv", False),
    ("score", "pthread_mutex_lock", True), ("score", "pcre2_match_8", True), ("score", "time", False),
    ("score", "log_msg", False), ("score", "clock_now_ms", False), ("score", "fopen", False),
    ("config", "fopen", True), ("config", "config_read", True), ("config", "socket", False),
    ("config", "pthread_mutex_lock", False), ("config", "log_msg", False),
])
def test_an_impure_call_is_found(tmp_path, room, call, allowed):
    base = undefined_symbols.base_symbols(library(tmp_path, "base", {
        "buf.c": "void buf_put(void) {}", "log.c": "void log_msg(void) {}",
        "clock.c": "void clock_now_ms(void) {}"}))
    caller = f"extern int {call}(); int entry(void) {{ return {call}(1, 2, 3); }}"
    pure = library(tmp_path, room, {"x.c": caller, "own.c": "void own(void) {}"})
    faults, seen = undefined_symbols.check_room(room, pure, base)
    assert seen >= 1
    assert (faults == []) == allowed, faults
    assert allowed or (f"{room}/x.c" in faults[0] and call in faults[0])


def test_smtp_calls_nothing_that_ends_at_a_nul(tmp_path):
    base = undefined_symbols.base_symbols(library(tmp_path, "base", {"buf.c": "int base_buf;"}))
    code = "#include <string.h>\nconst char *x(const char *p) { return strchr(p, *p + 1); }"
    pure = library(tmp_path, "smtp", {"x.c": code})
    assert undefined_symbols.check_room("smtp", pure, base)[0] != []
    assert undefined_symbols.check_room("score", pure, base)[0] == []


def test_sizes_are_held():
    assert list(sizes.check_file("smtp/x.c", "int f(void)\n{\n" + "\tx();\n" * 58 + "}\n")) == []
    assert "a function of 61" in next(sizes.check_file("smtp/x.c", "int f(void)\n{\n" + "\tx();\n" * 59 + "}\n"))
    assert "501 lines" in next(sizes.check_file("smtp/x.c", "\n" * 501))
    assert list(sizes.check_file("smtp/x.c", "\n" * 500)) == []
    assert "121 columns" in next(sizes.check_file("smtp/x.h", "\t" + "x" * 113 + "\n"))


def a_test(**properties):
    given = {"LABELS": ["unit"], "TIMEOUT": 10.0, **properties}
    return {"name": "t", "command": ["x"], "properties": [{"name": k, "value": v} for k, v in given.items()]}


def test_a_sleeping_test_is_found(tmp_path):
    assert list(all_tests_run.check_properties([a_test()])) == []
    assert "disabled" in next(all_tests_run.check_properties([a_test(DISABLED=True)]))
    assert "labels" in next(all_tests_run.check_properties([a_test(LABELS=[])]))
    assert "TIMEOUT" in next(all_tests_run.check_properties([a_test(TIMEOUT=None)]))
    assert "not built" in next(all_tests_run.check_properties([{**a_test(), "command": []}]))
    root = tree(tmp_path, {"tests/e2e/test_a.py": "", "tests/e2e/test_b.py": "", "tests/base/test_ip.c": "",
                           "tests/base/test_buf.c": "",
                           "fuzz/corpus/addr/1": "", "fuzz/corpus/line/1": ""})
    tests = [{"name": "e2e_a", "command": ["python3", "tests/e2e/test_a.py"]},
             {"name": "fuzz_addr", "command": ["x"]}]
    assert list(all_tests_run.check_sources(root, tests, {str(root / "tests/base/test_ip.c")})) == [
        "tests/base/test_buf.c: belongs to no program", "tests/e2e/test_b.py: no ctest runs it"]
    assert list(all_tests_run.check_corpora(root, tests)) == ["fuzz/corpus/line: no ctest runs it"]


def test_a_program_without_protection_is_found(tmp_path):
    (tmp_path / "bare.c").write_text("int main(void) { return 0; }\n")
    program = tmp_path / "bare"
    subprocess.run(["gcc", "-no-pie", "-fcf-protection=none", "-fno-stack-protector", "-z", "norelro",
                    "-z", "execstack", tmp_path / "bare.c", "-o", program], check=True, capture_output=True)
    told = " ".join(hardening.faults_of_program(program))
    for what in ("PIE", "RELRO", "full RELRO", "executable stack", "stack frames", "FORTIFY"):
        assert what in told, told


@pytest.mark.parametrize("left_out", [*hardening.FLAGS, "-ftrivial-auto-var-init=zero"])
def test_a_command_without_a_flag_is_found(left_out):
    flags = [f for f in [*hardening.FLAGS, "-ftrivial-auto-var-init=zero"] if f != left_out]
    good = {"file": "/src/smtp/a.c", "command": " ".join(["cc", *hardening.FLAGS, "-ftrivial-auto-var-init=zero"])}
    assert hardening.faults_of_commands([good]) == []
    bad = {"file": "/src/net/b.c", "command": " ".join(["cc", *flags])}
    assert len(hardening.faults_of_commands([good, bad])) == 1
    assert hardening.faults_of_commands([{"file": "/src/tests/net/b.c", "command": "cc"}]) != [], "none was looked at"
