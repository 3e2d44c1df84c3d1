/* rcpt/desk.h - one worker's questions to the sources
 *
 * A question has a ticket of the asker's choosing; its answer comes out of rcpt_desk_pop() within the source's
 * timeout, whatever the source does. When a source's thread has an answer, the worker's wake is rung: it calls
 * rcpt_desk_pop() until that says false once in each turn.
 * Thread: the worker's.
 */
#ifndef RCPT_DESK_H
#define RCPT_DESK_H

#include "net/loop.h"
#include "rcpt/source.h"

struct rcpt_desk;

struct rcpt_done {
	uint64_t ticket;
	enum rcpt_answer answer;
	uint32_t waited_ms;
};

/* `wake` must live until rcpt_desk_free(). NULL: no memory. */
struct rcpt_desk *rcpt_desk_new(struct net_wake *wake, uint64_t now_ms) MUST_USE;
/* Open questions are forgotten. */
void rcpt_desk_free(struct rcpt_desk **d);

/* Is `rcpt` (an address without brackets) known to `s`? It is copied. `s` must live until the answer was popped or
 * cancelled. False: it cannot be asked now (too many wait, no memory, the address is longer than any mailbox);
 * nothing will be popped. */
bool rcpt_desk_ask(struct rcpt_desk *d, struct rcpt_source *s, struct slice rcpt, uint64_t ticket,
	uint64_t now_ms) MUST_USE;
/* An unknown ticket is fine. */
void rcpt_desk_cancel(struct rcpt_desk *d, uint64_t ticket);
bool rcpt_desk_pop(struct rcpt_desk *d, uint64_t now_ms, struct rcpt_done *done_r) MUST_USE;
/* How long the worker may sleep: 0.. ms, -1 for ever. */
int rcpt_desk_sleep_ms(const struct rcpt_desk *d, uint64_t now_ms);

#endif
