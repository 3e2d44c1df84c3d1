#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "score/snapshot.h"
#include "server/keeper_inside.h"
#include "base/state_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What one read(2) asks for. */
enum { READ_BYTES = 1024 * 1024 };

/* Fills `in` with READ_BYTES more, or what is left. False at the end (errno 0) and when the disk gives no more. */
static bool read_more(int fd, struct buf *in)
{
	errno = 0;
	if (!buf_reserve(in, READ_BYTES)) {
		errno = ENOMEM;
		return false;
	}
	ssize_t n;
	do
		n = read(fd, in->data + in->end, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	buf_grew(in, (size_t)n);
	return true;
}

bool keeper_read_key(const char *path, uid_t owner, struct hash_key *key_r)
{
	char why[STATE_FILE_WHY];
	struct score_snapshot_head head;
	char bytes[SCORE_SNAPSHOT_HEAD];
	int fd = state_file_open(path, owner, why);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, bytes, sizeof bytes);
	close(fd);
	TRY(n > 0 && score_snapshot_read_head(slice_of(bytes, (size_t)n), &head) == SCORE_SNAPSHOT_GOOD);
	*key_r = head.key;
	return true;
}

static void put_aside(struct keeper *k, const char *why)
{
	if (state_file_put_aside(k->path))
		log_warn("snapshot: %s: %s; it was moved to %s.aside", k->path, why, k->path);
	else
		log_warn("snapshot: %s: %s; it could not be moved aside: %s", k->path, why, strerror(errno));
}

static const char *fault_of(struct slice file, const struct keeper *k, struct score_snapshot_head *head_r)
{
	struct hash_key key = score_store_key(k->store);
	switch (score_snapshot_read_head(file, head_r)) {
	case SCORE_SNAPSHOT_GOOD:
		break;
	case SCORE_SNAPSHOT_FOREIGN:
		return "this is no snapshot of SmtpGuard, nothing is taken from it";
	case SCORE_SNAPSHOT_DAMAGED:
		return "its head is damaged, nothing of it can be believed";
	case SCORE_SNAPSHOT_NEWER:
		return "a newer SmtpGuard wrote it, this one cannot read it";
	}
	return head_r->key.k0 == key.k0 && head_r->key.k1 == key.k1 ? NULL : "it was replaced while we started";
}

/* All behind the head. Returns what read(2) failed with, or 0. */
static int read_blocks(int fd, struct buf *in, struct score_snapshot_reader *r)
{
	bool last = false;
	int error = 0;
	buf_consume(in, SCORE_SNAPSHOT_HEAD);
	while (!last) {
		last = !read_more(fd, in);
		error = last ? errno : 0;
		buf_consume(in, score_snapshot_feed(r, buf_slice(in), last));
	}
	return error;
}

static void tell(struct keeper *k, const struct score_snapshot_reader *r, uint64_t written_ms, int error)
{
	char time[CLOCK_RFC3339], why[256];
	clock_rfc3339(written_ms, time);
	log_info("snapshot: %llu entries of %s restored from %s; %llu were outdated or found no room",
		(unsigned long long)r->entries, time, k->path, (unsigned long long)r->not_kept);
	if (r->unknown)
		log_warn("snapshot: %llu blocks are of a kind that this version does not know, they were passed over",
			(unsigned long long)r->unknown);
	if (score_snapshot_is_whole(r) && !error) {
		if (r->unknown)
			put_aside(k, "not all of it was understood");
		return;
	}
	snprintf(why, sizeof why, "it is damaged%s%s (%llu bytes, %llu blocks missing%s), what is whole of it was kept",
		error ? ": " : "", error ? strerror(error) : "", (unsigned long long)r->damaged_bytes,
		(unsigned long long)r->missing, r->ended ? "" : ", its end too");
	put_aside(k, why);
	keeper_ask(k);
}

static void restore(struct keeper *k, int fd, struct buf *in)
{
	struct score_snapshot_head head = { 0 };
	struct score_snapshot_reader r;
	bool any = read_more(fd, in);
	int error = any ? 0 : errno;
	const char *fault = error ? strerror(error) : fault_of(buf_slice(in), k, &head);
	if (fault) {
		put_aside(k, fault);
		return;
	}
	score_snapshot_restore(&r, k->store, &head, clock_wall_ms());
	error = read_blocks(fd, in, &r);
	k->info.last_ms = head.written_ms;
	k->info.restored_entries = k->info.entries = r.entries;
	tell(k, &r, head.written_ms, error);
}

void keeper_restore(struct keeper *k)
{
	char why[STATE_FILE_WHY];
	struct buf in = { 0 };
	int fd = state_file_open(k->path, geteuid(), why);
	if (fd >= 0) {
		restore(k, fd, &in);
		close(fd);
	} else if (errno != ENOENT) {
		put_aside(k, why);
	}
	buf_release(&in);
}
