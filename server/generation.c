#include "server/generation.h"

#include "base/mem.h"
#include "score/evidence.h"
#include "score/tape.h"
#include "server/privileges.h"
#include "server/resolvers.h"
#include "server/rights.h"
#include "server/sources.h"

/* ---- recipients ---- */

static bool resolve_recipients(
	struct generation *g, const struct generation *old, const char *path, struct settings_faults *faults)
{
	const struct settings_recipients *steps = &g->settings->relay.recipients;
	g->recipients = arena_alloc(&g->arena, steps->count * sizeof *g->recipients);
	g->recipients_told = rule_counts_new();
	if (!g->recipients || !g->recipients_told)
		return false;
	g->recipients_n = steps->count;
	for (size_t i = 0; i < steps->count; i++)
		g->recipients[i] = rulebook_list(&g->lists, steps->items[i].name);
	return sources_open(g, old, path, faults);
}

/* ---- rules ---- */

/* A rule of the same name goes on counting where it was. */
static bool take_counts(struct generation *g, const struct generation *old)
{
	unsigned n = g->rules ? (unsigned)score_rules_count(g->rules) : 0, known;
	g->counts = mem_zalloc((n + 1) * sizeof *g->counts);
	for (unsigned i = 0; g->counts && i < n; i++) {
		struct slice name = slice_str(score_rule_name(g->rules, i));
		bool kept = old && score_rule_find(old->rules, name, &known);
		g->counts[i] = kept ? rule_counts_ref(old->counts[known]) : rule_counts_new();
		if (!g->counts[i])
			return false;
	}
	return g->counts != NULL;
}

static void drop_counts(struct generation *g)
{
	for (unsigned i = 0; g->counts && i < score_rules_count(g->rules); i++)
		rule_counts_unref(&g->counts[i]);
	mem_free(&g->counts);
}

/* ---- TLS ---- */

static bool wants_tls(const struct settings *s)
{
	for (size_t i = 0; i < s->listeners.count; i++)
		if (s->listeners.items[i].tls != SETTINGS_TLS_OFF)
			return true;
	return false;
}

/* Of a reload's reader it is known who it is. "": rights are not what is missing. */
static const char *rights_wanted(const struct settings *s, bool reload, char words_r[RIGHTS_WORDS])
{
	if (!rights_missing_of(&s->tls.certificates, words_r))
		return "";
	/* else the key would be opened to whoever wanted to check the settings */
	return !reload && privileges_are_others(s->server.user) ? "do this as root, or as server.user" : words_r;
}

static bool open_certificate(
	struct generation *g, const struct generation *old, const char *path, struct settings_faults *faults)
{
	const struct settings_server_tls *t = &g->settings->tls;
	if (!wants_tls(g->settings) || t->certificates.count == 0)
		return true;
	char why[256];
	struct net_tls_files *files = arena_alloc(&g->arena, t->certificates.count * sizeof *files);
	if (!files)
		return false;
	for (size_t i = 0; i < t->certificates.count; i++)
		files[i] = (struct net_tls_files){ t->certificates.items[i].cert, t->certificates.items[i].key };
	g->tls = net_tls_server_ctx(files, t->certificates.count, t->minimum == SETTINGS_TLS_1_3, why);
	if (g->tls)
		return true;
	char words[RIGHTS_WORDS];
	const char *what_to_do = rights_wanted(g->settings, old != NULL, words), *tie = *what_to_do ? "; " : "";
	if (old && old->tls) {
		g->tls = net_tls_ctx_ref(old->tls);
		settings_fault_add(faults, SETTINGS_WARNING, path, 0, "%s; the certificate in use is kept%s%s", why,
			tie, what_to_do);
		return true;
	}
	settings_fault_add(faults, SETTINGS_ERROR, path, 0, "%s%s%s", why, tie, what_to_do);
	return false;
}

/* ---- relay ---- */

static enum relay_identity identity_of(enum settings_identity i)
{
	switch (i) {
	case SETTINGS_IDENTITY_XCLIENT:
		return RELAY_XCLIENT;
	case SETTINGS_IDENTITY_XFORWARD:
		return RELAY_XFORWARD;
	case SETTINGS_IDENTITY_PROXY:
		return RELAY_PROXY;
	case SETTINGS_IDENTITY_NONE:
		break;
	}
	return RELAY_NONE;
}

static bool fill_targets(struct generation *g, struct relay_config *c, const struct settings_backends *from,
	const char *path, struct settings_faults *faults)
{
	struct relay_target *targets = arena_alloc(&g->arena, from->count * sizeof *targets);
	if (!targets)
		return false;
	for (size_t i = 0; i < from->count; i++) {
		const char *why = NULL;
		if (!relay_target_parse(slice_str(from->items[i].text), &targets[i], &why)) {
			settings_fault_add(
				faults, SETTINGS_ERROR, path, 0, "relay.backends: %s: %s", from->items[i].text, why);
			return false;
		}
	}
	c->backends = targets;
	c->backends_n = from->count;
	return true;
}

static bool fill_domains(struct generation *g, struct relay_config *c, const struct settings_texts *from)
{
	struct slice *domains = arena_alloc(&g->arena, (from->count + 1) * sizeof *domains);
	TRY(domains);
	for (size_t i = 0; i < from->count; i++)
		domains[i] = slice_str(from->items[i]);
	c->domains = domains;
	c->domains_n = from->count;
	return true;
}

static bool fill_recipients(struct generation *g)
{
	const struct settings_relay *r = &g->settings->relay;
	uint16_t *codes = arena_alloc(&g->arena, (r->unknown_user.count + 1) * sizeof *codes);
	TRY(codes);
	for (size_t i = 0; i < r->unknown_user.count; i++)
		codes[i] = (uint16_t)r->unknown_user.items[i];
	for (size_t i = 0; i < r->recipients.count; i++)
		g->relay.ask_backend |= r->recipients.items[i].source == SETTINGS_SOURCE_BACKEND;
	g->relay.unknown_user = codes;
	g->relay.unknown_user_n = r->unknown_user.count;
	return true;
}

static bool fill_relay_tls(struct generation *g, struct relay_config *c, enum settings_relay_tls tls, const char *path,
	struct settings_faults *faults)
{
	static const enum relay_tls TLS[] = { [SETTINGS_RELAY_TLS_OFF] = RELAY_TLS_OFF,
		[SETTINGS_RELAY_TLS_MAY] = RELAY_TLS_MAY,
		[SETTINGS_RELAY_TLS_REQUIRE] = RELAY_TLS_REQUIRE };
	const char *ca = g->settings->relay.tls_ca;
	char why[256];
	c->tls = TLS[tls];
	c->tls_ctx = NULL;
	if (tls == SETTINGS_RELAY_TLS_OFF)
		return true;
	c->tls_ctx = net_tls_client_ctx(tls == SETTINGS_RELAY_TLS_REQUIRE, *ca ? ca : NULL, why);
	if (!c->tls_ctx)
		settings_fault_add(faults, SETTINGS_ERROR, path, 0, "relay.tls_ca: %s", why);
	return c->tls_ctx != NULL;
}

/* What a group does not say itself holds for all of them. */
static bool fill_group(struct generation *g, struct relay_config *c, const struct settings_group *from,
	const char *path, struct settings_faults *faults)
{
	*c = g->relay;
	c->groups_n = 0;
	c->group = slice_str(from->name);
	c->identity = identity_of(from->identity);
	c->tls_name = slice_str(from->tls_name);
	c->connections = from->connections;
	return fill_relay_tls(g, c, from->tls, path, faults) && fill_targets(g, c, &from->backends, path, faults) &&
	       fill_domains(g, c, &from->domains);
}

static bool fill_groups(struct generation *g, const char *path, struct settings_faults *faults)
{
	const struct settings_groups *from = &g->settings->relay.groups;
	g->groups = arena_alloc(&g->arena, (from->count + 1) * sizeof *g->groups);
	TRY(g->groups);
	for (size_t i = 0; i < from->count; i++) {
		bool ok = fill_group(g, &g->groups[i], &from->items[i], path, faults);
		g->relay.groups_n = i + 1; /* what is open of it will be closed */
		TRY(ok);
	}
	g->relay.groups = g->groups;
	g->tells_proxy = g->relay.identity == RELAY_PROXY;
	for (size_t i = 0; i < from->count; i++)
		g->tells_proxy |= g->groups[i].identity == RELAY_PROXY;
	return true;
}

static bool fill_relay(struct generation *g, const char *path, struct settings_faults *faults)
{
	const struct settings_relay *r = &g->settings->relay;
	g->relay = (struct relay_config){
		.hostname = g->hostname,
		.identity = identity_of(r->identity),
		.tls_name = slice_str(r->tls_name),
		.connections = r->connections,
		.idle_ms = r->idle_ms,
		.remember = r->remember,
		.clients = r->clients.items,
		.clients_n = r->clients.count,
		.recipient_ok_ms = r->recipient_ok_for_ms,
		.recipient_bad_ms = r->recipient_bad_for_ms,
	};
	TRY(fill_relay_tls(g, &g->relay, r->tls, path, faults));
	TRY(fill_targets(g, &g->relay, &r->backends, path, faults) && fill_domains(g, &g->relay, &r->domains));
	TRY(fill_recipients(g) && fill_groups(g, path, faults));
	const char *fault = relay_config_fault(&g->relay);
	if (fault)
		settings_fault_add(faults, SETTINGS_ERROR, path, 0, "relay: %s", fault);
	return !fault;
}

/* ---- all of it ---- */

/* Goes on after a fault, so that all are told at once. */
static bool fill(struct generation *g, const char *path, const struct generation_needs *needs,
	const struct generation *old, struct settings_faults *faults)
{
	struct hash_key list_key = hash_key_random();
	g->hostname = slice_str(g->settings->server.hostname);
	struct buf banner = { 0 };
	bool worded = buf_printf(&banner, "%s ESMTP SmtpGuard", g->settings->server.hostname);
	g->banner = arena_copy(&g->arena, buf_slice(&banner));
	buf_release(&banner);
	if (!worded || !g->banner.p)
		return false;
	bool ok = rulebook_read_lists(&g->lists, g->settings, &g->arena, &list_key, faults);
	g->rules = rulebook_compile(g->settings, &g->lists, &needs->score_key, faults);
	g->rules_hash = g->rules ? score_rules_hash(g->rules) : 0;
	ok &= g->rules && take_counts(g, old);
	ok &= g->rules && dns_lists_open(&g->dns_lists, g->rules, g->settings, old ? &old->dns_lists : NULL, &g->arena);
	ok &= open_certificate(g, old, path, faults);
	g->words = naming_read_words(g->settings->dns.end_user_words, faults);
	ok &= g->words != NULL;
	resolvers_fill(&g->dns, &g->settings->dns, old ? &old->dns : NULL, path, faults);
	ok &= fill_relay(g, path, faults);
	return ok && resolve_recipients(g, old, path, faults) && faults->errors == 0;
}

struct generation *generation_load(const char *path, const struct generation_needs *needs, const struct generation *old,
	struct settings_faults *faults)
{
	struct generation *g = mem_zalloc(sizeof *g);
	if (!g)
		return NULL;
	atomic_init(&g->refs, 1);
	g->settings = settings_load(path, &needs->host, faults);
	if (!g->settings || !fill(g, path, needs, old, faults))
		generation_unref(&g);
	return g;
}

struct generation *generation_ref(struct generation *g)
{
	atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
	return g;
}

void generation_unref(struct generation **p)
{
	struct generation *g = *p;
	*p = NULL;
	if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
		return;
	drop_counts(g);
	dns_lists_release(&g->dns_lists);
	sources_release(g);
	rule_counts_unref(&g->recipients_told);
	score_rules_free(&g->rules);
	rulebook_free_lists(&g->lists);
	dns_words_free(&g->words);
	net_tls_ctx_unref(&g->tls);
	net_tls_ctx_unref(&g->relay.tls_ctx);
	for (size_t i = 0; i < g->relay.groups_n; i++)
		net_tls_ctx_unref(&g->groups[i].tls_ctx);
	settings_free(&g->settings);
	arena_release(&g->arena);
	mem_free(&g);
}
