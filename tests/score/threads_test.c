/* What workers share: the store, a rule set, a list. Meant for TSan; the sums must be right without it too. */
#include <pthread.h>
#include <stdio.h>

#include "score/distinct.h"
#include "score/inspect.h"
#include "score/usual.h"
#include "tests/score/help.h"

enum { THREADS = 4, ROUNDS = 5000 };

struct worker {
	const struct score_ruleset *set;
	struct score_store *store;
	unsigned number;
	bool failed;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct score_window window = { 9, 15000 };
	char text[32];
	for (unsigned i = 0; i < ROUNDS && !w->failed; i++) {
		struct score_facts f = { 0 };
		struct score_case c = { 0 };
		struct score_verdict v;
		struct score_store_stats stats;
		struct score_key shared = score_key_text(w->store, SCORE_KEY_SENDER, SLICE("shared"));
		int n = snprintf(text, sizeof text, "10.%u.%u.%u", w->number, i / 250 % 250, i % 250);
		struct ip ip;
		w->failed |= !ip_parse(slice_of(text, (size_t)n), &ip);
		score_facts_client(&f, &ip, SLICE("mx"));
		w->failed |= !score_event(w->set, &f, &c, w->store, SCORE_EV_CONNECTIONS, 1, T0);
		w->failed |= !score_rules_eval(w->set, SCORE_CONNECT, &f, &c, w->store, T0, &v);
		score_facts_sender(&f, SLICE("bot@example.net"));
		w->failed |= !score_rules_eval(w->set, SCORE_MAIL, &f, &c, w->store, T0, &v);
		(void)score_record_charge(w->store, &shared, 1, 3600000, 1, T0);
		(void)score_count_add(w->store, &shared, &window, 1, 1, T0);
		if (i % 1000 == 0)
			score_store_stats(w->store, &stats);
		score_case_free(&c);
	}
	return NULL;
}

static void workers_share_one_store(void **state)
{
	(void)state;
	static const struct score_rule_source rules[] = {
		{ .name = "seen", .when = "count(connections by all, 1h) > 0", .charge = 1 },
		{ .name = "re", .when = "sender =~ /bot/i", .points = 1 }, { 0 }
	};
	struct world w;
	pthread_t threads[THREADS];
	struct worker workers[THREADS];
	struct score_window window = { 9, 15000 };
	world_open(&w, rules);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .set = w.set, .store = w.store, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_false(workers[i].failed);
	}
	struct score_key shared = score_key_text(w.store, SCORE_KEY_SENDER, SLICE("shared"));
	assert_int_equal(score_count_get(w.store, &shared, &window, T0), THREADS * ROUNDS);
	assert_int_equal((int)score_record_get(w.store, &shared, 3600000, T0).points, THREADS * ROUNDS);
	at_connect(&w);
	at_stage(&w, SCORE_GREET);
	assert_string_equal(fired(&w), "seen");
	world_close(&w);
}

static void look_at_all(struct score_store *s, const struct score_key *k)
{
	struct score_entry top[5];
	struct score_held held[5];
	struct score_shown shown;
	struct score_store_stats stats;
	(void)score_store_list(s, SCORE_ANY_KIND, 3600000, T0, top, 5);
	(void)score_hold_list(s, T0, held, 5);
	(void)score_store_show(s, k, 3600000, &(struct score_known_limits){ 1, 0, 0 }, T0, &shown);
	for (unsigned t = 0; t < STORE_TABLES; t++)
		score_table_stats(s, (enum score_table_name)t, &stats);
}

static void *use_side_tables(void *arg)
{
	struct worker *w = arg;
	struct score_store *s = w->store;
	struct score_window window = { 9, 15000 };
	struct score_known_limits limits = { 1, 0, 0.5 };
	struct score_hold h = { .kind = SCORE_HOLD_AUTO, .until_ms = T0 + 60000, .by = "a-rule" };
	struct score_key shared = score_key_text(s, SCORE_KEY_SENDER, SLICE("shared"));
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ip ip = { { 0x20, 1, (uint8_t)w->number, (uint8_t)(i >> 8), (uint8_t)i } };
		struct score_key client = score_key_ip(s, SCORE_KEY_CLIENT, &ip, 64);
		score_distinct_add(s, &shared, &window, &client, i, T0);
		score_usual_add(s, &shared, &window, 1, i, T0);
		(void)score_known_accepted(s, &shared, &limits, i, T0);
		w->failed |= !score_hold_set(s, &shared, &h, i, T0);
		(void)score_hold_client(s, &ip, T0, &h);
		h.kind = SCORE_HOLD_AUTO;
		if (i % 1000 == 0)
			look_at_all(s, &shared);
	}
	return NULL;
}

static void workers_share_the_side_tables(void **state)
{
	(void)state;
	static const struct score_rule_source none[] = { { 0 } };
	struct world w;
	pthread_t threads[THREADS];
	struct worker workers[THREADS];
	struct score_window window = { 9, 15000 };
	struct score_usual usual;
	struct score_shown shown;
	world_open(&w, none);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .store = w.store, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, use_side_tables, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_false(workers[i].failed);
	}
	struct score_key shared = score_key_text(w.store, SCORE_KEY_SENDER, SLICE("shared"));
	double faces = score_distinct_get(w.store, &shared, &window, T0);
	assert_true(faces > THREADS * ROUNDS * 0.85 && faces < THREADS * ROUNDS * 1.15);
	score_usual_get(w.store, &shared, &window, T0, &usual);
	assert_int_equal((int)usual.rate, THREADS * ROUNDS);
	assert_true(score_store_show(w.store, &shared, 1, &(struct score_known_limits){ 1, 0, 0 }, T0, &shown));
	assert_true(shown.known.accepted == THREADS * ROUNDS && shown.hold.kind == SCORE_HOLD_AUTO);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(workers_share_one_store),
		cmocka_unit_test(workers_share_the_side_tables) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
