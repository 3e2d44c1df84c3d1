"""A client's end of a session, for programs that hold hundreds of them at once."""
import asyncio
import collections
import socket
import ssl
import struct

BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, TimeoutError)
REPLY_SECONDS = 60

# How a client comes: to which port, from where; behind the PROXY header that stands in front, or told by XCLIENT.
Way = collections.namedtuple("Way", "port source header xclient", defaults=(b"", ""))


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Talk:
    """async with Talk(way) as t: at the end the connection is cut, if it was not ended before."""

    def __init__(self, way, patience=1):
        self.way, self.seconds = way, REPLY_SECONDS * patience
        self.reader = self.writer = None
        self.extensions = set()

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.way.port, local_addr=(self.way.source, 0)), self.seconds)
        if self.way.header:
            await self.send(self.way.header)
        return self

    async def __aexit__(self, *_):
        self.writer.transport.abort()

    def reset(self):
        """A RST: whatever is still on its way here is lost."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def send(self, data):
        self.writer.write(data if isinstance(data, bytes) else data.encode())
        await asyncio.wait_for(self.writer.drain(), self.seconds)

    async def reply(self):
        """(code, lines)"""
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            lines.append((await asyncio.wait_for(self.reader.readuntil(b"\r\n"), self.seconds))[:-2])
        return int(lines[0][:3]), lines

    async def cmd(self, line):
        await self.send(line + "\r\n")
        return (await self.reply())[0]

    async def must(self, line, code=250):
        """The command's reply must have this code: Refused."""
        got = await self.cmd(line)
        if got != code:
            raise Refused(got, line)

    async def hello(self, name="client.example.test"):
        await self.send(f"EHLO {name}\r\n")
        code, lines = await self.reply()
        if code != 250:
            raise Refused(code, "EHLO")
        self.extensions = {line[4:].split(b" ")[0].decode().upper() for line in lines[1:]}

    async def greeted(self, name="client.example.test"):
        code, _ = await self.reply()
        if code != 220:
            raise Refused(code, "greeting")
        await self.hello(name)
        if self.way.xclient:
            await self.must("XCLIENT " + self.way.xclient, 220)
            await self.hello(name)

    async def starttls(self, context):
        await self.must("STARTTLS", 220)
        await asyncio.wait_for(self.writer.start_tls(context, server_hostname="mx.example.test"), self.seconds)
        await self.hello()

    async def envelope(self, sender, recipients):
        await self.must(f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            await self.must(f"RCPT TO:<{recipient}>")

    async def until_end(self, seconds):
        """Reads until the server closes, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            pass


class Bare:
    """As Talk, straight on the socket: what the kernel has got and when it is closed is then known to the moment."""

    def __init__(self, way, patience=1):
        self.way, self.seconds, self.pending = way, REPLY_SECONDS * patience, b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.bind((way.source, 0))

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_connect(self.sock, ("127.0.0.1", self.way.port)), 10)
        if self.way.header:
            await self.send(self.way.header)
        return self

    async def __aexit__(self, *_):
        self.sock.close()

    async def send(self, data):
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.sock, data), self.seconds)

    async def reply(self):
        while True:
            while b"\r\n" not in self.pending:
                got = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 65536), self.seconds)
                if not got:
                    raise ConnectionResetError
                self.pending += got
            line, self.pending = self.pending.split(b"\r\n", 1)
            if line[3:4] != b"-":
                return int(line[:3])

    def reset_unheard(self):
        """A RST, unless something came: that was heard, the server knows no better."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.sock.close()
            return True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        return False
