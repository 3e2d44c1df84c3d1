"""All kinds of clients, good and bad: one coroutine each, from the first byte to the end of the session."""
import asyncio
import socket
import ssl

from sender import Mail, Sender
from talk import BROKEN, Refused, Talk

ENVELOPE = "MAIL FROM:<bad@client.test>\r\nRCPT TO:<user1@example.test>\r\nDATA\r\n"
# how a server might be talked into seeing an end of a body where there is none
FORMS = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n"]
GARBAGE = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-x\r\n",
           b"\r\n" * 300, b"EHLO " + b"x" * 3000 + b"\r\n", b"MAIL FROM:<" + b"<" * 500 + b"\r\n",
           b"BDAT 99999999999\r\n"]


class Crowd:
    """The pools of addresses are bounded, so that tables fill and stay so. refused: good mails that did not pass."""

    def __init__(self, port, ledger, rng, tls, patience=1):
        self.port, self.ledger, self.rng, self.tls, self.patience = port, ledger, rng, tls, patience
        self.sender = Sender(port, ledger, rng, tls, patience)
        self.refused = []

    def good_source(self):
        return f"127.10.{self.rng.randrange(8)}.{self.rng.randrange(1, 250)}"

    def bad_source(self):
        return f"127.66.{self.rng.randrange(8)}.{self.rng.randrange(1, 250)}"

    def mail(self, size=None):
        rng = self.rng
        recipients = {f"user{rng.randrange(500)}@example.test" for _ in range(rng.choice((1, 1, 1, 2, 5)))}
        return Mail(rng, f"sender{rng.randrange(500)}@client.test", sorted(recipients),
                    size or rng.choice((300, 2000, 2000, 10_000, 60_000, 400_000)))

    # ---- the good ----

    async def deliver(self, **how):
        mail = self.mail()
        if not await self.sender.deliver(self.good_source(), mail, **how):
            self.refused.append(mail.mark)

    async def good(self):
        await self.deliver()

    async def good_tls(self):
        await self.deliver(secure=True)

    async def good_cut(self):
        """It loses its connection behind the dot, and comes again."""
        await self.deliver(cut=True)

    async def good_several(self):
        async with Talk(self.port, self.good_source(), self.patience) as talk:
            await talk.greeted()
            for _ in range(self.rng.randrange(2, 6)):
                await self.sender.one(talk, self.mail())
            await talk.cmd("QUIT")

    async def slow(self):
        """A line at a time, about 2 KB a second."""
        mail = self.mail(10_000)
        async with Talk(self.port, self.good_source(), self.patience) as talk:
            await talk.greeted()
            await talk.envelope(mail.sender, mail.recipients)
            await talk.must("DATA", 354)
            for line in mail.stuffed().splitlines(keepends=True):
                await talk.send(line)
                await asyncio.sleep(self.rng.random() * 0.06)
            if (await talk.reply())[0] == 250:
                self.ledger.told_250(mail.mark, mail.recipients)

    # ---- the bad ----

    async def harvester(self):
        async with Talk(self.port, self.bad_source(), self.patience) as talk:
            await talk.greeted()
            await talk.must("MAIL FROM:<harvest@client.test>")
            for _ in range(self.rng.randrange(3, 12)):
                await talk.cmd(f"RCPT TO:<unknown{self.rng.randrange(1000)}@example.test>")
            await talk.cmd("QUIT")

    async def early(self):
        async with Talk(self.port, self.bad_source(), self.patience) as talk:
            await talk.send("EHLO early.test\r\n" + ENVELOPE)
            await talk.until_end(5)

    async def garbage(self):
        async with Talk(self.port, self.bad_source(), self.patience) as talk:
            await talk.reply()
            await talk.send(self.rng.choice([*GARBAGE, self.rng.randbytes(self.rng.randrange(1, 5000))]))
            await talk.until_end(3)

    async def smuggler(self):
        form = self.rng.choice(FORMS)
        inner = "MAIL FROM:<smuggled@client.test>\r\nRCPT TO:<user2@example.test>\r\nDATA\r\nSubject: x\r\n\r\nx"
        async with Talk(self.port, self.bad_source(), self.patience) as talk:
            await talk.greeted()
            await talk.send(ENVELOPE)
            await asyncio.sleep(0.05)
            await talk.send(f"Subject: {self.mail(1).mark}\r\n\r\ntext{form}{inner}\r\n.\r\nQUIT\r\n")
            await talk.until_end(5)

    async def silent(self):
        async with Talk(self.port, self.bad_source(), self.patience) as talk:
            await asyncio.sleep(self.rng.random() * 15)
            if self.rng.random() < 0.5:
                talk.reset()

    async def never_reads(self):
        loop, sock = asyncio.get_running_loop(), socket.socket()
        with sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.bind((self.bad_source(), 0))
            await loop.sock_connect(sock, ("127.0.0.1", self.port))
            try:
                async with asyncio.timeout(5):
                    await loop.sock_sendall(sock, b"EHLO deaf.test\r\n" + b"NOOP\r\n" * 50_000)
            except TimeoutError:
                pass

    # ---- the broken ----

    async def cut_anywhere(self):
        """A whole session as bytes, cut at a random place, by a RST or an end; nobody knows what became of it."""
        mail = self.mail()
        data = (f"EHLO broken.test\r\nMAIL FROM:<{mail.sender}>\r\n" + "".join(
            f"RCPT TO:<{r}>\r\n" for r in mail.recipients) + "DATA\r\n").encode() + mail.stuffed() + b"QUIT\r\n"
        async with Talk(self.port, self.good_source(), self.patience) as talk:
            await talk.reply()
            await talk.send(data[:self.rng.randrange(len(data))])
            await asyncio.sleep(self.rng.random() * 0.2)
            if self.rng.random() < 0.5:
                talk.reset()

    async def broken_tls(self):
        async with Talk(self.port, self.bad_source(), self.patience) as talk:
            await talk.greeted()
            await talk.must("STARTTLS", 220)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            hello = self.tls.wrap_bio(incoming, outgoing, server_hostname="mx.example.test")
            try:
                hello.do_handshake()
            except ssl.SSLWantReadError:
                pass
            data = outgoing.read()
            cut = self.rng.randrange(len(data) + 1)
            await talk.send(data[:cut] + self.rng.randbytes(self.rng.choice((0, 0, 100))))
            await asyncio.sleep(self.rng.random() * 3)
            if self.rng.random() < 0.5:
                talk.reset()

    # ---- all together ----

    # of 100
    SHARES = {"good": 25, "good_tls": 12, "good_cut": 5, "good_several": 8, "slow": 3, "harvester": 10, "early": 6,
              "garbage": 6, "smuggler": 6, "silent": 3, "never_reads": 1, "cut_anywhere": 10, "broken_tls": 5}

    async def one(self):
        kind = self.rng.choices(list(self.SHARES), self.SHARES.values())[0]
        self.ledger.counts["sessions: " + kind] += 1
        try:
            async with asyncio.timeout(300 * self.patience):
                await getattr(self, kind)()
        except Refused as refused:
            self.ledger.counts[f"{kind} told {refused.code}"] += 1
        except BROKEN as broken:
            self.ledger.counts[f"{kind} lost its connection"] += 1
            if isinstance(broken, TimeoutError):
                self.ledger.faults.append(f"a session of kind {kind} did not end")


def lax():
    """TLS that believes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
