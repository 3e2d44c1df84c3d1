#include "dns/spf.h"

#include "base/mem.h"
#include "dns/spf_state.h"

static struct slice keep(struct dns_spf *s, struct slice text)
{
	char *to = s->text + s->text_n;
	size_t n = text.n < DNS_SPF_ARGUMENT_MAX ? text.n : DNS_SPF_ARGUMENT_MAX;
	if (n)
		memcpy(to, text.p, n);
	s->text_n += n;
	return slice_of(to, n);
}

/* 2.4, 4.3: the null sender is postmaster at HELO, and so is one without a local part at its domain. */
static void keep_sender(struct dns_spf *s, struct slice mail_from)
{
	struct slice sender = keep(s, mail_from);
	size_t at = slice_rfind(sender, '@');
	s->of_helo = mail_from.n == 0;
	s->local = at && at < sender.n ? slice_of(sender.p, at) : SLICE("postmaster");
	s->domain = s->of_helo ? s->helo : at < sender.n ? slice_skip(sender, at + 1) : sender;
	char *whole = s->text + s->text_n;
	size_t n = s->local.n;
	memcpy(whole, s->local.p, n);
	whole[n++] = '@';
	if (s->domain.n)
		memcpy(whole + n, s->domain.p, s->domain.n);
	s->sender = slice_of(whole, n + s->domain.n);
}

static void set_ip(struct dns_spf *s, const struct ip *ip)
{
	static const char hex[] = "0123456789ABCDEF";
	s->ip = *ip;
	s->is_v4 = ip_is_v4(ip);
	s->address = slice_of(s->address_text, ip_format(ip, s->address_text));
	s->dotted = s->address;
	if (s->is_v4)
		return;
	for (size_t i = 0; i < sizeof ip->b; i++) {
		char *to = s->dotted_text + 4 * i;
		to[0] = hex[ip->b[i] >> 4];
		to[2] = hex[ip->b[i] & 15];
		to[1] = to[3] = '.';
	}
	s->dotted = slice_of(s->dotted_text, sizeof s->dotted_text - 1);
}

/* 4.3: of several labels, and one that can be asked for. Address literals are no domains. */
static bool is_domain(const struct dns_name *name)
{
	struct slice text = dns_name_slice(name);
	return dns_name_is_host(text) && slice_find(text, '.') < text.n;
}

static unsigned hand_out(struct dns_spf *s, struct dns_question *q_r)
{
	for (unsigned i = 0; i < s->asks; i++)
		q_r[i] = (struct dns_question){ s->type, s->names[i] };
	unsigned n = s->asks;
	s->asks = 0;
	return n;
}

unsigned dns_spf_begin(
	const struct dns_spf_client *client, struct dns_spf **spf_r, struct dns_question q_r[DNS_SPF_NAMES])
{
	struct dns_spf *s = mem_zalloc(sizeof *s);
	struct dns_name domain;
	*spf_r = s;
	if (!s)
		return 0;
	s->helo = keep(s, client->helo);
	s->our_name = keep(s, client->our_name);
	s->now_s = client->now_s;
	keep_sender(s, client->mail_from);
	set_ip(s, &client->ip);
	if (dns_name_parse(s->domain, &domain) && is_domain(&domain))
		spf_enter(s, &domain);
	else
		spf_end(s, DNS_SPF_NONE, NULL);
	return hand_out(s, q_r);
}

/* Which of the open questions it answers; s->open when none. */
static unsigned answered(const struct dns_spf *s, const struct dns_question *q)
{
	unsigned i = 0;
	while (i < s->names_n && (!(s->open & 1u << i) || q->type != s->type ||
					 !slice_eq(dns_name_slice(&s->names[i]), dns_name_slice(&q->name))))
		i++;
	return i;
}

unsigned dns_spf_answer(struct dns_spf *s, const struct dns_question *q, const struct dns_answer *a,
	struct dns_question q_r[DNS_SPF_NAMES])
{
	unsigned i = answered(s, q);
	if (i == s->names_n)
		return 0;
	s->open &= (uint16_t) ~(1u << i);
	spf_take(s, i, a);
	return hand_out(s, q_r);
}

bool dns_spf_is_done(const struct dns_spf *s)
{
	return s->doing == SPF_DONE;
}

void dns_spf_give_up(struct dns_spf *s)
{
	if (!s->stands)
		spf_end(s, DNS_SPF_TEMPERROR, "the DNS did not answer in time");
	s->doing = SPF_DONE;
	s->open = 0;
}

void dns_spf_result(const struct dns_spf *s, struct dns_spf_result *result_r)
{
	*result_r = (struct dns_spf_result){
		.word = s->word,
		.of_helo = s->of_helo,
		.domain = s->domain,
		.by = s->by,
		.prefix = s->prefix,
		.term = slice_of(s->term_text, s->term_n),
		.at = dns_name_slice(&s->at),
		.explanation = slice_of(s->explanation, s->explanation_n),
		.problem = s->problem,
		.lookups = s->lookups,
	};
}

void dns_spf_free(struct dns_spf **s)
{
	if (!*s)
		return;
	while ((*s)->depth)
		spf_leave(*s);
	mem_free(&(*s)->exp_text);
	mem_free(s);
}

const char *dns_spf_word(enum dns_spf_word word)
{
	static const char *const words[] = { "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" };
	return words[word];
}

const char *dns_spf_mechanism(enum dns_spf_mechanism m)
{
	static const char *const words[] = { "default", "all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists" };
	return words[m];
}

bool dns_spf_is_identity(const struct dns_spf_result *r, const struct ip *client)
{
	enum { NARROW4 = 16, NARROW6 = 32 };
	if (r->word != DNS_SPF_PASS)
		return false;
	switch (r->by) {
	case DNS_SPF_A:
	case DNS_SPF_MX:
	case DNS_SPF_IP4:
	case DNS_SPF_IP6:
		return r->prefix >= (ip_is_v4(client) ? NARROW4 : NARROW6);
	case DNS_SPF_DEFAULT:
	case DNS_SPF_ALL:
	case DNS_SPF_INCLUDE:
	case DNS_SPF_PTR:
	case DNS_SPF_EXISTS:
		return false;
	}
	return false;
}
