/* Organisations by the public suffix list. */
#include "tests/base/cmocka_setup.h"

#include "dns/org.h"

static struct dns_org *org;

static int setup(void **state)
{
	(void)state;
	org = dns_org_load();
	return org ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dns_org_free(&org);
	return 0;
}

static void gives(enum dns_org_view view, const char *host, const char *wanted)
{
	struct slice got = dns_org_domain(org, slice_str(host), view);
	if (!slice_eq(got, slice_str(wanted)))
		fail_msg("%s: \"%.*s\", not \"%s\"", host, SLICE_ARG(got), wanted);
}

static void test_an_organisation_is_one_label_above_its_suffix(void **state)
{
	(void)state;
	for (enum dns_org_view view = DNS_ORG_OWNER; view <= DNS_ORG_REGISTERED; view++) {
		gives(view, "mx1.mail.example.co.uk", "example.co.uk");
		gives(view, "example.com", "example.com");
		gives(view, "MX.Example.COM.", "Example.COM");
		gives(view, "a.b.example.unknown-tld", "example.unknown-tld");
		gives(view, "www.city.kawasaki.jp", "city.kawasaki.jp");
	}
}

static void test_a_suffix_has_no_organisation(void **state)
{
	(void)state;
	gives(DNS_ORG_OWNER, "com", "");
	gives(DNS_ORG_OWNER, "co.uk", "");
	gives(DNS_ORG_OWNER, "localhost", "");
	gives(DNS_ORG_OWNER, "compute-1.amazonaws.com", "");
	gives(DNS_ORG_REGISTERED, "compute-1.amazonaws.com", "amazonaws.com");
}

static void test_a_providers_suffix_counts_only_for_the_owner(void **state)
{
	(void)state;
	gives(DNS_ORG_OWNER, "www.someone.dyndns.org", "someone.dyndns.org");
	gives(DNS_ORG_REGISTERED, "www.someone.dyndns.org", "dyndns.org");
	gives(DNS_ORG_OWNER, "ec2-192-0-2-7.compute-1.amazonaws.com", "");
	gives(DNS_ORG_REGISTERED, "ec2-192-0-2-7.compute-1.amazonaws.com", "amazonaws.com");
}

static void test_what_is_no_hosts_name_has_none(void **state)
{
	(void)state;
	static const char nul[] = "a.exa\0mple.com", control[] = "a.exa\nmple.com";
	assert_int_equal(dns_org_domain(org, slice_of(nul, sizeof nul - 1), DNS_ORG_OWNER).n, 0);
	assert_int_equal(dns_org_domain(org, slice_of(control, sizeof control - 1), DNS_ORG_OWNER).n, 0);
	assert_int_equal(dns_org_domain(org, slice_of(NULL, 0), DNS_ORG_OWNER).n, 0);
	gives(DNS_ORG_OWNER, "192.0.2.7", "");
	gives(DNS_ORG_OWNER, ".", "");
	gives(DNS_ORG_OWNER, "a..com", "");
	gives(DNS_ORG_OWNER, "ex\xc3\xa4mple.com", "");
	char longest[300];
	memset(longest, 'a', sizeof longest);
	assert_int_equal(dns_org_domain(org, slice_of(longest, sizeof longest), DNS_ORG_OWNER).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_organisation_is_one_label_above_its_suffix),
		cmocka_unit_test(test_a_suffix_has_no_organisation),
		cmocka_unit_test(test_a_providers_suffix_counts_only_for_the_owner),
		cmocka_unit_test(test_what_is_no_hosts_name_has_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
