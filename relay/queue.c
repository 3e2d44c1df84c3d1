#include "relay/queue.h"

#include "base/mem.h"

enum { SPARES = 64 };

static struct relay_lane **bucket(struct relay_queue *q, const struct ip *client)
{
	uint64_t a, b;
	memcpy(&a, client->b, 8);
	memcpy(&b, client->b + 8, 8);
	uint64_t h = (a ^ q->seed) * 0x9E3779B97F4A7C15ull;
	h = (h ^ (h >> 29) ^ b ^ (q->seed << 1)) * 0xBF58476D1CE4E5B9ull;
	return &q->bucket[(h >> 40) % RELAY_LANE_BUCKETS];
}

static struct relay_lane *lane_new(struct relay_queue *q)
{
	struct relay_lane *lane = q->spare;
	if (!lane)
		return mem_zalloc(sizeof *lane);
	q->spare = lane->next;
	q->spares--;
	*lane = (struct relay_lane){ 0 };
	return lane;
}

/* The lane of this client; a new one comes last in the ring. */
static struct relay_lane *lane_of(struct relay_queue *q, const struct ip *client)
{
	struct relay_lane **at = bucket(q, client);
	for (struct relay_lane *lane = *at; lane; lane = lane->hash_next)
		if (memcmp(&lane->client, client, sizeof *client) == 0)
			return lane;
	struct relay_lane *lane = lane_new(q);
	if (!lane)
		return NULL;
	lane->client = *client;
	lane->hash_next = *at;
	*at = lane;
	if (q->turn) {
		lane->next = q->turn;
		lane->prev = q->turn->prev;
		lane->prev->next = lane->next->prev = lane;
	} else {
		q->turn = lane->next = lane->prev = lane;
	}
	q->lanes++;
	return lane;
}

static void lane_drop(struct relay_queue *q, struct relay_lane *lane)
{
	struct relay_lane **at = bucket(q, &lane->client);
	while (*at != lane)
		at = &(*at)->hash_next;
	*at = lane->hash_next;
	lane->prev->next = lane->next;
	lane->next->prev = lane->prev;
	if (q->turn == lane)
		q->turn = lane->next == lane ? NULL : lane->next;
	q->lanes--;
	if (q->spares == SPARES) {
		mem_free(&lane);
		return;
	}
	lane->next = q->spare;
	q->spare = lane;
	q->spares++;
}

static struct relay_lane *enter(struct relay_queue *q, struct relay_job *job)
{
	struct relay_lane *lane = lane_of(q, &job->client);
	if (!lane)
		return NULL;
	job->lane = lane;
	job->state = RELAY_JOB_QUEUED;
	q->jobs++;
	return lane;
}

bool relay_queue_put(struct relay_queue *q, struct relay_job *job)
{
	struct relay_lane *lane = enter(q, job);
	TRY(lane);
	job->next = NULL;
	if (lane->last)
		lane->last->next = job;
	else
		lane->first = job;
	lane->last = job;
	return true;
}

bool relay_queue_put_back(struct relay_queue *q, struct relay_job *job)
{
	struct relay_lane *lane = enter(q, job);
	TRY(lane);
	job->next = lane->first;
	lane->first = job;
	if (!lane->last)
		lane->last = job;
	if (q->turn != lane) {
		/* out of its place in the ring, and in again before the one whose turn it is */
		lane->prev->next = lane->next;
		lane->next->prev = lane->prev;
		lane->next = q->turn;
		lane->prev = q->turn->prev;
		lane->prev->next = lane->next->prev = lane;
		q->turn = lane;
	}
	return true;
}

struct relay_job *relay_queue_head(const struct relay_queue *q)
{
	return q->turn ? q->turn->first : NULL;
}

void relay_queue_turn(struct relay_queue *q)
{
	if (q->turn)
		q->turn = q->turn->next;
}

static void leave(struct relay_queue *q, struct relay_job *job)
{
	struct relay_lane *lane = job->lane;
	job->lane = NULL;
	job->next = NULL;
	q->jobs--;
	if (!lane->first)
		lane_drop(q, lane);
}

struct relay_job *relay_queue_take(struct relay_queue *q)
{
	struct relay_lane *lane = q->turn;
	if (!lane)
		return NULL;
	struct relay_job *job = lane->first;
	lane->first = job->next;
	if (!lane->first)
		lane->last = NULL;
	relay_queue_turn(q);
	leave(q, job);
	return job;
}

void relay_queue_remove(struct relay_queue *q, struct relay_job *job)
{
	struct relay_lane *lane = job->lane;
	struct relay_job **at = &lane->first, *before = NULL;
	while (*at != job) {
		before = *at;
		at = &before->next;
	}
	*at = job->next;
	if (lane->last == job)
		lane->last = before;
	leave(q, job);
}

void relay_queue_release(struct relay_queue *q)
{
	while (q->turn)
		lane_drop(q, q->turn);
	while (q->spare) {
		struct relay_lane *lane = q->spare;
		q->spare = lane->next;
		mem_free(&lane);
	}
	q->spares = 0;
}
