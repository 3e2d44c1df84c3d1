#include "dns/spf_record.h"

enum { BITS4 = 32, BITS6 = 128 };

static const struct slice version = SLICE_INIT("v=spf1");

static bool is_record(struct slice text)
{
	return slice_istarts(text, version) && (text.n == version.n || text.p[version.n] == ' ');
}

enum spf_select spf_record_select(const struct dns_answer *txt, struct slice *record_r)
{
	unsigned n = 0;
	struct dns_record record;
	for (size_t at = 0; dns_answer_next(txt, DNS_TXT, &at, &record);) {
		if (!is_record(record.text))
			continue;
		*record_r = record.text;
		n++;
	}
	return n == 0 ? SPF_SELECT_NONE : n == 1 ? SPF_SELECT_ONE : SPF_SELECT_MANY;
}

/* "/" or "//" and a number at the end of *s are taken off. False: the number is none, or too large. */
static bool take_bits(struct slice *s, struct slice mark, unsigned max, uint8_t *bits_r)
{
	size_t digits = s->n;
	uint64_t bits;
	while (digits && s->p[digits - 1] >= '0' && s->p[digits - 1] <= '9')
		digits--;
	if (digits == s->n || digits < mark.n || !slice_eq(slice_of(s->p + digits - mark.n, mark.n), mark))
		return true;
	struct slice number = slice_skip(*s, digits);
	TRY(slice_u64(number, max, &bits) && (number.n == 1 || number.p[0] != '0'));
	*bits_r = (uint8_t)bits;
	s->n = digits - mark.n;
	return true;
}

static bool is_dotted(struct slice s)
{
	return slice_find(s, ':') == s.n;
}

/* What follows the name of a mechanism. */
typedef bool argument(struct slice s, struct spf_term *t);

static bool no_argument(struct slice s, struct spf_term *t)
{
	(void)t;
	return s.n == 0;
}

static bool take_domain(struct slice s, struct spf_term *t)
{
	TRY(s.n && s.p[0] == ':');
	t->domain = slice_skip(s, 1);
	return spf_macro_is_domain(t->domain);
}

static bool maybe_domain(struct slice s, struct spf_term *t)
{
	return s.n == 0 || take_domain(s, t);
}

static bool domain_and_bits(struct slice s, struct spf_term *t)
{
	TRY(take_bits(&s, SLICE("//"), BITS6, &t->bits6));
	TRY(take_bits(&s, SLICE("/"), BITS4, &t->bits4));
	return maybe_domain(s, t);
}

static bool network4(struct slice s, struct spf_term *t)
{
	TRY(s.n && s.p[0] == ':' && take_bits(&s, SLICE("/"), BITS4, &t->bits4));
	s = slice_skip(s, 1);
	return is_dotted(s) && ip_parse(s, &t->ip);
}

static bool network6(struct slice s, struct spf_term *t)
{
	TRY(s.n && s.p[0] == ':' && take_bits(&s, SLICE("/"), BITS6, &t->bits6));
	s = slice_skip(s, 1);
	return !is_dotted(s) && ip_parse(s, &t->ip);
}

static const struct {
	struct slice name;
	enum dns_spf_mechanism kind;
	argument *argument;
} mechanisms[] = {
	{ SLICE_INIT("all"), DNS_SPF_ALL, no_argument },
	{ SLICE_INIT("include"), DNS_SPF_INCLUDE, take_domain },
	{ SLICE_INIT("a"), DNS_SPF_A, domain_and_bits },
	{ SLICE_INIT("mx"), DNS_SPF_MX, domain_and_bits },
	{ SLICE_INIT("ptr"), DNS_SPF_PTR, maybe_domain },
	{ SLICE_INIT("ip4"), DNS_SPF_IP4, network4 },
	{ SLICE_INIT("ip6"), DNS_SPF_IP6, network6 },
	{ SLICE_INIT("exists"), DNS_SPF_EXISTS, take_domain },
};

static enum dns_spf_word take_qualifier(struct slice *s)
{
	char c = s->p[0];
	enum dns_spf_word word = c == '-'   ? DNS_SPF_FAIL
				 : c == '~' ? DNS_SPF_SOFTFAIL
				 : c == '?' ? DNS_SPF_NEUTRAL
					    : DNS_SPF_PASS;
	if (word != DNS_SPF_PASS || c == '+')
		*s = slice_skip(*s, 1);
	return word;
}

static bool read_mechanism(struct slice s, struct spf_term *t)
{
	*t = (struct spf_term){ .text = s, .bits4 = BITS4, .bits6 = BITS6 };
	t->word = take_qualifier(&s);
	size_t end = 0;
	while (end < s.n && s.p[end] != ':' && s.p[end] != '/')
		end++;
	struct slice name = slice_of(s.p, end);
	for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
		if (!slice_ieq(name, mechanisms[i].name))
			continue;
		t->kind = mechanisms[i].kind;
		return mechanisms[i].argument(slice_skip(s, end), t);
	}
	return false;
}

static bool is_alpha(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* NAME=... : a modifier. *value_r is what stands behind the '='. */
static bool is_modifier(struct slice s, struct slice *name_r, struct slice *value_r)
{
	size_t n = 0;
	while (n < s.n && (is_alpha(s.p[n]) || (n && ((s.p[n] >= '0' && s.p[n] <= '9') || memchr("-_.", s.p[n], 3)))))
		n++;
	if (n == 0 || n == s.n || s.p[n] != '=')
		return false;
	*name_r = slice_of(s.p, n);
	*value_r = slice_skip(s, n + 1);
	return true;
}

/* redirect and exp stand once each (6). */
static bool take_once(struct slice value, struct slice *to)
{
	TRY(!to->n && spf_macro_is_domain(value));
	*to = value;
	return true;
}

static bool read_modifier(struct slice name, struct slice value, struct spf_record *r)
{
	if (slice_ieq(name, SLICE("redirect")))
		return take_once(value, &r->redirect);
	if (slice_ieq(name, SLICE("exp")))
		return take_once(value, &r->exp);
	return spf_macro_is_string(value, SPF_LETTERS_OF_EXP, false);
}

static bool take_term(struct slice *terms, struct slice *term_r)
{
	do
		*term_r = slice_cut(terms, ' ');
	while (!term_r->n && terms->n);
	return term_r->n > 0;
}

bool spf_record_parse(struct slice record, struct spf_record *record_r, struct slice *where_r)
{
	struct slice name, value;
	struct spf_term t;
	struct slice rest = slice_skip(record, version.n);
	*record_r = (struct spf_record){ .terms = rest };
	while (take_term(&rest, where_r)) {
		if (is_modifier(*where_r, &name, &value))
			TRY(read_modifier(name, value, record_r));
		else
			TRY(read_mechanism(*where_r, &t));
	}
	return true;
}

bool spf_record_next(struct slice *terms, struct spf_term *term_r)
{
	struct slice term, name, value;
	while (take_term(terms, &term))
		if (!is_modifier(term, &name, &value))
			return read_mechanism(term, term_r);
	return false;
}
