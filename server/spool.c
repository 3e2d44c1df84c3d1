#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* How much is gathered before one write(2). */
enum { STAGE = 64 * 1024 };
/* The least that is claimed of the common memory; then it doubles, as the buffer does. */
enum { CLAIM_MIN = 4096 };

bool spool_room_open(struct spool_room *r, const char *path, uint32_t max_files, uint64_t max_memory)
{
	r->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atomic_init(&r->max_files, max_files);
	atomic_init(&r->files, 0);
	atomic_init(&r->max_memory, max_memory);
	atomic_init(&r->memory, 0);
	return r->folder >= 0;
}

void spool_room_close(struct spool_room *r)
{
	if (r->folder >= 0)
		close(r->folder);
	r->folder = -1;
}

bool spool_room_takes(const struct spool_room *r, uint64_t size, uint64_t memory)
{
	uint64_t most = atomic_load_explicit(&r->max_memory, memory_order_relaxed);
	uint64_t now = atomic_load_explicit(&r->memory, memory_order_relaxed);
	bool in_memory = size <= memory && now + (size > CLAIM_MIN ? size : CLAIM_MIN) <= most;
	return in_memory || atomic_load_explicit(&r->files, memory_order_relaxed) <
				    atomic_load_explicit(&r->max_files, memory_order_relaxed);
}

void spool_init(struct spool *s)
{
	*s = (struct spool){ .fd = -1 };
}

/* ---- the common memory ---- */

/* So that `more` bytes fit into the buffer. */
static bool claim(struct spool *s, struct spool_room *r, size_t more)
{
	uint64_t need = buf_len(&s->mem) + more, want = s->claimed ? s->claimed : CLAIM_MIN;
	while (want < need)
		want *= 2;
	uint64_t fresh = want - s->claimed, most = atomic_load_explicit(&r->max_memory, memory_order_relaxed);
	if (fresh && atomic_fetch_add_explicit(&r->memory, fresh, memory_order_relaxed) + fresh > most) {
		atomic_fetch_sub_explicit(&r->memory, fresh, memory_order_relaxed);
		return false;
	}
	s->claimed = want;
	return true;
}

static void give_back(struct spool *s, struct spool_room *r)
{
	buf_release(&s->mem);
	atomic_fetch_sub_explicit(&r->memory, s->claimed, memory_order_relaxed);
	s->claimed = 0;
}

/* ---- the file ---- */

static enum spool_result failed(struct spool *s, int error)
{
	s->error = error;
	return SPOOL_FAILED;
}

static enum spool_result write_all(struct spool *s, struct slice bytes)
{
	while (bytes.n) {
		ssize_t w = write(s->fd, bytes.p, bytes.n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return failed(s, w < 0 ? errno : ENOSPC);
		bytes = slice_skip(bytes, (size_t)w);
	}
	return SPOOL_OK;
}

static enum spool_result write_out(struct spool *s)
{
	enum spool_result result = write_all(s, buf_slice(&s->mem));
	buf_clear(&s->mem);
	return result;
}

static enum spool_result open_file(struct spool *s, struct spool_room *r)
{
	uint32_t most = atomic_load_explicit(&r->max_files, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&r->files, 1, memory_order_relaxed) >= most) {
		atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
		return SPOOL_FULL;
	}
	s->fd = openat(r->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd >= 0) {
		enum spool_result result = write_out(s);
		give_back(s, r);
		return result;
	}
	int error = errno;
	atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
	return failed(s, error);
}

/* ---- the body ---- */

static enum spool_result keep(struct spool *s, struct slice bytes)
{
	return buf_put(&s->mem, bytes) ? SPOOL_OK : failed(s, ENOMEM);
}

/* What a file gathers must not take the room of bodies that have no file: then it would take ever more files. */
static bool may_gather(struct spool *s, struct spool_room *r, size_t more)
{
	uint64_t now = atomic_load_explicit(&r->memory, memory_order_relaxed);
	bool plenty = now < atomic_load_explicit(&r->max_memory, memory_order_relaxed) / 2;
	return buf_len(&s->mem) + more <= STAGE && plenty && claim(s, r, more);
}

/* Gathered into larger writes, unless the common memory is short. */
static enum spool_result put_into_file(struct spool *s, struct spool_room *r, struct slice bytes)
{
	if (may_gather(s, r, bytes.n))
		return keep(s, bytes);
	enum spool_result result = write_out(s);
	give_back(s, r);
	return result == SPOOL_OK ? write_all(s, bytes) : result;
}

enum spool_result spool_append(struct spool *s, struct spool_room *r, struct slice bytes, uint64_t memory)
{
	enum spool_result result = SPOOL_OK;
	if (s->fd < 0 && s->size + bytes.n <= memory && claim(s, r, bytes.n)) {
		result = keep(s, bytes);
	} else {
		if (s->fd < 0)
			result = open_file(s, r);
		if (result == SPOOL_OK)
			result = put_into_file(s, r, bytes);
	}
	if (result == SPOOL_OK)
		s->size += bytes.n;
	return result;
}

enum spool_result spool_finish(struct spool *s, struct spool_room *r)
{
	if (s->fd < 0)
		return SPOOL_OK;
	enum spool_result result = write_out(s);
	give_back(s, r);
	return result;
}

void spool_release(struct spool *s, struct spool_room *r)
{
	if (s->fd >= 0) {
		close(s->fd);
		atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
	}
	give_back(s, r);
	spool_init(s);
}
