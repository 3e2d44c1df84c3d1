/* The questions to DNS lists.
 *
 * A listing is not believed at once: a name that nobody can list is asked after it, and only when that is not listed
 * the listing is known. With it, where a rule's reply wants it, goes the question why (TXT).
 */
#include "dns/list.h"
#include "server/lookup_inside.h"

/* Of what a list says in TXT: a reply has room for little more. */
enum { TXT_KEPT = 200 };

static const struct dns_list_use *use_of(const struct lookups *l, unsigned lookup)
{
	return &l->client.generation->dns_lists.items[lookup];
}

uint64_t lookup_lists_out(const struct lookups *l)
{
	return dns_lists_out(&l->client.generation->dns_lists);
}

uint64_t lookup_list_since_ms(const struct lookups *l, unsigned lookup)
{
	const struct dns_list_use *use = use_of(l, lookup);
	return use->watch ? dns_list_look(use).since_ms : 0;
}

static void note_word(const struct lookups *l, const struct dns_list_use *use, const struct dns_question *q,
	const struct dns_answer *a, enum dns_known outcome, uint32_t took_ms)
{
	if (!use->watch || (a->status == DNS_FAILED && !list_desk_is_failure(a)))
		return;
	const struct dns_list_word word = { .outcome = outcome,
		.error = outcome == DNS_UNKNOWN && a->status != DNS_FAILED,
		.known_good = l->known_good,
		.who = hash_bytes(&l->client.desk->app->needs.score_key, dns_name_slice(&q->name)),
		.took_ms = took_ms };
	list_desk_heard(l->client.desk, use, &word);
}

static unsigned ask_behind(struct lookups *l, unsigned lookup, const struct dns_question *q,
	struct dns_question more_r[LOOKUP_LIST_QUESTIONS])
{
	const struct dns_list_use *use = use_of(l, lookup);
	unsigned n = 0;
	more_r[n].type = DNS_A;
	if (!list_desk_decoy(&l->client.desk->lists, use, &more_r[n++].name))
		return 0;
	l->hits |= (uint64_t)1 << lookup;
	if (!use->about->wants_txt)
		return n;
	more_r[n] = *q;
	more_r[n++].type = DNS_TXT;
	return n;
}

static unsigned take_word(struct lookups *l, unsigned lookup, const struct dns_question *q, const struct dns_answer *a,
	uint32_t took_ms, struct dns_question more_r[LOOKUP_LIST_QUESTIONS])
{
	const struct dns_list_use *use = use_of(l, lookup);
	uint64_t bit = (uint64_t)1 << lookup;
	struct ip ip;
	char text[IP_TEXT];
	enum dns_known outcome = dns_list_read(a, use->ranges, use->ranges_n, &ip);
	l->answers[lookup] = l->texts[lookup] = slice_of(NULL, 0);
	if (took_ms != LOOKUP_FROM_CACHE)
		note_word(l, use, q, a, outcome, took_ms);
	if (outcome == DNS_NONE)
		l->known.lookups |= bit;
	if (outcome != DNS_SOME || (lookup_lists_out(l) & bit))
		return 0;
	l->answers[lookup] = arena_copy(&l->arena, slice_of(text, ip_format(&ip, text)));
	return l->answers[lookup].p ? ask_behind(l, lookup, q, more_r) : 0;
}

static void take_decoy(struct lookups *l, unsigned lookup, const struct dns_answer *a)
{
	uint64_t bit = (uint64_t)1 << lookup;
	l->hits &= ~bit;
	switch (dns_list_read_decoy(a)) {
	case DNS_NONE:
		l->known.lookups |= bit;
		break;
	case DNS_SOME:
		if (use_of(l, lookup)->watch)
			list_desk_decoy_was_listed(l->client.desk, use_of(l, lookup));
		break;
	case DNS_UNKNOWN:
		break;
	}
}

static bool holds(struct slice text, struct slice part)
{
	for (; text.n >= part.n; text = slice_skip(text, 1))
		if (slice_istarts(text, part))
			return true;
	return false;
}

/* A text that tells the zone which nobody is to see is not kept. */
static void take_text(struct lookups *l, unsigned lookup, const struct score_lookup *about, const struct dns_answer *a)
{
	struct dns_record record;
	size_t at = 0;
	if (a->status != DNS_FOUND || !dns_answer_next(a, DNS_TXT, &at, &record))
		return;
	if (slice_eq(about->shown, about->zone) || !holds(record.text, about->zone))
		l->texts[lookup] = arena_copy(
			&l->arena, slice_of(record.text.p, record.text.n < TXT_KEPT ? record.text.n : TXT_KEPT));
}

unsigned lookup_take_list(struct lookups *l, unsigned lookup, const struct dns_question *q, const struct dns_answer *a,
	uint32_t took_ms, struct dns_question more_r[LOOKUP_LIST_QUESTIONS])
{
	if (q->type == DNS_TXT)
		take_text(l, lookup, use_of(l, lookup)->about, a);
	else if (l->hits >> lookup & 1)
		take_decoy(l, lookup, a);
	else
		return take_word(l, lookup, q, a, took_ms, more_r);
	return 0;
}

unsigned lookup_begin_list(
	struct lookups *l, unsigned lookup, const struct score_facts *f, struct dns_question q_r[LOOKUP_LIST_QUESTIONS])
{
	const struct score_lookup *about = use_of(l, lookup)->about;
	struct slice subject = slice_of(NULL, 0);
	bool known = !about->domain || score_lookup_subject(about, f, &subject);
	uint64_t bit = (uint64_t)1 << lookup;
	l->answers[lookup] = l->texts[lookup] = slice_of(NULL, 0);
	l->hits &= ~bit;
	q_r[0].type = DNS_A;
	if (!about->domain ? dns_name_listed_ip(&l->client.ip, about->zone, &q_r[0].name)
			   : subject.p && dns_name_listed_domain(subject, about->zone, &q_r[0].name))
		return 1;
	if (known) /* there is nothing that could be listed */
		l->known.lookups |= bit;
	return 0;
}

struct lookup_listing lookup_listing(const struct lookups *l, unsigned rule)
{
	if (!l)
		return (struct lookup_listing){ 0 };
	uint64_t read = score_rule_lookups(l->client.generation->rules, rule);
	for (uint64_t known = l->known.lookups & ~lookup_lists_out(l) & read; known; known &= known - 1) {
		unsigned i = (unsigned)__builtin_ctzll(known);
		if (l->answers[i].p)
			return (struct lookup_listing){ use_of(l, i)->about->shown, l->texts[i] };
	}
	return (struct lookup_listing){ 0 };
}
