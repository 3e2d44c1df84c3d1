"""No byte pattern becomes a second mail behind us: each form reaches a real Postfix as one mail or not at all."""
import concurrent.futures
import re

import pytest

from harness import mails
from harness.client import Client, session

# what some servers took for the end of a body
FORMS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r", "CR.LF": b"\r.\n", "LF.CR": b"\n.\r", "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n", "LFCR.CRLF": b"\n\r.\r\n", "CRLF NUL .CRLF": b"\r\n\0.\r\n",
    "CRLF. NUL CRLF": b"\r\n.\0\r\n", "NUL CRLF.CR": b"\0\r\n.\r", "LF NUL .LF": b"\n\0.\n",
}
REFUSALS = (550, 554, 500, 421)


def stream(mark, form):
    """A session whose body holds the form and, behind it, what would be a second mail."""
    return (b"EHLO smuggler.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<good@example.test>\r\nDATA\r\n",
            b"Subject: " + mark + b"\r\n\r\nfirst" + form +
            b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<other@example.test>\r\nDATA\r\nSubject: " + mark +
            b" smuggled\r\n\r\nsecond\r\n.\r\n", b"QUIT\r\n")


def attempt(port, mark, form, cut=None):
    """Sends the session, its body cut in two where cut says; the reply to the body, or None if it was closed."""
    head, body, tail = stream(mark, form)
    with Client(port) as c:
        c.send(head)
        assert [c.reply().code for _ in range(4)] == [250, 250, 250, 354]
        c.send(body[:cut] if cut else body)
        if cut:
            # nothing comes back for a half body: the pause makes two packets of it, not more
            c.silent(0.004)
            c.send(body[cut:])
        c.send(tail)
        return c.replies_at_end()


def judge(found, codes, form, newline):
    """One mail or none, as the settings say, and never the smuggled one."""
    assert len(found) <= 1, found
    assert all(m.sender == "a@client.test" and m.recipients == ["good@example.test"] for m in found)
    refused = b"\0" in form or b"\r" in form.replace(b"\r\n", b"") or newline == "refuse"
    if refused:
        assert codes[0] in REFUSALS and not found, (codes, found)
    else:
        # the second MAIL and all behind it are lines of this one mail
        assert codes == [250, 221] and len(found) == 1
        assert b"RCPT TO:<other@example.test>" in found[0].content


@pytest.mark.parametrize("newline", ["repair", "refuse"])
def test_every_form_whole(guard, postfix, newline):
    g = guard(postfix.inner, smtp={"bare_newline": newline, "bare_cr": "refuse"}, limits={"errors": 1000})
    marks = {name: mails.marker().encode() for name in FORMS}
    codes = {name: attempt(g.port, marks[name], form) for name, form in FORMS.items()}
    queue = postfix.mails()
    for name, form in FORMS.items():
        judge([m for m in queue if marks[name] in m.content], codes[name], form, newline)


@pytest.mark.parametrize("newline", ["repair", "refuse"])
@pytest.mark.parametrize("name", ["LF.LF", "CRLF.LF", "CRLF.CR", "CRLF. NUL CRLF"])
def test_forms_cut_at_every_byte(guard, postfix, name, newline):
    g = guard(postfix.inner, smtp={"bare_newline": newline, "bare_cr": "refuse"})
    form = FORMS[name]
    cuts = {cut: mails.marker().encode() for cut in range(1, len(stream(mails.marker().encode(), form)[1]) - 4)}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = dict(zip(cuts, pool.map(lambda cut: attempt(g.port, cuts[cut], form, cut), cuts)))
    queue = {}
    for mail in postfix.mails():
        for mark in re.findall(rb"mark-\d+-\d+-end", mail.content):
            if mail not in queue.setdefault(mark, []):
                queue[mark].append(mail)
    for cut, mark in cuts.items():
        judge(queue.get(mark, []), codes[cut], form, newline)


@pytest.mark.parametrize("form", [b"\rMAIL FROM:<evil@client.test>\r", b"a\rb", b"\r\r\n"])
def test_bare_cr_can_be_repaired(guard, backend, form):
    """With bare_cr = repair no CR is left alone either: it becomes a line end, and ends nothing."""
    b = backend()
    g = guard(b, smtp={"bare_cr": "repair"})
    with Client(g.port) as c:
        c.at_data()
        c.send(b"Subject: x\r\n\r\nfirst" + form + b"last\r\n.\r\n")
        assert c.reply().code == 250
    mail = b.one_mail()
    assert b"\r" not in mail.body.replace(b"\r\n", b"") and b"\n" not in mail.body.replace(b"\r\n", b"")
    assert mail.body.endswith(b"last\r\n")


def test_the_writer_stuffs_repaired_dots(guard, backend):
    """A line that begins with a dot only after the repair is stuffed like any other."""
    b = backend()
    g = guard(b)
    with Client(g.port) as c:
        c.at_data()
        c.send(b"Subject: x\r\n\r\nfirst\n.\n..\nlast\r\n.\r\n")
        assert c.reply().code == 250
    raw = b.one_mail().connection.raw
    assert raw.count(b"\r\n.\r\n") == 1 and b"\r\n..\r\n" in raw


def test_a_body_behind_a_refused_data_is_not_run(guard, backend):
    """All in one write, every recipient refused: the body must not run as commands."""
    b = backend({"RCPT": "550 5.1.1 no such user"})
    g = guard(b)
    got = session(g.port, b"EHLO x.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n"
                  b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<evil@example.test>\r\n.\r\nQUIT\r\n")
    assert b"\r\n421 " in got, got
    assert not [line for line in b.lines("MAIL") + b.lines("RCPT") if "evil" in line]
