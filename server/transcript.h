/* server/transcript.h - what sessions of a traced client say and hear, kept for who looks on (`smtpguardctl trace`)
 *
 * A few traces at once, each of one prefix: a bounded ring of lines in memory, nothing on disk. The oldest lines go
 * when nobody takes them, and the reader is told how many. A trace ends by itself when nobody has asked for its lines
 * for TRANSCRIPT_IDLE_MS.
 *
 * Lines are bytes from outside, as they came: who shows them escapes them. What must not be seen (AUTH, bodies) is
 * left out by who puts them in, server/retell.c.
 *
 * Threads: workers put, the control thread reads. Each trace has a leaf lock, held while one line, or
 * TRANSCRIPT_TAKE of them, are copied. While no trace is on a worker reads one word.
 */
#ifndef SERVER_TRANSCRIPT_H
#define SERVER_TRANSCRIPT_H

#include "base/ip.h"
#include "base/result.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TRANSCRIPTS_MAX = 8, TRANSCRIPT_LINES = 1024, TRANSCRIPT_TAKE = 64, TRANSCRIPT_IDLE_MS = 10000 };
/* Of a line; what is longer is cut. A command has at most 512 bytes (RFC 5321 4.5.3.1.4), a path 256. */
enum { TRANSCRIPT_TEXT = 488 };

enum transcript_kind {
	TRANSCRIPT_CONNECT,
	TRANSCRIPT_IN,	/* a line of the client */
	TRANSCRIPT_OUT, /* a line to it */
	TRANSCRIPT_TLS,
	TRANSCRIPT_LOOKUP, /* what the DNS has said */
	TRANSCRIPT_RULE,
	TRANSCRIPT_VERDICT, /* of a stage */
	TRANSCRIPT_BACKEND, /* its reply */
	TRANSCRIPT_OFFENCE,
	TRANSCRIPT_END,
	TRANSCRIPT_KINDS
};
/* "connect", "in", "out", ... */
extern const char *const transcript_kind_names[TRANSCRIPT_KINDS];

struct transcript_line {
	uint64_t time_ms; /* since 1970 */
	uint64_t session;
	uint16_t n, cut; /* bytes of text; how many more it had (65535: or more) */
	uint8_t kind;	 /* enum transcript_kind */
	char text[TRANSCRIPT_TEXT];
};

struct transcript; /* private */

struct transcripts {
	_Atomic unsigned on; /* traces */
	uint32_t last_id;    /* control thread */
	struct transcript *each;
};

/* NULL: memory is out. */
struct transcripts *transcripts_new(void) MUST_USE;
void transcripts_free(struct transcripts **t);

static inline bool transcripts_on(const struct transcripts *t)
{
	return atomic_load_explicit(&t->on, memory_order_relaxed) > 0;
}

/* By a worker: kept by each trace that has this client. now_ms: monotonic. */
void transcripts_put(struct transcripts *t, const struct ip *client, uint64_t session, enum transcript_kind kind,
	struct slice text, uint64_t wall_ms, uint64_t now_ms);

/* By the control thread. Begins a trace; 0: TRANSCRIPTS_MAX are on, or memory is out. */
uint32_t transcripts_begin(struct transcripts *t, const struct ip_prefix *clients, uint64_t now_ms) MUST_USE;

struct transcript_taken {
	size_t n;      /* lines filled in, at most TRANSCRIPT_TAKE */
	uint64_t next; /* where to go on */
	uint64_t lost; /* lines that were pushed out before they were taken */
};
/* The lines from number `from` on (0: the first). False: there is no such trace (any more). */
bool transcripts_take(struct transcripts *t, uint32_t id, uint64_t from, uint64_t now_ms,
	struct transcript_line lines_r[TRANSCRIPT_TAKE], struct transcript_taken *taken_r) MUST_USE;
/* False: there was none. */
bool transcripts_end(struct transcripts *t, uint32_t id);

#endif
