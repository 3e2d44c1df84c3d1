/* bench/store.c - what one entry and one judged session cost, printed as medians of five
 *
 * bench_store [MB] [ENTRIES [SPOOFED]]: score.memory, how many different keys are counted, and how many invented
 * ones flood the store in the end (50 million if not said).
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/median.h"
#include "bench/updates.h"
#include "score/known.h"
#include "score/rules.h"

enum { SESSIONS = 200000 };

#define T0 ((uint64_t)1767225600000u)

/* --- keys that an attacker chose --- */

enum { CHOSEN = 1000000, GUESSED_SHARDS = 32 };

static struct score_key client_key(const struct score_store *store, uint64_t n)
{
	struct ip ip = { { 0x20, 2, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) } };
	return score_key_ip(store, SCORE_KEY_CLIENT, &ip, 64);
}

/* Numbers whose keys would all fall into one of GUESSED_SHARDS parts of a store with the secret that he guesses. */
static void choose(uint64_t *numbers)
{
	struct hash_key guess = { 1, 2 };
	struct score_store *mine = score_store_new(1 << 20, &guess);
	for (uint64_t n = 0, found = 0; mine && found < CHOSEN; n++)
		if (client_key(mine, n).hash % GUESSED_SHARDS == 0)
			numbers[found++] = n;
	score_store_free(&mine);
}

static double cost_of(struct score_store *store, const uint64_t *numbers, uint64_t part)
{
	double start = seconds();
	for (unsigned i = 0; i < CHOSEN; i++) {
		struct score_key key = client_key(store, numbers[i]);
		(void)score_count_add(store, &key, &(struct score_window){ part, 15000 }, 1, i, T0);
	}
	return (seconds() - start) / CHOSEN * 1e9;
}

static void bench_chosen(uint64_t memory, const struct hash_key *key)
{
	double chosen[REPEATS], random[REPEATS];
	uint64_t *bad = calloc(CHOSEN, sizeof *bad), *any = calloc(CHOSEN, sizeof *any), x = 88172645463325252u;
	for (unsigned i = 0; any && i < CHOSEN; i++)
		x ^= x << 13, x ^= x >> 7, x ^= x << 17, any[i] = x % UINT32_MAX;
	if (!bad || !any)
		abort();
	choose(bad);
	for (unsigned r = 0; r < REPEATS; r++) {
		struct score_store *store = score_store_new(memory << 20, key);
		if (!store)
			abort();
		(void)cost_of(store, any, 1); /* touches its memory */
		random[r] = cost_of(store, any, 2 + r);
		chosen[r] = cost_of(store, bad, 100 + r);
		score_store_free(&store);
	}
	double c = median(chosen), n = median(random);
	printf("a million chosen keys: %.0f ns each, random ones %.0f ns: %.2f times\n", c, n, c / n);
	free(bad);
	free(any);
}

/* --- a flood of invented keys --- */

static long resident_kb(void)
{
	long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f && fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	if (f)
		(void)fclose(f);
	return resident * 4;
}

static void flood(struct score_store *store, uint64_t from, uint64_t to)
{
	static const struct score_known_limits limits = { 20, 14 * 86400000u, 0.02 };
	for (uint64_t i = from; i < to; i++) {
		struct score_key key = client_key(store, i);
		(void)score_record_charge(store, &key, 20, 3600000, i, T0 + 86400000u + i / 100);
		(void)score_known_accepted(store, &key, &limits, i, T0 + 86400000u + i / 100);
	}
}

/* Clients that are known good, a quarter of what their table holds; then each spoofed key is charged and has a mail
 * accepted, each from an origin of its own, so no budget stops them. */
static void bench_flood(uint64_t memory, const struct hash_key *secret, uint64_t spoofed)
{
	static const struct score_known_limits limits = { 1, 0, 1 };
	struct score_store *store = score_store_new(memory << 20, secret);
	struct score_store_stats st;
	if (!store)
		abort();
	score_table_stats(store, STORE_KNOWN, &st);
	uint64_t known = st.slots / 4, kept = 0, warm = spoofed / 5;
	for (uint64_t i = 0; i < known; i++) {
		struct score_key key = score_key_text(store, SCORE_KEY_CLIENT, slice_of((const char *)&i, sizeof i));
		(void)score_known_accepted(store, &key, &limits, i, T0);
	}
	flood(store, 0, warm);
	long before = resident_kb();
	flood(store, warm, spoofed);
	long after = resident_kb();
	for (uint64_t i = 0; i < known; i++) {
		struct score_known found;
		struct score_key key = score_key_text(store, SCORE_KEY_CLIENT, slice_of((const char *)&i, sizeof i));
		score_known_get(store, &key, &limits, &found);
		kept += found.good;
	}
	printf("%lu million spoofed keys: %.3f %% of %lu known-good clients in place\n",
		(unsigned long)(spoofed / 1000000), 100.0 * (double)kept / (double)known, (unsigned long)known);
	printf("resident after a fifth of them %ld MB, after all %ld MB\n", before / 1024, after / 1024);
	score_store_free(&store);
}

/* --- sessions --- */

static void one_session(const struct score_ruleset *set, struct score_store *store, unsigned n)
{
	struct score_facts f = { 0 };
	struct score_case c = { 0 };
	struct score_verdict v;
	struct ip ip = { { [10] = 0xff,
		[11] = 0xff,
		[12] = 10,
		[13] = (uint8_t)(n >> 16),
		[14] = (uint8_t)(n >> 8),
		[15] = (uint8_t)n } };
	score_facts_client(&f, &ip, SLICE("mx"));
	bool fine = score_event(set, &f, &c, store, SCORE_EV_CONNECTIONS, 1, T0) &&
		    score_rules_eval(set, SCORE_CONNECT, &f, &c, store, T0, &v) &&
		    score_rules_eval(set, SCORE_GREET, &f, &c, store, T0, &v);
	score_facts_helo(&f, SLICE("mail.example.org"));
	fine = fine && score_rules_eval(set, SCORE_HELO, &f, &c, store, T0, &v);
	score_facts_sender(&f, SLICE("somebody@example.org"));
	fine = fine && score_event(set, &f, &c, store, SCORE_EV_MESSAGES, 1, T0) &&
	       score_rules_eval(set, SCORE_MAIL, &f, &c, store, T0, &v);
	score_facts_recipient(&f, SLICE("user@example.com"));
	fine = fine && score_event(set, &f, &c, store, SCORE_EV_RECIPIENTS, 1, T0) &&
	       score_rules_eval(set, SCORE_RCPT, &f, &c, store, T0, &v);
	score_case_recipient_done(set, &c, true);
	fine = fine && score_rules_eval(set, SCORE_DATA, &f, &c, store, T0, &v) &&
	       score_rules_eval(set, SCORE_MESSAGE, &f, &c, store, T0, &v);
	score_case_mail_done(set, &c);
	score_case_free(&c);
	if (!fine)
		abort();
}

static void bench_sessions(struct score_store *store, unsigned rules_n)
{
	static const char *const when[] = { "client.ip in 192.0.2.0/24", "recipient =~ /^(postmaster|abuse)@/i",
		"count(bad_recipients by client, 10m) > 5", "count(messages by client, 1m) > 600000", "score >= 40",
		"record(sender) >= 60", "helo == 'localhost'", "offences > 5",
		"sender.domain in ('a.example', 'b.example')", "score >= 80" };
	struct score_rule_source rules[SCORE_RULES_MAX];
	double cost[REPEATS];
	struct buf faults = { 0 };
	for (unsigned i = 0; i < rules_n; i++)
		rules[i] = (struct score_rule_source){
			.name = "r", .when = when[i % 10], .points = 1, .charge = 1, .stage = SCORE_ANY_STAGE
		};
	struct score_rules_config c = { .rules = rules, .n = rules_n, .half_life_ms = 3600000, .enforce = true };
	struct score_ruleset *set = score_rules_compile(&c, &faults);
	if (!set)
		abort();
	for (unsigned r = 0; r < REPEATS; r++) {
		double start = seconds();
		for (unsigned i = 0; i < SESSIONS; i++)
			one_session(set, store, i % 5000);
		cost[r] = (seconds() - start) / SESSIONS * 1e6;
	}
	printf("session of one mail, %u rules: %.2f microseconds (7 stages, 3 events)\n", rules_n, median(cost));
	score_rules_free(&set);
	buf_release(&faults);
}

int main(int argc, char **argv)
{
	uint64_t memory = argc > 1 ? strtoull(argv[1], NULL, 10) : 256,
		 keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000,
		 spoofed = argc > 3 ? strtoull(argv[3], NULL, 10) : 50000000;
	struct hash_key key = hash_key_random();
	struct score_store *store = score_store_new(memory << 20, &key);
	if (!store || keys == 0)
		return 1;
	bench_updates(store, keys);
	score_store_free(&store);
	store = score_store_new(memory << 20, &key);
	for (unsigned n = 0; store && n <= 200; n = n ? n * 10 : 2)
		bench_sessions(store, n);
	score_store_free(&store);
	bench_chosen(memory, &key);
	bench_flood(memory, &key, spoofed);
	return 0;
}
