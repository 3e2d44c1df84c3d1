#include "rulebook/rulebook.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

enum { READ_CHUNK = 64 * 1024 };

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

bool rulebook_read_lists(struct rulebook_lists *lists, const struct settings *s, struct arena *a,
	const struct hash_key *key, struct settings_faults *faults)
{
	const struct settings_lists *from = &s->lists;
	lists->items = arena_alloc(a, (from->count + 1) * sizeof *lists->items);
	if (!lists->items)
		return false;
	for (size_t i = 0; i < from->count; i++) {
		const struct score_list *l = read_list(&from->items[i], key, faults);
		if (l)
			lists->items[lists->n++] = (struct score_named_list){ .name = from->items[i].name, .list = l };
	}
	return lists->n == from->count;
}

const struct score_list *rulebook_list(const struct rulebook_lists *lists, const char *name)
{
	for (size_t i = 0; i < lists->n; i++)
		if (strcmp(lists->items[i].name, name) == 0)
			return lists->items[i].list;
	return NULL;
}

void rulebook_free_lists(struct rulebook_lists *lists)
{
	for (size_t i = 0; i < lists->n; i++) {
		union {
			const struct score_list *c;
			struct score_list *m;
		} l = { .c = lists->items[i].list };
		score_list_free(&l.m); /* lent to the rules as const; it is ours */
	}
	*lists = (struct rulebook_lists){ 0 };
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

static struct score_zone_text *zone_texts(const struct settings_dns_lists *from)
{
	struct score_zone_text *texts = mem_zalloc((from->count + 1) * sizeof *texts);
	for (size_t i = 0; texts && i < from->count; i++)
		texts[i] = (struct score_zone_text){ slice_str(from->items[i].zone), slice_str(from->items[i].text) };
	return texts;
}

struct score_ruleset *rulebook_compile(const struct settings *s, const struct rulebook_lists *lists,
	const struct hash_key *key, struct settings_faults *faults)
{
	const struct settings_rules *from = &s->rules;
	struct score_rule_source *sources = mem_zalloc((from->count + 1) * sizeof *sources);
	if (!sources)
		return NULL;
	for (size_t i = 0; i < from->count; i++)
		sources[i] = rule_source(&from->items[i]);
	struct score_zone_text *zones = zone_texts(&s->dns_lists);
	if (!zones) {
		mem_free(&sources);
		return NULL;
	}
	struct score_rules_config c = {
		.rules = sources,
		.n = from->count,
		.lists = lists->items,
		.lists_n = lists->n,
		.zones = zones,
		.zones_n = s->dns_lists.count,
		.key = *key,
		.half_life_ms = s->score.half_life_ms,
		.spike_ms = s->score.spike_window_ms,
		.enforce = s->enforce,
	};
	struct buf texts = { 0 };
	struct score_ruleset *rules = score_rules_compile(&c, &texts);
	tell_rule_faults(from, &texts, faults);
	note_unknowns(from, rules, faults);
	buf_release(&texts);
	mem_free(&zones);
	mem_free(&sources);
	return rules;
}
