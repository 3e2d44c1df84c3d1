#include "server/dns_lists.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

struct list_watch {
	atomic_uint refs;
	_Atomic(enum dns_list_fault) fault; /* of `health`, to be read without the lock */
	pthread_mutex_t lock;
	struct dns_list_health health;
};

/* ---- watches ---- */

/* An answer that takes more than half of what a stage waits is late: with it the client waits, and with a second try
 * behind it the answer would come for nobody. */
static uint64_t patience_ms(const struct settings_dns *s)
{
	return s->timeout_ms / 2;
}

static struct list_watch *watch_new(const struct settings_dns *s)
{
	struct list_watch *w = mem_zalloc(sizeof *w);
	if (!w)
		return NULL;
	atomic_init(&w->refs, 1);
	atomic_init(&w->fault, DNS_LIST_FINE);
	pthread_mutex_init(&w->lock, NULL);
	dns_list_health_init(&w->health, patience_ms(s), s->retest_ms);
	return w;
}

static struct list_watch *watch_ref(struct list_watch *w)
{
	atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
	return w;
}

static void watch_unref(struct list_watch **p)
{
	struct list_watch *w = *p;
	*p = NULL;
	if (!w || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&w->lock);
	mem_free(&w);
}

static void watch_configure(struct list_watch *w, const struct settings_dns *s)
{
	pthread_mutex_lock(&w->lock);
	dns_list_health_configure(&w->health, patience_ms(s), s->retest_ms);
	pthread_mutex_unlock(&w->lock);
}

/* ---- the table ---- */

static const struct dns_list_use *same_list(const struct dns_lists *l, const struct score_lookup *about)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct dns_list_use *u = &l->items[i];
		if (u->watch && u->about->domain == about->domain && slice_eq(u->about->zone, about->zone))
			return u;
	}
	return NULL;
}

static bool fill_watch(struct dns_lists *l, const struct dns_lists *old, const struct settings_dns *s,
	const struct score_lookup *about, struct dns_list_use *u)
{
	const struct dns_list_use *known = same_list(l, about);
	u->first = !known;
	if (!known && old)
		known = same_list(old, about);
	u->watch = known ? watch_ref(known->watch) : watch_new(s);
	TRY(u->watch);
	if (u->first)
		watch_configure(u->watch, s);
	return true;
}

static bool fill_ranges(struct dns_list_use *u, const struct settings_dns_lists *s, struct arena *a)
{
	size_t i = 0;
	while (i < s->count && !slice_ieq(slice_str(s->items[i].zone), u->about->zone))
		i++;
	if (i == s->count || s->items[i].answers.count == 0)
		return true;
	const struct settings_answers *from = &s->items[i].answers;
	struct dns_list_range *ranges = arena_alloc(a, from->count * sizeof *ranges);
	TRY(ranges);
	for (size_t k = 0; k < from->count; k++)
		ranges[k] = (struct dns_list_range){ from->items[k].first, from->items[k].last };
	u->ranges = ranges;
	u->ranges_n = from->count;
	return true;
}

bool dns_lists_open(struct dns_lists *l, const struct score_ruleset *rules, const struct settings *s,
	const struct dns_lists *old, struct arena *a)
{
	unsigned n = score_lookups_count(rules);
	uint64_t used = score_lookups_used(rules);
	l->items = arena_alloc(a, n * sizeof *l->items + 1);
	TRY(l->items);
	for (unsigned i = 0; i < n; i++) {
		struct dns_list_use *u = &l->items[i];
		*u = (struct dns_list_use){ .about = score_lookup_about(rules, i) };
		bool ok = !(used >> i & 1) || fill_watch(l, old, &s->dns, u->about, u);
		l->n = i + 1;
		TRY(ok && fill_ranges(u, &s->dns_lists, a));
	}
	return true;
}

void dns_lists_release(struct dns_lists *l)
{
	for (unsigned i = 0; i < l->n; i++)
		watch_unref(&l->items[i].watch);
	l->n = 0;
}

/* ---- what is known of them ---- */

enum dns_list_fault dns_list_fault_of(const struct dns_list_use *u)
{
	return u->watch ? atomic_load_explicit(&u->watch->fault, memory_order_relaxed) : DNS_LIST_FINE;
}

uint64_t dns_lists_out(const struct dns_lists *l)
{
	uint64_t out = 0;
	for (unsigned i = 0; i < l->n; i++)
		out |= (uint64_t)(dns_list_fault_of(&l->items[i]) != DNS_LIST_FINE) << i;
	return out;
}

static struct dns_list_news leave(struct list_watch *w, bool changed)
{
	const struct dns_list_news news = { changed, w->health.fault, w->health.next_test_ms };
	atomic_store_explicit(&w->fault, news.fault, memory_order_relaxed);
	pthread_mutex_unlock(&w->lock);
	return news;
}

struct dns_list_news dns_list_note_word(const struct dns_list_use *u, const struct dns_list_word *word, uint64_t now_ms)
{
	pthread_mutex_lock(&u->watch->lock);
	return leave(u->watch, dns_list_heard(&u->watch->health, word, now_ms));
}

struct dns_list_news dns_list_note_test(const struct dns_list_use *u, const struct dns_list_test *test, uint64_t now_ms)
{
	pthread_mutex_lock(&u->watch->lock);
	return leave(u->watch, dns_list_tested(&u->watch->health, test, now_ms));
}

struct dns_list_news dns_list_note_decoy(const struct dns_list_use *u, uint64_t now_ms)
{
	pthread_mutex_lock(&u->watch->lock);
	return leave(u->watch, dns_list_decoy_listed(&u->watch->health, now_ms));
}

bool dns_list_claim_test(const struct dns_list_use *u, uint64_t now_ms, uint64_t *next_ms_r)
{
	pthread_mutex_lock(&u->watch->lock);
	bool due = dns_list_test_due(&u->watch->health, now_ms);
	*next_ms_r = u->watch->health.next_test_ms;
	pthread_mutex_unlock(&u->watch->lock);
	return due;
}

struct dns_list_health dns_list_look(const struct dns_list_use *u)
{
	pthread_mutex_lock(&u->watch->lock);
	struct dns_list_health copy = u->watch->health;
	pthread_mutex_unlock(&u->watch->lock);
	return copy;
}
