"""The README's way to port 25, step by step as it is written there: a Debian system with a real systemd and Debian's
own Postfix, whose mail goes on arriving before, behind and after SmtpGuard, from a client with its own address."""
import pathlib
import re

from harness import system

pytestmark = [system.needs_root, system.needs_systemd]
README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
SECTION = README[README.index("## On port 25, before Postfix"):README.index("**4. What DNS knows.**")]


def indented(text):
    """The blocks of a text that are set in, without what sets them in."""
    return [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", text, re.M)]


def without_sudo(commands):
    return commands.replace("sudo ", "")


PUBLIC_LINE, INNER_SERVICE = indented(SECTION[SECTION.index("**2."):SECTION.index("`main.cf` stays")])
SWITCH, ASK = map(without_sudo, indented(SECTION[SECTION.index("**3."):SECTION.index("Send a mail from another")]))

MAIN = """compatibility_level = 3.6
myhostname = mx.example.test
mydestination = mx.example.test, example.test
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
alias_maps =
alias_database =
maillog_file = /var/log/mail.log
"""

# a mail from another machine than this one
MAIL = """
import smtplib, sys
with smtplib.SMTP("203.0.113.25", 25, timeout=30, source_address=("198.51.100.7", 0)) as c:
    c.sendmail("somebody@elsewhere.example", ["walker@example.test"], f"Subject: {sys.argv[1]}\\r\\n\\r\\nhello\\r\\n")
"""

STEPS = r"""
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
no() { if "$@"; then exit 1; fi; }
until_found() {
	for i in $(seq 100); do grep -qr "$1" "$2" && return; sleep 0.1; done
	tail -n 20 /var/log/mail.log
	exit 1
}
ip address add 203.0.113.25/32 dev lo
ip address add 198.51.100.7/32 dev lo
echo nameserver 127.0.0.1 >/etc/resolv.conf
useradd --create-home walker
cp /test/main.cf /etc/postfix/main.cf
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf

# as it was
systemctl start postfix
python3 /test/mail before
until_found 'Subject: before' /var/mail/walker

# 1. install, with the name that the MX record names
dpkg --force-depends -i /test/x.deb
sed -i 's/^    # hostname = "mx.example.com"/    hostname = "mx.example.test"/' /etc/smtpguard/smtpguardd.cfg
grep -q '^    hostname = "mx.example.test"' /etc/smtpguard/smtpguardd.cfg
smtpguardd -c /etc/smtpguard/smtpguardd.cfg --check

# 2. an inner service
cp /etc/postfix/master.cf /test/master.cf.before
python3 /test/edit
no cmp -s /etc/postfix/master.cf /test/master.cf.before

# 3. switch over
sh -eux /test/switch >/test/switched 2>&1 || { cat /test/switched; exit 1; }
no grep -E '^smtp +inet' /test/switched
grep -E '^127.0.0.1:10025 +inet' /test/switched
awk '/^LISTEN/ { print $4 }' /test/switched | sort -u >/test/listening
printf '%s\n' 0.0.0.0:25 127.0.0.1:10025 '[::]:25' | sort | diff - /test/listening
sh -eux /test/ask

python3 /test/mail behind
until_found 'Subject: behind' /var/mail/walker
grep 'postfix/inner/smtpd.*client=.*\[198.51.100.7\]' /var/log/mail.log
grep -q '"from":"somebody@elsewhere.example"' /var/log/smtpguard/journal || smtpguardctl last | grep somebody

# and back
systemctl disable --now smtpguardd
cp /test/master.cf.before /etc/postfix/master.cf
systemctl restart postfix
python3 /test/mail after
until_found 'Subject: after' /var/mail/walker
test "$(grep -c '^Subject: ' /var/mail/walker)" = 3
systemctl stop postfix
echo ALL IS WELL
"""

# what a user's editor does: a # before the public line, the inner service at the end
EDIT = f"""
import pathlib, re
master = pathlib.Path("/etc/postfix/master.cf")
public = re.compile("^" + r"\\s+".join(map(re.escape, {PUBLIC_LINE!r}.lstrip("#").split())) + "$", re.M)
text, n = public.subn(lambda line: "#" + line[0], master.read_text())
assert n == 1, "the README's public line is not Debian's"
master.write_text(text + {INNER_SERVICE!r})
"""


def test_the_switch_of_port_25_as_the_readme_has_it(folder):
    system.skip_without_systemd()
    system.boot(folder, STEPS, {"main.cf": MAIN, "mail": MAIL, "edit": EDIT, "switch": SWITCH, "ask": ASK})
