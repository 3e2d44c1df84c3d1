/* The cache: what is kept how long, what goes first, and its bounds. */
#include "tests/base/cmocka_setup.h"

#include "base/mem.h"
#include "dns/cache.h"

#include <stdio.h>

static struct dns_question ask_for(enum dns_type type, const char *name)
{
	struct dns_question q = { .type = type };
	assert_true(dns_name_parse(slice_str(name), &q.name));
	return q;
}

static struct dns_question numbered(int i)
{
	char name[32];
	snprintf(name, sizeof name, "n%d.example", i);
	return ask_for(DNS_A, name);
}

static struct dns_answer found(uint32_t ttl_s, const char *records)
{
	return (struct dns_answer){ .status = DNS_FOUND, .count = 1, .ttl_s = ttl_s, .records = slice_str(records) };
}

static bool has(struct dns_cache *c, const struct dns_question *q, uint64_t now_ms)
{
	struct dns_answer a;
	return dns_cache_get(c, q, 0, now_ms, &a);
}

static void what_was_put_is_got(void **state)
{
	struct dns_cache *c = dns_cache_new(100);
	struct dns_question q = ask_for(DNS_A, "a.example"), other = ask_for(DNS_AAAA, "a.example"),
			    longer = ask_for(DNS_A, "a.example.b");
	struct dns_answer a = found(60, "some bytes"), got;
	(void)state;
	assert_non_null(c);
	dns_cache_put(c, &q, &a, 1000);
	assert_true(dns_cache_get(c, &q, 0, 11500, &got));
	assert_int_equal(got.status, DNS_FOUND);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.ttl_s, 49);
	assert_slice(got.records, "some bytes");
	assert_ptr_not_equal(got.records.p, a.records.p);
	assert_false(has(c, &other, 1000));
	assert_false(has(c, &longer, 1000));
	a = found(60, "others");
	dns_cache_put(c, &q, &a, 2000);
	assert_true(dns_cache_get(c, &q, 0, 2000, &got));
	assert_slice(got.records, "others");
	assert_int_equal(dns_cache_entries(c), 1);
	dns_cache_free(&c);
	assert_null(c);
	dns_cache_free(&c);
}

static void what_came_before_is_not_taken(void **state)
{
	struct dns_cache *c = dns_cache_new(100);
	struct dns_question q = ask_for(DNS_A, "a.example");
	struct dns_answer a = found(60, "then"), got;
	(void)state;
	assert_non_null(c);
	dns_cache_put(c, &q, &a, 1000);
	assert_true(dns_cache_get(c, &q, 1000, 2000, &got));
	assert_false(dns_cache_get(c, &q, 1001, 2000, &got));
	assert_false(dns_cache_get(c, &q, UINT64_MAX, 2000, &got));
	a = found(60, "now");
	dns_cache_put(c, &q, &a, 2000);
	assert_true(dns_cache_get(c, &q, 1001, 2000, &got));
	assert_slice(got.records, "now");
	assert_int_equal(dns_cache_entries(c), 1);
	dns_cache_free(&c);
}

static void times_are_bounded(void **state)
{
	struct dns_answer a = found(60, "");
	(void)state;
	assert_int_equal(dns_cache_keep_ms(&a), 60000);
	a.ttl_s = 0;
	assert_int_equal(dns_cache_keep_ms(&a), DNS_KEEP_FOUND_MIN_S * 1000);
	a.ttl_s = UINT32_MAX;
	assert_int_equal(dns_cache_keep_ms(&a), DNS_KEEP_FOUND_MAX_S * 1000);
	a.status = DNS_NXDOMAIN;
	assert_int_equal(dns_cache_keep_ms(&a), DNS_KEEP_NEGATIVE_MAX_S * 1000);
	a.status = DNS_NODATA;
	a.ttl_s = 0;
	assert_int_equal(dns_cache_keep_ms(&a), DNS_KEEP_NEGATIVE_MIN_S * 1000);
	a = dns_answer_failed(DNS_TIMEOUT);
	assert_int_equal(dns_cache_keep_ms(&a), DNS_KEEP_FAILED_S * 1000);
	a = dns_answer_failed(DNS_BUSY);
	assert_int_equal(dns_cache_keep_ms(&a), 0);
	a = dns_answer_failed(DNS_NO_BUDGET);
	assert_int_equal(dns_cache_keep_ms(&a), 0);
	a = dns_answer_failed(DNS_NO_MEMORY);
	assert_int_equal(dns_cache_keep_ms(&a), 0);
}

static void what_is_over_is_gone(void **state)
{
	struct dns_cache *c = dns_cache_new(100);
	struct dns_question q = ask_for(DNS_TXT, "a.example");
	struct dns_answer a = found(60, "x");
	(void)state;
	dns_cache_put(c, &q, &a, 1000);
	assert_true(has(c, &q, 60999));
	assert_false(has(c, &q, 61000));
	assert_int_equal(dns_cache_entries(c), 0);
	assert_int_equal(dns_cache_bytes(c), 0);
	a = dns_answer_failed(DNS_BUSY);
	dns_cache_put(c, &q, &a, 1000);
	assert_false(has(c, &q, 1000));
	dns_cache_free(&c);
}

static void the_oldest_goes_first(void **state)
{
	struct dns_cache *c = dns_cache_new(10);
	struct dns_answer a = found(3600, "x");
	(void)state;
	for (int i = 0; i < 15; i++) {
		struct dns_question q = numbered(i);
		dns_cache_put(c, &q, &a, 1000);
	}
	assert_int_equal(dns_cache_entries(c), 10);
	for (int i = 0; i < 15; i++) {
		struct dns_question q = numbered(i);
		assert_int_equal(has(c, &q, 1000), i >= 5);
	}
	dns_cache_free(&c);
}

static void a_flood_does_not_push_out_what_is_used(void **state)
{
	struct dns_cache *c = dns_cache_new(100);
	struct dns_answer a = found(3600, "x");
	(void)state;
	for (int i = 0; i < 70; i++) {
		struct dns_question q = numbered(i);
		dns_cache_put(c, &q, &a, 1000);
		assert_true(has(c, &q, 1000));
	}
	for (int i = 1000; i < 100000; i++) {
		struct dns_question q = numbered(i);
		dns_cache_put(c, &q, &a, 1000);
	}
	for (int i = 0; i < 70; i++) {
		struct dns_question q = numbered(i);
		assert_true(has(c, &q, 1000));
	}
	assert_int_equal(dns_cache_entries(c), 100);
	dns_cache_free(&c);
}

/* Also what is used must make room for what is used now. */
static void used_ones_grow_old_too(void **state)
{
	struct dns_cache *c = dns_cache_new(100);
	struct dns_answer a = found(3600, "x");
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct dns_question q = numbered(i);
		dns_cache_put(c, &q, &a, 1000);
		assert_true(has(c, &q, 1000));
	}
	struct dns_question first = numbered(0), last = numbered(999);
	assert_false(has(c, &first, 1000));
	assert_true(has(c, &last, 1000));
	assert_int_equal(dns_cache_entries(c), 100);
	dns_cache_free(&c);
}

static void bytes_are_bounded(void **state)
{
	static char much[DNS_ANSWER_BYTES];
	struct dns_cache *c = dns_cache_new(100), *tiny = dns_cache_new(1);
	struct dns_answer a = found(3600, "");
	(void)state;
	a.records = slice_of(much, sizeof much);
	for (int i = 0; i < 1000; i++) {
		struct dns_question q = numbered(i);
		dns_cache_put(c, &q, &a, 1000);
		dns_cache_put(tiny, &q, &a, 1000);
		assert_in_range(dns_cache_bytes(c), 1, 100 * DNS_CACHE_ENTRY_BYTES);
	}
	assert_in_range(dns_cache_entries(c), 2, 3);
	assert_int_equal(dns_cache_entries(tiny), 0); /* larger than all of it */
	dns_cache_free(&c);
	dns_cache_free(&tiny);
}

static void without_room_nothing_is_kept(void **state)
{
	struct dns_cache *c = dns_cache_new(0);
	struct dns_question q = numbered(1);
	struct dns_answer a = found(60, "x");
	(void)state;
	dns_cache_put(c, &q, &a, 1000);
	assert_false(has(c, &q, 1000));
	dns_cache_free(&c);
}

static void without_memory_nothing_is_kept(void **state)
{
	struct dns_question q = numbered(1);
	struct dns_answer a = found(60, "x");
	(void)state;
	for (long nth = 0; nth < 2; nth++) {
		mem_fail_after(nth);
		struct dns_cache *none = dns_cache_new(10);
		mem_fail_after(-1);
		assert_null(none);
	}
	struct dns_cache *c = dns_cache_new(10);
	mem_fail_after(0);
	dns_cache_put(c, &q, &a, 1000);
	mem_fail_after(-1);
	assert_false(has(c, &q, 1000));
	dns_cache_put(c, &q, &a, 1000);
	assert_true(has(c, &q, 1000));
	dns_cache_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(what_came_before_is_not_taken),
		cmocka_unit_test(times_are_bounded),
		cmocka_unit_test(what_is_over_is_gone),
		cmocka_unit_test(the_oldest_goes_first),
		cmocka_unit_test(a_flood_does_not_push_out_what_is_used),
		cmocka_unit_test(used_ones_grow_old_too),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(without_room_nothing_is_kept),
		cmocka_unit_test(without_memory_nothing_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
