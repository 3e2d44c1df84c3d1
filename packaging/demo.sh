#!/bin/sh
# make run: says how to send the first mail, then runs the server in the foreground.
set -eu
cd "$(dirname "$0")/.."
cat <<'TEXT'

SmtpGuard listens on 127.0.0.1:2525 and takes mail for example.test. In another terminal, send it a mail:

  printf 'Subject: hello\r\n\r\nHello\r\n' | curl -sS smtp://127.0.0.1:2525 --mail-from me@example.org --mail-rcpt you@example.test -T -

TEXT
cat <<TEXT
The mail then lies in $PWD/demo-mail/new

TEXT
exec "${1:-build/release/server/smtpguardd}" -c demo.cfg
