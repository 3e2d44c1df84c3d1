"""When places run short: newcomers are shed before clients known good, and the descriptors set the number of places."""
import re
import time

from harness import mails, ports, wait
from harness.client import Client
from harness.guard import program, run

FAST_FRIENDS = {"messages": 2, "over": "0s", "refused_share": 0.5}
FRIEND = "127.60.0.1"
NO_STRESS = {"stress_timeout": "5m"}  # who is silent because we are slow stays


def befriend(g, source=FRIEND):
    """Two accepted mails make a client known good here."""
    for n in range(2):
        assert mails.send(g.port, f"friend {n}", source=source).code == 250
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 10, "its places given back")


def fill(g, number, net="127.61"):
    """So many newcomers, each from an address of its own; those that were let in."""
    clients = [Client(g.port, f"{net}.{n // 250}.{n % 250 + 1}") for n in range(number)]
    return [c for c in clients if c.greeting.code == 220]


def refused(port, source):
    with Client(port, source) as c:
        assert c.greeting.code == 421, c.greeting
        return c.greeting


def test_newcomers_are_shed_before_known_good_clients(guard, backend):
    """100 places: newcomers get 95 of them, clients known good and those allowed the rest too."""
    g = guard(backend(), limits={"sessions": 100, **NO_STRESS}, known_good=FAST_FRIENDS)
    befriend(g)
    assert g.ctl("allow", "127.60.0.9", "--for", "1h").returncode == 0
    inside = fill(g, 99)
    assert len(inside) == 95
    reply = refused(g.port, "127.62.0.1")
    assert reply.enhanced == "4.3.2" and "(id " in reply.text
    friends = [Client(g.port, FRIEND) for _ in range(3)] + [Client(g.port, "127.60.0.9")]
    assert [c.greeting.code for c in friends] == [220] * 4
    friends[0].ehlo()
    assert friends[0].mail().code == 250
    refused(g.port, "127.62.0.1")
    stats = g.ctl_json("stats")
    assert stats["sessions"]["shed"] == 6 and stats["sessions"]["gave_way"] == 0
    assert stats["limits"]["sessions_kept"] == 5
    assert len(g.journaled("session", 6, by="limit", code=421)) == 6


def test_a_known_good_client_gets_the_place_of_a_silent_newcomer(guard, backend):
    """All 20 places taken, the kept one by a friend: the most silent newcomer hears 421, one in a mail does not."""
    g = guard(backend(), limits={"sessions": 20, **NO_STRESS}, known_good=FAST_FRIENDS, server={"workers": 1})
    befriend(g)
    inside = fill(g, 19)
    assert len(inside) == 19
    for c in inside:
        c.ehlo()
    for c in inside[1:]:
        c.cmd("NOOP")
    inside[2].envelope()
    friends = [Client(g.port, FRIEND) for _ in range(19)]
    assert [c.greeting.code for c in friends] == [220] * 19
    assert inside[0].replies_at_end(20) == [421]
    refused(g.port, FRIEND)  # who is left is in a mail, or known good
    assert inside[2].cmd("DATA").code == 354
    assert inside[2].body(b"Subject: kept\r\n\r\nx\r\n").code == 250
    assert g.ctl_json("stats")["sessions"]["gave_way"] == 18


def test_one_client_cannot_take_the_places_of_others(guard, backend):
    """limits.sessions_per_client holds for an IPv4 address and for an IPv6 /64; a neighbour's count is his own."""
    g = guard(backend(), start=False)
    six = ports.free_port("::1")
    g.configure(limits={"sessions_per_client": 2}, listeners=(
        {"name": "mx", "address": [f"127.0.0.1:{g.port}", f"[::1]:{six}"], "tls": "off"},))
    g.start()
    held = [Client(g.port, "127.63.0.1") for _ in range(2)]
    refused(g.port, "127.63.0.1")
    with Client(g.port, "127.63.0.2") as other:
        assert other.greeting.code == 220
    held += [Client(six, address="::1") for _ in range(2)]
    with Client(six, address="::1") as c:
        assert c.greeting.code == 421
    for c in held:
        c.close()


def test_one_net_cannot_take_the_places_of_others(guard, backend):
    """limits.sessions_per_net holds for an IPv4 /24; a neighbour known good, or allowed, is not kept out with it."""
    g = guard(backend(), limits={"sessions_per_client": 50, "sessions_per_net": 4}, known_good=FAST_FRIENDS)
    befriend(g, "127.67.1.200")
    assert g.ctl("allow", "127.67.1.201", "--for", "1h").returncode == 0
    held = fill(g, 5, "127.67")
    assert len(held) == 4
    reply = refused(g.port, "127.67.0.77")
    assert reply.enhanced == "4.7.0" and "network" in reply.text
    with Client(g.port, "127.67.2.1") as other:
        assert other.greeting.code == 220
    held += [Client(g.port, f"127.67.1.{n + 1}") for n in range(4)]
    refused(g.port, "127.67.1.9")
    for source in ("127.67.1.200", "127.67.1.201"):
        with Client(g.port, source) as friend:
            assert friend.greeting.code == 220
    held[0].cmd("QUIT")
    wait.until(lambda: Client(g.port, "127.67.0.78").greeting.code == 220, 10, "the place of who left")
    assert len(g.journaled("session", 3, by="limit", code=421)) >= 3


def test_who_vanishes_leaves_by_a_deadline(guard, backend):
    """Half-open TCP: the other side is gone without a packet, so for the server it is silent, and takes nothing.
    (One that never answered a SYN/ACK, as behind a forged address, is the kernel's alone: it counts against nobody.)"""
    g = guard(backend(), limits={"command_timeout": "1s", "sessions": 4})
    gone = [Client(g.port, f"127.64.0.{n + 1}") for n in range(4)]
    gone[0].send(b"EHLO gone.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<good@example.test>\r\nDA")
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] == 0, 20, "free places")
    assert g.ctl_json("stats")["timeouts"] == 4
    g.configure(limits={"sessions": 4})
    g.reload()
    assert mails.send(g.port, "after").code == 250


def test_stress_shortens_waits_that_began_before_it(guard, backend):
    """Who was silent before the server filled up has to leave as well, or 18,000 silent clients would stay: also at
    workers that have nothing else to do."""
    g = guard(backend(), server={"workers": 8}, limits={
        "sessions": 200, "command_timeout": "120s", "stress_timeout": f"{5 * wait.PATIENCE:g}s"})
    early = fill(g, 10)
    time.sleep(3.5)
    late = fill(g, 180, "127.65")
    assert len(early) == 10 and len(late) == 180
    wait.until(lambda: g.ctl_json("stats")["sessions"]["now"] <= 180, 20, "nine of ten places")
    assert all(c.replies_at_end() == [421] for c in early)
    assert all(c.silent(0.01) for c in late), "who came last has been silent for the shortest time"


# ---- descriptors ----

def with_descriptors(number):
    """As `ulimit -n` does: the server cannot raise its limit beyond."""
    return ["prlimit", f"--nofile={number}:{number}"]


def test_descriptors_set_the_number_of_places(guard, backend):
    """Backends, files of bodies and our own are taken off first; one warning, the figure in stats; and it holds."""
    g = guard(backend(), start=False, limits={"sessions": 1000, **NO_STRESS},
              relay={"connections": 20, "open_bodies": 50})
    g.start(with_descriptors(256))
    stats = g.ctl_json("stats")
    places = stats["limits"]["sessions_effective"]
    assert stats["limits"]["descriptors"] == 256 and stats["limits"]["sessions_set"] == 1000
    assert stats["limits"]["open_bodies_effective"] == 32
    assert 16 <= places < 256 - 20 - 32 - 64
    assert len([m for m in g.messages() if "file descriptors leave room" in m]) == 1
    kept = stats["limits"]["sessions_kept"]
    inside = fill(g, places + 5)
    assert len(inside) == places - kept
    assert "checks" in g.ctl("--json", "health").stdout, "the control socket still has a descriptor"
    inside[0].ehlo()
    assert inside[0].mail(mails.big("large", 400_000)).code == 250
    assert stats["limits"]["descriptors"] - g.descriptors() > 20


def test_check_tells_of_too_few_descriptors(guard, backend):
    g = guard(backend(), start=False, limits={"sessions": 1000})
    done = check(g, 256)
    assert done.returncode == 0
    assert len(re.findall("file descriptors leave room for [0-9]+ sessions", done.stderr)) == 1
    assert "leave room" not in check(g, 18000).stderr


def check(g, descriptors):
    return run(*with_descriptors(descriptors), program("SMTPGUARDD"), "-c", g.config, "--check")


# ---- bodies in memory ----

def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])


def half_body(g, number, size):
    """A client in the midst of its body, or its refusal."""
    c = Client(g.port, f"127.66.0.{number % 250 + 1}")
    c.ehlo()
    c.envelope(options=f" SIZE={size}")
    reply = c.cmd("DATA")
    if reply.code == 354:
        c.send((b"x" * 998 + b"\r\n") * (size // 1000))
    return c, reply


def test_bodies_in_memory_have_a_common_cap(guard, backend):
    """100 bodies of 200 KB at once with relay.memory = "2M": files take the rest, then it is 451; and each that was
    taken in arrives whole."""
    b = backend()
    g = guard(b, relay={"memory": "2M", "memory_per_message": "1M", "open_bodies": 40})
    mails.send(g.port, "warm")
    before = resident_kb(g.pid)
    halves = [half_body(g, n, 200_000) for n in range(100)]
    open_ = [c for c, reply in halves if reply.code == 354]
    stats = wait.until(lambda: (s := g.ctl_json("stats"))["open_bodies"] == 40 and s, 10, "40 files")
    assert 0 < stats["body_memory_bytes"] <= 2 << 20
    late = [reply for _, reply in halves if reply.code != 354]
    assert late and all((reply.code, reply.enhanced) == (451, "4.3.1") for reply in late)
    assert resident_kb(g.pid) < before + 2048 + 12_000, "20 MB of bodies are not in memory"
    codes = [c.body(b"end\r\n").code for c in open_]
    assert set(codes) <= {250, 451} and codes.count(250) >= 40
    assert len(b.mails) == 1 + codes.count(250)
    assert all(m.body.endswith(b"end\r\n") and len(m.body) > 200_000 for m in b.mails[1:])
    wait.until(lambda: (s := g.ctl_json("stats")) and not s["open_bodies"] and not s["body_memory_bytes"], 10,
               "all room given back, once each client has its reply")
    assert late[0] and mails.send(g.port, "after").code == 250
