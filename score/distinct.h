/* score/distinct.h - how many different values a key showed in the last window
 *
 * distinct(sender by client, 1h): each value is noted by its keyed hash. Up to DISTINCT_EXACT values of the window
 * are kept one by one (48 bits of hash, time in 64ths of the window) and counted exactly. Above that a sketch of 320
 * bytes takes over: 1,600 cells of which each value picks one by its hash, with unequal chances so that few and many
 * values both leave cells empty; the count is the one that makes the cells seen most likely.
 *
 *   values          33..300    1,000    3,000    5,000    20,000    50,000    100,000
 *   standard error   2.7 %     3.1 %    4.1 %    4.5 %     5.1 %     6.1 %      8.5 %
 *   within 5 %        93 %      89 %     77 %     73 %      67 %      58 %       44 %     of all answers
 *
 * 95 % of them are within two standard errors; above a million it says a million. It cannot be had much better in 320
 * bytes: to be within 5 % nearly always (a standard error of 2 %) the best sketch known (Ertl: ExaLogLog, 2024) needs
 * 1,150 bytes for one part of time, and here two are told apart. A rule's limit is better taken at or below 32, where
 * the count is exact, or with a tenth to spare.
 *
 * A cell knows whether it was set in this part of time (a part is as long as the window) or in the one before; what
 * was only in the part before counts by its share, as with counters. A key that shows nothing for a whole part is exact
 * again.
 *
 * A value is not taken back, also when the attempt that showed it was deferred: the retry shows the same one, which
 * counts once, so a deferred attempt eats nothing of what may follow it; and who shows a thousand faces to be deferred
 * is seen to do so.
 * Threads and time: as score/store.h.
 */
#ifndef SCORE_DISTINCT_H
#define SCORE_DISTINCT_H

#include "score/store.h"

enum { DISTINCT_EXACT = 32 };

/* Notes that `key` showed `value`, of which only the hash is used: score_key_text(), score_key_ip() make one. */
void score_distinct_add(struct score_store *s, const struct score_key *key, const struct score_window *w,
	const struct score_key *value, uint64_t origin, uint64_t now_ms);
/* 0 for a key without an entry. */
double score_distinct_get(
	struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms);

#endif
