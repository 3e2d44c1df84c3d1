/* Greylisting against a simple model, under a flood, and by several threads at once. */
#include <pthread.h>
#include <stdio.h>

#include "tests/base/cmocka_setup.h"

#include "score/grey.h"

#define SECOND ((uint64_t)1000)
#define DAY (86400 * SECOND)
#define T0 (1767225600 * SECOND)

static const struct score_grey_limits limits = { 60 * SECOND, 2 * DAY, 36 * DAY };
static const struct hash_key key = { 3, 4 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* --- the model: a few names, all of it in plain arrays --- */

enum { SPFS = 3, NAMES = 3, NETS = 4, MAILS = 4, IDS = SPFS + NAMES + NETS };

struct model {
	struct {
		bool there, passed;
		uint64_t first_ms, last_ms;
	} tries[IDS][MAILS];
	struct {
		bool there, allowed;
		uint64_t passed_ms, last_ms;
	} ids[IDS];
};

/* What a step is: its rungs as numbers of identities, -1: not proven. */
struct step {
	int rung[SCORE_GREY_RUNGS];
	unsigned mail;
	uint64_t now_ms;
};

static void age(struct model *m, uint64_t now_ms)
{
	for (unsigned i = 0; i < IDS; i++) {
		if (m->ids[i].there && (m->ids[i].allowed ? m->ids[i].last_ms + limits.keep_ms
							  : m->ids[i].passed_ms + GREY_ALLOW_MS) < now_ms)
			m->ids[i].there = false;
		for (unsigned k = 0; k < MAILS; k++)
			if (m->tries[i][k].there &&
				(m->tries[i][k].passed ? m->tries[i][k].last_ms + limits.keep_ms
						       : m->tries[i][k].first_ms + limits.window_ms) < now_ms)
				m->tries[i][k].there = false;
	}
}

static void put(struct model *m, int id, unsigned mail, uint64_t first_ms, bool passed, uint64_t now_ms)
{
	if (!m->tries[id][mail].there) {
		m->tries[id][mail].there = true;
		m->tries[id][mail].passed = false;
		m->tries[id][mail].first_ms = first_ms;
	}
	if (first_ms < m->tries[id][mail].first_ms)
		m->tries[id][mail].first_ms = first_ms;
	m->tries[id][mail].passed |= passed;
	m->tries[id][mail].last_ms = now_ms;
}

static int best(const struct step *t)
{
	return t->rung[0] >= 0 ? t->rung[0] : t->rung[1] >= 0 ? t->rung[1] : t->rung[2];
}

static void model_passed(struct model *m, int id, uint64_t now_ms)
{
	bool again = m->ids[id].there && m->ids[id].passed_ms + limits.delay_ms <= now_ms;
	if (again || !m->ids[id].there) {
		m->ids[id].passed_ms = now_ms;
		m->ids[id].allowed = again;
	}
	m->ids[id].there = true;
	m->ids[id].last_ms = now_ms;
}

/* Only the oldest start of what is there; `known_r`: the best rung that passed, or -1. */
static bool oldest(const struct model *m, const struct step *t, uint64_t *first_r, int *known_r)
{
	bool there = false;
	*known_r = -1;
	for (unsigned r = 0; r < SCORE_GREY_RUNGS; r++) {
		if (t->rung[r] < 0 || !m->tries[t->rung[r]][t->mail].there)
			continue;
		if (!there || m->tries[t->rung[r]][t->mail].first_ms < *first_r)
			*first_r = m->tries[t->rung[r]][t->mail].first_ms;
		if (m->tries[t->rung[r]][t->mail].passed && *known_r < 0)
			*known_r = t->rung[r];
		there = true;
	}
	return there;
}

static enum score_grey_verdict model_try(struct model *m, const struct step *t)
{
	uint64_t first = t->now_ms;
	int known;
	age(m, t->now_ms);
	for (unsigned r = 0; r < SCORE_GREY_RUNGS; r++)
		if (t->rung[r] >= 0 && m->ids[t->rung[r]].there && m->ids[t->rung[r]].allowed) {
			m->ids[t->rung[r]].last_ms = t->now_ms;
			return SCORE_GREY_KNOWN;
		}
	bool there = oldest(m, t, &first, &known);
	if (known >= 0) {
		put(m, known, t->mail, first, true, t->now_ms);
		put(m, best(t), t->mail, first, true, t->now_ms);
		return SCORE_GREY_KNOWN;
	}
	if (there && t->now_ms >= first + limits.delay_ms) {
		put(m, best(t), t->mail, first, true, t->now_ms);
		model_passed(m, best(t), t->now_ms);
		return SCORE_GREY_PASSED;
	}
	for (unsigned r = 0; r < SCORE_GREY_RUNGS; r++)
		if (t->rung[r] >= 0)
			put(m, t->rung[r], t->mail, first, false, t->now_ms);
	return there ? SCORE_GREY_EARLY : SCORE_GREY_FIRST;
}

static void model_learned(struct model *m, const struct step *t)
{
	uint64_t first;
	int known;
	age(m, t->now_ms);
	if (!oldest(m, t, &first, &known))
		return;
	if (known >= 0)
		put(m, best(t), t->mail, first, true, t->now_ms);
	for (unsigned r = 0; known < 0 && r < SCORE_GREY_RUNGS; r++)
		if (t->rung[r] >= 0)
			put(m, t->rung[r], t->mail, first, false, t->now_ms);
}

/* --- both take the same steps --- */

static struct score_grey_who who_of(struct score_store *s, const struct step *t)
{
	char spf[32] = "", name[32] = "", text[32];
	struct ip ip;
	if (t->rung[0] >= 0)
		(void)snprintf(spf, sizeof spf, "s%d.example", t->rung[0]);
	if (t->rung[1] >= 0)
		(void)snprintf(name, sizeof name, "n%d.example", t->rung[1]);
	(void)snprintf(text, sizeof text, "198.18.%d.%u", t->rung[2], (unsigned)(t->now_ms / 1000 % 250));
	assert_true(ip_parse(slice_str(text), &ip));
	return score_grey_who(s, &ip, slice_str(spf), slice_str(name));
}

static struct step random_step(uint32_t *seed, uint64_t now_ms)
{
	struct step t = { .now_ms = now_ms, .mail = next_random(seed) % MAILS };
	t.rung[SCORE_GREY_SPF] = next_random(seed) % 2 ? (int)(next_random(seed) % SPFS) : -1;
	t.rung[SCORE_GREY_NAME] = next_random(seed) % 2 ? (int)(SPFS + next_random(seed) % NAMES) : -1;
	t.rung[SCORE_GREY_NET] = (int)(SPFS + NAMES + next_random(seed) % NETS);
	return t;
}

/* Mostly seconds and minutes, now and then hours, days or weeks. */
static uint64_t random_pause(uint32_t *seed)
{
	static const uint32_t most_s[] = { 20, 20, 90, 90, 3600, 86400, 5 * 86400, 40 * 86400 };
	return next_random(seed) % most_s[next_random(seed) % 8] * SECOND;
}

static void test_random_tries_go_as_in_the_model(void **state)
{
	(void)state;
	unsigned seen[4] = { 0 };
	for (uint32_t run = 1; run <= 200; run++) {
		struct score_store *s = score_store_new(1 << 20, &key);
		struct model m = { 0 };
		uint32_t seed = run;
		uint64_t now_ms = T0;
		assert_non_null(s);
		for (unsigned i = 0; i < 300; i++, now_ms += random_pause(&seed)) {
			struct step t = random_step(&seed, now_ms);
			struct score_grey_who who = who_of(s, &t);
			char to[32];
			(void)snprintf(to, sizeof to, "m%c@example.net", (char)('a' + t.mail));
			if (next_random(&seed) % 8 == 0) {
				score_grey_learned(s, &limits, &who, SLICE("a@b"), slice_str(to), now_ms);
				model_learned(&m, &t);
				continue;
			}
			enum score_grey_verdict wanted = model_try(&m, &t);
			struct score_grey_answer is =
				score_grey_try(s, &limits, &who, SLICE("a@b"), slice_str(to), now_ms);
			if (is.verdict != wanted)
				fail_msg("run %u, step %u: %s, not %s", run, i, score_grey_verdict_name(is.verdict),
					score_grey_verdict_name(wanted));
			seen[wanted]++;
		}
		score_store_free(&s);
	}
	for (unsigned v = 0; v < 4; v++)
		assert_true(seen[v] > 1000);
}

/* --- a flood --- */

static struct ip numbered_ip(uint32_t n)
{
	struct ip ip = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n } };
	return ip;
}

static enum score_grey_verdict try_numbered(struct score_store *s, uint32_t client, unsigned to, uint64_t now_ms)
{
	char recipient[32];
	struct ip ip = numbered_ip(client);
	struct score_grey_who who = score_grey_who(s, &ip, slice_of(NULL, 0), slice_of(NULL, 0));
	size_t n = (size_t)snprintf(recipient, sizeof recipient, "%u@example.net", to);
	return score_grey_try(s, &limits, &who, SLICE("a@b"), slice_of(recipient, n), now_ms).verdict;
}

static struct score_store_stats stats_of(struct score_store *s, enum score_table_name table)
{
	struct score_store_stats st;
	score_table_stats(s, table, &st);
	return st;
}

static void test_a_flood_of_tries_pushes_out_nothing_that_passed(void **state)
{
	(void)state;
	struct score_store *s = score_store_new(8 << 20, &key);
	assert_non_null(s);
	uint32_t passed = (uint32_t)(stats_of(s, STORE_GREYLIST).slots / 3), lost = 0;
	for (uint32_t i = 0; i < passed; i++) {
		assert_int_equal(try_numbered(s, 0x0a000000 + i * 256, i, T0), SCORE_GREY_FIRST);
		assert_int_equal(try_numbered(s, 0x0a000000 + i * 256, i, T0 + 60 * SECOND), SCORE_GREY_PASSED);
	}
	uint64_t before = stats_of(s, STORE_IDENTITIES).evicted;
	uint32_t flood = (uint32_t)stats_of(s, STORE_GREYLIST).slots * 10;
	for (uint32_t i = 0; i < flood; i++)
		(void)try_numbered(s, 0x64000000 + i * 256, i, T0 + 120 * SECOND + i);
	assert_true(stats_of(s, STORE_GREYLIST).evicted > flood / 2);
	for (uint32_t i = 0; i < passed; i++)
		lost += try_numbered(s, 0x0a000000 + i * 256, i, T0 + DAY) != SCORE_GREY_KNOWN;
	assert_int_equal(lost, 0);
	assert_int_equal(stats_of(s, STORE_IDENTITIES).evicted, before);
	score_store_free(&s);
}

static void test_one_net_pushes_out_no_more_than_its_budget(void **state)
{
	(void)state;
	struct score_store *s = score_store_new(1 << 20, &key);
	assert_non_null(s);
	uint32_t slots = (uint32_t)stats_of(s, STORE_GREYLIST).slots;
	for (uint32_t i = 0; i < 2 * slots; i++)
		(void)try_numbered(s, 0x0a000000 + i * 256, i, T0);
	uint64_t before = stats_of(s, STORE_GREYLIST).evicted;
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(try_numbered(s, 0x64000007, i, T0 + 60 * SECOND), SCORE_GREY_FIRST);
	assert_int_equal(stats_of(s, STORE_GREYLIST).evicted, before + STORE_EVICTIONS_PER_MINUTE);
	score_store_free(&s);
}

static void test_a_flood_of_passes_pushes_out_no_allowed_identity(void **state)
{
	(void)state;
	struct score_store *s = score_store_new(1 << 20, &key);
	assert_non_null(s);
	for (uint32_t to = 0; to < 2; to++) {
		(void)try_numbered(s, 0xc6120007, to, T0 + to * 600 * SECOND);
		(void)try_numbered(s, 0xc6120007, to, T0 + to * 600 * SECOND + 60 * SECOND);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		(void)try_numbered(s, 0x0a000000 + i * 256, i, T0 + 700 * SECOND + i * 100);
		(void)try_numbered(s, 0x0a000000 + i * 256, i, T0 + 800 * SECOND + i * 100);
	}
	assert_true(stats_of(s, STORE_IDENTITIES).evicted > 1000);
	assert_int_equal(try_numbered(s, 0xc6120099, 99, T0 + DAY), SCORE_GREY_KNOWN);
	score_store_free(&s);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 4000 };

static void *use(void *arg)
{
	struct score_store *s = arg;
	uint32_t seed = (uint32_t)(uintptr_t)&seed;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct step t = random_step(&seed, T0 + i * SECOND);
		struct score_grey_who who = who_of(s, &t);
		struct score_grey_about about = { .who = who.key[SCORE_GREY_NET].hash };
		struct score_grey_entry entries[5];
		struct score_grey_answer is = score_grey_try(s, &limits, &who, SLICE("a@b"), SLICE("c@d"), t.now_ms);
		if (is.left_ms > limits.delay_ms)
			return s;
		score_grey_learned(s, &limits, &who, SLICE("a@b"), SLICE("c@d"), t.now_ms);
		if (i % 500 == 0)
			(void)score_grey_list(s, &limits, NULL, t.now_ms, entries, 5);
		if (i % 1000 == 999)
			(void)score_grey_forget(s, &about);
	}
	return NULL;
}

static void test_threads_share_it(void **state)
{
	(void)state;
	struct score_store *s = score_store_new(1 << 20, &key);
	pthread_t threads[THREADS];
	assert_non_null(s);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, s), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(stats_of(s, STORE_IDENTITIES).used > 0);
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_tries_go_as_in_the_model),
		cmocka_unit_test(test_a_flood_of_tries_pushes_out_nothing_that_passed),
		cmocka_unit_test(test_one_net_pushes_out_no_more_than_its_budget),
		cmocka_unit_test(test_a_flood_of_passes_pushes_out_no_allowed_identity),
		cmocka_unit_test(test_threads_share_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
