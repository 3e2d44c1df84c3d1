#include "server/spf_desk.h"

#include "base/mem.h"
#include "score/grey.h"
#include "server/app.h"
#include "server/dns_desk.h"

/* RFC 7208 4.6.4: an evaluation should not take longer. */
enum { SPF_MS = 20000 };
/* Recipients of one mail that are remembered for the end of its evaluation; further ones wait a turn longer. */
enum { GREYLISTED_MAX = 20 };
enum { SERIAL_BITS = 40 };

struct greylisted {
	struct slice sender, recipient;
};

struct spf_run {
	uint64_t asker; /* its ticket */
	bool alone;	/* the asker has let go */
	uint64_t timeout_ms;
	uint32_t seat, serial;
	struct dns_spf *eval;
	struct dns_spf_result result;
	bool done;
	uint64_t began_ms;
	uint32_t took_ms;
	struct dns_budget own; /* once the session's is gone */
	struct ip ip;
	struct slice organisation; /* of the client's name, as far as it was known */
	struct score_grey_limits limits;
	struct greylisted greylisted[GREYLISTED_MAX];
	unsigned greylisted_n;
	struct arena arena;
};

/* ---- seats ---- */

static bool seat(struct spf_desk *d, struct spf_run *r)
{
	if (d->n == d->cap) {
		uint32_t cap = d->cap ? d->cap * 2 : 64;
		struct spf_run **more = mem_realloc(d->runs, cap * sizeof *more);
		if (!more)
			return false;
		memset(more + d->cap, 0, (cap - d->cap) * sizeof *more);
		d->runs = more;
		d->cap = cap;
	}
	uint32_t i = d->serial % d->cap;
	while (d->runs[i])
		i = (i + 1) % d->cap;
	d->runs[i] = r;
	d->n++;
	r->seat = i;
	r->serial = ++d->serial;
	return true;
}

static uint64_t ticket_of(const struct spf_run *r)
{
	return (uint64_t)1 << 63 | (uint64_t)r->seat << SERIAL_BITS | r->serial;
}

static struct spf_run *run_of(const struct spf_desk *d, uint64_t ticket)
{
	uint64_t at = (ticket & ~((uint64_t)1 << 63)) >> SERIAL_BITS;
	struct spf_run *r = at < d->cap ? d->runs[at] : NULL;
	return r && ticket_of(r) == ticket ? r : NULL;
}

static void run_free(struct spf_run *r)
{
	dns_spf_free(&r->eval);
	arena_release(&r->arena);
	mem_free(&r);
}

static void drop(struct dns_desk *d, struct spf_run *r)
{
	if (!r->done)
		dns_resolver_forget(d->resolver, ticket_of(r));
	d->spf.runs[r->seat] = NULL;
	d->spf.n--;
	d->spf.detached -= r->alone;
	run_free(r);
}

void spf_desk_release(struct spf_desk *d)
{
	for (uint32_t i = 0; i < d->cap; i++)
		if (d->runs[i])
			run_free(d->runs[i]);
	mem_free(&d->runs);
	*d = (struct spf_desk){ 0 };
}

/* ---- evaluating ---- */

static void finish(struct dns_desk *d, struct spf_run *r)
{
	dns_spf_result(r->eval, &r->result);
	r->done = true;
	r->took_ms = (uint32_t)(d->now_ms - r->began_ms);
}

static void ask(
	struct dns_desk *d, struct spf_run *r, const struct dns_question *q, unsigned n, struct dns_budget *budget)
{
	uint64_t due_ms = d->now_ms + r->timeout_ms, end_ms = r->began_ms + SPF_MS;
	const struct dns_asker asker = {
		.ticket = ticket_of(r), .due_ms = due_ms < end_ms ? due_ms : end_ms, .budget = budget
	};
	for (unsigned i = 0; i < n; i++) {
		struct dns_question more[DNS_SPF_NAMES];
		struct dns_answer answer;
		if (dns_resolver_ask(d->resolver, &q[i], &asker, d->now_ms, &answer) == DNS_KNOWN)
			ask(d, r, more, dns_spf_answer(r->eval, &q[i], &answer, more), budget);
	}
}

static void go_on(
	struct dns_desk *d, struct spf_run *r, const struct dns_question *q, unsigned n, struct dns_budget *budget)
{
	ask(d, r, q, n, budget);
	if (!r->done && dns_spf_is_done(r->eval))
		finish(d, r);
}

struct spf_run *spf_begin(struct dns_desk *d, const struct dns_spf_client *client, const struct spf_asker *asker)
{
	struct dns_question q[DNS_SPF_NAMES];
	struct spf_run *r = mem_zalloc(sizeof *r);
	if (!r || !seat(&d->spf, r)) {
		mem_free(&r);
		return NULL;
	}
	r->asker = asker->ticket;
	r->timeout_ms = asker->timeout_ms;
	r->ip = client->ip;
	r->began_ms = d->now_ms;
	r->own.left = DNS_SPF_ASKED_MAX;
	unsigned n = dns_spf_begin(client, &r->eval, q);
	if (r->eval) {
		go_on(d, r, q, n, asker->budget);
		return r;
	}
	r->done = true; /* nobody was asked */
	drop(d, r);
	return NULL;
}

/* Those that waited for it are known by the better rung from their first try on. */
static void tell_greylist(struct dns_desk *d, const struct spf_run *r)
{
	if (r->greylisted_n == 0 || !r->result.domain.n || !dns_spf_is_identity(&r->result, &r->ip))
		return;
	struct score_store *store = d->app->store;
	struct score_grey_who who = score_grey_who(store, &r->ip, r->result.domain, r->organisation);
	for (unsigned i = 0; i < r->greylisted_n; i++)
		score_grey_learned(
			store, &r->limits, &who, r->greylisted[i].sender, r->greylisted[i].recipient, d->wall_ms);
}

bool spf_answer(struct dns_desk *d, const struct dns_result *result, uint64_t *ticket_r)
{
	struct spf_run *r = run_of(&d->spf, result->ticket);
	struct dns_question more[DNS_SPF_NAMES];
	if (!r || r->done)
		return false;
	struct dns_question q = *result->question;
	unsigned n = dns_spf_answer(r->eval, &q, &result->answer, more);
	go_on(d, r, more, n, &r->own);
	if (!r->done)
		return false;
	tell_greylist(d, r);
	*ticket_r = r->asker;
	bool awaited = !r->alone;
	if (!awaited)
		drop(d, r);
	return awaited;
}

bool spf_is_done(const struct spf_run *r)
{
	return r->done;
}

const struct dns_spf_result *spf_result(const struct spf_run *r)
{
	return &r->result;
}

uint32_t spf_took_ms(const struct spf_run *r, uint64_t now_ms)
{
	return r->done ? r->took_ms : (uint32_t)(now_ms - r->began_ms);
}

/* ---- greylisting ---- */

void spf_note_greylisted(struct spf_run *r, const struct score_grey_limits *limits, struct slice organisation,
	struct slice sender, struct slice recipient)
{
	if (r->done || r->greylisted_n == GREYLISTED_MAX)
		return;
	struct greylisted *g = &r->greylisted[r->greylisted_n];
	if (r->greylisted_n == 0) {
		r->organisation = arena_copy(&r->arena, organisation);
		r->limits = *limits;
	}
	g->sender = arena_copy(&r->arena, sender);
	g->recipient = arena_copy(&r->arena, recipient);
	r->greylisted_n += g->sender.p && g->recipient.p;
}

void spf_let_go(struct dns_desk *d, struct spf_run **p)
{
	struct spf_run *r = *p;
	*p = NULL;
	if (!r)
		return;
	if (r->done || r->greylisted_n == 0 || d->spf.detached >= SPF_DETACHED_MAX) {
		drop(d, r);
		return;
	}
	r->alone = true;
	d->spf.detached++;
}
