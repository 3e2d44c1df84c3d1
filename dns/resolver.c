#include "dns/resolver.h"

#include "base/mem.h"
#include "dns/book.h"
#include "dns/cache.h"
#include "dns/message.h"
#include "net/loop.h"
#include "net/wheel.h"

#include <stdatomic.h>

struct waiter {
	struct dns_waiter w;
	struct net_timer due;
};

enum { TIMER_WAITER, TIMER_TICK };

struct dns_resolver {
	struct dns_channels *channels;
	struct net_wheel wheel;
	struct net_timer tick; /* armed while queries are open */
	struct dns_book book;
	struct dns_cache *cache;
	size_t cache_entries;
	bool no_servers;
	struct dns_query *popped; /* whose answer was handed out last */
	uint64_t now_ms;
	_Atomic uint64_t stats[DNS_STAT_COUNT];
	char room[DNS_ANSWER_BYTES];
};

/* ---- what is counted --------------------------------------------------------------------------- */

uint64_t dns_resolver_stat(const struct dns_resolver *r, enum dns_statistic which)
{
	return atomic_load_explicit(&r->stats[which], memory_order_relaxed);
}

static void stat_set(struct dns_resolver *r, enum dns_statistic which, uint64_t v)
{
	atomic_store_explicit(&r->stats[which], v, memory_order_relaxed);
}

static void count(struct dns_resolver *r, enum dns_statistic which, uint64_t n)
{
	stat_set(r, which, dns_resolver_stat(r, which) + n);
}

static void note_latency(struct dns_resolver *r, uint64_t ms)
{
	enum { LAST = DNS_STAT_LATENCY_LAST - DNS_STAT_LATENCY };
	unsigned bits = ms ? 64 - (unsigned)__builtin_clzll(ms) : 0;
	count(r, DNS_STAT_MS, ms);
	count(r, DNS_STAT_LATENCY + (bits > LAST ? LAST : bits), 1);
}

static void note_sizes(struct dns_resolver *r)
{
	stat_set(r, DNS_STAT_OPEN, r->book.open);
	stat_set(r, DNS_STAT_TCP, dns_channels_tcp(r->channels));
	stat_set(r, DNS_STAT_CACHED, r->cache ? dns_cache_entries(r->cache) : 0);
	stat_set(r, DNS_STAT_CACHE_BYTES, r->cache ? dns_cache_bytes(r->cache) : 0);
}

/* ---- queries ----------------------------------------------------------------------------------- */

static void arm_tick(struct dns_resolver *r)
{
	if (dns_channels_open(r->channels) && !net_timer_armed(&r->tick))
		net_wheel_arm(&r->wheel, &r->tick, r->now_ms + dns_channels_tick_ms(r->channels));
}

static void take_replies(struct dns_resolver *r)
{
	for (struct dns_reply reply; dns_channels_pop(r->channels, &reply);) {
		struct dns_answer a = dns_answer_failed(reply.failure);
		if (!reply.failure)
			a = dns_message_read(reply.message, &reply.query->question, r->room);
		if (r->cache)
			dns_cache_put(r->cache, &reply.query->question, &a, r->now_ms);
		count(r, DNS_STAT_FAILED, a.status == DNS_FAILED);
		note_latency(r, r->now_ms - reply.query->since_ms);
		dns_book_close(&r->book, reply.query, &a);
	}
	note_sizes(r);
}

/* The query goes out, or is answered with what keeps it from that. */
static void send_query(struct dns_resolver *r, struct dns_query *query)
{
	struct dns_answer none = dns_answer_failed(DNS_NO_MEMORY);
	count(r, DNS_STAT_QUERIES, 1);
	if (!dns_channels_send(r->channels, query, r->now_ms))
		dns_book_close(&r->book, query, &none);
	take_replies(r);
	arm_tick(r);
}

/* ---- waiters ----------------------------------------------------------------------------------- */

/* What was handed out last is over. */
static void let_go(struct dns_resolver *r)
{
	dns_query_unref(&r->popped);
}

static void drop_waiter(struct dns_resolver *r, struct dns_waiter *w)
{
	struct waiter *own = container_of(w, struct waiter, w);
	net_wheel_cancel(&r->wheel, &own->due);
	dns_book_leave(&r->book, w);
	mem_free(&own);
}

static bool join(struct dns_resolver *r, struct dns_query *query, const struct dns_asker *asker)
{
	struct waiter *w = mem_zalloc(sizeof *w);
	if (!w)
		return false;
	w->w = (struct dns_waiter){ .ticket = asker->ticket, .what = asker->what, .since_ms = r->now_ms };
	w->due.kind = TIMER_WAITER;
	dns_book_join(&r->book, query, &w->w);
	net_wheel_arm(&r->wheel, &w->due, asker->due_ms);
	if (asker->budget)
		asker->budget->left--;
	return true;
}

/* Why it is not asked; DNS_NO_FAILURE: it may be. */
static enum dns_failure refusal(struct dns_resolver *r, const struct dns_query *query, const struct dns_asker *asker)
{
	if (asker->budget && !asker->budget->left) {
		count(r, DNS_STAT_NO_BUDGET, 1);
		return DNS_NO_BUDGET;
	}
	if (r->no_servers)
		return DNS_UNREACHABLE;
	if (r->book.waiting >= DNS_WAITERS_MAX || (!query && r->book.open >= DNS_OPEN_MAX)) {
		count(r, DNS_STAT_BUSY, 1);
		return DNS_BUSY;
	}
	return DNS_NO_FAILURE;
}

static enum dns_failure ask(struct dns_resolver *r, const struct dns_question *q, const struct dns_asker *asker)
{
	struct dns_query *query = dns_book_find(&r->book, q);
	enum dns_failure why = refusal(r, query, asker);
	if (why)
		return why;
	if (query) {
		count(r, DNS_STAT_MERGED, 1);
		return join(r, query, asker) ? DNS_NO_FAILURE : DNS_NO_MEMORY;
	}
	query = dns_book_open(&r->book, q, r->now_ms);
	if (!query)
		return DNS_NO_MEMORY;
	if (!join(r, query, asker)) {
		struct dns_answer none = dns_answer_failed(DNS_NO_MEMORY);
		dns_book_close(&r->book, query, &none);
		return DNS_NO_MEMORY;
	}
	send_query(r, query);
	return DNS_NO_FAILURE;
}

enum dns_asked dns_resolver_ask(struct dns_resolver *r, const struct dns_question *q, const struct dns_asker *asker,
	uint64_t now_ms, struct dns_answer *answer_r)
{
	r->now_ms = now_ms;
	let_go(r);
	count(r, DNS_STAT_ASKED, 1);
	if (r->cache && dns_cache_get(r->cache, q, asker->since_ms, now_ms, answer_r)) {
		count(r, DNS_STAT_HITS, 1);
		return DNS_KNOWN;
	}
	enum dns_failure why = ask(r, q, asker);
	if (!why)
		return DNS_ASKED;
	*answer_r = dns_answer_failed(why);
	return DNS_KNOWN;
}

bool dns_resolver_pop(struct dns_resolver *r, struct dns_result *result_r)
{
	let_go(r);
	struct dns_waiter *w = dns_book_ready(&r->book);
	if (!w)
		return false;
	r->popped = w->query;
	*result_r = (struct dns_result){ .ticket = w->ticket,
		.what = w->what,
		.question = &w->query->question,
		.answer = w->expired ? dns_answer_failed(DNS_TIMEOUT) : w->query->answer,
		.took_ms = (uint32_t)(r->now_ms - w->since_ms) };
	drop_waiter(r, w);
	return true;
}

void dns_resolver_forget(struct dns_resolver *r, uint64_t ticket)
{
	for (struct dns_waiter *w; (w = dns_book_of(&r->book, ticket));) {
		struct dns_query *query = w->query;
		drop_waiter(r, w);
		dns_query_unref(&query);
	}
}

/* ---- the worker's turn ------------------------------------------------------------------------- */

void dns_resolver_on_io(struct dns_resolver *r, struct net_io *io, unsigned events, uint64_t now_ms)
{
	r->now_ms = now_ms;
	dns_channels_on_io(r->channels, io, events, now_ms);
	take_replies(r);
}

void dns_resolver_on_time(struct dns_resolver *r, uint64_t now_ms)
{
	r->now_ms = now_ms;
	for (struct net_timer *t; (t = net_wheel_pop(&r->wheel, now_ms));) {
		if (t->kind == TIMER_TICK) {
			dns_channels_on_tick(r->channels, now_ms);
			take_replies(r);
			arm_tick(r);
			continue;
		}
		count(r, DNS_STAT_TIMEOUTS, 1);
		dns_book_expire(&r->book, &container_of(t, struct waiter, due)->w);
	}
	dns_channels_sweep(r->channels);
}

int dns_resolver_sleep_ms(const struct dns_resolver *r, uint64_t now_ms)
{
	return dns_book_ready(&r->book) ? 0 : net_wheel_sleep_ms(&r->wheel, now_ms);
}

/* ---- from beginning to end --------------------------------------------------------------------- */

struct dns_resolver *dns_resolver_new(const struct dns_settings *s, struct net_loop *l, uint64_t now_ms)
{
	struct dns_resolver *r = mem_zalloc(sizeof *r);
	if (!r)
		return NULL;
	r->channels = dns_channels_new(l);
	if (!r->channels || !dns_book_init(&r->book, DNS_OPEN_MAX)) {
		dns_channels_free(&r->channels);
		mem_free(&r);
		return NULL;
	}
	net_wheel_init(&r->wheel, now_ms);
	r->tick.kind = TIMER_TICK;
	dns_resolver_configure(r, s, now_ms);
	return r;
}

void dns_resolver_configure(struct dns_resolver *r, const struct dns_settings *s, uint64_t now_ms)
{
	r->now_ms = now_ms;
	r->no_servers = s->channel.servers_n == 0;
	dns_channels_configure(r->channels, &s->channel, now_ms);
	if (r->cache_entries != s->cache_entries) {
		dns_cache_free(&r->cache);
		r->cache = s->cache_entries ? dns_cache_new(s->cache_entries) : NULL;
		r->cache_entries = r->cache ? s->cache_entries : 0;
	}
	note_sizes(r);
}

void dns_resolver_free(struct dns_resolver **rp)
{
	struct dns_resolver *r = *rp;
	struct dns_result lost;
	if (!r)
		return;
	dns_channels_abandon(r->channels);
	take_replies(r);
	while (dns_resolver_pop(r, &lost))
		;
	dns_channels_free(&r->channels);
	dns_cache_free(&r->cache);
	dns_book_release(&r->book);
	mem_free(rp);
}
