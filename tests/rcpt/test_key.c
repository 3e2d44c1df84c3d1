#include "rcpt/key.h"

#include "rcpt/link.h"
#include "tests/base/cmocka_setup.h"

static void assert_key(struct slice rcpt, const char *address, const char *local, const char *domain)
{
	struct rcpt_key k;
	assert_true(rcpt_key_set(&k, rcpt));
	assert_string_equal(k.address, address);
	assert_string_equal(k.local, local);
	assert_string_equal(k.domain, domain);
	assert_int_equal(k.address_n, strlen(address));
	assert_int_equal(k.local_n, strlen(local));
}

static void addresses_are_taken_apart(void **state)
{
	(void)state;
	assert_key(SLICE("Joe@EXAMPLE.test"), "Joe@example.test", "Joe", "example.test");
	assert_key(SLICE("\"joe\"@x.test"), "joe@x.test", "joe", "x.test");
	assert_key(SLICE("\"a\\\"b\\\\c d\"@x.test"), "a\"b\\c d@x.test", "a\"b\\c d", "x.test");
	assert_key(SLICE("\"a@b\"@x.test"), "a@b@x.test", "a@b", "x.test");
	assert_key(SLICE("o'hara@[192.0.2.1]"), "o'hara@[192.0.2.1]", "o'hara", "[192.0.2.1]");
	assert_key(SLICE("\"@x"), "\"@x", "\"", "x");
}

static void what_no_mailbox_has(void **state)
{
	(void)state;
	static const struct slice NONE[] = { SLICE_INIT(""), SLICE_INIT("joe"), SLICE_INIT("@x"), SLICE_INIT("joe@"),
		SLICE_INIT("\"\"@x"), SLICE_INIT("j\0e@x"), SLICE_INIT("j\ne@x"), SLICE_INIT("joe@x\0y"),
		SLICE_INIT("joe@x y"), SLICE_INIT("\"\\\0\"@x"), SLICE_INIT("j\177@x") };
	struct rcpt_key k;
	for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++)
		assert_false(rcpt_key_set(&k, NONE[i]));
	char longest[RCPT_KEY_MAX + 1];
	memset(longest, 'a', sizeof longest);
	longest[1] = '@';
	assert_true(rcpt_key_set(&k, slice_of(longest, RCPT_KEY_MAX)));
	assert_false(rcpt_key_set(&k, slice_of(longest, RCPT_KEY_MAX + 1)));
}

static void extensions_are_cut(void **state)
{
	(void)state;
	struct rcpt_key k;
	assert_true(rcpt_key_set(&k, SLICE("joe+a+b@x.test")));
	assert_false(rcpt_key_cut(&k, 0));
	assert_false(rcpt_key_cut(&k, '-'));
	assert_true(rcpt_key_cut(&k, '+'));
	assert_string_equal(k.address, "joe@x.test");
	assert_string_equal(k.local, "joe");
	assert_string_equal(k.domain, "x.test");
	assert_int_equal(k.address_n, 10);
	assert_false(rcpt_key_cut(&k, '+'));
	assert_true(rcpt_key_set(&k, SLICE("+joe@x.test")));
	assert_false(rcpt_key_cut(&k, '+'));
	assert_true(rcpt_key_set(&k, SLICE("joe@x+y.test")));
	assert_false(rcpt_key_cut(&k, '+'));
}

static void what_a_value_says(void **state)
{
	(void)state;
	static const char *const NO[] = { "", "0", "f", "F", "false", "n", "NO", "off" };
	static const char *const YES[] = { "1", "t", "true", "y", "joe/", "00", "nobody", " ", "2" };
	for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
		assert_int_equal(rcpt_heard_value(slice_str(NO[i])), RCPT_HEARD_NO);
	for (size_t i = 0; i < sizeof YES / sizeof *YES; i++)
		assert_int_equal(rcpt_heard_value(slice_str(YES[i])), RCPT_HEARD_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(what_no_mailbox_has),
		cmocka_unit_test(extensions_are_cut),
		cmocka_unit_test(what_a_value_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
