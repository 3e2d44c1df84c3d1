#include "dns/dynamic.h"

#include "dns/name.h"
#include "dns/spelled.h"
#include "dns/words.h"

const char *dns_dynamic_sign_name(enum dns_dynamic_sign sign)
{
	static const char *const names[] = { "none", "address", "part of the address", "word" };
	return names[sign];
}

/* The labels left of the organisation's. */
static struct slice own_labels(struct slice name, struct slice organisation)
{
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (organisation.n && organisation.n <= name.n)
		return slice_of(name.p, name.n - organisation.n);
	for (unsigned i = 0; i < 2; i++)
		name.n = slice_rfind(name, '.') < name.n ? slice_rfind(name, '.') : 0;
	return name;
}

/* The first word of each kind; empty: none. */
struct words_found {
	struct slice kind[DNS_WORD_FIXED + 1];
};

static struct words_found find_words(const struct dns_words *w, struct slice text)
{
	struct words_found found = { 0 };
	for (size_t i = 0; i < text.n; i++) {
		size_t from = i;
		while (i < text.n && text.p[i] >= 'a' && text.p[i] <= 'z')
			i++;
		struct slice run = slice_of(text.p + from, i - from), *of = &found.kind[dns_words_find(w, run)];
		if (of->n == 0)
			*of = run;
	}
	return found;
}

static void weigh(const struct words_found *words, struct dns_dynamic *d)
{
	struct slice user = words->kind[DNS_WORD_END_USER], server = words->kind[DNS_WORD_SERVER];
	struct slice fixed = words->kind[DNS_WORD_FIXED];
	if (d->sign == DNS_SIGN_NONE && user.n) {
		d->sign = DNS_SIGN_WORD;
		d->found = user;
	}
	if (fixed.n)
		d->against = fixed;
	else if (server.n && !(user.n && user.p < server.p))
		d->against = server;
	d->dynamic = d->sign != DNS_SIGN_NONE && d->against.n == 0;
}

/* From our small-lettered copy to the caller's bytes. */
static struct slice in_name(struct slice found, const char *copy, struct slice name)
{
	return found.n ? slice_of(name.p + (found.p - copy), found.n) : slice_of(name.p, 0);
}

struct dns_dynamic dns_dynamic_judge(
	const struct dns_words *w, struct slice name, struct slice organisation, const struct ip *client)
{
	struct dns_dynamic d = { .found = slice_of(name.p, 0), .against = slice_of(name.p, 0) };
	char copy[DNS_NAME_MAX];
	struct slice own = own_labels(name, organisation);
	if (own.n == 0 || own.n > sizeof copy)
		return d;
	for (size_t i = 0; i < own.n; i++)
		copy[i] = own.p[i] >= 'A' && own.p[i] <= 'Z' ? (char)(own.p[i] | 0x20) : own.p[i];
	struct slice text = slice_of(copy, own.n);
	struct words_found words = find_words(w, text);
	d.sign = dns_spelled(text, client, &d.found);
	weigh(&words, &d);
	d.found = in_name(d.found, copy, name);
	d.against = in_name(d.against, copy, name);
	return d;
}
