#include "server/generation.h"

#include "base/mem.h"
#include "score/evidence.h"

#include <errno.h>
#include <stdio.h>

enum { READ_CHUNK = 64 * 1024, RULES_TEXT = 64 };

/* ---- lists ---- */

/* Each "LINE: message" of the list's own faults, as faults of its file. */
static void tell_list_faults(const char *path, const struct buf *texts, struct settings_faults *faults)
{
	struct slice rest = buf_slice(texts);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n'), number = slice_cut(&line, ':');
		uint64_t at = 0;
		if (!slice_u64(number, UINT32_MAX, &at))
			line = number;
		settings_fault_add(faults, SETTINGS_ERROR, path, (uint32_t)at, "%.*s", SLICE_ARG(slice_trim(line)));
	}
}

static bool feed_file(struct score_list *l, FILE *f, struct buf *texts)
{
	char *chunk = mem_alloc(READ_CHUNK);
	bool ok = chunk != NULL;
	for (size_t n; ok && (n = fread(chunk, 1, READ_CHUNK, f)) > 0;)
		ok = score_list_feed(l, slice_of(chunk, n), texts);
	mem_free(&chunk);
	return ok && !ferror(f) && score_list_finish(l, texts);
}

static void tell_unreadable(const struct settings_list *from, int error, struct settings_faults *faults)
{
	settings_fault_add(faults, SETTINGS_ERROR, from->file, from->line, "lists.%s: %s cannot be read: %s",
		from->name, from->path, strerror(error));
}

static const struct score_list *read_list(
	const struct settings_list *from, const struct hash_key *key, struct settings_faults *faults)
{
	FILE *f = fopen(from->path, "re");
	if (!f) {
		tell_unreadable(from, errno, faults);
		return NULL;
	}
	errno = 0;
	struct buf texts = { 0 };
	struct score_list *l = score_list_new(key);
	if (!l || !feed_file(l, f, &texts)) {
		tell_unreadable(from, errno ? errno : ENOMEM, faults);
		score_list_free(&l);
	}
	tell_list_faults(from->path, &texts, faults);
	buf_release(&texts);
	fclose(f);
	return l;
}

static bool read_lists(struct generation *g, const struct hash_key *key, struct settings_faults *faults)
{
	const struct settings_lists *from = &g->settings->lists;
	g->lists = arena_alloc(&g->arena, (from->count + 1) * sizeof *g->lists);
	if (!g->lists)
		return false;
	for (size_t i = 0; i < from->count; i++) {
		const struct score_list *l = read_list(&from->items[i], key, faults);
		if (l)
			g->lists[g->lists_n++] = (struct score_named_list){ .name = from->items[i].name, .list = l };
	}
	return g->lists_n == from->count;
}

static const struct score_list *list_named(const struct generation *g, const char *name)
{
	for (size_t i = 0; i < g->lists_n; i++)
		if (strcmp(g->lists[i].name, name) == 0)
			return g->lists[i].list;
	return NULL;
}

static bool resolve_recipients(struct generation *g)
{
	const struct settings_recipients *steps = &g->settings->relay.recipients;
	g->recipients = arena_alloc(&g->arena, steps->count * sizeof *g->recipients);
	if (!g->recipients)
		return false;
	g->recipients_n = steps->count;
	for (size_t i = 0; i < steps->count; i++)
		g->recipients[i] = list_named(g, steps->items[i].list);
	return true;
}

/* ---- rules ---- */

/* The settings' words in the rules' own terms. */
static const enum score_action ACTION[] = {
	[SETTINGS_DO_NOTHING] = SCORE_NONE,
	[SETTINGS_DO_OK] = SCORE_OK,
	[SETTINGS_DO_LOG] = SCORE_LOG,
	[SETTINGS_DO_WAIT] = SCORE_WAIT,
	[SETTINGS_DO_MAIL] = SCORE_MAIL_ALERT,
	[SETTINGS_DO_DEFER] = SCORE_DEFER,
	[SETTINGS_DO_REJECT] = SCORE_REJECT,
	[SETTINGS_DO_GREYLIST] = SCORE_GREYLIST,
	[SETTINGS_DO_THROTTLE] = SCORE_THROTTLE,
	[SETTINGS_DO_BLOCK] = SCORE_BLOCK,
	[SETTINGS_DO_DELETE] = SCORE_DELETE,
	[SETTINGS_DO_TAG] = SCORE_TAG,
};
static const enum score_charge_to TO[] = {
	[SETTINGS_TO_DEFAULT] = SCORE_TO_DEFAULT,
	[SETTINGS_TO_CLIENT] = SCORE_TO_CLIENT,
	[SETTINGS_TO_NET] = SCORE_TO_NET,
	[SETTINGS_TO_SENDER] = SCORE_TO_SENDER,
	[SETTINGS_TO_DOMAIN] = SCORE_TO_DOMAIN,
	[SETTINGS_TO_RECIPIENT] = SCORE_TO_RECIPIENT,
	[SETTINGS_TO_USER] = SCORE_TO_USER,
	[SETTINGS_TO_IDENTITY] = SCORE_TO_IDENTITY,
};
static const enum score_state STATE[] = {
	[SETTINGS_RULE_ENFORCE] = SCORE_ENFORCE,
	[SETTINGS_RULE_OBSERVE] = SCORE_OBSERVE,
	[SETTINGS_RULE_OFF] = SCORE_OFF,
};
static const int STAGE[] = {
	[SETTINGS_STAGE_ANY] = SCORE_ANY_STAGE,
	[SETTINGS_STAGE_CONNECT] = SCORE_CONNECT,
	[SETTINGS_STAGE_GREET] = SCORE_GREET,
	[SETTINGS_STAGE_HELO] = SCORE_HELO,
	[SETTINGS_STAGE_MAIL] = SCORE_MAIL,
	[SETTINGS_STAGE_RCPT] = SCORE_RCPT,
	[SETTINGS_STAGE_DATA] = SCORE_DATA,
	[SETTINGS_STAGE_MESSAGE] = SCORE_MESSAGE,
};

static struct score_rule_source rule_source(const struct settings_rule *r)
{
	return (struct score_rule_source){
		.name = r->name,
		.when = r->when,
		.file = r->file,
		.line = r->when_line,
		.points = r->points,
		.charge = r->charge,
		.to = TO[r->to],
		.action = ACTION[r->action],
		.reply = r->reply,
		.header = r->header,
		.rate = r->rate,
		.delay_ms = r->delay_ms,
		.hold_ms = r->hold_ms,
		.state = STATE[r->state],
		.percent = r->percent,
		.until_ms = (uint64_t)r->until_ms,
		.stage = STAGE[r->stage],
		.even_known_good = r->even_known_good,
	};
}

/* The rule whose "FILE:LINE: " a fault begins with; that prefix is cut off. NULL: the line goes on with the
 * fault before it (the expression, and the caret below it). */
static const struct settings_rule *rule_of_fault(const struct settings_rules *rules, struct slice *line)
{
	for (size_t i = 0; i < rules->count; i++) {
		char prefix[1024];
		int n = snprintf(prefix, sizeof prefix, "%s:%u: ", rules->items[i].file, rules->items[i].when_line);
		if (n > 0 && slice_starts(*line, slice_str(prefix))) {
			*line = slice_skip(*line, (size_t)n);
			return &rules->items[i];
		}
	}
	return NULL;
}

static void tell_rule_faults(
	const struct settings_rules *rules, const struct buf *texts, struct settings_faults *faults)
{
	const char *file = "rules";
	uint32_t at = 0;
	struct slice rest = buf_slice(texts);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		const struct settings_rule *rule = rule_of_fault(rules, &line);
		if (rule) {
			file = rule->file;
			at = rule->when_line;
		}
		settings_fault_add(faults, SETTINGS_ERROR, file, at, "%.*s", SLICE_ARG(line));
	}
}

/* What reads a thing that is never learned cannot come true by it: said once, at the start and by --check. */
static void note_unknowns(
	const struct settings_rules *from, const struct score_ruleset *rules, struct settings_faults *faults)
{
	for (unsigned i = 0; rules && i < score_rules_count(rules); i++) {
		const char *what = score_rule_unknown(rules, i);
		const struct settings_rule *r = &from->items[i];
		if (what && r->state != SETTINGS_RULE_OFF)
			settings_fault_add(faults, SETTINGS_NOTE, r->file, r->when_line,
				"rule \"%s\": %s is always unknown in this version", r->name, what);
	}
}

static bool compile_rules(struct generation *g, const struct hash_key *key, struct settings_faults *faults)
{
	const struct settings_rules *from = &g->settings->rules;
	struct score_rule_source *sources = mem_zalloc((from->count + 1) * sizeof *sources);
	if (!sources)
		return false;
	for (size_t i = 0; i < from->count; i++)
		sources[i] = rule_source(&from->items[i]);
	struct score_rules_config c = {
		.rules = sources,
		.n = from->count,
		.lists = g->lists,
		.lists_n = g->lists_n,
		.key = *key,
		.half_life_ms = g->settings->score.half_life_ms,
		.spike_ms = g->settings->score.spike_window_ms,
		.enforce = g->settings->enforce,
	};
	struct buf texts = { 0 };
	g->rules = score_rules_compile(&c, &texts);
	tell_rule_faults(from, &texts, faults);
	note_unknowns(from, g->rules, faults);
	buf_release(&texts);
	mem_free(&sources);
	return g->rules != NULL;
}

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
	if (old && old->tls) {
		g->tls = net_tls_ctx_ref(old->tls);
		settings_fault_add(faults, SETTINGS_WARNING, path, 0, "%s; the certificate in use is kept", why);
		return true;
	}
	settings_fault_add(faults, SETTINGS_ERROR, path, 0, "%s", why);
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
	case SETTINGS_IDENTITY_PROXY: /* refused by config/ in this version */
	case SETTINGS_IDENTITY_NONE:
		break;
	}
	return RELAY_NONE;
}

static bool fill_targets(struct generation *g, const char *path, struct settings_faults *faults)
{
	const struct settings_backends *from = &g->settings->relay.backends;
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
	g->relay.backends = targets;
	g->relay.backends_n = from->count;
	return true;
}

static bool fill_relay_lists(struct generation *g)
{
	const struct settings_relay *r = &g->settings->relay;
	struct slice *domains = arena_alloc(&g->arena, (r->domains.count + 1) * sizeof *domains);
	uint16_t *codes = arena_alloc(&g->arena, (r->unknown_user.count + 1) * sizeof *codes);
	if (!domains || !codes)
		return false;
	for (size_t i = 0; i < r->domains.count; i++)
		domains[i] = slice_str(r->domains.items[i]);
	for (size_t i = 0; i < r->unknown_user.count; i++)
		codes[i] = (uint16_t)r->unknown_user.items[i];
	for (size_t i = 0; i < r->recipients.count; i++)
		g->relay.ask_backend |= r->recipients.items[i].source == SETTINGS_SOURCE_BACKEND;
	g->relay.domains = domains;
	g->relay.domains_n = r->domains.count;
	g->relay.unknown_user = codes;
	g->relay.unknown_user_n = r->unknown_user.count;
	return true;
}

static bool fill_relay(struct generation *g, const char *path, struct settings_faults *faults)
{
	const struct settings_relay *r = &g->settings->relay;
	g->relay = (struct relay_config){
		.hostname = g->hostname,
		.identity = identity_of(r->identity),
		.connections = r->connections,
		.idle_ms = r->idle_ms,
		.clients = r->clients.items,
		.clients_n = r->clients.count,
		.recipient_ok_ms = r->recipient_ok_for_ms,
		.recipient_bad_ms = r->recipient_bad_for_ms,
	};
	TRY(fill_targets(g, path, faults));
	TRY(fill_relay_lists(g));
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
	bool ok = read_lists(g, &list_key, faults);
	ok &= compile_rules(g, &needs->score_key, faults) && take_counts(g, old);
	ok &= open_certificate(g, old, path, faults);
	ok &= fill_relay(g, path, faults);
	return ok && resolve_recipients(g) && faults->errors == 0;
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

static void free_lists(struct generation *g)
{
	for (size_t i = 0; i < g->lists_n; i++) {
		union {
			const struct score_list *c;
			struct score_list *m;
		} l = { .c = g->lists[i].list };
		score_list_free(&l.m); /* lent to the rules as const; it is ours */
	}
}

void generation_unref(struct generation **p)
{
	struct generation *g = *p;
	*p = NULL;
	if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
		return;
	drop_counts(g);
	score_rules_free(&g->rules);
	free_lists(g);
	net_tls_ctx_unref(&g->tls);
	settings_free(&g->settings);
	arena_release(&g->arena);
	mem_free(&g);
}
