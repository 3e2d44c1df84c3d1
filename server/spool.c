#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* How much is gathered before it is written. */
enum { STAGE = 64 * 1024 };

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

static bool is_half_free(const struct spool_room *r)
{
	uint64_t now = atomic_load_explicit(&r->memory, memory_order_relaxed);
	return now < atomic_load_explicit(&r->max_memory, memory_order_relaxed) / 2;
}

static uint64_t most_in_memory(const struct spool_room *r, uint64_t memory)
{
	return memory <= SPOOL_SHORT || is_half_free(r) ? memory : SPOOL_SHORT;
}

bool spool_room_takes(const struct spool_room *r, uint64_t size, uint64_t memory)
{
	uint64_t most = atomic_load_explicit(&r->max_memory, memory_order_relaxed);
	uint64_t now = atomic_load_explicit(&r->memory, memory_order_relaxed);
	bool in_memory = size <= most_in_memory(r, memory) && now + (size > ROPE_LEAST ? size : ROPE_LEAST) <= most;
	return in_memory || atomic_load_explicit(&r->files, memory_order_relaxed) <
				    atomic_load_explicit(&r->max_files, memory_order_relaxed);
}

void spool_init(struct spool *s, struct rope_stock *stock)
{
	*s = (struct spool){ .stock = stock, .fd = -1 };
}

/* ---- the common memory ---- */

static bool claim(struct spool_room *r, size_t memory)
{
	uint64_t most = atomic_load_explicit(&r->max_memory, memory_order_relaxed);
	if (memory && atomic_fetch_add_explicit(&r->memory, memory, memory_order_relaxed) + memory > most) {
		atomic_fetch_sub_explicit(&r->memory, memory, memory_order_relaxed);
		return false;
	}
	return true;
}

static void give_back(struct spool *s, struct spool_room *r)
{
	atomic_fetch_sub_explicit(&r->memory, s->mem.memory, memory_order_relaxed);
	rope_clear(&s->mem, s->stock);
}

enum kept { KEPT, NO_ROOM, NO_MEMORY };

static enum kept keep(struct spool *s, struct spool_room *r, struct slice bytes)
{
	size_t memory = rope_cost(&s->mem, s->stock, bytes);
	if (!claim(r, memory))
		return NO_ROOM;
	if (rope_put(&s->mem, s->stock, bytes))
		return KEPT;
	atomic_fetch_sub_explicit(&r->memory, memory, memory_order_relaxed);
	return NO_MEMORY;
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

/* What was gathered, or the body so far; its memory goes back. */
static enum spool_result write_out(struct spool *s, struct spool_room *r)
{
	enum spool_result result = SPOOL_OK;
	for (const struct rope_block *b = s->mem.first; b && result == SPOOL_OK; b = b->next)
		result = write_all(s, b->bytes);
	give_back(s, r);
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
	if (s->fd >= 0)
		return write_out(s, r);
	int error = errno;
	atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
	return failed(s, error);
}

/* ---- the body ---- */

/* Gathered into larger writes. What a file gathers must not take the room of bodies that have no file: then it would
 * take ever more files. */
static enum spool_result put_into_file(struct spool *s, struct spool_room *r, struct slice bytes)
{
	bool gather = s->mem.n + bytes.n <= STAGE && is_half_free(r);
	if (gather && keep(s, r, bytes) == KEPT)
		return SPOOL_OK;
	enum spool_result result = write_out(s, r);
	return result == SPOOL_OK ? write_all(s, bytes) : result;
}

static enum kept stay_in_memory(struct spool *s, struct spool_room *r, struct slice bytes, uint64_t memory)
{
	if (s->fd >= 0 || s->size + bytes.n > most_in_memory(r, memory))
		return NO_ROOM;
	return keep(s, r, bytes);
}

static enum spool_result append(struct spool *s, struct spool_room *r, struct slice bytes, uint64_t memory)
{
	switch (stay_in_memory(s, r, bytes, memory)) {
	case KEPT:
		return SPOOL_OK;
	case NO_MEMORY:
		return failed(s, ENOMEM);
	case NO_ROOM:
		break;
	}
	enum spool_result result = s->fd < 0 ? open_file(s, r) : SPOOL_OK;
	return result == SPOOL_OK ? put_into_file(s, r, bytes) : result;
}

enum spool_result spool_append(struct spool *s, struct spool_room *r, struct slice bytes, uint64_t memory)
{
	enum spool_result result = append(s, r, bytes, memory);
	if (result == SPOOL_OK)
		s->size += bytes.n;
	return result;
}

enum spool_result spool_finish(struct spool *s, struct spool_room *r)
{
	return s->fd < 0 ? SPOOL_OK : write_out(s, r);
}

void spool_release(struct spool *s, struct spool_room *r)
{
	if (s->fd >= 0) {
		close(s->fd);
		atomic_fetch_sub_explicit(&r->files, 1, memory_order_relaxed);
	}
	give_back(s, r);
	spool_init(s, s->stock);
}
