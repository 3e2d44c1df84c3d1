#include "dns/book.h"

#include "base/mem.h"

bool dns_book_init(struct dns_book *b, size_t queries)
{
	size_t n = 64;
	while (n < queries)
		n *= 2;
	*b = (struct dns_book){ .key = hash_key_random(), .mask = n - 1 };
	b->ready_end = &b->ready;
	b->queries = mem_zalloc(n * sizeof *b->queries);
	b->tickets = mem_zalloc(n * sizeof *b->tickets);
	if (b->queries && b->tickets)
		return true;
	dns_book_release(b);
	return false;
}

void dns_book_release(struct dns_book *b)
{
	mem_free(&b->queries);
	mem_free(&b->tickets);
}

static struct dns_query **bucket_of(const struct dns_book *b, const struct dns_question *q)
{
	return &b->queries[(hash_bytes(&b->key, dns_name_slice(&q->name)) + (uint64_t)q->type) & b->mask];
}

static struct dns_waiter **ticket_bucket(const struct dns_book *b, uint64_t ticket)
{
	return &b->tickets[hash_bytes(&b->key, slice_of((const char *)&ticket, sizeof ticket)) & b->mask];
}

struct dns_query *dns_book_find(const struct dns_book *b, const struct dns_question *q)
{
	struct dns_query *query = *bucket_of(b, q);
	while (query && !(query->question.type == q->type &&
				slice_eq(dns_name_slice(&query->question.name), dns_name_slice(&q->name))))
		query = query->chain;
	return query;
}

struct dns_query *dns_book_open(struct dns_book *b, const struct dns_question *q, uint64_t now_ms)
{
	struct dns_query *query = mem_zalloc(sizeof *query), **bucket = bucket_of(b, q);
	if (!query)
		return NULL;
	query->question = *q;
	query->since_ms = now_ms;
	query->refs = 1;
	query->chain = *bucket;
	query->chain_link = bucket;
	if (query->chain)
		query->chain->chain_link = &query->chain;
	*bucket = query;
	b->open++;
	return query;
}

/* Puts the waiter before what *link points to. */
static void link_waiter(struct dns_waiter **link, struct dns_waiter *w)
{
	w->next = *link;
	w->link = link;
	if (w->next)
		w->next->link = &w->next;
	*link = w;
}

static void unlink_waiter(struct dns_book *b, struct dns_waiter *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	else if (b->ready_end == &w->next)
		b->ready_end = w->link;
}

static void make_ready(struct dns_book *b, struct dns_waiter *w)
{
	unlink_waiter(b, w);
	link_waiter(b->ready_end, w);
	b->ready_end = &w->next;
}

void dns_book_join(struct dns_book *b, struct dns_query *query, struct dns_waiter *w)
{
	struct dns_waiter **bucket = ticket_bucket(b, w->ticket);
	w->query = query;
	query->refs++;
	link_waiter(&query->waiters, w);
	w->ticket_next = *bucket;
	w->ticket_link = bucket;
	if (w->ticket_next)
		w->ticket_next->ticket_link = &w->ticket_next;
	*bucket = w;
	b->waiting++;
}

static void keep(struct dns_query *query, const struct dns_answer *a)
{
	query->answer = *a;
	if (!a->records.n)
		return;
	query->records = mem_alloc(a->records.n);
	if (!query->records) {
		query->answer = dns_answer_failed(DNS_NO_MEMORY);
		return;
	}
	memcpy(query->records, a->records.p, a->records.n);
	query->answer.records.p = query->records;
}

void dns_book_close(struct dns_book *b, struct dns_query *query, const struct dns_answer *answer)
{
	*query->chain_link = query->chain;
	if (query->chain)
		query->chain->chain_link = query->chain_link;
	query->chain_link = NULL;
	b->open--;
	if (query->waiters)
		keep(query, answer);
	while (query->waiters)
		make_ready(b, query->waiters);
	dns_query_unref(&query);
}

void dns_book_expire(struct dns_book *b, struct dns_waiter *w)
{
	w->expired = true;
	make_ready(b, w);
}

struct dns_waiter *dns_book_ready(const struct dns_book *b)
{
	return b->ready;
}

struct dns_waiter *dns_book_of(const struct dns_book *b, uint64_t ticket)
{
	struct dns_waiter *w = *ticket_bucket(b, ticket);
	while (w && w->ticket != ticket)
		w = w->ticket_next;
	return w;
}

void dns_book_leave(struct dns_book *b, struct dns_waiter *w)
{
	unlink_waiter(b, w);
	*w->ticket_link = w->ticket_next;
	if (w->ticket_next)
		w->ticket_next->ticket_link = w->ticket_link;
	b->waiting--;
}

void dns_query_unref(struct dns_query **query)
{
	struct dns_query *q = *query;
	*query = NULL;
	if (!q || --q->refs)
		return;
	mem_free(&q->records);
	mem_free(&q);
}
