#include "dns/rdns.h"

static unsigned lowest(unsigned bits)
{
	return (unsigned)__builtin_ctz(bits);
}

unsigned dns_rdns_begin(struct dns_rdns *r, const struct ip *ip, struct dns_question q_r[DNS_RDNS_NAMES])
{
	*r = (struct dns_rdns){ .ip = *ip };
	q_r[0].type = DNS_PTR;
	dns_name_of_ip(ip, &q_r[0].name);
	return 1;
}

bool dns_rdns_given(struct dns_rdns *r, const struct ip *ip, struct slice name)
{
	*r = (struct dns_rdns){ .ip = *ip, .asked = true, .n = 1, .leads_back = 1 };
	return dns_name_is_host(name) && dns_name_parse(name, &r->names[0]);
}

static bool is_known(const struct dns_rdns *r, const struct dns_name *name)
{
	for (unsigned i = 0; i < r->n; i++)
		if (slice_eq(dns_name_slice(&r->names[i]), dns_name_slice(name)))
			return true;
	return false;
}

static void take_names(struct dns_rdns *r, const struct dns_answer *a)
{
	struct dns_record record;
	size_t at = 0;
	while (r->n < DNS_RDNS_NAMES && dns_answer_next(a, DNS_PTR, &at, &record)) {
		struct dns_name *name = &r->names[r->n];
		if (dns_name_is_host(record.text) && dns_name_parse(record.text, name) && !is_known(r, name))
			r->n++;
	}
}

static unsigned ask_forward(struct dns_rdns *r, struct dns_question q_r[DNS_RDNS_NAMES])
{
	for (unsigned i = 0; i < r->n; i++)
		q_r[i] = (struct dns_question){ ip_is_v4(&r->ip) ? DNS_A : DNS_AAAA, r->names[i] };
	r->open = (uint8_t)((1u << r->n) - 1);
	return r->n;
}

static bool leads_back(const struct dns_rdns *r, enum dns_type type, const struct dns_answer *a)
{
	struct dns_record record;
	size_t at = 0;
	while (dns_answer_next(a, type, &at, &record))
		if (memcmp(&record.ip, &r->ip, sizeof r->ip) == 0)
			return true;
	return false;
}

static void take_forward(struct dns_rdns *r, const struct dns_question *q, const struct dns_answer *a)
{
	for (unsigned i = 0; i < r->n; i++) {
		unsigned bit = 1u << i;
		if (!(r->open & bit) || !slice_eq(dns_name_slice(&r->names[i]), dns_name_slice(&q->name)))
			continue;
		r->open &= (uint8_t)~bit;
		if (leads_back(r, q->type, a))
			r->leads_back |= (uint8_t)bit;
		else if (a->status == DNS_FAILED)
			r->lost |= (uint8_t)bit;
	}
}

unsigned dns_rdns_answer(struct dns_rdns *r, const struct dns_question *q, const struct dns_answer *a,
	struct dns_question q_r[DNS_RDNS_NAMES])
{
	if (q->type != DNS_PTR) {
		take_forward(r, q, a);
		return 0;
	}
	if (r->asked)
		return 0;
	r->asked = true;
	r->failed = a->status == DNS_FAILED;
	take_names(r, a);
	return ask_forward(r, q_r);
}

enum dns_known dns_rdns_ptr(const struct dns_rdns *r, struct slice *name_r)
{
	*name_r = r->n ? dns_name_slice(&r->names[0]) : slice_of(NULL, 0);
	return r->n ? DNS_SOME : r->asked && !r->failed ? DNS_NONE : DNS_UNKNOWN;
}

enum dns_known dns_rdns_name(const struct dns_rdns *r, struct slice *name_r)
{
	*name_r = slice_of(NULL, 0);
	if (r->leads_back) {
		*name_r = dns_name_slice(&r->names[lowest(r->leads_back)]);
		return DNS_SOME;
	}
	return r->asked && !r->failed && !r->open && !r->lost ? DNS_NONE : DNS_UNKNOWN;
}
