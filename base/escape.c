#include "base/escape.h"

static const char HEX[] = "0123456789abcdef";

/* what one byte needs */
enum { AS_IS, QUOTE, HEXED };

static const unsigned char CLASS[256] = {
	[0 ... 0x1f] = HEXED,
	['"'] = QUOTE,
	['\\'] = QUOTE,
	[0x7f ... 0xff] = HEXED,
};

static size_t plain_run(struct slice s)
{
	size_t i = 0;
	while (i < s.n && CLASS[(unsigned char)s.p[i]] == AS_IS)
		i++;
	return i;
}

static bool put_escaped(struct buf *out, struct slice s, size_t max, struct slice hex, bool quotes)
{
	bool cut = s.n > max;
	if (cut)
		s.n = max;
	while (s.n) {
		size_t run = plain_run(s);
		if (!buf_put(out, slice_of(s.p, run)))
			return false;
		s = slice_skip(s, run);
		if (!s.n)
			break;
		unsigned char c = (unsigned char)s.p[0];
		char text[8];
		size_t n = 0;
		if (CLASS[c] == QUOTE) {
			if (quotes || c == '\\')
				text[n++] = '\\';
			text[n++] = (char)c;
		} else {
			memcpy(text, hex.p, hex.n), n = hex.n;
			text[n++] = HEX[c >> 4], text[n++] = HEX[c & 15];
		}
		if (!buf_put(out, slice_of(text, n)))
			return false;
		s = slice_skip(s, 1);
	}
	return !cut || buf_put(out, SLICE("..."));
}

bool escape_plain(struct buf *out, struct slice s, size_t max)
{
	return put_escaped(out, s, max, SLICE("\\x"), false);
}

bool escape_logfmt(struct buf *out, struct slice s, size_t max)
{
	bool bare =
		s.n > 0 && s.n <= max && plain_run(s) == s.n && slice_find(s, ' ') == s.n && slice_find(s, '=') == s.n;
	if (bare)
		return buf_put(out, s);
	return buf_put(out, SLICE("\"")) && put_escaped(out, s, max, SLICE("\\x"), true) && buf_put(out, SLICE("\""));
}

bool escape_json(struct buf *out, struct slice s, size_t max)
{
	return buf_put(out, SLICE("\"")) && put_escaped(out, s, max, SLICE("\\u00"), true) && buf_put(out, SLICE("\""));
}
