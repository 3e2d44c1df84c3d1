#include "rcpt/reply.h"

#include "tests/base/cmocka_setup.h"

static enum rcpt_reply_event feed(struct rcpt_reply *r, struct slice in, size_t cut, size_t *left_r)
{
	struct slice first = slice_of(in.p, cut), rest = slice_skip(in, cut);
	enum rcpt_reply_event event = rcpt_reply_feed(r, &first);
	*left_r = first.n + rest.n;
	if (event != RCPT_REPLY_MORE)
		return event;
	assert_int_equal(first.n, 0);
	event = rcpt_reply_feed(r, &rest);
	*left_r = rest.n;
	return event;
}

/* Whole, and cut at every byte. */
static void assert_reply(struct slice in, enum rcpt_reply_event wanted, size_t left, enum rcpt_answer answer)
{
	for (size_t cut = 0; cut <= in.n; cut++) {
		struct rcpt_reply r = { 0 };
		struct slice why;
		size_t rest;
		assert_int_equal(feed(&r, in, cut, &rest), wanted);
		if (wanted != RCPT_REPLY_WHOLE)
			continue;
		assert_int_equal(rest, left);
		assert_int_equal(rcpt_reply_meaning(&r, &why), answer);
	}
}

static void what_replies_mean(void **state)
{
	(void)state;
	assert_reply(SLICE("2:OK,"), RCPT_REPLY_WHOLE, 0, RCPT_YES);
	assert_reply(SLICE("3:OK ,"), RCPT_REPLY_WHOLE, 0, RCPT_YES);
	assert_reply(SLICE("7:OK a, b,"), RCPT_REPLY_WHOLE, 0, RCPT_YES);
	assert_reply(SLICE("9:NOTFOUND ,"), RCPT_REPLY_WHOLE, 0, RCPT_NOT_FOUND);
	assert_reply(SLICE("8:NOTFOUND,"), RCPT_REPLY_WHOLE, 0, RCPT_NOT_FOUND);
	assert_reply(SLICE("6:TEMP x,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("9:TIMEOUT x,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("6:PERM x,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("0:,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("3:OKA,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("2:ok,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("3: OK,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("3:OK\0,"), RCPT_REPLY_WHOLE, 0, RCPT_FAILED);
	assert_reply(SLICE("2:OK,2:OK,"), RCPT_REPLY_WHOLE, 5, RCPT_YES);
}

static void what_is_no_reply(void **state)
{
	(void)state;
	static const struct slice BROKEN[] = { SLICE_INIT(":"), SLICE_INIT("x"), SLICE_INIT(" 2:OK,"),
		SLICE_INIT("-1:"), SLICE_INIT("02:OK,"), SLICE_INIT("00:,"), SLICE_INIT("2:OK;"), SLICE_INIT("2:OKx"),
		SLICE_INIT("0:x"), SLICE_INIT("100001:"), SLICE_INIT("99999999999999999999:"), SLICE_INIT("2 OK") };
	static const struct slice MORE[] = { SLICE_INIT(""), SLICE_INIT("1"), SLICE_INIT("2:"), SLICE_INIT("2:O"),
		SLICE_INIT("2:OK"), SLICE_INIT("0:"), SLICE_INIT("100000:x") };
	for (size_t i = 0; i < sizeof BROKEN / sizeof *BROKEN; i++)
		assert_reply(BROKEN[i], RCPT_REPLY_BROKEN, 0, RCPT_FAILED);
	for (size_t i = 0; i < sizeof MORE / sizeof *MORE; i++)
		assert_reply(MORE[i], RCPT_REPLY_MORE, 0, RCPT_FAILED);
}

static void a_long_reply_is_kept_in_part(void **state)
{
	(void)state;
	struct buf in = { 0 };
	struct rcpt_reply r = { 0 };
	struct slice why;
	assert_true(buf_put(&in, SLICE("100000:TEMP ")));
	for (int i = 0; i < 99995; i++)
		assert_true(buf_put(&in, SLICE("y")));
	assert_true(buf_put(&in, SLICE(",")));
	struct slice all = buf_slice(&in);
	assert_int_equal(rcpt_reply_feed(&r, &all), RCPT_REPLY_WHOLE);
	assert_int_equal(rcpt_reply_meaning(&r, &why), RCPT_FAILED);
	assert_int_equal(why.n, RCPT_REPLY_KEPT);
	buf_release(&in);
}

static void a_request_is_a_netstring(void **state)
{
	(void)state;
	struct buf out = { 0 };
	assert_true(rcpt_request_put(&out, SLICE("virtual"), SLICE("a b,@x")));
	assert_slice(buf_slice(&out), "14:virtual a b,@x,");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_replies_mean),
		cmocka_unit_test(what_is_no_reply),
		cmocka_unit_test(a_long_reply_is_kept_in_part),
		cmocka_unit_test(a_request_is_a_netstring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
