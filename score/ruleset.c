/* From rules as written to an immutable rule set; each fault is told with its place. */
#include <stdio.h>

#include "base/mem.h"
#include "score/block.h"
#include "score/ruleset.h"

enum { SPIKE_MS = 5 * 60 * 1000 }; /* default of score.spike_window */

struct compiler {
	struct score_ruleset *set;
	const struct score_rules_config *config;
	const struct score_rule_source *source;
	struct arena scratch; /* syntax trees */
	struct buf *faults;
	unsigned faults_n;
};

static const struct {
	const char *name;
	bool built;
} actions[SCORE_ACTIONS] = {
	[SCORE_NONE] = { "none", true },
	[SCORE_LOG] = { "log", true },
	[SCORE_OK] = { "ok", true },
	[SCORE_WAIT] = { "wait", true },
	[SCORE_GREYLIST] = { "greylist", true },
	[SCORE_DEFER] = { "defer", true },
	[SCORE_REJECT] = { "reject", true },
	[SCORE_BLOCK] = { "block", true },
	[SCORE_MAIL_ALERT] = { "mail", true },
	[SCORE_THROTTLE] = { "throttle", true },
	[SCORE_DELETE] = { "delete", true },
	[SCORE_TAG] = { "tag", true },
	[SCORE_QUARANTINE] = { "quarantine", false },
	[SCORE_SCAN] = { "scan", false },
	[SCORE_EXEC] = { "exec", false },
	[SCORE_ROUTE] = { "route", false },
};

const char *score_action_name(enum score_action action)
{
	return actions[action].name;
}

/* Always false. The message itself may be lost when memory is out; that there was one is not. */
static bool fault(struct compiler *c, const char *text)
{
	const struct score_rule_source *s = c->source;
	c->faults_n++;
	bool told = buf_printf(
		c->faults, "%s:%u: rule \"%s\": %s\n", s->file ? s->file : "?", s->line, s->name ? s->name : "?", text);
	return told && false;
}

enum { SHOWN_BEFORE = 60, SHOWN = 100 };

static bool fault_in_when(struct compiler *c, const struct score_fault *f)
{
	struct slice when = slice_str(c->source->when);
	size_t from = f->at > SHOWN_BEFORE ? f->at - SHOWN_BEFORE : 0;
	struct slice shown = slice_skip(when, from < when.n ? from : when.n);
	char line[SHOWN];
	size_t n = shown.n < sizeof line ? shown.n : sizeof line;
	for (size_t i = 0; i < n; i++)
		line[i] = shown.p[i] < 0x20 || shown.p[i] > 0x7e ? ' ' : shown.p[i];
	(void)fault(c, f->text);
	bool told = buf_printf(c->faults, "    %.*s\n    %*s^\n", (int)n, line, (int)(f->at - from), "");
	return told && false;
}

static bool compile_when(struct compiler *c, struct score_rule *r)
{
	struct score_fault f = { 0 };
	r->program = score_program_get(c->set, c->config, slice_str(c->source->when), &c->scratch, &f);
	if (!r->program)
		return fault_in_when(c, &f);
	r->reads = r->program->reads;
	return true;
}

/* What a client known good hears instead: the same words, try again later. */
static struct score_reply softened(struct score_reply r)
{
	r.code = 450;
	r.klass = 4;
	return r;
}

/* A block's reply may be of either class; 421 when it says nothing. */
static unsigned reply_class(const struct score_rule *r, struct slice text)
{
	if (r->action == SCORE_BLOCK)
		return text.n && text.p[0] == '5' ? 5 : 4;
	return r->action == SCORE_DEFER ? 4 : 5;
}

static bool compile_greylist(struct compiler *c, struct score_rule *r)
{
	struct slice text = slice_str(c->source->reply);
	if (!text.n)
		text = score_reply_greylisted();
	const char *why = score_reply_parse_greylist(&c->set->arena, text, &r->reply);
	return !why || fault(c, why);
}

static bool compile_reply(struct compiler *c, struct score_rule *r)
{
	struct slice text = slice_str(c->source->reply);
	unsigned klass = reply_class(r, text);
	if (r->action != SCORE_DEFER && r->action != SCORE_REJECT && r->action != SCORE_BLOCK)
		return true;
	if (!text.n)
		text = r->action == SCORE_BLOCK ? score_reply_blocked() : score_reply_default(klass);
	const char *why = score_reply_parse(&c->set->arena, text, klass, &r->reply);
	r->soft = softened(r->reply);
	return !why || fault(c, why);
}

static bool compile_tag(struct compiler *c, struct score_rule *r)
{
	const char *why = score_tag_parse(&c->set->arena, slice_str(c->source->header), &r->reply);
	return !why || fault(c, why);
}

static bool compile_action(struct compiler *c, struct score_rule *r)
{
	char text[80];
	const struct score_rule_source *s = c->source;
	r->action = (uint8_t)s->action;
	if (!actions[r->action].built) {
		(void)snprintf(
			text, sizeof text, "the action '%s' is not built in this version", actions[r->action].name);
		return fault(c, text);
	}
	r->hold_ms = s->hold_ms;
	r->rate = s->rate;
	if (s->action == SCORE_WAIT && (s->delay_ms == 0 || s->delay_ms > UINT32_MAX))
		return fault(c, "'wait' needs a delay");
	if (s->action == SCORE_BLOCK && s->hold_ms == 0)
		return fault(c, "'block' needs a hold");
	if (s->action == SCORE_THROTTLE && s->rate == 0)
		return fault(c, "'throttle' needs a rate");
	r->wait_ms = s->action == SCORE_WAIT ? (uint32_t)s->delay_ms : 0;
	if (s->action == SCORE_GREYLIST)
		return compile_greylist(c, r);
	return s->action == SCORE_TAG ? compile_tag(c, r) : compile_reply(c, r);
}

/* The events of which a rule pinned to a stage hears while it is tested; the others it only finds counted. */
static const uint16_t stage_events[SCORE_STAGES] = {
	[SCORE_CONNECT] = 1 << SCORE_EV_CONNECTIONS | 1 << SCORE_EV_OFFENCES,
	[SCORE_GREET] = 1 << SCORE_EV_OFFENCES,
	[SCORE_HELO] = 1 << SCORE_EV_OFFENCES,
	[SCORE_MAIL] = 1 << SCORE_EV_MESSAGES | 1 << SCORE_EV_OFFENCES | 1 << SCORE_EV_REFUSED | 1 << SCORE_EV_DEFERRED,
	[SCORE_RCPT] = 1 << SCORE_EV_RECIPIENTS | 1 << SCORE_EV_BAD_RECIPIENTS | 1 << SCORE_EV_OFFENCES |
		       1 << SCORE_EV_REFUSED | 1 << SCORE_EV_DEFERRED,
	[SCORE_DATA] = 1 << SCORE_EV_OFFENCES | 1 << SCORE_EV_REFUSED | 1 << SCORE_EV_DEFERRED,
	[SCORE_MESSAGE] = 1 << SCORE_EV_ACCEPTED | 1 << SCORE_EV_BYTES | 1 << SCORE_EV_OFFENCES |
			  1 << SCORE_EV_REFUSED | 1 << SCORE_EV_DEFERRED,
};

static const struct score_key_part charge_parts[] = {
	[SCORE_TO_DEFAULT] = { .kind = SCORE_KEY_CLIENT },
	[SCORE_TO_CLIENT] = { .kind = SCORE_KEY_CLIENT },
	[SCORE_TO_NET] = { SCORE_KEY_NET, 24, 48 },
	[SCORE_TO_SENDER] = { .kind = SCORE_KEY_SENDER },
	[SCORE_TO_DOMAIN] = { .kind = SCORE_KEY_SENDER_DOMAIN },
	[SCORE_TO_RECIPIENT] = { .kind = SCORE_KEY_RECIPIENT },
	[SCORE_TO_USER] = { .kind = SCORE_KEY_AUTH_USER },
	[SCORE_TO_IDENTITY] = { .kind = SCORE_KEY_IDENTITY },
};

/* Whose record the rule charges, or forgets. */
static bool compile_charge(struct compiler *c, struct score_rule *r)
{
	int key = r->program->first_key;
	enum score_charge_to to = c->source->to;
	struct score_key_part part = charge_parts[to];
	if (c->source->charge == 0 && r->action != SCORE_DELETE)
		return true;
	if (to != SCORE_TO_DEFAULT || key < 0) {
		score_reads_add(&r->reads, &score_keys[part.kind].reads);
		key = score_keyspec_add(c->set, &part, 1);
	} else if (c->set->keyspecs[key].n > 1) { /* the first KEY alone has a record */
		part = c->set->keyspecs[key].part[0];
		key = score_keyspec_add(c->set, &part, 1);
	}
	if (key < 0)
		return fault(c, "too many different keys in all rules");
	r->charge_key = (uint16_t)key;
	return true;
}

static bool compile_stages(struct compiler *c, struct score_rule *r)
{
	const struct score_reads *reads = &r->reads;
	unsigned all = (1u << SCORE_STAGES) - 1, from = all & (all << reads->born);
	int pinned = c->source->stage;
	char text[120];
	r->scope = (uint8_t)reads->scope;
	if (reads->scope == SCORE_OF_RECIPIENT)
		from &= 1u << SCORE_RCPT; /* elsewhere there is no recipient */
	if (from == 0) {
		(void)snprintf(text, sizeof text,
			"a recipient is known at stage rcpt only, what else it reads at %s: make two rules of it",
			score_stage_names[reads->born]);
		return fault(c, text);
	}
	if (pinned != SCORE_ANY_STAGE && !(from & 1u << pinned)) {
		(void)snprintf(text, sizeof text, "what it reads is not known at stage %s, only at %s%s",
			score_stage_names[pinned], score_stage_names[reads->born],
			from & (from - 1) ? " and later" : "");
		return fault(c, text);
	}
	r->charge_events = r->program->events;
	if (pinned != SCORE_ANY_STAGE) {
		from = 1u << pinned;
		r->charge_events &= stage_events[pinned];
	} else if (!reads->changing) {
		from = 1u << reads->born;
	}
	r->stages = (uint8_t)from;
	return true;
}

static bool compile_rule(struct compiler *c, struct score_rule *r)
{
	const struct score_rule_source *s = c->source;
	r->name_text = arena_copy(&c->set->arena, slice_str(s->name));
	r->name = r->name_text.p;
	if (!r->name || !s->when)
		return fault(c, r->name ? "it has no `when`" : "out of memory");
	r->points = s->points;
	r->charge = s->charge;
	r->until_ms = s->until_ms ? s->until_ms : UINT64_MAX;
	r->percent = s->percent == 0 || s->percent > 100 ? 100 : (uint8_t)s->percent;
	r->even_known_good = s->even_known_good;
	bool fine = compile_when(c, r);
	fine &= compile_action(c, r);
	if (!fine || !compile_charge(c, r) || !compile_stages(c, r))
		return false;
	r->observed = s->state == SCORE_OBSERVE;
	if (r->observed)
		r->points = r->charge = 0;
	if (r->charge == 0)
		r->charge_events = 0;
	if (s->state == SCORE_OFF)
		r->stages = 0;
	else
		c->set->charge_events |= r->charge_events;
	c->set->actions |= 1u << r->action;
	return true;
}

/* For each stage its rules, in list order. */
static bool index_stages(struct score_ruleset *set)
{
	for (unsigned stage = 0; stage < SCORE_STAGES; stage++) {
		struct score_stage_rules *s = &set->stages[stage];
		s->rules = arena_alloc(&set->arena, set->n * sizeof *s->rules + 1);
		TRY(s->rules);
		for (unsigned i = 0; i < set->n; i++) {
			if (!(set->rules[i].stages & 1u << stage))
				continue;
			s->rules[s->n++] = (uint16_t)i;
			s->facts |= set->rules[i].reads.facts;
			s->lookups |= set->rules[i].program->lookups;
		}
	}
	return true;
}

/* SCORE_KEYSPEC_CLIENT and SCORE_PROBE_CLIENT, before all others. */
static bool add_client(struct score_ruleset *set)
{
	struct score_call call = { .function = SCORE_FN_RECORD, .keys = { { .kind = SCORE_KEY_CLIENT } }, .keys_n = 1 };
	const struct score_node node = { .kind = SCORE_N_CALL, .call = &call };
	struct score_fault f;
	return score_probe_add(set, &node, &f) == SCORE_PROBE_CLIENT;
}

static bool compile_all(struct compiler *c)
{
	struct score_ruleset *set = c->set;
	set->n = (unsigned)c->config->n;
	set->words = (set->n + 63) / 64;
	set->rules = arena_alloc(&set->arena, set->n * sizeof *set->rules + 1);
	set->heads = arena_alloc(&set->arena, set->n * sizeof *set->heads + 1);
	TRY(set->rules && set->heads && add_client(set));
	for (unsigned i = 0; i < set->n; i++) {
		c->source = &c->config->rules[i];
		if (compile_rule(c, &set->rules[i])) /* if not, on to the next: all faults are told at once */
			set->heads[i] = score_program_head(set->rules[i].program);
		arena_release(&c->scratch);
	}
	score_lookup_note_texts(set);
	return c->faults_n == 0 && index_stages(set);
}

struct score_ruleset *score_rules_compile(const struct score_rules_config *config, struct buf *faults)
{
	struct score_ruleset *set = NULL;
	if (config->n <= SCORE_RULES_MAX)
		set = mem_zalloc(sizeof *set);
	if (!set) {
		const char *why = config->n > SCORE_RULES_MAX ? "rules: more than 1000\n" : "rules: out of memory\n";
		if (!buf_put(faults, slice_str(why)))
			buf_clear(faults); /* no memory even for the message: NULL says it */
		return NULL;
	}
	struct compiler c = { .set = set, .config = config, .faults = faults };
	set->key = config->key;
	set->half_life_ms = config->half_life_ms;
	set->spike_ms = config->spike_ms ? config->spike_ms : SPIKE_MS;
	set->enforce = config->enforce;
	set->zones = config->zones;
	set->zones_n = config->zones_n;
	if (!compile_all(&c) || !score_rules_digest(config, set, &set->hash))
		score_rules_free(&set);
	return set;
}

void score_rules_free(struct score_ruleset **set)
{
	if (!*set)
		return;
	for (struct score_regex_link *l = (*set)->regexes; l; l = l->next)
		score_regex_free(&l->regex);
	arena_release(&(*set)->arena);
	mem_free(set);
}

size_t score_rules_count(const struct score_ruleset *set)
{
	return set->n;
}

const char *score_rule_name(const struct score_ruleset *set, unsigned rule)
{
	return set->rules[rule].name;
}

bool score_rules_even_known_good(const struct score_ruleset *set, const char *name)
{
	for (size_t i = 0; i < score_rules_count(set); i++)
		if (strncmp(set->rules[i].name, name, SCORE_HOLD_BY) == 0)
			return set->rules[i].even_known_good;
	return false;
}

unsigned score_rule_stages(const struct score_ruleset *set, unsigned rule)
{
	return set->rules[rule].stages;
}

const char *score_rule_unknown(const struct score_ruleset *set, unsigned rule)
{
	const struct score_rule *r = &set->rules[rule];
	if (r->program->later || !(r->reads.facts & SCORE_HAS_LATER))
		return r->program->later;
	return score_keys[set->keyspecs[r->charge_key].part[0].kind].name;
}

enum score_scope score_rule_scope(const struct score_ruleset *set, unsigned rule)
{
	return (enum score_scope)set->rules[rule].scope;
}
