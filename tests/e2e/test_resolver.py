"""The resolver in the real server: every kind of answer and silence, from scripted name servers and a real one."""
import os
import socket
import subprocess
import threading

import pytest

from harness import dns as names, wait
from harness.client import Client
from harness.guard import elapsed

RULES = ({"name": "nameless", "when": "client.rdns is none", "do": "reject", "reply": "550 5.7.1 no name"},
         {"name": "other", "when": "client.rdns == 'mismatch'", "points": 1})


def client_zone(ip, name="mail.client.test", **how):
    return {names.reverse(ip): {"PTR": name, **how}, name: {"A": ip}}


TIMEOUT = f"{wait.PATIENCE:g}s"  # where it is waited for
PATIENT = "20s"  # where an answer comes, however busy the machine is


def started(guard, backend, *servers, **dns):
    return guard(backend(), dns={"servers": list(servers), "timeout": PATIENT, **dns}, rules=RULES)


def visit(g, ip):
    """A session of this client to its RCPT; the reply, and what the journal says of the client."""
    with Client(g.port, source=ip) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@b.test>")
        reply = c.cmd("RCPT TO:<good@example.test>")
        c.cmd("QUIT")
    return reply, g.journaled("session", client=ip)[-1]


def test_names_are_found_and_confirmed(guard, backend, dns):
    d = dns({**client_zone("127.1.0.1"), names.reverse("127.1.0.2"): {"PTR": "else.test"},
             "else.test": {"A": "192.0.2.1"}, names.reverse("127.1.0.3"): {"PTR": "www.alias.test"},
             "www.alias.test": {"CNAME": "mail.alias.test"}, "mail.alias.test": {"A": ["192.0.2.9", "127.1.0.3"]}})
    g = started(guard, backend, d.server)
    reply, seen = visit(g, "127.1.0.1")
    assert reply.code == 250 and (seen["rdns"], seen["name"]) == ("ok", "mail.client.test")
    assert visit(g, "127.1.0.2")[1]["rdns"] == "mismatch"
    assert visit(g, "127.1.0.3")[1]["rdns"] == "ok"
    reply, seen = visit(g, "127.1.0.4")
    assert reply.text.startswith("5.7.1 no name") and seen["rdns"] == "none"


def test_a_name_is_never_more_than_bytes(guard, backend, dns):
    evil = b"a\r\nRCPT TO:<x@y.test>\x1b[2J\0." + b"b" * 63 + b".test"
    d = dns({names.reverse("127.1.0.1"): {"PTR": evil}, names.reverse("127.1.0.2"): {"PTR": ""},
             names.reverse("127.1.0.3"): {"PTR": [f"n{i}.test" for i in range(200)]}})
    g = started(guard, backend, d.server)
    for ip, rdns in (("127.1.0.1", "none"), ("127.1.0.2", "none"), ("127.1.0.3", "mismatch")):
        _, seen = visit(g, ip)  # the journal's lines are looked at as they are read
        assert seen["rdns"] == rdns and "name" not in seen


@pytest.mark.parametrize("how", [names.TRUNCATED, names.FORGED, [names.SERVFAIL, names.OK], [names.LOST, names.OK],
                                 [names.WRONG_ID, names.OK], [names.WRONG_QUESTION, names.OK],
                                 [names.EMPTY, names.OK]], ids=repr)
def test_a_bad_answer_costs_no_more_than_a_try(guard, backend, dns, how):
    zone = {}
    for n in range(1, 30):
        zone.update(client_zone(f"127.1.0.{n}", f"mail{n}.client.test", do=how))
    g = started(guard, backend, dns(zone).server, timeout=TIMEOUT)
    clients = iter(range(1, 30))

    def found():  # by who was asked in time
        reply, seen = visit(g, f"127.1.0.{next(clients)}")
        assert reply.code == 250
        return seen.get("rdns") == "ok"

    wait.until(found, 20, "a name in spite of a bad answer")


@pytest.mark.parametrize("how", [names.LOST, names.SERVFAIL, names.REFUSED, names.FORMERR, names.LOOP, names.GARBAGE,
                                 names.HUGE, names.Slow(15 * wait.PATIENCE)], ids=repr)
def test_what_is_not_known_is_held_against_nobody(guard, backend, dns, how):
    d = dns(client_zone("127.1.0.1", do=how))
    g = started(guard, backend, d.server, timeout=PATIENT if how in (names.HUGE, names.LOOP) else TIMEOUT)
    seconds, (reply, seen) = elapsed(lambda: visit(g, "127.1.0.1"))
    assert seconds < 10 * wait.PATIENCE and "name" not in seen
    # an alias, or another type, in a PTR's place is an answer: there is no name
    assert reply.code == (550 if seen.get("rdns") == "none" else 250)
    assert ("rdns" in seen) == (how == names.HUGE), seen


def test_no_name_server_at_all(guard, backend):
    g = started(guard, backend, "127.0.0.1:9")
    seconds, (reply, seen) = elapsed(lambda: visit(g, "127.1.0.1"))
    assert reply.code == 250 and "rdns" not in seen and seconds < 10 * wait.PATIENCE


def test_the_next_server_answers_and_is_preferred(guard, backend, dns):
    zone = {}
    for n in range(1, 60):
        zone.update(client_zone(f"127.1.0.{n}", f"mail{n}.client.test"))
    dead, alive = dns(zone), dns(zone)
    dead.down = True
    g = guard(backend(), dns={"servers": [dead.server, alive.server], "timeout": "3s", "retest": "1h"}, rules=RULES,
              server={"workers": 1})
    for n in range(1, 13):
        wait.until(lambda: visit(g, f"127.1.0.{n}")[1].get("rdns") == "ok", 10, "the second's answer in time")
    asked = dead.count()
    seconds, _ = elapsed(lambda: [visit(g, f"127.1.0.{n}") for n in range(20, 30)])
    assert dead.count() == asked and seconds < 8 * wait.PATIENCE


def test_one_question_for_many_sessions(guard, backend, dns):
    d = dns(client_zone("127.1.0.1"))
    d.delay = 0.3
    g = started(guard, backend, d.server)  # nothing is asked once more
    threads = [threading.Thread(target=visit, args=(g, "127.1.0.1")) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(g.journaled("session", 40, client="127.1.0.1", rdns="ok")) == 40
    assert d.count(kind="PTR") <= 2  # one a worker
    assert visit(g, "127.1.0.1")[1]["rdns"] == "ok" and d.count(kind="PTR") <= 2
    stats = g.ctl_json("stats")["dns"]
    assert stats["queries"] == d.count() and stats["hits"] + stats["merged"] + stats["queries"] == stats["asked"]
    assert stats["open"] == stats["failed"] == 0 and 2 <= stats["entries"] <= 4 and stats["bytes"] > 0
    assert f'smtpguard_dns_questions_total{{answer="query"}} {d.count()}\n' in g.ctl("stats", "--prometheus").stdout
    assert f"{d.count()} sent" in g.ctl("stats").stdout


def test_a_reload_asks_the_new_servers(guard, backend, dns):
    first, second = dns(client_zone("127.1.0.1")), dns(client_zone("127.1.0.2", "second.client.test"))
    g = started(guard, backend, first.server)
    assert visit(g, "127.1.0.1")[1]["rdns"] == "ok"
    g.configure(dns={"servers": [second.server], "timeout": PATIENT}, rules=RULES)
    g.reload()
    assert visit(g, "127.1.0.2")[1]["rdns"] == "ok" and second.count() >= 2
    assert visit(g, "127.1.0.1")[1]["rdns"] == "ok" and first.count() == 2  # what is known stays known


# the machine's own file, in the eyes of this server: "$1" over it; what stands for one that cannot be read lies beside
SYSTEM = ["unshare", "-m", "sh", "-ec", 'mount --bind "$1" "$(realpath /etc/resolv.conf)"; shift; exec "$@"', "sh"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have an /etc/resolv.conf of its own")
def test_a_bad_resolv_conf_keeps_the_servers_of_before(guard, backend, dns, folder):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("this kernel gives no mount namespace")
    zone = {}
    for n in range(1, 4):
        zone.update(client_zone(f"127.1.0.{n}", f"mail{n}.client.test"))
    first = dns(zone, address="127.53.71.1", port=53)
    second = dns(client_zone("127.1.0.4"), address="127.53.71.2", port=53)
    system = folder / "resolv.conf"
    system.write_text(f"nameserver {first.address}\n")
    g = guard(backend(), start=False, dns={"servers": [], "timeout": PATIENT}, rules=RULES)
    g.start([*SYSTEM, str(system)])
    assert visit(g, "127.1.0.1")[1]["rdns"] == "ok"
    system.write_text("search client.test\n")
    g.reload()
    g.said("resolv.conf: it names no server; those of before are asked")
    assert visit(g, "127.1.0.2")[1]["rdns"] == "ok"
    system.write_text(f"nameserver {second.address}\n")
    with socket.socket(socket.AF_UNIX) as unreadable:  # root reads whatever is a file
        unreadable.bind(str(folder / "socket"))
        subprocess.run(["nsenter", "-t", str(g.pid), "-m", "sh", "-ec",
                        f"mount --bind {folder}/socket $(realpath /etc/resolv.conf)"], check=True)
        told = len(g.messages())
        g.reload()
        assert [m for m in g.messages()[told:] if "those of before are asked" in m and "No such device" in m]
        assert visit(g, "127.1.0.3")[1]["rdns"] == "ok"
    subprocess.run(["nsenter", "-t", str(g.pid), "-m", "sh", "-ec", "umount $(realpath /etc/resolv.conf)"], check=True)
    g.reload()
    assert visit(g, "127.1.0.4")[1]["rdns"] == "ok" and second.count()


def test_a_real_name_server(guard, backend, folder):
    zones = {"127.in-addr.arpa": "1.0.1 PTR mail.client.test.\n", "client.test": "mail A 127.1.0.1\n"}
    with names.Nsd(folder / "nsd", zones) as nsd:
        g = started(guard, backend, nsd.server)
        assert visit(g, "127.1.0.1")[1]["name"] == "mail.client.test"
        assert visit(g, "127.1.0.9")[0].code == 550
