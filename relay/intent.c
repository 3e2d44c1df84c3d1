#include "relay/intent.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct relay_intent) == 128, "two cache lines");

struct relay_intents {
	unsigned workers;
	struct relay_intent *slots;
};

static size_t size_of(unsigned workers)
{
	return (size_t)workers * RELAY_INTENTS * sizeof(struct relay_intent);
}

/* ---- the start ---- */

static void name_one(const struct relay_intent *slot)
{
	char when[CLOCK_RFC3339];
	/* 9999-12-31: whatever the bytes are, it is a date */
	clock_rfc3339((slot->since_s < 253402300799u ? slot->since_s : 0) * 1000, when);
	log_warn(
		"mail %.*s: sent whole to %.*s at %s, but the server ended before its client had the reply; the client "
		"tries again and it may come twice",
		RELAY_INTENT_ID - 1, slot->id, RELAY_INTENT_BACKEND - 1, slot->backend, when);
}

static void name_all(int fd)
{
	struct relay_intent slots[32];
	off_t at = 0;
	for (ssize_t n; (n = pread(fd, slots, sizeof slots, at)) > 0; at += n)
		for (size_t i = 0; i < (size_t)n / sizeof slots[0]; i++) {
			slots[i].id[RELAY_INTENT_ID - 1] = slots[i].backend[RELAY_INTENT_BACKEND - 1] = 0;
			if (slots[i].since_s)
				name_one(&slots[i]);
		}
}

static bool make(const char *path, unsigned workers)
{
	struct state_file f;
	TRY(state_file_make(&f, path));
	/* its blocks are taken now: a store into a page that the disk has no room for would be a SIGBUS */
	int error = posix_fallocate(f.fd, 0, (off_t)size_of(workers));
	if (!error)
		return state_file_commit(&f);
	state_file_drop(&f);
	errno = error;
	return false;
}

static void *map(const char *path, unsigned workers)
{
	TRY(make(path, workers));
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, size_of(workers), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return p == MAP_FAILED ? NULL : p;
}

struct relay_intents *relay_intents_open(const char *path, unsigned workers, char why_r[256])
{
	char why[STATE_FILE_WHY];
	int fd = state_file_open(path, geteuid(), why);
	if (fd < 0 && errno != ENOENT) {
		snprintf(why_r, 256, "%s", why);
		return NULL;
	}
	if (fd >= 0) {
		name_all(fd);
		close(fd);
	}
	struct relay_intents *i = mem_zalloc(sizeof *i);
	if (!i) {
		snprintf(why_r, 256, "out of memory");
		return NULL;
	}
	i->workers = workers;
	i->slots = map(path, workers);
	if (i->slots)
		return i;
	snprintf(why_r, 256, "%s", strerror(errno));
	mem_free(&i);
	return NULL;
}

void relay_intents_close(struct relay_intents **i)
{
	if (!*i)
		return;
	munmap((*i)->slots, size_of((*i)->workers));
	mem_free(i);
}

/* ---- the slots ---- */

struct relay_intent *relay_intents_of(struct relay_intents *i, unsigned worker)
{
	return i && worker < i->workers ? i->slots + (size_t)worker * RELAY_INTENTS : NULL;
}

void relay_intent_set(struct relay_intent *slot, struct slice id, const char *backend, uint64_t now_s)
{
	size_t n = id.n < RELAY_INTENT_ID - 1 ? id.n : RELAY_INTENT_ID - 1;
	if (n)
		memcpy(slot->id, id.p, n);
	slot->id[n] = 0;
	n = strnlen(backend, RELAY_INTENT_BACKEND - 1);
	memcpy(slot->backend, backend, n);
	slot->backend[n] = 0;
	/* behind the words: a process may end between any two stores */
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)&slot->since_s = now_s;
}

void relay_intent_clear(struct relay_intent *slot)
{
	*(volatile uint64_t *)&slot->since_s = 0;
}
