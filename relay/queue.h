/* relay/queue.h - jobs that wait for a connection, fair to clients
 *
 * Each client (an IPv4 address, an IPv6 /64) has a lane of its own, first come first served; lanes
 * take turns, so a client with a thousand mails waiting delays another by one mail at most.
 *
 *     for (n = q->lanes; n && (job = relay_queue_head(q)); n--)
 *             if (it may run) relay_queue_take(q), run it
 *             else relay_queue_turn(q);          the next lane's turn
 */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include "relay/job.h"

struct relay_lane {
	struct relay_lane *next, *prev; /* the ring */
	struct relay_lane *hash_next;
	struct ip client;
	struct relay_job *first, *last;
};

enum { RELAY_LANE_BUCKETS = 512 };
struct relay_queue {
	struct relay_lane *turn; /* whose turn it is; NULL: empty */
	unsigned lanes, jobs;
	struct relay_lane *spare;
	unsigned spares;
	uint64_t seed; /* spreads the lanes; from rand_bytes() */
	struct relay_lane *bucket[RELAY_LANE_BUCKETS];
};

/* At the end of its client's lane. False: no memory. */
bool relay_queue_put(struct relay_queue *q, struct relay_job *job) MUST_USE;
/* At the head of its client's lane, and its lane's turn is next: for a second try. False: no memory. */
bool relay_queue_put_back(struct relay_queue *q, struct relay_job *job) MUST_USE;
struct relay_job *relay_queue_head(const struct relay_queue *q);
void relay_queue_turn(struct relay_queue *q);
/* Takes the head out and turns to the next lane. */
struct relay_job *relay_queue_take(struct relay_queue *q);
/* Takes out a job from wherever it is. */
void relay_queue_remove(struct relay_queue *q, struct relay_job *job);
/* Frees the lanes; the jobs are the caller's. */
void relay_queue_release(struct relay_queue *q);

#endif
