#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "score/inspect.h"
#include "score/slots.h"

#define T0 ((uint64_t)1767225600000u)
enum { HOUR = 3600000 };

static const struct hash_key secret = { 11, 12 };
static const struct score_known_limits limits = { 1, 0, 0 };

static struct score_store *make(uint64_t memory)
{
	struct score_store *s = score_store_new(memory, &secret);
	assert_non_null(s);
	return s;
}

static void keys_are_seen_from_their_form(void **state)
{
	(void)state;
	struct score_store *s = make(1 << 20);
	static const struct {
		const char *typed, *told;
		enum score_key_kind kind;
	} keys[] = { { "192.0.2.7", "192.0.2.7", SCORE_KEY_CLIENT }, { "192.0.2.7/32", "192.0.2.7", SCORE_KEY_CLIENT },
		{ "2001:db8::7", "2001:db8::/64", SCORE_KEY_CLIENT },
		{ "2001:db8::/64", "2001:db8::/64", SCORE_KEY_CLIENT },
		{ "192.0.2.0/24", "192.0.2.0/24", SCORE_KEY_NET }, { "0.0.0.0/0", "0.0.0.0/0", SCORE_KEY_NET },
		{ "2001:db8::/32", "2001:db8::/32", SCORE_KEY_NET }, { "A@b.Org", "a@b.org", SCORE_KEY_SENDER },
		{ "Mail.Example", "mail.example", SCORE_KEY_SENDER_DOMAIN }, { "joe", "joe", SCORE_KEY_AUTH_USER },
		{ "someone.with.a.name@example.org", "someone.with.a.name...", SCORE_KEY_SENDER } };
	char text[SCORE_KEY_TEXT];
	struct score_key k;
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		assert_true(score_key_parse(s, slice_str(keys[i].typed), &k));
		assert_int_equal(k.kind, keys[i].kind);
		assert_int_equal(score_key_format(&k, text), strlen(keys[i].told));
		assert_string_equal(text, keys[i].told);
	}
	assert_false(score_key_parse(s, SLICE(""), &k));
	assert_false(score_key_parse(s, SLICE("192.0.2.7/24"), &k)); /* host bits: mostly a typing error */
	static const char *const nobodys[] = { ".example.org", "example.org.", "<joe@example.org>", "@example.org",
		"joe@", "256.0.2.7", "192.0.2", "192.0.2.7.1" };
	for (unsigned i = 0; i < sizeof nobodys / sizeof *nobodys; i++)
		assert_false(score_key_parse(s, slice_str(nobodys[i]), &k)); /* a block of it would be none */
	enum score_key_kind kind;
	assert_true(score_key_kind_find(SLICE("sender.domain"), &kind) && kind == SCORE_KEY_SENDER_DOMAIN);
	assert_false(score_key_kind_find(SLICE("senders"), &kind));
	score_store_free(&s);
}

static void hidden_keys_keep_no_text(void **state)
{
	(void)state;
	struct score_store *s = make(1 << 20);
	struct score_key open, hidden, net;
	struct score_entry e;
	struct score_hold h = { .kind = SCORE_HOLD_BLOCK, .until_ms = T0 + HOUR };
	struct ip ip;
	char text[SCORE_KEY_TEXT];
	assert_true(score_key_parse(s, SLICE("joe@example.org"), &open));
	score_store_hide(s, true);
	assert_true(score_key_parse(s, SLICE("joe@example.org"), &hidden));
	assert_true(hidden.hash == open.hash && hidden.len == 0);
	assert_null(memmem(hidden.bytes, sizeof hidden.bytes, "joe", 3));
	(void)score_record_charge(s, &hidden, 5, HOUR, 1, T0);
	assert_int_equal(score_store_list(s, SCORE_ANY_KIND, HOUR, T0, &e, 1), 1);
	assert_int_equal(score_key_format(&e.key, text), 17);
	assert_true(text[0] == '#');
	assert_true(score_record_delete(s, &open)); /* found all the same */
	assert_true(score_key_parse(s, SLICE("192.0.2.0/24"), &net) && ip_parse(SLICE("192.0.2.7"), &ip));
	assert_true(score_hold_set(s, &net, &h, 1, T0) && score_hold_client(s, &ip, T0, &h));
	score_store_free(&s);
}

static void the_list_has_the_highest_first(void **state)
{
	(void)state;
	struct score_store *s = make(4 << 20);
	enum { KEYS = 5000, TOP = 100 };
	static struct score_entry top[KEYS];
	char text[SCORE_KEY_TEXT];
	for (unsigned i = 0; i < KEYS; i++) {
		int n = snprintf(text, sizeof text, "k%u", i);
		struct score_key k = score_key_text(
			s, i % 2 ? SCORE_KEY_SENDER : SCORE_KEY_RECIPIENT, slice_of(text, (size_t)n));
		(void)score_record_charge(s, &k, i * 7919u % KEYS + 1, HOUR, i, T0);
		(void)score_count_add(s, &k, &(struct score_window){ 9, 1000 }, 99, i, T0); /* no record */
	}
	assert_int_equal(score_store_list(s, SCORE_ANY_KIND, HOUR, T0 + HOUR, top, TOP), TOP);
	for (unsigned i = 0; i < TOP; i++)
		assert_int_equal((int)(top[i].points * 2 + 0.5), KEYS - i);
	assert_int_equal(score_store_list(s, SCORE_KEY_SENDER, HOUR, T0, top, KEYS), KEYS / 2);
	for (unsigned i = 0; i < KEYS / 2; i++) {
		assert_int_equal(top[i].key.kind, SCORE_KEY_SENDER);
		assert_true(i == 0 || top[i].points < top[i - 1].points);
	}
	assert_int_equal(score_store_list(s, SCORE_ANY_KIND, HOUR, T0, top, 0), 0);
	score_store_free(&s);
}

static void blocks_are_listed_by_their_end(void **state)
{
	(void)state;
	struct score_store *s = make(1 << 20);
	struct score_held held[8];
	static const char *const keys[] = { "192.0.2.1", "192.0.2.0/24", "a@b.org", "b.org" };
	char text[SCORE_KEY_TEXT];
	for (unsigned i = 0; i < 4; i++) {
		struct score_hold h = { .kind = SCORE_HOLD_BLOCK, .until_ms = T0 + (4 - i) * HOUR };
		struct score_key k;
		assert_true(score_key_parse(s, slice_str(keys[i]), &k) && score_hold_set(s, &k, &h, 1, T0));
	}
	assert_int_equal(score_hold_list(s, T0 + HOUR, held, 8), 3); /* one is over */
	for (unsigned i = 0; i < 3; i++) {
		(void)score_key_format(&held[i].key, text);
		assert_string_equal(text, keys[2 - i]);
	}
	score_store_free(&s);
}

static void show_and_delete(void **state)
{
	(void)state;
	struct score_store *s = make(1 << 20);
	struct score_key k;
	struct score_shown shown;
	struct score_hold h = { .kind = SCORE_HOLD_BLOCK, .until_ms = T0 + HOUR };
	assert_true(score_key_parse(s, SLICE("192.0.2.1"), &k));
	assert_false(score_store_show(s, &k, HOUR, &limits, T0, &shown));
	assert_false(score_store_delete(s, &k, true));
	(void)score_record_charge(s, &k, 80, HOUR, 1, T0);
	(void)score_known_accepted(s, &k, &limits, 1, T0);
	assert_true(score_hold_set(s, &k, &h, 1, T0));
	assert_true(score_store_show(s, &k, HOUR, &limits, T0 + HOUR / 2, &shown));
	assert_float_equal(shown.record.points, 56.5685, 0.001);
	assert_true(shown.known.good && shown.hold.kind == SCORE_HOLD_BLOCK);
	assert_true(score_store_delete(s, &k, false)); /* the record alone */
	assert_false(score_store_delete(s, &k, false));
	assert_true(score_store_show(s, &k, HOUR, &limits, T0, &shown));
	assert_true(shown.record.first_s == 0 && shown.known.good && shown.hold.kind == SCORE_HOLD_BLOCK);
	assert_true(score_store_delete(s, &k, true));
	assert_false(score_store_show(s, &k, HOUR, &limits, T0, &shown));
	score_store_free(&s);
}

/* Every entry of a store goes over into one of another size. */
static void slots_find_their_place_in_another_store(void **state)
{
	(void)state;
	struct score_store *from = make(1 << 20), *to = make(3 << 20);
	struct score_hold h = { .kind = SCORE_HOLD_BLOCK, .until_ms = T0 + HOUR };
	struct score_shown shown;
	struct score_window w = { 5, 1000 };
	for (unsigned i = 0; i < 50; i++) {
		struct ip ip = { { 0x20, 1, (uint8_t)i } };
		struct score_key k = score_key_ip(from, SCORE_KEY_CLIENT, &ip, 64);
		(void)score_record_charge(from, &k, i, HOUR, i, T0);
		(void)score_known_accepted(from, &k, &limits, i, T0);
		score_distinct_add(from, &k, &w, &k, i, T0);
		assert_true(score_hold_set(from, &k, &h, i, T0));
	}
	for (unsigned t = 0; t < STORE_TABLES; t++) {
		struct slot_walk walk = { .table = &from->tables[t] };
		for (const void *e; (e = slot_walk_next(&walk));)
			assert_true(slot_put(to, (enum score_table_name)t, e, T0));
	}
	for (unsigned i = 0; i < 50; i++) {
		struct ip ip = { { 0x20, 1, (uint8_t)i } };
		struct score_key k = score_key_ip(to, SCORE_KEY_CLIENT, &ip, 64);
		assert_true(score_store_show(to, &k, HOUR, &limits, T0, &shown));
		assert_float_equal(shown.record.points, i, 1e-9);
		assert_true(shown.known.good && shown.hold.kind == SCORE_HOLD_BLOCK);
		assert_true(score_hold_client(to, &ip, T0, &h));
		assert_float_equal(score_distinct_get(to, &k, &w, T0), 1, 0);
	}
	score_store_free(&from);
	score_store_free(&to);
}

static void slots_without_sense_are_refused(void **state)
{
	(void)state;
	struct score_store *s = make(1 << 20);
	uint32_t now_s = (uint32_t)(T0 / 1000);
	const struct score_slot good = { .head = { .tag = 77, .first_s = now_s, .last_s = now_s, .kind = SLOT_RECORD,
						 .life = 20 }, .u.record = { .points = 5 } };
	struct score_slot e = good;
	e.head.kind = SLOT_KNOWN;
	assert_false(slot_put(s, STORE_MAIN, &e, T0));
	e = good, e.head.life = 64;
	assert_false(slot_put(s, STORE_MAIN, &e, T0));
	e = good, e.head.key_kind = SCORE_KEY_KINDS;
	assert_false(slot_put(s, STORE_MAIN, &e, T0));
	e = good, e.u.record.points = __builtin_nan("");
	assert_false(slot_put(s, STORE_MAIN, &e, T0));
	e = good, e.head.tag = SLOT_DELETED;
	assert_false(slot_put(s, STORE_MAIN, &e, T0));
	assert_false(slot_put(s, STORE_MAIN, &good, T0 + ((uint64_t)1 << 21) * 1000)); /* its time is over */
	assert_true(slot_put(s, STORE_MAIN, &good, T0));
	e = good, e.head.last_s--, e.head.first_s--;
	assert_false(slot_put(s, STORE_MAIN, &e, T0)); /* older than the one there */
	struct distinct_slot many = { .head = good.head, .n = DISTINCT_EXACT + 1 };
	many.head.kind = SLOT_DISTINCT;
	assert_false(slot_put(s, STORE_DISTINCT, &many, T0));
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_seen_from_their_form),
		cmocka_unit_test(hidden_keys_keep_no_text),
		cmocka_unit_test(the_list_has_the_highest_first),
		cmocka_unit_test(blocks_are_listed_by_their_end),
		cmocka_unit_test(show_and_delete),
		cmocka_unit_test(slots_find_their_place_in_another_store),
		cmocka_unit_test(slots_without_sense_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
