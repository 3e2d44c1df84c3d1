#include "base/mem.h"
#include "server/lookup_inside.h"

/* Questions of one session, all its mails together: a client that names hostile domains in mail after mail makes us ask
 * for each, and what that may cost is ours to bound. */
enum { SESSION_QUERIES = 300 };
/* Of its answers' texts. */
enum { SESSION_ANSWERS = 8 * 1024 };
enum { JOB_BITS = 8, QUESTIONS_MAX = DNS_RDNS_NAMES };

static const struct score_ruleset *rules_of(const struct lookups *l)
{
	return l->client.generation->rules;
}

static unsigned lists_of(const struct lookups *l)
{
	return score_lookups_count(rules_of(l));
}

static struct lookups *lookups_of(struct lookups **p, const struct lookup_client *client)
{
	if (*p)
		return *p;
	struct lookups *l = *p = mem_zalloc(sizeof *l);
	if (!l)
		return NULL;
	l->client = *client;
	l->budget.left = SESSION_QUERIES;
	l->arena.limit = SESSION_ANSWERS;
	l->answers = arena_alloc(&l->arena, lists_of(l) * sizeof *l->answers + 1);
	l->texts = arena_alloc(&l->arena, lists_of(l) * sizeof *l->texts + 1);
	l->jobs = arena_alloc(&l->arena, (JOB_LIST + lists_of(l)) * sizeof *l->jobs);
	if (!l->answers || !l->texts || !l->jobs)
		lookup_release(p);
	return *p;
}

void lookup_release(struct lookups **p)
{
	struct lookups *l = *p;
	if (!l)
		return;
	if (l->open.facts || l->open.lookups)
		dns_resolver_forget(l->client.desk->resolver, l->client.ticket);
	spf_let_go(l->client.desk, &l->spf);
	arena_release(&l->arena);
	mem_free(p);
}

/* ---- what a job finds out ---- */

static void close_facts(struct lookups *l, uint32_t facts, enum dns_known outcome)
{
	l->open.facts &= ~facts;
	if (outcome != DNS_UNKNOWN)
		l->known.facts |= facts;
}

static void close_ptr(struct lookups *l)
{
	const struct lookup_client *c = &l->client;
	struct slice name;
	enum dns_known outcome = dns_rdns_ptr(&l->rdns, &name);
	close_facts(l, SCORE_HAS_PTR, outcome);
	l->dynamic = outcome == DNS_SOME && naming_is_dynamic(c->generation->words, c->desk->app->org, name, &c->ip);
}

static void close_rdns(struct lookups *l, bool last)
{
	struct slice name;
	uint32_t before = l->known.facts;
	if ((l->rdns.asked || last) && (l->open.facts & SCORE_HAS_PTR))
		close_ptr(l);
	if (last)
		close_facts(l, SCORE_HAS_NAME, dns_rdns_name(&l->rdns, &name));
	l->learned |= l->known.facts & ~before & SCORE_HAS_NAME;
}

/* Who is proven to send is known when both ways to prove it are through. */
static void close_identity(struct lookups *l)
{
	if (!(l->open.facts & SCORE_HAS_IDENTITY) || (l->open.facts & (SCORE_HAS_SPF | SCORE_HAS_NAME)))
		return;
	l->open.facts &= ~(uint32_t)SCORE_HAS_IDENTITY;
	if (!(l->known.facts & SCORE_HAS_SPF) || !((l->known.facts & SCORE_HAS_NAME) || lookup_identity(l).n))
		return;
	l->known.facts |= SCORE_HAS_IDENTITY;
	l->learned |= SCORE_HAS_IDENTITY;
}

static void close_spf(struct lookups *l)
{
	enum dns_spf_word word = l->spf ? spf_result(l->spf)->word : DNS_SPF_TEMPERROR;
	close_facts(l, SCORE_HAS_SPF, word == DNS_SPF_TEMPERROR ? DNS_UNKNOWN : DNS_SOME);
	l->jobs[JOB_SPF].took_ms = l->spf ? spf_took_ms(l->spf, l->client.desk->now_ms) : 0;
	close_identity(l);
}

/* Returns the number of further questions. `took_ms` may be LOOKUP_FROM_CACHE. */
static unsigned take_answer(struct lookups *l, unsigned job, const struct dns_question *q, const struct dns_answer *a,
	uint32_t took_ms, struct dns_question more_r[QUESTIONS_MAX])
{
	if (a->status == DNS_FAILED)
		l->jobs[job].failure = (uint8_t)a->failure;
	switch (job) {
	case JOB_RDNS:
		return dns_rdns_answer(&l->rdns, q, a, more_r);
	case JOB_HELO:
		return dns_reach_answer(&l->helo, q, a, more_r);
	case JOB_MX:
		return dns_reach_answer(&l->mx, q, a, more_r);
	default:
		return lookup_take_list(l, job - JOB_LIST, q, a, took_ms, more_r);
	}
}

static void look_at_job(struct lookups *l, unsigned job)
{
	bool last = l->jobs[job].open == 0;
	if (last)
		l->jobs[job].took_ms = (uint32_t)(l->client.desk->now_ms - l->jobs[job].began_ms);
	if (job == JOB_RDNS) {
		close_rdns(l, last);
		close_identity(l);
	}
	if (job >= JOB_LIST && last)
		l->open.lookups &= ~((uint64_t)1 << (job - JOB_LIST));
	if (job == JOB_HELO && last)
		close_facts(l, SCORE_HAS_HELO_RESOLVES, dns_reach_outcome(&l->helo));
	else if (job == JOB_MX && last)
		close_facts(l, SCORE_HAS_SENDER_MX, dns_reach_outcome(&l->mx));
}

/* ---- asking ---- */

static void ask(struct lookups *l, unsigned job, const struct dns_question *q, unsigned n)
{
	struct job *j = &l->jobs[job];
	struct dns_desk *d = l->client.desk;
	const struct dns_asker asker = { .ticket = l->client.ticket,
		.what = j->epoch << JOB_BITS | job,
		.due_ms = j->began_ms + l->client.generation->settings->dns.timeout_ms,
		.budget = &l->budget,
		.since_ms = job >= JOB_LIST ? lookup_list_since_ms(l, job - JOB_LIST) : 0 };
	j->open = (uint16_t)(j->open + n); /* before the first answer: it may be known at once */
	for (unsigned i = 0; i < n; i++) {
		struct dns_question more[QUESTIONS_MAX];
		struct dns_answer answer;
		if (dns_resolver_ask(d->resolver, &q[i], &asker, d->now_ms, &answer) == DNS_ASKED)
			continue;
		j->open--;
		/* at most one level deeper */
		ask(l, job, more, take_answer(l, job, &q[i], &answer, LOOKUP_FROM_CACHE, more));
	}
}

static bool is_literal(struct slice domain)
{
	return domain.n && domain.p[0] == '[';
}

static unsigned begin_reach(struct dns_reach *r, bool mail, struct slice name, struct dns_question q_r[QUESTIONS_MAX])
{
	*r = (struct dns_reach){ .yes = is_literal(name) };
	if (is_literal(name))
		return 0;
	return mail ? dns_reach_mail(r, name, q_r) : dns_reach_host(r, name, q_r);
}

static unsigned begin_job(
	struct lookups *l, unsigned job, const struct score_facts *f, struct dns_question q_r[QUESTIONS_MAX])
{
	switch (job) {
	case JOB_RDNS:
		return dns_rdns_begin(&l->rdns, &l->client.ip, q_r);
	case JOB_HELO:
		return begin_reach(&l->helo, false, f->helo, q_r);
	case JOB_MX:
		l->mx = (struct dns_reach){ .yes = true };
		return f->sender.n ? begin_reach(&l->mx, true, f->sender_domain, q_r) : 0;
	default:
		return lookup_begin_list(l, job - JOB_LIST, f, q_r);
	}
}

static void start_job(struct lookups *l, unsigned job, const struct score_facts *f)
{
	struct dns_question q[QUESTIONS_MAX];
	l->jobs[job] = (struct job){ .epoch = ++l->epoch, .began_ms = l->client.desk->now_ms };
	ask(l, job, q, begin_job(l, job, f, q));
	look_at_job(l, job);
}

static void start_spf(struct lookups *l, const struct score_facts *f)
{
	struct dns_desk *d = l->client.desk;
	const struct generation *g = l->client.generation;
	const struct dns_spf_client client = { .ip = l->client.ip,
		.helo = f->helo,
		.mail_from = f->sender,
		.our_name = g->hostname,
		.now_s = d->wall_ms / 1000 };
	const struct spf_asker asker = { l->client.ticket, g->settings->dns.timeout_ms, &l->budget };
	l->jobs[JOB_SPF] = (struct job){ .epoch = ++l->epoch, .began_ms = d->now_ms };
	l->spf = spf_begin(d, &client, &asker);
	if (!l->spf || spf_is_done(l->spf))
		close_spf(l);
}

static void start(struct lookups *l, const struct score_facts *f, struct score_wants wants)
{
	static const struct {
		uint32_t facts;
		unsigned job;
	} jobs[] = { { SCORE_HAS_PTR | SCORE_HAS_NAME, JOB_RDNS }, { SCORE_HAS_HELO_RESOLVES, JOB_HELO },
		{ SCORE_HAS_SENDER_MX, JOB_MX } };
	uint64_t lists = wants.lookups & ~l->tried.lookups;
	uint32_t who = wants.facts & (SCORE_HAS_SPF | SCORE_HAS_IDENTITY) & ~l->tried.facts;
	if (who & SCORE_HAS_IDENTITY)
		wants.facts |= SCORE_HAS_NAME;
	l->tried.lookups |= lists;
	l->open.lookups |= lists;
	for (; lists; lists &= lists - 1)
		start_job(l, JOB_LIST + (unsigned)__builtin_ctzll(lists), f);
	for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
		if (!(wants.facts & jobs[i].facts & ~l->tried.facts))
			continue;
		l->tried.facts |= jobs[i].facts;
		l->open.facts |= jobs[i].facts;
		start_job(l, jobs[i].job, f);
	}
	if (!who)
		return;
	bool begun = l->tried.facts & SCORE_HAS_SPF;
	who |= begun ? 0 : SCORE_HAS_SPF;
	l->tried.facts |= who;
	l->open.facts |= who;
	if (!begun)
		start_spf(l, f);
	close_identity(l);
}

/* ---- for a stage ---- */

static struct score_wants wants_of(const struct lookups *l, const struct lookup_client *client, enum score_stage stage,
	const struct score_facts *f, const struct score_case *c, bool even_known_good)
{
	const struct dns_desk *d = client->desk;
	struct score_wants tried = { 0 }, wants;
	if (l) { /* what is under way already is still to be waited for */
		tried.facts = l->tried.facts & ~l->open.facts;
		tried.lookups = l->tried.lookups & ~l->open.lookups;
	}
	score_lookup_wants(
		client->generation->rules, stage, f, c, d->app->store, &tried, even_known_good, d->wall_ms, &wants);
	return wants;
}

static bool is_nothing(struct score_wants w)
{
	return w.facts == 0 && w.lookups == 0;
}

/* What RCPT will want is asked while the client gets there. */
bool lookup_begin(struct lookups **p, const struct lookup_client *client, enum score_stage stage,
	const struct score_facts *f, const struct score_case *c)
{
	struct score_wants wants = wants_of(*p, client, stage, f, c, false);
	struct score_wants next =
		stage == SCORE_MAIL && !f->known_good ? wants_of(*p, client, SCORE_RCPT, f, c, false) : wants;
	if (is_nothing(wants) && is_nothing(next))
		return false;
	struct lookups *l = lookups_of(p, client);
	if (!l)
		return false; /* out of memory: unknown */
	l->known_good = f->known_good;
	start(l, f, wants);
	start(l, f, next);
	l->awaited = f->known_good ? wants_of(l, client, stage, f, c, true) : wants;
	l->awaited.lookups &= ~lookup_lists_out(l);
	return lookup_is_open(l);
}

void lookup_names(struct lookups **p, const struct lookup_client *client)
{
	struct lookups *l = ip_is_loopback(&client->ip) ? NULL : lookups_of(p, client);
	struct score_facts f = { 0 };
	if (l)
		start(l, &f, (struct score_wants){ .facts = SCORE_HAS_PTR | SCORE_HAS_NAME });
}

bool lookup_say_name(struct lookups **p, const struct lookup_client *client, struct slice name)
{
	struct lookups *l = lookups_of(p, client);
	TRY(l && dns_rdns_given(&l->rdns, &client->ip, name));
	l->tried.facts |= SCORE_HAS_PTR | SCORE_HAS_NAME;
	l->open.facts |= SCORE_HAS_PTR | SCORE_HAS_NAME;
	close_rdns(l, true);
	return true;
}

void lookup_answer(struct lookups *l, const struct dns_result *result)
{
	unsigned job = result->what & ((1u << JOB_BITS) - 1);
	struct dns_question more[QUESTIONS_MAX];
	if (!l || job >= JOB_LIST + lists_of(l) || l->jobs[job].epoch << JOB_BITS != (result->what & ~0u << JOB_BITS))
		return;
	struct dns_question q = *result->question; /* the resolver's memory is its own at the next call */
	l->jobs[job].open--;
	ask(l, job, more, take_answer(l, job, &q, &result->answer, result->took_ms, more));
	look_at_job(l, job);
}

void lookup_spf_done(struct lookups *l)
{
	if (l && l->spf)
		close_spf(l);
}

uint32_t lookup_take_learned(struct lookups *l)
{
	uint32_t learned = l ? l->learned : 0;
	if (l)
		l->learned = 0;
	return learned;
}

bool lookup_is_open(const struct lookups *l)
{
	return l && ((l->awaited.facts & l->open.facts) || (l->awaited.lookups & l->open.lookups));
}

void lookup_await_rest(struct lookups *l)
{
	if (l)
		l->awaited = l->open;
}

void lookup_give_up(struct lookups *l)
{
	if (l)
		l->awaited = (struct score_wants){ 0 };
}

/* ---- scopes ---- */

static uint64_t lists_within(const struct lookups *l, enum score_scope scope)
{
	uint64_t within = 0;
	for (unsigned i = 0; i < lists_of(l); i++)
		if (score_lookup_about(rules_of(l), i)->scope >= scope)
			within |= (uint64_t)1 << i;
	return within;
}

static uint64_t lists_about_helo(const struct lookups *l)
{
	uint64_t about = 0;
	for (unsigned i = 0; i < lists_of(l); i++) {
		const struct score_lookup *list = score_lookup_about(rules_of(l), i);
		if (list->domain && list->attr == SCORE_AT_HELO)
			about |= (uint64_t)1 << i;
	}
	return about;
}

static void forget(struct score_wants *w, uint32_t facts, uint64_t lookups)
{
	w->facts &= ~facts;
	w->lookups &= ~lookups;
}

/* An answer that is still under way finds another epoch. */
static void end_scope(struct lookups *l, uint32_t facts, uint64_t lookups)
{
	for (uint64_t bits = lookups; bits; bits &= bits - 1)
		l->jobs[JOB_LIST + (unsigned)__builtin_ctzll(bits)].epoch = 0;
	forget(&l->tried, facts, lookups);
	forget(&l->open, facts, lookups);
	forget(&l->known, facts, lookups);
	l->awaited = (struct score_wants){ 0 };
}

void lookup_end_recipient(struct lookups *l)
{
	if (l)
		end_scope(l, 0, lists_within(l, SCORE_OF_RECIPIENT));
}

void lookup_end_mail(struct lookups *l)
{
	if (!l)
		return;
	spf_let_go(l->client.desk, &l->spf);
	l->jobs[JOB_SPF].epoch = 0;
	l->jobs[JOB_MX].epoch = 0;
	end_scope(l, SCORE_HAS_SENDER_MX | SCORE_HAS_SPF | SCORE_HAS_IDENTITY, lists_within(l, SCORE_OF_MAIL));
}

void lookup_end_hello(struct lookups *l)
{
	if (!l)
		return;
	l->jobs[JOB_HELO].epoch = 0;
	end_scope(l, SCORE_HAS_HELO_RESOLVES, lists_about_helo(l));
}
