"""relay.groups: the recipient's domain chooses the backends; one group's trouble is not another's."""
import time

import pytest

from harness import guard as guards
from harness import lmtp, mails, wait
from harness.client import Client

PATIENCE = 20


@pytest.fixture
def store():
    one = lmtp.Store()
    yield one
    one.stop()


def group(name, domains, *urls, **more):
    return {"name": name, "backends": list(urls), "domains": list(domains), **more}


def url(backend):
    return f"smtp://127.0.0.1:{backend.port}"


def send(g, *rcpts, host="127.20.0.1"):
    """The code of the mail and those of its recipients."""
    with Client(g.port, host) as c:
        c.ehlo("client.test")
        c.cmd("MAIL FROM:<sender@client.test>")
        answers = [c.cmd(f"RCPT TO:<{to}>") for to in rcpts]
        if not any(a.code == 250 for a in answers):
            return None, answers
        assert c.cmd("DATA").code == 354
        c.send(mails.content(mails.marker(), 100) + b".\r\n")
        return c.reply().code, answers


def told(g):
    return g.ctl_json("backend")["backends"]


def test_the_domain_chooses(guard, backend, store):
    main, shop = backend(), backend()
    g = guard(main, relay={"groups": (group("shop", ["shop.test", "Store.Test"], url(shop)),
                                      group("boxes", ["boxes.test"], store.url, identity="none"))})
    assert send(g, "a@example.test")[0] == 250
    assert send(g, "a@SHOP.test", "b@store.test")[0] == 250
    assert send(g, "a@boxes.test")[0] == 250
    assert [m.recipients for m in main.mails] == [["a@example.test"]]
    assert [m.recipients for m in shop.mails] == [["a@SHOP.test", "b@store.test"]]
    assert [s.recipient for s in store.stored] == ["a@boxes.test"]
    # nobody's domain
    code, answers = send(g, "a@elsewhere.test")
    assert code is None and answers[0].code == 550 and "5.7.1" in answers[0].text
    groups = {r["to"][0].split(":")[0]: r.get("group") for r in g.journaled("mail", 4)}
    assert [groups[to] for to in ("a@example.test", "a@SHOP.test", "a@boxes.test")] == ["main", "shop", "boxes"]
    assert [(b["name"], b["identity"]) for b in told(g)] == [("main", "xclient"), ("shop", "xclient"),
                                                            ("boxes", "none")]


def test_main_takes_the_rest(guard, backend):
    main, shop = backend(), backend()
    g = guard(main, relay={"domains": [], "groups": (group("shop", ["shop.test"], url(shop)),)})
    assert send(g, "a@anywhere.test")[0] == 250
    assert send(g, "a@sub.shop.test")[0] == 250
    assert send(g, "a@shop.test")[0] == 250
    assert len(main.mails) == 2 and len(shop.mails) == 1


def test_a_maildir_of_a_group(guard, backend, folder):
    """Its folder is made, and is within the sandbox's walls, as that of a backend of main is."""
    g = guard(backend(), start=False)
    local = {"name": "local", "backends": [f"maildir://{folder}/elsewhere/mail"], "identity": "none",
             "domains": ["local.test"]}
    g.configure(relay={"identity": "none", "recipients": ["none"], "domains": ["example.test"], "groups": (local,)})
    g.start()
    assert mails.send(g.port, "kept here", rcpts=["a@local.test"]).code == 250
    assert len(list((folder / "elsewhere/mail/new").iterdir())) == 1


def test_a_mail_for_two_groups(guard, backend):
    main, shop = backend(), backend()
    g = guard(main, relay={"groups": (group("shop", ["shop.test"], url(shop)),)})
    code, answers = send(g, "a@shop.test", "b@example.test", "c@shop.test")
    assert code == 250 and [a.code for a in answers] == [250, 452, 250]
    assert "4.5.3" in answers[1].text and "separately" in answers[1].text
    assert shop.mails[0].recipients == ["a@shop.test", "c@shop.test"] and not main.mails
    # a recipient that was refused binds nobody
    shop.script["RCPT"] = "550 5.1.1 No such user"
    code, answers = send(g, "unknown@shop.test", "b@example.test")
    assert code == 250 and [a.code for a in answers] == [550, 250]
    assert main.mails[0].recipients == ["b@example.test"]


def test_what_all_can_do_is_announced(guard, backend):
    main, shop = backend(), backend(extensions=["PIPELINING", "SIZE 1000", "XCLIENT ADDR"])
    g = guard(main, relay={"groups": (group("shop", ["shop.test"], url(shop)),)})
    wait.until(lambda: all(b["state"] == "up" for b in told(g)), PATIENCE, "the backends")
    with Client(g.port) as c:
        offered = c.ehlo("client.test")
    assert offered["SIZE"] == "SIZE 1000" and "8BITMIME" not in offered


def test_trouble_of_one_group_is_its_own(guard, backend):
    main, shop = backend(), backend(script={"RCPT": "(silence)"})
    g = guard(main, relay={"connections": 1,
                           "groups": (group("shop", ["shop.test"], url(shop), connections=1),)})
    with Client(g.port, "127.20.0.1") as stuck:
        stuck.ehlo("client.test")
        stuck.cmd("MAIL FROM:<sender@client.test>")
        stuck.send(b"RCPT TO:<a@shop.test>\r\n")
        before = time.monotonic()
        assert send(g, "a@example.test")[0] == 250
        assert time.monotonic() - before < 10 * wait.PATIENCE
        shop.stop()
    wait.until(lambda: [b["state"] for b in told(g)] == ["up", "down"], PATIENCE, "the group is down")
    assert send(g, "b@example.test")[0] == 250
    assert [a.code for a in send(g, "b@shop.test")[1]] == [451]


def test_a_reload_moves_a_domain(guard, backend):
    main, shop = backend(), backend()
    groups = (group("shop", ["shop.test"], url(shop)),)
    g = guard(main, relay={"groups": groups})
    assert send(g, "a@shop.test")[0] == 250
    g.configure(relay={"domains": ["example.test", "shop.test"]})
    g.reload()
    assert send(g, "b@shop.test")[0] == 250
    assert [b["name"] for b in told(g)] == ["main"]
    g.configure(relay={"groups": groups})
    g.reload()
    assert send(g, "c@shop.test")[0] == 250
    assert len(main.mails) == 1 and len(shop.mails) == 2


def test_a_reload_between_rcpt_and_the_dot(guard, backend):
    """What was one mail for one group is for two now: it must not reach a backend that has nothing to do with it."""
    main, shop = backend(), backend()
    g = guard(main, relay={"domains": ["example.test", "shop.test"]})
    with Client(g.port) as c:
        c.ehlo()
        assert c.envelope(rcpts=["a@shop.test", "b@example.test"]).code == 250
        g.configure(relay={"groups": (group("shop", ["shop.test"], url(shop)),)})
        g.reload()
        assert c.cmd("DATA").code == 354
        assert c.body(b"Subject: x\r\n\r\n").code == 451
    assert not main.taken and not shop.taken
    assert [send(g, to)[0] for to in ("a@shop.test", "b@example.test")] == [250, 250]
    assert [len(main.mails), len(shop.mails)] == [1, 1]


@pytest.mark.parametrize("rcpts", [["a@shop.test"], ["a@shop.test", "b@shop.test"]], ids=["one", "two"])
def test_a_reload_drops_the_domain_before_the_dot(guard, backend, rcpts):
    """What is nobody's any more is not for group main's backend either."""
    main, shop = backend(), backend()
    g = guard(main, relay={"groups": (group("shop", ["shop.test"], url(shop)),)})
    with Client(g.port) as c:
        c.ehlo()
        assert c.envelope(rcpts=rcpts).code == 250
        g.configure(relay={"groups": ()})
        g.reload()
        assert c.cmd("DATA").code == 354
        assert c.body(b"Subject: x\r\n\r\n").code == 451
    assert not main.taken and not shop.taken
    assert send(g, "a@shop.test")[1][0].code == 550


def test_dump_can_be_read_back(guard, backend, folder):
    main, shop = backend(), backend()
    g = guard(main, start=False, relay={"groups": (group("shop", ["shop.test"], url(shop)),)})
    dump = guards.run_guard("--dump", "-c", g.config).stdout
    assert 'name = "shop"' in dump
    again = folder / "again.cfg"
    again.write_text(dump)
    assert guards.run_guard("--dump", "-c", again).stdout == dump


def test_what_a_group_has_said_is_its_own(guard, backend):
    """A reload gives the domain to another group: who was unknown there before is asked for again."""
    one, two = backend({"RCPT": "550 5.1.1 nobody"}), backend()
    groups = [group("a", ["moved.test"], url(one)), group("b", ["kept.test"], url(two))]
    g = guard(backend(), relay={"groups": tuple(groups)})
    assert send(g, "x@moved.test")[1][0].code == 550
    assert send(g, "x@moved.test")[1][0].code == 550
    assert len(one.lines("RCPT")) == 1, "it was not remembered"
    groups = [group("a", ["kept.test"], url(one)), group("b", ["moved.test"], url(two))]
    g.configure(relay={"groups": tuple(groups)})
    g.reload()
    assert send(g, "x@moved.test")[0] == 250
    last = wait.until(lambda: (d := g.ctl_json("last", "1")["decisions"]) and d[0]["verdict"] == "accepted" and d, 10,
                      "the decision")
    record = last[0]
    assert record["group"] == "b"
    assert "of group b" in g.ctl("explain", record["id"]).stdout
    assert g.ctl("forget", "x@moved.test").returncode == 0
    assert g.ctl("forget", "x@moved.test").returncode == 1


def test_what_is_known_of_each(guard, backend):
    """Limits that were found out, and TLS, stand beside state and identity."""
    limited = backend(extensions=["PIPELINING", "SIZE 12345678", "LIMITS RCPTMAX=7"])
    few = {**group("a", ["few.test"], url(limited)), "identity": "none", "tls": "may"}
    g = guard(backend(), relay={"groups": (few,)})
    wait.until(lambda: all(b["state"] == "up" for b in g.ctl_json("backend")["backends"]), PATIENCE, "the backends")
    main, few = g.ctl_json("backend")["backends"]
    assert (main["rcpt_max"], main["tls"]["set"]) == (0, "off")
    assert (few["rcpt_max"], few["size"], few["identity"]) == (7, 12345678, "none")
    assert few["tls"] == {"set": "may", "version": "", "failed": False}
    text = g.ctl("backend").stdout
    assert "at most 7 recipients" in text and "may, in the clear" in text
