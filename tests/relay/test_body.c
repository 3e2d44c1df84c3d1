/* Bodies on their way: large ones, unreadable ones, and those that the backend does not want. */
#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

static void begin(enum fake_xclient x, struct fake_rule rule)
{
	rig_init(&g, fake_start(x, &rule, rule.on ? 1 : 0));
	rig_start(&g);
}

/* The backend hears of the end when it has read what was on its way. */
static void assert_left(void)
{
	for (uint64_t end = clock_mono_ms() + 10000; g.fake->open && clock_mono_ms() < end;)
		rig_run(&g, 20);
	assert_int_equal(g.fake->open, 0);
}

static int big_file(size_t lines)
{
	char path[] = "/tmp/relay_bodyXXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	for (size_t i = 0; i < lines; i++)
		assert_int_equal(write(fd, ".a line of a long body that starts with a dot\r\n", 47), 47);
	return fd;
}

enum { BLOCKS = 70, IN_MEMORY = BLOCKS * (ROPE_BLOCK - 1) };

/* Lines of 64 bytes, cut anywhere by the ends of blocks. */
static struct rope_block *big_rope(void)
{
	struct rope_block *first = NULL, *b;
	for (size_t i = BLOCKS; i-- > 0; first = b) {
		char *bytes = malloc(ROPE_BLOCK - 1);
		b = malloc(sizeof *b);
		assert_true(b && bytes);
		*b = (struct rope_block){ .next = first, .bytes = slice_of(bytes, ROPE_BLOCK - 1) };
		for (size_t k = 0; k < b->bytes.n; k++) {
			size_t column = (i * b->bytes.n + k) % 64;
			bytes[k] = column < 62 ? 'x' : column == 62 ? '\r' : '\n';
		}
	}
	return first;
}

static void rope_free(struct rope_block *b)
{
	for (struct rope_block *next; b; b = next) {
		next = b->next;
		free((char *)(uintptr_t)b->bytes.p);
		free(b);
	}
}

static struct relay_mail *deliver_rope(const struct rope_block *first)
{
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "", "u@example.test", "");
	m->body.mem = first;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	return m;
}

/* The second try begins with the first byte again. */
static void lost_on_its_way_from_memory_it_is_sent_anew(void **state)
{
	(void)state;
	struct rope_block *first = big_rope();
	begin(FAKE_NO_XCLIENT, RULE("BODY", FAKE_CLOSE, NULL, 1, 0));
	const struct relay_mail *m = deliver_rope(first);
	struct relay_done d = rig_wait(&g, m->ticket);
	rig_assert_starts(&d, 250, "");
	assert_int_equal(fake_seen(g.fake, ":DATA"), 2);
	assert_int_equal(fake_mails(g.fake), 1);
	/* the last line is not whole: its end is added */
	assert_int_equal(g.fake->mails[0].size, m->body.head.n + IN_MEMORY + (IN_MEMORY % 64 ? 2 : 0));
	rig_stop(&g);
	rope_free(first);
}

/* Its client is gone, and the memory with it. */
static void nothing_is_sent_from_memory_that_is_gone(void **state)
{
	(void)state;
	struct rope_block *first = big_rope();
	begin(FAKE_NO_XCLIENT, RULE("BODY", FAKE_SILENT, NULL, 1, 300)); /* reads on when the client is gone */
	const struct relay_mail *m = deliver_rope(first);
	rig_run(&g, 100);
	assert_int_equal(fake_seen(g.fake, ":DATA"), 1);
	relay_cancel(g.relay, m->ticket, clock_mono_ms());
	rope_free(first);
	assert_left();
	assert_int_equal(fake_mails(g.fake), 0);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	rig_stop(&g);
}

static void large_bodies_come_from_a_file(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE("BODY", FAKE_SILENT, NULL, 1, 100)); /* does not read for a while: back pressure */
	int fd = big_file(100000);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "", "u@example.test", "");
	m->body.fd = fd;
	m->body.fd_size = 4700000;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	struct relay_done d = rig_wait(&g, m->ticket);
	assert_int_equal(d.code, 250);
	assert_int_equal(g.fake->mails[0].size, 100000 * 48);
	close(fd);
	rig_stop(&g);
}

/* Refused in its midst, by a backend that reads on, one that says so in pieces, and one that closes at once: its words
 * are the answer, and the dot is not sent. */
static void a_body_refused_on_its_way(void **state)
{
	(void)state;
	static const struct fake_rule RULES[][2] = {
		{ { "BODY", FAKE_SAY, "552 5.3.4 too big\r\n", 1, 0 } },
		{ { "BODY", FAKE_SAY, "552-5.3.4 too big\r\n55", 1, 0 }, { "BODY", FAKE_SAY, "2 really\r\n", 1, 30 } },
		{ { "BODY", FAKE_SAY_AND_CLOSE, "552 5.3.4 too big\r\n", 1, 0 } },
		{ { "BODY", FAKE_SAY_AND_CLOSE, "552 5.3.4 too big\r\n", 1, 100 } },
		{ { "BODY", FAKE_SAY, "250 2.0.0 fine already\r\n", 1, 0 } },
	};
	int fd = big_file(100000);
	struct rope_block *first = big_rope();
	for (size_t k = 0; k < 10; k++) {
		size_t i = k / 2;
		rig_init(&g, fake_start(FAKE_NO_XCLIENT, RULES[i], 2));
		rig_start(&g);
		struct relay_mail *m = rig_mail(&g, "192.0.2.1", "", "u@example.test", "");
		m->body.mem = k % 2 ? first : NULL;
		m->body.fd = k % 2 ? -1 : fd;
		m->body.fd_size = k % 2 ? 0 : 4700000;
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		struct relay_done d = rig_wait(&g, m->ticket);
		if (i < 4)
			rig_assert_starts(&d, 552, "5.3.4 too big");
		else
			rig_assert_starts(&d, 451, "4.3.0");
		assert_int_equal(d.from, i < 4 ? RELAY_FROM_BACKEND : RELAY_FROM_US);
		assert_false(d.doubtful);
		rig_run(&g, 50);
		assert_left();
		assert_int_equal(fake_seen(g.fake, ":MAIL"), 1);
		assert_int_equal(fake_seen(g.fake, ":.\n"), 0);
		assert_int_equal(fake_mails(g.fake), 0);
		d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 250);
		rig_stop(&g);
	}
	rope_free(first);
	close(fd);
}

static void a_short_file_is_never_ended_with_a_dot(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, NO_RULE);
	int fd = big_file(10);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "");
	m->body.fd = fd;
	m->body.fd_size = 471;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	struct relay_done d = rig_wait(&g, m->ticket);
	rig_assert_starts(&d, 451, "4.3.0");
	m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "bare\nnewline\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	d = rig_wait(&g, m->ticket);
	rig_assert_starts(&d, 451, "4.3.0");
	rig_run(&g, 30);
	assert_int_equal(fake_mails(g.fake), 0);
	close(fd);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_bodies_come_from_a_file),
		cmocka_unit_test(lost_on_its_way_from_memory_it_is_sent_anew),
		cmocka_unit_test(nothing_is_sent_from_memory_that_is_gone),
		cmocka_unit_test(a_body_refused_on_its_way),
		cmocka_unit_test(a_short_file_is_never_ended_with_a_dot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
