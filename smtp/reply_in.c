#include "smtp/reply_in.h"

/* One line, taken apart. */
struct line {
	uint16_t code;
	bool last;
	struct slice text;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* `s` ends in LF. NULL, or what is wrong with it. */
static const char *take_apart(struct slice s, struct line *line_r)
{
	if (s.n > SMTP_REPLY_LINE)
		return "a reply line without end";
	if (s.n < 2 || s.p[s.n - 2] != '\r')
		return "a reply line that ends in a bare LF";
	s.n -= 2;
	if (s.n < 3 || s.p[0] < '2' || s.p[0] > '5' || !is_digit(s.p[1]) || !is_digit(s.p[2]))
		return "a reply without a code";
	if (s.n > 3 && s.p[3] != ' ' && s.p[3] != '-')
		return "a reply whose code does not end";
	line_r->code = (uint16_t)((s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0'));
	line_r->last = s.n == 3 || s.p[3] == ' ';
	line_r->text = slice_skip(s, 4);
	return NULL;
}

static bool is_harmless(char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\t';
}

static bool all_harmless(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_harmless(s.p[i]))
			return false;
	return true;
}

/* A number of one to three digits; 0..999. */
static bool cut_number(struct slice *s, uint16_t *n_r)
{
	size_t i = 0;
	unsigned v = 0;
	for (; i < s->n && i < 3 && is_digit(s->p[i]); i++)
		v = v * 10 + (unsigned)(s->p[i] - '0');
	*n_r = (uint16_t)v;
	*s = slice_skip(*s, i);
	return i > 0;
}

static bool cut_char(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = slice_skip(*s, 1);
	return true;
}

/* RFC 2034 4: the class must be the code's first digit, or the two contradict each other. */
static struct smtp_enhanced read_enhanced(uint16_t code, struct slice text)
{
	struct smtp_enhanced none = { 0 }, e = none;
	uint16_t first;
	if (!cut_number(&text, &first) || !cut_char(&text, '.') || !cut_number(&text, &e.subject) ||
		!cut_char(&text, '.') || !cut_number(&text, &e.detail) || (text.n && text.p[0] != ' ') ||
		first != code / 100)
		return none;
	e.class = (uint8_t)first;
	return e;
}

/* Forgets the reply that was given last. */
static void start_anew(struct smtp_reply_in *r)
{
	buf_clear(&r->kept);
	r->text_n = 0;
	r->code = 0;
	r->lines = 0;
	r->given = false;
}

/* Nearly all replies: one whole harmless line, shown where it lies. */
static bool take_in_place(struct smtp_reply_in *r, struct slice *in, struct smtp_reply *reply_r)
{
	size_t n = slice_find(*in, '\n') + 1;
	struct line line;
	if (n > in->n || smtp_reply_in_began(r))
		return false;
	if (take_apart(slice_of(in->p, n), &line) || !line.last || !all_harmless(line.text))
		return false;
	*in = slice_skip(*in, n);
	*reply_r = (struct smtp_reply){ line.code, read_enhanced(line.code, line.text), line.text };
	return true;
}

/* Adds the line's text, which lies in the buffer behind the text kept so far, to that text; one that does not fit is
 * left out whole, so that no word of an EHLO line is cut. */
static void keep_text(struct smtp_reply_in *r, struct slice text)
{
	char *to = r->kept.data + r->kept.start + r->text_n;
	bool joined = r->lines > 1;
	if (r->text_n + joined + text.n <= SMTP_REPLY_TEXT) {
		if (joined)
			*to++ = '\n'; /* there the line's code lies, never its text */
		if (text.n)
			memmove(to, text.p, text.n);
		for (size_t i = 0; i < text.n; i++)
			if (!is_harmless(to[i]))
				to[i] = '?';
		r->text_n = (uint16_t)(r->text_n + joined + text.n);
	}
	r->kept.end = r->kept.start + r->text_n;
}

/* A line, or what was kept of one, has been put into the buffer: it is not empty. */
static struct slice kept_from(const struct smtp_reply_in *r, size_t at)
{
	return slice_of(r->kept.data + r->kept.start + at, buf_len(&r->kept) - at);
}

/* The buffer holds a whole line. NULL, or what is wrong with it. */
static const char *end_line(struct smtp_reply_in *r, bool *last_r)
{
	struct line line;
	const char *wrong = take_apart(kept_from(r, r->text_n), &line);
	if (wrong)
		return wrong;
	if (r->lines && line.code != r->code)
		return "a reply whose lines have different codes";
	if (r->lines == SMTP_REPLY_LINES)
		return "a reply without end";
	if (r->lines++ == 0)
		r->enhanced = read_enhanced(line.code, line.text);
	r->code = line.code;
	keep_text(r, line.text);
	*last_r = line.last;
	return NULL;
}

/* Moves bytes up to the end of one line to the buffer. */
static enum smtp_reply_result gather_line(struct smtp_reply_in *r, struct slice *in)
{
	size_t n = slice_find(*in, '\n');
	bool whole = n < in->n;
	size_t begun = buf_len(&r->kept) - r->text_n;
	n += whole;
	if (begun + n > SMTP_REPLY_LINE || (begun + n == SMTP_REPLY_LINE && !whole))
		return SMTP_REPLY_GARBAGE;
	if (!buf_put(&r->kept, slice_of(in->p, n)))
		return SMTP_REPLY_NO_MEMORY;
	*in = slice_skip(*in, n);
	return whole ? SMTP_REPLY_GOT : SMTP_REPLY_MORE;
}

static enum smtp_reply_result garbage(struct smtp_reply *reply_r, const char *wrong)
{
	*reply_r = (struct smtp_reply){ .text = slice_str(wrong) };
	return SMTP_REPLY_GARBAGE;
}

enum smtp_reply_result smtp_reply_in_next(struct smtp_reply_in *r, struct slice *in, struct smtp_reply *reply_r)
{
	if (r->given)
		start_anew(r);
	if (take_in_place(r, in, reply_r))
		return SMTP_REPLY_GOT;
	for (bool last = false; !last;) {
		enum smtp_reply_result got = gather_line(r, in);
		if (got == SMTP_REPLY_GARBAGE)
			return garbage(reply_r, "a reply line without end");
		if (got != SMTP_REPLY_GOT)
			return got;
		const char *wrong = end_line(r, &last);
		if (wrong)
			return garbage(reply_r, wrong);
	}
	r->given = true;
	*reply_r = (struct smtp_reply){ r->code, r->enhanced, kept_from(r, 0) };
	return SMTP_REPLY_GOT;
}

bool smtp_reply_in_began(const struct smtp_reply_in *r)
{
	return !r->given && (r->lines || buf_len(&r->kept));
}

void smtp_reply_in_idle(struct smtp_reply_in *r)
{
	if (!smtp_reply_in_began(r))
		smtp_reply_in_release(r);
}

void smtp_reply_in_release(struct smtp_reply_in *r)
{
	buf_release(&r->kept);
	*r = (struct smtp_reply_in){ 0 };
}
