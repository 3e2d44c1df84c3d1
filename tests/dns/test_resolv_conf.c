/* resolv.conf(5): the lines that count, and what stands beside them. */
#include "tests/base/cmocka_setup.h"

#include "dns/resolv_conf.h"

static struct dns_server servers[DNS_SERVERS_MAX];

static void assert_server(size_t which, const char *ip)
{
	char text[IP_TEXT];
	ip_format(&servers[which].ip, text);
	assert_string_equal(text, ip);
	assert_int_equal(servers[which].port, 53);
}

static void name_servers_are_found(void **state)
{
	(void)state;
	assert_int_equal(dns_resolv_conf_read(SLICE("# made by dhclient\n"
						    "domain example.com\n"
						    "search example.com example.net\n"
						    "nameserver 192.0.2.53\n"
						    "nameserver\t2001:db8::53   # the second\n"
						    " nameserver 192.0.2.54\r\n"
						    "options timeout:1 edns0\n"
						    "nameserver 192.0.2.55"),
				 servers),
		4);
	assert_server(0, "192.0.2.53");
	assert_server(1, "2001:db8::53");
	assert_server(2, "192.0.2.54");
	assert_server(3, "192.0.2.55");
}

static void what_is_none_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(dns_resolv_conf_read(SLICE("#nameserver 192.0.2.1\n"
						    ";nameserver 192.0.2.2\n"
						    "nameservers 192.0.2.3\n"
						    "nameserver\n"
						    "nameserver dns.example\n"
						    "nameserver fe80::1%eth0\n"
						    "nameserver 192.0.2.9\n"
						    "nameserver 192.0.2.9\n"),
				 servers),
		1);
	assert_server(0, "192.0.2.9");
}

static void without_any_it_is_this_host(void **state)
{
	(void)state;
	assert_int_equal(dns_resolv_conf_read(SLICE(""), servers), 0);
	assert_int_equal(dns_resolv_conf_read(SLICE("search example\n\n\n"), servers), 0);
	assert_int_equal(dns_resolv_conf_default(servers), 1);
	assert_server(0, "127.0.0.1");
}

static void there_are_not_too_many(void **state)
{
	char text[20 * 24], *to = text;
	(void)state;
	for (int i = 0; i < 20; i++) {
		memcpy(to, "nameserver 192.0.2.1x\n", 22);
		to[20] = (char)('0' + i % 10);
		to[19] = (char)('1' + i / 10);
		to += 22;
	}
	assert_int_equal(dns_resolv_conf_read(slice_of(text, (size_t)(to - text)), servers), DNS_SERVERS_MAX);
	assert_server(7, "192.0.2.17");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_servers_are_found),
		cmocka_unit_test(what_is_none_is_left_out),
		cmocka_unit_test(without_any_it_is_this_host),
		cmocka_unit_test(there_are_not_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
