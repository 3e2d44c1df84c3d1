/* score/block.h - blocks and allowances that hold until a moment, with their reason
 *
 * Exact and bounded: an entry is there until it ends, is lifted, or (an automatic one, in a full neighbourhood, the
 * one that ends first) goes for a newer one. What the administrator typed never goes for another.
 * For clients (IPv4 /32, IPv6 /64), nets of any width, mail addresses and domains. Of an address the keys of kind
 * SENDER, of a domain those of SENDER_DOMAIN are used, whatever role it appears in.
 * Threads and time: as score/store.h. A table without entries costs one load to ask.
 */
#ifndef SCORE_BLOCK_H
#define SCORE_BLOCK_H

#include "score/store.h"

enum score_hold_kind {
	SCORE_HOLD_NONE,
	SCORE_HOLD_AUTO,  /* a block by a rule: a known-good client's becomes a deferral */
	SCORE_HOLD_BLOCK, /* typed by the administrator */
	SCORE_HOLD_ALLOW, /* an `ok` above all rules */
};

enum { SCORE_HOLD_BY = 32, SCORE_HOLD_REASON = 48 };

struct score_hold {
	enum score_hold_kind kind;
	uint64_t since_ms, until_ms; /* whole seconds */
	char by[SCORE_HOLD_BY + 1];  /* the rule's name; "" for the administrator's own. Cut where longer. */
	char reason[SCORE_HOLD_REASON + 1];
};

/* Sets or replaces the entry of `key`: an allowance lifts the block and the other way round; an automatic block
 * changes neither what the administrator typed nor shortens another automatic one. kind, until_ms, by and reason are
 * read; a kind NONE sets nothing. False: not kept, the table is full. */
bool score_hold_set(struct score_store *s, const struct score_key *key, const struct score_hold *h, uint64_t origin,
	uint64_t now_ms) MUST_USE;
/* False: there was none. */
bool score_hold_lift(struct score_store *s, const struct score_key *key);
/* The entry of exactly this key. False (and kind NONE): none that still holds. */
bool score_hold_get(struct score_store *s, const struct score_key *key, uint64_t now_ms, struct score_hold *hold_r);

/* What holds for a client: its own entry and those of the nets around it. An allowance counts before a block, a
 * typed block before an automatic one; among equals the narrower. */
bool score_hold_client(struct score_store *s, const struct ip *client, uint64_t now_ms, struct score_hold *hold_r);
/* What holds for a mail address: its own entry and that of its domain, in the same order. */
bool score_hold_address(struct score_store *s, struct slice address, uint64_t now_ms, struct score_hold *hold_r);

#endif
