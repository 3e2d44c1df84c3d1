/* bench/updates.h - updates of a store's entries, beside those of a plain open-addressing table with the same keys */
#ifndef BENCH_UPDATES_H
#define BENCH_UPDATES_H

#include "score/store.h"

/* Makes `keys` counters, then updates them in random order from one thread and from two; prints medians. */
void bench_updates(struct score_store *store, uint64_t keys);

#endif
