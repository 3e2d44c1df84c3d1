/* Names: what can be asked for, what is a host's name, how addresses are spelled, the way over the wire. */
#include "tests/base/cmocka_setup.h"

#include "dns/name.h"

static struct slice literally(const char *s)
{
	return slice_str(s);
}

static struct ip address(const char *text)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	return ip;
}

static void names_are_lower_case_without_their_last_dot(void **state)
{
	struct dns_name n;
	(void)state;
	assert_true(dns_name_parse(literally("Mail.EXAMPLE.com."), &n));
	assert_slice(dns_name_slice(&n), "mail.example.com");
	assert_true(dns_name_parse(literally("."), &n));
	assert_int_equal(n.n, 0);
	assert_true(dns_name_parse(literally(""), &n));
	assert_int_equal(n.n, 0);
	assert_true(dns_name_parse(SLICE("a\0b\x01\xff.c"), &n));
	assert_int_equal(n.n, 7);
}

static void lengths_are_held_to(void **state)
{
	char text[300];
	struct dns_name n;
	(void)state;
	memset(text, 'a', sizeof text);
	assert_true(dns_name_parse(slice_of(text, 63), &n));
	assert_false(dns_name_parse(slice_of(text, 64), &n));
	for (size_t i = 63; i < sizeof text; i += 64)
		text[i] = '.';
	assert_true(dns_name_parse(slice_of(text, 253), &n));
	assert_false(dns_name_parse(slice_of(text, 254), &n));
	assert_false(dns_name_parse(slice_of(text, 300), &n));
	text[253] = '.';
	assert_true(dns_name_parse(slice_of(text, 254), &n));
}

static void empty_labels_are_no_names(void **state)
{
	static const char *const bad[] = { "..", ".a", "a..b", "a.b..", "...", "..a" };
	struct dns_name n;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(dns_name_parse(literally(bad[i]), &n));
}

static void a_host_name_has_host_bytes_only(void **state)
{
	static const char *const good[] = { "a", "a.b", "MX-1._x.example", "1.2.3.4", "xn--p1ai" };
	static const char *const bad[] = { "", ".", "a.", "a..b", "a b", "a\tb", "a\nb", "\x1b[0m.x", "a\\.b", "(x)",
		"m\xc3\xbcller.de", "a/b", "x@y", "[127.0.0.1]", "a\x7f" };
	char much[254];
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(dns_name_is_host(literally(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(dns_name_is_host(literally(bad[i])));
	assert_false(dns_name_is_host(SLICE("a\0b")));
	for (size_t i = 0; i < sizeof much; i++)
		much[i] = i % 2 ? '.' : 'a';
	assert_true(dns_name_is_host(slice_of(much, 253)));
	assert_false(dns_name_is_host(slice_of(much, 254)));
}

static void addresses_are_spelled_backward(void **state)
{
	struct dns_name n;
	struct ip v4 = address("192.0.2.10"), v6 = address("2001:db8::1:2f"), mapped = address("::ffff:192.0.2.10");
	(void)state;
	dns_name_of_ip(&v4, &n);
	assert_slice(dns_name_slice(&n), "10.2.0.192.in-addr.arpa");
	dns_name_of_ip(&mapped, &n);
	assert_slice(dns_name_slice(&n), "10.2.0.192.in-addr.arpa");
	dns_name_of_ip(&v6, &n);
	assert_slice(dns_name_slice(&n), "f.2.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

/* RFC 5782 2.1, 2.4, 3.1 */
static void lists_are_asked_by_address_and_domain(void **state)
{
	struct dns_name n;
	struct ip v4 = address("192.0.2.99"), v6 = address("2001:db8:1:2:3:4:567:89ab");
	char zone[240];
	(void)state;
	assert_true(dns_name_listed_ip(&v4, literally("Bad.example.com"), &n));
	assert_slice(dns_name_slice(&n), "99.2.0.192.bad.example.com");
	assert_true(dns_name_listed_ip(&v6, literally("ugly.example.com."), &n));
	assert_slice(
		dns_name_slice(&n), "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com");
	assert_true(dns_name_listed_domain(literally("Sender.Example."), literally("dbl.example"), &n));
	assert_slice(dns_name_slice(&n), "sender.example.dbl.example");
	assert_false(dns_name_listed_domain(literally(""), literally("dbl.example"), &n));
	assert_false(dns_name_listed_domain(literally("x"), literally(""), &n));
	assert_false(dns_name_listed_domain(literally("a..b"), literally("dbl.example"), &n));
	assert_false(dns_name_listed_ip(&v4, literally(""), &n));
	for (size_t i = 0; i < sizeof zone; i++)
		zone[i] = i % 2 ? '.' : 'a';
	assert_false(dns_name_listed_ip(&v6, slice_of(zone, sizeof zone), &n));
	assert_false(dns_name_listed_domain(slice_of(zone, 239), slice_of(zone, 239), &n));
}

static void names_go_over_the_wire_and_back(void **state)
{
	static const char *const names[] = { "", "a", "mail.example.com", "\x01\x02.\xff" };
	uint8_t wire[DNS_WIRE_MAX];
	struct dns_name n, back;
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_true(dns_name_parse(literally(names[i]), &n));
		assert_int_equal(dns_name_to_wire(&n, wire), n.n ? n.n + 2 : 1);
		dns_name_from_wire(wire, &back);
		assert_slice(dns_name_slice(&back), names[i]);
	}
	char much[253];
	for (size_t i = 0; i < sizeof much; i++)
		much[i] = i % 2 ? '.' : 'a';
	assert_true(dns_name_parse(slice_of(much, sizeof much), &n));
	assert_int_equal(dns_name_to_wire(&n, wire), DNS_WIRE_MAX);
}

static void a_dot_in_a_label_is_no_dot_between_labels(void **state)
{
	struct dns_name n;
	(void)state;
	dns_name_from_wire((const uint8_t *)"\x0bmail.google\x03"
					    "COM",
		&n);
	assert_slice(dns_name_slice(&n), "mail\\google.com");
	assert_false(dns_name_is_host(dns_name_slice(&n)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_lower_case_without_their_last_dot),
		cmocka_unit_test(lengths_are_held_to),
		cmocka_unit_test(empty_labels_are_no_names),
		cmocka_unit_test(a_host_name_has_host_bytes_only),
		cmocka_unit_test(addresses_are_spelled_backward),
		cmocka_unit_test(lists_are_asked_by_address_and_domain),
		cmocka_unit_test(names_go_over_the_wire_and_back),
		cmocka_unit_test(a_dot_in_a_label_is_no_dot_between_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
