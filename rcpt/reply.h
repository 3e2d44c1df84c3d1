/* rcpt/reply.h - Postfix's socketmap protocol: the request, and a reply that is fed in as it comes
 *
 * Source: Postfix, socketmap_table(5). Both are netstrings (https://cr.yp.to/proto/netstrings.txt): "NAME KEY", then
 * "OK DATA", "NOTFOUND ", "TEMP REASON", "TIMEOUT REASON" or "PERM REASON". A reply may have 100,000 bytes, as with
 * Postfix; kept of it is its beginning.
 * No I/O.
 */
#ifndef RCPT_REPLY_H
#define RCPT_REPLY_H

#include "base/buf.h"
#include "rcpt/source.h"

enum {
	RCPT_REPLY_MAX = 100000, /* Postfix's own limit; a server that says more is broken, or an enemy's */
	RCPT_REPLY_KEPT = 160
};

enum rcpt_reply_phase { RCPT_REPLY_LENGTH, RCPT_REPLY_DATA, RCPT_REPLY_COMMA, RCPT_REPLY_OVER };

/* Begins zeroed. */
struct rcpt_reply {
	enum rcpt_reply_phase phase;
	uint32_t length, seen; /* of the data */
	uint32_t digits;
	uint32_t kept_n;
	char kept[RCPT_REPLY_KEPT];
};

enum rcpt_reply_event { RCPT_REPLY_MORE, RCPT_REPLY_WHOLE, RCPT_REPLY_BROKEN };
/* Takes from the front of *in what belongs to this reply. */
enum rcpt_reply_event rcpt_reply_feed(struct rcpt_reply *r, struct slice *in) MUST_USE;
/* What a whole reply says. RCPT_FAILED: *why_r is its reason, or what is wrong with it; any byte may be in it. */
enum rcpt_answer rcpt_reply_meaning(const struct rcpt_reply *r, struct slice *why_r);

bool rcpt_request_put(struct buf *out, struct slice map, struct slice key) MUST_USE;

#endif
