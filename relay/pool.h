/* relay/pool.h - one worker's connections to one backend
 *
 * Idle connections are a stack: the last one used is used next, what is not needed sinks and times
 * out. Links that are busy or being opened are in `links` alone.
 * A connection goes to a job when its identity allows it: with xclient one that speaks for the same
 * client already, else one that takes XCLIENT (again); with xforward and none any; with proxy one that was opened for
 * its session, else a new one is opened for it, once the backend has shown by another that it works.
 */
#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include "relay/backend.h"
#include "relay/job.h"

struct relay;
struct relay_group;
struct relay_link;

enum {
	/* one that speaks for one client alone is wanted soon or never: RCPT was asked, the mail follows */
	RELAY_NAMED_IDLE_MS = 5000,
	RELAY_STOCK = 2,	   /* fresh connections kept ready where each serves one client only */
	RELAY_POOL_LOOK = 16,	   /* lanes looked at for a job that may run */
	RELAY_RETIRE_REFUSALS = 8, /* Postfix slows a connection down after 10 (smtpd_soft_error_limit) */
	RELAY_RETIRE_RSETS = 80,   /* and after 100 (smtpd_junk_command_limit) */
	RELAY_RETIRE_USES = 10000, /* no connection lives for ever: settings and resources of the backend move on */
	RELAY_RETIRE_AGE_MS = 3600 * 1000,
};

struct relay_pool {
	struct relay_pool *next; /* relay->pools */
	struct relay_backend *backend;
	struct relay_group *group;
	struct relay_link *links; /* all */
	struct relay_link *idle;  /* top of the stack */
	unsigned links_n, idle_n, opening_n, quitting_n;
	struct net_tls_session *tls; /* of the connection under these settings that was closed last; NULL: none */
	uint64_t rest_until_ms;	     /* we had no descriptor or memory for one more: not tried again before */
};

/* What can be done for a job now. */
enum relay_borrow {
	RELAY_BORROWED,    /* it may not be open yet */
	RELAY_BORROW_WAIT, /* for a connection that is being opened or comes free, or for another worker's permit */
	RELAY_BORROW_NONE  /* the backend is out of order and no connection is left */
};
enum relay_borrow relay_pool_borrow(struct relay *r, struct relay_pool *p, const struct relay_job *job, uint64_t now_ms,
	struct relay_link **link_r) MUST_USE;
/* A link has done its job, or is ready for its first: keep it, hand its permit on, or retire it. */
void relay_pool_return(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* Out of the idle stack, if it is in it. */
void relay_pool_unidle(struct relay *r, struct relay_link *link);
/* The link is gone: its permit goes to whoever needs it most. */
void relay_pool_forget(struct relay *r, struct relay_link *link);
/* Others hunger: idle links go first. Grants that are not needed go on. */
void relay_pool_share(struct relay *r, struct relay_pool *p, uint64_t now_ms);
/* Retires the idle links under old settings, or (`all`) every idle link. */
void relay_pool_retire(struct relay *r, struct relay_pool *p, bool all, uint64_t now_ms);
/* One more connection where permits allow it. `job`: the one that waits for it, for which other workers are asked for
 * a permit when its time has come; NULL: nobody waits. */
bool relay_pool_open(struct relay *r, struct relay_pool *p, const struct relay_job *job, uint64_t now_ms);
/* Is the backend fit to be given jobs, now, by this worker? */
bool relay_pool_usable(const struct relay_pool *p, uint64_t now_ms);
/* The same, where there are others: OUT must not be used; TRIAL may work, one connection is to find out; READY. */
enum relay_fit { RELAY_FIT_OUT, RELAY_FIT_TRIAL, RELAY_FIT_READY };
enum relay_fit relay_pool_fit(const struct relay_pool *p, uint64_t now_ms);
/* Some backend other than this one is READY: who waits for this one may go there. */
bool relay_pool_other(struct relay *r, const struct relay_pool *p, uint64_t now_ms);

#endif
