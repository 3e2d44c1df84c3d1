/* dns/book.h - the questions that are under way, and who waits for each
 *
 * Equal questions are one query with many waiters. A query is in the book from its opening until its answer; it is
 * freed when nobody looks at it any more: its network part (`in_flight`) and each of its waiters. Waiters that are
 * answered, or whose time is over, stand in the queue of the ready ones until they are taken out.
 * Found by question and by ticket through keyed hashes; nothing is ever searched through.
 * Pure. Who embeds a waiter (the resolver: with its timer) allocates it and gets it back by container_of.
 */
#ifndef DNS_BOOK_H
#define DNS_BOOK_H

#include "base/hash.h"
#include "dns/answer.h"

struct dns_query;

struct dns_waiter {
	struct dns_waiter *next, **link;	       /* of its query, or of the ready ones */
	struct dns_waiter *ticket_next, **ticket_link; /* of its bucket */
	struct dns_query *query;
	uint64_t ticket, since_ms;
	uint32_t what;
	bool expired; /* its time was over before the answer came */
};

struct dns_query {
	struct dns_query *chain, **chain_link; /* link NULL: not in the book any more */
	struct dns_waiter *waiters;
	struct dns_question question;
	struct dns_answer answer; /* once it is closed */
	char *records;		  /* of the answer; owned */
	uint64_t since_ms;
	unsigned refs;
};

struct dns_book {
	struct hash_key key;
	struct dns_query **queries;
	struct dns_waiter **tickets;
	size_t mask;
	unsigned open, waiting; /* queries in the book; waiters, the ready ones included */
	struct dns_waiter *ready, **ready_end;
};

/* Room for about `queries` before chains grow. False: no memory. */
bool dns_book_init(struct dns_book *b, size_t queries) MUST_USE;
/* Its queries and waiters must be gone. */
void dns_book_release(struct dns_book *b);

struct dns_query *dns_book_find(const struct dns_book *b, const struct dns_question *q);
/* A new query with one reference, its network part's. NULL: no memory. */
struct dns_query *dns_book_open(struct dns_book *b, const struct dns_question *q, uint64_t now_ms) MUST_USE;
/* `w` waits for the query from now on. */
void dns_book_join(struct dns_book *b, struct dns_query *query, struct dns_waiter *w);
/* The query has its answer, which is copied: out of the book, and its waiters are ready. Drops its network part's
 * reference. */
void dns_book_close(struct dns_book *b, struct dns_query *query, const struct dns_answer *answer);
/* The waiter's time is over: it is ready without an answer. */
void dns_book_expire(struct dns_book *b, struct dns_waiter *w);

/* The first of the ready ones, or NULL; it stays where it is. */
struct dns_waiter *dns_book_ready(const struct dns_book *b);
/* A waiter of this ticket, or NULL. */
struct dns_waiter *dns_book_of(const struct dns_book *b, uint64_t ticket);
/* Out of the book, wherever it stands; the reference to its query is now the caller's. */
void dns_book_leave(struct dns_book *b, struct dns_waiter *w);
/* Gives a reference back; the last one frees. NULL is fine. */
void dns_query_unref(struct dns_query **query);

#endif
