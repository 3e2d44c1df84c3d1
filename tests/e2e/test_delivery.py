"""Mail goes in on one side and a real Postfix has it on the other: the right bytes, with the right client."""
import email
import email.utils
import re
import threading

import pytest

from harness import mails, wait
from harness.client import Client


@pytest.fixture(params=["inner", "stock"])
def service(request, postfix):
    """The port of each form of Postfix service: the README's, and the stock one."""
    return getattr(postfix, request.param)


def test_a_mail_arrives_once_with_its_client(guard, postfix, service):
    g, mark = guard(service), mails.marker()
    reply = mails.send(g.port, mark, source="127.11.12.13")
    assert reply.code == 250, reply
    mail = postfix.one_mail(mark)
    assert mail.without_trace() == mails.content(mark)
    assert mail.sender == "sender@client.test" and mail.recipients == ["good@example.test"]
    assert postfix.client_of(mail) == "127.11.12.13"


def test_postfix_says_the_reply(guard, postfix):
    """The 250 is the backend's own: it names the queue file."""
    g, mark = guard(postfix.inner), mails.marker()
    reply = mails.send(g.port, mark)
    assert reply.text.endswith(postfix.one_mail(mark).name), reply


def test_many_clients_share_the_connections(guard, postfix, service):
    """Each of 40 clients is logged with its own address; the README's service needs few connections for them."""
    before = len(postfix.log())
    # with one worker no other one can need a connection that rests
    g = guard(service, relay={"connections": 3}, server={"workers": 1})
    marks = {f"127.20.{i}.{i + 1}": mails.marker() for i in range(40)}
    failed = []

    def some(addresses):
        for address in addresses:
            reply = mails.send(g.port, marks[address], source=address)
            if reply.code != 250:
                failed.append((address, reply))

    threads = [threading.Thread(target=some, args=(list(marks)[n::5],)) for n in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    wanted = {mark: address for address, mark in marks.items()}
    found = {m.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode(): m for m in postfix.mails()}
    assert {mark: postfix.client_of(found[mark]) for mark in wanted} == wanted
    if service == postfix.inner:
        assert postfix.connections(postfix.log()[before:]) <= 3


def test_never_more_connections_than_set(guard, backend):
    """40 clients at once and a backend that takes its time: all are served, three connections are the most."""
    b = backend({"dot": [0.02, "250 2.0.0 Ok"]})
    g = guard(b, relay={"connections": 3})
    replies = []

    def one(n):
        replies.append(mails.send(g.port, f"m{n}", f"127.21.0.{n + 1}").code)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert replies == [250] * 40
    assert len(b.mails) == 40 and b.most_open <= 3
    told = {int(re.search(rb"Subject: m(\d+)", m.body)[1]): m.client["ADDR"] for m in b.mails}
    assert told == {n: f"127.21.0.{n + 1}" for n in range(40)}


BODIES = {
    "dots": b"Subject: {m}\r\n\r\n.\r\n..\r\n...\r\n.a\r\nb.\r\n",
    "no header": b"\r\n{m}\r\n",
    "blank lines at the end": b"Subject: {m}\r\n\r\nx\r\n\r\n\r\n",
    "only a header": b"Subject: {m}\r\n",
    "line of 998": b"Subject: {m}\r\n\r\n" + b"x" * 998 + b"\r\n",
    "line of 5000": b"Subject: {m}\r\n\r\n" + b"y" * 5000 + b"\r\nnext\r\n",
    "every byte but NUL, CR, LF": b"Subject: {m}\r\n\r\n" + bytes({*range(1, 256)} - {10, 13}) + b"\r\n",
}


def test_content_is_passed_byte_for_byte(guard, postfix):
    g = guard(postfix.inner)
    wanted = {}
    with Client(g.port) as c:
        c.ehlo()
        for body in BODIES.values():
            mark = mails.marker()
            wanted[mark] = body.replace(b"{m}", mark.encode())
            assert c.mail(wanted[mark], options=" BODY=8BITMIME").code == 250
    for mark, body in wanted.items():
        assert postfix.one_mail(mark).without_trace() == body


@pytest.mark.parametrize("size", [250_000, 1_200_000, 4_000_000])
def test_a_large_body_goes_through_the_spool(guard, postfix, size):
    """Above relay.memory_per_message a body lies in an unlinked file: nothing of it is ever seen in the folder."""
    g, mark = guard(postfix.inner, relay={"memory_per_message": "64k"}), mails.marker()
    body = mails.big(mark, size, seed=size)

    def names():
        # what the server remembers over a restart is written there at times of its own
        return {p.name for p in g.folder.iterdir() if not p.name.startswith("relay.state")}

    before = names()
    with Client(g.port, timeout=60) as c:
        c.ehlo()
        assert c.mail(body, options=f" SIZE={len(body)}").code == 250
    assert postfix.one_mail(mark).without_trace() == body
    assert names() <= before


@pytest.mark.parametrize("dots", [0, 1, 30, 3000])
def test_a_large_body_goes_from_memory(guard, backend, dots):
    """Up to relay.memory_per_message nothing of it touches the disk; several at once, each as it came."""
    b = backend()
    g = guard(b, server={"workers": 1})
    bodies = [mails.steady(mails.marker(), size, dots) for size in (300_000, 900_001, 3_000_003)]
    clients = [Client(g.port, timeout=60) for _ in bodies]
    halves = []
    for c, body in zip(clients, bodies):
        c.at_data()
        wire = body.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        c.send(wire[:len(wire) // 2])
        halves.append(wire[len(wire) // 2:])
    stats = wait.until(lambda: (s := g.ctl_json("stats"))["body_memory_bytes"] > 1_500_000 and s, 10, "half of them")
    assert stats["open_bodies"] == 0
    for c, half in zip(clients, halves):
        c.send(half)
    assert [c.reply().code for c in clients] == [250] * len(clients)
    arrived = [m.body for m in b.mails]
    assert all(any(a.endswith(body) for a in arrived) for body in bodies)
    wait.until(lambda: not g.ctl_json("stats")["body_memory_bytes"], 10, "memory given back")


def test_the_received_line_tells_the_way(guard, postfix):
    g, mark = guard(postfix.inner), mails.marker()
    assert mails.send(g.port, mark, source="127.1.2.3", helo="mail.sender.test").code == 250
    message = email.message_from_bytes(postfix.one_mail(mark).content)
    ours = " ".join(message.get_all("Received")[1].split())
    record = g.journaled("mail", verdict="accepted")[0]
    assert ours.startswith("from mail.sender.test ") and "[127.1.2.3]" in ours
    assert re.search(r"by mx\.example\.test\b", ours) and re.search(r"with ESMTP\b", ours)
    assert re.search(rf"id {re.escape(record['id'])}\b", ours)
    when = email.utils.parsedate_to_datetime(ours.rsplit(";", 1)[1].strip())
    assert abs(when.timestamp() - email.utils.localtime().timestamp()) < 60


def test_helo_is_told_as_smtp(guard, backend):
    b = backend()
    g = guard(b)
    with Client(g.port) as c:
        assert c.cmd("HELO old.client.test").code == 250
        assert c.mail().code == 250
    assert re.search(rb"\bwith SMTP\b", b.one_mail().body)


def test_the_size_limit_holds(guard, backend):
    """SIZE announces the smaller of both limits; a body above it is refused before and after it came."""
    b = backend()
    g = guard(b, limits={"message_size": "100k"})
    with Client(g.port) as c:
        assert c.ehlo()["SIZE"] == f"SIZE {100 * 1024}"
        assert c.cmd("MAIL FROM:<a@client.test> SIZE=200000").code == 552
        reply = c.mail(b"x" * 70 + b"\r\n" + b"y" * 200_000 + b"\r\n")
        assert (reply.code, reply.enhanced) == (552, "5.3.4")
        assert c.mail(mails.content("fits")).code == 250
    assert len(b.taken) == 1
    small = backend(extensions=["PIPELINING", "SIZE 5000", "8BITMIME", "XCLIENT NAME ADDR PORT PROTO HELO"])
    port = guard(small).port

    def announced():
        with Client(port) as c:
            return c.ehlo()["SIZE"]

    # at the very start the backend has not been asked yet
    wait.until(lambda: announced() == "SIZE 5000", 10, "the backend's limit")


def test_null_sender_and_several_recipients(guard, postfix):
    g, mark = guard(postfix.inner), mails.marker()
    rcpts = [f"u{i}@example.test" for i in range(30)]
    assert mails.send(g.port, mark, sender="", rcpts=rcpts).code == 250
    mail = postfix.one_mail(mark)
    assert mail.sender == "" and mail.recipients == rcpts


def test_a_whole_session_in_one_write(guard, postfix):
    """PIPELINING: replies come in order, each mail once."""
    g, marks = guard(postfix.inner), [mails.marker() for _ in range(3)]
    with Client(g.port) as c:
        c.ehlo()
        for mark in marks:
            c.send("MAIL FROM:<a@client.test>\r\nRCPT TO:<good@example.test>\r\nRCPT TO:<nobody@example.test>\r\n"
                   "RCPT TO:<other@example.test>\r\nDATA\r\n")
            assert [c.reply().code for _ in range(5)] == [250, 250, 550, 250, 354]
            c.send(mails.content(mark) + b".\r\nRSET\r\nNOOP\r\n")
            assert [c.reply().code for _ in range(3)] == [250, 250, 250]
        assert c.cmd("QUIT").code == 221
    for mark in marks:
        assert postfix.one_mail(mark).recipients == ["good@example.test", "other@example.test"]


def test_a_mail_cut_at_every_byte_is_one_mail(guard, backend):
    """However the stream is cut into packets, the same mail comes out."""
    b = backend()
    g = guard(b)
    text = (b"EHLO c.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<good@example.test>\r\nDATA\r\n"
            b"Subject: cut\r\n\r\n..x\r\n.\r\nQUIT\r\n")
    with Client(g.port) as c:
        for byte in text:
            c.send(bytes([byte]))
        assert c.replies_at_end() == [250, 250, 250, 354, 250, 221]
    assert b.one_mail().body.endswith(b"Subject: cut\r\n\r\n.x\r\n")


def test_ipv6_clients(guard, backend):
    b = backend()
    g = guard(b, start=False)
    g.configure(listeners=({"name": "mx", "address": [f"127.0.0.1:{g.port}", f"[::1]:{g.port}"], "tls": "off"},))
    g.start()
    with Client(g.port, address="::1") as c:
        c.ehlo()
        assert c.mail().code == 250
    assert b.one_mail().client["ADDR"] == "IPV6:::1"
    assert b"[IPv6:::1]" in b.mails[0].body
