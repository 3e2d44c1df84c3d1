#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUF_MIN = 256 };
#define BUF_MAX ((size_t)1 << 31)

bool buf_reserve(struct buf *b, size_t n)
{
	if (n <= b->cap - b->end)
		return true;
	size_t len = buf_len(b), want;
	if (__builtin_add_overflow(len, n, &want) || want > BUF_MAX)
		return false;
	if (want <= b->cap && len <= b->cap / 2) {
		memmove(b->data, b->data + b->start, len);
	} else {
		size_t cap = b->cap ? b->cap : BUF_MIN;
		while (cap < want)
			cap *= 2;
		char *d = mem_alloc(cap);
		if (!d)
			return false;
		if (len)
			memcpy(d, b->data + b->start, len);
		mem_free(&b->data);
		b->data = d;
		b->cap = (uint32_t)cap;
	}
	b->start = 0;
	b->end = (uint32_t)len;
	return true;
}

bool buf_put(struct buf *b, struct slice s)
{
	if (!buf_reserve(b, s.n))
		return false;
	if (s.n)
		memcpy(b->data + b->end, s.p, s.n);
	b->end += (uint32_t)s.n;
	return true;
}

bool buf_put_all(struct buf *b, const struct slice *parts, size_t n)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		if (__builtin_add_overflow(total, parts[i].n, &total))
			return false;
	if (!buf_reserve(b, total))
		return false;
	char *to = b->data + b->end;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].n)
			memcpy(to, parts[i].p, parts[i].n);
		to += parts[i].n;
	}
	b->end += (uint32_t)total;
	return true;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	if (!buf_reserve(b, 128))
		return false;
	for (;;) {
		va_list ap;
		va_start(ap, fmt);
		size_t room = b->cap - b->end;
		int n = vsnprintf(b->data + b->end, room, fmt, ap);
		va_end(ap);
		if (n < 0)
			return false;
		if ((size_t)n < room) {
			b->end += (uint32_t)n;
			return true;
		}
		if (!buf_reserve(b, (size_t)n + 1))
			return false;
	}
}

void buf_consume(struct buf *b, size_t n)
{
	b->start += (uint32_t)n;
	if (b->start >= b->end)
		b->start = b->end = 0;
}

void buf_release(struct buf *b)
{
	mem_free(&b->data);
	b->start = b->end = b->cap = 0;
}
