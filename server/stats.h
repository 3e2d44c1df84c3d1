/* server/stats.h - what each worker counts
 *
 * Every worker writes its own block; readers (the control thread) add the blocks up. One writer for
 * each counter, so a relaxed load and store is enough and costs no locked instruction.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum statistic {
	STAT_SESSIONS,	    /* taken since the start */
	STAT_SESSIONS_OPEN, /* now */
	STAT_SESSIONS_PEAK,
	STAT_OVER_LIMIT,    /* turned away with 421: too many sessions, or too many of this client */
	STAT_SHED,	    /* of these, newcomers while places were kept for clients known good */
	STAT_GAVE_WAY,	    /* newcomers' sessions that were ended for a client known good */
	STAT_WAITING,	    /* sessions held by a rule's delay now */
	STAT_GREYLISTED,    /* tries that were told to come again */
	STAT_GREY_PASSED,   /* tries that greylisting let pass */
	STAT_WAITS_SKIPPED, /* delays left out because limits.waiting was reached */
	STAT_TIMEOUTS,
	STAT_OFFENCES,
	STAT_MAILS_ACCEPTED,
	STAT_MAILS_DEFERRED,
	STAT_MAILS_REFUSED,
	STAT_MAILS_LOST, /* the client vanished within the mail */
	STAT_MAILS_QUIT, /* the client gave the mail up: QUIT or RSET */
	STAT_RCPT_ACCEPTED,
	STAT_RCPT_DEFERRED,
	STAT_RCPT_REFUSED,
	STAT_BYTES, /* of bodies */
	STAT_BYTES_DELIVERED,
	STAT_TLS_HANDSHAKES,
	STAT_TLS_FAILED,
	STAT_PROXY_REFUSED,   /* connections of a listed proxy without a good PROXY header */
	STAT_POLICY_REFUSED,  /* connections to a policy listener that were closed at once */
	STAT_POLICY_UNJUDGED, /* policy requests answered DUNNO because they, or we, failed */
	STAT_ACCEPT_PAUSES,   /* out of descriptors */
	STAT_BLOCKS,	      /* clients blocked by a rule */
	STAT_BLOCKED,	      /* connections turned away by a block */
	STAT_ALERTS,	      /* mails to the administrator */
	STAT_GAVE_UP,	      /* tests of a stage, and of a recipient, in which a pattern took too many steps */
	STAT_COUNT
};

struct stats {
	_Atomic uint64_t v[STAT_COUNT];
};

static inline uint64_t stat_get(const struct stats *s, enum statistic k)
{
	return atomic_load_explicit(&s->v[k], memory_order_relaxed);
}

static inline void stat_add(struct stats *s, enum statistic k, uint64_t n)
{
	atomic_store_explicit(&s->v[k], stat_get(s, k) + n, memory_order_relaxed);
}

static inline void stat_sub(struct stats *s, enum statistic k, uint64_t n)
{
	atomic_store_explicit(&s->v[k], stat_get(s, k) - n, memory_order_relaxed);
}

#endif
