/* relay/finish.h - the end of a job's run: an answer, or a second try
 *
 * The failure table of the relay's manual stands here. Every function takes the job off its link first;
 * what becomes of the link is the caller's business.
 */
#ifndef RELAY_FINISH_H
#define RELAY_FINISH_H

#include "relay/internal.h"
#include "relay/link.h"

/* The backend's reply to a delivery is the answer. */
void relay_finish_reply(struct relay *r, struct relay_job *job, unsigned code, struct slice text, uint64_t now_ms);
/* The recipient that was asked for exists: the 2xx kept in job->done is the answer. */
void relay_finish_exists(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* The refusal kept in job->done is the answer. */
void relay_finish_refusal(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* Some recipients were taken and some refused; nothing has been delivered. */
void relay_finish_partly(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* Some recipients have the mail: took[i] of job->rcpts. They are remembered before the answer, 451, is given; on the
 * retry the others get it. `doubt`: of some nothing was heard. */
void relay_finish_partly_taken(struct relay *r, struct relay_job *job, const bool *took, bool doubt, uint64_t now_ms);
/* What a SAVING job waited for is on the disk, or could not be written. */
void relay_finish_saved(struct relay *r, struct relay_job *job, bool written, uint64_t now_ms);
/* The disk takes too long. */
void relay_finish_not_saved(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* Every recipient has the mail since the last try. */
void relay_finish_recalled(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* The connection is lost. `used`: it may have been closed long since; `heard`: a reply came to this job. */
void relay_finish_lost(struct relay *r, struct relay_job *job, bool used, bool heard, bool dot_is_out, uint64_t now_ms);
/* No connection could be made to its backend, which is out of service now: another one, or its answer. */
void relay_finish_unopened(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* It must be asked once more on a fresh connection, through no fault of anybody; at most once, then as lost. */
void relay_finish_again(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* The backend does not take the form of what it was told of the client. True: it is tried once more on a fresh
 * connection, without the client's names; false: they were left out already or there are none, the answer is 451 4.3.2.
 */
bool relay_finish_untold(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* The backend speaks nonsense. */
void relay_finish_garbage(struct relay *r, struct relay_job *job, bool dot_is_out, uint64_t now_ms);
/* It cannot be said to the backend: memory is out, or a value is not fit for a command or body. */
void relay_finish_unsayable(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* It is not ASCII and the backend does not offer SMTPUTF8. */
void relay_finish_no_utf8(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* No backend can be reached, or none is healthy. */
void relay_finish_unreachable(struct relay *r, struct relay_job *job, uint64_t now_ms);
/* Its time is over. */
void relay_finish_late(struct relay *r, struct relay_job *job, uint64_t now_ms);

/* Says this refusal that the recipient does not exist? Only then may it be cached, shared and counted as a bad
 * recipient: any other may speak of this client, its HELO or the sender (Postfix: smtpd_delay_reject). */
bool relay_is_unknown_user(const struct relay_settings *s, unsigned code, struct slice text) MUST_USE;

/* A recipient question joins one that is under way for the same recipient; false: it must ask itself. */
bool relay_merge_join(struct relay *r, struct relay_job *job);
/* It may be joined from now on; no longer. */
void relay_merge_lead(struct relay *r, struct relay_job *job);
void relay_merge_end(struct relay *r, struct relay_job *job);
/* A merged one leaves, its client is gone or its time over. */
void relay_merge_leave(struct relay_job *job);

/* Into the right queue, at its end. False: no memory. */
bool relay_enqueue(struct relay *r, struct relay_job *job) MUST_USE;

#endif
