/* Many addresses of one sender become one key; different senders stay different. */
#include "tests/base/cmocka_setup.h"

#include "score/sender_key.h"

static void folds(const char *sender, const char *wanted)
{
	char out[SCORE_SENDER_KEY];
	size_t n = score_sender_fold(slice_str(sender), out);
	if (!slice_eq(slice_of(out, n), slice_str(wanted)))
		fail_msg("%s: \"%.*s\", not \"%s\"", sender, (int)n, out, wanted);
}

static void test_a_plain_sender_stays(void **state)
{
	(void)state;
	folds("", "");
	folds("Anna.Muster@Example.ORG", "anna.muster@example.org");
	folds("deadbeef@example.org", "deadbeef@example.org");
	folds("o'neil=x@example.org", "o'neil=x@example.org");
	folds("postmaster", "postmaster");
	folds("@", "@");
	folds("\"a@b\"@example.org", "\"a@b\"@example.org");
}

static void test_verp_digits_are_folded(void **state)
{
	(void)state;
	folds("bounce-1234-56=x@lists.example", "bounce-#-#=x@lists.example");
	folds("list-bounces.77a@example.org", "list-bounces.#a@example.org");
	folds("0100018b2c3d4e5f-0a1b2c3d-0000@ses.example", "#-#-#@ses.example");
	folds("b-7f3a9c2e1d@example.org", "b-#@example.org");
	folds("x@1-2.example.org", "x@1-2.example.org");
}

static void test_batv_and_srs_tags_go(void **state)
{
	(void)state;
	folds("prvs=123456789a=anna@example.org", "anna@example.org");
	folds("prvs=0987zyx=Anna@example.org", "anna@example.org");
	folds("btv1==061fe9ba==anna@example.org", "anna@example.org");
	folds("SRS0=HHH=TT=example.org=anna@forward.example", "example.org=anna@forward.example");
	folds("SRS0+aBc=9Z=example.org=anna@forward.example", "example.org=anna@forward.example");
	folds("SRS1=HHH=first.example==AAA=TT=example.org=anna@second.example", "example.org=anna@second.example");
	folds("prvs=x=@example.org", "prvs=x=@example.org");
	folds("srs0=@example.org", "srs#=@example.org");
	folds("prvs=@example.org", "prvs=@example.org");
}

static void test_an_extension_goes(void **state)
{
	(void)state;
	folds("anna+shop@example.org", "anna@example.org");
	folds("anna+a+b@example.org", "anna@example.org");
	folds("+anna@example.org", "+anna@example.org");
}

static void test_any_bytes_of_any_length_are_taken(void **state)
{
	(void)state;
	char out[SCORE_SENDER_KEY], longest[1000];
	memset(longest, 'a', sizeof longest);
	assert_int_equal(score_sender_fold(slice_of(longest, sizeof longest), out), SCORE_SENDER_KEY);
	memset(longest, '7', sizeof longest);
	assert_int_equal(score_sender_fold(slice_of(longest, sizeof longest), out), 1);
	static const char bytes[] = "a\0\xff@\n";
	assert_int_equal(score_sender_fold(slice_of(bytes, sizeof bytes - 1), out), sizeof bytes - 1);
	assert_memory_equal(out, bytes, sizeof bytes - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_sender_stays),
		cmocka_unit_test(test_verp_digits_are_folded),
		cmocka_unit_test(test_batv_and_srs_tags_go),
		cmocka_unit_test(test_an_extension_goes),
		cmocka_unit_test(test_any_bytes_of_any_length_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
