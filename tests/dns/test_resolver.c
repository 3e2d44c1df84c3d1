/* The resolver among name servers of every kind. */
#include "tests/dns/rig.h"

#include "base/mem.h"

#include <stdio.h>

enum { MANY = 200 };

/* ---- answers ----------------------------------------------------------------------------------- */

static void every_type_is_asked_for(void **state)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_PTR, DNS_MX };
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct dns_answer a = answer_to(types[i], "good.example");
		struct dns_record r;
		size_t at = 0;
		assert_found(a);
		assert_true(dns_answer_next(&a, types[i], &at, &r));
		if (types[i] == DNS_TXT)
			assert_slice(r.text, "text");
		if (types[i] == DNS_PTR || types[i] == DNS_MX)
			assert_slice(r.text, "host.example");
	}
	assert_int_equal(stat_of(DNS_STAT_QUERIES), 5);
	assert_int_equal(stat_of(DNS_STAT_OPEN), 0);
}

static void every_kind_of_answer_has_its_word(void **state)
{
	static const struct {
		const char *name, *word;
	} kinds[] = { { "no.example", "nxdomain" }, { "empty.example", "nodata" }, { "servfail.example", "servfail" },
		{ "refused.example", "refused" }, { "formerr.example", "servfail" }, { "cname.example", "found" },
		{ "loop.example", "loop" }, { "once.example", "found" }, { "badid.example", "found" },
		{ "badname.example", "found" }, { "zero.example", "found" }, { "lost.example", "timeout" },
		{ "good.example", "found" } };
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct dns_answer a = answer_to(DNS_A, kinds[i].name);
		if (strcmp(dns_answer_word(&a), kinds[i].word))
			fail_msg("%s: %s", kinds[i].name, dns_answer_word(&a));
	}
}

static void garbage_is_no_answer(void **state)
{
	(void)state;
	struct dns_answer a = answer_to(DNS_A, "garbage.example");
	assert_int_equal(a.status, DNS_FAILED);
	assert_found(answer_to(DNS_A, "good.example"));
}

static void a_name_of_control_bytes_is_no_host(void **state)
{
	(void)state;
	struct dns_answer a = answer_to(DNS_PTR, "control.example");
	struct dns_record r;
	size_t at = 0;
	assert_found(a);
	assert_true(dns_answer_next(&a, DNS_PTR, &at, &r));
	assert_false(dns_name_is_host(r.text));
}

static void cut_answers_are_asked_again_over_tcp(void **state)
{
	(void)state;
	assert_found(answer_to(DNS_A, "cut.example"));
	assert_int_equal(fake.udp_asked, 1);
	assert_int_equal(fake.tcp_asked, 1);
	assert_int_equal(stat_of(DNS_STAT_TCP), 1);
	assert_found(answer_to(DNS_A, "slowly.example"));
	struct dns_answer a = answer_to(DNS_TXT, "huge.example");
	assert_found(a);
	assert_true(a.cut);
	assert_int_equal(a.count, 0);
	assert_int_equal(answer_to(DNS_A, "reset.example").status, DNS_FAILED);
	assert_word(answer_to(DNS_A, "stuck.example"), "timeout");
	assert_found(answer_to(DNS_A, "good.example"));
}

/* Several at once over one connection: each has its own answer. */
static void many_over_tcp(void **state)
{
	struct dns_answer a;
	char name[40];
	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "cut%d.example", i);
		assert_int_equal(ask_as((uint64_t)i, DNS_A, name, 5000, &a), DNS_ASKED);
	}
	for (int i = 0; i < 50; i++)
		assert_found(next().answer);
	assert_int_equal(stat_of(DNS_STAT_TCP), 1);
}

/* ---- cache, merging ---------------------------------------------------------------------------- */

static void what_is_known_is_not_asked_again(void **state)
{
	struct dns_answer a;
	(void)state;
	assert_found(answer_to(DNS_A, "good.example"));
	assert_int_equal(ask_as(1, DNS_A, "GOOD.example.", 1000, &a), DNS_KNOWN);
	assert_found(a);
	assert_int_equal(a.count, 1);
	answer_to(DNS_A, "no.example");
	assert_int_equal(ask_as(1, DNS_A, "no.example", 1000, &a), DNS_KNOWN);
	assert_word(a, "nxdomain");
	answer_to(DNS_A, "servfail.example");
	assert_int_equal(ask_as(1, DNS_A, "servfail.example", 1000, &a), DNS_KNOWN);
	assert_word(a, "servfail");
	assert_int_equal(stat_of(DNS_STAT_HITS), 3);
	assert_int_equal(stat_of(DNS_STAT_CACHED), 3);
}

static void without_a_cache_all_is_asked(void **state)
{
	(void)state;
	settings.cache_entries = 0;
	rig_configure();
	assert_found(answer_to(DNS_A, "good.example"));
	assert_found(answer_to(DNS_A, "good.example"));
	assert_int_equal(fake.udp_asked, 2);
	assert_int_equal(stat_of(DNS_STAT_CACHED), 0);
}

static void equal_questions_share_one_query(void **state)
{
	struct dns_answer a;
	uint64_t sum = 0;
	(void)state;
	for (uint64_t i = 1; i <= MANY; i++)
		assert_int_equal(ask_as(i, DNS_A, i % 2 ? "good.example" : "Good.Example.", 1000, &a), DNS_ASKED);
	for (int i = 0; i < MANY; i++) {
		struct dns_result r = next();
		assert_found(r.answer);
		assert_int_equal(r.answer.count, 1);
		sum += r.ticket;
	}
	assert_int_equal(sum, MANY * (MANY + 1) / 2);
	assert_int_equal(fake.udp_asked, 1);
	assert_int_equal(stat_of(DNS_STAT_MERGED), MANY - 1);
}

/* ---- waiting ----------------------------------------------------------------------------------- */

static void who_waits_is_answered_by_his_deadline(void **state)
{
	struct dns_answer a;
	uint64_t begin = clock_mono_ms();
	(void)state;
	assert_int_equal(ask_as(1, DNS_A, "late.example", 60, &a), DNS_ASKED);
	assert_int_equal(ask_as(2, DNS_A, "late.example", 5000, &a), DNS_ASKED);
	struct dns_result r = next();
	assert_int_equal(r.ticket, 1);
	assert_word(r.answer, "timeout");
	assert_in_range(clock_mono_ms() - begin, 60, 4000);
	assert_in_range(r.took_ms, 60, 4000);
	fake_late(&fake);
	r = next();
	assert_int_equal(r.ticket, 2);
	assert_found(r.answer);
	assert_int_equal(stat_of(DNS_STAT_TIMEOUTS), 1);
}

static void a_late_answer_is_kept(void **state)
{
	struct dns_answer a;
	(void)state;
	assert_int_equal(ask_as(1, DNS_A, "late.example", 20, &a), DNS_ASKED);
	assert_word(next().answer, "timeout");
	fake_late(&fake);
	run_ms(50);
	assert_int_equal(ask_as(1, DNS_A, "late.example", 20, &a), DNS_KNOWN);
	assert_found(a);
}

static void a_lost_query_ends_within_its_time(void **state)
{
	struct dns_answer a;
	uint64_t begin = clock_mono_ms();
	(void)state;
	assert_int_equal(ask_as(1, DNS_A, "lost.example", 60000, &a), DNS_ASKED);
	assert_word(next().answer, "timeout");
	assert_in_range(clock_mono_ms() - begin, TIMEOUT_MS - 10, TIMEOUT_MS + 10000);
	assert_int_equal(fake.udp_asked, 2);
	assert_int_equal(stat_of(DNS_STAT_FAILED), 1);
}

static void who_has_gone_is_forgotten(void **state)
{
	struct dns_answer a;
	struct dns_result r;
	(void)state;
	assert_int_equal(ask_as(1, DNS_A, "good.example", 1000, &a), DNS_ASKED);
	assert_int_equal(ask_as(1, DNS_A, "good2.example", 1000, &a), DNS_ASKED);
	assert_int_equal(ask_as(2, DNS_A, "good2.example", 1000, &a), DNS_ASKED);
	dns_resolver_forget(resolver, 1);
	dns_resolver_forget(resolver, 99);
	assert_int_equal(next().ticket, 2);
	run_ms(50);
	assert_false(dns_resolver_pop(resolver, &r));
	assert_int_equal(ask_as(3, DNS_A, "good.example", 1000, &a), DNS_KNOWN); /* its answer came all the same */
	assert_int_equal(ask_as(4, DNS_A, "good3.example", 1000, &a), DNS_ASKED);
	while (stat_of(DNS_STAT_OPEN))
		turn();
	dns_resolver_forget(resolver, 4); /* answered, and not yet popped */
	assert_false(dns_resolver_pop(resolver, &r));
}

static void a_budget_is_spent(void **state)
{
	struct dns_budget two = { 2 };
	struct dns_answer a;
	(void)state;
	budget = &two;
	assert_found(answer_to(DNS_A, "good.example"));
	assert_found(answer_to(DNS_A, "good.example")); /* from the cache: free */
	assert_int_equal(two.left, 1);
	assert_int_equal(ask_as(1, DNS_A, "good2.example", 1000, &a), DNS_ASKED);
	assert_int_equal(ask_as(1, DNS_A, "good3.example", 1000, &a), DNS_KNOWN);
	assert_word(a, "over budget");
	assert_int_equal(stat_of(DNS_STAT_NO_BUDGET), 1);
	assert_found(next().answer);
	budget = NULL;
	assert_found(answer_to(DNS_A, "good3.example")); /* that was not kept */
}

static void too_many_at_once_are_turned_away(void **state)
{
	struct dns_answer a;
	char name[40];
	(void)state;
	fake.dead = true;
	for (int i = 0; i < DNS_OPEN_MAX; i++) {
		snprintf(name, sizeof name, "lost%d.example", i);
		assert_int_equal(ask_as(1, DNS_A, name, 5000, &a), DNS_ASKED);
		if (i % 100 == 0)
			fake_turn(&fake);
	}
	assert_int_equal(stat_of(DNS_STAT_OPEN), DNS_OPEN_MAX);
	assert_int_equal(ask_as(1, DNS_A, "more.example", 5000, &a), DNS_KNOWN);
	assert_word(a, "busy");
	assert_int_equal(ask_as(1, DNS_A, "lost1.example", 5000, &a), DNS_ASKED); /* is under way */
	assert_int_equal(stat_of(DNS_STAT_BUSY), 1);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static void open_questions_end_with_the_resolver(void **state)
{
	struct dns_answer a;
	(void)state;
	assert_int_equal(ask_as(1, DNS_A, "lost.example", 5000, &a), DNS_ASKED);
	assert_int_equal(ask_as(2, DNS_A, "lost.example", 5000, &a), DNS_ASKED);
	assert_int_equal(ask_as(2, DNS_A, "stuck.example", 5000, &a), DNS_ASKED);
	assert_int_equal(ask_as(3, DNS_A, "good.example", 5000, &a), DNS_ASKED);
	run_ms(20);
}

/* Whichever allocation fails: the question is answered, the next one works, nothing leaks (asan). */
static void every_allocation_may_fail(void **state)
{
	char name[40];
	(void)state;
	settings.channel.timeout_ms = 300;
	settings.channel.tries = 1;
	for (long nth = 0; nth < 60; nth++) {
		rig_configure();
		snprintf(name, sizeof name, "%s%ld.example", nth % 2 ? "cut" : "good", nth);
		mem_fail_after(nth);
		(void)answer_to(DNS_TXT, name);
		mem_fail_after(-1);
		snprintf(name, sizeof name, "good%ld.example", 1000 + nth);
		assert_found(answer_to(DNS_TXT, name));
	}
	dns_resolver_free(&resolver);
	for (long nth = 0; nth < 10; nth++) {
		mem_fail_after(nth);
		resolver = dns_resolver_new(&settings, loop, clock_mono_ms());
		mem_fail_after(-1);
		dns_resolver_free(&resolver);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_is_asked_for),
		TEST(every_kind_of_answer_has_its_word),
		TEST(garbage_is_no_answer),
		TEST(a_name_of_control_bytes_is_no_host),
		TEST(cut_answers_are_asked_again_over_tcp),
		TEST(many_over_tcp),
		TEST(what_is_known_is_not_asked_again),
		TEST(without_a_cache_all_is_asked),
		TEST(equal_questions_share_one_query),
		TEST(who_waits_is_answered_by_his_deadline),
		TEST(a_late_answer_is_kept),
		TEST(a_lost_query_ends_within_its_time),
		TEST(who_has_gone_is_forgotten),
		TEST(a_budget_is_spent),
		TEST(too_many_at_once_are_turned_away),
		TEST(open_questions_end_with_the_resolver),
		TEST(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
