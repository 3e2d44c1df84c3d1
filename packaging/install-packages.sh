#!/bin/sh
# Installs the Debian packages of the named groups that are not there yet: build run deb test fuzz bench.
# Says nothing and changes nothing when all are there. Asks nothing. No service is started, now or at the next boot.
set -eu

packages() {
	case $1 in
	build) echo gcc libc6-dev make cmake ninja-build pkg-config libmimalloc-dev libssl-dev libconfig-dev libpcre2-dev \
		libjansson-dev libncurses-dev libseccomp-dev ;;
	run) echo curl ;;
	deb) echo dpkg-dev adduser ;;
	test) echo libcmocka-dev binutils python3 python3-pytest postfix dovecot-core dovecot-lmtpd haproxy swaks curl \
		openssl mandoc dpkg-dev adduser util-linux iproute2 systemd ;;
	fuzz) echo clang libclang-rt-14-dev llvm ;;
	bench) echo python3 postfix haproxy ;;
	*)
		echo "usage: $0 build|run|deb|test|fuzz|bench..." >&2
		exit 2
		;;
	esac
}

# Daemons among the packages: the tests start their own copies in their own folders.
SERVICES="postfix haproxy dovecot"

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
services=
for group in "$@"; do
	list=$(packages "$group") || exit 2
	for package in $list; do
		is_installed "$package" && continue
		case " $missing " in *" $package "*) continue ;; esac
		missing="$missing $package"
		case " $SERVICES " in *" $package "*) services="$services $package" ;; esac
	done
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
		echo "These Debian packages are missing:$missing" >&2
		echo "Run this once as root, then try again:  $0 $*" >&2
		exit 1
	fi
	exec sudo -n "$0" "$@"
fi

echo "installing:$missing"
POLICY=/usr/sbin/policy-rc.d
made_policy=
restore() {
	[ -z "$made_policy" ] || rm -f "$POLICY"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$POLICY" ]; then
	made_policy=1
	printf '#!/bin/sh\nexit 101\n' >"$POLICY"
	chmod 755 "$POLICY"
fi

export DEBIAN_FRONTEND=noninteractive
APT="apt-get -q -o DPkg::Lock::Timeout=300"
$APT update </dev/null
if ! is_installed postfix && command -v debconf-set-selections >/dev/null; then
	echo "postfix postfix/main_mailer_type select Local only" | debconf-set-selections
fi
# shellcheck disable=SC2086
$APT install -y --no-install-recommends $missing </dev/null

for service in $services; do
	# by the tools that the packages themselves use: they work without a running systemd as well
	deb-systemd-helper disable "$service.service" >/dev/null 2>&1 || :
	update-rc.d "$service" disable >/dev/null 2>&1 || :
	echo "$service is installed but neither started nor enabled (systemctl enable --now $service does both)"
done
