"""Reads a Postfix queue file without forking postcat(1) for each: its records are a type, a length, bytes.

The format is Postfix's own (global/rec_type.h): C size, T time, A attribute, S sender, R recipient, N a line,
L a piece of a line, M start of the message, X end of it, E end of the file, p pointer, w padding.
"""


OF_RECIPIENTS = ("dsn_orig_rcpt", "notify_flags")  # written before the recipient


class Queued:
    def __init__(self, name, sender, recipients, attributes, content, of_recipients):
        self.name, self.sender, self.recipients = name, sender, recipients
        self.attributes, self.content = attributes, content
        self.of_recipients = of_recipients  # what DSN says of each

    @property
    def client(self):
        return self.attributes.get("log_client_address") or self.attributes.get("client_address")

    def without_trace(self):
        """The content below our Received: and Postfix's."""
        return cut_trace(cut_trace(self.content))

    def __repr__(self):
        return f"<{self.name} {self.sender} -> {self.recipients}: {self.content[:60]!r}>"


def cut_trace(content):
    """content without the header field on top, which is a Received: of one or more lines."""
    assert content.startswith(b"Received: "), content[:80]
    at = content.index(b"\r\n") + 2
    while content[at:at + 1] in (b" ", b"\t"):
        at = content.index(b"\r\n", at) + 2
    return content[at:]


def records(data):
    at = 0
    while at < len(data):
        kind = chr(data[at])
        at += 1
        length = shift = 0
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        yield kind, data[at:at + length]
        at += length


def parse(name, data):
    """The mail in a finished queue file, or None for one that is still being written."""
    sender, recipients, attributes, content = None, [], {}, b""
    inside = ended = False
    of_recipients, of_next = [], {}
    for kind, value in records(data):
        if kind == "M":
            inside = True
        elif kind == "X":
            inside = False
        elif inside and kind in "NL":
            content += value + (b"\r\n" if kind == "N" else b"")
        elif kind == "S":
            sender = value.decode()
        elif kind == "R":
            recipients.append(value.decode())
            of_recipients.append(of_next)
            of_next = {}
        elif kind == "A" and b"=" in value:
            key, text = value.decode("latin-1").split("=", 1)
            (of_next if key in OF_RECIPIENTS else attributes)[key] = text
        elif kind == "E":
            ended = True
    return Queued(name, sender, recipients, attributes, content, of_recipients) if ended else None
