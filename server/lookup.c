#include "base/mem.h"
#include "server/lookup_inside.h"
#include "server/talk.h"

/* Questions of one session, all its mails together: a client that names hostile domains in mail after mail makes us ask
 * for each, and what that may cost is ours to bound. */
enum { SESSION_QUERIES = 300 };
/* Of its answers' texts. */
enum { SESSION_ANSWERS = 8 * 1024 };
enum { JOB_BITS = 8, QUESTIONS_MAX = DNS_RDNS_NAMES };

static unsigned lists_of(const struct session *s)
{
	return score_lookups_count(s->generation->rules);
}

static struct lookups *lookups_of(struct session *s)
{
	if (s->lookups)
		return s->lookups;
	struct lookups *l = s->lookups = mem_zalloc(sizeof *l);
	if (!l)
		return NULL;
	l->budget.left = SESSION_QUERIES;
	l->arena.limit = SESSION_ANSWERS;
	l->answers = arena_alloc(&l->arena, lists_of(s) * sizeof *l->answers + 1);
	l->texts = arena_alloc(&l->arena, lists_of(s) * sizeof *l->texts + 1);
	l->jobs = arena_alloc(&l->arena, (JOB_LIST + lists_of(s)) * sizeof *l->jobs);
	if (!l->answers || !l->texts || !l->jobs)
		lookup_release(s);
	return s->lookups;
}

static uint64_t ticket_of(const struct session *s)
{
	return (uint64_t)s->index << TICKET_ID_BITS | s->id;
}

void lookup_release(struct session *s)
{
	struct lookups *l = s->lookups;
	if (!l)
		return;
	if (l->open.facts || l->open.lookups)
		dns_resolver_forget(s->worker->dns, ticket_of(s));
	spf_let_go(s->worker, &l->spf);
	arena_release(&l->arena);
	mem_free(&s->lookups);
}

/* ---- what a job finds out ---- */

static void close_facts(struct lookups *l, uint32_t facts, enum dns_known outcome)
{
	l->open.facts &= ~facts;
	if (outcome != DNS_UNKNOWN)
		l->known.facts |= facts;
}

static void close_ptr(struct session *s, struct lookups *l)
{
	struct slice name;
	enum dns_known outcome = dns_rdns_ptr(&l->rdns, &name);
	close_facts(l, SCORE_HAS_PTR, outcome);
	l->dynamic =
		outcome == DNS_SOME && naming_is_dynamic(s->generation->words, s->worker->app->org, name, &s->peer.ip);
}

static void close_rdns(struct session *s, struct lookups *l, bool last)
{
	struct slice name;
	bool learned = !(l->known.facts & SCORE_HAS_NAME);
	if ((l->rdns.asked || last) && (l->open.facts & SCORE_HAS_PTR))
		close_ptr(s, l);
	if (last)
		close_facts(l, SCORE_HAS_NAME, dns_rdns_name(&l->rdns, &name));
	if (learned && (l->known.facts & SCORE_HAS_NAME))
		judge_learned(s, SCORE_EV_CONNECTIONS, SCORE_KEY_CLIENT_NAME);
}

/* Who is proven to send is known when both ways to prove it are through. */
static void close_identity(struct session *s, struct lookups *l)
{
	if (!(l->open.facts & SCORE_HAS_IDENTITY) || (l->open.facts & (SCORE_HAS_SPF | SCORE_HAS_NAME)))
		return;
	l->open.facts &= ~(uint32_t)SCORE_HAS_IDENTITY;
	if (!(l->known.facts & SCORE_HAS_SPF) || !((l->known.facts & SCORE_HAS_NAME) || grey_identity(s).n))
		return;
	l->known.facts |= SCORE_HAS_IDENTITY;
	judge_learned(s, SCORE_EV_MESSAGES, SCORE_KEY_IDENTITY);
}

static void close_spf(struct session *s, struct lookups *l)
{
	enum dns_spf_word word = l->spf ? spf_result(l->spf)->word : DNS_SPF_TEMPERROR;
	close_facts(l, SCORE_HAS_SPF, word == DNS_SPF_TEMPERROR ? DNS_UNKNOWN : DNS_SOME);
	l->jobs[JOB_SPF].took_ms = l->spf ? spf_took_ms(l->spf, s->worker->now_ms) : 0;
	close_identity(s, l);
}

/* Returns the number of further questions. `took_ms` may be LOOKUP_FROM_CACHE. */
static unsigned take_answer(struct session *s, struct lookups *l, unsigned job, const struct dns_question *q,
	const struct dns_answer *a, uint32_t took_ms, struct dns_question more_r[QUESTIONS_MAX])
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
		return lookup_take_list(s, l, job - JOB_LIST, q, a, took_ms, more_r);
	}
}

static void look_at_job(struct session *s, struct lookups *l, unsigned job)
{
	bool last = l->jobs[job].open == 0;
	if (last)
		l->jobs[job].took_ms = (uint32_t)(s->worker->now_ms - l->jobs[job].began_ms);
	if (job == JOB_RDNS) {
		close_rdns(s, l, last);
		close_identity(s, l);
	}
	if (job >= JOB_LIST && last)
		l->open.lookups &= ~((uint64_t)1 << (job - JOB_LIST));
	if (job == JOB_HELO && last)
		close_facts(l, SCORE_HAS_HELO_RESOLVES, dns_reach_outcome(&l->helo));
	else if (job == JOB_MX && last)
		close_facts(l, SCORE_HAS_SENDER_MX, dns_reach_outcome(&l->mx));
}

/* ---- asking ---- */

static void ask(struct session *s, struct lookups *l, unsigned job, const struct dns_question *q, unsigned n)
{
	struct job *j = &l->jobs[job];
	struct worker *w = s->worker;
	const struct dns_asker asker = { .ticket = ticket_of(s),
		.what = j->epoch << JOB_BITS | job,
		.due_ms = j->began_ms + s->generation->settings->dns.timeout_ms,
		.budget = &l->budget };
	j->open = (uint16_t)(j->open + n); /* before the first answer: it may be known at once */
	for (unsigned i = 0; i < n; i++) {
		struct dns_question more[QUESTIONS_MAX];
		struct dns_answer answer;
		if (dns_resolver_ask(w->dns, &q[i], &asker, w->now_ms, &answer) == DNS_ASKED)
			continue;
		j->open--;
		/* at most one level deeper */
		ask(s, l, job, more, take_answer(s, l, job, &q[i], &answer, LOOKUP_FROM_CACHE, more));
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

static unsigned begin_job(struct session *s, struct lookups *l, unsigned job, const struct score_facts *f,
	struct dns_question q_r[QUESTIONS_MAX])
{
	switch (job) {
	case JOB_RDNS:
		return dns_rdns_begin(&l->rdns, &s->peer.ip, q_r);
	case JOB_HELO:
		return begin_reach(&l->helo, false, session_helo(s), q_r);
	case JOB_MX:
		l->mx = (struct dns_reach){ .yes = true };
		return f->sender.n ? begin_reach(&l->mx, true, f->sender_domain, q_r) : 0;
	default:
		return lookup_begin_list(s, l, job - JOB_LIST, f, q_r);
	}
}

static void start_job(struct session *s, struct lookups *l, unsigned job, const struct score_facts *f)
{
	struct dns_question q[QUESTIONS_MAX];
	l->jobs[job] = (struct job){ .epoch = ++l->epoch, .began_ms = s->worker->now_ms };
	ask(s, l, job, q, begin_job(s, l, job, f, q));
	look_at_job(s, l, job);
}

static void start_spf(struct session *s, struct lookups *l)
{
	l->jobs[JOB_SPF] = (struct job){ .epoch = ++l->epoch, .began_ms = s->worker->now_ms };
	l->spf = spf_begin(s, &l->budget);
	if (!l->spf || spf_is_done(l->spf))
		close_spf(s, l);
}

static void start(struct session *s, struct lookups *l, const struct score_facts *f, struct score_wants wants)
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
		start_job(s, l, JOB_LIST + (unsigned)__builtin_ctzll(lists), f);
	for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
		if (!(wants.facts & jobs[i].facts & ~l->tried.facts))
			continue;
		l->tried.facts |= jobs[i].facts;
		l->open.facts |= jobs[i].facts;
		start_job(s, l, jobs[i].job, f);
	}
	if (!who)
		return;
	bool begun = l->tried.facts & SCORE_HAS_SPF;
	who |= begun ? 0 : SCORE_HAS_SPF;
	l->tried.facts |= who;
	l->open.facts |= who;
	if (!begun)
		start_spf(s, l);
	close_identity(s, l);
}

/* ---- for a stage ---- */

static struct score_wants wants_of(
	struct session *s, enum score_stage stage, const struct score_facts *f, bool even_known_good)
{
	struct worker *w = s->worker;
	const struct lookups *l = s->lookups;
	struct score_wants tried = { 0 }, wants;
	if (l) { /* what is under way already is still to be waited for */
		tried.facts = l->tried.facts & ~l->open.facts;
		tried.lookups = l->tried.lookups & ~l->open.lookups;
	}
	score_lookup_wants(s->generation->rules, stage, f, &s->judgement, w->app->store, &tried, even_known_good,
		w->wall_ms, &wants);
	return wants;
}

static bool is_nothing(struct score_wants w)
{
	return w.facts == 0 && w.lookups == 0;
}

/* What RCPT will want is asked while the client gets there. */
bool lookup_begin(struct session *s, enum score_stage stage)
{
	struct score_facts f = facts_of(s);
	struct score_wants wants = wants_of(s, stage, &f, false);
	struct score_wants next =
		stage == SCORE_MAIL && !s->standing.known_good ? wants_of(s, SCORE_RCPT, &f, false) : wants;
	if (is_nothing(wants) && is_nothing(next))
		return false;
	struct lookups *l = lookups_of(s);
	if (!l)
		return false; /* out of memory: unknown */
	start(s, l, &f, wants);
	start(s, l, &f, next);
	l->awaited = s->standing.known_good ? wants_of(s, stage, &f, true) : wants;
	l->awaited.lookups &= ~lookup_lists_out(s);
	return lookup_is_open(s);
}

void lookup_client(struct session *s)
{
	struct lookups *l = ip_is_loopback(&s->peer.ip) ? NULL : lookups_of(s);
	struct score_facts f = { 0 };
	if (l)
		start(s, l, &f, (struct score_wants){ .facts = SCORE_HAS_PTR | SCORE_HAS_NAME });
}

void lookup_answer(struct session *s, const struct dns_result *result)
{
	struct lookups *l = s->lookups;
	unsigned job = result->what & ((1u << JOB_BITS) - 1);
	struct dns_question more[QUESTIONS_MAX];
	if (!l || job >= JOB_LIST + lists_of(s) || l->jobs[job].epoch << JOB_BITS != (result->what & ~0u << JOB_BITS))
		return;
	struct dns_question q = *result->question; /* the resolver's memory is its own at the next call */
	l->jobs[job].open--;
	ask(s, l, job, more, take_answer(s, l, job, &q, &result->answer, result->took_ms, more));
	look_at_job(s, l, job);
}

void lookup_spf_done(struct session *s)
{
	if (s->lookups && s->lookups->spf)
		close_spf(s, s->lookups);
}

bool lookup_is_open(const struct session *s)
{
	const struct lookups *l = s->lookups;
	return l && ((l->awaited.facts & l->open.facts) || (l->awaited.lookups & l->open.lookups));
}

void lookup_give_up(struct session *s)
{
	s->lookups->awaited = (struct score_wants){ 0 };
}

/* ---- scopes ---- */

static uint64_t lists_within(const struct session *s, enum score_scope scope)
{
	uint64_t within = 0;
	for (unsigned i = 0; i < lists_of(s); i++)
		if (score_lookup_about(s->generation->rules, i)->scope >= scope)
			within |= (uint64_t)1 << i;
	return within;
}

static uint64_t lists_about_helo(const struct session *s)
{
	uint64_t about = 0;
	for (unsigned i = 0; i < lists_of(s); i++) {
		const struct score_lookup *l = score_lookup_about(s->generation->rules, i);
		if (l->domain && l->attr == SCORE_AT_HELO)
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
static void end_scope(struct lookups *l, unsigned job, uint32_t facts, uint64_t lookups)
{
	l->jobs[job].epoch = 0;
	for (uint64_t bits = lookups; bits; bits &= bits - 1)
		l->jobs[JOB_LIST + (unsigned)__builtin_ctzll(bits)].epoch = 0;
	forget(&l->tried, facts, lookups);
	forget(&l->open, facts, lookups);
	forget(&l->known, facts, lookups);
	l->awaited = (struct score_wants){ 0 };
}

void lookup_end_mail(struct session *s)
{
	struct lookups *l = s->lookups;
	if (!l)
		return;
	spf_let_go(s->worker, &l->spf);
	l->jobs[JOB_SPF].epoch = 0;
	end_scope(l, JOB_MX, SCORE_HAS_SENDER_MX | SCORE_HAS_SPF | SCORE_HAS_IDENTITY, lists_within(s, SCORE_OF_MAIL));
}

void lookup_end_hello(struct session *s)
{
	struct lookups *l = s->lookups;
	if (l)
		end_scope(l, JOB_HELO, SCORE_HAS_HELO_RESOLVES, lists_about_helo(s));
}
