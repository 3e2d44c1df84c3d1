/* dns/resolver.h - asks the DNS on one worker's loop, without ever making anybody wait for another's lookup
 *
 * A question is answered at once when the cache knows it, else it goes out and its answer is popped later with the
 * asker's ticket. Equal questions share one query. What was not answered by its asker's deadline is answered FAILED
 * (timeout) by then; a late answer still goes into the cache.
 *
 * No callbacks: c-ares' own end in channel.c. Within one worker's turn:
 *
 *     while ((io = net_loop_next(loop, &events)))
 *             if (io->owner == NET_OWNER_DNS) dns_resolver_on_io(resolver, io, events, now);
 *     dns_resolver_on_time(resolver, now);           once a turn, after the batch: closed sockets are freed here
 *     while (dns_resolver_pop(resolver, &result)) ...    result.ticket says whose answer it is
 *     net_loop_wait(loop, min(own sleep, dns_resolver_sleep_ms(resolver, now)));
 *
 * Memory: an answer that was handed out (asked or popped), and a result's question, are the resolver's and hold until
 * the next call of one of these functions; who needs them longer copies them.
 * Threads: the worker's; dns_resolver_stat() may be called by any.
 */
#ifndef DNS_RESOLVER_H
#define DNS_RESOLVER_H

#include "dns/channel.h"

enum {
	/* Questions under way at once. One whose servers never answer stays for up to `timeout_ms`: at the default of
	 * 3 s that is room for 5,000 such a second. What comes beyond is FAILED (busy) at once. */
	DNS_OPEN_MAX = 16384,
	DNS_WAITERS_MAX = 4 * DNS_OPEN_MAX
};

struct dns_settings {
	struct dns_channel_settings channel; /* no servers: what the cache does not know is FAILED (unreachable) */
	size_t cache_entries;		     /* of this resolver; 0: nothing is kept */
};

/* What a session may still ask for: what is answered from the cache costs nothing. */
struct dns_budget {
	uint16_t left;
};

struct dns_resolver;

/* NULL: no memory. The settings are copied. Without memory for its cache it works without. */
struct dns_resolver *dns_resolver_new(const struct dns_settings *s, struct net_loop *l, uint64_t now_ms) MUST_USE;
/* New settings: what is under way ends under the old ones; the cache is kept unless its size has changed. */
void dns_resolver_configure(struct dns_resolver *r, const struct dns_settings *s, uint64_t now_ms);
/* Closes everything; questions still open are forgotten. */
void dns_resolver_free(struct dns_resolver **r);

/* Whose question it is: `ticket` names the session (its seat and id), `what` is the asker's own, to tell its questions
 * apart. */
struct dns_asker {
	uint64_t ticket;
	uint32_t what;
	uint64_t due_ms;	   /* answered by then, one way or the other */
	struct dns_budget *budget; /* NULL: none */
	uint64_t since_ms;	   /* what our cache learned before is not taken; UINT64_MAX: it is not asked */
};

enum dns_asked {
	DNS_KNOWN, /* *answer_r is filled; nothing will be popped */
	DNS_ASKED  /* the answer comes out of dns_resolver_pop() */
};
enum dns_asked dns_resolver_ask(struct dns_resolver *r, const struct dns_question *q, const struct dns_asker *asker,
	uint64_t now_ms, struct dns_answer *answer_r) MUST_USE;

struct dns_result {
	uint64_t ticket;
	uint32_t what;
	const struct dns_question *question;
	struct dns_answer answer;
	uint32_t took_ms; /* since it was asked by this asker */
};
bool dns_resolver_pop(struct dns_resolver *r, struct dns_result *result_r) MUST_USE;

/* The session has gone: nothing will be popped for its ticket. */
void dns_resolver_forget(struct dns_resolver *r, uint64_t ticket);

void dns_resolver_on_io(struct dns_resolver *r, struct net_io *io, unsigned events, uint64_t now_ms);
void dns_resolver_on_time(struct dns_resolver *r, uint64_t now_ms);
/* How long the worker may sleep for this room: 0.. ms, -1 for ever. */
int dns_resolver_sleep_ms(const struct dns_resolver *r, uint64_t now_ms);

enum dns_statistic {
	DNS_STAT_ASKED,	    /* questions */
	DNS_STAT_HITS,	    /* of these: answered by the cache */
	DNS_STAT_MERGED,    /* of these: joined a query that was under way */
	DNS_STAT_QUERIES,   /* of these: a query was sent */
	DNS_STAT_BUSY,	    /* of these: turned away, too much was under way */
	DNS_STAT_NO_BUDGET, /* of these: turned away, the session had asked enough */
	DNS_STAT_TIMEOUTS,  /* askers whose time was over */
	DNS_STAT_FAILED,    /* queries that ended in a failure */
	DNS_STAT_TCP,	    /* connections over TCP */
	DNS_STAT_OPEN,	    /* queries under way now */
	DNS_STAT_CACHED,    /* answers in the cache now */
	DNS_STAT_CACHE_BYTES,
	DNS_STAT_MS, /* of queries: sum of their times */
	/* how many queries took under 1, 2, 4, ... ms; the last: all above */
	DNS_STAT_LATENCY,
	DNS_STAT_LATENCY_LAST = DNS_STAT_LATENCY + 13,
	DNS_STAT_COUNT
};
uint64_t dns_resolver_stat(const struct dns_resolver *r, enum dns_statistic which);

#endif
