/* smtp/addr.h - the paths of MAIL FROM and RCPT TO
 *
 * Parses what stands between '<' and '>' (RFC 5321 4.1.2, 4.1.3): dot-strings, quoted local parts,
 * domains, address literals (IPv4, IPv6, general), the null path, `<postmaster>`. A source route is
 * accepted and dropped (RFC 5321 appendix C). All slices point into the input; nothing is unescaped
 * or folded, so writing a path back gives the bytes that came in, without the route.
 *
 * More is taken than the grammar has, where Postfix takes it by default and real mail needs it:
 *  - dots at the ends of a local part or in a row (`a..b@x`, `a.@x`: operators gave out such addresses);
 *  - '_' in a domain;
 *  - long local parts, see SMTP_LOCAL_MAX.
 * Less is taken where leniency serves nobody but attackers: missing brackets, a domain that ends in
 * a dot, control bytes (even quoted), any byte above 127 without SMTP_PATH_UTF8.
 * Pure; any thread.
 */
#ifndef SMTP_ADDR_H
#define SMTP_ADDR_H

#include "base/buf.h"
#include "base/result.h"

/* More than RFC 5321 4.5.3.1.1 and 4.5.3.1.3 ask for (64 and 256): senders in use (VERP, SRS, BATV) have longer local
 * parts, and a refusal of them is for ever. A path's length counts its brackets and its route; a command line of 512
 * bytes holds no longer one. */
enum { SMTP_LOCAL_MAX = 255, SMTP_DOMAIN_MAX = 255, SMTP_PATH_MAX = 512 };

enum smtp_path_flag {
	SMTP_PATH_NULL = 1u << 0,       /* `<>` may stand here (MAIL) */
	SMTP_PATH_POSTMASTER = 1u << 1, /* `<postmaster>` may stand here (RCPT), any case */
	SMTP_PATH_UTF8 = 1u << 2,       /* valid UTF-8 may stand for ASCII letters (RFC 6531) */
};

struct smtp_path {
	struct slice addr;   /* "local@domain" as received, without brackets and route; null path: empty */
	struct slice local;  /* with its quotes, if it had them */
	struct slice domain; /* a literal with its brackets; empty in the null path and in `<postmaster>` */
};

enum smtp_path_result {
	SMTP_PATH_OK,
	SMTP_PATH_SYNTAX,
	SMTP_PATH_TOO_LONG,
	SMTP_PATH_CONTROL,  /* a control byte, quoted or not */
	SMTP_PATH_NOT_ASCII /* a byte above 127 that was not allowed, or is not UTF-8 */
};

/* Takes one path, brackets included, off the front of *in; what follows it stays there. On any other
 * result than SMTP_PATH_OK *in and *path_r are as they were. */
enum smtp_path_result smtp_path_parse(struct slice *in, unsigned flags, struct smtp_path *path_r) MUST_USE;

/* "<local@domain>". False when memory is out. */
bool smtp_path_write(const struct smtp_path *path, struct buf *out) MUST_USE;

static inline bool smtp_path_is_null(const struct smtp_path *path)
{
	return path->addr.n == 0;
}

#endif
