"""--check, --dump, --version and the exit codes: a fault names its file and line."""
import pathlib
import re
import shutil
import socket

import pytest

from harness import ports, settings
from harness.guard import run_guard

ROOT = pathlib.Path(__file__).resolve().parents[2]
MINIMAL = 'relay = { domains = ["example.test"]; };\n'


@pytest.fixture
def check(folder):
    """check(text) runs --check on a settings file with this text: (exit code, all that was said)."""
    def run(text, *more):
        path = folder / "try.cfg"
        path.write_text(text)
        done = run_guard("--check", "-c", path, *more)
        return done.returncode, done.stdout + done.stderr
    return run


def test_a_good_file_is_quiet(check):
    code, said = check('server = { user = ""; };\n' + MINIMAL)
    assert code == 0, said


def test_the_shipped_files_pass():
    for name in ("smtpguardd.cfg", "demo.cfg"):
        done = run_guard("--check", "-c", ROOT / name)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_example_of_a_proxied_listener(folder):
    """What stands there as a comment is right, too."""
    text = (ROOT / "smtpguardd.cfg").read_text().replace('# , { name = "proxied"', ', { name = "proxied"')
    shutil.copytree(ROOT / "rules.d", folder / "rules.d")
    shutil.copy(ROOT / "trusted.list", folder)
    (folder / "smtpguardd.cfg").write_text(text)
    done = run_guard("--dump", "-c", folder / "smtpguardd.cfg")
    assert "192.0.2.5:2525" in done.stdout and '"192.0.2.4"' in done.stdout, done


def test_what_is_always_unknown_is_said_and_no_fault(check):
    code, said = check(MINIMAL + """rules = (
  { name = "who"; when = "auth.user is none"; points = 15; },
  { name = "fine"; when = "spike(messages by sender) > 10"; charge = 5; to = "net"; do = "mail"; },
  { name = "user"; when = "offences > 3"; charge = 5; to = "user"; } );
""")
    assert code == 0, said
    assert re.search(r'try\.cfg:3: note: rule "who": auth\.user is always unknown in this version', said), said
    assert re.search(r'try\.cfg:5: note: rule "user": auth\.user is always unknown in this version', said), said
    assert '"fine"' not in said, said


@pytest.mark.parametrize("line, reason", [
    ("colour = 3;", "colour"),
    ("limits = { colour = 3; };", "colour"),
    ('limits = { recipients = "many"; };', "recipients"),
    ("limits = { recipients = -1; };", "recipients"),
    ('limits = { delay = "10 parsecs"; };', "delay"),
    ('limits = { message_size = "5x"; };', "message_size"),
    ("limits = { sessions = 4294967297; };", "4294967297"),
    ('smtp = { bare_newline = "eat"; };', "bare_newline"),
    ('log = { format = "xml"; };', "format"),
    ('listeners = ( { address = ["127.0.0.1:99999"]; } );', "99999"),
    ('listeners = ( { address = ["nonsense"]; } );', "nonsense"),
    ('relay = { backends = ["http://x"]; };', "http://x"),
    ('relay = { identity = "ident"; };', "identity"),
    ('relay = { clients = ["10.0.0.0/99"]; };', "10.0.0.0/99"),
    ('rules = ( { name = "x"; when = "helo =="; do = "defer"; } );', "when|helo"),
    ('rules = ( { name = "x"; when = "colour == 3"; do = "defer"; } );', "colour"),
    ('rules = ( { name = "x"; when = "score == \'a\'"; do = "defer"; } );', "score|type|number"),
    ('rules = ( { name = "x"; when = "score > 1"; do = "explode"; } );', "explode"),
    ('rules = ( { name = "x"; when = "sender in list(\'none\')"; do = "defer"; } );', "none"),
    ('rules = ( { name = "x"; when = "score > 1"; do = "scan"; } );', "scan"),
    ('rules = ( { name = "x"; when = "score > 1"; do = "block"; } );', "hold"),
    ('rules = ( { name = "x"; when = "score > 1"; do = "tag"; header = "X"; } );', "Name: value"),
    ('rules = ( { name = "x"; when = "distinct(load by client, 1h) > 1"; do = "log"; } );', "distinct"),
    ('rules = ( { name = "x"; when = "recipient == \'a\' and message.size > 1"; do = "log"; } );', "recipient"),
    ('rules = ( { name = "x"; when = "helo =~ /(/"; do = "defer"; } );', "/\\(/|regex|paren"),
    ('rules = ( { when = "score > 1"; colour = 3; } );', "colour"),
    ('rules = ( { name = "x"; when = "spf == fail"; do = "log"; } );', "stands in quotes"),
    ('rules = ( { name = "x"; when = "header(\'X\') is known and recipient == \'a\'"; do = "log"; } );', "two rules"),
    ('rules = ( { name = "x"; when = "tls"; do = "defer"; reply = "later"; } );', "as in: 450 4.7.1"),
    ('lists = { trusted = "not-there.list"; };', "not-there"),
])
def test_a_fault_has_file_line_and_reason(check, line, reason):
    code, said = check("# one\n# two\n" + line + "\n")
    assert code == 1
    told = [s for s in said.splitlines() if re.search(r"try\.cfg:3: ", s)]
    assert told, said
    assert re.search(reason, said), said


def test_every_fault_is_told_at_once(check):
    code, said = check("colour = 1;\nlimits = { taste = 2; };\nsmell = 3;\n")
    assert code == 1
    assert [n for n in (1, 2, 3) if re.search(rf"try\.cfg:{n}: ", said)] == [1, 2, 3], said


def test_a_missing_comma_is_explained(check):
    code, said = check('relay = { domains = ["a.test"\n  "b.test" ];\n  clients = ["127.0.0.1" ["::1"] ]; };\n')
    assert code == 1 and re.search(r"try\.cfg:\d+: .*comma", said), said


def test_an_expression_fault_has_a_caret(check):
    code, said = check('rules = ( { name = "x"; when = "helo == \'a\' and and score > 1"; do = "log"; } );\n')
    assert code == 1 and re.search(r"^\S+ {2,}\^$", said, re.M), said


def test_the_manual_shows_a_fault_as_it_is(check):
    page = (ROOT / "docs/man/smtpguard-rules.5").read_text()
    shown = page.split(".Sh DIAGNOSTICS\n.Bd -literal\n")[1].split(".Ed")[0]
    code, said = check('\n\nrules = ( { name = "burst"; when = "count(mesages by client, 1m) > 60"; charge = 5; } );\n')
    told = re.sub(r"\S*/try\.cfg", "my.cfg", said)
    assert code == 1 and shown in told, said


def test_the_caret_points_into_a_pattern(check):
    code, said = check('rules = ( { name = "x"; when = "helo =~ /ab(c/"; do = "log"; } );\n')
    expression, caret = said.splitlines()[-2:]
    assert code == 1 and expression[caret.index("^")] == "/" and "/ab(c" == expression[:caret.index("^")][-5:], said


def test_a_rule_without_a_name_is_told_once(check):
    code, said = check('rules = ( { name = "a b"; when = "tls"; do = "log"; }, { when = "tls"; do = "log"; } );\n')
    assert code == 1 and "name is missing" in said and "name is taken" not in said, said


def test_identity_none_needs_domains(check):
    for identity in ("none", "xforward"):
        code, said = check(f'relay = {{ identity = "{identity}"; }};\n')
        assert code == 1 and "domains" in said
        code, said = check('server = { user = ""; };\n'
                           f'relay = {{ identity = "{identity}"; domains = ["example.test"]; }};\n')
        assert code == 0, said


def test_an_include(check, folder):
    (folder / "rules.d").mkdir()
    (folder / "rules.d/one.cfg").write_text('{ name = "one"; when = "score > 1"; do = "log"; }\n')
    text = 'server = { user = ""; };\nrules = (\n@include "rules.d/one.cfg"\n);\n'
    assert check(text)[0] == 0
    (folder / "rules.d/one.cfg").write_text('\n{ name = "one"; when = "colour > 1"; do = "log"; }\n')
    code, said = check(text)
    assert code == 1 and re.search(r"rules\.d/one\.cfg:2: ", said), said


def test_dump_is_a_settings_file_with_every_default(folder):
    path = folder / "try.cfg"
    path.write_text('server = { user = ""; };\nlimits = { recipients = 77; };\n')
    first = run_guard("--dump", "-c", path)
    assert first.returncode == 0, first.stderr
    for wanted in ("recipients = 77", "sessions = 20000", "half_life", "recipient_ok_for", "min_data_rate ="):
        assert wanted in first.stdout
    again = folder / "again.cfg"
    again.write_text(first.stdout)
    second = run_guard("--dump", "-c", again)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout


def test_version():
    done = run_guard("--version")
    assert done.returncode == 0 and re.match(r"smtpguardd \d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("arguments", [[], ["-c"], ["--frob"], ["-c", "x", "extra"], ["--check"]])
def test_wrong_usage(arguments):
    done = run_guard(*arguments)
    if arguments == ["--check"] and done.returncode == 1:
        # a build may have a default path for the settings; then its absence is the fault
        assert "cfg" in done.stderr
        return
    assert done.returncode == 2 and done.stderr


def test_a_missing_file():
    done = run_guard("-c", "/nonexistent/x.cfg")
    assert done.returncode == 1 and "/nonexistent/x.cfg" in done.stderr


def test_a_taken_port_is_a_fault(guard, backend):
    """Bound by another program: the server says so and exits 1."""
    g = guard(backend(), start=False)
    with socket.create_server(("127.0.0.1", g.port)):
        done = run_guard("-c", g.config)
    assert done.returncode == 1 and str(g.port) in done.stderr + "".join(g.messages())


def test_paths_are_relative_to_the_file(folder):
    (folder / "deep").mkdir()
    port = ports.free_port()
    (folder / "deep/try.cfg").write_text(settings.text({
        "server": {"user": "", "hostname": "mx.example.test", "control": str(folder / "control"), "spool": str(folder)},
        "listeners": ({"name": "mx", "address": [f"127.0.0.1:{port}"], "tls": "off"},),
        "relay": {"backends": ["maildir://inbox"], "domains": ["example.test"], "identity": "none",
                  "recipients": "none", "state": str(folder / "relay.state")},
        "score": {"memory": "64M", "snapshot": str(folder / "snap")}, "lists": {}}))
    done = run_guard("--dump", "-c", folder / "deep/try.cfg")
    assert done.returncode == 0, done.stderr
    assert str(folder / "deep/inbox") in done.stdout or "maildir://inbox" in done.stdout


def test_a_warning_is_no_fault(check):
    """No certificate with tls = starttls: allowed, with a warning."""
    code, said = check('server = { user = ""; };\n'
                       'listeners = ( { address = ["127.0.0.1:2525"]; tls = "starttls"; } );\n')
    assert code == 0 and "warning" in said.lower()
