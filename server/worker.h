/* server/worker.h - one thread with its own loop, listeners, timers, backend connections and sessions
 *
 * A session never leaves its worker, so nothing of it needs a lock. Other threads reach a worker
 * only through its letterbox: a few words under a leaf lock, and a ring at the loop's bell.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "base/rope.h"
#include "net/loop.h"
#include "net/wheel.h"
#include "rcpt/desk.h"
#include "server/app.h"
#include "server/dns_desk.h"
#include "server/id.h"
#include "server/pressure.h"
#include "server/record.h"
#include "server/stats.h"
#include "smtp/server.h"

#include <pthread.h>

struct session;
struct session_list;
struct replay_desk;

struct listener {
	struct net_io io;
	uint32_t number; /* for app_listener(): sessions carry it */
	bool ready;	 /* clients may be waiting still */
};

/* What other threads leave for a worker. */
struct letterbox {
	pthread_mutex_t lock;
	struct generation *generation; /* a new one to take on; owned */
	struct session_list *list;     /* fill it with the open sessions, then ring `listed` */
	bool drain, stop;
};

/* A client that was turned away at the door, for decision records: one a client in a minute, and at most as many as
 * there are places, so that a flood of blocked clients does not push the others' records out. */
enum { TURNED_AWAY_PLACES = 64, TURNED_AWAY_EVERY_MS = 60000 };
struct turned_away {
	uint64_t client, until_ms; /* keyed hash; its place is taken until then */
	uint32_t more;		   /* that came since its record */
};

struct worker {
	struct app *app;
	unsigned number;
	pthread_t thread;
	struct net_loop *loop;
	struct net_wheel wheel;
	struct net_wake wake;
	struct letterbox letterbox;
	struct generation *generation; /* for new sessions */
	struct relay *relay;
	struct dns_desk dns;
	struct rcpt_desk *rcpt; /* questions to recipient_sources */
	struct listener *listeners;
	size_t listeners_n;
	struct session **sessions; /* by index; NULL: free */
	uint32_t sessions_cap, sessions_open, first_free_hint;
	uint32_t look_at;     /* where ending_make_room() left off */
	struct session *dead; /* closed in this turn; freed when the batch of events is through */
	struct net_timer accept_pause;
	struct stats stats;
	struct id_source ids;
	struct record record;
	struct replay_desk *replay; /* NULL: no session was traced yet */
	struct pressure pressure;
	struct alert_desk alert_desk;
	struct turned_away turned_away[TURNED_AWAY_PLACES];
	struct buf words;	   /* of the refusal that is being said */
	uint64_t now_ms, wall_ms;  /* of this turn */
	struct rope_stock stock;   /* memory for bodies; all that is read goes into it first */
	uint64_t trim_ms;	   /* when what nobody needs of it is given back; 0: there is none */
	struct smtp_event *event;  /* of the session at work; large, and needed by one at a time */
	struct score_fires *fires; /* of the test at work; as well */
	uint64_t press_ms;	   /* waits are not shortened again before */
	uint64_t door_opens_ms;	   /* until then nobody is let in: what the backend can do is not known yet; 0: open */
	bool draining, stopping, more_at_the_door;
	_Atomic unsigned turns; /* for worker_has_turned() */
	unsigned turns_seen;	/* the main thread's */
};

/* The steps of the start, in this order. Each false: out of memory or descriptors, for worker_listen()
 * error_r says why. worker_free() takes back whatever was made. */
bool worker_init(struct worker *w, struct app *app, unsigned number) MUST_USE;
bool worker_listen(struct worker *w, char error_r[256]) MUST_USE; /* while privileges are still there */
bool worker_connect(struct worker *w) MUST_USE;			  /* the backend's side, after they are dropped */
bool worker_start(struct worker *w) MUST_USE;			  /* the thread */
/* One turn of the loop, of at most so many ms (-1: as long as nothing happens). False: the worker has
 * been drained and is done. The thread does nothing else; a test may turn a worker by hand. */
bool worker_turn(struct worker *w, int most_ms) MUST_USE;
void worker_join(struct worker *w);
/* All workers' before the first worker_free(): a relay may ring the others. */
void worker_disconnect(struct worker *w);
void worker_free(struct worker *w);

/* From other threads. */
void worker_take_generation(struct worker *w, struct generation *g);
void worker_drain(struct worker *w); /* take who waits at the door, close it, end sessions between mails */
void worker_stop(struct worker *w);  /* end all sessions now */

/* Has it turned since this was asked last? It is rung, so that it will have until it is asked again. For one thread. */
bool worker_has_turned(struct worker *w) MUST_USE;

/* One line of `smtpguardctl sessions`. */
struct session_info {
	char id[ID_TEXT];
	struct ip client;
	uint16_t port;
	char helo[64], from[96];
	const char *state; /* static */
	char tls[16];	   /* "" in the clear; a proxied session owns its own, and may be gone when this is read */
	uint32_t recipients;
	unsigned worker; /* filled in by the control thread */
	uint64_t age_ms;
};
struct session_list {
	struct session_info *items;
	size_t n, cap; /* a worker fills at most cap */
	uint32_t open; /* all of the worker's sessions */
	bool done;
	pthread_mutex_t lock;
	pthread_cond_t listed;
};
/* Asks the worker and waits up to timeout_ms; false: it did not answer in time (the list must stay
 * alive: it is withdrawn before this returns). */
bool worker_list_sessions(struct worker *w, struct session_list *list, unsigned timeout_ms) MUST_USE;

/* The session that asked, if it is still there and about the same mail. */
struct session *worker_asker(const struct worker *w, uint64_t ticket);
/* The session that a question about itself, not about one of its mails, is of. */
struct session *worker_session_of(const struct worker *w, uint64_t ticket);

/* For server/session.c: a free index for a new session, and its leaving. */
bool worker_seat(struct worker *w, struct session *s, uint32_t *index_r) MUST_USE;
void worker_unseat(struct worker *w, struct session *s, uint32_t index);
/* At the end of a turn: the memory of those who left in it. */
void worker_bury_dead(struct worker *w);

#endif
