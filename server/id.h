/* server/id.h - decision ids: what a refused sender can quote and the administrator look up
 *
 * Eight characters of Crockford's base 32 (no I, L, O, U): easy to read over the telephone. A
 * process never gives the same id twice before 2^40 of them; two processes start at random places.
 */
#ifndef SERVER_ID_H
#define SERVER_ID_H

#include "base/slice.h"

enum { ID_TEXT = 9 }; /* eight characters and a NUL */

struct id_source {
	uint64_t next, step;
};

/* `worker` of `workers` draw from one sequence without sharing a word; `seed` is the process's. */
void id_source_init(struct id_source *s, uint64_t seed, unsigned worker, unsigned workers);
uint64_t id_next(struct id_source *s);
void id_format(uint64_t id, char text_r[ID_TEXT]);
/* As it was read out: case is folded, O is 0, I and L are 1. "ID-3" names recipient 3 of ID; without it *sub_r is 0.
 * False: this is no id. */
bool id_parse(struct slice text, uint64_t *id_r, unsigned *sub_r);

#endif
