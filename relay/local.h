/* relay/local.h - jobs that go to an embedded Maildir instead of a connection
 *
 * The writing is done by relay/maildir.h's own thread, since it waits for the disk; its results come
 * back through the worker's net_wake.
 */
#ifndef RELAY_LOCAL_H
#define RELAY_LOCAL_H

#include "relay/internal.h"

/* A recipient question is answered at once: any in relay.domains. */
void relay_local_start(struct relay *r, struct relay_pool *p, struct relay_job *job, uint64_t now_ms);
/* Takes the results that have come. */
void relay_local_collect(struct relay *r, uint64_t now_ms);
/* The job's client is gone or its time is over. True: the job was taken back, nothing is or will be delivered; false:
 * it is being written and its result will come. */
bool relay_local_cancel(struct relay *r, struct relay_job *job) MUST_USE;
/* For relay_free(): waits for what is being written. */
void relay_local_release(struct relay *r);

#endif
