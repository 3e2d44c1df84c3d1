/* server/mail.h: a transaction's memory and what is handed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/mail.h"

#include "base/mem.h"

#include <stdio.h>

static struct rope_stock stock;
static const struct smtp_params NOTHING = { .size = 0 };

static void only_taken_recipients_are_handed_on(void **state)
{
	(void)state;
	struct spool_room room = { .folder = -1, .max_files = 1, .max_memory = 1 << 20 };
	struct mail *m = mail_new(7, 1, 9, 1000, &stock);
	assert_true(mail_set_sender(m, SLICE("a@b"), &NOTHING));
	for (int i = 0; i < 10; i++) {
		char text[32];
		int n = snprintf(text, sizeof text, "user%d@example.test", i);
		struct mail_rcpt *r = mail_add_rcpt(m, slice_of(text, (size_t)n), &NOTHING.rcpt);
		assert_non_null(r);
		r->code = i % 2 ? 250 : 550;
		m->taken += (uint32_t)(i % 2);
	}
	assert_int_equal(spool_append(&m->spool, &room, SLICE("Subject: x\r\n\r\n"), 100), SPOOL_OK);
	assert_true(mail_prepare(m, 7, 99));
	assert_int_equal(m->out.rcpts_n, 5);
	assert_true(slice_eq(m->out.rcpts[0], SLICE("user1@example.test")));
	assert_true(slice_eq(m->out.rcpts[4], SLICE("user9@example.test")));
	assert_true(slice_eq(m->out.body.mem->bytes, SLICE("Subject: x\r\n\r\n")));
	assert_int_equal(m->out.ticket, 99);
	mail_free(&m, &room);
	mail_free(&m, &room);
}

static size_t rcpts_that_fit(uint32_t rcpts)
{
	struct spool_room room = { .folder = -1 };
	static char big[300];
	struct mail *m = mail_new(7, 1, rcpts, 1000, &stock);
	size_t n = 0;
	memset(big, 'x', sizeof big);
	while (n < 100000 && mail_add_rcpt(m, slice_of(big, sizeof big), &NOTHING.rcpt))
		n++;
	mail_free(&m, &room);
	return n;
}

static void memory_is_bounded(void **state)
{
	(void)state;
	/* limits.recipients fit, a flood does not */
	assert_in_range(rcpts_that_fit(9), 1000, 5000);
	assert_in_range(rcpts_that_fit(1000), 1000, 5000);
	assert_in_range(rcpts_that_fit(20000), 20000, 80000);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	struct spool_room room = { .folder = -1, .max_memory = 1 << 20 };
	for (long nth = 0; nth < 4; nth++) {
		mem_fail_after(nth);
		struct mail *m = mail_new(1, 1, 9, 0, &stock);
		bool ok = m && mail_set_sender(m, SLICE("sender@example.test"), &NOTHING) &&
			  mail_add_rcpt(m, SLICE("rcpt@example.test"), &NOTHING.rcpt) &&
			  spool_append(&m->spool, &room, SLICE("body"), 100) == SPOOL_OK;
		mem_fail_after(-1);
		assert_int_equal(ok, nth >= 3);
		mail_free(&m, &room);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_taken_recipients_are_handed_on),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
