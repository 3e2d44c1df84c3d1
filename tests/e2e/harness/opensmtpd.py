"""A real OpenSMTPD of the test's own: own folder, loopback ports, mails delivered into Maildirs there.

It offers no PIPELINING, takes 100 mails in a session and, on one port, wants a PROXY v2 header first. Debian 12's
offers STARTTLS and then fails at it ("missing private key": it was made for an older OpenSSL).
"""
from harness import certs, ports, unpacked

USERS = ["good", "other", "third", "two"]

CONFIG = """pki mine cert "{cert}"
pki mine key "{key}"
smtp max-message-size "20M"
smtp limit max-rcpt {recipients}
queue ttl 1h
table users {{ {users} }}
table boxes {{ {boxes} }}
listen on 127.0.0.1 port {plain} hostname opensmtpd.example.test
listen on 127.0.0.1 port {proxied} hostname opensmtpd.example.test proxy-v2
listen on 127.0.0.1 port {private} hostname opensmtpd.example.test tls pki mine
action in maildir "{d}/mail/%{{user.username}}" virtual <users> userbase <boxes>
match mail-from "refused@client.test" from any for any reject
match from any for domain {{ "example.test", "opensmtpd.test" }} action in
"""
# what is compiled into it: its helpers, its queue, its jail and its socket
PREPARE = """mount -t tmpfs none /usr/libexec
    mkdir /usr/libexec/opensmtpd
    mount --bind {package}/usr/libexec/opensmtpd /usr/libexec/opensmtpd
    mount -t tmpfs -o mode=755 none /var/spool
    mount -t tmpfs -o mode=755 none /var/lib
    mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty
    chmod 711 /var/spool/smtpd
    mount -t tmpfs -o mode=755 none /run
    printf '127.0.0.1 localhost\\n' > /run/hosts
    mount -t tmpfs -o mode=755 none /usr/sbin
    cp {package}/usr/sbin/smtpctl {package}/usr/sbin/smtpd /usr/sbin/"""


class OpenSMTPD(unpacked.Server):
    package = "opensmtpd"

    def __init__(self, folder, recipients=1000):
        self.plain, self.proxied, self.private = (ports.free_port() for _ in range(3))
        folder.chmod(0o755)
        (folder / "mail").mkdir()
        (folder / "mail").chmod(0o777)
        self.cert, key = certs.make(folder, "opensmtpd.example.test")
        (folder / "conf").write_text(CONFIG.format(
            d=folder, plain=self.plain, proxied=self.proxied, private=self.private, cert=self.cert, key=key,
            recipients=recipients,
            users=", ".join(f'"{n}@{domain}" = "{n}"' for n in USERS for domain in ("example.test", "opensmtpd.test")),
            boxes=", ".join(f'"{n}" = "8025:8025:{folder}/mail"' for n in USERS)))
        super().__init__(folder, {"opensmtpd": 8026, "opensmtpq": 8027, "box": 8025},
                         PREPARE.format(package=unpacked.FOLDER / self.package),
                         ["/usr/sbin/smtpd", "-d", "-f", folder / "conf"],
                         [self.plain, self.proxied, self.private])

    def connections(self):
        return self.told().count("smtp connected")
