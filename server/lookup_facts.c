/* What a session knows by its lookups, for rules and for people. */
#include "server/lookup_inside.h"

#include <stdio.h>

struct slice lookup_client_name(const struct lookups *l)
{
	struct slice name = slice_of(NULL, 0);
	if (l && (l->known.facts & SCORE_HAS_NAME))
		(void)dns_rdns_name(&l->rdns, &name);
	return name;
}

void lookup_put_facts(const struct lookups *l, struct score_facts *f)
{
	struct slice name;
	if (!l)
		return;
	if (l->known.facts & SCORE_HAS_PTR) {
		(void)dns_rdns_ptr(&l->rdns, &name);
		score_facts_ptr(f, name, l->dynamic);
	}
	if (l->known.facts & SCORE_HAS_NAME)
		score_facts_name(f, lookup_client_name(l));
	if (l->known.facts & SCORE_HAS_HELO_RESOLVES)
		score_facts_helo_resolves(f, dns_reach_outcome(&l->helo) == DNS_SOME);
	if (l->known.facts & SCORE_HAS_SENDER_MX)
		score_facts_sender_mx(f, dns_reach_outcome(&l->mx) == DNS_SOME);
	if (l->known.facts & SCORE_HAS_SPF)
		score_facts_spf(f, lookup_spf_word(l));
	if (l->known.facts & SCORE_HAS_IDENTITY)
		score_facts_identity(f, lookup_identity(l));
	f->answers = l->answers;
	f->answered = l->known.lookups & ~lookup_lists_out(l);
}

struct slice lookup_rdns(const struct lookups *l)
{
	struct slice name;
	if (!l || !(l->known.facts & SCORE_HAS_NAME))
		return SLICE("");
	if (dns_rdns_name(&l->rdns, &name) == DNS_SOME)
		return SLICE("ok");
	return dns_rdns_ptr(&l->rdns, &name) == DNS_SOME ? SLICE("mismatch") : SLICE("none");
}

struct spf_run *lookup_spf(const struct lookups *l)
{
	return l ? l->spf : NULL;
}

struct slice lookup_spf_word(const struct lookups *l)
{
	const struct spf_run *r = lookup_spf(l);
	return r && spf_is_done(r) ? slice_str(dns_spf_word(spf_result(r)->word)) : SLICE("");
}

/* ---- who it is ---- */

struct slice lookup_proven(const struct lookups *l)
{
	const struct spf_run *r = lookup_spf(l);
	if (!r || !spf_is_done(r) || !dns_spf_is_identity(spf_result(r), &l->client.ip))
		return slice_of(NULL, 0);
	return spf_result(r)->domain;
}

struct slice lookup_organisation(const struct lookups *l)
{
	struct slice name = lookup_client_name(l);
	if (!name.n || l->dynamic || !l->client.desk->app->org)
		return slice_of(NULL, 0);
	return dns_org_domain(l->client.desk->app->org, name, DNS_ORG_OWNER);
}

struct slice lookup_identity(const struct lookups *l)
{
	struct slice proven = lookup_proven(l);
	return proven.n ? proven : lookup_organisation(l);
}

/* ---- for people ---- */

static struct slice yes_or_no(const struct dns_reach *r)
{
	return dns_reach_outcome(r) == DNS_SOME ? SLICE("yes") : SLICE("no");
}

static struct slice names_told(const struct lookups *l)
{
	struct slice name;
	if (dns_rdns_name(&l->rdns, &name) == DNS_SOME)
		return name;
	return dns_rdns_ptr(&l->rdns, &name) == DNS_SOME ? SLICE("mismatch") : SLICE("none");
}

static struct slice list_told(const struct lookups *l, unsigned lookup)
{
	return l->answers[lookup].p ? l->answers[lookup] : SLICE("not listed");
}

/* "pass by ip4:192.0.2.0/24 of example.org" */
static struct slice spf_told(const struct spf_run *r, char words_r[LOOKUP_WORDS])
{
	const struct dns_spf_result *v = spf_result(r);
	const char *word = dns_spf_word(v->word);
	int n;
	if (v->problem)
		n = snprintf(words_r, LOOKUP_WORDS, "%s: %s", word, v->problem);
	else if (v->by == DNS_SPF_DEFAULT)
		n = snprintf(words_r, LOOKUP_WORDS, "%s", word);
	else
		n = snprintf(words_r, LOOKUP_WORDS, "%s by %.*s of %.*s", word, SLICE_ARG(v->term), SLICE_ARG(v->at));
	return slice_of(words_r, n < LOOKUP_WORDS ? (size_t)n : LOOKUP_WORDS - 1);
}

static struct slice unknown(const struct job *j, char words_r[LOOKUP_WORDS])
{
	const struct dns_answer why = dns_answer_failed((enum dns_failure)j->failure);
	if (!j->failure)
		return SLICE("unknown");
	int n = snprintf(words_r, LOOKUP_WORDS, "unknown: %s", dns_answer_word(&why));
	return slice_of(words_r, (size_t)n);
}

static struct slice out_of_play(enum dns_list_fault why, char words_r[LOOKUP_WORDS])
{
	int n = snprintf(words_r, LOOKUP_WORDS, "unknown: out of play, it %s", dns_list_fault_name(why));
	return slice_of(words_r, (size_t)n);
}

static bool is_known(const struct lookups *l, unsigned job)
{
	static const uint32_t facts[JOB_LIST] = {
		[JOB_RDNS] = SCORE_HAS_NAME, [JOB_HELO] = SCORE_HAS_HELO_RESOLVES, [JOB_MX] = SCORE_HAS_SENDER_MX
	};
	if (job == JOB_SPF) /* a temperror is told as one */
		return l->spf && spf_is_done(l->spf);
	return job < JOB_LIST ? (l->known.facts & facts[job]) != 0 : l->known.lookups >> (job - JOB_LIST) & 1;
}

static struct slice known_told(const struct lookups *l, unsigned job, char words_r[LOOKUP_WORDS])
{
	switch (job) {
	case JOB_RDNS:
		return names_told(l);
	case JOB_HELO:
		return yes_or_no(&l->helo);
	case JOB_MX:
		return yes_or_no(&l->mx);
	case JOB_SPF:
		return spf_told(l->spf, words_r);
	default:
		return list_told(l, job - JOB_LIST);
	}
}

static bool is_open(const struct lookups *l, unsigned job)
{
	return job == JOB_SPF ? l->spf && !spf_is_done(l->spf) : l->jobs[job].open > 0;
}

static unsigned jobs_of(const struct lookups *l)
{
	return l ? JOB_LIST + score_lookups_count(l->client.generation->rules) : 0;
}

static enum dns_list_fault fault_of(const struct lookups *l, unsigned job)
{
	const struct dns_lists *lists = &l->client.generation->dns_lists;
	return job < JOB_LIST ? DNS_LIST_FINE : dns_list_fault_of(&lists->items[job - JOB_LIST]);
}

static void tell(const struct lookups *l, unsigned job, struct lookup_told *told_r)
{
	static const char *const names[JOB_LIST] = {
		[JOB_RDNS] = "client.name", [JOB_HELO] = "helo.resolves", [JOB_MX] = "sender.mx", [JOB_SPF] = "spf"
	};
	const struct score_ruleset *rules = l->client.generation->rules;
	const struct job *j = &l->jobs[job];
	bool open = is_open(l, job);
	told_r->name = job < JOB_LIST ? names[job] : score_lookup_about(rules, job - JOB_LIST)->name;
	enum dns_list_fault fault = fault_of(l, job);
	if (fault != DNS_LIST_FINE)
		told_r->answer = out_of_play(fault, told_r->words);
	else if (is_known(l, job))
		told_r->answer = known_told(l, job, told_r->words);
	else
		told_r->answer = open ? SLICE("unknown: not answered yet") : unknown(j, told_r->words);
	told_r->ms = open ? (uint32_t)(l->client.desk->now_ms - j->began_ms) : j->took_ms;
}

bool lookup_next(const struct lookups *l, unsigned *at, struct lookup_told *told_r)
{
	unsigned n = jobs_of(l);
	while (*at < n && l->jobs[*at].epoch == 0)
		++*at;
	if (*at >= n)
		return false;
	tell(l, (*at)++, told_r);
	return true;
}

bool lookup_next_untold(struct lookups *l, bool open_too, struct lookup_told *told_r)
{
	for (unsigned job = 0; job < jobs_of(l); job++) {
		struct job *j = &l->jobs[job];
		uint8_t now = is_known(l, job) ? 2 : 1;
		if (j->epoch == 0 || j->told >= now || (is_open(l, job) && !open_too))
			continue;
		j->told = now;
		tell(l, job, told_r);
		return true;
	}
	return false;
}
