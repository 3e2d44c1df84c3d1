/* score/regex.h - patterns that cannot stall a worker (PCRE2)
 *
 * Bytes, not UTF-8. Compiled with JIT where the machine has it. Each match has a limit on its steps and
 * memory: "^(a+)+$" against a long run of a's gives up instead of running for hours; and all matches of one
 * evaluation together have one, so that a thousand bad patterns take no longer than ten. Steps are counted, not time:
 * the same text gives the same answer, however busy the machine is. (PCRE2's own match limit does not bound a match: it
 * begins anew at each place where the match may begin.) Matching allocates nothing but a thread's match block at that
 * thread's first match, freed at its end.
 * Compiled patterns are immutable; any thread may match.
 */
#ifndef SCORE_REGEX_H
#define SCORE_REGEX_H

#include "base/result.h"
#include "base/slice.h"

/* A pattern of a hand-written rule is far shorter; a generated one belongs in a list. */
enum { SCORE_REGEX_LENGTH = 1000 };
/* Steps of one match, and of all matches of one evaluation, which are one to four ms: then the answer is "unknown". A
 * step is an item of the pattern that is tried at a place, and one more for each SCORE_REGEX_STRIDE bytes of the text.
 */
enum { SCORE_REGEX_STEPS = 20000, SCORE_REGEX_EFFORT = 200000, SCORE_REGEX_STRIDE = 256, SCORE_REGEX_HEAP_KB = 256 };

struct score_regex;

/* NULL: *at_r is the offset in the pattern and text_r (of n bytes) says what is wrong with it. */
struct score_regex *score_regex_new(struct slice pattern, bool fold, size_t *at_r, char *text_r, size_t n) MUST_USE;
void score_regex_free(struct score_regex **r);

/* What the matches of one evaluation may still spend; zero-initialise. */
struct score_effort {
	uint32_t spent;	  /* steps; never above SCORE_REGEX_EFFORT */
	uint32_t gave_up; /* matches that were not finished */
};

enum score_match { SCORE_MATCH_NO, SCORE_MATCH_YES, SCORE_MATCH_GAVE_UP };
enum score_match score_regex_match(const struct score_regex *r, struct slice subject, struct score_effort *e);

#endif
