/* smtp/xclient.h - XCLIENT as a trusted proxy says it to us: who its client is
 *
 * Source: Postfix XCLIENT_README. Attributes in any case and order, none twice; values are xtext (RFC 3461 4), or
 * [UNAVAILABLE], or [TEMPUNAVAIL]; an address is IPv4, or IPv6 behind "IPV6:". Strict: one bad value refuses the
 * whole command, since half of an identity is another client's. What smtp/client_identity.h writes is read here.
 * Pure; any thread.
 */
#ifndef SMTP_XCLIENT_H
#define SMTP_XCLIENT_H

#include "base/ip.h"
#include "base/result.h"
#include "smtp/caps.h"

/* What is taken, so what is announced. */
enum {
	SMTP_XCLIENT_TAKES = SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PORT | SMTP_XATTR_PROTO |
			     SMTP_XATTR_HELO | SMTP_XATTR_LOGIN | SMTP_XATTR_DESTADDR | SMTP_XATTR_DESTPORT |
			     SMTP_XATTR_REVERSE_NAME,
	SMTP_XCLIENT_VALUE = 255 /* longest one, decoded */
};

struct smtp_xclient {
	unsigned given; /* SMTP_XATTR_* in the command; what was not keeps the value that it had */
	unsigned known; /* of these: has a value, below. The others are unknown, and so are their members (empty, 0) */
	bool name_failed;    /* NAME or REVERSE_NAME was [TEMPUNAVAIL]: the proxy's look-up failed for now */
	bool esmtp;          /* PROTO */
	struct ip ip, dest;  /* ADDR, DESTADDR */
	uint16_t port, dest_port; /* PORT, DESTPORT */
	struct slice name, reverse; /* NAME (forward-confirmed), REVERSE_NAME; host names, see smtp_host_is_valid() */
	struct slice helo;   /* HELO: 1..255 printable ASCII bytes without a blank, as our own EHLO takes them */
	struct slice login;  /* LOGIN: no control byte, valid UTF-8 */
};

/* `arg` is what follows the verb. Decoded values are put into `room`, which holds arg.n bytes or more and must live
 * as long as they are used. False: malformed, unknown attribute, twice the same, or none at all: 501 5.5.4. */
bool smtp_xclient_parse(struct slice arg, char *room, struct smtp_xclient *x_r) MUST_USE;

#endif
