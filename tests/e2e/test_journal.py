"""One line for each session and one for each mail attempt, with all that an administrator asks later."""
import contextlib
import datetime
import json
import re

from harness import mails, wait
from harness.client import Client, Closed

FIELDS = {
    "session": "time event id session listener client port verdict total_ms",
    "mail": "time event id session mail listener client port helo from to size verdict by code reply "
            "rules backend backend_reply waited_ms backend_ms total_ms",
}


def test_an_accepted_mail(guard, backend):
    b = backend()
    g = guard(b)
    with Client(g.port, source="127.12.0.1") as c:
        c.ehlo("told.test")
        assert c.mail(mails.content("j"), rcpts=["one@example.test", "two@example.test"]).code == 250
        port = c.port
        c.cmd("QUIT")
    mail, session = g.journaled("mail")[0], g.journaled("session")[0]
    assert set(FIELDS["mail"].split()) <= set(mail) | {"score", "points"}, set(FIELDS["mail"].split()) - set(mail)
    assert mail["client"] == session["client"] == "127.12.0.1" and mail["port"] == session["port"] == port
    assert mail["session"] == session["session"] and mail["mail"] == 1 and mail["listener"] == "mx"
    assert mail["helo"] == "told.test" and mail["from"] == "sender@client.test"
    assert mail["to"] == ["one@example.test:250", "two@example.test:250"]
    assert mail["verdict"] == "accepted" and mail["code"] == 250 and "2.0.0 Ok: queued" in mail["backend_reply"]
    assert str(b.port) in mail["backend"]
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{8}", mail["id"])
    when = datetime.datetime.fromisoformat(mail["time"].replace("Z", "+00:00"))
    assert re.search(r"\.\d{3}", mail["time"])
    assert abs((datetime.datetime.now(datetime.timezone.utc) - when).total_seconds()) < 60
    assert 0 <= mail["backend_ms"] <= mail["total_ms"] < 60_000


def test_mails_are_numbered_in_their_session(guard, backend):
    g = guard(backend())
    with Client(g.port) as c:
        c.ehlo()
        for _ in range(3):
            assert c.mail().code == 250
    records = g.journaled("mail", 3)
    assert [r["mail"] for r in records] == [1, 2, 3]
    assert len({r["session"] for r in records}) == 1 and len({r["id"] for r in records}) == 3


def test_the_verdicts(guard, backend):
    """accepted, refused, deferred, lost, quit: each for its own kind of end."""
    def by_name(connection, line):
        return {"no": "550 5.7.1 no", "la": "450 4.2.1 later"}.get(line.split("<")[1][:2])
    b = backend({"RCPT": by_name})
    g = guard(b)
    mails.send(g.port, "x", source="127.12.1.1")
    mails.send(g.port, "x", source="127.12.1.2", rcpts=["no@example.test"])
    mails.send(g.port, "x", source="127.12.1.3", rcpts=["later@example.test"])
    with Client(g.port, source="127.12.1.4") as c:
        c.at_data()
        c.send(b"half a mail\r\n")
    with Client(g.port, source="127.12.1.5") as c:
        c.ehlo()
        c.cmd("QUIT")
    wanted = {"127.12.1.1": "accepted", "127.12.1.2": "refused", "127.12.1.3": "deferred", "127.12.1.4": "lost"}
    g.journaled("mail", 4)
    assert {r["client"]: r["verdict"] for r in g.journal("mail")} == wanted
    assert g.journaled("session", client="127.12.1.5")[0]["verdict"] == "quit"
    refused = g.journal("mail", client="127.12.1.2")[0]
    assert refused["by"] == "backend" and refused["code"] == 550 and "5.7.1 no" in refused["backend_reply"]


def test_the_null_sender_is_shown(guard, backend):
    g = guard(backend())
    assert mails.send(g.port, "x", sender="").code == 250
    assert g.journaled("mail")[0]["from"] == "<>"


def test_a_foreign_value_cannot_forge_a_line(guard, backend):
    """Quotes, control bytes, C1 and UTF-8 in HELO, addresses and the backend's replies: one line an event."""
    forged = '550 5.7.1 "} \x1b[2J {"event":"mail","verdict":"accepted","id":"FORGED"}'
    b = backend({"RCPT": forged.encode("latin-1") + b"\xc2\x9b\xff\r\n"})
    g = guard(b)
    with Client(g.port) as c:
        c.send(b'EHLO x"\\,\x80\x9b\r\n')
        c.reply()
        c.cmd('EHLO q"},{"event":"mail"')
        c.ehlo()
        c.cmd(b'MAIL FROM:<"\\"}{"@client.test>')
        c.send("RCPT TO:<some@example.test>\r\n")
        c.sock.recv(4096)
    # records() holds every byte of the log against printable ASCII
    g.journaled("session")
    assert not [r for r in g.records() if r.get("id") == "FORGED"]
    assert len(g.journal("mail")) <= 1


def test_every_session_has_its_line(guard, backend):
    """Also those that say nothing, reset, or come in hundreds."""
    g = guard(backend())
    for n in range(60):
        c = Client(g.port, f"127.12.3.{n + 1}", greet=n % 3 == 0)
        c.reset() if n % 2 else c.close()
    g.journaled("session", 60)
    assert len({r["client"] for r in g.journal("session")}) == 60


def test_logfmt(guard, backend):
    """The same as key=value, which grep and people read."""
    g = guard(backend(), start=False)
    g.configure(log={"format": "logfmt"})
    g.start()
    mails.send(g.port, "x", helo="two-words.test")
    lines = wait.until(lambda: [l for l in (g.folder / "journal").read_text().splitlines() if "event=mail" in l], 10,
                       "a mail line")
    pairs = dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', lines[0]))
    assert pairs["verdict"] == "accepted" and pairs["client"] == "127.0.0.1" and pairs["helo"] == "two-words.test"
    assert "good@example.test:250" in pairs["to"]


def test_hidden_addresses(guard, backend):
    """hash: the same client has the same name, which is not its address; none: no trace."""
    for how in ("hash", "none"):
        g = guard(backend(), start=False)
        g.configure(log={"addresses": how})
        g.start()
        mails.send(g.port, "x", source="127.12.4.1", sender="who@client.test")
        mails.send(g.port, "x", source="127.12.4.1", sender="who@client.test")
        records = g.journaled("mail", 2)
        text = json.dumps(g.journal())
        assert "127.12.4.1" not in text and "who@client.test" not in text and "good@example.test" not in text
        assert records[0].get("client") == records[1].get("client")


SEEN = ("127.55.0.8", "secret-sender", "secret-rcpt", "hidden.test", "guess-")


def on_disk(g):
    return b"".join(p.read_bytes() for p in g.folder.rglob("*") if p.is_file() and not p.name.endswith(".cfg"))


def seen_in_clear(text):
    return [word for word in SEEN if (word.encode() if isinstance(text, bytes) else word) in text]


def busy(g, mailing=True):
    """A mail, guesses that the backend's and our replies name, an alert: all of SEEN is heard."""
    with Client(g.port, "127.55.0.8") as c:
        c.ehlo("[127.55.0.8]")
        c.cmd("MAIL FROM:<secret-sender@hidden.test>")
        for n in range(4):
            c.cmd(f"RCPT TO:<guess-{n}@hidden.test>")
    if mailing:
        reply = mails.send(g.port, "x", source="127.55.0.8", sender="secret-sender@hidden.test",
                           rcpts=["secret-rcpt@hidden.test"])
        assert reply.code == 250


HEARD = ({"name": "guessing", "when": "count(bad_recipients by client, 10m) > 0", "charge": 10, "do": "mail"},
         {"name": "sender", "when": "count(messages by sender, 10m) > 0", "charge": 10, "do": "log"},
         {"name": "domain", "when": "count(recipients by recipient.domain, 10m) > 0", "charge": 1},
         {"name": "rcpt", "when": "count(recipients by recipient, 10m) > 0", "charge": 1},
         {"name": "faces", "when": "distinct(sender by helo, 10m) > 0 and spike(messages by sender.domain) > 0",
          "charge": 1, "to": "domain"},
         {"name": "later", "when": "count(bad_recipients by client, 10m) > 6", "do": "defer",
          "reply": "450 4.7.1 Too many from {client}"},
         {"name": "end", "when": "count(deferred by client, 10m) > 0", "do": "block", "hold": "1h"})


def hiding(guard, backend, mode):
    b = backend({"RCPT": lambda c, line: f"550 5.1.1 {line.split(':')[1]}: nobody" if "guess-" in line else None})
    return guard(b, rules=HEARD, relay={"domains": ["hidden.test"]}, log={"addresses": mode})


def test_hidden_addresses_stand_nowhere(guard, backend):
    """Snapshot, journal, decision records and lists name nobody; who knows an address finds what is kept of it."""
    g = hiding(guard, backend, "hash")
    busy(g)
    busy(g, mailing=False)
    with contextlib.suppress(Closed):
        busy(g, mailing=False)
    wait.until(lambda: g.ctl_json("list", "--kind", "block")["entries"], 10, "the block")
    g.ctl_json("snapshot")
    told = "".join(g.ctl(*words).stdout for words in (["list"], ["list", "--kind", "block"], ["--json", "last", "100"]))
    for entry in g.ctl_json("last", "100")["decisions"]:
        told += g.ctl("--json", "explain", entry["id"]).stdout
    assert "guessing" in told and seen_in_clear(told) == [] and seen_in_clear(on_disk(g)) == []
    assert g.ctl("explain", "--client", "127.55.0.8").returncode == 0
    for known in ("127.55.0.8", "secret-sender@hidden.test", "hidden.test"):
        assert g.ctl("show", known).returncode == 0, known
        assert g.ctl_json("delete", known)["deleted"] >= 1, known
    g.configure(log={"addresses": "hash", "replay": str(g.folder / "replay")})
    refused = g.ctl("reload")
    assert refused.returncode == 1 and "log.addresses" in refused.stderr and seen_in_clear(refused.stderr) == []


def test_a_switch_to_hidden_addresses_leaves_none_in_the_snapshot(guard, backend):
    g = hiding(guard, backend, "plain")
    busy(g)
    g.ctl_json("snapshot")
    snapshot = g.folder / "state.snap"
    assert set(seen_in_clear(snapshot.read_bytes())) >= {"secret-sender", "secret-rcpt"}
    g.configure(rules=HEARD, log={"addresses": "hash"})
    g.reload()
    g.ctl_json("snapshot")
    assert seen_in_clear(snapshot.read_bytes()) == [] and seen_in_clear(g.ctl("list").stdout) == []
    shown = g.ctl_json("show", "secret-sender@hidden.test")["entries"][0]
    assert shown["points"] >= 10 and shown["key"] in [e["key"] for e in g.ctl_json("list")["entries"]]
