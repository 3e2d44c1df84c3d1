/* smtp/client_identity.h - telling a backend who the client is: XCLIENT and XFORWARD
 *
 * Source: Postfix XCLIENT_README, XFORWARD_README; behaviour seen with Postfix 3.7.
 * Values that come from the client or a name server are written as xtext (smtp/xtext.h) or, for host
 * names, only if they are [A-Za-z0-9._-]{1,255}; anything else is [UNAVAILABLE]. So no value can add a line
 * or an attribute (nginx CVE-2026-28753 was a CR LF from a DNS answer in XCLIENT).
 */
#ifndef SMTP_CLIENT_IDENTITY_H
#define SMTP_CLIENT_IDENTITY_H

#include "base/buf.h"
#include "base/ip.h"
#include "base/result.h"
#include "smtp/caps.h"

enum {
	SMTP_IDENTITY_VALUE = 255,  /* a value longer than this, as it is written, is [UNAVAILABLE] */
	SMTP_IDENTITY_LINE = 2048   /* every line stays below Postfix' line_length_limit, by the former */
};

/* All slices are borrowed for the call. Empty: unknown. */
struct smtp_identity {
	struct ip ip;
	uint16_t port;         /* 0: unknown */
	bool name_failed;      /* the name could not be looked up just now: [TEMPUNAVAIL] in XCLIENT where a name is empty */
	struct slice name;     /* forward-confirmed reverse DNS */
	struct slice reverse;  /* reverse DNS as found; empty: `name` is given */
	struct slice helo;
	struct slice proto;    /* "SMTP" or "ESMTP"; XFORWARD takes any atom */
	struct slice login;    /* XCLIENT: of AUTH */
	struct slice ident;    /* XFORWARD: our id of the mail, for the backend's log */
};

/* Is there an attribute among `offered` that the functions below can write? */
bool smtp_identity_xclient_offered(unsigned offered);
bool smtp_identity_xforward_offered(unsigned offered);

/* "XCLIENT ADDR=.. ..." CR LF: one line always, since a second one may be refused for the new address. Every attribute
 * offered is said, with [UNAVAILABLE] where unknown: an attribute left out would keep the former client's value.
 * (LOGIN is: an unknown one is left out, which Postfix takes as none. DESTADDR and DESTPORT are not said yet.)
 * False: no memory, or nothing to say; `out` is as it was. */
bool smtp_identity_xclient(struct buf *out, unsigned offered, const struct smtp_identity *id) MUST_USE;
/* "XFORWARD NAME=.. ..." CR LF, one line in the same way; SOURCE is always REMOTE. */
bool smtp_identity_xforward(struct buf *out, unsigned offered, const struct smtp_identity *id) MUST_USE;

#endif
