/* rcpt/inside.h - what the desks of the workers and the threads of a source share
 *
 * An ask is one worker's wish to hear of an address; a question is what a source is asked, on behalf of all asks that
 * want the same. An ask hangs on its question until the answer is there or the worker takes it back (both under the
 * source's lock); from then on the answering thread alone touches `next`, `answer` and `desk`, until it lies among the
 * done of its desk.
 */
#ifndef RCPT_INSIDE_H
#define RCPT_INSIDE_H

#include "net/wheel.h"
#include "rcpt/desk.h"
#include "rcpt/key.h"

struct rcpt_question;

struct rcpt_ask {
	struct rcpt_ask *next;		 /* on its question, or among the done of its desk */
	struct rcpt_question *question; /* under the source's lock; NULL: answered */
	struct rcpt_desk *desk;
	enum rcpt_answer answer;
	/* the desk's own from here */
	struct rcpt_ask *ticket_next, **ticket_link; /* link NULL: nobody wants the answer any more */
	struct net_timer timer;
	struct rcpt_source *source;
	uint64_t ticket, asked_ms;
};

/* False: too many wait, or no memory. */
bool rcpt_source_put(struct rcpt_source *s, struct rcpt_ask *ask, struct slice rcpt, uint64_t now_ms) MUST_USE;
/* True: the answer will not come. False: it is on its way to the desk. */
bool rcpt_source_withdraw(struct rcpt_source *s, struct rcpt_ask *ask) MUST_USE;
/* The answer goes to the ask's desk; from the threads of a source, no lock held. */
void rcpt_desk_hand(struct rcpt_ask *ask);

#endif
