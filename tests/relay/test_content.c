/* Which mails are the same, by the digest of a body that may lie in any pieces. */
#include "base/mem.h"
#include "relay/memory.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

static int begin(void **state)
{
	(void)state;
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
	rig_start(&g);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_stop(&g);
	return 0;
}

/* False: it cannot be read back. */
static bool digest(const struct relay_body *b, uint64_t id_r[2])
{
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", "a@example.test", "");
	m->body = *b;
	relay_expect(g.relay, m);
	struct relay_save *s = relay_reply_doubted(g.relay, m);
	if (s)
		memcpy(id_r, s->records[0].id, sizeof s->records[0].id);
	bool ok = s != NULL;
	relay_save_free(&s);
	return ok;
}

enum { SIZE = 100000 };
static char text[SIZE];

/* The first n bytes in blocks of `each`, the rest in a file; an empty block here and there. */
static bool digest_cut(size_t n, size_t each, FILE *file, uint64_t id_r[2])
{
	static struct rope_block blocks[2 * SIZE + 1];
	size_t used = 0;
	for (size_t at = 0; at < n; at += each) {
		blocks[used++] = (struct rope_block){ .bytes = slice_of(text + at, n - at < each ? n - at : each) };
		if (used % 3 == 0)
			blocks[used++] = (struct rope_block){ .bytes = slice_of(text, 0) };
	}
	for (size_t i = 1; i < used; i++)
		blocks[i - 1].next = &blocks[i];
	rewind(file);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	assert_int_equal(fwrite(text + n, 1, SIZE - n, file), SIZE - n);
	assert_int_equal(fflush(file), 0);
	struct relay_body b = { .mem = used ? blocks : NULL, .fd = fileno(file), .fd_size = SIZE - n };
	return digest(&b, id_r);
}

static void however_it_is_cut(void **state)
{
	(void)state;
	static const size_t IN_MEMORY[] = { 0, 1, 16383, 16384, 16385, 40000, 98304, SIZE };
	static const size_t EACH[] = { 1, 7, 16383, 16384, 16385, 50000 };
	FILE *file = tmpfile();
	uint64_t want[2], got[2];
	for (size_t i = 0; i < SIZE; i++)
		text[i] = (char)('a' + i % 23 + i / 5000 % 3);
	assert_true(digest_cut(SIZE, SIZE, file, want));
	for (size_t i = 0; i < sizeof IN_MEMORY / sizeof IN_MEMORY[0]; i++)
		for (size_t k = 0; k < sizeof EACH / sizeof EACH[0]; k++) {
			assert_true(digest_cut(IN_MEMORY[i], EACH[k], file, got));
			assert_memory_equal(got, want, sizeof got);
		}
	text[SIZE / 2] ^= 1;
	assert_true(digest_cut(40000, 7, file, got));
	assert_memory_not_equal(got, want, sizeof got);
	fclose(file);
}

static double digest_seconds(struct rope_block *blocks, size_t n)
{
	struct timespec from, to;
	uint64_t id[2];
	for (size_t i = 0; i < n; i++)
		blocks[i] = (struct rope_block){ .next = i + 1 < n ? &blocks[i + 1] : NULL,
			.bytes = slice_of(text, 16) };
	struct relay_body b = { .mem = blocks, .fd = -1 };
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	assert_true(digest(&b, id));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* Eight times as much takes about eight times as long, not 64 times. */
static void it_is_read_once(void **state)
{
	(void)state;
	enum { BLOCKS = 512 * 1024 };
	struct rope_block *blocks = mem_alloc(BLOCKS * sizeof *blocks);
	assert_non_null(blocks);
	double least = 1, most = 1;
	for (int i = 0; i < 3; i++) { /* the best of some: others may share the processor's caches */
		double few = digest_seconds(blocks, BLOCKS / 8), many = digest_seconds(blocks, BLOCKS);
		least = few < least ? few : least;
		most = many < most ? many : most;
	}
	if (most > least * 24)
		fail_msg("%d blocks: %.4f s, %d blocks: %.4f s", BLOCKS / 8, least, BLOCKS, most);
	mem_free(&blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(however_it_is_cut, begin, end),
		cmocka_unit_test_setup_teardown(it_is_read_once, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
