/* relay/memory.h - which recipients have which mail already, kept for the client's retry
 *
 * An entry says: this recipient has this content of this sender. It is made when a mail was delivered to some
 * of its recipients only, or when its client is known not to have heard our 250; it is dropped when the retry was
 * answered, or after RELAY_MEMORY_DAYS. Only keyed digests are kept, at most `remember` of them: the oldest that a
 * client has not heard of goes, which is counted and told in the log, but none of a mail delivered in part, whose retry
 * is sure to come. So what may become such an entry reserves its place first; when all are, the new one goes.
 *
 * The file (relay/state_format.h) is written by a thread of its own, since disks make threads wait: a worker submits
 * what is to be kept and collects it when it is on the disk (fdatasync), and only then answers its client. The
 * table knows it at once. The file is read at the start; what is damaged at its end is cut off and told, and it is
 * rewritten then and whenever more than half of it is of no use any more. Without a file, or when it cannot be written,
 * the table alone remembers, until the end of the process.
 *
 * Threads: all functions may be called by any thread, but a box is collected by its own worker. Locks: the table's and
 * a box's, leaves, held for a few instructions; nothing is written under them.
 *
 * A mail that was sent whole to the backend while its client may have gone is undecided: the same mail, when it comes
 * again, is to wait for its fate. Its digests hang on a list meanwhile, in memory alone. Who came before does not wait
 * for who comes after, so nobody waits in a circle.
 */
#ifndef RELAY_MEMORY_H
#define RELAY_MEMORY_H

#include "net/loop.h"
#include "relay/state_format.h"

#include <pthread.h>

enum { RELAY_MEMORY_MAX = 100000000 }; /* the setting's own bound */
enum { RELAY_MEMORY_DAYS = 5 }; /* longer than any sender tries one mail (RFC 5321 4.5.4.1: 4 to 5 days) */

/* Where a worker's saves wait when they are on the disk. */
struct relay_save_box {
	struct net_wake *wake; /* rung for each */
	pthread_mutex_t lock;
	struct relay_save *done;
};
void relay_save_box_init(struct relay_save_box *b, struct net_wake *wake);
void relay_save_box_clear(struct relay_save_box *b);
/* One that is done, or NULL. It is the caller's to free. */
struct relay_save *relay_save_collect(struct relay_save_box *b);

struct relay_job;
struct relay_save {
	struct relay_save *next;
	struct relay_save_box *box; /* NULL: nobody waits for it, the writer frees it */
	struct relay_job *job;	    /* the submitter's */
	int error;		    /* 0: on the disk, or there is no file; else an errno */
	struct relay_memory *undecided_in; /* NULL: not on its list of the undecided */
	struct relay_save *undecided_next;
	uint64_t turn;
	uint32_t n;
	struct relay_state_record records[];
};
/* Room for n records; relay_save_free() it (relay/relay.h). NULL: memory. */
struct relay_save *relay_save_new(size_t n) MUST_USE;

struct relay_memory;

/* At most `entries` (1 to RELAY_MEMORY_MAX). NULL: memory. */
struct relay_memory *relay_memory_new(uint32_t entries) MUST_USE;
/* Writes what still waits, and ends the thread. */
void relay_memory_free(struct relay_memory **m);
/* Reads the file, or makes it, and starts the thread. Once, before there are workers. False: there is no file, why_r
 * says why and what becomes of it; the table works all the same. True with words in why_r: it was damaged. */
bool relay_memory_open(struct relay_memory *m, const char *path, uint64_t now_s, char why_r[256]) MUST_USE;

/* The keys of the digests; they do not change once there are workers. */
const struct relay_state_head *relay_memory_keys(const struct relay_memory *m);
/* Is anything remembered or undecided at all? Cheap. */
bool relay_memory_is_empty(const struct relay_memory *m);
/* May this recipient have such a mail already, or may it be undecided because of one who came before `turn`? Then its
 * id tells. */
bool relay_memory_about(struct relay_memory *m, uint64_t about, uint64_t turn, uint64_t now_s);
bool relay_memory_has(struct relay_memory *m, const struct relay_state_record *rec, uint64_t now_s);
/* Into the table at once and to the writer; see relay_save. It must stay untouched until it is collected. */
void relay_memory_submit(struct relay_memory *m, struct relay_save *s);
/* Each delivery draws one, never 0: who has the lower came first. */
uint64_t relay_memory_turn(struct relay_memory *m);
/* What these are about is undecided, until they are submitted or freed. */
void relay_memory_leave_undecided(struct relay_memory *m, struct relay_save *s, uint64_t turn);
/* Only these, took[i] for each record, have it; for the others nothing is undecided any more. */
void relay_memory_narrow(struct relay_memory *m, struct relay_save *s, const bool *took);
/* Is it undecided, because of one who came before `turn`? Asked before relay_memory_has(): while it is decided there
 * is no moment in which both say no. */
bool relay_memory_undecided(struct relay_memory *m, const struct relay_state_record *rec, uint64_t turn);
/* Places for the entries of a mail that may be delivered in part. False: there are not so many. */
bool relay_memory_reserve(struct relay_memory *m, uint32_t n) MUST_USE;
/* Gives back what was reserved, used or not. */
void relay_memory_unreserve(struct relay_memory *m, uint32_t n);
/* How many could be reserved now. */
uint32_t relay_memory_room(const struct relay_memory *m);
/* For stats: what is remembered, and what had to go before its time since the start. */
size_t relay_memory_count(const struct relay_memory *m);
uint64_t relay_memory_evicted(const struct relay_memory *m);
/* Why the file cannot be written now, an errno; 0: it can, or the start has said that there is none. It is tried again
 * every few seconds. */
int relay_memory_error(const struct relay_memory *m);

#endif
