/* server/app.h - what the threads of one server share
 *
 * Each member says who may touch it. Nothing here is a lock that is held while another is taken.
 */
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include "relay/relay.h"
#include "score/store.h"
#include "server/alerts.h"
#include "server/clients.h"
#include "server/generation.h"
#include "server/notify.h"
#include "server/spool.h"
#include "server/transcript.h"

#include <pthread.h>

struct keeper;
struct worker;
struct decisions;
struct replay_log;
struct trials;

struct app {
	const char *settings_path;
	struct generation_needs needs;
	uint64_t started_ms; /* wall clock */

	/* shared by all threads, each with its own care */
	struct relay_shared *relay;
	struct dns_org *org; /* read at the start; NULL: there is no list of public suffixes */
	struct score_store *store;
	struct keeper *keeper; /* writes the store's snapshots */
	struct clients *clients;
	struct alerts *alerts;
	struct decisions *decisions;	 /* of log.decisions at the start */
	struct transcripts *transcripts; /* for `smtpguardctl trace` */
	struct replay_log *replay;	 /* may be NULL */
	struct trials *trials;		 /* of `smtpguardctl backend test`; the control thread's, NULL: none yet */
	struct spool_room spool;
	struct notify notify;	 /* opened before the threads start */
	struct hash_key log_key; /* of log.addresses = "hash" */

	struct generation *first; /* of the start: what needs a restart stays as it was there */
	struct worker *workers;	  /* made before the threads start */
	unsigned workers_n;

	_Atomic unsigned workers_running; /* a worker's thread takes itself off when it ends */

	/* limits.sessions and limits.waiting hold over all workers */
	_Atomic uint32_t sessions, waiting;
	_Atomic uint32_t sessions_limit; /* in effect: what the descriptors allow; 0 never */
	_Atomic uint64_t held, held_max; /* memory of sessions in all, and limits.memory (server/held.h) */
	uint64_t descriptors;
	uint64_t id_seed;

	/* written under `lock` by the main thread and by whichever reloads, read by the control thread under it */
	pthread_mutex_t lock;
	struct generation *generation;
	bool draining;
	int commands; /* eventfd: the control thread asks the main thread to look at `drain_wanted` */
	_Atomic bool drain_wanted;
};

/* A listener as it was opened, whatever a reload says of it. */
static inline const struct settings_listener *app_listener(const struct app *app, uint32_t number)
{
	return &app->first->settings->listeners.items[number];
}

#endif
