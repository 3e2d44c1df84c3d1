/* server/spf_desk.h - the SPF evaluations of one worker
 *
 * One for a mail, begun when its rules or its greylisting may want it. It may outlive mail and session: a first try
 * that was greylisted before SPF was through gets its better rung when the evaluation ends, so that a retry from
 * another address finds it.
 *
 * On the worker. A run belongs to the desk; whoever began it lets go of it once.
 */
#ifndef SERVER_SPF_DESK_H
#define SERVER_SPF_DESK_H

#include "base/result.h"
#include "dns/resolver.h"
#include "dns/spf.h"

struct session;
struct spf_run;
struct worker;

/* Evaluations whose session has left. What is more is given up: its retry waits a turn longer. */
enum { SPF_DETACHED_MAX = 5000 };

struct spf_desk {
	struct spf_run **runs; /* by seat; NULL: free */
	uint32_t cap, n, detached, serial;
};

void spf_desk_release(struct spf_desk *d);

/* Tickets of the desk's questions, to tell them from the sessions'. */
static inline bool spf_is_ticket(uint64_t ticket)
{
	return ticket >> 63;
}

/* For the mail of this session. NULL: memory is out. It may be done at once. */
struct spf_run *spf_begin(struct session *s, struct dns_budget *budget) MUST_USE;
/* One of its answers has come. Returns the session that waits for the outcome, when it is done and has one; else NULL.
 */
struct session *spf_answer(struct worker *w, const struct dns_result *result);
bool spf_is_done(const struct spf_run *r);
/* Once it is done. Slices belong to the run. */
const struct dns_spf_result *spf_result(const struct spf_run *r);
/* Questions that it has open, and what it took. */
uint32_t spf_took_ms(const struct spf_run *r, uint64_t now_ms);

/* This recipient was greylisted before it was done. */
void spf_note_greylisted(struct spf_run *r, struct slice sender, struct slice recipient);
/* The mail is over: the run ends, or goes on for those that were greylisted. *r becomes NULL. */
void spf_let_go(struct worker *w, struct spf_run **r);

#endif
