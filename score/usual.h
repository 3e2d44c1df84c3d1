/* score/usual.h - what is usual for a key, and how far from it the last minutes are
 *
 * spike(EVENT by KEY) is the rate of the last window (score.spike_window) over
 * max(usual + 2 deviations, 5 events). `usual` is the key's own mean of all such windows before this one, empty
 * ones included, with a time constant of 7 days. A key younger than a day, or with fewer than 12 windows that were
 * not empty, gives 1: what is not known yet is neither a spike nor silence.
 *
 * The rate is counted in two parts, this window and the one before by its share. A part enters the mean when it
 * is over, so a spike cannot hide behind itself while it lasts. One entry of 64 bytes a key.
 * Threads and time: as score/store.h.
 */
#ifndef SCORE_USUAL_H
#define SCORE_USUAL_H

#include "score/store.h"

enum { USUAL_WINDOWS = 12, USUAL_AGE_S = 24 * 3600, USUAL_FLOOR = 5, USUAL_TIME_S = 7 * 86400 };

struct score_usual {
	double rate;		/* events in the last window */
	double mean, deviation; /* of the windows before */
	uint32_t windows;	/* that were not empty */
	uint32_t first_s;	/* when the key was first seen; 0: never */
	double spike;		/* 1 while too little is known */
};

/* `w->part_ms` is a quarter of the window, as for counters. */
void score_usual_add(struct score_store *s, const struct score_key *key, const struct score_window *w, uint32_t amount,
	uint64_t origin, uint64_t now_ms);
/* Takes back what was added in this window, as score_count_sub(). */
void score_usual_sub(struct score_store *s, const struct score_key *key, const struct score_window *w, uint32_t amount,
	uint64_t now_ms);
void score_usual_get(struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms,
	struct score_usual *usual_r);
/* Only usual_r->spike of the above. */
double score_spike(struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms);

#endif
