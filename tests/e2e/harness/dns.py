"""Name servers of the tests' own: one that does what it is told, and a real NSD.

A zone is a dict: name -> {type: value or list of values}. Values: A, AAAA, PTR, CNAME, NS a text; MX (preference,
name); TXT a text, or a list of texts that are one record's strings. A name of bytes may hold any byte. "*.x" stands
for what is below x and not named itself. Beside the types a name may have
    "ttl": seconds (300 without)
    "do":  what happens to a question for it, one of the words below, or a list of them: one for each time it is asked,
           the last one for all further times
Names that are not in the zone do not exist (NXDOMAIN), unless one below them does (no data).

    LOST SERVFAIL REFUSED FORMERR NXDOMAIN    a silence, a code
    TRUNCATED                                 cut over UDP, whole over TCP
    WRONG_ID WRONG_QUESTION GARBAGE EMPTY     that instead of an answer
    FORGED                                    an answer with a wrong id, then the right one
    HUGE                                      cut over UDP, over TCP 60 KB of TXT in front
    LOOP                                      an alias of itself
    Slow(seconds)                             the usual answer, later
    OK                                        the usual answer
    bytes                                     sent as they are, but for the id
"""
import heapq
import ipaddress
import pathlib
import selectors
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import ports, wait

LOST, SERVFAIL, REFUSED, FORMERR, NXDOMAIN, OK = "lost", "servfail", "refused", "formerr", "nxdomain", "ok"
TRUNCATED, HUGE, LOOP, FORGED = "truncated", "huge", "loop", "forged"
WRONG_ID, WRONG_QUESTION, GARBAGE, EMPTY = "wrong id", "wrong question", "garbage", "empty"
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
CODES = {FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5}
UDP_MOST = 1232


class Slow:
    def __init__(self, seconds):
        self.seconds = seconds

    def __repr__(self):
        return f"slow {self.seconds} s"


def reverse(ip):
    """The name of an address: where its PTR is."""
    return ipaddress.ip_address(ip).reverse_pointer


def listed(ip, zone):
    """The name that a DNS list is asked for an address."""
    return reverse(ip).removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa") + "." + zone


def as_list(value):
    return value if isinstance(value, list) else [value]


def wire_name(name):
    labels = [x for x in (name if isinstance(name, bytes) else name.encode()).split(b".") if x]
    return b"".join(bytes([len(x)]) + x for x in labels) + b"\0"


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([len(data)]) + data


def rdata(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        return struct.pack("!H", value[0]) + wire_name(value[1])
    if kind == "TXT":
        text = value if isinstance(value, (list, tuple)) else [value]
        return b"".join(string(part[i:i + 255]) for part in text for i in range(0, max(len(part), 1), 255))
    return wire_name(value)


class Question:
    def __init__(self, message, transport):
        self.message, self.transport, self.time = message, transport, time.monotonic()
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]])
            at += message[at] + 1
        self.end = at + 5
        self.name = b".".join(labels).decode("latin-1").lower()
        self.type = TYPE_NAMES.get(struct.unpack("!H", message[at + 1:at + 3])[0], "?")

    def __repr__(self):
        return f"<{self.name} {self.type} over {self.transport}>"


class Dns:
    """dns = Dns(zone); dns.port; dns.stop(). `zone`, `down` (says nothing at all), `mute` (nothing to questions of this
    type) and `delay` (of every answer) may be changed at any time."""

    def __init__(self, zone, address="127.0.0.1", port=None):
        self.zone, self.address, self.wanted = zone, address, port
        self.down, self.delay, self.mute = False, 0, None
        self.asked, self.times = [], {}
        self.later, self.number = [], 0
        self.selector = selectors.DefaultSelector()
        self._bind()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()

    @property
    def server(self):
        """For dns.servers."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def count(self, name=None, kind=None, transport=None):
        """How often this was asked; no argument: all questions."""
        return sum(1 for q in list(self.asked) if name in (None, q.name) and kind in (None, q.type)
                   and transport in (None, q.transport))

    def stop(self):
        self.stopping = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    # sockets

    def _bind(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        while True:
            self.port = self.wanted or ports.free_port(self.address)
            udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family)
            try:
                udp.bind((self.address, self.port))
                tcp.bind((self.address, self.port))
                break
            except OSError:
                udp.close()
                tcp.close()
                if self.wanted:
                    raise
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        tcp.listen(100)
        for s, what in ((udp, self._read_udp), (tcp, self._accept)):
            s.setblocking(False)
            self.selector.register(s, selectors.EVENT_READ, what)

    def _run(self):
        while not self.stopping:
            wait_for = 0.05
            while self.later and self.later[0][0] <= time.monotonic():
                heapq.heappop(self.later)[2]()
            if self.later:
                wait_for = max(0, min(wait_for, self.later[0][0] - time.monotonic()))
            for key, _ in self.selector.select(wait_for):
                key.data(key.fileobj)

    def _after(self, seconds, send):
        self.number += 1
        heapq.heappush(self.later, (time.monotonic() + seconds, self.number, send))

    def _read_udp(self, udp):
        while True:
            try:
                message, peer = udp.recvfrom(4096)
            except OSError:
                return

            def send(data, peer=peer):
                try:
                    udp.sendto(data, peer)
                except OSError:
                    pass  # whoever asked has gone

            self._answer(Question(message, "udp"), send)

    def _accept(self, tcp):
        conn, _ = tcp.accept()
        conn.setblocking(False)
        pending = bytearray()

        def send(data):
            try:
                conn.setblocking(True)
                conn.sendall(struct.pack("!H", len(data)) + data)
                conn.setblocking(False)
            except OSError:
                pass

        def read(_):
            try:
                got = conn.recv(65536)
            except OSError:
                got = b""
            pending.extend(got)
            if not got:
                self.selector.unregister(conn)
                conn.close()
            while len(pending) > 2 and len(pending) >= 2 + int.from_bytes(pending[:2], "big"):
                end = 2 + int.from_bytes(pending[:2], "big")
                message = bytes(pending[2:end])
                del pending[:end]
                self._answer(Question(message, "tcp"), send)

        self.selector.register(conn, selectors.EVENT_READ, read)

    # answers

    def _entry(self, name):
        if name in self.zone:
            return self.zone[name]
        parent = name
        while "." in parent:
            parent = parent.split(".", 1)[1]
            if "*." + parent in self.zone:
                return self.zone["*." + parent]
        return None

    def _what(self, question, entry):
        steps = as_list((entry or {}).get("do", OK))
        times = self.times[question.name] = self.times.get(question.name, -1) + 1
        return steps[min(times, len(steps) - 1)]

    def _answer(self, question, send):
        self.asked.append(question)
        if self.down or question.type == self.mute:
            return
        what = self._what(question, self._entry(question.name))
        delay = self.delay
        if isinstance(what, Slow):
            delay, what = delay + what.seconds, OK
        for data in self._messages(question, what):
            if delay:
                self._after(delay, lambda data=data: send(data))
            else:
                send(data)

    def _messages(self, q, what):
        answer = self._usual(q)
        if what == LOST:
            return []
        if isinstance(what, bytes):
            return [q.message[:2] + what[2:]]
        if what in CODES:
            return [self._message(q, CODES[what], [], [self._soa(q.name)] if what == NXDOMAIN else [])]
        if what in (TRUNCATED, HUGE) and q.transport == "udp":
            return [self._cut(q)]
        if what == HUGE:
            filler = [(wire_name(q.name), "TXT", 300, rdata("TXT", "x" * 60000))]
            return [self._message(q, 0, filler, [])]
        wrong_id = bytes([answer[0] ^ 0x55]) + answer[1:]
        return {WRONG_ID: [wrong_id], FORGED: [wrong_id, answer], GARBAGE: [answer[:4] + b"\xff" * 60], EMPTY: [b""],
                WRONG_QUESTION: [answer[:13] + bytes([answer[13] ^ 1]) + answer[14:]],
                LOOP: [self._message(q, 0, [(wire_name(q.name), "CNAME", 300, wire_name(q.name))], [])],
                }.get(what, [answer])

    def _usual(self, q):
        records, name = [], q.name
        entry = self._entry(name)
        for _ in range(20):
            if not entry or "CNAME" not in entry or q.type == "CNAME":
                break
            target = entry["CNAME"]
            records.append((wire_name(name), "CNAME", entry.get("ttl", 300), wire_name(target)))
            name = target.lower()
            entry = self._entry(name)
        for value in as_list((entry or {}).get(q.type, [])):
            records.append((wire_name(name), q.type, entry.get("ttl", 300), rdata(q.type, value)))
        exists = entry is not None or any(n.endswith("." + name) for n in self.zone if isinstance(n, str))
        found = records and records[-1][1] == q.type
        message = self._message(q, 0 if exists else 3, records, [] if found else [self._soa(name)])
        return self._cut(q) if q.transport == "udp" and len(message) > UDP_MOST else message

    def _soa(self, name):
        parent = name.split(".", 1)[-1]
        numbers = struct.pack("!5I", 1, 3600, 600, 86400, 60)
        return (wire_name(parent), "SOA", 300, wire_name("ns.test") + wire_name("root.test") + numbers)

    def _cut(self, q):
        message = self._message(q, 0, [], [])
        return message[:2] + bytes([message[2] | 2]) + message[3:]

    def _message(self, q, code, answers, authority):
        head = q.message[:2] + struct.pack("!5H", 0x8180 | code, 1, len(answers), len(authority), 1)
        out = head + q.message[12:q.end]
        for owner, kind, ttl, data in answers + authority:
            # the question's own name by a pointer, as name servers do it
            owner = b"\xc0\x0c" if owner == wire_name(q.name) else owner
            out += owner + struct.pack("!HHIH", TYPES[kind], 1, ttl, len(data)) + data
        return out + b"\0" + struct.pack("!HHIH", 41, UDP_MOST, 0, 0)


def ask(server, name, kind, tcp=False, seconds=5):
    """One question, and the bytes of its answer."""
    address, port = server.rsplit(":", 1)
    message = b"\x12\x34" + struct.pack("!5H", 0x100, 1, 0, 0, 0) + wire_name(name) + struct.pack("!HH", TYPES[kind], 1)
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
        s.settimeout(seconds * wait.PATIENCE)
        s.connect((address, int(port)))
        if not tcp:
            s.send(message)
            return s.recv(65535)
        s.sendall(struct.pack("!H", len(message)) + message)
        return s.recv(int.from_bytes(s.recv(2, socket.MSG_WAITALL), "big"), socket.MSG_WAITALL)


NSD = """server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  pidfile: "{folder}/nsd.pid"
  logfile: "{folder}/nsd.log"
  database: ""
  server-count: 1
  hide-version: yes
remote-control:
  control-enable: no
"""
ZONE_HEAD = """$ORIGIN {origin}.
$TTL 300
@ SOA ns.{origin}. root.{origin}. 1 3600 600 86400 60
@ NS ns.{origin}.
ns A 127.0.0.1
"""


class Nsd:
    """A real authoritative server, in its own folder: Nsd(folder, {"example.test": "mail A 192.0.2.1\\n..."})."""

    def __init__(self, folder, zones):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = ports.free_port()
        config = NSD.format(port=self.port, folder=self.folder)
        for origin, records in zones.items():
            (self.folder / f"{origin}.zone").write_text(ZONE_HEAD.format(origin=origin) + records)
            config += f'zone:\n  name: "{origin}"\n  zonefile: "{origin}.zone"\n'
        (self.folder / "nsd.conf").write_text(config)
        self.process = subprocess.Popen([program(), "-d", "-c", self.folder / "nsd.conf"], stdout=subprocess.DEVNULL,
                                        stderr=(self.folder / "stderr").open("w"))
        try:
            wait.until(lambda: ports.listening(self.port), what=f"NSD on port {self.port}")
        except AssertionError:
            self.stop()
            raise AssertionError((self.folder / "nsd.log").read_text()
                                 + (self.folder / "stderr").read_text()) from None
        self.server = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def program():
    path = shutil.which("nsd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    if not path:
        pytest.skip("NSD is not installed")
    return path
