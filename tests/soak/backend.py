"""A backend of SMTP or LMTP that fails at random and writes into the ledger what it takes, before it says so."""
import asyncio
import re

ADDRESS = re.compile(rb"<(.*?)>")
BODY_MAX = 64 << 20


class Backend:
    """chances: of each failure at a dot. close: nothing is taken; mute: taken, no word of it; defer: 451; partly
    (LMTP): 451 for one recipient. slow: the most seconds before a reply."""

    def __init__(self, port, ledger, rng, lmtp=False, slow=0.0, **chances):
        self.port, self.ledger, self.rng, self.lmtp, self.slow = port, ledger, rng, lmtp, slow
        self.chances = chances
        self.server, self.writers = None, set()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=BODY_MAX, backlog=512)

    async def stop(self):
        """As a killed one: nobody listens, every connection is cut."""
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        await self.server.wait_closed()
        self.server = None

    def happens(self, what):
        if self.rng.random() >= self.chances.get(what, 0):
            return False
        self.ledger.counts["backend " + what] += 1
        return True

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            await Dialogue(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.transport.abort()


class Dialogue:
    def __init__(self, backend, reader, writer):
        self.backend, self.reader, self.writer = backend, reader, writer
        self.sender, self.recipients = "", []

    def say(self, text):
        self.writer.write(text.encode() + b"\r\n")

    async def run(self):
        self.say("220 backend.test " + ("LMTP" if self.backend.lmtp else "ESMTP"))
        while True:
            line = await self.reader.readuntil(b"\r\n")
            verb = line.split()[0].upper() if line.strip() else b""
            if verb == b"DATA":
                await self.data()
            elif verb == b"QUIT":
                return self.say("221 2.0.0 Bye")
            else:
                self.command(verb, line)

    def command(self, verb, line):
        if verb in (b"EHLO", b"LHLO"):
            for word in ("backend.test", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"):
                self.say("250-" + word)
            self.say("250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN")
        elif verb == b"XCLIENT":
            self.say("220 backend.test ESMTP")
        elif verb == b"RCPT":
            self.recipient(ADDRESS.search(line)[1].decode())
        else:
            if verb in (b"MAIL", b"RSET"):
                self.sender = ADDRESS.search(line)[1].decode() if verb == b"MAIL" else ""
                self.recipients = []
            self.say("250 2.0.0 Ok")

    def recipient(self, address):
        if "unknown" in address:
            self.say("550 5.1.1 no such user")
        else:
            self.recipients.append(address)
            self.say("250 2.1.5 Ok")

    async def data(self):
        if not self.recipients:
            return self.say("554 5.5.1 no valid recipients")
        self.say("354 go on")
        body = await self.reader.readuntil(b"\r\n.\r\n")
        if self.backend.happens("close"):
            raise ConnectionResetError
        for some in [[r] for r in self.recipients] if self.backend.lmtp else [self.recipients]:
            await self.answer(some, body)
        self.recipients = []

    async def answer(self, recipients, body):
        refused = self.backend.happens("partly" if self.backend.lmtp else "defer")
        if not refused:
            self.backend.ledger.taken(self.sender, recipients, body)
        await asyncio.sleep(self.backend.rng.random() * self.backend.slow)
        if self.backend.happens("mute"):
            raise ConnectionResetError
        self.say("451 4.2.0 come again" if refused else "250 2.0.0 Ok")
        await self.writer.drain()
