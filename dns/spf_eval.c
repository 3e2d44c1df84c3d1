/* check_host() of RFC 7208 4: frames of records, each read term by term. */
#include "dns/spf_state.h"

#include "base/mem.h"

/* The first n of s->names are asked about. */
void spf_ask_all(struct dns_spf *s, enum spf_doing what, enum dns_type type, unsigned n)
{
	s->doing = what;
	s->type = type;
	s->names_n = s->asks = (uint8_t)n;
	s->open = (uint16_t)((1u << n) - 1);
	s->lost = 0;
}

void spf_ask(struct dns_spf *s, enum spf_doing what, enum dns_type type, const struct dns_name *name)
{
	s->names[0] = *name;
	spf_ask_all(s, what, type, 1);
}

static void decided_by(struct dns_spf *s, enum dns_spf_mechanism by, uint8_t prefix, struct slice term)
{
	s->by = by;
	s->prefix = prefix;
	s->term_n = (uint8_t)(term.n < SPF_TERM_MAX ? term.n : SPF_TERM_MAX);
	if (s->term_n)
		memcpy(s->term_text, term.p, s->term_n);
	if (s->depth)
		s->at = spf_top(s)->domain;
}

void spf_end(struct dns_spf *s, enum dns_spf_word word, const char *problem)
{
	s->word = word;
	s->problem = problem;
	s->stands = true;
	s->open = 0;
	s->doing = word == DNS_SPF_FAIL && s->frames[0].parsed.exp.n ? SPF_EXPLAIN_NAME : SPF_DONE;
}

/* Whatever frame it happens in, an error is the result of all (5.2). */
void spf_fault(struct dns_spf *s, enum dns_spf_word word, struct slice term, const char *problem)
{
	decided_by(s, DNS_SPF_DEFAULT, 0, term);
	spf_end(s, word, problem);
}

void spf_lost(struct dns_spf *s)
{
	spf_fault(s, DNS_SPF_TEMPERROR, spf_top(s)->term.text, "a lookup failed");
}

void spf_next_term(struct dns_spf *s)
{
	spf_top(s)->in_term = false;
	s->charged = false;
	s->doing = SPF_TERMS;
}

/* The innermost record has said its word: that is the result, or it decides about an include (5.2). */
static void record_says(struct dns_spf *s, enum dns_spf_word word)
{
	while (s->depth > 1 && word == DNS_SPF_PASS) {
		spf_leave(s);
		word = spf_top(s)->term.word;
	}
	if (s->depth == 1) {
		spf_end(s, word, NULL);
		return;
	}
	spf_leave(s);
	spf_next_term(s);
}

void spf_matched(struct dns_spf *s, uint8_t prefix)
{
	const struct spf_term *t = &spf_top(s)->term;
	decided_by(s, t->kind, prefix, t->text);
	record_says(s, t->word);
}

/* 4.6.4. False: it was one too many. */
static bool charge(struct dns_spf *s)
{
	if (s->charged)
		return true;
	s->charged = true;
	if (++s->lookups <= DNS_SPF_LOOKUPS)
		return true;
	s->lookups = DNS_SPF_LOOKUPS;
	spf_fault(s, DNS_SPF_PERMERROR, SLICE(""), "more than 10 terms need a lookup");
	return false;
}

void spf_found_nothing(struct dns_spf *s)
{
	if (++s->voids > DNS_SPF_VOID)
		spf_fault(s, DNS_SPF_PERMERROR, spf_top(s)->term.text, "more than 2 lookups found nothing");
	else
		spf_next_term(s);
}

/* Asks for the client's names; what is done now is begun again when they are known. */
static void ask_ptr(struct dns_spf *s)
{
	struct dns_name name;
	s->after = s->doing;
	dns_name_of_ip(&s->ip, &name);
	spf_ask(s, SPF_PTR, DNS_PTR, &name);
}

/* Whether the text has a %{p} that is not known yet: then it is looked up first, or that is too much. */
bool spf_waits_for_ptr(struct dns_spf *s, struct slice text)
{
	if (s->ptr_known || !spf_macro_reads(text, 'p'))
		return false;
	s->charged = s->stands; /* an explanation costs nothing */
	if (charge(s))
		ask_ptr(s);
	return true;
}

/* Terms that ask */

void spf_enter(struct dns_spf *s, const struct dns_name *domain)
{
	s->depth++;
	*spf_top(s) = (struct spf_frame){ .domain = *domain };
	s->at = *domain;
	s->charged = false;
	spf_ask(s, SPF_RECORD, DNS_TXT, domain);
}

void spf_leave(struct dns_spf *s)
{
	mem_free(&spf_top(s)->record);
	s->depth--;
}

/* include and redirect: what is no domain of several labels has no record (4.3), and one must be there. */
static bool can_have_record(const struct dns_name *name)
{
	struct slice text = dns_name_slice(name);
	return slice_find(text, '.') < text.n;
}

static void ask_ptr_or_match(struct dns_spf *s, const struct dns_name *target)
{
	struct slice domain = dns_name_slice(target);
	if (!s->ptr_known) {
		ask_ptr(s);
		return;
	}
	for (unsigned i = 0; i < s->ptr_n; i++) {
		struct slice name = dns_name_slice(&s->ptr[i]);
		if (slice_eq(name, domain) || spf_is_below(name, domain)) {
			spf_matched(s, 0);
			return;
		}
	}
	spf_next_term(s);
}

static void ask_term(struct dns_spf *s, const struct dns_name *target)
{
	switch (spf_top(s)->term.kind) {
	case DNS_SPF_INCLUDE:
		if (can_have_record(target))
			spf_enter(s, target);
		else
			spf_fault(s, DNS_SPF_PERMERROR, spf_top(s)->term.text, "it includes what is no domain");
		break;
	case DNS_SPF_A:
		spf_ask(s, SPF_ADDRESS, s->is_v4 ? DNS_A : DNS_AAAA, target);
		break;
	case DNS_SPF_MX:
		spf_ask(s, SPF_MX, DNS_MX, target);
		break;
	case DNS_SPF_EXISTS:
		spf_ask(s, SPF_EXISTS, DNS_A, target);
		break;
	case DNS_SPF_PTR:
		ask_ptr_or_match(s, target);
		break;
	case DNS_SPF_DEFAULT:
	case DNS_SPF_ALL:
	case DNS_SPF_IP4:
	case DNS_SPF_IP6:
		break;
	}
}

static void no_name(struct dns_spf *s, enum spf_name why)
{
	struct slice term = spf_top(s)->term.text;
	if (why == SPF_NAME_TOO_MUCH)
		spf_fault(s, DNS_SPF_PERMERROR, term, "its macros expand to too much");
	else if (spf_top(s)->term.kind == DNS_SPF_INCLUDE)
		spf_fault(s, DNS_SPF_PERMERROR, term, "it includes what is no domain");
	else
		spf_next_term(s);
}

static void target_of_term(struct dns_spf *s)
{
	struct dns_name target = spf_top(s)->domain;
	struct slice spec = spf_top(s)->term.domain;
	if (!charge(s) || spf_waits_for_ptr(s, spec))
		return;
	enum spf_name name = spec.n ? spf_expand_name(s, spec, &target) : SPF_NAME_OK;
	if (name == SPF_NAME_OK)
		ask_term(s, &target);
	else
		no_name(s, name);
}

/* All terms are done: redirect (6.1), else neutral (4.7). */
static void end_of_record(struct dns_spf *s)
{
	struct spf_frame *f = spf_top(s);
	struct slice spec = f->parsed.redirect;
	struct dns_name target;
	f->term.text = spec;
	if (!spec.n) {
		decided_by(s, DNS_SPF_DEFAULT, 0, SLICE(""));
		record_says(s, DNS_SPF_NEUTRAL);
		return;
	}
	if (!charge(s) || spf_waits_for_ptr(s, spec))
		return;
	if (spf_expand_name(s, spec, &target) != SPF_NAME_OK || !can_have_record(&target)) {
		spf_fault(s, DNS_SPF_PERMERROR, spec, "it redirects to what is no domain");
		return;
	}
	spf_leave(s);
	spf_enter(s, &target);
	f->redirected = true;
}

uint8_t spf_bits(const struct dns_spf *s, const struct spf_term *t)
{
	return s->is_v4 ? t->bits4 : t->bits6;
}

bool spf_is_at(const struct dns_spf *s, const struct spf_term *t, const struct ip *ip)
{
	enum { V4_AT = 96 };
	unsigned bits = s->is_v4 ? V4_AT + t->bits4 : t->bits6;
	struct ip a = ip_mask(&s->ip, bits), b = ip_mask(ip, bits);
	return memcmp(a.b, b.b, sizeof a.b) == 0;
}

/* An IPv4 address is in IPv4 networks only, whatever it came through (5). */
static void network_term(struct dns_spf *s)
{
	const struct spf_term *t = &spf_top(s)->term;
	if (s->is_v4 == (t->kind == DNS_SPF_IP4) && spf_is_at(s, t, &t->ip))
		spf_matched(s, spf_bits(s, t));
	else
		spf_next_term(s);
}

static void do_term(struct dns_spf *s)
{
	struct spf_frame *f = spf_top(s);
	if (!f->in_term && !spf_record_next(&f->rest, &f->term)) {
		end_of_record(s);
		return;
	}
	f->in_term = true;
	switch (f->term.kind) {
	case DNS_SPF_ALL:
		spf_matched(s, 0);
		break;
	case DNS_SPF_IP4:
	case DNS_SPF_IP6:
		network_term(s);
		break;
	case DNS_SPF_INCLUDE:
	case DNS_SPF_A:
	case DNS_SPF_MX:
	case DNS_SPF_PTR:
	case DNS_SPF_EXISTS:
	case DNS_SPF_DEFAULT:
		target_of_term(s);
		break;
	}
}

/* In the order of the PTR, whichever answer came first. */
static void know_ptr(struct dns_spf *s)
{
	for (unsigned i = 0; i < s->names_n; i++)
		if (s->back & 1u << i)
			s->ptr[s->ptr_n++] = s->names[i];
	s->ptr_known = true;
	s->doing = s->after;
}

/* Whether something can go on, with no question open. */
static bool is_on(struct dns_spf *s)
{
	if (s->doing == SPF_PTR_HOSTS && !s->open)
		know_ptr(s);
	return s->doing == SPF_TERMS || s->doing == SPF_EXPLAIN_NAME || s->doing == SPF_EXPLAIN_TEXT;
}

void spf_go_on(struct dns_spf *s)
{
	while (is_on(s)) {
		if (s->doing == SPF_TERMS)
			do_term(s);
		else if (s->doing == SPF_EXPLAIN_NAME)
			spf_explain_name(s);
		else
			spf_explain_text(s);
	}
}
