#include "relay/settings.h"

#include "base/mem.h"

#include <stdlib.h>

static int domain_order(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int by_bytes = n ? strncasecmp(x->p, y->p, n) : 0;
	return by_bytes ? by_bytes : (x->n > y->n) - (x->n < y->n);
}

static bool copy_slices(struct arena *a, const struct slice *from, size_t n, const struct slice **to_r)
{
	struct slice *to = arena_alloc(a, (n ? n : 1) * sizeof *to);
	TRY(to);
	for (size_t i = 0; i < n; i++) {
		to[i] = arena_copy(a, from[i]);
		TRY(to[i].p);
	}
	*to_r = to;
	return true;
}

static bool copy_targets(struct arena *a, const struct relay_target *from, size_t n, const struct relay_target **to_r)
{
	struct relay_target *to = arena_alloc(a, n * sizeof *to);
	TRY(to);
	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].name = arena_copy(a, from[i].name);
		to[i].path = arena_copy(a, from[i].path);
		TRY(to[i].name.p && to[i].path.p);
	}
	*to_r = to;
	return true;
}

static bool copy_bytes(struct arena *a, const void *from, size_t n, void *to_r)
{
	void *to = arena_alloc(a, n ? n : 1);
	TRY(to);
	if (n)
		memcpy(to, from, n);
	memcpy(to_r, &to, sizeof to);
	return true;
}

static bool copy_config(struct relay_settings *s, const struct relay_config *c)
{
	struct arena *a = &s->memory;
	s->c = *c;
	s->c.groups = NULL;
	s->c.groups_n = 0;
	s->c.group = arena_copy(a, c->group.n ? c->group : SLICE("main"));
	TRY(s->c.group.p);
	s->c.hostname = arena_copy(a, c->hostname);
	TRY(s->c.hostname.p);
	s->c.tls_ctx = net_tls_ctx_ref(c->tls_ctx);
	s->c.tls_name = arena_copy(a, c->tls_name);
	TRY(s->c.tls_name.p);
	TRY(copy_targets(a, c->backends, c->backends_n, &s->c.backends));
	TRY(copy_slices(a, c->domains, c->domains_n, &s->c.domains));
	TRY(copy_bytes(a, c->clients, c->clients_n * sizeof *c->clients, &s->c.clients));
	TRY(copy_bytes(a, c->unknown_user, c->unknown_user_n * sizeof *c->unknown_user, &s->c.unknown_user));
	struct slice *domains;
	TRY(copy_bytes(a, s->c.domains, c->domains_n * sizeof *domains, &domains));
	qsort(domains, c->domains_n, sizeof *domains, domain_order);
	s->c.domains = domains;
	return true;
}

static struct relay_settings *new_group(const struct relay_config *c)
{
	struct relay_settings *s = mem_zalloc(sizeof *s);
	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	if (!copy_config(s, c))
		relay_settings_unref(&s);
	return s;
}

struct relay_settings *relay_settings_new(const struct relay_config *c)
{
	struct relay_settings *first = new_group(c), *last = first;
	for (size_t i = 0; last && i < c->groups_n; i++)
		last = last->next = new_group(&c->groups[i]);
	if (!last)
		relay_settings_unref(&first);
	return first;
}

struct relay_settings *relay_settings_ref(struct relay_settings *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void relay_settings_unref(struct relay_settings **s)
{
	struct relay_settings *old = *s;
	*s = NULL;
	if (!old || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	relay_settings_unref(&old->next);
	net_tls_ctx_unref(&old->c.tls_ctx);
	arena_release(&old->memory);
	mem_free(&old);
}

static bool has_domain(const struct relay_settings *s, struct slice domain)
{
	return s->c.domains_n && bsearch(&domain, s->c.domains, s->c.domains_n, sizeof domain, domain_order);
}

struct slice relay_domain_of(struct slice address)
{
	return slice_skip(address, slice_rfind(address, '@') + 1);
}

static const struct relay_settings *owner_of(const struct relay_settings *first, struct slice domain)
{
	for (const struct relay_settings *s = first; s; s = s->next)
		if (has_domain(s, domain))
			return s;
	return NULL;
}

const struct relay_settings *relay_settings_of_domain(const struct relay_settings *first, struct slice domain)
{
	const struct relay_settings *owner = owner_of(first, domain);
	return owner ? owner : first;
}

bool relay_settings_are_ours(const struct relay_settings *s, struct slice domain)
{
	return s->c.domains_n == 0 || owner_of(s, domain);
}

bool relay_settings_may_relay(const struct relay_settings *s, const struct ip *client, struct slice domain)
{
	return relay_settings_are_ours(s, domain) || ip_prefixes_have(s->c.clients, s->c.clients_n, client);
}

bool relay_settings_is_local(const struct relay_settings *s, struct slice domain)
{
	return owner_of(s, domain) != NULL;
}

bool relay_settings_unknown_user(const struct relay_settings *s, unsigned code)
{
	for (size_t i = 0; i < s->c.unknown_user_n; i++)
		if (s->c.unknown_user[i] == code)
			return true;
	return false;
}

static const char *group_fault(const struct relay_config *c)
{
	if (c->backends_n == 0 || c->backends_n > RELAY_BACKENDS_MAX)
		return "relay.backends needs 1 to 64 entries";
	if (c->connections == 0)
		return "relay.connections must be at least 1";
	if (c->tls != RELAY_TLS_OFF && !c->tls_ctx)
		return "relay.tls cannot be set up";
	if (c->domains_n)
		return NULL;
	if (c->identity == RELAY_XFORWARD || c->identity == RELAY_NONE)
		return "relay.domains must be set with this relay.identity: the backend takes us for one of its own "
		       "networks, everybody could relay";
	if (!c->ask_backend)
		return "relay.domains must be set when the backend is not asked for recipients";
	for (size_t i = 0; i < c->backends_n; i++)
		if (c->backends[i].kind == RELAY_MAILDIR)
			return "relay.domains must be set with a maildir:// backend";
	return NULL;
}

const char *relay_config_fault(const struct relay_config *c)
{
	const char *why = group_fault(c);
	size_t backends = c->backends_n;
	for (size_t i = 0; i < c->groups_n && !why; i++) {
		why = c->groups[i].domains_n ? group_fault(&c->groups[i]) : "each of relay.groups needs domains";
		backends += c->groups[i].backends_n;
	}
	if (!why && backends > RELAY_BACKENDS_MAX)
		return "relay.groups has more than 64 backends with relay.backends";
	return why;
}
