/* replay/sessions.h - the sessions of a trace that are open, each with its case (for this room's files only)
 *
 * Found by a 64-bit hash of their id. Bounded: a trace that never ends its sessions cannot eat the machine.
 */
#ifndef REPLAY_SESSIONS_H
#define REPLAY_SESSIONS_H

#include "score/rules.h"

enum { REPLAY_SESSIONS_MAX = 1 << 20 };

struct replay_session {
	uint64_t hash;
	uint32_t next; /* in its bucket or the free list: 1 + position; 0: none */
	uint32_t step; /* of its last line */
	bool whole;    /* every line of it was seen */
	struct score_case c;
};

struct replay_sessions {
	struct replay_session *items;
	uint32_t *buckets;
	uint32_t n, cap, free, open;
};

/* NULL: not open. Valid until the next session is made. */
struct replay_session *replay_session_find(struct replay_sessions *all, struct slice id);
/* NULL: too many are open, or memory is out. */
struct replay_session *replay_session_make(struct replay_sessions *all, struct slice id);
void replay_session_end(struct replay_sessions *all, struct slice id);
void replay_sessions_release(struct replay_sessions *all);

#endif
