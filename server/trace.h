/* server/trace.h - the Received: line that we put on top of what we hand on (RFC 5321 4.4)
 *
 *   Received: from HELO (NAME [IP])
 *           (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)
 *           by HOSTNAME (SmtpGuard) with ESMTPS id ID
 *           for <recipient>; Sun, 22 Nov 2026 00:51:23 +0000
 *
 * "for" is there only with a single recipient: the others must not learn of each other.
 */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include "base/buf.h"
#include "base/ip.h"
#include "base/result.h"

struct trace {
	struct slice helo; /* as the client said it; what has no place in a header is shown as '?' */
	struct slice name; /* forward-confirmed rDNS; empty: "unknown" */
	struct ip ip;
	struct slice tls, cipher; /* empty: in the clear */
	struct slice hostname;	  /* ours */
	struct slice protocol;	  /* "SMTP", "ESMTP", "ESMTPS" (RFC 3848), "UTF8SMTP" (RFC 6531) */
	struct slice id;
	struct slice recipient; /* empty: no "for" */
	uint64_t wall_ms;
};

/* Appends the line with its CR LF line ends. */
bool trace_write(const struct trace *t, struct buf *out) MUST_USE;

#endif
