#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* How much is gathered before one write(2). */
enum { STAGE = 64 * 1024 };

bool spool_room_open(struct spool_room *r, const char *path, uint32_t max_files)
{
	r->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atomic_init(&r->max_files, max_files);
	atomic_init(&r->files, 0);
	return r->folder >= 0;
}

void spool_room_close(struct spool_room *r)
{
	if (r->folder >= 0)
		close(r->folder);
	r->folder = -1;
}

void spool_init(struct spool *s)
{
	*s = (struct spool){ .fd = -1 };
}

static bool write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t w = write(fd, s.p, s.n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		s = slice_skip(s, (size_t)w);
	}
	return true;
}

static enum spool_result write_out(struct spool *s)
{
	if (!write_all(s->fd, buf_slice(&s->mem)))
		return SPOOL_FAILED;
	buf_clear(&s->mem);
	return SPOOL_OK;
}

static enum spool_result open_file(struct spool *s, struct spool_room *r)
{
	uint32_t most = atomic_load_explicit(&r->max_files, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&r->files, 1, memory_order_relaxed) >= most) {
		atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
		return SPOOL_FULL;
	}
	s->fd = openat(r->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd >= 0)
		return write_out(s);
	atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
	return SPOOL_FAILED;
}

enum spool_result spool_append(struct spool *s, struct spool_room *r, struct slice bytes, uint64_t memory)
{
	enum spool_result result = SPOOL_OK;
	if (s->fd < 0 && s->size + bytes.n > memory)
		result = open_file(s, r);
	else if (s->fd >= 0 && buf_len(&s->mem) + bytes.n > STAGE)
		result = write_out(s);
	if (result != SPOOL_OK)
		return result;
	if (!buf_put(&s->mem, bytes))
		return SPOOL_FAILED;
	s->size += bytes.n;
	return SPOOL_OK;
}

enum spool_result spool_finish(struct spool *s)
{
	if (s->fd < 0)
		return SPOOL_OK;
	enum spool_result result = write_out(s);
	buf_release(&s->mem);
	return result;
}

void spool_release(struct spool *s, struct spool_room *r)
{
	if (s->fd >= 0) {
		close(s->fd);
		atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
	}
	buf_release(&s->mem);
	spool_init(s);
}
