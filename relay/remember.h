/* relay/remember.h - a client's retry gets only what is missing
 *
 * What relay/memory.h keeps, as jobs see it: digests of (sender, content as taken in, recipient). The content is the
 * client's, without the head that we put on it, so a retry of the same mail gives the same digests.
 */
#ifndef RELAY_REMEMBER_H
#define RELAY_REMEMBER_H

#include "relay/internal.h"

enum relay_recall {
	RELAY_RECALL_NOTHING, /* no recipient has it yet: the usual, and cheap */
	RELAY_RECALL_SOME,    /* job->rcpts are those that have it not */
	RELAY_RECALL_WAIT,    /* the same mail of before is undecided: ask again */
	RELAY_RECALL_LOOK,    /* its client may just have gone: ask again in a moment */
	RELAY_RECALL_ALL,     /* nothing is left to be delivered */
	RELAY_RECALL_FAILED   /* memory, or the body cannot be read back: nothing may be sent */
};
/* A delivery has its turn, that with which it was expected, or one that is drawn now, and memory for what may have to
 * be remembered of it. False: there is none; behind the dot it would be too late. */
bool relay_remember_enter(struct relay *r, struct relay_job *job) MUST_USE;
/* Looks for the recipients of a delivery that was entered. */
enum relay_recall relay_recall(struct relay *r, struct relay_job *job) MUST_USE;
/* The client of this delivery has gone, or may have, while the mail may be taken: retries wait until it is over. What
 * relay_remember_prepare() made is used. */
void relay_leave_undecided(struct relay *r, struct relay_job *job);
/* It waits for another mail's fate, as relay_recall() said; no longer. Those that wait are looked at by
 * relay_look_at_held(). */
void relay_hold(struct relay *r, struct relay_job *job, enum relay_recall why, uint64_t now_ms);
void relay_hold_over(struct relay *r, struct relay_job *job);
void relay_look_at_held(struct relay *r, uint64_t now_ms);
/* The retry's answer was popped. If it is a 2xx, what was remembered for it has served: it is forgotten by the next
 * relay_recall_forget(), a turn of the loop later, when the answer is on its way. Before that a kill would leave
 * neither. */
void relay_recall_over(struct relay *r, struct relay_job *job);
void relay_recall_forget(struct relay *r);

/* Makes ready, while the mail is there, what will have to be remembered of its recipients (job->rcpts): then
 * relay_remember() needs no mail. Once for each job. False: the body cannot be read back. */
bool relay_remember_prepare(struct relay *r, struct relay_job *job) MUST_USE;
/* These have it: took[i] for each of job->rcpts, NULL: all. False: it was not prepared. True: it is known now; `wait`:
 * the job is SAVING and comes back by relay_remember_collect() when it is on the disk. */
bool relay_remember(struct relay *r, struct relay_job *job, const bool *took, bool wait) MUST_USE;
/* After a wake: jobs whose saves are done are answered. */
void relay_remember_collect(struct relay *r, uint64_t now_ms);
/* A SAVING job waits no longer; what is known stays known. */
void relay_remember_late(struct relay_job *job);
/* For relay_free(): waits for the disk. */
void relay_remember_release(struct relay *r);

#endif
