"""Mails, and a sender that, as RFC 5321 wants, brings a mail again until it is told 250."""
import asyncio
import itertools

from talk import BROKEN, Bare, Refused, Talk

CUT_SECONDS = 1
LONGEST_PAUSE = 40
LINE_SECONDS = 0.03  # of a slow one: about 2 KB a second
_numbers = itertools.count(1)


class Mail:
    def __init__(self, rng, sender, recipients, size):
        self.mark = f"mark-{next(_numbers)}"
        self.sender, self.recipients = sender, recipients
        line = bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz .\xe9", k=70)) + b"\r\n"
        self.content = b"From: a@client.test\r\nSubject: %s\r\n\r\n" % self.mark.encode() + line * (size // 72 + 1)

    def stuffed(self):
        return self.content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def chunks(content, rng):
    """BDAT in pieces of any size."""
    at = 0
    while at < len(content):
        n = min(rng.choice((1, 7, 500, 8192, len(content))), len(content) - at)
        at += n
        yield b"BDAT %d%s\r\n" % (n, b" LAST" if at == len(content) else b"") + content[at - n:at]


class Sender:
    """helos: what it calls itself, one of these each time."""

    def __init__(self, ledger, rng, tls=None, patience=1, helos=("client.example.test",)):
        self.ledger, self.rng, self.tls, self.patience, self.helos = ledger, rng, tls, patience, helos

    async def body(self, talk, mail, slow):
        """The code of the reply to the whole mail."""
        if not slow and "CHUNKING" in talk.extensions and self.rng.random() < 0.5:
            self.ledger.counts["mails over BDAT"] += 1
            for chunk in chunks(mail.content, self.rng):
                await talk.send(chunk)
                code, _ = await talk.reply()
                if code != 250:
                    return code
            return 250
        await talk.must("DATA", 354)
        for piece in mail.stuffed().splitlines(keepends=True) if slow else [mail.stuffed()]:
            await talk.send(piece)
            if slow:
                await asyncio.sleep(self.rng.random() * 2 * LINE_SECONDS)
        return (await talk.reply())[0]

    async def one(self, talk, mail, slow=False):
        await talk.envelope(mail.sender, mail.recipients)
        code = await self.body(talk, mail, slow)
        if code != 250:
            raise Refused(code, "dot")
        self.ledger.told_250(mail.mark, mail.recipients)

    async def attempt(self, way, mail, secure=False, slow=False):
        async with Talk(way, self.patience) as talk:
            await talk.greeted(self.rng.choice(self.helos))
            if secure and "STARTTLS" in talk.extensions:
                await talk.starttls(self.tls)
            await self.one(talk, mail, slow)
            try:
                await talk.cmd("QUIT")
            except BROKEN:
                pass  # it was told 250

    async def cut_off(self, way, mail):
        """Its dot goes out, and it is gone by a RST before it has read a reply. False: it was not gone."""
        lines = ["EHLO client.example.test", f"MAIL FROM:<{mail.sender}>",
                 *[f"RCPT TO:<{r}>" for r in mail.recipients], "DATA"]
        if way.xclient:
            lines[:0] = [lines[0], "XCLIENT " + way.xclient]
        async with Bare(way, self.patience) as bare:
            await bare.reply()
            for line in lines:
                await bare.send(line.encode() + b"\r\n")
                code = await bare.reply()
                if code not in (220, 250, 354):
                    raise Refused(code, line)
            await bare.send(mail.stuffed())
            await asyncio.sleep(self.rng.random() * 0.02)
            if bare.reset_unheard():
                self.ledger.counts["cut off behind the dot"] += 1
                return
            code = await bare.reply()
            if code != 250:
                raise Refused(code, "dot")
            self.ledger.told_250(mail.mark, mail.recipients)

    async def deliver(self, way, mail, cut=False, pause=0.3, tries=200, **how):
        """Until it is told 250, with longer and longer pauses as any queue has them (who goes on and on is blocked by
        the shipped rules). False: it gave up. way(): how it comes this time."""
        for _ in range(tries):
            gone = False
            try:
                await (self.cut_off(way(), mail) if cut else self.attempt(way(), mail, **how))
                if mail.mark in self.ledger.heard:
                    return True
                gone = True
            except Refused as refused:
                self.ledger.counts[f"told {refused.code}"] += 1
                if refused.code >= 500:
                    return False
                self.ledger.deferred.add(mail.mark)
            except BROKEN:
                self.ledger.counts["connection lost"] += 1
                gone = cut
            if gone:
                # not before the backend has answered the first: nobody could know then that it has the mail
                await asyncio.sleep(CUT_SECONDS)
                cut = False
            await asyncio.sleep(pause * (0.5 + self.rng.random()))
            pause = min(pause * 1.5, LONGEST_PAUSE)
        return False
