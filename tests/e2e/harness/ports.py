"""Free loopback ports, and whether somebody listens on one, found out without connecting."""
import random
import socket

# below the kernel's own range, so that no outgoing connection of a test can take one
FIRST, LAST = 12000, 31000
_reserved = []


def _reserve(port):
    """Until this process ends nobody else gets the port from here: neither while a server is on its way to it nor while
    it is restarted. By a name that the kernel gives to one alone."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0smtpguard-test-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def free_port(address="127.0.0.1"):
    while True:
        port = random.randint(FIRST, LAST)
        if not _reserve(port):
            continue
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
            try:
                s.bind((address, port))
            except OSError:
                continue
        return port


def listening(port):
    """Reads the kernel's table: a trial connection would be a session in the journal."""
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name) as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    return True
    return False
