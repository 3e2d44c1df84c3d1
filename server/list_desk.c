#include "server/list_desk.h"

#include "base/log.h"
#include "server/talk.h"

#include <stdio.h>

enum { POINT, DECOY, QUESTIONS };

/* ---- telling ---- */

static void mail_change(struct worker *w, struct slice list, const char *sentence)
{
	char id[ID_TEXT];
	id_format(id_next(&w->ids), id);
	const struct alert a = { .rule = SLICE("DNS list"),
		.key = list,
		.sentence = slice_str(sentence),
		.id = slice_str(id),
		.wall_ms = w->wall_ms };
	act_alert(w, w->generation, &a);
}

static void tell(struct worker *w, const struct dns_list_use *u, enum dns_list_fault fault)
{
	char sentence[256];
	struct slice list = u->about->shown;
	if (fault == DNS_LIST_FINE) {
		log_info("DNS list %.*s answers well again: it is believed from now on", SLICE_ARG(list));
		return;
	}
	snprintf(sentence, sizeof sentence,
		"it %s. It is asked on, but neither waited for nor believed until its tests are good again",
		dns_list_fault_name(fault));
	log_warn("DNS list %.*s is out of play: %s", SLICE_ARG(list), sentence);
	mail_change(w, list, sentence);
}

static void take_news(struct worker *w, const struct dns_list_use *u, struct dns_list_news news)
{
	if (news.changed)
		tell(w, u, news.fault);
	if (news.next_test_ms < w->dns.lists.next_ms)
		w->dns.lists.next_ms = news.next_test_ms;
}

void list_desk_heard(struct dns_desk *d, const struct dns_list_use *use, const struct dns_list_word *word)
{
	struct worker *w = d->lists.worker;
	if (w)
		take_news(w, use, dns_list_note_word(use, word, w->now_ms));
}

void list_desk_decoy_was_listed(struct dns_desk *d, const struct dns_list_use *use)
{
	struct worker *w = d->lists.worker;
	if (w)
		take_news(w, use, dns_list_note_decoy(use, w->now_ms));
}

bool list_desk_is_failure(const struct dns_answer *a)
{
	if (a->status != DNS_FAILED)
		return false;
	return a->failure == DNS_TIMEOUT ||
	       (a->failure >= DNS_SERVFAIL && a->failure <= DNS_LOOP && a->failure != DNS_UNREACHABLE);
}

/* ---- decoys ---- */

static uint64_t fresh_random(void)
{
	uint64_t random;
	rand_bytes(&random, sizeof random);
	return random | (uint64_t)1 << 63;
}

bool list_desk_decoy(struct list_desk *d, const struct dns_list_use *use, struct dns_name *name_r)
{
	if (!d->sharing || !d->shared)
		d->shared = fresh_random();
	return dns_list_decoy(use->about->zone, use->about->domain, d->shared, name_r);
}

void list_desk_share(struct list_desk *d, bool sharing)
{
	d->sharing = sharing;
	d->shared = 0;
}

/* ---- tests ---- */

static void end_test(struct worker *w, unsigned lookup)
{
	struct list_test *t = &w->dns.lists.tests[lookup];
	const struct dns_list_use *u = &w->generation->dns_lists.items[lookup];
	t->found.took_ms = (uint32_t)(w->now_ms - t->began_ms);
	if (!t->void_test)
		take_news(w, u, dns_list_note_test(u, &t->found, w->now_ms));
}

static void take(struct worker *w, unsigned lookup, unsigned which, const struct dns_answer *a)
{
	struct list_test *t = &w->dns.lists.tests[lookup];
	const struct dns_list_use *u = &w->generation->dns_lists.items[lookup];
	struct ip ip;
	enum dns_known known = which == DECOY ? dns_list_read_decoy(a) : dns_list_read(a, u->ranges, u->ranges_n, &ip);
	*(which == DECOY ? &t->found.decoy : &t->found.point) = known;
	t->found.error |= known == DNS_UNKNOWN && a->status != DNS_FAILED;
	t->void_test |= a->status == DNS_FAILED && !list_desk_is_failure(a);
	if (--t->open == 0)
		end_test(w, lookup);
}

static void ask(struct worker *w, unsigned lookup, unsigned which, const struct dns_question *q)
{
	struct dns_answer answer;
	const struct dns_asker asker = { .ticket = LIST_TICKET,
		.what = lookup * QUESTIONS + which,
		.due_ms = w->now_ms + w->generation->settings->dns.timeout_ms,
		.since_ms = UINT64_MAX };
	if (dns_resolver_ask(w->dns.resolver, q, &asker, w->now_ms, &answer) == DNS_KNOWN)
		take(w, lookup, which, &answer);
}

static void begin_test(struct worker *w, unsigned lookup)
{
	const struct score_lookup *about = w->generation->dns_lists.items[lookup].about;
	struct list_test *t = &w->dns.lists.tests[lookup];
	struct dns_question point = { .type = DNS_A }, decoy = { .type = DNS_A };
	if (t->open || !dns_list_test_point(about->zone, about->domain, &point.name) ||
		!dns_list_decoy(about->zone, about->domain, fresh_random(), &decoy.name))
		return;
	*t = (struct list_test){ .began_ms = w->now_ms, .open = QUESTIONS };
	ask(w, lookup, POINT, &point);
	ask(w, lookup, DECOY, &decoy);
}

void list_desk_on_time(struct worker *w)
{
	const struct dns_lists *lists = &w->generation->dns_lists;
	uint64_t soonest = UINT64_MAX, next;
	if (w->now_ms < w->dns.lists.next_ms)
		return;
	w->dns.lists.next_ms = UINT64_MAX; /* what fails at once may set it back */
	for (unsigned i = 0; i < lists->n; i++) {
		if (!lists->items[i].watch || !lists->items[i].first)
			continue;
		if (dns_list_claim_test(&lists->items[i], w->now_ms, &next))
			begin_test(w, i);
		soonest = next < soonest ? next : soonest;
	}
	if (soonest < w->dns.lists.next_ms)
		w->dns.lists.next_ms = soonest;
}

int list_desk_sleep_ms(const struct list_desk *d, uint64_t now_ms)
{
	enum { LONG_MS = 3600 * 1000 };
	if (d->next_ms == UINT64_MAX)
		return -1;
	if (d->next_ms <= now_ms)
		return 0;
	return d->next_ms - now_ms < LONG_MS ? (int)(d->next_ms - now_ms) : LONG_MS;
}

void list_desk_answer(struct worker *w, const struct dns_result *result)
{
	unsigned lookup = result->what / QUESTIONS;
	if (lookup < w->generation->dns_lists.n && w->dns.lists.tests[lookup].open)
		take(w, lookup, result->what % QUESTIONS, &result->answer);
}

void list_desk_configure(struct worker *w)
{
	dns_resolver_forget(w->dns.resolver, LIST_TICKET);
	w->dns.lists = (struct list_desk){ .worker = w, .next_ms = w->now_ms };
}
