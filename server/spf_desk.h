/* server/spf_desk.h - the SPF evaluations of one DNS desk
 *
 * One for a mail, begun when its rules or its greylisting may want it. It may outlive mail and session: a first try
 * that was greylisted before SPF was through gets its better rung when the evaluation ends, so that a retry from
 * another address finds it.
 *
 * On the thread of its DNS desk. A run belongs to the desk; whoever began it lets go of it once.
 */
#ifndef SERVER_SPF_DESK_H
#define SERVER_SPF_DESK_H

#include "base/result.h"
#include "dns/resolver.h"
#include "dns/spf.h"

struct dns_desk;
struct score_grey_limits;
struct spf_run;

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

/* Who wants an evaluation. */
struct spf_asker {
	uint64_t ticket;
	uint64_t timeout_ms;	   /* of each question */
	struct dns_budget *budget; /* for the questions that are asked at once */
};
/* NULL: memory is out. It may be done at once. */
struct spf_run *spf_begin(
	struct dns_desk *d, const struct dns_spf_client *client, const struct spf_asker *asker) MUST_USE;
/* One of its answers has come. True: it is done, and *ticket_r waits for the outcome. */
bool spf_answer(struct dns_desk *d, const struct dns_result *result, uint64_t *ticket_r) MUST_USE;
bool spf_is_done(const struct spf_run *r);
/* Once it is done. Slices belong to the run. */
const struct dns_spf_result *spf_result(const struct spf_run *r);
/* Questions that it has open, and what it took. */
uint32_t spf_took_ms(const struct spf_run *r, uint64_t now_ms);

/* This recipient was greylisted before it was done. `organisation`: of the client's name, as far as it is known. */
void spf_note_greylisted(struct spf_run *r, const struct score_grey_limits *limits, struct slice organisation,
	struct slice sender, struct slice recipient);
/* The mail is over: the run ends, or goes on for those that were greylisted. *r becomes NULL. */
void spf_let_go(struct dns_desk *d, struct spf_run **r);

#endif
