/* Recipient questions that are asked once for several clients. */
#include "relay/finish.h"

/* Two spellings of one address may be asked for apart; two addresses are never taken for one. Where there is room for
 * the leader's mail there is room for a smaller one. */
static bool answers(const struct relay_job *leader, const struct relay_job *job)
{
	return leader->group == job->group && leader->size >= job->size && slice_eq(leader->own_rcpt, job->own_rcpt);
}

static struct relay_job **bucket(struct relay *r, const struct relay_job *job)
{
	return &r->asking[hash_bytes(&r->shared->key, job->own_rcpt) % RELAY_MERGE_BUCKETS];
}

bool relay_merge_join(struct relay *r, struct relay_job *job)
{
	struct relay_job *leader = job->alone ? NULL : *bucket(r, job);
	while (leader && !answers(leader, job))
		leader = leader->asking_next;
	if (!leader)
		return false;
	job->state = RELAY_JOB_MERGED;
	job->leader = leader;
	job->next = leader->merged;
	leader->merged = job;
	return true;
}

void relay_merge_lead(struct relay *r, struct relay_job *job)
{
	struct relay_job **at = bucket(r, job);
	job->asking_next = *at;
	*at = job;
	job->leads = true;
}

void relay_merge_end(struct relay *r, struct relay_job *job)
{
	if (!job->leads)
		return;
	struct relay_job **at = bucket(r, job);
	while (*at != job)
		at = &(*at)->asking_next;
	*at = job->asking_next;
	job->leads = false;
}

void relay_merge_leave(struct relay_job *job)
{
	struct relay_job **at = &job->leader->merged;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	job->leader = NULL;
}
