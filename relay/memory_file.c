/* The file of relay/memory.h and the thread that writes it. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/state_file.h"
#include "relay/memory_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK = 1024,	   /* records read at once, and copied under the lock at once */
	RETRY_S = 5,	   /* after it could not be written */
	COMPACT_MIN = 4096 /* a file with fewer records is not worth rewriting */
};

static bool write_at(int fd, struct slice bytes, uint64_t at)
{
	while (bytes.n) {
		ssize_t n = pwrite(fd, bytes.p, bytes.n, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		TRY(n > 0);
		bytes = slice_skip(bytes, (size_t)n);
		at += (uint64_t)n;
	}
	return true;
}

/* ---- rewriting ---- */

/* The entries of some places, as records. Between two calls others may change the table: what they do waits to be
 * appended, and to have a record twice, or one to forget what is not there, does no harm. */
static size_t copy_records(struct relay_memory *m, uint32_t from, uint32_t to, uint64_t now_s, char *out)
{
	size_t n = 0;
	pthread_mutex_lock(&m->lock);
	for (uint32_t i = from; i < to; i++) {
		const struct relay_memory_entry *e = &m->entries[i];
		if (e->until_s <= now_s)
			continue;
		struct relay_state_record rec = { e->partial ? RELAY_STATE_HAS : RELAY_STATE_UNHEARD, e->until_s,
			e->about, { e->id[0], e->id[1] } };
		relay_state_write(&m->head, &rec, out + RELAY_STATE_RECORD * n++);
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}

static bool write_all(struct relay_memory *m, struct state_file *f, uint64_t now_s, uint64_t *records_r)
{
	char head[RELAY_STATE_HEAD], chunk[CHUNK * RELAY_STATE_RECORD];
	relay_state_write_head(&m->head, head);
	TRY(state_file_write(f, slice_of(head, sizeof head)));
	pthread_mutex_lock(&m->lock);
	uint32_t end = m->used + 1;
	pthread_mutex_unlock(&m->lock);
	for (uint32_t at = 1; at < end; at += CHUNK) {
		uint32_t to = end - at > CHUNK ? at + CHUNK : end;
		size_t n = copy_records(m, at, to, now_s, chunk);
		TRY(state_file_write(f, slice_of(chunk, n * RELAY_STATE_RECORD)));
		*records_r += n;
	}
	return true;
}

/* The file anew, with nothing in it but what counts. */
static bool rewrite(struct relay_memory *m, uint64_t now_s)
{
	struct state_file f;
	uint64_t records = 0;
	TRY(state_file_make(&f, m->path));
	if (!write_all(m, &f, now_s, &records)) {
		state_file_drop(&f);
		return false;
	}
	bool ok = state_file_commit(&f);
	/* one that has failed may have put the new file in the old one's place all the same */
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	TRY(ok);
	m->fd = open(m->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	TRY(m->fd >= 0);
	m->behind = false;
	m->records = records;
	m->size = RELAY_STATE_HEAD + records * RELAY_STATE_RECORD;
	return true;
}

/* ---- appending ---- */

static bool write_list(struct relay_memory *m, const struct relay_save *list)
{
	char chunk[CHUNK * RELAY_STATE_RECORD];
	size_t n = 0;
	uint64_t at = m->size;
	bool awaited = false;
	for (const struct relay_save *s = list; s; s = s->next) {
		awaited |= s->box != NULL;
		for (uint32_t i = 0; i < s->n; i++) {
			if (n == sizeof chunk) {
				TRY(write_at(m->fd, slice_of(chunk, n), at));
				at += n;
				n = 0;
			}
			relay_state_write(&m->head, &s->records[i], chunk + n);
			n += RELAY_STATE_RECORD;
		}
	}
	TRY(write_at(m->fd, slice_of(chunk, n), at));
	TRY(!awaited || fdatasync(m->fd) == 0);
	m->records += (at + n - m->size) / RELAY_STATE_RECORD;
	m->size = at + n;
	return true;
}

/* Always behind what is whole. */
static bool append(struct relay_memory *m, const struct relay_save *list)
{
	if (write_list(m, list))
		return true;
	int error = errno;
	m->behind = true;
	/* the next ones are written over what it left; a whole record behind them would be taken for a later word.
	 * Where it cannot be cut off they begin a new file. */
	if (ftruncate(m->fd, (off_t)m->size) < 0) {
		close(m->fd);
		m->fd = -1;
	}
	errno = error;
	return false;
}

static void tell(struct relay_memory *m, int error)
{
	int before = atomic_exchange(&m->error, error);
	if (error && !before)
		log_error(
			"relay.state %s cannot be written: %s; partial deliveries are remembered until the next start "
			"only",
			m->path, strerror(error));
	else if (!error && before)
		log_info("relay.state %s is written again", m->path);
}

static void serve_list(struct relay_memory *m, struct relay_save *list)
{
	bool opened = (m->fd >= 0 && !m->behind) || rewrite(m, clock_wall_ms() / 1000);
	int error = opened && append(m, list) ? 0 : errno;
	tell(m, error);
	for (struct relay_save *s = list, *next; s; s = next) {
		next = s->next;
		relay_save_over(s, error);
	}
	if (m->records > COMPACT_MIN && m->records / 2 > atomic_load(&m->count) && !error)
		tell(m, rewrite(m, clock_wall_ms() / 1000) ? 0 : errno);
}

/* Until there is something to write; where it cannot be written, until it is worth another try: the whole of it then,
 * since what was to be appended is in the table alone. Under the lock. */
static void await_more(struct relay_memory *m)
{
	struct timespec due;
	if (!atomic_load(&m->error)) {
		pthread_cond_wait(&m->more, &m->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &due);
	due.tv_sec += RETRY_S;
	if (pthread_cond_timedwait(&m->more, &m->lock, &due) != ETIMEDOUT)
		return;
	pthread_mutex_unlock(&m->lock);
	tell(m, rewrite(m, clock_wall_ms() / 1000) ? 0 : errno);
	pthread_mutex_lock(&m->lock);
}

static void *writer(void *arg)
{
	struct relay_memory *m = arg;
	pthread_mutex_lock(&m->lock);
	while (m->waiting || !m->ending) {
		struct relay_save *list = m->waiting;
		if (!list) {
			await_more(m);
			continue;
		}
		m->waiting = NULL;
		pthread_mutex_unlock(&m->lock);
		serve_list(m, list);
		pthread_mutex_lock(&m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

void relay_memory_end_writer(struct relay_memory *m)
{
	if (m->writing) {
		pthread_mutex_lock(&m->lock);
		m->ending = true;
		pthread_cond_signal(&m->more);
		pthread_mutex_unlock(&m->lock);
		pthread_join(m->thread, NULL);
	}
	if (m->fd >= 0)
		close(m->fd);
	mem_free(&m->path);
}

/* ---- the start ---- */

/* What is whole of the open file. False: it is damaged (errno 0), or the disk does not give it. */
static bool read_file(struct relay_memory *m, int fd, uint64_t now_s)
{
	char chunk[CHUNK * RELAY_STATE_RECORD];
	struct relay_state_head head;
	off_t at = RELAY_STATE_HEAD;
	errno = 0;
	TRY(pread(fd, chunk, RELAY_STATE_HEAD, 0) == RELAY_STATE_HEAD);
	TRY(relay_state_read_head(slice_of(chunk, RELAY_STATE_HEAD), &head));
	m->head = head;
	for (ssize_t n; (n = pread(fd, chunk, sizeof chunk, at)) != 0; at += n) {
		TRY(n > 0);
		struct slice bytes = slice_of(chunk, (size_t)n);
		struct relay_state_record rec;
		while (relay_state_read(&m->head, &bytes, &rec))
			if (rec.kind == RELAY_STATE_FORGET || rec.until_s > now_s)
				(void)relay_memory_apply(m, &rec); /* what goes may have been void at the end */
		if (bytes.n) {
			errno = 0;
			return false;
		}
	}
	return true;
}

static bool take_in(struct relay_memory *m, uint64_t now_s, char why_r[256])
{
	char why[STATE_FILE_WHY];
	int fd = state_file_open(m->path, geteuid(), why);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0) {
		snprintf(why_r, 256, "is not read and not written: %s", why);
		return false;
	}
	bool whole = read_file(m, fd, now_s);
	int error = errno;
	close(fd);
	if (!whole && error) { /* what stands there may be read by the next start */
		snprintf(why_r, 256, "is not read to its end and not written: %s", strerror(error));
		return false;
	}
	if (!whole) {
		bool kept = state_file_put_aside(m->path);
		snprintf(why_r, 256, "is damaged: %zu entries before that are kept, the file as it was is %s",
			relay_memory_count(m), kept ? "beside it as .aside" : "written over");
	}
	return true;
}

bool relay_memory_open(struct relay_memory *m, const char *path, uint64_t now_s, char why_r[256])
{
	why_r[0] = 0;
	m->path = mem_strndup(path, strlen(path));
	if (!m->path) {
		snprintf(why_r, 256, "is not used: out of memory");
		return false;
	}
	TRY(take_in(m, now_s, why_r));
	if (!rewrite(m, now_s)) {
		snprintf(why_r, 256, "cannot be written: %s", strerror(errno));
		return false;
	}
	m->writing = true;
	if (pthread_create(&m->thread, NULL, writer, m) == 0)
		return true;
	m->writing = false;
	snprintf(why_r, 256, "is not written: no thread can be started");
	return false;
}
