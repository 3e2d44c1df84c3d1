"""BDAT (RFC 3030): chunks cut anywhere come to a real Postfix as one mail behind DATA, refused ones as none."""
import pytest

from harness import mails
from harness.client import Client, session
from test_smuggling import FORMS, judge

BODY = b"Subject: %s\r\n\r\n.\r\n..dots\r\nMAIL FROM:<evil@client.test>\r\nlast\r\n"


def bdat(body, *cuts):
    """The body as chunks that end at the cuts; the last one says LAST."""
    ends = [*cuts, len(body)]
    starts = [0, *cuts]
    return b"".join(b"BDAT %d%s\r\n" % (end - start, b" LAST" if end == ends[-1] else b"") + body[start:end]
                    for start, end in zip(starts, ends))


def envelope(rcpt=b"good@example.test", options=b""):
    return b"MAIL FROM:<a@client.test>%s\r\nRCPT TO:<%s>\r\n" % (options, rcpt)


def codes(port, data, **options):
    """The codes of all replies behind the greeting and EHLO."""
    got = session(port, b"EHLO chunks.test\r\n" + data + b"QUIT\r\n", **options).decode()
    return [int(line[:3]) for line in got.split("\r\n") if line[3:4] == " "][2:]


def test_announced(guard, backend):
    with Client(guard(backend()).port) as c:
        assert "CHUNKING" in c.ehlo()
        assert c.cmd("HELO x.test").code == 250
        c.envelope()
        assert c.cmd(b"BDAT 3 LAST\r\nab").code == 502, "HELO announces nothing; its bytes are taken all the same"


def test_every_cut_is_one_mail(guard, postfix):
    g = guard(postfix.inner)
    marks = {}
    for cut in range(1, len(BODY) + 8):
        marks[cut] = mails.marker().encode()
        body = BODY % marks[cut]
        assert codes(g.port, envelope() + bdat(body, min(cut, len(body) - 1))) == [250, 250, 250, 250, 221], cut
    for cut, mark in marks.items():
        mail = postfix.one_mail(mark)
        assert mail.without_trace() == BODY % mark, cut
        assert mail.recipients == ["good@example.test"]


def test_zero_last_and_many_chunks_in_any_packets(guard, postfix):
    g = guard(postfix.inner)
    mark = mails.marker().encode()
    body = BODY % mark
    data = envelope() + bdat(body, *range(1, len(body))).replace(b" LAST", b"") + b"BDAT 0 LAST\r\n"
    assert codes(g.port, data, cuts=range(7, len(data), 211), pause=0.001) == [250] * (len(body) + 3) + [221]
    assert postfix.one_mail(mark).without_trace() == body
    record = g.journaled("mail", verdict="accepted")[0]
    assert record["size"] == len(body)


def test_a_large_mail_by_way_of_the_spool(guard, backend):
    b = backend()
    g = guard(b, relay={"memory_per_message": "64k"})
    body = mails.big("chunks", 900_000)
    assert codes(g.port, envelope() + bdat(body, *range(65_521, len(body), 65_521)))[-2:] == [250, 221]
    assert b.one_mail().body.endswith(body)


def test_refused_mail_and_recipients_take_their_chunks(guard, backend):
    """What stands in a chunk never runs as a command, whatever became of the commands before it."""
    b = backend({"RCPT": lambda _, line: "550 5.1.1 no such user" if "nobody" in line else None})
    g = guard(b)
    chunk = bdat(b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<other@example.test>\r\n")
    assert codes(g.port, envelope(b"nobody@example.test") + chunk) == [250, 550, 554, 221]
    assert codes(g.port, b"MAIL FROM:<<>\r\nRCPT TO:<good@example.test>\r\n" + chunk) == [501, 503, 503, 221]
    assert codes(g.port, envelope(b"nobody@example.test") + chunk + envelope() + chunk) == \
        [250, 550, 554, 250, 250, 250, 221], "behind a refused LAST the next mail goes on"
    assert len(b.mails) == 1 and not [m for m in b.mails if "evil" in m.sender]


def test_reset_between_chunks(guard, backend):
    b = backend()
    g = guard(b)
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        assert c.cmd(b"BDAT 9\r\nSubject").code == 250
        assert c.cmd("RSET").code == 250
        assert c.cmd("NOOP").code == 250
        assert c.cmd(b"BDAT 7 LAST\r\nhello").code == 503
        c.envelope(sender="second@client.test")
        c.send(b"BDAT 20 LAST\r\nSubject: x\r\n\r\nhi\r\nno")
        assert c.reply().code == 250
        c.envelope()
        assert c.cmd(b"BDAT 9\r\nSubject").code == 250
        assert c.cmd("EHLO again.test").code == 250
        assert c.cmd("QUIT").code == 221
    assert b.one_mail().sender == "second@client.test"
    assert len(g.journaled("mail", verdict="quit", count=2)) == 2


def test_gone_between_chunks_is_no_mail(guard, backend):
    b = backend()
    g = guard(b)
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        assert c.cmd(b"BDAT 9\r\nSubject").code == 250
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        assert c.cmd(b"BDAT 9\r\nSubject").code == 250
        assert c.cmd("QUIT").code == 221
    g.journaled("mail", verdict="lost")
    g.journaled("mail", verdict="quit")
    assert not b.mails


def test_silence_between_chunks_ends(guard, backend):
    g = guard(backend(), limits={"data_timeout": "1s"})
    with Client(g.port) as c:
        c.ehlo()
        c.envelope()
        assert c.cmd(b"BDAT 9\r\nSubject").code == 250
        assert c.replies_at_end() == [421]


def test_size_limit(guard, backend):
    b = backend()
    g = guard(b, limits={"message_size": "64k"})
    body = mails.big("much", 200_000)
    got = codes(g.port, envelope() + bdat(body, *range(50_000, len(body), 50_000)) + envelope() +
                bdat(b"Subject: small\r\n\r\n"))
    assert got[0:2] == [250, 250] and 552 in got and got[-4:] == [250, 250, 250, 221], got
    assert b.one_mail().body.endswith(b"Subject: small\r\n\r\n")
    assert codes(g.port, envelope() + b"BDAT 99999999999 LAST\r\n")[2:] == [552, 421]


def smuggle(port, mark, form, cut):
    body = b"Subject: " + mark + b"\r\n\r\nfirst" + form + b"MAIL FROM:<evil@client.test>\r\n" \
        b"RCPT TO:<other@example.test>\r\nDATA\r\nSubject: " + mark + b" smuggled\r\n\r\nsecond\r\n.\r\n"
    found = codes(port, envelope() + bdat(body, *((cut(body),) if cut else ())))
    return [c for c in found[2 if not cut else 3:]]


@pytest.mark.parametrize("newline", ["repair", "refuse"])
@pytest.mark.parametrize("cut", [None, lambda body: body.index(b"first") + 6, lambda body: body.index(b"first") + 7],
                         ids=["whole", "in the form", "behind its dot"])
def test_no_form_is_a_second_mail(guard, postfix, newline, cut):
    """In a chunk CR LF . CR LF is text as well: it is stuffed on its way to the backend."""
    g = guard(postfix.inner, smtp={"bare_newline": newline, "bare_cr": "refuse"}, limits={"errors": 1000})
    forms = {"CRLF.CRLF": b"\r\n.\r\n", **FORMS}
    marks = {name: mails.marker().encode() for name in forms}
    got = {name: smuggle(g.port, marks[name], form, cut) for name, form in forms.items()}
    queue = postfix.mails()
    for name, form in forms.items():
        plain = name == "CRLF.CRLF"
        judge([m for m in queue if marks[name] in m.content], got[name], b"" if plain else form,
              "repair" if plain else newline)
