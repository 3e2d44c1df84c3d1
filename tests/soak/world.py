"""What DNS says of everybody in the soak: of each address, sender, HELO and list, worked out from the name that is
asked for. A part of it fails always, and what is in `trouble` fails for a while."""
import ipaddress
import re

from harness import dns

LISTS = ("zen.spamhaus.org", "bl.spamcop.net", "bl.soak.test")  # of clients; the first two are in the shipped rules
DOMAINS = "dbl.soak.test"                                       # a list of sender domains
TTL = 20
LISTED = "127.0.0.2"
ORGANISATIONS = 40
ADDRESS = "ip4:127.10.0.0/16 ip6:2001:db8::/48"
# domains that good senders write from: whatever SPF makes of them, no rule refuses it
SENDERS = {
    "ip.test": {"TXT": f"v=spf1 {ADDRESS} -all", "MX": (10, "mx.ip.test")},
    "include.test": {"TXT": "v=spf1 include:none.test include:softfail.test include:ip.test -all", "A": "127.10.9.1"},
    "mx.test": {"TXT": f"v=spf1 mx/16 {ADDRESS} -all", "MX": [(n, f"mx{n}.hosts.test") for n in range(6)]},
    "exists.test": {"TXT": "v=spf1 exists:%{ir}.%{l}.there.test -all", "MX": (10, "mx.ip.test")},
    "ptr.test": {"TXT": "v=spf1 ptr:orga.test ~all", "MX": (10, "mx.ip.test")},
    "redirect.test": {"TXT": "v=spf1 redirect=include.test", "MX": (10, "mx.ip.test")},
    "softfail.test": {"TXT": "v=spf1 ~all", "MX": (10, "mx.ip.test")},
    "neutral.test": {"TXT": "v=spf1 ?all", "AAAA": "2001:db8::1"},
    "none.test": {"MX": (10, "mx.ip.test")},
    "broken.test": {"TXT": "v=spf1 ipv4:127.10.0.0/16 -all", "MX": (10, "mx.ip.test")},
    "loop.test": {"TXT": "v=spf1 include:loop.test -all", "MX": (10, "mx.ip.test")},
    "long.test": {"TXT": f"v=spf1 {' '.join(f'ip4:198.51.100.{n}' for n in range(120))} {ADDRESS} -all",
                  "MX": (10, "mx.ip.test")},
    "cut.test": {"TXT": f"v=spf1 {ADDRESS} -all", "MX": (10, "mx.ip.test"), "do": dns.TRUNCATED},
    "late.test": {"TXT": f"v=spf1 {ADDRESS} -all", "MX": (10, "mx.ip.test"), "do": dns.Slow(1.3)},
    "lost.test": {"do": dns.LOST},
    "servfail.test": {"do": dns.SERVFAIL},
    "garbage.test": {"do": dns.GARBAGE},
    "forged.test": {"TXT": f"v=spf1 {ADDRESS} -all", "MX": (10, "mx.ip.test"), "do": dns.FORGED},
}
FAILING = ("lost.test", "servfail.test", "garbage.test")
HELOS = ("client.example.test", "mx.ip.test", "nowhere.invalid", "lost.test", "[127.0.0.9]", "mail.soak.test")
HOST = re.compile(r"\.(org[a-j]+|soak|hosts)\.test$|^(mx\.ip|client\.example)\.test$")
# what happens to a list: silence, errors, an answer that says "not for you", yes to everybody, too late
TROUBLES = ({"do": dns.LOST}, {"do": dns.SERVFAIL}, {"A": "127.255.255.254", "ttl": 1}, {"A": LISTED, "ttl": 1},
            {"A": [], "do": dns.Slow(0.9)})
# of ten addresses: how the name of each comes
NAMED, NAMELESS, MISMATCH, END_USER, SILENT, FAILS = range(6)
KINDS = (NAMED, NAMED, NAMED, NAMED, NAMED, NAMELESS, MISMATCH, END_USER, SILENT, FAILS)


def letters(n):
    return "".join(chr(ord("a") + int(digit)) for digit in str(n))


def address_of(labels):
    """The address whose reverse name begins with these labels, or None."""
    digits = labels[::-1]
    text = ".".join(digits) if len(digits) == 4 else ":".join("".join(digits[n:n + 4]) for n in range(0, 32, 4))
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def host_name(address):
    number = int(address)
    if KINDS[number % 10] == END_USER:
        return f"dsl-{str(address).replace('.', '-').replace(':', '-')}.pool.isp.soak.test"
    return f"mx{letters(number)}.org{letters(number % ORGANISATIONS)}.test"


class World(dict):
    """A zone for harness.dns.Dns; its names are not written down but answered for. trouble: {zone: entry}."""

    def __init__(self):
        super().__init__()
        self.trouble = {}

    def __contains__(self, name):
        return self[name] is not None

    def __getitem__(self, name):
        if name.startswith("*."):
            return None
        zone = next((z for z in (*LISTS, DOMAINS) if name.endswith("." + z)), None)
        if zone:
            return self.listing(name.removesuffix("." + zone), zone)
        if name.endswith((".in-addr.arpa", ".ip6.arpa")):
            return self.reverse(name)
        if name.endswith(".there.test"):
            return {"A": "127.0.0.2", "ttl": TTL}
        if HOST.search(name):
            return self.host(name)
        if name.endswith(".many.test"):
            return {"A": "127.10.9.1", "TXT": "v=spf1 a/16 ~all", "ttl": 1}
        return {**SENDERS[name], "ttl": TTL} if name in SENDERS else None

    def listing(self, what, zone):
        if zone in self.trouble:
            return self.trouble[zone]
        if zone == DOMAINS:
            return {"A": LISTED, "ttl": TTL} if what in ("test", "spam7.test") else None
        address = address_of(what.split("."))
        return {"A": LISTED, "TXT": "as it was asked for", "ttl": TTL} if address and is_listed(address, zone) else None

    def reverse(self, name):
        address = address_of(name.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa").split("."))
        if not address or (kind := KINDS[int(address) % 10]) == NAMELESS:
            return None
        return {"PTR": host_name(address), "ttl": TTL,
                "do": {SILENT: dns.LOST, FAILS: dns.SERVFAIL}.get(kind, dns.OK)}

    def host(self, name):
        first = name.split(".")[0]
        if first.startswith("dsl-"):
            text = first.removeprefix("dsl-")
            address = text.replace("-", ".") if text.count("-") == 3 else text.replace("-", ":")
        elif first.startswith("mx") and len(first) > 6:
            address = ipaddress.ip_address(int("".join(str(ord(c) - ord("a")) for c in first[2:])))
            address = address + 1 if KINDS[int(address) % 10] == MISMATCH else address
        else:
            address = ipaddress.ip_address("127.10.9.1")
        return {"AAAA" if ":" in str(address) else "A": str(address), "ttl": TTL}


def is_listed(address, zone):
    """The test point; a part of the bad; of the good, only in the list that gives points."""
    number, text = int(address), str(address)
    if text == LISTED:
        return True
    if zone == LISTS[1]:
        return text.startswith(("127.10.", "127.16.")) and number % 7 == 0
    return text.startswith("127.16.") and number % (5 if zone == LISTS[0] else 6) == 0
