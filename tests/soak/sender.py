"""Mails, and a sender that, as RFC 5321 wants, brings a mail again until it is told 250."""
import asyncio
import itertools

from talk import BROKEN, Bare, Refused, Talk

CUT_SECONDS = 1
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
    def __init__(self, port, ledger, rng, tls=None, patience=1):
        self.port, self.ledger, self.rng, self.tls, self.patience = port, ledger, rng, tls, patience

    async def body(self, talk, mail):
        """The code of the reply to the whole mail."""
        if "CHUNKING" in talk.extensions and self.rng.random() < 0.5:
            for chunk in chunks(mail.content, self.rng):
                await talk.send(chunk)
                code, _ = await talk.reply()
                if code != 250:
                    return code
            return 250
        await talk.must("DATA", 354)
        await talk.send(mail.stuffed())
        return (await talk.reply())[0]

    async def one(self, talk, mail):
        await talk.envelope(mail.sender, mail.recipients)
        code = await self.body(talk, mail)
        if code != 250:
            raise Refused(code, "dot")
        self.ledger.told_250(mail.mark, mail.recipients)

    async def attempt(self, source, mail, secure=False):
        async with Talk(self.port, source, self.patience) as talk:
            await talk.greeted()
            if secure and "STARTTLS" in talk.extensions:
                await talk.starttls(self.tls)
            await self.one(talk, mail)
            try:
                await talk.cmd("QUIT")
            except BROKEN:
                pass  # it was told 250

    async def cut_off(self, source, mail):
        """Its dot goes out, and it is gone by a RST before it has read a reply."""
        lines = ["EHLO client.example.test", f"MAIL FROM:<{mail.sender}>",
                 *[f"RCPT TO:<{r}>" for r in mail.recipients], "DATA"]
        async with Bare(self.port, source, self.patience) as bare:
            await bare.reply()
            for line in lines:
                await bare.send(line.encode() + b"\r\n")
                code = await bare.reply()
                if code not in (250, 354):
                    raise Refused(code, line)
            await bare.send(mail.stuffed())
            await asyncio.sleep(self.rng.random() * 0.02)
            if bare.reset_unheard():
                self.ledger.counts["cut off behind the dot"] += 1
            elif await bare.reply() == 250:
                self.ledger.told_250(mail.mark, mail.recipients)

    async def deliver(self, source, mail, secure=False, cut=False, pause=0.3, tries=200):
        """Until it is told 250; False: it gave up."""
        for _ in range(tries):
            try:
                await (self.cut_off(source, mail) if cut else self.attempt(source, mail, secure))
            except Refused as refused:
                self.ledger.counts[f"told {refused.code}"] += 1
                if refused.code >= 500:
                    return False
            except BROKEN:
                self.ledger.counts["connection lost"] += 1
            if mail.mark in self.ledger.heard:
                return True
            if cut:
                # not before the backend has answered the first: nobody could know then that it has the mail
                await asyncio.sleep(CUT_SECONDS)
            cut = False
            await asyncio.sleep(pause * (0.5 + self.rng.random()))
        return False
