#include "relay/shared.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>

enum { CACHE_BYTES = 16 << 20 };

static bool same_target(const struct relay_backend *b, const struct relay_target *t)
{
	return b->kind == t->kind && b->port == t->port && memcmp(&b->ip, &t->ip, sizeof b->ip) == 0 &&
	       slice_eq(slice_str(b->path), t->path);
}

/* A backend that was there before keeps its state over a reload. Called under the lock. */
static struct relay_backend *backend_of(struct relay_shared *s, const struct relay_target *t, struct slice group)
{
	for (size_t i = 0; i < s->backends_n; i++)
		if (same_target(s->backends[i], t) && slice_eq(slice_str(s->backends[i]->group), group))
			return s->backends[i];
	if (s->backends_n == RELAY_BACKENDS_EVER)
		return NULL;
	struct relay_backend *b = relay_backend_new(t, group);
	if (b)
		s->backends[s->backends_n++] = b;
	return b;
}

static bool find_backends(struct relay_shared *s, struct relay_settings *settings)
{
	for (size_t i = 0; i < settings->c.backends_n; i++) {
		settings->backends[i] = backend_of(s, &settings->c.backends[i], settings->c.group);
		TRY(settings->backends[i]);
	}
	return true;
}

struct relay_shared *relay_shared_new(const struct relay_config *c)
{
	struct relay_shared *s = relay_config_fault(c) ? NULL : mem_zalloc(sizeof *s);
	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	relay_watches_init(&s->watches);
	s->key = hash_key_random();
	uint32_t remember = c->remember < RELAY_MEMORY_MAX ? (uint32_t)c->remember : RELAY_MEMORY_MAX;
	s->cache = relay_rcpt_cache_new((c->cache_bytes ? c->cache_bytes : CACHE_BYTES) / RELAY_RCPT_CACHE_SLOT + 1);
	s->memory = c->remember ? relay_memory_new(remember) : NULL;
	if (!s->cache || (c->remember && !s->memory) || !relay_shared_configure(s, c))
		relay_shared_free(&s);
	return s;
}

bool relay_shared_configure(struct relay_shared *s, const struct relay_config *c)
{
	struct relay_settings *fresh = relay_config_fault(c) ? NULL : relay_settings_new(c);
	TRY(fresh);
	pthread_mutex_lock(&s->lock);
	bool ok = true;
	for (struct relay_settings *group = fresh; group; group = group->next)
		ok = ok && find_backends(s, group);
	struct relay_settings *old = ok ? s->settings : fresh;
	if (ok)
		s->settings = fresh;
	pthread_mutex_unlock(&s->lock);
	relay_settings_unref(&old);
	return ok;
}

void relay_shared_open(struct relay_shared *s, const char *path, unsigned workers)
{
	char why[256], notes[PATH_MAX];
	bool opened = !s->memory || relay_memory_open(s->memory, path, clock_wall_ms() / 1000, why);
	if (s->memory && (!opened || why[0]))
		log_warn("relay.state %s %s", path, why);
	if (!opened)
		snprintf(s->no_state, sizeof s->no_state, "%s", why);
	/* beside it, by the same rules */
	bool fits = snprintf(notes, sizeof notes, "%s.out", path) < (int)sizeof notes;
	s->intents = fits ? relay_intents_open(notes, workers, why) : NULL;
	if (s->intents)
		return;
	snprintf(s->no_notes, sizeof s->no_notes, "%s", fits ? why : "path too long");
	log_warn("relay.state: mails under way are not noted in %s.out: %s", path, s->no_notes);
}

void relay_shared_memory(struct relay_shared *s, struct relay_memory_info *info_r)
{
	int error = s->memory ? relay_memory_error(s->memory) : 0;
	*info_r = (struct relay_memory_info){
		.on = s->memory != NULL,
		.entries = s->memory ? relay_memory_count(s->memory) : 0,
		.evicted = s->memory ? relay_memory_evicted(s->memory) : 0,
	};
	if (s->no_state[0])
		snprintf(info_r->fault, sizeof info_r->fault,
			"it %s; partial deliveries are remembered until the next start only: put that right, then "
			"restart",
			s->no_state);
	else if (error)
		snprintf(info_r->fault, sizeof info_r->fault,
			"it cannot be written: %s; partial deliveries are remembered until the next start only: put "
			"that right, it is tried again by itself",
			strerror(error));
	else if (s->no_notes[0])
		snprintf(info_r->fault, sizeof info_r->fault,
			"mails under way are not noted beside it: %s; put that right, then restart", s->no_notes);
}

void relay_shared_free(struct relay_shared **s)
{
	struct relay_shared *old = *s;
	if (!old)
		return;
	relay_settings_unref(&old->settings);
	for (size_t i = 0; i < old->backends_n; i++)
		relay_backend_free(&old->backends[i]);
	relay_rcpt_cache_free(&old->cache);
	relay_memory_free(&old->memory);
	relay_intents_close(&old->intents);
	relay_watches_clear(&old->watches);
	pthread_mutex_destroy(&old->lock);
	mem_free(s);
}

struct relay_settings *relay_shared_settings(struct relay_shared *s)
{
	pthread_mutex_lock(&s->lock);
	struct relay_settings *settings = relay_settings_ref(s->settings);
	pthread_mutex_unlock(&s->lock);
	return settings;
}

void relay_shared_wake(struct relay_shared *s, int worker)
{
	struct net_wake *wake = worker < 0 ? NULL : atomic_load(&s->wakes[worker]);
	if (wake)
		net_wake_up(wake);
}

bool relay_shared_forget(struct relay_shared *s, struct slice rcpt)
{
	struct relay_settings *settings = relay_shared_settings(s);
	const struct relay_settings *its = relay_settings_of_domain(settings, relay_domain_of(rcpt));
	bool known = relay_rcpt_cache_forget(s->cache, its->c.group, rcpt);
	relay_settings_unref(&settings);
	return known;
}

void relay_shared_cache(struct relay_shared *s, struct relay_cache_info *info_r)
{
	struct relay_rcpt_counters c = relay_rcpt_cache_counters(s->cache);
	*info_r = (struct relay_cache_info){ .hits = c.hits, .misses = c.misses, .entries = c.entries };
}

unsigned relay_probe_slot(const struct relay_shared *s, const struct ip *client)
{
	return (unsigned)(hash_bytes(&s->key, slice_of((const char *)client->b, sizeof client->b)) % RELAY_PROBE_SLOTS);
}

bool relay_shared_is_local(struct relay_shared *s, struct slice domain)
{
	struct relay_settings *settings = relay_shared_settings(s);
	bool local = relay_settings_is_local(settings, domain);
	relay_settings_unref(&settings);
	return local;
}

size_t relay_shared_info(struct relay_shared *s, uint64_t now_ms, struct relay_backend_info *info_r, size_t max)
{
	struct relay_settings *settings = relay_shared_settings(s);
	size_t n = 0;
	for (const struct relay_settings *group = settings; group; group = group->next)
		for (size_t i = 0; i < group->c.backends_n && n < max; i++, n++) {
			relay_backend_info(group->backends[i], group->c.connections, now_ms, &info_r[n]);
			info_r[n].identity = group->c.identity;
			info_r[n].tls = group->c.tls;
		}
	relay_settings_unref(&settings);
	return n;
}

void relay_shared_load(struct relay_shared *s, unsigned *waiting_r, unsigned *open_r, unsigned *limit_r)
{
	struct relay_settings *settings = relay_shared_settings(s);
	*waiting_r = atomic_load(&s->waiting);
	*open_r = 0;
	*limit_r = 0;
	for (const struct relay_settings *group = settings; group; group = group->next) {
		*limit_r += group->c.connections * (unsigned)group->c.backends_n;
		for (size_t i = 0; i < group->c.backends_n; i++)
			*open_r += atomic_load(&group->backends[i]->open);
	}
	relay_settings_unref(&settings);
}
