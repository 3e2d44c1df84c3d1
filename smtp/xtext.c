#include "smtp/xtext.h"

static bool is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

size_t smtp_xtext_write(char *to, size_t room, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (room - n < (is_plain(c) ? 1u : 3u))
			return SIZE_MAX;
		if (is_plain(c)) {
			to[n++] = (char)c;
		} else {
			to[n++] = '+';
			to[n++] = hex[c >> 4];
			to[n++] = hex[c & 15];
		}
	}
	return n;
}
