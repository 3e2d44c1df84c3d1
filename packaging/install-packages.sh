#!/bin/sh
# Installs the Debian packages of the named groups that are not there yet: build run deb test fuzz bench.
# Says nothing and changes nothing when all are there. Asks nothing. No service is started, now or at the next boot.
# Mail servers that cannot be installed beside Postfix are only unpacked, each into a folder below UNPACKED: no account,
# no service and no file elsewhere comes of it.
set -eu

UNPACKED=/usr/local/lib/smtpguard-test

packages() {
	case $1 in
	build) echo gcc libc6-dev make cmake ninja-build pkg-config libmimalloc-dev libssl-dev libconfig-dev libpcre2-dev \
		libjansson-dev libncurses-dev libseccomp-dev libpsl-dev libc-ares-dev \
		libsqlite3-dev libpq-dev ;;
	run) echo curl ;;
	deb) echo dpkg-dev adduser ;;
	test) echo libcmocka-dev binutils python3 python3-pytest python3-yaml postfix dovecot-core dovecot-lmtpd haproxy swaks \
		curl openssl mandoc dpkg-dev adduser util-linux iproute2 systemd nsd postgresql
		# what the unpacked ones are linked with
		echo libcrypt1 libdb5.3 libevent-2.1-7 libgnutls-dane0 libgnutls30 libidn12 libidn2-0 libnsl2 libpam0g \
			libpcre2-8-0 libssl3 zlib1g ;;
	fuzz) echo clang libclang-rt-14-dev llvm ;;
	bench) echo python3 postfix haproxy nsd iproute2 ;;
	*)
		echo "usage: $0 build|run|deb|test|fuzz|bench..." >&2
		exit 2
		;;
	esac
}

unpacked() {
	case $1 in
	test) echo exim4-daemon-light opensmtpd ;;
	esac
}

# Daemons among the packages: the tests start their own copies in their own folders.
SERVICES="postfix haproxy dovecot nsd postgresql"

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
unpack=
services=
for group in "$@"; do
	list=$(packages "$group") || exit 2
	for package in $list; do
		is_installed "$package" && continue
		case " $missing " in *" $package "*) continue ;; esac
		missing="$missing $package"
		case " $SERVICES " in *" $package "*) services="$services $package" ;; esac
	done
	for package in $(unpacked "$group"); do
		[ -d "$UNPACKED/$package" ] || unpack="$unpack $package"
	done
done
[ -n "$missing$unpack" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
		echo "These Debian packages are missing:$missing$unpack" >&2
		echo "Run this once as root, then try again:  $0 $*" >&2
		exit 1
	fi
	exec sudo -n "$0" "$@"
fi

[ -z "$missing" ] || echo "installing:$missing"
POLICY=/usr/sbin/policy-rc.d
made_policy=
scratch=
restore() {
	[ -z "$made_policy" ] || rm -f "$POLICY"
	[ -z "$scratch" ] || rm -rf "$scratch"
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
[ -z "$missing" ] || $APT install -y --no-install-recommends $missing </dev/null

for package in $unpack; do
	scratch=$(mktemp -d)
	# apt fetches as an account of its own
	chown _apt "$scratch"
	(cd "$scratch" && $APT download "$package" </dev/null && dpkg-deb -x ./*.deb files && chmod -R ug-s files)
	mkdir -p "$UNPACKED"
	mv "$scratch/files" "$UNPACKED/$package"
	rm -rf "$scratch"
	echo "$package is unpacked in $UNPACKED/$package, for the tests alone"
done

for service in $services; do
	# by the tools that the packages themselves use: they work without a running systemd as well
	deb-systemd-helper disable "$service.service" >/dev/null 2>&1 || :
	update-rc.d "$service" disable >/dev/null 2>&1 || :
	echo "$service is installed but neither started nor enabled (systemctl enable --now $service does both)"
done
