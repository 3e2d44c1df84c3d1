#include "dns/reach.h"

static unsigned ask_addresses(struct dns_reach *r, struct dns_question q_r[DNS_REACH_QUESTIONS])
{
	q_r[0] = (struct dns_question){ DNS_A, r->name };
	q_r[1] = (struct dns_question){ DNS_AAAA, r->name };
	return r->open = 2;
}

unsigned dns_reach_host(struct dns_reach *r, struct slice name, struct dns_question q_r[DNS_REACH_QUESTIONS])
{
	*r = (struct dns_reach){ 0 };
	return dns_name_is_host(name) && dns_name_parse(name, &r->name) ? ask_addresses(r, q_r) : 0;
}

unsigned dns_reach_mail(struct dns_reach *r, struct slice domain, struct dns_question q_r[DNS_REACH_QUESTIONS])
{
	*r = (struct dns_reach){ 0 };
	if (!dns_name_is_host(domain) || !dns_name_parse(domain, &r->name))
		return 0;
	r->mx = true;
	q_r[0] = (struct dns_question){ DNS_MX, r->name };
	return 1;
}

/* RFC 7505 3: one MX, whose host is the root. */
static bool is_null_mx(const struct dns_answer *a)
{
	struct dns_record record;
	size_t at = 0;
	return dns_answer_next(a, DNS_MX, &at, &record) && record.text.n == 0 &&
	       !dns_answer_next(a, DNS_MX, &at, &record);
}

static unsigned take_mx(struct dns_reach *r, const struct dns_answer *a, struct dns_question q_r[DNS_REACH_QUESTIONS])
{
	if (!r->mx)
		return 0;
	r->mx = false;
	switch (a->status) {
	case DNS_FOUND:
		r->yes = !is_null_mx(a);
		return 0;
	case DNS_NODATA:
		return ask_addresses(r, q_r);
	case DNS_NXDOMAIN:
		return 0;
	case DNS_FAILED:
		break;
	}
	r->failed = true;
	return 0;
}

unsigned dns_reach_answer(struct dns_reach *r, const struct dns_question *q, const struct dns_answer *a,
	struct dns_question q_r[DNS_REACH_QUESTIONS])
{
	if (q->type == DNS_MX)
		return take_mx(r, a, q_r);
	if (r->open == 0)
		return 0;
	r->open--;
	r->yes |= a->status == DNS_FOUND;
	r->failed |= a->status == DNS_FAILED;
	return 0;
}

enum dns_known dns_reach_outcome(const struct dns_reach *r)
{
	if (r->yes)
		return DNS_SOME;
	return r->mx || r->open || r->failed ? DNS_UNKNOWN : DNS_NONE;
}
