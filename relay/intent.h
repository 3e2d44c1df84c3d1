/* relay/intent.h - the mails whose dot is out, for whoever starts after a crash
 *
 * Between our dot and the client's hearing of its reply a mail may be delivered without anybody knowing. A server that
 * is killed then leaves a note of each: fixed slots in a file that is mapped and shared, written and cleared by plain
 * stores, so that a mail costs no system call. They survive the end of the process, however it ends; they do NOT
 * survive the machine (nothing is flushed). The next start names them in the log and begins anew; those that are
 * damaged are counted, not believed.
 * A slot is cleared a turn of the loop after its answer was popped: then the reply was given to the kernel. That of a
 * mail in doubt stays some seconds longer, until the log has surely named it.
 *
 * Threads: each worker has slots of its own. Opening and closing: before and after them.
 */
#ifndef RELAY_INTENT_H
#define RELAY_INTENT_H

#include "base/result.h"
#include "base/slice.h"

enum {
	RELAY_INTENTS = 256, /* of one worker; a mail beyond them has no note */
	RELAY_INTENT_ID = 24,
	RELAY_INTENT_BACKEND = 88
};

/* In the file, in this machine's byte order: nobody else reads it. */
struct relay_intent {
	uint64_t since_s; /* 0: free */
	char id[RELAY_INTENT_ID];
	char backend[RELAY_INTENT_BACKEND];
	uint64_t check; /* CRC-32C of all before, and a bit above it; 0: written before there was one */
};

struct relay_intents;

/* Names what is in the file, how much of it is damaged, then makes it anew. NULL: why_r says why; there are no notes
 * then. */
struct relay_intents *relay_intents_open(const char *path, unsigned workers, char why_r[256]) MUST_USE;
/* The file stays. */
void relay_intents_close(struct relay_intents **i);
/* The slots of a worker; NULL: there are none for it. `i` may be NULL. */
struct relay_intent *relay_intents_of(struct relay_intents *i, unsigned worker);

void relay_intent_set(struct relay_intent *slot, struct slice id, const char *backend, uint64_t now_s);
void relay_intent_clear(struct relay_intent *slot);

#endif
