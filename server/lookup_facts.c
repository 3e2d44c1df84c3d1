/* What a session knows by its lookups, for rules and for people. */
#include "server/lookup_inside.h"
#include "server/talk.h"

#include <stdio.h>

struct slice lookup_client_name(const struct session *s)
{
	struct slice name = slice_of(NULL, 0);
	if (s->lookups && (s->lookups->known.facts & SCORE_HAS_NAME))
		(void)dns_rdns_name(&s->lookups->rdns, &name);
	return name;
}

void lookup_put_facts(const struct session *s, struct score_facts *f)
{
	const struct lookups *l = s->lookups;
	struct slice name;
	if (!l)
		return;
	if (l->known.facts & SCORE_HAS_PTR) {
		(void)dns_rdns_ptr(&l->rdns, &name);
		score_facts_ptr(f, name, l->dynamic);
	}
	if (l->known.facts & SCORE_HAS_NAME)
		score_facts_name(f, lookup_client_name(s));
	if (l->known.facts & SCORE_HAS_HELO_RESOLVES)
		score_facts_helo_resolves(f, dns_reach_outcome(&l->helo) == DNS_SOME);
	if (l->known.facts & SCORE_HAS_SENDER_MX)
		score_facts_sender_mx(f, dns_reach_outcome(&l->mx) == DNS_SOME);
	f->answers = l->answers;
	f->answered = l->known.lookups;
}

struct slice lookup_rdns(const struct session *s)
{
	struct slice name;
	const struct lookups *l = s->lookups;
	if (!l || !(l->known.facts & SCORE_HAS_NAME))
		return SLICE("");
	if (dns_rdns_name(&l->rdns, &name) == DNS_SOME)
		return SLICE("ok");
	return dns_rdns_ptr(&l->rdns, &name) == DNS_SOME ? SLICE("mismatch") : SLICE("none");
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

static struct slice unknown(const struct job *j, char words_r[32])
{
	const struct dns_answer why = dns_answer_failed((enum dns_failure)j->failure);
	if (j->open)
		return SLICE("unknown: not answered yet");
	if (!j->failure)
		return SLICE("unknown");
	int n = snprintf(words_r, 32, "unknown: %s", dns_answer_word(&why));
	return slice_of(words_r, n < 32 ? (size_t)n : 31);
}

static bool is_known(const struct lookups *l, unsigned job)
{
	static const uint32_t facts[JOB_LIST] = {
		[JOB_RDNS] = SCORE_HAS_NAME, [JOB_HELO] = SCORE_HAS_HELO_RESOLVES, [JOB_MX] = SCORE_HAS_SENDER_MX
	};
	return job < JOB_LIST ? (l->known.facts & facts[job]) != 0 : l->known.lookups >> (job - JOB_LIST) & 1;
}

static struct slice known_told(const struct lookups *l, unsigned job)
{
	switch (job) {
	case JOB_RDNS:
		return names_told(l);
	case JOB_HELO:
		return yes_or_no(&l->helo);
	case JOB_MX:
		return yes_or_no(&l->mx);
	default:
		return list_told(l, job - JOB_LIST);
	}
}

bool lookup_next(const struct session *s, unsigned *at, struct lookup_told *told_r)
{
	static const char *const names[JOB_LIST] = {
		[JOB_RDNS] = "client.name", [JOB_HELO] = "helo.resolves", [JOB_MX] = "sender.mx"
	};
	const struct lookups *l = s->lookups;
	unsigned n = l ? JOB_LIST + score_lookups_count(s->generation->rules) : 0;
	while (*at < n && l->jobs[*at].epoch == 0)
		++*at;
	if (*at >= n)
		return false;
	unsigned job = (*at)++;
	const struct job *j = &l->jobs[job];
	told_r->name = job < JOB_LIST ? names[job] : score_lookup_about(s->generation->rules, job - JOB_LIST)->name;
	told_r->answer = is_known(l, job) ? known_told(l, job) : unknown(j, told_r->words);
	told_r->ms = j->open ? (uint32_t)(s->worker->now_ms - j->began_ms) : j->took_ms;
	return true;
}
