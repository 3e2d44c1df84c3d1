/* What the answers to an evaluation's questions mean. */
#include "dns/spf_state.h"

#include "base/mem.h"

static void take_text(struct dns_spf *s, struct slice text)
{
	struct spf_frame *f = spf_top(s);
	struct slice where;
	if (text.n > DNS_SPF_RECORD_MAX) {
		spf_fault(s, DNS_SPF_PERMERROR, SLICE(""), "the record is too long");
		return;
	}
	f->record = mem_strndup(text.p, text.n);
	if (!f->record) {
		spf_fault(s, DNS_SPF_TEMPERROR, SLICE(""), "no memory");
		return;
	}
	if (!spf_record_parse(slice_of(f->record, text.n), &f->parsed, &where)) {
		spf_fault(s, DNS_SPF_PERMERROR, where, "the record has a syntax error");
		return;
	}
	f->rest = f->parsed.terms;
	spf_next_term(s);
}

static void take_record(struct dns_spf *s, const struct dns_answer *a)
{
	struct slice text = { 0 };
	if (a->status == DNS_FAILED) {
		spf_fault(s, DNS_SPF_TEMPERROR, SLICE(""), "the lookup of the record failed");
		return;
	}
	switch (spf_record_select(a, &text)) {
	case SPF_SELECT_ONE:
		take_text(s, text);
		break;
	case SPF_SELECT_MANY:
		spf_fault(s, DNS_SPF_PERMERROR, SLICE(""), "there is more than one record");
		break;
	case SPF_SELECT_NONE:
		if (a->cut)
			spf_fault(s, DNS_SPF_PERMERROR, SLICE(""), "there are too many TXT records");
		else if (s->depth == 1 && !spf_top(s)->redirected)
			spf_fault(s, DNS_SPF_NONE, SLICE(""), NULL);
		else
			spf_fault(s, DNS_SPF_PERMERROR, SLICE(""), "there is no record");
		break;
	}
}

static bool leads_to_client(const struct dns_spf *s, const struct dns_answer *a, const struct spf_term *t)
{
	struct dns_record record;
	for (size_t at = 0; dns_answer_next(a, s->type, &at, &record);)
		if (spf_is_at(s, t, &record.ip))
			return true;
	return false;
}

static void take_address(struct dns_spf *s, const struct dns_answer *a)
{
	const struct spf_term *t = &spf_top(s)->term;
	if (a->status == DNS_FAILED)
		spf_lost(s);
	else if (a->status != DNS_FOUND)
		spf_found_nothing(s);
	else if (leads_to_client(s, a, t))
		spf_matched(s, spf_bits(s, t));
	else
		spf_next_term(s);
}

static void take_exists(struct dns_spf *s, const struct dns_answer *a)
{
	if (a->status == DNS_FAILED)
		spf_lost(s);
	else if (a->status != DNS_FOUND)
		spf_found_nothing(s);
	else
		spf_matched(s, 0);
}

/* The names in s->names, once each. More than 10 records: false. */
static bool take_names(struct dns_spf *s, const struct dns_answer *a, enum dns_type type, unsigned *n_r)
{
	struct dns_record record;
	unsigned seen = 0, n = 0;
	for (size_t at = 0; dns_answer_next(a, type, &at, &record);) {
		if (seen++ == DNS_SPF_NAMES)
			return false;
		struct dns_name *name = &s->names[n];
		if (!record.text.n || !dns_name_parse(record.text, name))
			continue;
		unsigned same = 0; /* the first that is equal; itself at the latest */
		while (!slice_eq(dns_name_slice(&s->names[same]), dns_name_slice(name)))
			same++;
		n += same == n;
		*n_r = n;
	}
	return true;
}

static void take_mx(struct dns_spf *s, const struct dns_answer *a)
{
	unsigned n = 0;
	if (a->status == DNS_FAILED)
		spf_lost(s);
	else if (a->status != DNS_FOUND)
		spf_found_nothing(s);
	else if (!take_names(s, a, DNS_MX, &n))
		spf_fault(s, DNS_SPF_PERMERROR, spf_top(s)->term.text, "more than 10 MX");
	else if (n)
		spf_ask_all(s, SPF_MX_HOSTS, s->is_v4 ? DNS_A : DNS_AAAA, n);
	else
		spf_next_term(s);
}

static void take_mx_host(struct dns_spf *s, unsigned i, const struct dns_answer *a)
{
	const struct spf_term *t = &spf_top(s)->term;
	if (a->status == DNS_FAILED)
		s->lost |= (uint16_t)(1u << i);
	if (leads_to_client(s, a, t)) {
		s->open = 0;
		spf_matched(s, spf_bits(s, t));
	} else if (!s->open) {
		if (s->lost)
			spf_lost(s);
		else
			spf_next_term(s);
	}
}

/* Of more than 10 names the first count; without an answer the client has none (5.5). */
static void take_ptr(struct dns_spf *s, const struct dns_answer *a)
{
	unsigned n = 0;
	bool all = take_names(s, a, DNS_PTR, &n);
	(void)all;
	spf_ask_all(s, SPF_PTR_HOSTS, s->is_v4 ? DNS_A : DNS_AAAA, n);
}

static void take_ptr_host(struct dns_spf *s, unsigned i, const struct dns_answer *a)
{
	static const struct spf_term exactly = { .bits4 = 32, .bits6 = 128 };
	if (dns_name_is_host(dns_name_slice(&s->names[i])) && leads_to_client(s, a, &exactly))
		s->back |= (uint16_t)(1u << i);
}

void spf_take(struct dns_spf *s, unsigned i, const struct dns_answer *a)
{
	switch (s->doing) {
	case SPF_RECORD:
		take_record(s, a);
		break;
	case SPF_ADDRESS:
		take_address(s, a);
		break;
	case SPF_EXISTS:
		take_exists(s, a);
		break;
	case SPF_MX:
		take_mx(s, a);
		break;
	case SPF_MX_HOSTS:
		take_mx_host(s, i, a);
		break;
	case SPF_PTR:
		take_ptr(s, a);
		break;
	case SPF_PTR_HOSTS:
		take_ptr_host(s, i, a);
		break;
	case SPF_EXPLAIN:
		spf_take_explanation(s, a);
		break;
	case SPF_TERMS:
	case SPF_EXPLAIN_NAME:
	case SPF_EXPLAIN_TEXT:
	case SPF_DONE:
		break;
	}
	spf_go_on(s);
}
