/* config/suggest.h - "did you mean": the nearest known name for one that is not known */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include "base/slice.h"

/* Edits (insert, drop, change, swap of neighbours) from a to b, ASCII case folded. Names above 64
 * bytes are infinitely far from everything: a typing error is short. */
unsigned suggest_distance(struct slice a, struct slice b);

/* The best so far of a search: start with best NULL. */
struct suggest {
	struct slice wanted;
	const char *best;
	unsigned distance;
};

/* Looks at one more candidate. Only near ones count: at most a third of the letters, and never all. */
void suggest_try(struct suggest *s, const char *candidate);

#endif
