#include "relay/intent.h"

#include "base/clock.h"
#include "base/crc32c.h"
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
_Static_assert(
	offsetof(struct relay_intent, backend) == offsetof(struct relay_intent, id) + RELAY_INTENT_ID, "in a row");

struct relay_intents {
	unsigned workers;
	struct relay_intent *slots;
};

static size_t size_of(unsigned workers)
{
	return (size_t)workers * RELAY_INTENTS * sizeof(struct relay_intent);
}

/* Above any checksum: it tells a note that has one from those of before. */
static const uint64_t HAS_CHECK = 1ull << 32;
/* 9999-12-31: what is below it is a date */
static const uint64_t SINCE_MAX = 253402300799;

static uint64_t check_of(const struct relay_intent *slot, uint64_t since_s)
{
	uint32_t crc = crc32c(0, slice_of((const char *)&since_s, sizeof since_s));
	return HAS_CHECK | crc32c(crc, slice_of(slot->id, sizeof slot->id + sizeof slot->backend));
}

/* ---- the start ---- */

static bool is_word(const char *text, size_t room)
{
	size_t n = strnlen(text, room);
	for (size_t i = 0; i < n; i++)
		TRY(text[i] > ' ' && text[i] <= '~');
	return n < room;
}

/* A note of before there were checksums is believed when it looks like one. */
static bool is_whole(const struct relay_intent *slot)
{
	if (slot->check)
		return slot->check == check_of(slot, slot->since_s);
	return slot->since_s < SINCE_MAX && is_word(slot->id, sizeof slot->id) && slot->backend[0] &&
	       is_word(slot->backend, sizeof slot->backend);
}

static void name_one(const struct relay_intent *slot)
{
	char when[CLOCK_RFC3339];
	clock_rfc3339((slot->since_s < SINCE_MAX ? slot->since_s : 0) * 1000, when);
	log_warn(
		"mail %.*s: sent whole to %.*s at %s, but the server ended before its client had the reply; the client "
		"tries again and it may come twice",
		RELAY_INTENT_ID - 1, slot->id, RELAY_INTENT_BACKEND - 1, slot->backend, when);
}

/* Returns how many are damaged; one that is cut off is. */
static unsigned name_some(const struct relay_intent *slots, size_t bytes)
{
	unsigned damaged = bytes % sizeof *slots != 0;
	for (size_t i = 0; i < bytes / sizeof *slots; i++) {
		if (!slots[i].since_s)
			continue;
		if (is_whole(&slots[i]))
			name_one(&slots[i]);
		else
			damaged++;
	}
	return damaged;
}

static void name_all(const char *path, int fd)
{
	struct relay_intent slots[32];
	unsigned damaged = 0;
	off_t at = 0;
	for (ssize_t n; (n = pread(fd, slots, sizeof slots, at)) > 0; at += n)
		damaged += name_some(slots, (size_t)n);
	if (damaged)
		log_warn("relay.state: %u notes in %s are damaged and left out: as many mails that were under way when "
			 "the server ended may come twice, and are not named here",
			damaged, path);
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
		name_all(path, fd);
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
	slot->check = check_of(slot, now_s);
	/* behind the words: a process may end between any two stores */
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)&slot->since_s = now_s;
}

void relay_intent_clear(struct relay_intent *slot)
{
	*(volatile uint64_t *)&slot->since_s = 0;
}
