#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "score/inspect.h"

#define T0 ((uint64_t)1767225600000u)
enum { SECOND = 1000, HOUR = 3600 * SECOND };

static const struct hash_key secret = { 11, 12 };

static struct score_store *make(void)
{
	struct score_store *s = score_store_new(1 << 20, &secret);
	assert_non_null(s);
	return s;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	return ip;
}

static struct score_hold hold_of(enum score_hold_kind kind, uint64_t until_ms, const char *by)
{
	struct score_hold h = { .kind = kind, .until_ms = until_ms };
	(void)snprintf(h.by, sizeof h.by, "%s", by);
	(void)snprintf(h.reason, sizeof h.reason, "because of %s", by);
	return h;
}

static void set(struct score_store *s, const char *key, enum score_hold_kind kind, uint64_t until_ms)
{
	struct score_key k;
	struct score_hold h = hold_of(kind, until_ms, kind == SCORE_HOLD_AUTO ? "a-rule" : "");
	assert_true(score_key_parse(s, slice_str(key), &k));
	assert_true(score_hold_set(s, &k, &h, 1, T0));
}

static enum score_hold_kind of_client(struct score_store *s, const char *address, uint64_t now_ms)
{
	struct score_hold h;
	struct ip ip = ip_of(address);
	bool held = score_hold_client(s, &ip, now_ms, &h);
	assert_true(held == (h.kind != SCORE_HOLD_NONE));
	return h.kind;
}

static void a_block_holds_until_its_end(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_hold h;
	struct ip ip = ip_of("192.0.2.7");
	assert_int_equal(of_client(s, "192.0.2.7", T0), SCORE_HOLD_NONE);
	set(s, "192.0.2.7", SCORE_HOLD_AUTO, T0 + HOUR);
	assert_true(score_hold_client(s, &ip, T0 + HOUR - 1, &h));
	assert_int_equal(h.kind, SCORE_HOLD_AUTO);
	assert_true(h.since_ms == T0 && h.until_ms == T0 + HOUR);
	assert_string_equal(h.by, "a-rule");
	assert_string_equal(h.reason, "because of a-rule");
	assert_int_equal(of_client(s, "192.0.2.7", T0 + HOUR), SCORE_HOLD_NONE);
	assert_int_equal(of_client(s, "192.0.2.8", T0), SCORE_HOLD_NONE);
	struct score_key k = score_key_ip(s, SCORE_KEY_CLIENT, &ip, 128);
	assert_true(score_hold_lift(s, &k) && !score_hold_lift(s, &k));
	assert_int_equal(of_client(s, "192.0.2.7", T0), SCORE_HOLD_NONE);
	score_store_free(&s);
}

static void nets_of_any_width_hold(void **state)
{
	(void)state;
	struct score_store *s = make();
	set(s, "198.51.96.0/19", SCORE_HOLD_BLOCK, T0 + HOUR);
	set(s, "2001:db8:7::/48", SCORE_HOLD_BLOCK, T0 + HOUR);
	set(s, "2001:db8:8:1::5", SCORE_HOLD_BLOCK, T0 + HOUR); /* the /64 is one client */
	assert_int_equal(of_client(s, "198.51.100.9", T0), SCORE_HOLD_BLOCK);
	assert_int_equal(of_client(s, "198.51.128.9", T0), SCORE_HOLD_NONE);
	assert_int_equal(of_client(s, "2001:db8:7:5::1", T0), SCORE_HOLD_BLOCK);
	assert_int_equal(of_client(s, "2001:db8:8:1::9", T0), SCORE_HOLD_BLOCK);
	assert_int_equal(of_client(s, "2001:db8:8:2::9", T0), SCORE_HOLD_NONE);
	set(s, "198.51.100.0/24", SCORE_HOLD_ALLOW, T0 + HOUR); /* an allowance counts before a block */
	assert_int_equal(of_client(s, "198.51.100.9", T0), SCORE_HOLD_ALLOW);
	assert_int_equal(of_client(s, "198.51.101.9", T0), SCORE_HOLD_BLOCK);
	set(s, "198.51.101.9", SCORE_HOLD_AUTO, T0 + HOUR); /* a typed block before an automatic one */
	assert_int_equal(of_client(s, "198.51.101.9", T0), SCORE_HOLD_BLOCK);
	score_store_free(&s);
}

static void what_was_typed_stands(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_hold h;
	struct score_key k;
	assert_true(score_key_parse(s, SLICE("192.0.2.7"), &k));
	set(s, "192.0.2.7", SCORE_HOLD_AUTO, T0 + 2 * HOUR);
	set(s, "192.0.2.7", SCORE_HOLD_AUTO, T0 + HOUR);
	assert_true(score_hold_get(s, &k, T0, &h) && h.until_ms == T0 + 2 * HOUR); /* not shortened */
	set(s, "192.0.2.7", SCORE_HOLD_ALLOW, T0 + HOUR);			   /* lifts the block */
	set(s, "192.0.2.7", SCORE_HOLD_AUTO, T0 + 3 * HOUR);			   /* no rule undoes that */
	assert_true(score_hold_get(s, &k, T0, &h) && h.kind == SCORE_HOLD_ALLOW && h.until_ms == T0 + HOUR);
	set(s, "192.0.2.7", SCORE_HOLD_BLOCK, T0 + HOUR);
	assert_int_equal(of_client(s, "192.0.2.7", T0), SCORE_HOLD_BLOCK);
	score_store_free(&s);
}

static void addresses_and_domains_hold(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_hold h;
	assert_false(score_hold_address(s, SLICE("a@example.org"), T0, &h));
	set(s, "example.org", SCORE_HOLD_BLOCK, T0 + HOUR);
	set(s, "Good@Example.org", SCORE_HOLD_ALLOW, T0 + HOUR);
	assert_true(score_hold_address(s, SLICE("a@EXAMPLE.org"), T0, &h) && h.kind == SCORE_HOLD_BLOCK);
	assert_true(score_hold_address(s, SLICE("good@example.org"), T0, &h) && h.kind == SCORE_HOLD_ALLOW);
	assert_false(score_hold_address(s, SLICE("a@sub.example.org"), T0, &h));
	assert_false(score_hold_address(s, SLICE(""), T0, &h));
	score_store_free(&s);
}

/* Automatic ones push each other out, the one that ends first; a typed one is kept or refused, never dropped. */
static void the_table_is_bounded(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_store_stats st;
	struct score_hold h = hold_of(SCORE_HOLD_BLOCK, T0 + HOUR, ""), again;
	unsigned kept = 0;
	for (unsigned i = 0; i < 20; i++) {
		struct ip ip = { { 0x20, 1, 1, (uint8_t)i } };
		struct score_key k = score_key_ip(s, SCORE_KEY_CLIENT, &ip, 64);
		assert_true(score_hold_set(s, &k, &h, 1, T0));
	}
	h.kind = SCORE_HOLD_AUTO;
	for (unsigned i = 0; i < 5000; i++) {
		struct ip ip = { { 0x20, 1, 2, (uint8_t)i, (uint8_t)(i >> 8) } };
		struct score_key k = score_key_ip(s, SCORE_KEY_CLIENT, &ip, 64);
		h.until_ms = T0 + 2 * HOUR + i * SECOND;
		kept += score_hold_set(s, &k, &h, i, T0);
	}
	score_table_stats(s, STORE_HOLDS, &st);
	assert_true(kept > 4500 && st.used <= st.slots && st.evicted > 4000 && st.memory <= (1 << 20) / 100);
	for (unsigned i = 0; i < 20; i++) {
		struct ip ip = { { 0x20, 1, 1, (uint8_t)i } };
		assert_true(score_hold_client(s, &ip, T0, &again) && again.kind == SCORE_HOLD_BLOCK);
	}
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_holds_until_its_end),
		cmocka_unit_test(nets_of_any_width_hold),
		cmocka_unit_test(what_was_typed_stands),
		cmocka_unit_test(addresses_and_domains_hold),
		cmocka_unit_test(the_table_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
