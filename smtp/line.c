#include "smtp/line.h"

static enum smtp_line_result cut(struct slice *in, size_t line, size_t taken, enum smtp_line_result result,
				 struct slice *line_r)
{
	*line_r = slice_of(in->p, line);
	*in = slice_skip(*in, taken);
	return result;
}

enum smtp_line_result smtp_line_take(struct slice *in, size_t max, struct slice *line_r)
{
	struct slice seen = slice_of(in->p, in->n < max ? in->n : max);
	size_t lf = slice_find(seen, '\n');
	size_t cr = slice_find(slice_of(seen.p, lf), '\r');

	if (lf < seen.n && cr + 1 == lf)
		return cut(in, cr, lf + 1, SMTP_LINE_GOT, line_r);
	if (cr + 1 < seen.n && cr < lf)
		return cut(in, cr, cr + 1, SMTP_LINE_BARE_CR, line_r);
	if (lf < seen.n)
		return cut(in, lf, lf + 1, SMTP_LINE_BARE_LF, line_r);
	if (seen.n < max)
		return SMTP_LINE_MORE;
	/* a CR that is the last byte here stays: its LF may follow */
	return cut(in, cr, cr, SMTP_LINE_TOO_LONG, line_r);
}

enum smtp_line_result smtp_line_skip(struct smtp_line_skip *skip, struct slice *in)
{
	while (in->n) {
		char c = in->p[0];
		if (skip->behind_cr && c != '\n') {
			skip->behind_cr = false;
			skip->bytes++;
			return SMTP_LINE_BARE_CR;
		}
		*in = slice_skip(*in, 1);
		if (c == '\n')
			return skip->behind_cr ? SMTP_LINE_GOT : (skip->bytes++, SMTP_LINE_BARE_LF);
		skip->behind_cr = c == '\r';
		skip->bytes += c != '\r';
	}
	return SMTP_LINE_MORE;
}
