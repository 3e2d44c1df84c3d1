#include "server/keeper.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "score/snapshot.h"
#include "server/keeper_inside.h"
#include "base/state_file.h"

#include <errno.h>
#include <stdio.h>

/* What goes into one write(2). */
enum { CHUNK = 128 * 1024 };
/* A snapshot that nobody waits for writes so much a second, which costs about a hundredth of a core (copying, checksum
 * and the kernel's part of writing: some 2 ms a megabyte) ... */
enum { PACE_BYTES = 6 * 1024 * 1024 };
/* ... but is to be done in this part of snapshot_every, however large it is. */
enum { PACE_PART = 2 };

struct keeper *keeper_new(struct score_store *store, const char *path, uint64_t every_ms)
{
	struct keeper *k = mem_zalloc(sizeof *k);
	pthread_condattr_t mono;
	if (!k)
		return NULL;
	k->store = store;
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->wake, &mono);
	pthread_cond_init(&k->done, &mono);
	pthread_condattr_destroy(&mono);
	keeper_configure(k, path, every_ms);
	return k;
}

void keeper_free(struct keeper **k)
{
	if (!*k)
		return;
	pthread_cond_destroy(&(*k)->done);
	pthread_cond_destroy(&(*k)->wake);
	pthread_mutex_destroy(&(*k)->lock);
	mem_free(k);
}

void keeper_configure(struct keeper *k, const char *path, uint64_t every_ms)
{
	pthread_mutex_lock(&k->lock);
	snprintf(k->path, sizeof k->path, "%s", path);
	snprintf(k->info.path, sizeof k->info.path, "%s", path);
	k->every_ms = every_ms;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

/* Under the lock: waits for `cond` until `due_ms` of the monotonic clock. False: it is past. */
static bool wait_until(struct keeper *k, pthread_cond_t *cond, uint64_t due_ms)
{
	struct timespec ts = { (time_t)(due_ms / 1000), (long)(due_ms % 1000) * 1000000 };
	return pthread_cond_timedwait(cond, &k->lock, &ts) != ETIMEDOUT;
}

/* ---- one snapshot ---- */

struct taking {
	struct keeper *k;
	struct state_file file;
	struct score_snapshot_writer writer;
	struct buf chunk;
	char path[PATH_MAX];
	uint64_t ticket;     /* the last wish that it fulfils */
	uint64_t begun_ms;   /* monotonic */
	uint64_t pace_bytes; /* a second; 0: as fast as it goes */
};

/* Is somebody waiting for a snapshot now? Then it is hurried. */
static bool is_urgent(const struct keeper *k, uint64_t ticket)
{
	return k->stopping || k->asked > ticket;
}

/* Waits until as much time has passed as the bytes written so far are to take. */
static void pace(struct taking *t)
{
	if (t->pace_bytes == 0)
		return;
	uint64_t due = t->begun_ms + t->file.written * 1000 / t->pace_bytes;
	bool urgent;
	pthread_mutex_lock(&t->k->lock);
	while (!(urgent = is_urgent(t->k, t->ticket)) && clock_mono_ms() < due)
		if (!wait_until(t->k, &t->k->wake, due))
			break;
	pthread_mutex_unlock(&t->k->lock);
	if (urgent)
		t->pace_bytes = 0;
}

static bool write_chunk(struct taking *t)
{
	TRY(state_file_write(&t->file, buf_slice(&t->chunk)));
	buf_clear(&t->chunk);
	pace(t);
	return true;
}

/* False: errno. */
static bool write_all(struct taking *t)
{
	enum score_snapshot_step step = SCORE_SNAPSHOT_MORE;
	score_snapshot_begin(&t->writer, t->k->store, clock_wall_ms());
	while (step == SCORE_SNAPSHOT_MORE) {
		step = score_snapshot_next(&t->writer, &t->chunk);
		if (buf_len(&t->chunk) >= CHUNK || step == SCORE_SNAPSHOT_DONE)
			TRY(write_chunk(t));
	}
	if (step == SCORE_SNAPSHOT_NO_MEMORY)
		errno = ENOMEM;
	return step == SCORE_SNAPSHOT_DONE;
}

static bool write_file(struct taking *t)
{
	TRY(state_file_make(&t->file, t->path));
	bool ok = buf_reserve(&t->chunk, CHUNK + SCORE_SNAPSHOT_BLOCK_MAX) && write_all(t);
	if (ok)
		return state_file_commit(&t->file);
	state_file_drop(&t->file);
	return false;
}

/* Under the lock. */
static void note(struct keeper *k, const struct taking *t, bool ok, int error)
{
	struct keeper_info *i = &k->info;
	k->answered = t->ticket;
	i->failing = !ok;
	if (ok) {
		i->taken++;
		i->last_ms = clock_wall_ms();
		i->last_took_ms = clock_mono_ms() - t->begun_ms;
		i->entries = t->writer.entries;
		i->bytes = t->file.written;
		i->error[0] = 0;
	} else {
		i->failed++;
		snprintf(i->error, sizeof i->error, "%s", strerror(error));
	}
	pthread_cond_broadcast(&k->done);
}

static void tell(const struct taking *t, bool wanted, bool ok, int error)
{
	if (!ok)
		log_error("snapshot: %s: %s; what is remembered is not on disk, the last good snapshot stays", t->path,
			strerror(error));
	else
		log_msg(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "snapshot: %llu entries written to %s in %llu ms",
			(unsigned long long)t->writer.entries, t->path,
			(unsigned long long)(clock_mono_ms() - t->begun_ms));
}

/* Under the lock, which is given up meanwhile. */
static bool take(struct keeper *k)
{
	struct taking t = { .k = k, .ticket = k->asked, .begun_ms = clock_mono_ms() };
	bool wanted = k->stopping || k->asked > k->answered;
	uint64_t in_time = k->info.bytes * 1000 * PACE_PART / k->every_ms;
	t.pace_bytes = wanted ? 0 : in_time > PACE_BYTES ? in_time : PACE_BYTES;
	memcpy(t.path, k->path, sizeof t.path);
	pthread_mutex_unlock(&k->lock);
	bool ok = write_file(&t);
	int error = errno;
	tell(&t, wanted, ok, error);
	buf_release(&t.chunk);
	pthread_mutex_lock(&k->lock);
	note(k, &t, ok, error);
	return ok;
}

/* ---- the thread ---- */

static void *run(void *keeper)
{
	struct keeper *k = keeper;
	pthread_mutex_lock(&k->lock);
	for (uint64_t last_ms = clock_mono_ms(); !k->stopping;) {
		uint64_t due = last_ms + k->every_ms;
		if (k->asked == k->answered && clock_mono_ms() < due) {
			(void)wait_until(k, &k->wake, due);
			continue;
		}
		last_ms = clock_mono_ms();
		(void)take(k);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

static void take_wishes(struct keeper *k, bool yes)
{
	pthread_mutex_lock(&k->lock);
	k->takes_wishes = yes;
	k->stopping = !yes;
	pthread_cond_broadcast(&k->wake);
	pthread_cond_broadcast(&k->done);
	pthread_mutex_unlock(&k->lock);
}

bool keeper_start(struct keeper *k)
{
	take_wishes(k, true);
	k->running = pthread_create(&k->thread, NULL, run, k) == 0;
	if (!k->running)
		take_wishes(k, false);
	return k->running;
}

bool keeper_stop(struct keeper *k)
{
	if (!k->running)
		return true;
	take_wishes(k, false);
	pthread_join(k->thread, NULL);
	k->running = false;
	pthread_mutex_lock(&k->lock);
	bool ok = take(k);
	pthread_mutex_unlock(&k->lock);
	return ok;
}

/* ---- wishes ---- */

void keeper_ask(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	k->asked++;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

enum keeper_outcome keeper_snapshot_now(struct keeper *k, uint64_t wait_ms)
{
	enum keeper_outcome how = KEEPER_WRITING;
	uint64_t due = clock_mono_ms() + wait_ms;
	pthread_mutex_lock(&k->lock);
	uint64_t ticket = ++k->asked;
	pthread_cond_signal(&k->wake);
	while (k->takes_wishes && k->answered < ticket)
		if (!wait_until(k, &k->done, due))
			break;
	if (k->answered >= ticket)
		how = k->info.failing ? KEEPER_FAILED : KEEPER_WRITTEN;
	else if (!k->takes_wishes)
		how = KEEPER_OFF;
	pthread_mutex_unlock(&k->lock);
	return how;
}

void keeper_info(struct keeper *k, struct keeper_info *info_r)
{
	pthread_mutex_lock(&k->lock);
	*info_r = k->info;
	pthread_mutex_unlock(&k->lock);
}
