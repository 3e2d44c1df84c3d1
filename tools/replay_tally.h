/* tools/replay_tally.h - what changed, counted by a text (a rule, a client, a pair of verdicts), with examples
 *
 * Bounded: beyond TALLY_KEYS different texts all others are one. Zero-initialise.
 */
#ifndef TOOLS_REPLAY_TALLY_H
#define TOOLS_REPLAY_TALLY_H

#include "base/arena.h"
#include "ctl/json.h"

enum { TALLY_KEYS = 100000, TALLY_EXAMPLES = 3 };

/* One decision; texts as in the record. */
struct tally_example {
	uint64_t time_ms;
	struct slice session, mail, client, sender, recipient, stage;
	struct slice from, to; /* "defer by harvest" */
};

struct tally_item {
	struct slice key;
	uint64_t hash, count;
	uint32_t next; /* in its bucket: 1 + position; 0: none */
	unsigned examples_n;
	struct tally_example *examples;
};

struct tally {
	struct arena arena;
	struct tally_item *items;
	uint32_t *buckets;
	uint32_t n, cap;
	bool failed; /* memory is out: not all is counted */
};

void tally_add(struct tally *t, struct slice key, const struct tally_example *example);
/* The `top` of the highest counts (0: all), as an array of objects `key`, `count`, `examples` below `name`. */
void tally_put(struct tally *t, struct ctl_json at, const char *name, size_t top);
void tally_release(struct tally *t);

#endif
