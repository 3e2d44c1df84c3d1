/* client.dynamic: a corpus of names in the forms of providers and hosters, and each way to spell an address. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/base/cmocka_setup.h"

#include "dns/dynamic.h"
#include "dns/org.h"
#include "dns/words.h"

static struct dns_words *words;
static struct dns_org *org;

static int setup(void **state)
{
	(void)state;
	words = dns_words_default();
	org = dns_org_load();
	return words && org ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dns_words_free(&words);
	dns_org_free(&org);
	return 0;
}

static struct dns_dynamic judge(const char *name, const char *address)
{
	struct ip ip;
	struct slice s = slice_str(name);
	assert_true(ip_parse(slice_str(address), &ip));
	return dns_dynamic_judge(words, s, dns_org_domain(org, s, DNS_ORG_REGISTERED), &ip);
}

static void assert_found(struct dns_dynamic d, enum dns_dynamic_sign sign, const char *found)
{
	assert_int_equal(d.sign, sign);
	if (!slice_eq(d.found, slice_str(found)))
		fail_msg("found \"%.*s\", not \"%s\"", SLICE_ARG(d.found), found);
}

/* --- the corpus --- */

struct tally {
	unsigned names, wrong;
};

static void judge_line(struct slice line, struct tally *t)
{
	struct slice want = slice_cut(&line, '\t'), address = slice_cut(&line, '\t');
	char name[256], text[64];
	if (want.n == 0 || want.p[0] == '#')
		return;
	(void)snprintf(name, sizeof name, "%.*s", SLICE_ARG(line));
	(void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(address));
	struct dns_dynamic d = judge(name, text);
	t->names++;
	if (d.dynamic == slice_eq(want, SLICE("end-user")))
		return;
	t->wrong++;
	print_message("wrong: %.*s %s %s (%s \"%.*s\", against \"%.*s\")\n", SLICE_ARG(want), text, name,
		dns_dynamic_sign_name(d.sign), SLICE_ARG(d.found), SLICE_ARG(d.against));
}

static struct tally judge_file(const char *path)
{
	static char bytes[128 * 1024];
	struct tally t = { 0 };
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	struct slice rest = slice_of(bytes, fread(bytes, 1, sizeof bytes, file));
	(void)fclose(file);
	assert_in_range(rest.n, 1, sizeof bytes - 1);
	while (rest.n)
		judge_line(slice_cut(&rest, '\n'), &t);
	print_message("%s: %u names, %u judged wrong\n", path, t.names, t.wrong);
	return t;
}

static void test_at_most_two_in_a_hundred_names_are_judged_wrong(void **state)
{
	(void)state;
	struct tally t = judge_file("tests/dns/names.tsv");
	assert_true(t.names >= 300);
	assert_true(t.wrong * 50 <= t.names);
}

/* Written after the code: what it was not made with it judges a little worse. */
static void test_names_it_was_not_made_with_are_judged_nearly_as_well(void **state)
{
	(void)state;
	struct tally t = judge_file("tests/dns/names-more.tsv");
	assert_true(t.names >= 100);
	assert_true(t.wrong * 10 <= t.names);
}

/* --- spelling --- */

static void test_an_address_is_found_however_it_is_spelled(void **state)
{
	(void)state;
	static const char *const whole[] = { "198.51.100.37", "198-51-100-37", "37.100.51.198", "37-100-51-198",
		"198_51_100_37", "host198x51x100x37", "198.051.100.037", "198051100037", "037100051198", "1985110037",
		"ip-198-51.x.100-37", "c6336425", "pC6336425-x", "c6-33-64-25", "c6.33.64.25", "25-64-33-c6",
		"3325256741" };
	for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++) {
		char name[128];
		(void)snprintf(name, sizeof name, "%s.example.com", whole[i]);
		struct dns_dynamic d = judge(name, "198.51.100.37");
		if (!d.dynamic || d.sign != DNS_SIGN_ADDRESS)
			fail_msg("%s: %s", name, dns_dynamic_sign_name(d.sign));
	}
}

static void test_a_part_of_an_address_is_found(void **state)
{
	(void)state;
	assert_found(judge("x51-100-37.example.com", "198.51.100.37"), DNS_SIGN_PARTLY, "51-100-37");
	assert_found(judge("198-51-100.z.example.com", "198.51.100.37"), DNS_SIGN_PARTLY, "198-51-100");
	assert_found(judge("h100-37.example.com", "198.51.100.37"), DNS_SIGN_PARTLY, "100-37");
	assert_found(judge("h37.100.example.com", "198.51.100.37"), DNS_SIGN_PARTLY, "37.100");
	assert_found(judge("h051100037.example.com", "198.51.100.37"), DNS_SIGN_PARTLY, "051100037");
	assert_found(judge("abcdef.example.com", "198.171.205.239"), DNS_SIGN_PARTLY, "abcdef");
	assert_found(judge("x-cdef.example.com", "198.171.205.239"), DNS_SIGN_PARTLY, "cdef");
}

static void test_chance_is_no_spelling(void **state)
{
	(void)state;
	assert_false(judge("web1-2.example.com", "198.51.1.2").dynamic);
	assert_false(judge("h198-51.example.com", "198.51.100.37").dynamic);
	assert_false(judge("h37.example.com", "198.51.100.37").dynamic);
	assert_false(judge("a1198051100037.example.com", "198.51.100.37").dynamic);
	assert_false(judge("198-51-100-38.example.com", "198.51.101.37").dynamic);
	assert_false(judge("x-0025.example.com", "198.51.0.37").dynamic);
	assert_false(judge("faced.example.com", "198.51.100.37").dynamic);
}

static void test_an_ipv6_address_is_found_however_it_is_spelled(void **state)
{
	(void)state;
	static const char *const whole[] = { "20010db8000100020003000400050006", "2001-db8-1-2-3-4-5-6",
		"2001-0db8-0001-0002-0003-0004-0005-0006", "2001.db8.1.2.3.4.5.6",
		"6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2", "x-2001-db8-1-2-3-4-5-6-y" };
	for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++) {
		char name[160];
		(void)snprintf(name, sizeof name, "%s.example.com", whole[i]);
		if (judge(name, "2001:db8:1:2:3:4:5:6").sign != DNS_SIGN_ADDRESS)
			fail_msg("%s", name);
	}
	assert_int_equal(judge("2001-db8--7.example.com", "2001:db8::7").sign, DNS_SIGN_ADDRESS);
	assert_int_equal(judge("x3-4-5-6.example.com", "2001:db8:1:2:3:4:5:6").sign, DNS_SIGN_NONE);
	assert_int_equal(judge("x-3-4-5-6.example.com", "2001:db8:1:2:3:4:5:6").sign, DNS_SIGN_PARTLY);
	assert_int_equal(judge("p0003000400050006.example.com", "2001:db8:1:2:3:4:5:6").sign, DNS_SIGN_PARTLY);
	assert_int_equal(judge("mx7.example.com", "2001:db8::7").sign, DNS_SIGN_NONE);
}

/* --- words --- */

static void test_words_are_weighed(void **state)
{
	(void)state;
	assert_found(judge("line7.dsl.example.com", "192.0.2.7"), DNS_SIGN_WORD, "dsl");
	assert_true(judge("line7.DSL.example.com", "192.0.2.7").dynamic);
	assert_false(judge("mail.dsl.example.com", "192.0.2.7").dynamic);
	assert_true(judge("dsl-mail.example.com", "192.0.2.7").dynamic);
	assert_false(judge("mail-192-0-2-7.example.com", "192.0.2.7").dynamic);
	assert_false(judge("192-0-2-7.dsl.static.example.com", "192.0.2.7").dynamic);
	struct dns_dynamic d = judge("MX1.dsl.example.com", "192.0.2.7");
	assert_true(slice_eq(d.against, SLICE("MX")));
}

static void test_the_organisations_own_name_is_not_looked_at(void **state)
{
	(void)state;
	assert_false(judge("mx1.dsl.net", "192.0.2.7").dynamic);
	assert_false(judge("dsl.net", "192.0.2.7").dynamic);
	assert_false(judge("host.192-0-2-7.co.uk", "192.0.2.7").dynamic);
	assert_true(judge("192-0-2-7.dsl.co.uk", "192.0.2.7").dynamic);
	struct ip ip;
	assert_true(ip_parse(SLICE("192.0.2.7"), &ip));
	assert_false(dns_dynamic_judge(words, SLICE("dsl.net"), slice_of(NULL, 0), &ip).dynamic);
	assert_false(dns_dynamic_judge(words, SLICE(""), slice_of(NULL, 0), &ip).dynamic);
}

static struct dns_words *read_words(const char *text, const char *wanted_faults)
{
	struct buf faults = { 0 };
	struct dns_words *w = dns_words_read(slice_str(text), &faults);
	assert_true(slice_eq(buf_slice(&faults), slice_str(wanted_faults)));
	buf_release(&faults);
	return w;
}

static void test_a_list_of_words_is_read(void **state)
{
	(void)state;
	struct dns_words *w =
		read_words("# mine\nend-user flat* *wohnung\t# both\r\n\nserver flatmail\nfixed stay", "");
	assert_non_null(w);
	assert_int_equal(dns_words_find(w, SLICE("flat")), DNS_WORD_END_USER);
	assert_int_equal(dns_words_find(w, SLICE("flats")), DNS_WORD_END_USER);
	assert_int_equal(dns_words_find(w, SLICE("aflat")), DNS_WORD_NONE);
	assert_int_equal(dns_words_find(w, SLICE("meinewohnung")), DNS_WORD_END_USER);
	assert_int_equal(dns_words_find(w, SLICE("wohnungen")), DNS_WORD_NONE);
	assert_int_equal(dns_words_find(w, SLICE("flatmail")), DNS_WORD_SERVER);
	assert_int_equal(dns_words_find(w, SLICE("stay")), DNS_WORD_FIXED);
	assert_int_equal(dns_words_find(w, SLICE("f")), DNS_WORD_NONE);
	dns_words_free(&w);
}

static void test_a_wrong_list_of_words_is_refused_line_by_line(void **state)
{
	(void)state;
	assert_null(read_words("dsl\nend-user ok\nserver m\nfixed A1\n",
		"1: a line begins with \"end-user\", \"server\" or \"fixed\"\n3: a word has 2 to 24 letters\n"
		"4: a word has small letters only\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_most_two_in_a_hundred_names_are_judged_wrong),
		cmocka_unit_test(test_names_it_was_not_made_with_are_judged_nearly_as_well),
		cmocka_unit_test(test_an_address_is_found_however_it_is_spelled),
		cmocka_unit_test(test_a_part_of_an_address_is_found),
		cmocka_unit_test(test_chance_is_no_spelling),
		cmocka_unit_test(test_an_ipv6_address_is_found_however_it_is_spelled),
		cmocka_unit_test(test_words_are_weighed),
		cmocka_unit_test(test_the_organisations_own_name_is_not_looked_at),
		cmocka_unit_test(test_a_list_of_words_is_read),
		cmocka_unit_test(test_a_wrong_list_of_words_is_refused_line_by_line),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
