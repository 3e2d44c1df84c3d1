#include "tests/base/cmocka_setup.h"

#include "base/buf.h"
#include "base/mem.h"
#include "smtp/body_in.h"
#include "smtp/body_out.h"

#include <stdlib.h>

enum { PLENTY = 1 << 20 };

/* The exact size, for the sanitizer. */
static enum smtp_body_out_result write_piece(struct smtp_body_out *w, struct slice s, struct buf *out)
{
	char *copy = malloc(s.n ? s.n : 1);
	if (s.n)
		memcpy(copy, s.p, s.n);
	struct slice chunk = slice_of(copy, s.n);
	enum smtp_body_out_result got = smtp_body_out_write(w, &chunk, out, PLENTY);
	if (got == SMTP_BODY_OUT_MORE)
		assert_int_equal(chunk.n, 0);
	free(copy);
	return got;
}

/* Writes `in` cut at `a` and `b`. False: refused. */
static bool stuffed(struct slice in, size_t a, size_t b, struct buf *out)
{
	struct smtp_body_out w;
	smtp_body_out_init(&w);
	buf_clear(out);
	if (write_piece(&w, slice_of(in.p, a), out) == SMTP_BODY_OUT_FAULT ||
		write_piece(&w, slice_of(in.p + a, b - a), out) == SMTP_BODY_OUT_FAULT ||
		write_piece(&w, slice_of(in.p + b, in.n - b), out) == SMTP_BODY_OUT_FAULT) {
		assert_int_equal(smtp_body_out_end(&w, out), SMTP_BODY_OUT_FAULT);
		return false;
	}
	return smtp_body_out_end(&w, out) == SMTP_BODY_OUT_MORE;
}

static void check(struct slice in, const char *wanted)
{
	struct buf out = { 0 };
	for (size_t a = 0; a <= in.n; a++) {
		for (size_t b = a; b <= in.n; b++) {
			bool taken = stuffed(in, a, b, &out);
			assert_int_equal(taken, wanted != NULL);
			if (wanted)
				assert_slice(buf_slice(&out), wanted);
		}
	}
	buf_release(&out);
}

static void bodies_are_stuffed_and_ended(void **state)
{
	(void)state;
	check(SLICE(""), ".\r\n");
	check(SLICE("a\r\n"), "a\r\n.\r\n");
	check(SLICE("a"), "a\r\n.\r\n");
	check(SLICE("\r\n"), "\r\n.\r\n");
	check(SLICE("."), "..\r\n.\r\n");
	check(SLICE(".\r\n"), "..\r\n.\r\n");
	check(SLICE("..\r\n"), "...\r\n.\r\n");
	check(SLICE("a.b\r\n.c\r\n\r\n.\r\n.\r\nQUIT\r\n"), "a.b\r\n..c\r\n\r\n..\r\n..\r\nQUIT\r\n.\r\n");
	check(SLICE("a line that is longer than a vector\r\n.and another one of that kind"),
		"a line that is longer than a vector\r\n..and another one of that kind\r\n.\r\n");
	check(SLICE("\x80\xff\x01\t\r\n"), "\x80\xff\x01\t\r\n.\r\n");
}

static void stray_line_ends_and_nul_are_refused(void **state)
{
	(void)state;
	const struct slice bad[] = {
		SLICE_INIT("\n"),
		SLICE_INIT("\r"),
		SLICE_INIT("a\n.\r\n"),
		SLICE_INIT("a\n.\nb\r\n"),
		SLICE_INIT("a\r.\r\n"),
		SLICE_INIT("a\r\r\n"),
		SLICE_INIT("\r\n\r.\r\n"),
		SLICE_INIT("a\r\n\n"),
		SLICE_INIT("a\r\n.\n"),
		SLICE_INIT("\0"),
		SLICE_INIT("a\0\r\n"),
		SLICE_INIT("a\r\0\n"),
		SLICE_INIT("a\r\n\0"),
		SLICE_INIT("a\r\n.\0"),
		SLICE_INIT("a\r\n.\r"),
		SLICE_INIT("0123456789abcdef0123456789abcdef\nx\r\n"),
		SLICE_INIT("0123456789abcde\rx0123456789abcdef\r\n"),
		SLICE_INIT("0123456789abcdef012345678\0abcdef01\r\n"),
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		check(bad[i], NULL);
}

/* Wherever in a long line or vector the one bad byte lies. */
static void a_bad_byte_is_found_at_every_place(void **state)
{
	(void)state;
	char line[102];
	struct buf out = { 0 };
	for (size_t i = 0; i < 100; i++) {
		for (size_t kind = 0; kind < 3; kind++) {
			memset(line, 'x', 100);
			memcpy(line + 100, "\r\n", 2);
			line[i] = "\r\n"[kind]; /* the third is NUL */
			assert_int_equal(stuffed(slice_of(line, 102), 0, 102, &out), false);
		}
	}
	buf_release(&out);
}

static void a_fault_is_for_good_and_nothing_follows_the_end(void **state)
{
	(void)state;
	struct smtp_body_out w;
	struct buf out = { 0 };
	smtp_body_out_init(&w);
	assert_int_equal(write_piece(&w, SLICE("a\n"), &out), SMTP_BODY_OUT_FAULT);
	assert_int_equal(write_piece(&w, SLICE("fine\r\n"), &out), SMTP_BODY_OUT_FAULT);
	struct slice clean = SLICE("fine\r\n");
	assert_int_equal(smtp_body_out_pass(&w, &clean, 100).n, 0);
	size_t n = buf_len(&out);
	assert_int_equal(smtp_body_out_end(&w, &out), SMTP_BODY_OUT_FAULT);
	assert_int_equal(buf_len(&out), n);

	smtp_body_out_init(&w);
	assert_int_equal(smtp_body_out_end(&w, &out), SMTP_BODY_OUT_MORE);
	assert_int_equal(write_piece(&w, SLICE("late\r\n"), &out), SMTP_BODY_OUT_FAULT);
	assert_int_equal(smtp_body_out_end(&w, &out), SMTP_BODY_OUT_FAULT);
	buf_release(&out);
}

/* Clean lines of any length, many of them beginning with dots. */
static size_t make_body(char *p, size_t room)
{
	size_t n = 0;
	while (room - n > 100 && rand() % 40) {
		for (int dots = rand() % 4 ? 0 : rand() % 4; dots > 0; dots--)
			p[n++] = '.';
		for (int i = rand() % (rand() % 3 ? 8 : 70); i > 0; i--) {
			char c = (char)rand();
			p[n++] = c == '\r' || c == '\n' || c == 0 ? '.' : c;
		}
		p[n++] = '\r';
		p[n++] = '\n';
	}
	return n;
}

/* What body_in makes of a wire body, by pieces of at most `step`. */
static void take_in(struct slice wire, size_t step, struct buf *got)
{
	struct smtp_body_in in;
	struct smtp_body_scratch scratch;
	struct slice data;
	enum smtp_body_in_result r = SMTP_BODY_IN_MORE;
	smtp_body_in_init(&in, SMTP_STRAY_REFUSE, SMTP_STRAY_REFUSE, 0);
	buf_clear(got);
	while (r != SMTP_BODY_IN_END) {
		assert_true(wire.n > 0);
		struct slice piece = slice_of(wire.p, wire.n < step ? wire.n : step);
		size_t n = piece.n;
		while ((r = smtp_body_in_next(&in, &piece, &scratch, &data)) == SMTP_BODY_IN_DATA)
			assert_true(buf_put(got, data));
		wire = slice_skip(wire, n - piece.n);
	}
	assert_int_equal(in.fault, SMTP_FAULT_NONE);
	assert_int_equal(wire.n, 0);
}

static void what_goes_out_comes_in_again(void **state)
{
	(void)state;
	static char body[4096];
	struct buf wire = { 0 }, back = { 0 };
	srand(7);
	for (int round = 0; round < 3000; round++) {
		struct smtp_body_out w;
		struct slice rest = slice_of(body, make_body(body, sizeof body));
		size_t n = rest.n;
		smtp_body_out_init(&w);
		buf_clear(&wire);
		while (rest.n) {
			struct slice piece = slice_of(rest.p, 1 + (size_t)rand() % rest.n);
			rest = slice_skip(rest, piece.n);
			assert_int_equal(smtp_body_out_write(&w, &piece, &wire, PLENTY), SMTP_BODY_OUT_MORE);
		}
		assert_int_equal(smtp_body_out_end(&w, &wire), SMTP_BODY_OUT_MORE);
		take_in(buf_slice(&wire), 1 + (size_t)rand() % 500, &back);
		assert_int_equal(buf_len(&back), n);
		assert_true(slice_eq(buf_slice(&back), slice_of(body, n)));
	}
	buf_release(&wire);
	buf_release(&back);
}

/* Whatever the bytes: what is not refused has no stray line end, no NUL, and one end. */
static void what_is_taken_is_one_mail(void **state)
{
	(void)state;
	static const char kinds[] = "\r\n\0.x\r\n.\r\n";
	struct buf out = { 0 }, back = { 0 };
	size_t taken = 0, refused = 0;
	srand(11);
	for (int round = 0; round < 200000; round++) {
		char in[12];
		size_t n = (size_t)rand() % sizeof in, cut = n ? (size_t)rand() % n : 0;
		for (size_t i = 0; i < n; i++) {
			in[i] = kinds[(size_t)rand() % (sizeof kinds - 1)];
			if (in[i] == '\r' && i + 1 < n && rand() % 4)
				in[++i] = '\n';
		}
		if (stuffed(slice_of(in, n), cut, n, &out)) {
			take_in(buf_slice(&out), 3, &back);
			taken++;
		} else {
			refused++;
		}
	}
	assert_true(taken > 1000 && refused > 1000);
	buf_release(&out);
	buf_release(&back);
}

static void stops_when_out_is_full(void **state)
{
	(void)state;
	const struct slice body = SLICE("....\r\n.\r\n..\r\nsome text that is a bit longer\r\n.x\r\n");
	struct buf whole = { 0 }, out = { 0 }, got = { 0 };
	assert_true(stuffed(body, 0, body.n, &whole));
	for (size_t max = 2; max < whole.cap && max < 80; max++) {
		struct smtp_body_out w;
		struct slice rest = body;
		smtp_body_out_init(&w);
		buf_clear(&got);
		while (smtp_body_out_write(&w, &rest, &out, max) == SMTP_BODY_OUT_FULL) {
			assert_in_range(buf_len(&out), max - 1, max);
			assert_true(buf_put(&got, buf_slice(&out)));
			buf_clear(&out);
		}
		assert_int_equal(rest.n, 0);
		assert_int_equal(smtp_body_out_end(&w, &out), SMTP_BODY_OUT_MORE);
		assert_true(buf_put(&got, buf_slice(&out)));
		buf_clear(&out);
		assert_true(slice_eq(buf_slice(&got), buf_slice(&whole)));
	}
	buf_release(&whole);
	buf_release(&out);
	buf_release(&got);
}

static void lost_memory_can_be_tried_again(void **state)
{
	(void)state;
	struct smtp_body_out w;
	struct buf out = { 0 };
	struct slice rest = SLICE(".a\r\n");
	smtp_body_out_init(&w);
	mem_fail_after(0);
	assert_int_equal(smtp_body_out_write(&w, &rest, &out, PLENTY), SMTP_BODY_OUT_NO_MEMORY);
	mem_fail_after(-1);
	assert_int_equal(smtp_body_out_write(&w, &rest, &out, PLENTY), SMTP_BODY_OUT_MORE);
	assert_slice(buf_slice(&out), "..a\r\n");
	buf_release(&out);
	mem_fail_after(0);
	assert_int_equal(smtp_body_out_end(&w, &out), SMTP_BODY_OUT_NO_MEMORY);
	mem_fail_after(-1);
	assert_int_equal(smtp_body_out_end(&w, &out), SMTP_BODY_OUT_MORE);
	assert_slice(buf_slice(&out), ".\r\n");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_stuffed_and_ended),
		cmocka_unit_test(stray_line_ends_and_nul_are_refused),
		cmocka_unit_test(a_bad_byte_is_found_at_every_place),
		cmocka_unit_test(a_fault_is_for_good_and_nothing_follows_the_end),
		cmocka_unit_test(what_goes_out_comes_in_again),
		cmocka_unit_test(what_is_taken_is_one_mail),
		cmocka_unit_test(stops_when_out_is_full),
		cmocka_unit_test(lost_memory_can_be_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
