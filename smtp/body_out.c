#include "smtp/body_out.h"

#include "smtp/body_run.h"

/* Where we are, as the state of the bytes already written. */
enum at { AT_LINE_START, AT_MID_LINE, AT_CR, AT_FAULT, AT_END };

/* Sixteen bytes at once; the compiler makes SSE2 or NEON of it. */
typedef uint8_t lane __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* Index of the first CR, LF or NUL in p[i..n), or n. */
static size_t find_special(const char *p, size_t i, size_t n)
{
	for (; i + sizeof(lane) <= n; i += sizeof(lane)) {
		lane v;
		memcpy(&v, p + i, sizeof v);
		halves hit = (halves)((v == '\r') | (v == '\n') | (v == 0));
		if (hit[0] | hit[1]) /* little endian, as all machines we are built for */
			return i + (size_t)(hit[0] ? __builtin_ctzll(hit[0]) : 64 + __builtin_ctzll(hit[1])) / 8;
	}
	while (i < n && p[i] != '\r' && p[i] != '\n' && p[i] != 0)
		i++;
	return i;
}

static enum at behind(char c)
{
	return c == '\r' ? AT_CR : c == '\n' ? AT_LINE_START : AT_MID_LINE;
}

/* How much of s can go out as it is: up to the end, or to a line that begins with a dot. *at moves along;
 * AT_FAULT when a byte is not allowed. */
static size_t scan(struct slice s, enum at *at)
{
	size_t i = 0;
	bool ignored = false;
	if (*at != AT_CR) {
		struct smtp_body_rule rule = { .at_line_start = *at == AT_LINE_START, .dots_matter = true };
		i = smtp_body_run(s, rule, &ignored);
		*at = i ? behind(s.p[i - 1]) : *at;
	}
	while (i < s.n) {
		if (*at == AT_LINE_START && s.p[i] == '.')
			return i;
		if (*at != AT_CR) {
			i = find_special(s.p, i, s.n);
			*at = AT_MID_LINE;
			if (i == s.n)
				return s.n;
			*at = s.p[i] == '\r' ? AT_CR : AT_FAULT;
		} else {
			*at = s.p[i] == '\n' ? AT_LINE_START : AT_FAULT;
		}
		if (*at == AT_FAULT)
			return i;
		i++;
	}
	return s.n;
}

void smtp_body_out_init(struct smtp_body_out *w)
{
	w->at = AT_LINE_START;
}

struct slice smtp_body_out_pass(struct smtp_body_out *w, struct slice *chunk, size_t most)
{
	enum at at = (enum at)w->at;
	struct slice s = slice_of(chunk->p, at >= AT_FAULT ? 0 : chunk->n < most ? chunk->n : most);
	s.n = scan(s, &at);
	w->at = (uint8_t)at;
	if (at == AT_FAULT)
		s.n = 0;
	*chunk = slice_skip(*chunk, s.n);
	return s;
}

enum smtp_body_out_result smtp_body_out_write(
	struct smtp_body_out *w, struct slice *chunk, struct buf *out, size_t max_out)
{
	while (chunk->n && w->at < AT_FAULT) {
		size_t held = buf_len(out), room = held < max_out ? max_out - held : 0;
		if (room < 2) /* a dot and its double belong together */
			return SMTP_BODY_OUT_FULL;
		if (!buf_reserve(out, chunk->n < room ? chunk->n + 1 : room))
			return SMTP_BODY_OUT_NO_MEMORY;
		char *to = out->data + out->end;
		bool stuff = w->at == AT_LINE_START && chunk->p[0] == '.';
		if (stuff) {
			*to++ = '.';
			w->at = AT_MID_LINE;
		}
		struct slice s = smtp_body_out_pass(w, chunk, room - stuff);
		memcpy(to, s.p, s.n);
		buf_grew(out, s.n + stuff);
	}
	return w->at < AT_FAULT ? SMTP_BODY_OUT_MORE : SMTP_BODY_OUT_FAULT;
}

enum smtp_body_out_result smtp_body_out_end(struct smtp_body_out *w, struct buf *out)
{
	static const struct slice ends[] = {
		[AT_LINE_START] = SLICE_INIT(".\r\n"), [AT_MID_LINE] = SLICE_INIT("\r\n.\r\n")
	};
	if (w->at != AT_LINE_START && w->at != AT_MID_LINE)
		return SMTP_BODY_OUT_FAULT;
	if (!buf_put(out, ends[w->at]))
		return SMTP_BODY_OUT_NO_MEMORY;
	w->at = AT_END;
	return SMTP_BODY_OUT_MORE;
}
