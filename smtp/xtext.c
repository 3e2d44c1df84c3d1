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

/* RFC 3461 4: upper case only. 16: no such digit. */
static unsigned digit(struct slice s, size_t i)
{
	char c = i < s.n ? s.p[i] : 0;
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
}

/* The byte that s[*i] begins, and *i behind it; -1: it is not xtext. */
static int read_one(struct slice s, size_t *i)
{
	unsigned char c = (unsigned char)s.p[(*i)++];
	if (is_plain(c))
		return c;
	unsigned high = digit(s, *i), low = digit(s, *i + 1);
	if (c != '+' || high > 15 || low > 15)
		return -1;
	*i += 2;
	return (int)(high << 4 | low);
}

size_t smtp_xtext_read(char *to, struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n;) {
		int c = read_one(s, &i);
		if (c < 0)
			return SIZE_MAX;
		to[n++] = (char)c;
	}
	return n;
}

bool smtp_xtext_is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		int c = read_one(s, &i);
		if (c < 0x20 || c > 0x7e)
			return false;
	}
	return true;
}
