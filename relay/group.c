#include "relay/group.h"

#include "base/mem.h"
#include "base/hash.h"
#include "relay/internal.h"

static struct relay_group *add(struct relay *r)
{
	struct relay_group *g = mem_zalloc(sizeof *g), **end = &r->groups;
	if (!g)
		return NULL;
	rand_bytes(&g->deliveries.seed, sizeof g->deliveries.seed);
	rand_bytes(&g->probe_queue.seed, sizeof g->probe_queue.seed);
	while (*end)
		end = &(*end)->next;
	*end = g;
	return g;
}

static struct relay_group *of_name(struct relay *r, struct slice name)
{
	for (struct relay_group *g = r->groups; g; g = g->next)
		if (slice_eq(g->settings->c.group, name))
			return g;
	return add(r);
}

bool relay_groups_take_on(struct relay *r)
{
	bool all = true;
	for (struct relay_group *g = r->groups; g; g = g->next)
		g->gone = true;
	for (struct relay_settings *s = r->settings; s; s = s->next) {
		struct relay_group *g = of_name(r, s->c.group);
		if (!g) {
			all = false;
			continue;
		}
		relay_settings_unref(&g->settings);
		g->settings = relay_settings_ref(s);
		g->gone = false;
	}
	return all;
}

void relay_groups_release(struct relay *r)
{
	for (struct relay_group *g = r->groups, *next; g; g = next) {
		next = g->next;
		relay_queue_release(&g->deliveries);
		relay_queue_release(&g->probe_queue);
		relay_settings_unref(&g->settings);
		mem_free(&g);
	}
	r->groups = NULL;
}

struct relay_group *relay_group_of(const struct relay *r, struct slice rcpt)
{
	const struct relay_settings *s = relay_settings_of_domain(r->settings, relay_domain_of(rcpt));
	for (struct relay_group *g = r->groups; g; g = g->next)
		if (g->settings == s)
			return g;
	return NULL;
}

struct relay_queue *relay_group_queue(struct relay_job *job)
{
	return job->done.question == RELAY_RCPT ? &job->group->probe_queue : &job->group->deliveries;
}

unsigned relay_group_waiting(const struct relay_group *g)
{
	return g->deliveries.jobs + g->probe_queue.jobs;
}
