/* Any bytes as the name of an address: what is found lies within the name and left of the organisation, and case does
 * not matter. Any bytes as a list of words. */
#include "dns/dynamic.h"
#include "dns/org.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_lie_within(struct slice part, struct slice whole)
{
	must(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void check_name(const struct dns_words *words, struct slice name, struct slice organisation, const struct ip *ip)
{
	char upper[512];
	struct dns_dynamic d = dns_dynamic_judge(words, name, organisation, ip);
	must_lie_within(d.found, slice_of(name.p, name.n - organisation.n));
	must_lie_within(d.against, slice_of(name.p, name.n - organisation.n));
	must(!d.dynamic || (d.found.n && d.against.n == 0 && d.sign != DNS_SIGN_NONE));
	if (name.n > sizeof upper)
		return;
	for (size_t i = 0; i < name.n; i++)
		upper[i] = name.p[i] >= 'a' && name.p[i] <= 'z' ? (char)(name.p[i] & ~0x20) : name.p[i];
	must(dns_dynamic_judge(words, slice_of(upper, name.n), organisation, ip).dynamic == d.dynamic);
}

static void check_words(struct slice text)
{
	struct buf faults = { 0 };
	struct dns_words *w = dns_words_read(text, &faults);
	must((w != NULL) == (buf_slice(&faults).n == 0));
	dns_words_free(&w);
	buf_release(&faults);
}

/* The first 16 bytes are an address, IPv4 if the first is even. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_words *words;
	static struct dns_org *org;
	struct ip ip = { { 0 } };
	if (!words)
		words = dns_words_default();
	if (!org)
		org = dns_org_load();
	must(words && org);
	check_words(slice_of((const char *)data, size));
	if (size < sizeof ip.b)
		return 0;
	memcpy(ip.b, data, sizeof ip.b);
	if (data[0] % 2 == 0)
		memset(ip.b, 0, 10), memset(ip.b + 10, 0xff, 2);
	struct slice name = slice_of((const char *)data + sizeof ip.b, size - sizeof ip.b);
	for (enum dns_org_view view = DNS_ORG_OWNER; view <= DNS_ORG_REGISTERED; view++) {
		struct slice organisation = dns_org_domain(org, name, view);
		must_lie_within(organisation, name);
		if (name.n == 0 || name.p[name.n - 1] != '.')
			check_name(words, name, organisation, &ip);
	}
	return 0;
}
