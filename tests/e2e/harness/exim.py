"""A real Exim of the test's own: own folder, loopback ports, mails delivered into Maildirs there.

Its words are its own: most of its refusals have no enhanced code, and it offers what Postfix does not (PRDR,
CHUNKING taken by halves, PIPECONNECT).
"""
from harness import certs, ports, unpacked

USERS = ["good", "other", "third", "two"]

CONFIG = """exim_path = {exim}
spool_directory = {d}/spool
log_file_path = {d}/%slog
pid_file_path = {d}/pid
primary_hostname = exim.example.test
daemon_smtp_ports = {plain} : {private}
local_interfaces = 127.0.0.1
tls_advertise_hosts = ${{if eq{{$received_port}}{{{private}}}{{*}}}}
tls_certificate = {cert}
tls_privatekey = {key}
host_lookup =
rfc1413_hosts =
deliver_drop_privilege = true
keep_environment =
smtp_accept_queue_per_connection = 0
log_selector = +smtp_connection
message_size_limit = 20M
prdr_enable = true
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts = *
smtp_accept_max_per_connection = {mails_each}
recipients_max = {recipients}
recipients_max_reject = {reject}
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data
acl_smtp_data_prdr = prdr
{extra}
begin acl
mail:
  deny senders = refused@client.test
  defer senders = later@client.test
  accept
rcpt:
  defer local_parts = temporary
        message = 4.2.1 Mailbox busy, come again
  deny local_parts = policy
       message = 5.7.1 This one is not for you
  deny !local_parts = {users}
       message = Unknown user
  accept domains = example.test : exim.test
  deny message = relay not permitted
data:
  deny condition = ${{if match{{$message_body}}{{forbidden word}}}}
       message = We do not like it
  accept
prdr:
  accept
begin routers
box:
  driver = accept
  local_parts = {users}
  transport = box
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {d}/mail/$local_part_data
  create_directory
  user = Debian-exim
  group = Debian-exim
"""


class Exim(unpacked.Server):
    package = "exim4-daemon-light"

    def __init__(self, folder, mails_each=1000, recipients=50000, reject="false", extra=""):
        exim = unpacked.FOLDER / self.package / "usr/sbin/exim4"
        self.plain, self.private = ports.free_port(), ports.free_port()
        for name in ("spool", "mail"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
        folder.chmod(0o777)
        self.cert, key = certs.make(folder, "exim.example.test")
        folder.joinpath("exim.example.test.key").chmod(0o644)
        folder.joinpath("conf").write_text(CONFIG.format(
            d=folder, exim=exim, plain=self.plain, private=self.private, cert=self.cert, key=key,
            mails_each=mails_each, recipients=recipients, reject=reject, users=" : ".join(USERS), extra=extra))
        super().__init__(folder, {"Debian-exim": 8025}, "", [exim, "-bdf", "-q1h", "-C", folder / "conf"],
                         [self.plain, self.private])

    def connections(self):
        return self.told().count("SMTP connection from")
