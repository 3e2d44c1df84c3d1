/* An expression from a settings file: it is refused with a place inside it, or printed and read again unchanged,
 * compiled and tested at every stage within bounds. */
#include <stdio.h>
#include <stdlib.h>

#include "score/ast.h"

static struct score_store *store;
static struct score_list *list;

static void require(bool held)
{
	if (!held)
		abort();
}

static void prepare(void)
{
	static const struct hash_key key = { 1, 2 };
	struct buf faults = { 0 };
	if (store)
		return;
	store = score_store_new(1 << 20, &key);
	list = score_list_new(&key);
	require(store && list);
	require(score_list_feed(list, SLICE("10.0.0.0/8\n.example.com\n"), &faults) &&
		score_list_finish(list, &faults));
}

static void round_trip(struct slice source)
{
	struct arena a = { 0 };
	struct buf once = { 0 }, twice = { 0 };
	struct score_fault f = { 0 };
	struct score_node *n = score_parse(source, &a, &f);
	if (!n) {
		require(f.text[0] && f.at <= source.n);
	} else {
		require(score_print(n, &once));
		struct score_node *again = score_parse(buf_slice(&once), &a, &f);
		/* only its added blanks and parentheses can make it too long */
		require(again || buf_len(&once) > SCORE_EXPR_LENGTH || strstr(f.text, "nested"));
		if (again)
			require(score_print(again, &twice) && slice_eq(buf_slice(&once), buf_slice(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
	arena_release(&a);
}

static void learn(struct score_facts *f, unsigned stage)
{
	static const struct score_header subject = { SLICE_INIT("Subject"), SLICE_INIT("aaaaaaaaaaaaaaaa") };
	if (stage == SCORE_GREET)
		score_facts_early_talker(f, true);
	if (stage == SCORE_HELO)
		score_facts_helo(f, SLICE("mail.example.com"));
	if (stage == SCORE_MAIL)
		score_facts_sender(f, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaa@Mail.example.com"));
	if (stage == SCORE_RCPT)
		score_facts_recipient(f, SLICE("user@example.org"));
	if (stage == SCORE_DATA)
		score_facts_headers(f, &subject, 1);
	if (stage == SCORE_MESSAGE)
		score_facts_size(f, 70000);
}

/* What was decided holds together. */
static void consistent(const struct score_verdict *v)
{
	bool refusal = v->now.action >= SCORE_DEFER && v->now.action <= SCORE_BLOCK;
	require(refusal == (v->reply != NULL));
	require((v->now.action == SCORE_BLOCK) == (v->hold_ms > 0));
	require((v->now.action == SCORE_WAIT) == (v->wait_ms > 0));
	require(v->logs_n <= 1 && v->mails_n <= 1 && (v->rate == 0 || v->rate == 9));
}

static void judge(const char *when, enum score_action action)
{
	static const struct score_named_list named[] = { { "a", NULL } };
	struct score_named_list lists[1] = { named[0] };
	struct score_rule_source rule = {
		.name = "r", .when = when, .charge = 1, .points = 1, .action = action, .stage = SCORE_ANY_STAGE,
		.delay_ms = 5, .hold_ms = 7, .rate = 9, .header = "X-A: b"
	};
	lists[0].list = list;
	struct score_rules_config c = {
		.rules = &rule, .n = 1, .lists = lists, .lists_n = 1, .half_life_ms = 1000, .enforce = true
	};
	struct buf faults = { 0 };
	struct score_ruleset *set = score_rules_compile(&c, &faults);
	require(set ? buf_len(&faults) == 0 : buf_len(&faults) > 0);
	buf_release(&faults);
	if (!set)
		return;
	struct score_facts f = { 0 };
	struct score_case k = { 0 };
	struct score_verdict v;
	struct ip ip;
	require(ip_parse(SLICE("10.1.2.3"), &ip));
	score_facts_client(&f, &ip, SLICE("mx"));
	score_facts_tls(&f, true);
	score_facts_pressure(&f, 10, 0.5, 0.5);
	score_facts_known_good(&f, action == SCORE_REJECT);
	for (unsigned stage = 0; stage < SCORE_STAGES; stage++) {
		learn(&f, stage);
		for (unsigned e = 0; e < SCORE_EVENTS; e++)
			require(score_event(set, &f, &k, store, (enum score_event)e, 1, 1767225600000u + stage));
		require(score_rules_eval(set, (enum score_stage)stage, &f, &k, store, 1767225600000u + stage, &v));
		consistent(&v);
	}
	score_case_recipient_done(set, &k, true);
	score_case_mail_done(set, &k);
	score_case_free(&k);
	score_rules_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	prepare();
	round_trip(slice_of((const char *)data, n));
	char *when = malloc(n + 1);
	require(when != NULL);
	memcpy(when, data, n);
	when[n] = '\0';
	static const enum score_action actions[] = { SCORE_DEFER, SCORE_BLOCK, SCORE_REJECT, SCORE_WAIT, SCORE_OK,
		SCORE_MAIL_ALERT, SCORE_THROTTLE, SCORE_DELETE, SCORE_TAG, SCORE_LOG };
	judge(when, actions[n % (sizeof actions / sizeof *actions)]);
	free(when);
	return 0;
}
