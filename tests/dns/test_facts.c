/* What is made of answers: the names of an address, whether a domain takes mail, what a DNS list says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dns/list.h"
#include "dns/reach.h"

static char room[DNS_ANSWER_BYTES];

static struct dns_answer none(enum dns_status status)
{
	return (struct dns_answer){ .status = status };
}

static struct dns_answer addresses(enum dns_type type, const char *const *texts)
{
	struct dns_answer a = none(DNS_NODATA);
	for (; *texts; texts++) {
		struct dns_record record = { 0 };
		assert_true(ip_parse(slice_str(*texts), &record.ip));
		dns_answer_add(&a, room, type, &record);
	}
	return a;
}
#define ADDRESSES(type, ...) addresses(type, (const char *const[]){ __VA_ARGS__, NULL })

static struct dns_answer names(enum dns_type type, const char *const *texts)
{
	struct dns_answer a = none(DNS_NODATA);
	for (; *texts; texts++) {
		struct dns_record record = { .text = slice_str(*texts) };
		dns_answer_add(&a, room, type, &record);
	}
	return a;
}
#define NAMES(type, ...) names(type, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- rdns ---- */

struct reverse {
	struct dns_rdns r;
	struct dns_question q[DNS_RDNS_NAMES];
	unsigned n;
	struct slice name;
};

static void begin(struct reverse *v, const char *ip)
{
	struct ip client;
	assert_true(ip_parse(slice_str(ip), &client));
	assert_int_equal(dns_rdns_begin(&v->r, &client, v->q), 1);
	assert_int_equal(v->q[0].type, DNS_PTR);
	assert_int_equal(dns_rdns_ptr(&v->r, &v->name), DNS_UNKNOWN);
}

static void ptr(struct reverse *v, struct dns_answer a)
{
	struct dns_question q = v->q[0];
	v->n = dns_rdns_answer(&v->r, &q, &a, v->q);
}

static void forward(struct reverse *v, unsigned i, struct dns_answer a)
{
	struct dns_question more[DNS_RDNS_NAMES];
	assert_true(i < v->n);
	assert_int_equal(dns_rdns_answer(&v->r, &v->q[i], &a, more), 0);
}

static void a_name_that_leads_back_is_the_clients(void **state)
{
	(void)state;
	struct reverse v;
	begin(&v, "192.0.2.7");
	assert_true(slice_eq(dns_name_slice(&v.q[0].name), SLICE("7.2.0.192.in-addr.arpa")));
	ptr(&v, NAMES(DNS_PTR, "mx.example"));
	assert_int_equal(v.n, 1);
	assert_int_equal(v.q[0].type, DNS_A);
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_SOME);
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_UNKNOWN);
	forward(&v, 0, ADDRESSES(DNS_A, "192.0.2.8", "192.0.2.7"));
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_SOME);
	assert_true(slice_eq(v.name, SLICE("mx.example")));
	begin(&v, "2001:db8::7");
	ptr(&v, NAMES(DNS_PTR, "mx.example"));
	assert_int_equal(v.q[0].type, DNS_AAAA);
	forward(&v, 0, ADDRESSES(DNS_AAAA, "2001:db8::7"));
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_SOME);
}

static void the_first_of_several_that_leads_back(void **state)
{
	(void)state;
	struct reverse v;
	begin(&v, "192.0.2.7");
	ptr(&v, NAMES(DNS_PTR, "a.example", "b.example", "b.example", "c.example", "d.example", "e.example"));
	assert_int_equal(v.n, DNS_RDNS_NAMES);
	forward(&v, 3, ADDRESSES(DNS_A, "192.0.2.7"));
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_SOME);
	assert_true(slice_eq(v.name, SLICE("d.example")));
	forward(&v, 0, none(DNS_NXDOMAIN));
	forward(&v, 1, ADDRESSES(DNS_A, "192.0.2.7"));
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_SOME);
	assert_true(slice_eq(v.name, SLICE("b.example")));
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_SOME);
	assert_true(slice_eq(v.name, SLICE("a.example")));
}

static void no_name_and_no_way_back_are_known(void **state)
{
	(void)state;
	struct reverse v;
	begin(&v, "192.0.2.7");
	ptr(&v, none(DNS_NXDOMAIN));
	assert_int_equal(v.n, 0);
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_NONE);
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_NONE);
	begin(&v, "192.0.2.7");
	ptr(&v, NAMES(DNS_PTR, "a.example"));
	forward(&v, 0, ADDRESSES(DNS_A, "192.0.2.70"));
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_SOME);
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_NONE);
}

static void a_failure_is_unknown(void **state)
{
	(void)state;
	struct reverse v;
	begin(&v, "192.0.2.7");
	ptr(&v, dns_answer_failed(DNS_TIMEOUT));
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_UNKNOWN);
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_UNKNOWN);
	begin(&v, "192.0.2.7");
	ptr(&v, NAMES(DNS_PTR, "a.example", "b.example"));
	forward(&v, 0, dns_answer_failed(DNS_SERVFAIL));
	forward(&v, 1, none(DNS_NODATA));
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_UNKNOWN);
}

static void a_name_that_is_given_is_the_clients(void **state)
{
	(void)state;
	struct reverse v;
	struct ip ip;
	assert_true(ip_parse(SLICE("192.0.2.7"), &ip));
	assert_true(dns_rdns_given(&v.r, &ip, SLICE("MX.Example")));
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_SOME);
	assert_int_equal(dns_rdns_name(&v.r, &v.name), DNS_SOME);
	assert_true(slice_ieq(v.name, SLICE("mx.example")));
	assert_false(dns_rdns_given(&v.r, &ip, SLICE("no host")));
	assert_false(dns_rdns_given(&v.r, &ip, SLICE("a..b")));
}

static void a_name_that_is_no_host_is_none(void **state)
{
	(void)state;
	struct reverse v;
	begin(&v, "192.0.2.7");
	ptr(&v, NAMES(DNS_PTR, "a\nb.example", "", "x y"));
	assert_int_equal(v.n, 0);
	assert_int_equal(dns_rdns_ptr(&v.r, &v.name), DNS_NONE);
}

static void an_answer_twice_changes_nothing(void **state)
{
	(void)state;
	struct reverse v;
	struct dns_question q, more[DNS_RDNS_NAMES];
	begin(&v, "192.0.2.7");
	q = v.q[0];
	ptr(&v, NAMES(DNS_PTR, "a.example"));
	struct dns_answer again = NAMES(DNS_PTR, "b.example");
	assert_int_equal(dns_rdns_answer(&v.r, &q, &again, more), 0);
	assert_int_equal(v.r.n, 1);
}

/* ---- reach ---- */

static enum dns_known takes_mail(struct dns_answer mx, struct dns_answer v4, struct dns_answer v6)
{
	struct dns_reach r;
	struct dns_question q[DNS_REACH_QUESTIONS], more[DNS_REACH_QUESTIONS];
	assert_int_equal(dns_reach_mail(&r, SLICE("example.org"), q), 1);
	assert_int_equal(q[0].type, DNS_MX);
	assert_int_equal(dns_reach_outcome(&r), DNS_UNKNOWN);
	struct dns_question first = q[0];
	if (dns_reach_answer(&r, &first, &mx, q) == 0)
		return dns_reach_outcome(&r);
	assert_int_equal(dns_reach_answer(&r, &q[0], &v4, more), 0);
	assert_int_equal(dns_reach_answer(&r, &q[1], &v6, more), 0);
	return dns_reach_outcome(&r);
}

static void a_domain_takes_mail_by_mx_or_address(void **state)
{
	(void)state;
	struct dns_answer no = none(DNS_NODATA), lost = dns_answer_failed(DNS_TIMEOUT);
	assert_int_equal(takes_mail(NAMES(DNS_MX, "mx.example"), lost, lost), DNS_SOME);
	assert_int_equal(takes_mail(NAMES(DNS_MX, ""), lost, lost), DNS_NONE); /* RFC 7505 */
	assert_int_equal(takes_mail(NAMES(DNS_MX, "", "mx.example"), lost, lost), DNS_SOME);
	assert_int_equal(takes_mail(none(DNS_NXDOMAIN), lost, lost), DNS_NONE);
	assert_int_equal(takes_mail(lost, no, no), DNS_UNKNOWN);
	assert_int_equal(takes_mail(no, ADDRESSES(DNS_A, "192.0.2.1"), lost), DNS_SOME);
	assert_int_equal(takes_mail(no, no, ADDRESSES(DNS_AAAA, "2001:db8::1")), DNS_SOME);
	assert_int_equal(takes_mail(no, no, no), DNS_NONE);
	assert_int_equal(takes_mail(no, no, lost), DNS_UNKNOWN);
}

static void a_name_that_cannot_be_asked_is_a_no(void **state)
{
	(void)state;
	struct dns_reach r;
	struct dns_question q[DNS_REACH_QUESTIONS];
	assert_int_equal(dns_reach_host(&r, SLICE("no host"), q), 0);
	assert_int_equal(dns_reach_outcome(&r), DNS_NONE);
	assert_int_equal(dns_reach_mail(&r, SLICE("a..b"), q), 0);
	assert_int_equal(dns_reach_outcome(&r), DNS_NONE);
	assert_int_equal(dns_reach_host(&r, SLICE("mx.example"), q), 2);
	assert_int_equal(dns_reach_outcome(&r), DNS_UNKNOWN);
}

/* ---- lists ---- */

static void read_as(struct dns_answer a, enum dns_known known, const char *listed)
{
	struct ip ip, expected;
	assert_int_equal(dns_list_read(&a, NULL, 0, &ip), known);
	if (!listed)
		return;
	assert_true(ip_parse(slice_str(listed), &expected));
	assert_memory_equal(&ip, &expected, sizeof ip);
}

static void what_counts_as_listed(void **state)
{
	(void)state;
	read_as(none(DNS_NXDOMAIN), DNS_NONE, NULL);
	read_as(none(DNS_NODATA), DNS_NONE, NULL);
	read_as(dns_answer_failed(DNS_SERVFAIL), DNS_UNKNOWN, NULL);
	read_as(ADDRESSES(DNS_A, "127.0.0.2"), DNS_SOME, "127.0.0.2");
	read_as(ADDRESSES(DNS_A, "127.0.1.2", "127.0.0.4", "127.0.0.2"), DNS_SOME, "127.0.0.4");
	read_as(ADDRESSES(DNS_A, "127.0.1.2"), DNS_NONE, NULL);
	read_as(ADDRESSES(DNS_A, "127.255.255.254"), DNS_UNKNOWN, NULL);
	read_as(ADDRESSES(DNS_A, "127.0.0.2", "127.255.255.252"), DNS_UNKNOWN, NULL);
	read_as(ADDRESSES(DNS_A, "192.0.2.1"), DNS_UNKNOWN, NULL); /* a parked domain says yes to everybody */
}

static void settings_say_what_counts(void **state)
{
	(void)state;
	struct dns_list_range ranges[2];
	struct ip ip;
	assert_true(ip_parse(SLICE("127.0.0.2"), &ranges[0].first) && ip_parse(SLICE("127.0.0.11"), &ranges[0].last));
	assert_true(ip_parse(SLICE("127.0.1.2"), &ranges[1].first) && ip_parse(SLICE("127.0.1.2"), &ranges[1].last));
	static const struct {
		const char *answer;
		enum dns_known known;
	} cases[] = { { "127.0.0.1", DNS_NONE }, { "127.0.0.2", DNS_SOME }, { "127.0.0.11", DNS_SOME },
		{ "127.0.0.12", DNS_NONE }, { "127.0.1.2", DNS_SOME }, { "127.255.255.252", DNS_UNKNOWN } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct dns_answer a = ADDRESSES(DNS_A, cases[i].answer);
		assert_int_equal(dns_list_read(&a, ranges, 2, &ip), cases[i].known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_leads_back_is_the_clients),
		cmocka_unit_test(the_first_of_several_that_leads_back),
		cmocka_unit_test(no_name_and_no_way_back_are_known),
		cmocka_unit_test(a_failure_is_unknown),
		cmocka_unit_test(a_name_that_is_given_is_the_clients),
		cmocka_unit_test(a_name_that_is_no_host_is_none),
		cmocka_unit_test(an_answer_twice_changes_nothing),
		cmocka_unit_test(a_domain_takes_mail_by_mx_or_address),
		cmocka_unit_test(a_name_that_cannot_be_asked_is_a_no),
		cmocka_unit_test(what_counts_as_listed),
		cmocka_unit_test(settings_say_what_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
