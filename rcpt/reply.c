#include "rcpt/reply.h"

/* No zeros in front, six digits: 100000. */
static enum rcpt_reply_event take_digit(struct rcpt_reply *r, char c)
{
	if (c == ':') {
		r->phase = r->length ? RCPT_REPLY_DATA : RCPT_REPLY_COMMA;
		return r->digits ? RCPT_REPLY_MORE : RCPT_REPLY_BROKEN;
	}
	bool zero_before = r->digits && r->length == 0;
	if (c < '0' || c > '9' || zero_before)
		return RCPT_REPLY_BROKEN;
	r->length = r->length * 10 + (uint32_t)(c - '0');
	r->digits++;
	return r->length > RCPT_REPLY_MAX ? RCPT_REPLY_BROKEN : RCPT_REPLY_MORE;
}

static void take_data(struct rcpt_reply *r, struct slice *in)
{
	size_t n = r->length - r->seen < in->n ? r->length - r->seen : in->n;
	size_t room = sizeof r->kept - r->kept_n, keep = n < room ? n : room;
	memcpy(r->kept + r->kept_n, in->p, keep);
	r->kept_n += (uint32_t)keep;
	r->seen += (uint32_t)n;
	*in = slice_skip(*in, n);
	if (r->seen == r->length)
		r->phase = RCPT_REPLY_COMMA;
}

static char take_byte(struct slice *in)
{
	char c = in->p[0];
	*in = slice_skip(*in, 1);
	return c;
}

enum rcpt_reply_event rcpt_reply_feed(struct rcpt_reply *r, struct slice *in)
{
	while (in->n && r->phase != RCPT_REPLY_OVER) {
		if (r->phase == RCPT_REPLY_DATA) {
			take_data(r, in);
		} else if (r->phase == RCPT_REPLY_LENGTH) {
			if (take_digit(r, take_byte(in)) == RCPT_REPLY_BROKEN)
				return RCPT_REPLY_BROKEN;
		} else {
			r->phase = RCPT_REPLY_OVER;
			if (take_byte(in) != ',')
				return RCPT_REPLY_BROKEN;
		}
	}
	return r->phase == RCPT_REPLY_OVER ? RCPT_REPLY_WHOLE : RCPT_REPLY_MORE;
}

enum rcpt_answer rcpt_reply_meaning(const struct rcpt_reply *r, struct slice *why_r)
{
	static const struct {
		struct slice word;
		enum rcpt_answer answer;
	} WORDS[] = {
		{ SLICE_INIT("OK"), RCPT_YES },
		{ SLICE_INIT("NOTFOUND"), RCPT_NOT_FOUND },
		{ SLICE_INIT("TEMP"), RCPT_FAILED },
		{ SLICE_INIT("TIMEOUT"), RCPT_FAILED },
		{ SLICE_INIT("PERM"), RCPT_FAILED }, /* "the request cannot be answered": says nothing of the address */
	};
	struct slice rest = slice_of(r->kept, r->kept_n), all = rest, word = slice_cut(&rest, ' ');
	*why_r = all;
	for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
		if (slice_eq(word, WORDS[i].word))
			return WORDS[i].answer;
	if (!all.n)
		*why_r = SLICE("an empty reply");
	return RCPT_FAILED;
}

bool rcpt_request_put(struct buf *out, struct slice map, struct slice key)
{
	char digits[SLICE_DIGITS];
	return buf_puts(out, slice_number(map.n + 1 + key.n, digits), SLICE(":"), map, SLICE(" "), key, SLICE(","));
}
