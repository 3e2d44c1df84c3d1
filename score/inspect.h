/* score/inspect.h - looking into the store, for the administrator
 *
 * Lists walk the tables shard by shard, each copied or scanned under its lock for some ten microseconds: nobody
 * waits for a list. What changes meanwhile may be seen before or after.
 * Threads and time: as score/store.h.
 */
#ifndef SCORE_INSPECT_H
#define SCORE_INSPECT_H

#include "score/block.h"
#include "score/known.h"
#include "score/store.h"

/* --- keys as text --- */

/* "192.0.2.7", "2001:db8::/64", "192.0.2.0/24" with the longest text a key gives, and its NUL. */
enum { SCORE_KEY_TEXT = 64 };
/* Names the key; a text that was cut ends in "...", a hidden one is "#" and 16 hex digits. Bytes from outside are
 * not escaped. Returns the length. */
size_t score_key_format(const struct score_key *k, char text_r[SCORE_KEY_TEXT]);
/* What an administrator typed, seen from its form: an address is a CLIENT, a prefix a NET, user@domain a SENDER, a name
 * with a dot a SENDER_DOMAIN, any other word an AUTH_USER. False: empty, a prefix with host bits set, or what no mail
 * has: ".domain", "<user@domain>", "@domain". */
bool score_key_parse(const struct score_store *s, struct slice text, struct score_key *key_r) MUST_USE;
/* "client", "net", "sender", "sender.domain" ... as in rules. */
const char *score_key_kind_name(enum score_key_kind kind);
bool score_key_kind_find(struct slice name, enum score_key_kind *kind_r) MUST_USE;

/* --- lists --- */

enum { SCORE_LIST_MAX = 10000 };
enum { SCORE_ANY_KIND = -1 };

struct score_entry {
	struct score_key key; /* its hash is 0: to be shown, not to be looked up */
	double points;
	uint32_t first_s, last_s;
};

/* The records of a kind (or SCORE_ANY_KIND) with the most points as of now, the highest first. Returns how many of
 * `max` were filled in. */
size_t score_store_list(struct score_store *s, int kind, uint64_t half_life_ms, uint64_t now_ms,
	struct score_entry *entries_r, size_t max);

struct score_held {
	struct score_key key; /* as above */
	struct score_hold hold;
};
/* Blocks and allowances that hold now, those that end first first. */
size_t score_hold_list(struct score_store *s, uint64_t now_ms, struct score_held *held_r, size_t max);

/* --- one key --- */

struct score_shown {
	struct score_record record; /* first_s 0: none */
	struct score_known known;
	struct score_hold hold;
};

/* False: nothing is known of it. */
bool score_store_show(struct score_store *s, const struct score_key *key, uint64_t half_life_ms,
	const struct score_known_limits *limits, uint64_t now_ms, struct score_shown *shown_r);
/* Forgets the record; with `all` also what made it known good, and its block or allowance. False: nothing was there. */
bool score_store_delete(struct score_store *s, const struct score_key *key, bool all);

#endif
