/* server/decisions.h - the decisions of the last mails and sessions, kept for `explain` and `last`
 *
 * A ring of records for each worker, bounded in number (log.decisions, shared out among the workers)
 * and in bytes (DECISIONS_BYTES each on average); the oldest go first. Memory is reserved at the start
 * and touched as it fills. A record is what server/account.c wrote: fields in a compact form, built with
 * decision_text() and its like, read back with decision_field().
 *
 * Threads: one worker writes its own ring; the control thread reads all. Each ring has a leaf lock, held
 * while one record is copied.
 */
#ifndef SERVER_DECISIONS_H
#define SERVER_DECISIONS_H

#include "base/buf.h"
#include "base/result.h"

/* A record of one mail with one recipient and two rules has about 350 bytes. */
enum { DECISIONS_BYTES = 512 };
/* Longest record: what does not fit (the hundredth recipient) is left out and counted. */
enum { DECISION_MAX = 16 * 1024 };

struct decisions;

/* `records` in all, 0: none is kept. NULL: no memory. */
struct decisions *decisions_new(uint32_t records, unsigned workers) MUST_USE;
void decisions_free(struct decisions **d);

/* `record` is copied; one longer than DECISION_MAX is not kept. By the worker of that number. */
void decisions_put(struct decisions *d, unsigned worker, uint64_t id, uint64_t time_ms, struct slice record);

/* Walks newest first over all workers. What is pushed out meanwhile is left out. */
struct decisions_walk {
	uint64_t *next;	    /* of each ring; owned */
	const uint64_t *id; /* only records of this id; NULL: all. The caller's. */
};
bool decisions_walk_begin(struct decisions *d, const uint64_t *id, struct decisions_walk *walk_r) MUST_USE;
/* The record replaces what is in `record_r`. False: there are no more, or memory is out. */
bool decisions_next(struct decisions *d, struct decisions_walk *walk, struct buf *record_r) MUST_USE;
void decisions_walk_end(struct decisions_walk *walk);

struct decisions_info {
	uint64_t kept, ever; /* records */
	uint64_t oldest_ms;  /* time of the oldest kept; 0: none */
	uint64_t memory;     /* bytes reserved */
};
void decisions_info(struct decisions *d, struct decisions_info *info_r);

/* --- what a record holds --- */

enum decision_key {
	DECISION_EVENT, /* "mail" or "session" */
	DECISION_ID,
	DECISION_SESSION,
	DECISION_TIME, /* milliseconds since 1970, of its end */
	DECISION_MAIL,
	DECISION_LISTENER,
	DECISION_CLIENT,
	DECISION_PORT,
	DECISION_NAME, /* of the client, forward-confirmed */
	DECISION_RDNS,
	DECISION_HELO,
	DECISION_TLS,
	DECISION_FROM,
	DECISION_SIZE,
	DECISION_OFFENCES,
	DECISION_OFFENCE, /* the first of them */
	DECISION_VERDICT,
	DECISION_BY,
	DECISION_CODE,
	DECISION_REPLY,
	DECISION_SCORE,
	DECISION_POINTS,
	DECISION_OBSERVED, /* "rule:action" that would have been */
	DECISION_PROMISE,  /* the rule whose reject or block became a deferral: a known-good client */
	DECISION_BACKEND,
	DECISION_GROUP, /* of backends; only where there are some */
	DECISION_BACKEND_REPLY,
	DECISION_WAITED,
	DECISION_DNS_MS,
	DECISION_BACKEND_MS,
	DECISION_TOTAL,
	DECISION_NOTE,
	DECISION_LOOKUP, /* begins something that was looked up; its fields follow */
	DECISION_LOOKUP_ANSWER,
	DECISION_LOOKUP_MS,
	DECISION_RULE, /* begins a rule that fired; its fields follow */
	DECISION_RULE_ACTION,
	DECISION_RULE_STAGE,
	DECISION_RULE_POINTS,
	DECISION_RULE_OBSERVED,
	DECISION_RULE_CANCELLED, /* by an `ok` above it */
	DECISION_RULE_AFTER,	 /* milliseconds since the session began */
	DECISION_RULE_TIMES,	 /* recipients it fired for */
	DECISION_READ,		 /* begins a value that the rule read then: its name; */
	DECISION_READ_VALUE,	 /* the value follows */
	DECISION_TO,		 /* begins a recipient; its fields follow */
	DECISION_TO_CODE,
	DECISION_TO_ID,	      /* "7F3K9QZ2-3" */
	DECISION_TO_MORE,     /* recipients that had no room */
	DECISION_CONNECTIONS, /* of a client turned away at the door: this one and those since its record before */
	DECISION_KEYS
};

enum decision_kind { DECISION_KIND_TEXT, DECISION_KIND_NUMBER, DECISION_KIND_DECIMAL };
enum decision_kind decision_kind_of(enum decision_key key);

/* Append a field. False: no memory, or the record is full (then it stays as it was). */
bool decision_text(struct buf *record, enum decision_key key, struct slice value) MUST_USE;
bool decision_number(struct buf *record, enum decision_key key, uint64_t value) MUST_USE;
bool decision_decimal(struct buf *record, enum decision_key key, double value) MUST_USE;

struct decision_field {
	enum decision_key key;
	struct slice text; /* by decision_kind_of(key) one of the three is set */
	uint64_t number;
	double decimal;
};
/* Cuts the next field off the front. False at the end. */
bool decision_field(struct slice *record, struct decision_field *field_r);

#endif
