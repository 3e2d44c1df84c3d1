#include "tests/base/cmocka_setup.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip.h"

static struct ip ip(const char *text)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	return ip;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_true(ip_prefix_parse(slice_str(text), &p));
	return p;
}

static void texts_and_their_canonical_form(void **state)
{
	(void)state;
	static const char *const PAIRS[][2] = {
		{ "192.0.2.1", "192.0.2.1" }, { "0.0.0.0", "0.0.0.0" }, { "255.255.255.255", "255.255.255.255" },
		{ "::ffff:192.0.2.1", "192.0.2.1" }, { "::FFFF:C000:201", "192.0.2.1" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "::", "::" }, { "::1", "::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
		struct ip parsed = ip(PAIRS[i][0]);
		char text[IP_TEXT];
		assert_int_equal(ip_format(&parsed, text), strlen(PAIRS[i][1]));
		assert_string_equal(text, PAIRS[i][1]);
	}
}

static void what_is_no_address(void **state)
{
	(void)state;
	static const char *const BAD[] = { "", "1", "192.0.2", "192.0.2.256", "192.0.2.1 ", " 192.0.2.1", "192.0.2.1.5",
		"0x7f.0.0.1", "1.2.3.4/32", "[::1]", "fe80::1%eth0", ":::", "1::2::3", "12345::", "2001:db8::g",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555555555555555555555555" };
	struct ip out;
	for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
		assert_false(ip_parse(slice_str(BAD[i]), &out));
	assert_false(ip_parse(SLICE("192.0.2.1\0"), &out));
	assert_false(ip_parse(SLICE("192.0.2.1\0x"), &out));
}

/* The slice ends where its length says, whatever stands behind. */
static void bytes_behind_the_slice_do_not_count(void **state)
{
	(void)state;
	struct ip out, wanted = ip("192.0.2.1");
	assert_true(ip_parse(slice_of("192.0.2.123", 9), &out));
	assert_memory_equal(&out, &wanted, sizeof out);
}

static void kinds(void **state)
{
	(void)state;
	struct ip v4 = ip("127.0.0.2"), mapped = ip("::ffff:127.0.0.2"), v6 = ip("::1"), far = ip("128.0.0.1");
	assert_memory_equal(&v4, &mapped, sizeof v4);
	assert_true(ip_is_v4(&v4));
	assert_false(ip_is_v4(&v6));
	assert_true(ip_is_loopback(&v4));
	assert_true(ip_is_loopback(&v6));
	assert_false(ip_is_loopback(&far));
	struct ip other = ip("::2"), compatible = ip("::127.0.0.1");
	assert_false(ip_is_loopback(&other));
	assert_false(ip_is_v4(&compatible));
	assert_false(ip_is_loopback(&compatible));
}

static void masks_of_every_length(void **state)
{
	(void)state;
	struct ip ones;
	memset(&ones, 0xff, sizeof ones);
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct ip masked = ip_mask(&ones, bits);
		unsigned set = 0;
		for (unsigned i = 0; i < 128; i++) {
			bool bit = masked.b[i / 8] >> (7 - i % 8) & 1;
			assert_int_equal(bit, i < bits);
			set += bit;
		}
		assert_int_equal(set, bits);
	}
}

static void one_client(void **state)
{
	(void)state;
	struct ip v4 = ip("192.0.2.7"), v6 = ip("2001:db8:1:2:3:4:5:6"), net = ip("2001:db8:1:2::");
	struct ip c4 = ip_client(&v4), c6 = ip_client(&v6);
	assert_memory_equal(&c4, &v4, sizeof c4);
	assert_memory_equal(&c6, &net, sizeof c6);
}

static void prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *prefix, *ip;
		bool has;
	} CASES[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },   { "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.64/26", "192.0.2.127", true },  { "192.0.2.64/26", "192.0.2.128", false },
		{ "192.0.2.7", "192.0.2.7", true },        { "192.0.2.7", "192.0.2.6", false },
		{ "0.0.0.0/0", "203.0.113.9", true },      { "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "203.0.113.9", true },           { "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::", false }, { "::1", "::1", true },
		{ "::1/128", "::", false },                { "::ffff:192.0.2.0/120", "192.0.2.9", true },
	};
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		struct ip_prefix p = prefix(CASES[i].prefix);
		struct ip a = ip(CASES[i].ip);
		assert_int_equal(ip_prefix_has(&p, &a), CASES[i].has);
	}
}

static void what_is_no_prefix(void **state)
{
	(void)state;
	static const char *const BAD[] = { "", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1",
		"192.0.2.0/24/24", "192.0.2.0/ 24", "192.0.2.1/24", "2001:db8::1/64", "::/129", "192.0.2.0/4294967320",
		"x/24" };
	struct ip_prefix out;
	for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
		assert_false(ip_prefix_parse(slice_str(BAD[i]), &out));
}

static void a_list_of_prefixes(void **state)
{
	(void)state;
	struct ip_prefix list[] = { prefix("192.0.2.0/24"), prefix("::1") };
	struct ip in = ip("::1"), out = ip("127.0.0.1");
	assert_true(ip_prefixes_have(list, 2, &in));
	assert_false(ip_prefixes_have(list, 1, &in));
	assert_false(ip_prefixes_have(list, 2, &out));
	assert_false(ip_prefixes_have(NULL, 0, &out));
}

static void with_a_port(void **state)
{
	(void)state;
	struct ip out, v4 = ip("127.0.0.1"), v6 = ip("::1");
	uint16_t port;
	assert_true(ip_port_parse(SLICE("127.0.0.1:25"), &out, &port));
	assert_memory_equal(&out, &v4, sizeof out);
	assert_int_equal(port, 25);
	assert_true(ip_port_parse(SLICE("[::1]:65535"), &out, &port));
	assert_memory_equal(&out, &v6, sizeof out);
	assert_int_equal(port, 65535);
	static const char *const BAD[] = { "", ":", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
		"::1:25", "[::1]", "[::1:25", "::1]:25", "[]:25", "127.0.0.1:25:25", "[127.0.0.1:25" };
	for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
		assert_false(ip_port_parse(slice_str(BAD[i]), &out, &port));
}

static void socket_addresses_there_and_back(void **state)
{
	(void)state;
	static const char *const TEXTS[] = { "192.0.2.7", "2001:db8::7" };
	static const int FAMILIES[] = { AF_INET, AF_INET6 };
	static const unsigned SIZES[] = { sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6) };
	for (size_t i = 0; i < 2; i++) {
		struct ip in = ip(TEXTS[i]), out;
		struct sockaddr_storage sa;
		uint16_t port;
		assert_int_equal(ip_to_sockaddr(&in, 2525, &sa), SIZES[i]);
		assert_int_equal(sa.ss_family, FAMILIES[i]);
		ip_from_sockaddr(&sa, &out, &port);
		assert_memory_equal(&in, &out, sizeof in);
		assert_int_equal(port, 2525);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_and_their_canonical_form), cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(bytes_behind_the_slice_do_not_count), cmocka_unit_test(kinds),
		cmocka_unit_test(masks_of_every_length), cmocka_unit_test(one_client), cmocka_unit_test(prefixes),
		cmocka_unit_test(what_is_no_prefix), cmocka_unit_test(a_list_of_prefixes),
		cmocka_unit_test(with_a_port), cmocka_unit_test(socket_addresses_there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
