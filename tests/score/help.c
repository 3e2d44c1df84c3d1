#include "tests/score/help.h"

#include <stdio.h>
#include <string.h>

static const struct hash_key key = { 1, 2 };

void world_open_with(struct world *w, const struct score_rule_source *rules, bool enforce,
	const struct score_named_list *lists, size_t lists_n)
{
	struct score_rule_source all[SCORE_RULES_MAX];
	size_t n = 0;
	for (; rules[n].name; n++) {
		all[n] = rules[n];
		all[n].stage = rules[n].stage ? rules[n].stage - 1 : SCORE_ANY_STAGE;
	}
	struct score_rules_config config = { .rules = all,
		.n = n,
		.lists = lists,
		.lists_n = lists_n,
		.key = key,
		.half_life_ms = 3600000,
		.enforce = enforce };
	*w = (struct world){ .now_ms = T0 + NOW };
	w->store = score_store_new(1 << 20, &key);
	assert_non_null(w->store);
	w->set = score_rules_compile(&config, &w->faults);
	if (!w->set)
		fail_msg("%.*s", SLICE_ARG(buf_slice(&w->faults)));
	world_session(w, "192.0.2.7");
}

void world_open(struct world *w, const struct score_rule_source *rules)
{
	world_open_with(w, rules, true, NULL, 0);
}

void world_close(struct world *w)
{
	score_case_free(&w->c);
	score_rules_free(&w->set);
	score_store_free(&w->store);
	buf_release(&w->faults);
}

void world_session(struct world *w, const char *client)
{
	struct ip ip;
	score_case_free(&w->c);
	w->c = (struct score_case){ 0 };
	w->facts = (struct score_facts){ 0 };
	assert_true(ip_parse(slice_str(client), &ip));
	score_facts_client(&w->facts, &ip, SLICE("mx"));
	score_facts_tls(&w->facts, false);
}

void event(struct world *w, enum score_event e)
{
	assert_true(score_event(w->set, &w->facts, &w->c, w->store, e, 1, w->now_ms));
}

void at_stage(struct world *w, enum score_stage stage)
{
	assert_true(score_rules_eval(w->set, stage, &w->facts, &w->c, w->store, w->now_ms, &w->v));
}

void at_connect(struct world *w)
{
	event(w, SCORE_EV_CONNECTIONS);
	at_stage(w, SCORE_CONNECT);
}

void at_helo(struct world *w, const char *helo)
{
	score_facts_helo(&w->facts, slice_str(helo));
	at_stage(w, SCORE_HELO);
}

void at_mail(struct world *w, const char *sender)
{
	score_facts_sender(&w->facts, slice_str(sender));
	event(w, SCORE_EV_MESSAGES);
	at_stage(w, SCORE_MAIL);
}

void at_rcpt(struct world *w, const char *recipient)
{
	score_facts_recipient(&w->facts, slice_str(recipient));
	event(w, SCORE_EV_RECIPIENTS);
	at_stage(w, SCORE_RCPT);
}

void rcpt_done(struct world *w, bool accepted)
{
	score_case_recipient_done(w->set, &w->c, accepted);
	score_facts_drop(&w->facts, SCORE_OF_RECIPIENT);
}

void mail_done(struct world *w)
{
	score_case_mail_done(w->set, &w->c);
	score_facts_drop(&w->facts, SCORE_OF_MAIL);
}

const char *by(const struct world *w)
{
	return w->v.now.rule < 0 ? "" : score_rule_name(w->set, (unsigned)w->v.now.rule);
}

const char *fired(const struct world *w)
{
	static char names[400];
	struct score_fired f;
	unsigned at = 0;
	size_t n = 0;
	names[0] = '\0';
	while (score_case_next(w->set, &w->c, &at, &f))
		n += (size_t)snprintf(
			names + n, sizeof names - n, "%s%s", n ? " " : "", score_rule_name(w->set, f.rule));
	return names;
}

double client_record(struct world *w)
{
	struct score_key k = score_key_ip(w->store, SCORE_KEY_CLIENT, &w->facts.client, 128);
	return score_record_get(w->store, &k, 3600000, w->now_ms).points;
}
