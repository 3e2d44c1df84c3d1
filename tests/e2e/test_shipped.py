"""The rules that are shipped, as they are: switched on they slow, defer and block who floods, and nobody else."""
import pathlib

from harness import mails, settings, wait
from harness.client import Client
from harness.guard import elapsed, quickest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKEND_RULES = (ROOT / "rules.d" / "smtpguard-rules.cfg").read_text()


def shipped(guard, backend):
    """A server with the shipped rules; its list of trusted hosts holds 127.200.0.1."""
    g = guard(backend, start=False)
    (g.folder / "rules.d").mkdir()
    (g.folder / "rules.d" / "smtpguard-rules.cfg").write_text(BACKEND_RULES)
    (g.folder / "trusted.list").write_text("127.200.0.1\n")
    g.configure(lists={"trusted": "trusted.list"})
    text = settings.text({k: v for k, v in g.settings.items() if k != "rules"})
    g.config.write_text(text + 'rules = (\n@include "rules.d/smtpguard-rules.cfg"\n);\n')
    g.start()
    return g


def test_each_rule_is_one_line_and_says_what_it_is_for():
    lines = BACKEND_RULES.splitlines()
    rules = [n for n, line in enumerate(lines) if line.startswith("{")]
    assert len(rules) >= 14
    for n in rules:
        assert lines[n - 1].startswith("# ") and lines[n].rstrip(",").endswith("}"), lines[n]


def test_a_stranger_waits_a_second_a_trusted_host_does_not(guard, backend):
    g = shipped(guard, backend())
    seconds, reply = elapsed(lambda: mails.send(g.port, "x", source="127.9.1.1"))
    assert reply.code == 250 and 0.9 <= seconds < 8 * wait.PATIENCE
    assert mails.send(g.port, "x", source="127.200.0.1").code == 250
    assert quickest(lambda: mails.send(g.port, "x", source="127.200.0.1")) < 0.9


def test_who_talks_first_is_deferred_and_has_it_on_its_record(guard, backend):
    g = shipped(guard, backend())
    with g.talked_to_early("127.9.2.1", b"EHLO pc.example\r\n") as c:
        assert c.reply().code == 220
        c.reply()
        assert c.envelope().code == 450
    assert g.journaled("mail", client="127.9.2.1")[0]["by"] == "early"
    assert "early" in str(g.journaled("mail", client="127.9.2.1")[0]["rules"])


def test_postmaster_can_be_reached_by_who_is_deferred(guard, backend):
    g = shipped(guard, backend())
    with g.talked_to_early("127.9.3.1", b"EHLO pc.example\r\n") as c:
        assert c.reply().code == 220
        c.reply()
        assert c.cmd("MAIL FROM:<a@client.test>").code == 250
        assert c.cmd("RCPT TO:<good@example.test>").code == 450
        assert c.cmd("RCPT TO:<postmaster@example.test>").code == 250


def test_a_harvester_is_slowed_deferred_and_blocked(guard, backend):
    b = backend({"RCPT": lambda _, line: "550 5.1.1 nobody" if "guess" in line else None})
    g = shipped(guard, b)
    seen = []
    while len(seen) < 60 and 421 not in [code for _, code in seen]:
        with Client(g.port, "127.9.4.1") as c:
            c.ehlo()
            c.cmd("MAIL FROM:<h@bot.test>")
            for n in range(60):
                seconds, reply = elapsed(lambda: c.cmd(f"RCPT TO:<guess{len(seen)}@example.test>"))
                seen.append((seconds, reply.code))
                if reply.code == 421:
                    break
    codes = [code for _, code in seen]
    assert codes[:5] == [550] * 5 and 450 in codes and codes[-1] == 421, codes
    assert any(seconds > 4 for seconds, _ in seen), seen
    assert g.said("alert: rule tell, client 127.9.4.1")
    assert g.said("rule enough: client 127.9.4.1 is blocked for 3600 s")
    with Client(g.port, "127.9.4.1") as c:
        assert c.greeting.code == 421 and c.greeting.enhanced == "4.7.0"
    assert len([line for line in b.lines("RCPT") if "guess" in line]) < 15, "the deferred are not asked of the backend"
    assert mails.send(g.port, "x", source="127.9.4.2").code == 250
