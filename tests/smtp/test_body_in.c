/* Bodies off the wire: the smuggling matrix, repair, dots, faults, whole and in every cut, beside a plain reference. */
#include "smtp/body_in.h"

#include "base/buf.h"
#include "server_driver.h"

#include <stdlib.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

struct got {
	struct buf body;
	struct slice rest; /* what follows the body */
	enum smtp_fault fault;
	bool ended, repaired, eight_bit;
};

/* Feeds `first` bytes, then pieces of `step`; each piece as an exact block of its own. */
static void take(struct slice in, size_t first, size_t step, enum smtp_stray lf, enum smtp_stray cr, uint64_t max,
		 struct got *g)
{
	struct smtp_body_in b;
	smtp_body_in_init(&b, lf, cr, max);
	*g = (struct got){ 0 };
	for (size_t at = 0, n = first; at < in.n && !g->ended; at += n, n = step) {
		n = in.n - at < n ? in.n - at : n;
		char *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		if (n)
			memcpy(exact, in.p + at, n);
		struct slice piece = slice_of(exact, n), data;
		struct smtp_body_scratch scratch;
		enum smtp_body_in_result r;
		while ((r = smtp_body_in_next(&b, &piece, &scratch, &data)) == SMTP_BODY_IN_DATA) {
			assert_true(data.n > 0);
			assert_true(buf_put(&g->body, data));
		}
		g->ended = r == SMTP_BODY_IN_END;
		if (g->ended)
			g->rest = slice_skip(in, at + n - piece.n);
		else
			assert_int_equal(piece.n, 0);
		free(exact);
	}
	g->fault = b.fault;
	g->repaired = b.repaired;
	g->eight_bit = b.eight_bit;
}

static void same(const struct got *a, const struct got *b)
{
	assert_int_equal(a->ended, b->ended);
	assert_int_equal(a->fault, b->fault);
	assert_int_equal(a->rest.n, b->rest.n);
	if (a->fault != SMTP_FAULT_NONE)
		return;
	assert_int_equal(a->repaired, b->repaired);
	assert_int_equal(a->eight_bit, b->eight_bit);
	assert_true(slice_eq(buf_slice(&a->body), buf_slice(&b->body)));
}

/* Every cut into two, and pieces of 1..70. */
static void every_cut(struct slice in, enum smtp_stray lf, enum smtp_stray cr, uint64_t max, const struct got *whole)
{
	struct got g;
	for (size_t first = 0; first <= in.n; first++) {
		take(in, first, in.n, lf, cr, max, &g);
		same(whole, &g);
		buf_release(&g.body);
	}
	for (size_t step = 1; step <= 70; step++) {
		take(in, step, step, lf, cr, max, &g);
		same(whole, &g);
		buf_release(&g.body);
	}
}

struct vector {
	struct slice in;
	struct slice body; /* with both repairs on; what is handed out */
	bool ended;
	enum smtp_fault strict; /* with both refused */
};

#define END(in, body) { SLICE_INIT(in), SLICE_INIT(body), true, SMTP_FAULT_NONE }
#define LF(in, body) { SLICE_INIT(in "\r\n.\r\n"), SLICE_INIT(body), true, SMTP_FAULT_BARE_LF }
#define CR(in, body) { SLICE_INIT(in "\r\n.\r\n"), SLICE_INIT(body), true, SMTP_FAULT_BARE_CR }

static const struct vector VECTORS[] = {
	END(".\r\n", ""),
	END("a\r\n.\r\n", "a\r\n"),
	END("\r\n.\r\n", "\r\n"),
	END("..\r\n.\r\n", ".\r\n"),
	END("...\r\n.\r\n", "..\r\n"),
	END(".a\r\na.\r\na..\r\n.\r\n", "a\r\na.\r\na..\r\n"),
	END("a\r\n\r\n..b\r\n.\r\n", "a\r\n\r\n.b\r\n"),
	END("\xe4\r\n.\r\n", "\xe4\r\n"),
	/* what must not end a body: each of the published smuggling forms, between "x" and "y" */
	LF("x\n.\ny", "x\r\n.\r\ny\r\n"),
	LF("x\n.\r\ny", "x\r\n.\r\ny\r\n"),
	LF("x\r\n.\ny", "x\r\n\r\ny\r\n"),
	CR("x\r.\ry", "x\r\n.\r\ny\r\n"),
	CR("x\r.\r\ny", "x\r\n.\r\ny\r\n"),
	CR("x\r\n.\ry", "x\r\n\r\ny\r\n"),
	CR("x\r.\ny", "x\r\n.\r\ny\r\n"),
	LF("x\n.\ry", "x\r\n.\r\ny\r\n"),
	CR("x\r\r\n.\r\r\ny", "x\r\n\r\n\r\n\r\ny\r\n"),
	CR("x\r\n\r.\r\ny", "x\r\n\r\n.\r\ny\r\n"),
	LF("x\n\n.\n\ny", "x\r\n\r\n.\r\n\r\ny\r\n"),
	LF("x\n\r\n..\r\ny", "x\r\n\r\n.\r\ny\r\n"),
	CR("x\r\n.\r.\r\ny", "x\r\n\r\n.\r\ny\r\n"),
	CR("x\r\n..\r.\r\ny", "x\r\n.\r\n.\r\ny\r\n"),
	LF("\n.\r\nx", "\r\n.\r\nx\r\n"),
	CR("\r.\r\nx", "\r\n.\r\nx\r\n"),
	/* a stray line end before the true end does not hide it */
	LF("x\n", "x\r\n\r\n"),
	CR("x\r", "x\r\n\r\n"),
	/* no end yet */
	{ SLICE_INIT("x\r\n."), SLICE_INIT("x\r\n"), false, SMTP_FAULT_NONE },
	{ SLICE_INIT("x\r\n.\r"), SLICE_INIT("x\r\n"), false, SMTP_FAULT_NONE },
	{ SLICE_INIT("x\n.\n"), SLICE_INIT("x\r\n.\r\n"), false, SMTP_FAULT_BARE_LF },
};

static void check(struct slice in, const struct vector *v, struct slice rest)
{
	struct got g;
	take(in, in.n, in.n, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
	if (g.ended != v->ended || !slice_eq(buf_slice(&g.body), v->body))
		fail_msg("ended %d, body \"%.*s\"", g.ended, SLICE_ARG(buf_slice(&g.body)));
	assert_int_equal(g.fault, SMTP_FAULT_NONE);
	assert_int_equal(g.repaired, v->strict != SMTP_FAULT_NONE);
	if (v->ended)
		assert_true(slice_eq(g.rest, rest) && body_is_clean(buf_slice(&g.body)));
	every_cut(in, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
	buf_release(&g.body);

	take(in, in.n, in.n, SMTP_STRAY_REFUSE, SMTP_STRAY_REFUSE, 0, &g);
	assert_int_equal(g.fault, v->strict);
	assert_int_equal(g.ended, v->ended);
	every_cut(in, SMTP_STRAY_REFUSE, SMTP_STRAY_REFUSE, 0, &g);
	buf_release(&g.body);
}

static void vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++)
		check(VECTORS[i].in, &VECTORS[i], SLICE(""));
}

/* The same behind 0..130 clean bytes and before a command: the fast way must not see it otherwise. */
static void vectors_at_every_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++)
		for (size_t before = 0; before <= 130; before += 1 + before % 3) {
			struct vector v = VECTORS[i];
			struct buf in = { 0 }, want = { 0 };
			for (size_t k = 0; k < before; k++)
				assert_true(buf_put(&in, SLICE("z")));
			assert_true(buf_put(&in, SLICE("\r\n")));
			assert_true(buf_put(&want, buf_slice(&in)) && buf_put(&want, v.body));
			assert_true(buf_put(&in, v.in));
			if (v.ended)
				assert_true(buf_put(&in, SLICE("QUIT\r\n")));
			struct got g;
			take(buf_slice(&in), buf_len(&in), 1, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
			assert_true(slice_eq(buf_slice(&g.body), buf_slice(&want)));
			if (v.ended)
				assert_true(slice_eq(g.rest, SLICE("QUIT\r\n")));
			buf_release(&g.body);
			buf_release(&in);
			buf_release(&want);
		}
}

static void nul(void **state)
{
	(void)state;
	const struct slice in[] = {
		SLICE("\0\r\n.\r\n"),        SLICE("a\r\0\n.\r\n\r\n.\r\n"), SLICE("a\r\n\0.\r\n\r\n.\r\n"),
		SLICE(".\0\r\n\r\n.\r\n"), SLICE(".\r\0\n\r\n.\r\n"),
	};
	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
		struct got g;
		take(in[i], in[i].n, 1, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
		assert_int_equal(g.fault, SMTP_FAULT_NUL);
		assert_true(g.ended && g.rest.n == 0);
		every_cut(in[i], SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
		buf_release(&g.body);
	}
}

/* One byte of 200, wherever it lies: the fast way sees it as the table does. */
static void one_byte_anywhere(void **state)
{
	(void)state;
	for (size_t at = 0; at < 200; at++) {
		char text[205];
		struct got g;
		memset(text, 'x', sizeof text);
		memcpy(text + 200, "\r\n.\r\n", 5);
		text[at] = (char)0xe4;
		take(slice_of(text, 205), 205, 1, SMTP_STRAY_REFUSE, SMTP_STRAY_REFUSE, 0, &g);
		assert_true(g.eight_bit && g.fault == SMTP_FAULT_NONE && buf_len(&g.body) == 202);
		buf_release(&g.body);
		text[at] = 0;
		take(slice_of(text, 205), 205, 1, SMTP_STRAY_REFUSE, SMTP_STRAY_REFUSE, 0, &g);
		assert_true(g.ended && !g.eight_bit && g.fault == SMTP_FAULT_NUL);
		buf_release(&g.body);
	}
}

static void size_limit(void **state)
{
	(void)state;
	char text[300];
	memset(text, 'x', sizeof text);
	memcpy(text + 290, "\r\n.\r\nREST", 9);
	struct slice in = slice_of(text, 299);
	for (uint64_t max = 280; max < 300; max++) {
		struct got g;
		take(in, in.n, 1, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, max, &g);
		assert_int_equal(g.fault, max < 292 ? SMTP_FAULT_TOO_BIG : SMTP_FAULT_NONE);
		assert_true(g.ended && slice_eq(g.rest, SLICE("REST")));
		assert_true(buf_len(&g.body) <= max);
		every_cut(in, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, max, &g);
		buf_release(&g.body);
	}
}

static void line_limit(void **state)
{
	(void)state;
	static const size_t lengths[] = { SMTP_BODY_LINE_MAX - 1, SMTP_BODY_LINE_MAX, SMTP_BODY_LINE_MAX + 1,
		SMTP_BODY_LINE_MAX + 200 /* whole blocks behind the limit */ };
	for (size_t i = 0, n; i < 4 && (n = lengths[i]); i++)
		for (size_t step = 1000; step < 3000000; step = step * 7 + 13) {
			char *text = malloc(n + 5);
			assert_non_null(text);
			memset(text, 'x', n);
			memcpy(text + n, "\r\n.\r\n", 5);
			struct got g;
			take(slice_of(text, n + 5), step, step, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
			assert_int_equal(g.fault, n > SMTP_BODY_LINE_MAX ? SMTP_FAULT_LINE_TOO_LONG : SMTP_FAULT_NONE);
			assert_true(g.ended);
			if (n <= SMTP_BODY_LINE_MAX)
				assert_int_equal(buf_len(&g.body), n + 2);
			buf_release(&g.body);
			free(text);
		}
}

/* What a body means, written as plainly as can be, looking back as it likes. Returns the length consumed, 0: no end. */
static size_t reference(struct slice in, struct buf *out)
{
	bool line = true;
	for (size_t i = 0; i < in.n; i++) {
		struct slice rest = slice_skip(in, i);
		if (line && slice_starts(rest, SLICE(".\r\n")))
			return i + 3;
		if (line && rest.p[0] == '.' && ++i == in.n)
			return 0;
		rest = slice_skip(in, i);
		line = slice_starts(rest, SLICE("\r\n"));
		if (line || rest.p[0] == '\n' || (rest.p[0] == '\r' && rest.n > 1))
			assert_true(buf_put(out, SLICE("\r\n")));
		else if (rest.p[0] != '\r')
			assert_true(buf_put(out, slice_of(rest.p, 1)));
		i += line;
	}
	return 0;
}

/* Random bodies over the bytes that matter, with runs of clean bytes between them, in random cuts. */
static void random_bodies(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		static const char BYTES[] = "\r\n.x\r\n\r\n.\n";
		char text[600];
		size_t n = 0, want = 1 + (size_t)rand() % 500;
		while (n < want) {
			if (rand() % 16 == 0)
				for (int run = rand() % 90; run-- && n < want;)
					text[n++] = 'a';
			text[n++] = BYTES[rand() % (int)(sizeof BYTES - 1)];
		}
		struct slice in = slice_of(text, n);
		struct buf body = { 0 };
		size_t consumed = reference(in, &body);
		struct got g;
		size_t first = (size_t)rand() % (n + 1), step = 1 + (size_t)rand() % 200;
		take(in, first, step, SMTP_STRAY_REPAIR, SMTP_STRAY_REPAIR, 0, &g);
		assert_int_equal(g.ended, consumed > 0);
		if (consumed) {
			assert_int_equal(n - g.rest.n, consumed);
			assert_true(slice_eq(buf_slice(&g.body), buf_slice(&body)));
		}
		buf_release(&body);
		buf_release(&g.body);
	}
}

/* ---- chunks (BDAT): nothing in the bytes ends them ------------------------------------------- */

static void take_chunks(struct slice in, size_t first, size_t step, enum smtp_stray stray, uint64_t max, struct got *g)
{
	struct smtp_body_in b;
	struct smtp_body_scratch scratch;
	struct slice data;
	smtp_body_in_init(&b, stray, stray, max);
	b.chunked = true;
	*g = (struct got){ 0 };
	for (size_t at = 0, n = first; at < in.n; at += n, n = step) {
		n = in.n - at < n ? in.n - at : n;
		char *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		if (n)
			memcpy(exact, in.p + at, n);
		struct slice piece = slice_of(exact, n);
		enum smtp_body_in_result r;
		while ((r = smtp_body_in_next(&b, &piece, &scratch, &data)) == SMTP_BODY_IN_DATA)
			assert_true(data.n > 0 && buf_put(&g->body, data));
		assert_int_equal(r, SMTP_BODY_IN_MORE);
		assert_int_equal(piece.n, 0);
		free(exact);
	}
	if (smtp_body_in_end(&b, &scratch, &data) == SMTP_BODY_IN_DATA)
		assert_true(data.n > 0 && buf_put(&g->body, data));
	struct slice more = SLICE("x");
	assert_int_equal(smtp_body_in_next(&b, &more, &scratch, &data), SMTP_BODY_IN_END);
	assert_int_equal(smtp_body_in_end(&b, &scratch, &data), SMTP_BODY_IN_END);
	g->ended = true;
	g->fault = b.fault;
	g->repaired = b.repaired;
	g->eight_bit = b.eight_bit;
}

static const struct {
	struct slice in, body;
	enum smtp_fault strict;
} CHUNKS[] = {
	{ SLICE_INIT(""), SLICE_INIT(""), SMTP_FAULT_NONE },
	{ SLICE_INIT("a"), SLICE_INIT("a\r\n"), SMTP_FAULT_NONE },
	{ SLICE_INIT("a\r\n"), SLICE_INIT("a\r\n"), SMTP_FAULT_NONE },
	{ SLICE_INIT(".\r\n"), SLICE_INIT(".\r\n"), SMTP_FAULT_NONE },
	{ SLICE_INIT("."), SLICE_INIT(".\r\n"), SMTP_FAULT_NONE },
	{ SLICE_INIT("\r\n.\r\n..\r\n.x\r\nQUIT\r\n"), SLICE_INIT("\r\n.\r\n..\r\n.x\r\nQUIT\r\n"), SMTP_FAULT_NONE },
	{ SLICE_INIT("a\n"), SLICE_INIT("a\r\n"), SMTP_FAULT_BARE_LF },
	{ SLICE_INIT("a\n.\n"), SLICE_INIT("a\r\n.\r\n"), SMTP_FAULT_BARE_LF },
	{ SLICE_INIT("a\r"), SLICE_INIT("a\r\n"), SMTP_FAULT_BARE_CR },
	{ SLICE_INIT("a\r\r"), SLICE_INIT("a\r\n\r\n"), SMTP_FAULT_BARE_CR },
	{ SLICE_INIT("\r.\r\n"), SLICE_INIT("\r\n.\r\n"), SMTP_FAULT_BARE_CR },
	{ SLICE_INIT("\xe4.\n\r"), SLICE_INIT("\xe4.\r\n\r\n"), SMTP_FAULT_BARE_LF },
};

static void chunks_in_every_cut(struct slice in, enum smtp_stray stray, uint64_t max, const struct got *whole)
{
	struct got g;
	for (size_t first = 0; first <= in.n; first++) {
		take_chunks(in, first, in.n, stray, max, &g);
		same(whole, &g);
		buf_release(&g.body);
	}
	for (size_t step = 1; step <= 70; step++) {
		take_chunks(in, step, step, stray, max, &g);
		same(whole, &g);
		buf_release(&g.body);
	}
}

/* Behind 0..130 clean bytes too, so that the fast way meets each of them. */
static void chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof CHUNKS / sizeof CHUNKS[0]; i++)
		for (size_t before = 0; before <= 130; before += 1 + before % 5) {
			struct buf in = { 0 }, want = { 0 };
			for (size_t k = 0; k < before; k++)
				assert_true(buf_put(&in, SLICE("z")));
			assert_true(buf_put(&in, SLICE("\r\n")) && buf_put(&want, buf_slice(&in)));
			assert_true(buf_put(&in, CHUNKS[i].in) && buf_put(&want, CHUNKS[i].body));
			struct got g;
			take_chunks(buf_slice(&in), buf_len(&in), 1, SMTP_STRAY_REPAIR, 0, &g);
			assert_int_equal(g.fault, SMTP_FAULT_NONE);
			assert_int_equal(g.repaired, CHUNKS[i].strict != SMTP_FAULT_NONE);
			assert_true(slice_eq(buf_slice(&g.body), buf_slice(&want)));
			assert_true(body_is_clean(buf_slice(&g.body)));
			chunks_in_every_cut(buf_slice(&in), SMTP_STRAY_REPAIR, 0, &g);
			buf_release(&g.body);
			take_chunks(buf_slice(&in), buf_len(&in), 1, SMTP_STRAY_REFUSE, 0, &g);
			assert_int_equal(g.fault, CHUNKS[i].strict);
			chunks_in_every_cut(buf_slice(&in), SMTP_STRAY_REFUSE, 0, &g);
			buf_release(&g.body);
			buf_release(&in);
			buf_release(&want);
		}
}

static void chunks_with_faults(void **state)
{
	(void)state;
	struct got g;
	take_chunks(SLICE("a\r\0b"), 4, 4, SMTP_STRAY_REPAIR, 0, &g);
	assert_int_equal(g.fault, SMTP_FAULT_NUL);
	chunks_in_every_cut(SLICE("a\r\0b"), SMTP_STRAY_REPAIR, 0, &g);
	buf_release(&g.body);
	for (uint64_t max = 1; max < 12; max++) { /* nine bytes, and the end of their line */
		take_chunks(SLICE("abcdefghi"), 9, 9, SMTP_STRAY_REPAIR, max, &g);
		assert_int_equal(g.fault, max < 11 ? SMTP_FAULT_TOO_BIG : SMTP_FAULT_NONE);
		chunks_in_every_cut(SLICE("abcdefghi"), SMTP_STRAY_REPAIR, max, &g);
		buf_release(&g.body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),    cmocka_unit_test(vectors_at_every_place),
		cmocka_unit_test(nul),        cmocka_unit_test(one_byte_anywhere),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(line_limit), cmocka_unit_test(random_bodies),
		cmocka_unit_test(chunks),     cmocka_unit_test(chunks_with_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
