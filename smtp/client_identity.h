/* smtp/client_identity.h - telling a backend who the client is: XCLIENT and XFORWARD
 *
 * Source: Postfix XCLIENT_README, XFORWARD_README; behaviour seen with Postfix 3.7.
 * Values that come from the client or a name server are written as xtext (smtp/xtext.h) or, for host
 * names, only if they are [A-Za-z0-9._-]{1,255} in labels of 1 to 63, none with a '-' at its ends, and not all figures;
 * anything else is [UNAVAILABLE]. Postfix answers 501 to the whole command for a name of another form, so the owner of
 * a PTR record could otherwise keep his mail, or a backend, from working. So no value can add a line
 * or an attribute (nginx CVE-2026-28753 was a CR LF from a DNS answer in XCLIENT).
 */
#ifndef SMTP_CLIENT_IDENTITY_H
#define SMTP_CLIENT_IDENTITY_H

#include "base/ip.h"
#include "base/result.h"
#include "smtp/caps.h"

enum {
	SMTP_IDENTITY_VALUE = 255, /* longest value, as it is written; a longer one is [UNAVAILABLE] */
	SMTP_IDENTITY_LINE = 512   /* of the command with its CR LF (XCLIENT_README, note 1) */
};

/* All slices are borrowed for the call. Empty: unknown. */
struct smtp_identity {
	struct ip ip;
	uint16_t port;	      /* 0: unknown */
	bool name_failed;     /* the lookup failed for now: an empty name is [TEMPUNAVAIL] in XCLIENT */
	struct slice name;    /* forward-confirmed reverse DNS */
	struct slice reverse; /* reverse DNS as found; empty: `name` is given */
	struct slice helo;
	struct slice proto; /* "SMTP" or "ESMTP"; XFORWARD takes any, to 64 bytes */
	struct slice login; /* XCLIENT: of AUTH */
	struct slice ident; /* XFORWARD: our id of the mail, for the backend's log */
};

/* A host name of the form above. */
bool smtp_host_is_valid(struct slice s) MUST_USE;

/* Both write the command without its CR LF and return its length; 0: nothing that we could say is among the
 * attributes offered (SMTP_XATTR_* bits). smtp/client.h sends it.
 * It is one line always: a second XCLIENT may be refused for the address that the first one gave. Every attribute
 * offered is said, with [UNAVAILABLE] where it is unknown: one left out would keep the former client's value. (But not
 * LOGIN and XCLIENT's PROTO: Postfix forgets those by itself, and takes no [UNAVAILABLE] for the latter. DESTADDR and
 * DESTPORT are not said yet.) Where all of them do not fit into the line, which takes names of hundreds of bytes, the
 * last of ADDR, PORT, PROTO, NAME, REVERSE_NAME, HELO, IDENT, LOGIN become [UNAVAILABLE]. */
size_t smtp_identity_xclient(
	char line_r[SMTP_IDENTITY_LINE], unsigned offered, const struct smtp_identity *id) MUST_USE;
/* The same for the backend's log; SOURCE is always REMOTE. */
size_t smtp_identity_xforward(
	char line_r[SMTP_IDENTITY_LINE], unsigned offered, const struct smtp_identity *id) MUST_USE;

#endif
