/* server/keeper_inside.h - the keeper's struct, for its two files: keeper.c writes, keeper_restore.c reads */
#ifndef SERVER_KEEPER_INSIDE_H
#define SERVER_KEEPER_INSIDE_H

#include "server/keeper.h"

#include <limits.h>
#include <pthread.h>

struct keeper {
	struct score_store *store;
	pthread_t thread;
	bool running; /* the main thread's own: there is a thread */

	pthread_mutex_t lock;
	pthread_cond_t wake; /* for the keeper: asked, stopping or configured */
	pthread_cond_t done; /* for who waits: a snapshot is over */

	/* under the lock */
	char path[PATH_MAX];
	uint64_t every_ms;
	uint64_t asked, answered; /* tickets: of the last wish, and the last one that a finished snapshot fulfilled */
	bool stopping, takes_wishes;
	struct keeper_info info;
};

#endif
