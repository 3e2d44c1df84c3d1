/* server/rule_counts.h - how often a rule fired, and what came of it
 *
 * One object for each rule. Its counters are shared by all generations whose rules have that name: a reload keeps
 * them, also when the rule was changed otherwise; they end with the last generation (or session of it) that has it.
 *
 * Threads: any worker counts, any thread reads. Workers write to cache lines of their own (RULE_COUNT_STRIPES; with
 * more workers than that two share one, which is slower and no less right); a reader adds the lines up.
 */
#ifndef SERVER_RULE_COUNTS_H
#define SERVER_RULE_COUNTS_H

#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

enum { RULE_COUNT_STRIPES = 16 };

enum rule_count {
	RULE_FIRED,	   /* became true in its scope (session, mail or recipient) and was in force */
	RULE_OBSERVED,	   /* the same in state observe */
	RULE_DECIDED,	   /* a client was refused, deferred, blocked or made to wait by it */
	RULE_CHARGED,	   /* times that its charge went to a record */
	RULE_POINTS_MILLI, /* thousandths of points that it gave to sessions and mails */
	RULE_CHARGE_MILLI, /* thousandths of points that went to records */
	RULE_COUNTS
};

struct rule_counts;

/* NULL: memory is out. */
struct rule_counts *rule_counts_new(void) MUST_USE;
struct rule_counts *rule_counts_ref(struct rule_counts *c);
void rule_counts_unref(struct rule_counts **c);

void rule_count_add(struct rule_counts *c, unsigned worker, enum rule_count which, int64_t n);
int64_t rule_count_sum(const struct rule_counts *c, enum rule_count which);

/* May it be said now that the rule's patterns took too many steps? Once in RULE_TELL_EVERY_MS, of all who ask. */
enum { RULE_TELL_EVERY_MS = 60000 };
bool rule_count_may_tell(struct rule_counts *c, uint64_t now_ms) MUST_USE;

#endif
