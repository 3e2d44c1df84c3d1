"""All kinds of clients, good and bad: one coroutine each, from the first byte to the end of the session."""
import asyncio
import ipaddress
import socket
import ssl
import struct
import zlib

import world
from sender import Mail, Sender
from talk import BROKEN, Refused, Talk, Way

ENVELOPE = "MAIL FROM:<bad@softfail.test>\r\nRCPT TO:<user1@example.test>\r\nDATA\r\n"
# how a server might be talked into seeing an end of a body where there is none
FORMS = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n"]
GARBAGE = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-x\r\n",
           b"\r\n" * 300, b"EHLO " + b"x" * 3000 + b"\r\n", b"MAIL FROM:<" + b"<" * 500 + b"\r\n",
           b"BDAT 99999999999\r\n"]
PROXY, XCLIENT = "127.78.0.1", "127.77.0.1"  # from where others' clients are brought
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SIZES = (300, 2000, 2000, 2000, 10_000, 60_000, 60_000, 400_000)
LARGE = 3_000_000


def proxy_header(address, version):
    """PROXY v1 or v2, as HAProxy writes it."""
    ip = ipaddress.ip_address(address)
    ours = "127.0.0.1" if ip.version == 4 else "::1"
    if version == 1:
        return f"PROXY TCP{ip.version} {ip} {ours} 4711 25\r\n".encode()
    addresses = ip.packed + ipaddress.ip_address(ours).packed + struct.pack(">HH", 4711, 25)
    return SIGNATURE + struct.pack(">BBH", 0x21, 0x11 if ip.version == 4 else 0x21, len(addresses)) + addresses


class Crowd:
    """The pools of addresses are bounded, so that tables fill and stay so. refused: good mails that did not pass."""

    def __init__(self, port, proxied, ledger, rng, tls, patience=1):
        self.port, self.proxied, self.ledger, self.rng, self.tls, self.patience = (
            port, proxied, ledger, rng, tls, patience)
        self.sender = Sender(ledger, rng, tls, patience, world.HELOS)
        self.refused = []

    # ---- from where ----

    def good_source(self):
        """One in six is of a few that come often and are known good soon."""
        rng = self.rng
        return f"127.10.4.{rng.randrange(1, 21)}" if rng.random() < 0.16 else (
            f"127.10.{rng.randrange(8)}.{rng.randrange(1, 250)}")

    def bad_way(self):
        return Way(self.port, f"127.16.{self.rng.randrange(8)}.{self.rng.randrange(1, 250)}")

    def way(self, source):
        """Straight, or through somebody who tells whose connection it is."""
        kind, rng = self.rng.random(), self.rng
        if kind < 0.7:
            return Way(self.port, source)
        if rng.random() < 0.4:
            source = f"2001:db8:0:{rng.randrange(500):x}::{rng.randrange(1, 30):x}"
        if kind < 0.85:
            return Way(self.proxied, PROXY, proxy_header(source, rng.choice((1, 2))))
        return Way(self.port, XCLIENT, xclient=f"ADDR={'IPV6:' if ':' in source else ''}{source} NAME=[UNAVAILABLE]")

    def mail(self, source="", domain=None, size=None):
        """Each client writes for two domains, and from few addresses of theirs; some bounces."""
        rng, domains = self.rng, list(world.SENDERS)
        domain = domain or domains[(zlib.crc32(source.encode()) + rng.choice((0, 0, 1))) % len(domains)]
        sender = f"sender{rng.randrange(12)}@{domain}" if rng.random() > 0.04 else ""
        recipients = {f"user{rng.randrange(500)}@example.test" for _ in range(rng.choice((1, 1, 1, 2, 5)))}
        size = size or (LARGE if rng.random() < 0.015 else rng.choice(SIZES))
        return Mail(rng, sender, sorted(recipients), size)

    # ---- the good ----

    async def deliver(self, mail=None, way=None, **how):
        source = self.good_source()
        first, mail = self.way(source), mail or self.mail(source)
        if not await self.sender.deliver(way or (lambda: first), mail, pause=1, **how):
            self.refused.append(mail.mark)

    async def good(self):
        await self.deliver()

    async def good_tls(self):
        await self.deliver(secure=True)

    async def good_cut(self):
        """It loses its connection behind the dot, and comes again."""
        await self.deliver(cut=True)

    async def good_roaming(self):
        """It comes from another address each time, as a large provider does; its domain names them all."""
        await self.deliver(self.mail(domain="ip.test"), lambda: self.way(f"127.10.{self.rng.randrange(8, 12)}.7"))

    async def good_new(self):
        """From a domain that nobody has asked about."""
        rng = self.rng
        way = self.way(f"127.10.{rng.randrange(12, 20)}.{rng.randrange(1, 250)}")
        await self.deliver(self.mail(domain=f"r{rng.randrange(100_000)}.many.test"), lambda: way)

    async def good_several(self):
        """Several mails over one connection; one after the other what did not pass."""
        source = self.good_source()
        way = self.way(source)
        mails = [self.mail(source) for _ in range(self.rng.randrange(2, 6))]
        try:
            async with Talk(way, self.patience) as talk:
                await talk.greeted()
                for mail in mails:
                    await self.sender.one(talk, mail)
                await talk.cmd("QUIT")
        except (Refused, *BROKEN):
            self.ledger.counts["several mails were broken off"] += 1
        for mail in mails:
            if mail.mark not in self.ledger.heard:
                await asyncio.sleep(1)
                await self.deliver(mail, lambda: way)

    async def slow(self):
        """A line at a time."""
        source = self.good_source()
        way = self.way(source)
        await self.deliver(self.mail(source, size=10_000), lambda: way, slow=True)

    # ---- the bad ----

    async def harvester(self):
        async with Talk(self.bad_way(), self.patience) as talk:
            await talk.greeted()
            await talk.must("MAIL FROM:<harvest@softfail.test>")
            for _ in range(self.rng.randrange(3, 12)):
                await talk.cmd(f"RCPT TO:<unknown{self.rng.randrange(1000)}@example.test>")
            await talk.cmd("QUIT")

    async def forger(self):
        """What SPF, a list of domains or the sender's DNS refuses; nobody knows anything when DNS is down."""
        sender = self.rng.choice(("ip.test", "spam7.test", "nowhere.invalid", "example.test", "long.test"))
        async with Talk(self.bad_way(), self.patience) as talk:
            await talk.greeted(self.rng.choice(("mx.example.test", *world.HELOS)))
            await talk.cmd(f"MAIL FROM:<forged@{sender}>")
            code = await talk.cmd("RCPT TO:<user1@example.test>")
            self.ledger.counts[f"forger of {sender} told {code}"] += 1
            await talk.cmd("QUIT")

    async def early(self):
        async with Talk(self.bad_way(), self.patience) as talk:
            await talk.send("EHLO early.test\r\n" + ENVELOPE)
            await talk.until_end(5)

    async def garbage(self):
        async with Talk(self.bad_way(), self.patience) as talk:
            await talk.reply()
            await talk.send(self.rng.choice([*GARBAGE, self.rng.randbytes(self.rng.randrange(1, 5000))]))
            await talk.until_end(3)

    async def smuggler(self):
        form = self.rng.choice(FORMS)
        inner = "MAIL FROM:<smuggled@client.test>\r\nRCPT TO:<user2@example.test>\r\nDATA\r\nSubject: x\r\n\r\nx"
        async with Talk(self.bad_way(), self.patience) as talk:
            await talk.greeted()
            await talk.send(ENVELOPE)
            await asyncio.sleep(0.05)
            await talk.send(f"Subject: {self.mail(size=1).mark}\r\n\r\ntext{form}{inner}\r\n.\r\nQUIT\r\n")
            await talk.until_end(5)

    async def silent(self):
        async with Talk(self.bad_way(), self.patience) as talk:
            await asyncio.sleep(self.rng.random() * 15)
            if self.rng.random() < 0.5:
                talk.reset()

    async def never_reads(self):
        loop, sock, way = asyncio.get_running_loop(), socket.socket(), self.bad_way()
        with sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.bind((way.source, 0))
            await loop.sock_connect(sock, ("127.0.0.1", way.port))
            try:
                async with asyncio.timeout(5):
                    await loop.sock_sendall(sock, b"EHLO deaf.test\r\n" + b"NOOP\r\n" * 50_000)
            except TimeoutError:
                pass

    # ---- the broken ----

    async def cut_anywhere(self):
        """A whole session as bytes, cut at a random place, by a RST or an end; nobody knows what became of it."""
        source, rng = self.good_source(), self.rng
        way, mail = self.way(source), self.mail(source)
        told = f"XCLIENT {way.xclient}\r\nEHLO broken.test\r\n" if way.xclient else ""
        data = (f"EHLO broken.test\r\n{told}MAIL FROM:<{mail.sender}>\r\n" + "".join(
            f"RCPT TO:<{r}>\r\n" for r in mail.recipients) + "DATA\r\n").encode() + mail.stuffed() + b"QUIT\r\n"
        async with Talk(way, self.patience) as talk:
            await talk.reply()
            await talk.send(data[:rng.randrange(len(data))])
            await asyncio.sleep(rng.random() * 0.2)
            if rng.random() < 0.5:
                talk.reset()

    async def broken_tls(self):
        async with Talk(self.bad_way(), self.patience) as talk:
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

    async def broken_proxy(self):
        """Half a header, one with a wrong byte, one from somebody who is no proxy, none at all."""
        rng = self.rng
        header = bytearray(proxy_header(self.good_source(), rng.choice((1, 2))))
        header[rng.randrange(len(header))] ^= rng.choice((0, 1, 128))
        source = PROXY if rng.random() < 0.8 else self.bad_way().source
        async with Talk(Way(self.proxied, source), self.patience) as talk:
            await talk.send(bytes(header[:rng.randrange(len(header) + 1)]))
            await talk.until_end(rng.random() * 3)
            if rng.random() < 0.5:
                talk.reset()

    # ---- all together ----

    # of 100
    SHARES = {"good": 22, "good_tls": 10, "good_cut": 5, "good_roaming": 4, "good_new": 4, "good_several": 6, "slow": 3,
              "harvester": 8, "forger": 6, "early": 5, "garbage": 5, "smuggler": 5, "silent": 3, "never_reads": 1,
              "cut_anywhere": 7, "broken_tls": 4, "broken_proxy": 2}

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
