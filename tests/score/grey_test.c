/* Greylisting by the identity ladder: what waits, what passes, by which rung, and for how long. */
#include <stdio.h>

#include "tests/base/cmocka_setup.h"

#include "score/grey.h"
#include "score/inspect.h"
#include "tests/score/snapshot_help.h"

#define SECOND ((uint64_t)1000)
#define MINUTE (60 * SECOND)
#define DAY (24 * (uint64_t)HOUR)
#define NOW ((uint64_t)T0)

static const struct score_grey_limits limits = { MINUTE, 2 * DAY, 36 * DAY };
static struct score_store *s;

static int setup(void **state)
{
	(void)state;
	s = empty(4 * MB);
	return s ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	score_store_free(&s);
	return 0;
}

static struct score_grey_who who(const char *client, const char *spf, const char *name)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(client), &ip));
	return score_grey_who(s, &ip, slice_str(spf), slice_str(name));
}

static struct score_grey_answer try_to(const struct score_grey_who *w, const char *to, uint64_t now_ms)
{
	return score_grey_try(s, &limits, w, SLICE("anna@example.org"), slice_str(to), now_ms);
}

static struct score_grey_answer try(const struct score_grey_who *w, uint64_t now_ms)
{
	return try_to(w, "bob@example.net", now_ms);
}

static void assert_verdict(struct score_grey_answer is, enum score_grey_verdict wanted, enum score_grey_rung rung)
{
	assert_string_equal(score_grey_verdict_name(is.verdict), score_grey_verdict_name(wanted));
	if (wanted == SCORE_GREY_PASSED || wanted == SCORE_GREY_KNOWN)
		assert_string_equal(score_grey_rung_name(is.rung), score_grey_rung_name(rung));
}

static void test_a_bot_waits_as_configured(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL);
	assert_int_equal(try(&w, NOW).left_ms, MINUTE);
	struct score_grey_answer early = try(&w, NOW + 20 * SECOND);
	assert_verdict(early, SCORE_GREY_EARLY, 0);
	assert_int_equal(early.left_ms, 40 * SECOND);
	assert_int_equal(try(&w, NOW + 59 * SECOND).left_ms, SECOND); /* the clock was not restarted */
	assert_verdict(try(&w, NOW + 60 * SECOND), SCORE_GREY_PASSED, SCORE_GREY_NET);
	assert_verdict(try(&w, NOW + 61 * SECOND), SCORE_GREY_KNOWN, SCORE_GREY_NET);
	assert_verdict(try_to(&w, "carl@example.net", NOW + 61 * SECOND), SCORE_GREY_FIRST, 0);
}

static void test_a_neighbour_in_the_net_is_the_same_and_others_are_not(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL), near = who("192.0.2.99", NULL, NULL);
	struct score_grey_who far = who("192.0.3.7", NULL, NULL), six = who("2001:db8::1", NULL, NULL);
	struct score_grey_who six_near = who("2001:db8::ffff:2", NULL, NULL);
	(void)try(&w, NOW), (void)try(&six, NOW);
	assert_verdict(try(&far, NOW + MINUTE), SCORE_GREY_FIRST, 0);
	assert_verdict(try(&near, NOW + MINUTE), SCORE_GREY_PASSED, SCORE_GREY_NET);
	assert_verdict(try(&six_near, NOW + MINUTE), SCORE_GREY_PASSED, SCORE_GREY_NET);
}

/* Two hundred addresses in as many nets, one identity: the second try passes, whichever address it comes from. */
static void farm(const char *spf, const char *name, enum score_grey_rung rung)
{
	for (unsigned second = 1; second < 200; second++) {
		char to[64], first_ip[32], second_ip[32];
		(void)snprintf(to, sizeof to, "user-%c%c@%s", (char)('a' + second / 26), (char)('a' + second % 26),
			spf ? spf : name);
		(void)snprintf(first_ip, sizeof first_ip, "198.18.%u.7", second - 1);
		(void)snprintf(second_ip, sizeof second_ip, "198.19.%u.7", second);
		uint64_t at = NOW + second * 2 * DAY; /* so far apart that the identity is not allowed whole */
		struct score_grey_who one = who(first_ip, spf, name), two = who(second_ip, spf, name);
		assert_verdict(try_to(&one, to, at), SCORE_GREY_FIRST, 0);
		assert_verdict(try_to(&two, to, at + MINUTE), SCORE_GREY_PASSED, rung);
	}
}

static void test_a_sender_with_200_addresses_and_one_identity_passes_on_its_second_try(void **state)
{
	(void)state;
	farm("example.org", NULL, SCORE_GREY_SPF);
	farm(NULL, "provider.example", SCORE_GREY_NAME);
	farm("example.com", "provider.example.com", SCORE_GREY_SPF);
}

static void test_spf_that_ended_later_counts_from_the_first_try(void **state)
{
	(void)state;
	struct score_grey_who before = who("192.0.2.7", NULL, NULL), with = who("192.0.2.7", "example.org", NULL);
	struct score_grey_who elsewhere = who("198.51.100.7", "example.org", NULL);
	(void)try(&before, NOW);
	score_grey_learned(s, &limits, &with, SLICE("anna@example.org"), SLICE("bob@example.net"), NOW + 20 * SECOND);
	assert_verdict(try(&elsewhere, NOW + 59 * SECOND), SCORE_GREY_EARLY, 0);
	assert_verdict(try(&elsewhere, NOW + 60 * SECOND), SCORE_GREY_PASSED, SCORE_GREY_SPF);
}

static void test_what_was_never_tried_is_not_learned(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL);
	score_grey_learned(s, &limits, &w, SLICE("anna@example.org"), SLICE("bob@example.net"), NOW);
	assert_verdict(try(&w, NOW + HOUR), SCORE_GREY_FIRST, 0);
}

/* The oldest start counts, whatever rung it is under; an early retry ties the rungs together. */
static void test_rungs_that_meet_share_the_oldest_start(void **state)
{
	(void)state;
	struct score_grey_who net = who("192.0.2.7", NULL, NULL), both = who("192.0.2.7", NULL, "example.org");
	struct score_grey_who name = who("203.0.113.7", NULL, "example.org");
	(void)try(&net, NOW);
	assert_verdict(try(&both, NOW + 30 * SECOND), SCORE_GREY_EARLY, 0);
	assert_verdict(try(&name, NOW + MINUTE), SCORE_GREY_PASSED, SCORE_GREY_NAME);
}

static void test_a_pass_is_kept_under_the_best_rung(void **state)
{
	(void)state;
	struct score_grey_who both = who("192.0.2.7", "example.org", "provider.example");
	struct score_grey_who spf = who("198.51.100.7", "example.org", NULL);
	struct score_grey_who name = who("203.0.113.7", NULL, "provider.example");
	(void)try(&both, NOW);
	assert_verdict(try(&both, NOW + MINUTE), SCORE_GREY_PASSED, SCORE_GREY_SPF);
	assert_verdict(try(&spf, NOW + 3 * DAY), SCORE_GREY_KNOWN, SCORE_GREY_SPF);
	assert_verdict(try(&name, NOW + 3 * DAY), SCORE_GREY_FIRST, 0);
}

static void test_a_better_rung_takes_over_what_passed_under_a_lesser(void **state)
{
	(void)state;
	struct score_grey_who net = who("192.0.2.7", NULL, NULL), both = who("192.0.2.7", "example.org", NULL);
	struct score_grey_who spf = who("198.51.100.7", "example.org", NULL);
	(void)try(&net, NOW), (void)try(&net, NOW + MINUTE);
	assert_verdict(try(&both, NOW + HOUR), SCORE_GREY_KNOWN, SCORE_GREY_NET);
	assert_verdict(try(&spf, NOW + 2 * HOUR), SCORE_GREY_KNOWN, SCORE_GREY_SPF);
}

static void test_a_try_is_forgotten_after_the_window(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL);
	(void)try(&w, NOW);
	assert_verdict(try(&w, NOW + 2 * DAY + SECOND), SCORE_GREY_FIRST, 0);
	assert_verdict(try(&w, NOW + 2 * DAY + 30 * SECOND), SCORE_GREY_EARLY, 0);
	assert_verdict(try(&w, NOW + 4 * DAY), SCORE_GREY_PASSED, SCORE_GREY_NET);
}

static void test_a_pass_is_kept_and_renewed_by_use(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL);
	(void)try(&w, NOW), (void)try(&w, NOW + MINUTE);
	assert_verdict(try(&w, NOW + 35 * DAY), SCORE_GREY_KNOWN, SCORE_GREY_NET);
	assert_verdict(try(&w, NOW + 70 * DAY), SCORE_GREY_KNOWN, SCORE_GREY_NET);
	assert_verdict(try(&w, NOW + 107 * DAY), SCORE_GREY_FIRST, 0);
}

static void pass(const struct score_grey_who *w, const char *to, uint64_t now_ms)
{
	assert_verdict(try_to(w, to, now_ms), SCORE_GREY_FIRST, 0);
	assert_int_equal(try_to(w, to, now_ms + MINUTE).verdict, SCORE_GREY_PASSED);
}

static void test_two_passes_in_a_day_allow_the_identity(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL), other = who("10.0.0.1", "example.org", NULL);
	pass(&w, "a@example.net", NOW);
	pass(&w, "b@example.net", NOW + HOUR);
	struct score_grey_answer is = try_to(&other, "c@example.net", NOW + 2 * HOUR);
	assert_verdict(is, SCORE_GREY_KNOWN, SCORE_GREY_SPF);
	assert_true(is.allowed);
	assert_true(try_to(&other, "d@example.net", NOW + 36 * DAY).allowed); /* renewed by the use before */
	assert_false(try_to(&other, "e@example.net", NOW + 73 * DAY).allowed);
}

static void test_passes_over_a_day_apart_allow_nothing(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL);
	pass(&w, "a@example.net", NOW);
	pass(&w, "b@example.net", NOW + 25 * HOUR);
	assert_verdict(try_to(&w, "c@example.net", NOW + 26 * HOUR), SCORE_GREY_FIRST, 0);
}

static void test_a_mail_to_two_passes_once(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL);
	(void)try_to(&w, "a@example.net", NOW), (void)try_to(&w, "b@example.net", NOW);
	assert_int_equal(try_to(&w, "a@example.net", NOW + MINUTE).verdict, SCORE_GREY_PASSED);
	assert_int_equal(try_to(&w, "b@example.net", NOW + MINUTE).verdict, SCORE_GREY_PASSED);
	assert_verdict(try_to(&w, "c@example.net", NOW + HOUR), SCORE_GREY_FIRST, 0);
}

static void test_the_sender_is_folded(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL);
	struct slice to = SLICE("bob@example.net");
	assert_verdict(score_grey_try(s, &limits, &w, SLICE("bounce-1-x@example.org"), to, NOW), SCORE_GREY_FIRST, 0);
	assert_int_equal(
		score_grey_try(s, &limits, &w, SLICE("Bounce-22-x@example.org"), SLICE("BOB@example.net"), NOW + MINUTE)
			.verdict,
		SCORE_GREY_PASSED);
	assert_int_equal(score_grey_try(s, &limits, &w, SLICE(""), to, NOW + HOUR).verdict, SCORE_GREY_FIRST);
}

static void test_a_peek_leaves_no_trace(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL);
	struct slice from = SLICE("anna@example.org"), to = SLICE("bob@example.net");
	assert_int_equal(score_grey_peek(s, &limits, &w, from, to, NOW).verdict, SCORE_GREY_FIRST);
	assert_int_equal(score_grey_peek(s, &limits, &w, from, to, NOW + HOUR).verdict, SCORE_GREY_FIRST);
	(void)try(&w, NOW + HOUR);
	assert_int_equal(score_grey_peek(s, &limits, &w, from, to, NOW + 2 * HOUR).verdict, SCORE_GREY_PASSED);
	assert_verdict(try(&w, NOW + 2 * HOUR), SCORE_GREY_PASSED, SCORE_GREY_NET);
}

static void test_a_clock_that_jumps_back_begins_anew(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", NULL, NULL);
	(void)try(&w, NOW);
	assert_int_equal(try(&w, NOW - HOUR).left_ms, MINUTE);
	assert_verdict(try(&w, NOW - HOUR + MINUTE), SCORE_GREY_PASSED, SCORE_GREY_NET);
}

/* --- outliving the process, and being looked at --- */

static void test_waiting_and_passed_ones_outlive_the_process(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL), bot = who("203.0.113.7", NULL, NULL);
	pass(&w, "a@example.net", NOW);
	pass(&w, "b@example.net", NOW + HOUR);
	(void)try(&bot, NOW + HOUR);
	struct buf file = written(s);
	score_store_free(&s);
	s = empty(8 * MB);
	struct score_snapshot_reader r = read_all(buf_slice(&file), s);
	assert_int_equal(r.not_kept, 0);
	buf_release(&file);
	assert_true(try_to(&w, "c@example.net", NOW + 2 * HOUR).allowed);
	assert_verdict(try(&bot, NOW + 2 * HOUR), SCORE_GREY_PASSED, SCORE_GREY_NET);
}

static size_t list_of(const char *text, struct score_grey_entry entries[10])
{
	struct score_grey_about about;
	if (text)
		assert_true(score_grey_about(s, slice_str(text), &about));
	return score_grey_list(s, &limits, text ? &about : NULL, NOW + HOUR, entries, 10);
}

static void test_entries_are_found_by_what_they_are_about(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL);
	struct score_grey_entry e[10];
	char text[SCORE_KEY_TEXT];
	pass(&w, "bob@example.net", NOW);
	assert_int_equal(list_of(NULL, e), 3); /* identity, under spf (passed), under the net */
	assert_true(e[0].whole && e[0].passed && !e[0].allowed);
	assert_int_equal(e[0].until_s, (NOW + MINUTE + DAY) / SECOND);
	assert_int_equal(list_of("example.org", e), 2);
	assert_true(e[0].whole && !e[1].whole && e[1].passed);
	assert_int_equal(e[1].until_s, (NOW + MINUTE + 36 * DAY) / SECOND);
	(void)score_key_format(&e[1].key, text);
	assert_string_equal(text, "example.org");
	assert_int_equal(list_of("192.0.2.200", e), 1);
	assert_true(!e[0].passed && e[0].until_s == (NOW + 2 * DAY) / SECOND);
	assert_int_equal(list_of("192.0.2.0/24", e), 1);
	(void)score_key_format(&e[0].key, text);
	assert_string_equal(text, "192.0.2.0/24");
	assert_int_equal(list_of("anna@example.org", e), 2);
	assert_int_equal(list_of("Bob@example.net", e), 2);
	assert_int_equal(list_of("example.net", e), 0);
	struct score_grey_about about;
	assert_false(score_grey_about(s, SLICE("anna"), &about));
	assert_false(score_grey_about(s, SLICE("192.0.2.1/24"), &about));
}

static void test_a_list_holds_the_youngest(void **state)
{
	(void)state;
	struct score_grey_entry e[10];
	for (unsigned i = 0; i < 100; i++) {
		char to[32];
		struct score_grey_who w = who("192.0.2.7", NULL, NULL);
		(void)snprintf(to, sizeof to, "u%u@example.net", i * 37 % 100);
		(void)try_to(&w, to, NOW + i * 37 % 100 * SECOND);
	}
	assert_int_equal(list_of(NULL, e), 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(e[i].last_s, NOW / SECOND + 99 - i);
}

static void test_what_is_forgotten_waits_again(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL);
	struct score_grey_about about;
	pass(&w, "a@example.net", NOW);
	pass(&w, "b@example.net", NOW + HOUR);
	assert_true(score_grey_about(s, SLICE("example.org"), &about));
	assert_int_equal(score_grey_forget(s, &about), 3);
	assert_true(score_grey_about(s, SLICE("192.0.2.7"), &about));
	assert_int_equal(score_grey_forget(s, &about), 2);
	assert_int_equal(score_grey_forget(s, &about), 0);
	assert_verdict(try_to(&w, "a@example.net", NOW + HOUR), SCORE_GREY_FIRST, 0);
}

static void test_hidden_entries_work_and_show_a_digest(void **state)
{
	(void)state;
	struct score_grey_who w = who("192.0.2.7", "example.org", NULL);
	struct score_grey_entry e[10];
	char text[SCORE_KEY_TEXT];
	pass(&w, "bob@example.net", NOW);
	score_store_hide(s, true);
	struct score_grey_who hidden = who("192.0.2.7", "example.org", NULL);
	assert_verdict(try(&hidden, NOW + HOUR), SCORE_GREY_KNOWN, SCORE_GREY_SPF);
	assert_int_equal(list_of("example.org", e), 2);
	(void)score_key_format(&e[0].key, text);
	assert_int_equal(text[0], '#');
	char other[SCORE_KEY_TEXT];
	(void)score_key_format(&e[1].key, other);
	assert_string_equal(text, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_a_bot_waits_as_configured),
		TEST(test_a_neighbour_in_the_net_is_the_same_and_others_are_not),
		TEST(test_a_sender_with_200_addresses_and_one_identity_passes_on_its_second_try),
		TEST(test_spf_that_ended_later_counts_from_the_first_try),
		TEST(test_what_was_never_tried_is_not_learned),
		TEST(test_rungs_that_meet_share_the_oldest_start),
		TEST(test_a_pass_is_kept_under_the_best_rung),
		TEST(test_a_better_rung_takes_over_what_passed_under_a_lesser),
		TEST(test_a_try_is_forgotten_after_the_window),
		TEST(test_a_pass_is_kept_and_renewed_by_use),
		TEST(test_two_passes_in_a_day_allow_the_identity),
		TEST(test_passes_over_a_day_apart_allow_nothing),
		TEST(test_a_mail_to_two_passes_once),
		TEST(test_the_sender_is_folded),
		TEST(test_a_peek_leaves_no_trace),
		TEST(test_a_clock_that_jumps_back_begins_anew),
		TEST(test_waiting_and_passed_ones_outlive_the_process),
		TEST(test_entries_are_found_by_what_they_are_about),
		TEST(test_a_list_holds_the_youngest),
		TEST(test_what_is_forgotten_waits_again),
		TEST(test_hidden_entries_work_and_show_a_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
