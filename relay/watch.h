/* relay/watch.h - is the client of the same mail still there?
 *
 * A client that breaks off and comes back at once may be quicker than the worker that had its first connection: until
 * that one has seen it go, nothing says that the first mail may be its last try. So each mail is entered with the
 * socket of its client when its dot has come, while it is judged already: a retry may be judged sooner. The same mail,
 * when it comes again, looks at those sockets itself. One that has
 * ended is its own worker's to deal with, in a moment: the retry looks again then. Which mail may be the same is told
 * by sender, size and the first bytes; what is the same in truth, only by the digests of relay/memory.h, later.
 *
 * What becomes of a mail is known there before it is taken out here, and it is looked here first: so a socket that was
 * closed between the two looks, or is another one by then, does no harm.
 *
 * Threads: all. Locks: one for each stripe, leaves, held for a few instructions; never over a look at a socket.
 */
#ifndef RELAY_WATCH_H
#define RELAY_WATCH_H

#include "base/hash.h"
#include "base/result.h"

#include <pthread.h>

struct relay_watch {
	int fd; /* the client's; set by the owner, read by others while it is entered */
	uint64_t key, turn;
	struct relay_watch_stripe *in; /* NULL: it is not entered */
	struct relay_watch *next, **link;
};

enum { RELAY_WATCH_STRIPES = 256 };
struct relay_watches {
	struct relay_watch_stripe {
		pthread_mutex_t lock;
		struct relay_watch *first;
	} stripes[RELAY_WATCH_STRIPES];
};

void relay_watches_init(struct relay_watches *w);
void relay_watches_clear(struct relay_watches *w);

/* `turn`: as of relay_memory_turn(). */
void relay_watch_begin(struct relay_watches *all, struct relay_watch *w, uint64_t key, uint64_t turn);
/* What becomes of its mail is known, to relay/memory.h where a retry has to know it. Fine if it was never entered. */
void relay_watch_end(struct relay_watch *w);
/* Has the client of such a mail that came before this one, over another connection, ended its side? Looked at are the
 * NET_ENDED_MAX that came last. *w itself may be out again: its own client may have gone as well. */
bool relay_watch_sees_gone(struct relay_watches *all, const struct relay_watch *w) MUST_USE;

#endif
