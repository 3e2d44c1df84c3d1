/* base/slice.h - a view of bytes with a length
 *
 * Bytes from the wire are never NUL-terminated strings: they may hold any octet, and they end
 * where the length says. A slice owns nothing; it is valid as long as what it points into.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t n;
};

/* A slice of a string literal, usable in constant initialisers. */
#define SLICE(lit) ((struct slice){ "" lit, sizeof(lit) - 1 })
#define SLICE_INIT(lit)                                                                                                \
	{                                                                                                              \
		"" lit, sizeof(lit) - 1                                                                                \
	}
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).n, (s).p

static inline struct slice slice_of(const char *p, size_t n)
{
	return (struct slice){ p, n };
}

/* Of a trusted, NUL-terminated string (settings, our own text); NULL gives the empty slice. */
static inline struct slice slice_str(const char *s)
{
	return (struct slice){ s, s ? strlen(s) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is folded. The locale is always "C" here. */
static inline bool slice_ieq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static inline bool slice_istarts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && strncasecmp(s.p, prefix.p, prefix.n) == 0;
}

static inline struct slice slice_skip(struct slice s, size_t n)
{
	if (!s.n)
		return s;
	return n >= s.n ? slice_of(s.p + s.n, 0) : slice_of(s.p + n, s.n - n);
}

/* Index of the first `c`, or s.n. */
static inline size_t slice_find(struct slice s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

/* Index of the last `c`, or s.n. */
static inline size_t slice_rfind(struct slice s, char c)
{
	const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

/* Cuts the part before the first `c` off the front and returns it; `c` is dropped. Without `c` all of it. */
static inline struct slice slice_cut(struct slice *s, char c)
{
	size_t i = slice_find(*s, c);
	struct slice head = slice_of(s->p, i);
	*s = slice_skip(*s, i + 1);
	return head;
}

/* Without leading and trailing blanks and tabs. */
static inline struct slice slice_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* All of `s` as a decimal number. False when it is empty, has another byte in it, or is above `max`. */
static inline bool slice_u64(struct slice s, uint64_t max, uint64_t *value_r)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';
		if (d > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (s.n == 0 || v > max)
		return false;
	*value_r = v;
	return true;
}

enum { SLICE_DIGITS = 20 }; /* of the largest 64-bit number */
/* The number as decimal digits; they lie in `digits`. */
static inline struct slice slice_number(uint64_t v, char digits[SLICE_DIGITS])
{
	size_t at = SLICE_DIGITS;
	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	return slice_of(digits + at, SLICE_DIGITS - at);
}

#endif
