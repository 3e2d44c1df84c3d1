/* Any bytes from a Postfix that asks: the core's questions and answers do not depend on how they are cut, and each
 * answer is one line of printable ASCII with an empty one behind it.
 *
 * First byte: which questions are refused; second: size of the pieces of the second run.
 */
#include "smtp/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct smtp_policy p;
	struct buf out, log;
	unsigned refuses, asked;
	bool mail;
};

/* A question about a recipient or a body comes within a mail. */
static void check_order(struct run *r, enum smtp_event_kind kind)
{
	bool within = kind == SMTP_EV_RCPT || kind == SMTP_EV_DATA || kind == SMTP_EV_BODY_END;
	if ((within && !r->mail) || (kind == SMTP_EV_MAIL && r->mail))
		abort();
}

static void answer(struct run *r, enum smtp_event_kind kind)
{
	unsigned code = r->refuses >> (r->asked++ % 8) & 1 ? 450 : 250;
	check_order(r, kind);
	if (kind == SMTP_EV_OFFENCE)
		return;
	if (kind == SMTP_EV_RSET || kind == SMTP_EV_BODY_END || (kind == SMTP_EV_DATA && code == 450))
		r->mail = false;
	if (kind == SMTP_EV_MAIL)
		r->mail = code == 250;
	if (kind != SMTP_EV_RSET)
		smtp_policy_answer(&r->p, code, SLICE("4.7.1 \x7f\n no"));
}

static bool step(struct run *r, struct slice *in)
{
	for (;;) {
		struct smtp_event ev;
		enum smtp_event_kind kind = smtp_policy_next(&r->p, in, &ev);
		if (kind == SMTP_EV_MORE || kind == SMTP_EV_CLOSE)
			return kind == SMTP_EV_MORE;
		struct slice about = kind == SMTP_EV_HELO			    ? ev.name
				     : kind == SMTP_EV_MAIL || kind == SMTP_EV_RCPT ? ev.path.addr
										    : SLICE("");
		if (!buf_printf(&r->log, "%d %.*s\n", (int)kind, SLICE_ARG(about)))
			abort();
		answer(r, kind);
	}
}

static void run(struct run *r, unsigned refuses, struct slice all, size_t piece)
{
	struct buf in = { 0 };
	bool open = true;
	*r = (struct run){ .refuses = refuses };
	smtp_policy_init(&r->p, &r->out);
	while (open && all.n) {
		if (!buf_put(&in, slice_of(all.p, piece < all.n ? piece : all.n)))
			abort();
		all = slice_skip(all, piece);
		struct slice rest = buf_slice(&in);
		open = step(r, &rest);
		buf_consume(&in, buf_len(&in) - rest.n);
	}
	buf_release(&in);
}

static void check_answers(struct slice out)
{
	while (out.n) {
		struct slice line = slice_cut(&out, '\n');
		if (!slice_starts(line, SLICE("action=")) || !slice_starts(out, SLICE("\n")))
			abort();
		for (size_t i = 0; i < line.n; i++)
			if (line.p[i] < ' ' || line.p[i] > '~')
				abort();
		out = slice_skip(out, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	struct slice in = slice_of((const char *)data + 2, size - 2);
	struct run whole, cut;
	run(&whole, data[0], in, in.n);
	run(&cut, data[0], in, 1 + data[1] % 80);
	if (!slice_eq(buf_slice(&whole.log), buf_slice(&cut.log)) ||
		!slice_eq(buf_slice(&whole.out), buf_slice(&cut.out)))
		abort();
	check_answers(buf_slice(&whole.out));
	buf_release(&whole.out);
	buf_release(&whole.log);
	buf_release(&cut.out);
	buf_release(&cut.log);
	return 0;
}
