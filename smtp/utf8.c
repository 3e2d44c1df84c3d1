#include "smtp/utf8.h"

static unsigned char at(struct slice s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : 0;
}

size_t smtp_utf8_length(struct slice s, size_t i)
{
	unsigned char c = at(s, i), second = at(s, i + 1);
	size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	for (size_t k = 1; k < n; k++)
		if ((at(s, i + k) & 0xc0) != 0x80)
			return 0;
	bool wrong = (c == 0xc2 && second < 0xa0) || (c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
		     (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f);
	return wrong ? 0 : n;
}

bool smtp_utf8_is_valid(struct slice s)
{
	for (size_t i = 0, n; i < s.n; i += n) {
		n = at(s, i) < 128 ? 1 : smtp_utf8_length(s, i);
		if (n == 0)
			return false;
	}
	return true;
}
