"""maildir://: mail without any MTA, as the demonstration uses it."""
import os
import pathlib
import shutil

from harness import mails, wait
from harness.client import Client
from harness.guard import quickest
from harness.queuefile import cut_trace

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELAY = {"identity": "none", "recipients": "none", "domains": ["example.test"]}


def box(folder):
    return sorted((folder / "inbox/new").iterdir())


def test_a_mail_lies_in_new(guard, folder):
    g = guard(f"maildir://{folder}/inbox", relay=RELAY)
    body = mails.big("maildir", 100_000)
    with Client(g.port, source="127.3.4.5") as c:
        assert {"PIPELINING", "SIZE", "8BITMIME"} <= set(c.ehlo())
        reply = c.mail(body, rcpts=["demo@example.test", "second@example.test"])
        assert reply.code == 250
    found = box(folder)
    assert len(found) == 1 and not list((folder / "inbox/tmp").iterdir())
    text = found[0].read_bytes().replace(b"\r\n", b"\n")
    head, _, _ = text.partition(b"\n\n")
    assert b"[127.3.4.5]" in head and b"Received: " in head
    assert text.endswith(body.replace(b"\r\n", b"\n"))
    assert found[0].stat().st_mode & 0o077 == 0
    assert g.journaled("mail", verdict="accepted")[0]["backend"]


def test_content_is_kept(guard, folder):
    g = guard(f"maildir://{folder}/inbox", relay=RELAY)
    content = b"Subject: dots\r\n\r\n.\r\n..\r\nFrom here\r\n"
    with Client(g.port) as c:
        c.ehlo()
        assert c.mail(content).code == 250
    text = box(folder)[0].read_bytes()
    if b"\r\n" not in text:
        text = text.replace(b"\n", b"\r\n")
    while not text.startswith(b"Received: "):
        # Return-Path: and Delivered-To: stand above the trace
        text = text[text.index(b"\r\n") + 2:]
    assert cut_trace(text) == content


def test_many_mails_have_names_of_their_own(guard, folder):
    g = guard(f"maildir://{folder}/inbox", relay=RELAY)
    with Client(g.port) as c:
        c.ehlo()
        for n in range(50):
            assert c.mail(mails.content(f"m{n}")).code == 250
    assert len(box(folder)) == 50


def test_no_open_relay(guard, folder):
    g = guard(f"maildir://{folder}/inbox", relay=RELAY)
    with Client(g.port) as c:
        c.ehlo()
        reply = c.envelope(rcpts=["someone@elsewhere.test"])
        assert (reply.code, reply.enhanced) == (550, "5.7.1")


def test_a_folder_that_cannot_be_written(guard, folder):
    """The mail is not lost: the sender keeps it."""
    (folder / "inbox").write_text("a file stands here")
    g = guard(f"maildir://{folder}/inbox", relay=RELAY)
    reply = mails.send(g.port, "x")
    assert 400 <= reply.code < 500, reply
    os.unlink(folder / "inbox")
    wait.until(lambda: mails.send(g.port, "x").code == 250, 20, "a mail taken", pause=0.2)
    assert len(box(folder)) == 1


def test_the_demonstration(guard, folder):
    """demo.cfg, as `make run` starts it, on another port: the README's first mail and its harvester."""
    g = guard("maildir://unused", start=False)
    for name in ("trusted.list", "demo-people.list"):
        shutil.copy(ROOT / name, g.folder / name)
    shutil.copytree(ROOT / "rules.d", g.folder / "rules.d")
    text = (ROOT / "demo.cfg").read_text()
    g.config.write_text(text.replace("127.0.0.1:2525", f"127.0.0.1:{g.port}"))
    g.settings["server"]["control"] = str(g.folder / "demo-mail/run/control")
    g.start()
    assert mails.send(g.port, "demo", rcpts=["you@example.test"]).code == 250
    assert len(list((g.folder / "demo-mail/new").iterdir())) == 1
    codes = []
    for n in range(14):
        codes.append(mails.send(g.port, "x", source="127.0.0.2", rcpts=[f"guess{n}@example.test"]).code)
        if codes[-1] != 550:
            break
    assert codes[:5] == [550] * 5 and 400 <= codes[-1] < 500, codes
    assert quickest(lambda: mails.send(g.port, "demo", rcpts=["you@example.test"])) < 2 * wait.PATIENCE
    assert mails.send(g.port, "demo", rcpts=["you@example.test"]).code == 250
