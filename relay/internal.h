/* relay/internal.h - one worker's relay, seen by the files of this room
 *
 * How the files share the work (arrows: who calls whom):
 *   relay.c   the API: asks, cancels, events and time in  -> dispatch.c, link.c
 *   dispatch.c  brings waiting jobs and links together    -> pool.c, link.c
 *   pool.c    the links to one backend, their permits     -> backend.c, link.c
 *   link.c    one connection's state machine              -> xclient.c, envelope.c, body.c, finish.c, pool.c
 *   finish.c  what a reply or a loss means for the job: answer, second try, cache, merged questions
 * Whatever may let a waiting job run sets `pump`; dispatch runs once at the end of each API call, so nothing re-enters.
 */
#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include "relay/group.h"
#include "relay/intent.h"
#include "relay/maildir.h"
#include "relay/memory.h"
#include "relay/pool.h"
#include "relay/queue.h"
#include "relay/shared.h"

enum {
	RELAY_MERGE_BUCKETS = 1024,
	RELAY_SCRATCH = 16384,
	RELAY_PROBE_SHARE = 4, /* recipient questions use at most a quarter of the connections: mails come through */
	RELAY_PROBES_PER_CLIENT = 2, /* and two at once for each client: a harvester waits for itself */
};

/* Timers of the relay's wheel are told apart by kind. */
enum { RELAY_TIMER_LINK, RELAY_TIMER_JOB, RELAY_TIMER_REFRESH };

struct relay_over {
	struct relay_intent *slot;
	uint64_t due_ms;
};

struct relay {
	struct relay_shared *shared;
	struct relay_settings *settings; /* those of main; the other groups' behind them */
	struct net_loop *loop;
	struct net_wake *wake;
	unsigned worker;
	bool pump, draining;
	bool probe_turn;    /* the next connection goes to a recipient question, if one waits */
	unsigned published; /* our part of shared->waiting */
	uint64_t now_ms;
	uint64_t look_ms; /* then dispatch looks again, whatever happens; 0: not. Finer than the wheel's ticks */
	struct net_wheel wheel;
	struct net_timer refresh; /* worker 0: backends are asked anew what they can do, */
	uint64_t refresh_due_ms;  /* all of them then; sooner those that do not work */
	struct relay_jobs jobs;
	struct relay_group *groups;
	struct relay_pool *pools; /* one for each backend that this worker ever had */
	struct relay_save_box saves;
	unsigned saves_out;	      /* SAVING jobs */
	struct relay_save *served;    /* to be forgotten in the next turn */
	struct relay_job *held;	      /* deliveries that wait for the same mail's fate */
	struct relay_intent *intents; /* this worker's notes; NULL: none are made */
	uint16_t free_intents[RELAY_INTENTS], free_intents_n;
	struct relay_over over[RELAY_INTENTS]; /* answered in this turn: cleared in the next, or later */
	unsigned over_n;
	struct relay_maildir_owner local_owner;
	unsigned local_out;			       /* mails that a Maildir's thread has */
	struct relay_link *dead;		       /* closed in this turn, freed in relay_on_time */
	struct relay_job *asking[RELAY_MERGE_BUCKETS]; /* recipient questions that others may join, by recipient */
	char scratch[RELAY_SCRATCH];
};

/* dispatch.c */
void relay_dispatch(struct relay *r, uint64_t now_ms);
/* A recipient question has left its connection: the next may have its place. */
void relay_probe_over(struct relay *r, struct relay_job *job);
/* It looks again at that time, or sooner. */
void relay_look_at(struct relay *r, uint64_t due_ms);
/* notes.c: the dot of a delivery goes out. Its note is cleared some time after relay_note_over(), by
 * relay_notes_clear(). */
void relay_note_dot(struct relay *r, struct relay_job *job, const char *backend);
void relay_note_over(struct relay *r, struct relay_job *job);
/* In the turn of its end, which nobody has heard: its note stays for some seconds. */
void relay_note_longer(struct relay *r, struct slice id);
void relay_notes_clear(struct relay *r);
/* relay.c: a delivery is answered from memory, held or queued. */
void relay_begin(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* relay.c; NULL: no memory when it was to be made. */
struct relay_pool *relay_pool_of(struct relay *r, struct relay_group *g, struct relay_backend *b);

#endif
