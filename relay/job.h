/* relay/job.h - one question of a session, from the asking to the popping of its answer
 *
 * A job is QUEUED, then RUNNING on a link, perhaps QUEUED again for its second try, at times SAVING, at last DONE and
 * waiting to be popped. A recipient question may also be MERGED: it hangs on the job that asks the same. A delivery may
 * be HELD before it is QUEUED.
 * Memory: a recipient question owns a copy of all it needs; a delivery points to the caller's
 * relay_mail until it was cancelled (mail NULL).
 */
#ifndef RELAY_JOB_H
#define RELAY_JOB_H

#include "net/wheel.h"
#include "relay/relay.h"

enum relay_job_state {
	RELAY_JOB_QUEUED,
	RELAY_JOB_RUNNING,
	RELAY_JOB_MERGED,
	RELAY_JOB_HELD,	  /* the same mail of before is undecided */
	RELAY_JOB_SAVING, /* delivered in part: its answer waits for the disk */
	RELAY_JOB_DONE
};

struct relay_backend;
struct relay_group;
struct relay_lane;
struct relay_link;
struct relay_local;
struct relay_save;
struct relay_intent;

struct relay_job {
	struct relay_job *next;			      /* in its lane, among the merged, or among the done */
	struct relay_job *ticket_next, **ticket_link; /* in the table of tickets */
	struct net_timer timer;
	enum relay_job_state state;
	struct relay_group *group;     /* whose backends it is for */
	struct relay_lane *lane;       /* QUEUED */
	struct relay_link *link;       /* RUNNING on a connection */
	struct relay_local *local;     /* RUNNING in a Maildir's thread */
	struct relay_job *merged;      /* those that wait for this one's answer */
	struct relay_job *leader;      /* MERGED */
	struct relay_job *asking_next; /* in relay.asking while it may be joined */
	const struct relay_mail *mail; /* what is to be delivered, the caller's; or `own` */
	struct relay_mail own;	       /* of a recipient question, in `memory` */
	struct slice own_rcpt;
	uint64_t size; /* of a recipient question: of the mail, as its client has said */
	const struct slice *rcpts; /* to be delivered to: those of the mail that have it not yet; void without `mail` */
	size_t rcpts_n;
	const uint16_t *rcpts_at;    /* their places in the mail; NULL: all of them, in order */
	struct relay_save *had;	     /* what was remembered of the others, to be forgotten when this is over */
	struct relay_save *saving;   /* SAVING: what it waits for, the writer's */
	struct relay_save *place;    /* of a delivery: memory for what follows, so that it is there behind the dot */
	struct relay_save *save;     /* what may have to be remembered of these, see relay/remember.h */
	struct relay_intent *intent; /* its dot is noted as being out */
	char *memory;
	uint64_t turn;	     /* of a delivery, see relay/memory.h */
	uint64_t content[2]; /* its digest, once `hashed` */
	bool hashed;
	uint64_t asked_ms, began_ms;
	struct ip client;		     /* as ip_client(): whose turn it is */
	struct relay_backend *probing;	     /* counts as one of the probes under way there, and as one of */
	unsigned probe_slot;		     /* this client's; see relay_probe_slot() */
	uint8_t tries;			     /* that failed */
	uint8_t stale;			     /* tries on an idle connection that the backend had closed meanwhile */
	const struct relay_backend *lost_at; /* a connection to it was lost: another backend is tried, if one works */
	bool needs_fresh;		     /* only a connection that did nothing yet will do */
	bool nameless;			     /* the backend is not told the client's NAME and HELO */
	bool alone;			     /* asks for itself, is not merged */
	bool leads;			     /* is in relay.asking */
	bool dropped;			     /* DONE, and nobody wants to hear it */
	struct relay_done done;
};

/* Jobs of one worker. */
enum { RELAY_TICKETS = 4096 };
struct relay_jobs {
	struct relay_job *tickets[RELAY_TICKETS];
	struct relay_job *spare;
	unsigned spares, open;
	struct relay_job *done, **done_last;
};

void relay_jobs_init(struct relay_jobs *j);
/* Gives all memory back, open jobs included. */
void relay_jobs_release(struct relay_jobs *j);

/* A delivery; NULL: no memory. */
struct relay_job *relay_job_deliver(struct relay_jobs *j, const struct relay_mail *m, uint64_t now_ms) MUST_USE;
/* A recipient question, with copies of everything; NULL: no memory. */
struct relay_job *relay_job_rcpt(struct relay_jobs *j, const struct relay_client *c, struct slice sender,
	struct slice rcpt, uint64_t ticket, uint64_t now_ms) MUST_USE;
struct relay_job *relay_job_find(struct relay_jobs *j, uint64_t ticket);
/* Its ticket is unknown from now on. */
void relay_job_disown(struct relay_job *job);
/* Its answer is complete: relay_pop() will give it out. The timer must be cancelled. */
void relay_job_finish(struct relay_jobs *j, struct relay_job *job);
struct relay_job *relay_job_pop(struct relay_jobs *j);
void relay_job_free(struct relay_jobs *j, struct relay_job *job);

/* Fills in an answer. Text beyond RELAY_TEXT_MAX is cut. */
void relay_answer(struct relay_done *d, enum relay_from from, unsigned code, struct slice text);
/* Our own: "451 4.3.2 ..." without the code in the text. */
void relay_answer_us(struct relay_done *d, unsigned code, const char *text);

#endif
