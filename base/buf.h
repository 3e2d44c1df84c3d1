/* base/buf.h - a growing byte buffer, filled at the end, emptied at the front
 *
 * Zero-initialised it is empty and owns no memory; an idle session's buffers cost only this struct.
 * Sizes are bytes. Functions that can fail return false and leave the content as it was.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

struct buf {
	char *data;
	uint32_t start, end, cap;
};

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->data ? b->data + b->start : NULL, b->end - b->start);
}

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/* Room for at least n more bytes behind the content; the place to write to is b->data + b->end, and
 * buf_grew() tells how many were written. False when memory is out or 2^31 bytes would be passed. */
bool buf_reserve(struct buf *b, size_t n) __attribute__((warn_unused_result));
static inline void buf_grew(struct buf *b, size_t n)
{
	b->end += (uint32_t)n;
}

bool buf_put(struct buf *b, struct slice s) __attribute__((warn_unused_result));
/* `n` parts, one behind the other: what a line is put together from, without a format to be read. */
bool buf_put_all(struct buf *b, const struct slice *parts, size_t n) __attribute__((warn_unused_result));
#define buf_puts(b, ...)                                                                                               \
	buf_put_all(b, (const struct slice[]){ __VA_ARGS__ },                                                          \
		sizeof((const struct slice[]){ __VA_ARGS__ }) / sizeof(struct slice))
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3), warn_unused_result));

/* Drops n bytes at the front. */
void buf_consume(struct buf *b, size_t n);
/* Drops the content and keeps the memory. */
static inline void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}
/* Gives the memory back; the buffer is empty and usable again. */
void buf_release(struct buf *b);

#endif
