/* What the macros stand for now, and the explanation that is made with them (RFC 7208 6.2, 7). */
#include "dns/spf_state.h"

#include "base/mem.h"

/* %{p} (7.3): the domain itself, else a name below it, else any. */
static struct slice client_name(const struct dns_spf *s, struct slice domain)
{
	struct slice best = SLICE("unknown");
	for (unsigned i = s->ptr_n; i-- > 0;) {
		struct slice name = dns_name_slice(&s->ptr[i]);
		if (slice_eq(name, domain))
			return name;
		if (spf_is_below(name, domain) || !spf_is_below(best, domain))
			best = name;
	}
	return best;
}

static struct spf_values values(struct dns_spf *s, char digits[SLICE_DIGITS])
{
	struct slice domain = dns_name_slice(&spf_top(s)->domain);
	struct spf_values v = { 0 };
	struct slice *of = v.of;
	of['s' - 'a'] = s->sender;
	of['l' - 'a'] = s->local;
	of['o' - 'a'] = s->domain;
	of['d' - 'a'] = domain;
	of['i' - 'a'] = s->dotted;
	of['p' - 'a'] = client_name(s, domain);
	of['v' - 'a'] = s->is_v4 ? SLICE("in-addr") : SLICE("ip6");
	of['h' - 'a'] = s->helo;
	of['c' - 'a'] = s->address;
	of['r' - 'a'] = s->our_name.n ? s->our_name : SLICE("unknown");
	of['t' - 'a'] = slice_number(s->now_s, digits);
	return v;
}

enum spf_name spf_expand_name(struct dns_spf *s, struct slice text, struct dns_name *name_r)
{
	char digits[SLICE_DIGITS];
	struct spf_values v = values(s, digits);
	return spf_macro_expand_name(text, &v, name_r);
}

/* The explanation (6.2): whatever goes wrong, there is none. */

void spf_explain_name(struct dns_spf *s)
{
	struct slice spec = s->frames[0].parsed.exp;
	struct dns_name name;
	if (spf_waits_for_ptr(s, spec))
		return;
	s->doing = SPF_DONE;
	if (spf_expand_name(s, spec, &name) == SPF_NAME_OK)
		spf_ask(s, SPF_EXPLAIN, DNS_TXT, &name);
}

void spf_take_explanation(struct dns_spf *s, const struct dns_answer *a)
{
	struct dns_record record;
	size_t at = 0;
	s->doing = SPF_DONE;
	if (a->count != 1 || !dns_answer_next(a, DNS_TXT, &at, &record) || record.text.n > DNS_SPF_RECORD_MAX ||
		!spf_macro_is_string(record.text, SPF_LETTERS_OF_EXP, true))
		return;
	s->exp_text = mem_strndup(record.text.p, record.text.n);
	if (s->exp_text)
		s->doing = SPF_EXPLAIN_TEXT;
}

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		TRY(s.p[i] >= ' ' && s.p[i] < 0x7f);
	return true;
}

void spf_explain_text(struct dns_spf *s)
{
	char digits[SLICE_DIGITS];
	struct slice text = slice_str(s->exp_text), out;
	if (spf_waits_for_ptr(s, text))
		return;
	s->doing = SPF_DONE;
	struct spf_values v = values(s, digits);
	if (spf_macro_expand(text, &v, s->explanation, sizeof s->explanation, &out) && is_printable(out))
		s->explanation_n = out.n;
}
