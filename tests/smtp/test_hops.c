#include "smtp/hops.h"

#include <stdarg.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

static const struct {
	const char *text;
	uint32_t count;
	size_t header; /* bytes up to and with the empty line; 0: it does not end */
} VECTORS[] = {
	{ "", 0, 0 },
	{ "\r\nReceived: x\r\n", 0, 2 },
	{ "Received: a\r\nRECEIVED: b\r\n c\r\nreceived:\r\n\r\nReceived: d\r\n", 3, 43 },
	{ "Received : a\r\nX-Received: b\r\n Received: c\r\nReceive: d\r\nReceivedX: e\r\n\r\n", 0, 71 },
	{ "Subject: Received: x\r\nReceived: y\r\n", 1, 0 },
	{ "Re\r\nReceived:\r\n", 1, 0 },
	{ "Received", 0, 0 },
};

static void feed(const char *text, size_t step, uint32_t count, size_t header)
{
	struct smtp_hops h = { 0 };
	struct slice all = slice_str(text);
	size_t taken = 0;
	for (; all.n; all = slice_skip(all, step))
		taken += smtp_hops_feed(&h, slice_of(all.p, all.n < step ? all.n : step));
	assert_int_equal(h.count, count);
	assert_int_equal(h.done, header > 0);
	assert_int_equal(taken, header ? header : strlen(text));
}

static void vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++)
		for (size_t step = 1; step < 90; step++)
			feed(VECTORS[i].text, step, VECTORS[i].count, VECTORS[i].header);
}

/* A byte above 127 anywhere in the header, and only there. */
static void eight_bit(void **state)
{
	(void)state;
	char text[] = "Subject: abcdefghijklmnopq\r\nX: y\r\n\r\nbody of the mail\r\n";
	const size_t n = sizeof text - 1, header = 36;
	for (size_t at = 0; at < n; at++) {
		char was = text[at];
		if (was == '\r' || was == '\n')
			continue;
		text[at] = (char)0xe4;
		for (size_t step = 1; step < 70; step++) {
			struct smtp_hops h = { 0 };
			for (struct slice all = slice_of(text, n); all.n; all = slice_skip(all, step))
				(void)smtp_hops_feed(&h, slice_of(all.p, all.n < step ? all.n : step));
			assert_true(h.done);
			assert_int_equal(h.eight_bit, at < header);
		}
		text[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(vectors), cmocka_unit_test(eight_bit) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
