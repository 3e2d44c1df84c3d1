/* A switch to log.addresses = "hash": nothing in clear is left in the store, nor in what is written of it. */
#include "tests/score/snapshot_help.h"

#include <stdio.h>

#include "score/block.h"
#include "score/distinct.h"
#include "score/inspect.h"
#include "score/known.h"
#include "score/usual.h"

static const char *const typed[] = { "joe@a.test", "a-long-local-part@and-a-long.domain.test", "bot.test", "192.0.2.7",
	"192.0.2.0/24" };
enum { KEYS = sizeof typed / sizeof *typed };
static const struct slice clear[] = { SLICE_INIT("joe@a"), SLICE_INIT("a-long-local"), SLICE_INIT("bot.te"),
	SLICE_INIT("\xff\xff\xc0\x00\x02") };
enum { CLEARS = sizeof clear / sizeof *clear };
static const struct score_window window = { 9, 1000 };
static const struct score_known_limits limits = { .messages = 1, .refused_share = 1 };

static unsigned in_clear(struct score_store *s)
{
	struct buf file = written(s);
	unsigned found = 0;
	for (unsigned i = 0; i < CLEARS; i++)
		found += memmem(file.data + file.start, buf_len(&file), clear[i].p, clear[i].n) != NULL;
	buf_release(&file);
	return found;
}

/* An entry of each kind for each key, and one counter for two keys together. */
static struct score_store *with_entries(void)
{
	struct score_store *s = empty(MB);
	struct score_hold h = { .kind = SCORE_HOLD_BLOCK, .until_ms = T0 + HOUR };
	struct score_key k, first = score_key_text(s, SCORE_KEY_SENDER, slice_str(typed[0]));
	for (unsigned i = 0; i < KEYS; i++) {
		assert_true(score_key_parse(s, slice_str(typed[i]), &k));
		struct score_key pair = score_key_pair(k, first);
		(void)score_record_charge(s, &k, 5, HOUR, 1, T0);
		(void)score_count_add(s, &k, &window, 2, 1, T0);
		(void)score_count_add(s, &pair, &window, 3, 1, T0);
		(void)score_distinct_add(s, &k, &window, &first, 1, T0);
		(void)score_usual_add(s, &k, &window, 1, 1, T0);
		(void)score_known_accepted(s, &k, &limits, 1, T0);
		assert_true(score_hold_set(s, &k, &h, 1, T0));
	}
	return s;
}

static bool is_listed(struct score_store *s, const struct score_key *k)
{
	struct score_entry e[KEYS];
	char name[SCORE_KEY_TEXT], wanted[SCORE_KEY_TEXT];
	(void)score_key_format(k, wanted);
	assert_true(wanted[0] == '#');
	for (size_t n = score_store_list(s, SCORE_ANY_KIND, HOUR, T0, e, KEYS); n > 0; n--) {
		(void)score_key_format(&e[n - 1].key, name);
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* Each key is found by who knows it, and is listed under the name that it has from now on. */
static void all_are_there(struct score_store *s)
{
	for (unsigned i = 0; i < KEYS; i++) {
		struct score_key k;
		struct score_hold h;
		struct score_known known;
		assert_true(score_key_parse(s, slice_str(typed[i]), &k));
		assert_true(score_record_get(s, &k, HOUR, T0).points >= 5);
		assert_int_equal(score_count_get(s, &k, &window, T0), 2);
		assert_true(score_hold_get(s, &k, T0, &h));
		score_known_get(s, &k, &limits, &known);
		assert_int_equal(known.accepted, 1);
		assert_true(is_listed(s, &k));
	}
}

static void what_is_there_is_hidden_at_the_switch(void **state)
{
	(void)state;
	struct score_store *s = with_entries();
	assert_int_equal(in_clear(s), CLEARS);
	score_store_hide(s, true);
	assert_int_equal(in_clear(s), 0);
	all_are_there(s);
	score_store_free(&s);
}

static void what_a_snapshot_brings_is_hidden(void **state)
{
	(void)state;
	struct score_store *s = with_entries(), *hidden = empty(MB);
	struct buf file = written(s);
	score_store_hide(hidden, true);
	(void)read_all(buf_slice(&file), hidden);
	assert_int_equal(in_clear(hidden), 0);
	all_are_there(hidden);
	buf_release(&file);
	score_store_free(&s);
	score_store_free(&hidden);
}

/* A worker made the key before the switch and the entry behind it. */
static void a_key_made_before_leaves_no_text(void **state)
{
	(void)state;
	struct score_store *s = empty(MB);
	struct score_key k = score_key_text(s, SCORE_KEY_SENDER, slice_str(typed[0]));
	score_store_hide(s, true);
	(void)score_record_charge(s, &k, 5, HOUR, 1, T0);
	(void)score_count_add(s, &k, &window, 2, 1, T0);
	assert_int_equal(in_clear(s), 0);
	score_store_free(&s);
}

static void turned_off_new_ones_have_their_text(void **state)
{
	(void)state;
	struct score_store *s = empty(MB);
	score_store_hide(s, true);
	score_store_hide(s, false);
	struct score_key k = score_key_text(s, SCORE_KEY_SENDER, slice_str(typed[0]));
	(void)score_record_charge(s, &k, 5, HOUR, 1, T0);
	assert_int_equal(in_clear(s), 1);
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_hidden_at_the_switch),
		cmocka_unit_test(what_a_snapshot_brings_is_hidden),
		cmocka_unit_test(a_key_made_before_leaves_no_text),
		cmocka_unit_test(turned_off_new_ones_have_their_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
