/* Several name servers: which one is asked, when one is silent, when settings change. */
#include "tests/dns/rig.h"

#include <stdio.h>

static struct ip loopback(void)
{
	struct ip ip;
	assert_true(ip_parse(SLICE("127.0.0.1"), &ip));
	return ip;
}

static void order_follows_silence(void **state)
{
	struct dns_server all[3] = { { loopback(), 1 }, { loopback(), 2 }, { loopback(), 3 } }, list[DNS_SERVERS_MAX];
	struct dns_servers s;
	(void)state;
	dns_servers_init(&s, all, 3, 100, 1000);
	assert_int_equal(dns_servers_find(&s, &all[2].ip, 3), 2);
	assert_int_equal(dns_servers_find(&s, &all[2].ip, 4), 3);
	for (int i = 0; i < DNS_UNHEARD_MAX; i++)
		dns_servers_sent(&s, 0, 50); /* many at once are no silence yet */
	assert_int_equal(dns_servers_look(&s, 100), 0);
	dns_servers_sent(&s, 0, 149);
	assert_int_equal(dns_servers_look(&s, 149), 0);
	dns_servers_sent(&s, 0, 150);
	assert_int_equal(dns_servers_look(&s, 150), 1);
	dns_servers_in_order(&s, list);
	assert_int_equal(list[0].port, 2);
	assert_int_equal(list[2].port, 1);
	assert_int_equal(dns_servers_look(&s, 1149), 1);
	assert_int_equal(dns_servers_look(&s, 1150), 2); /* tried again */
	dns_servers_in_order(&s, list);
	assert_int_equal(list[0].port, 1);
	dns_servers_sent(&s, 3, 0); /* no one's */
	dns_servers_heard(&s, 3);
}

static void a_word_ends_silence(void **state)
{
	struct dns_server all[2] = { { loopback(), 1 }, { loopback(), 2 } }, list[DNS_SERVERS_MAX];
	struct dns_servers s;
	(void)state;
	dns_servers_init(&s, all, 2, 100, 1000);
	for (uint64_t ms = 0; ms < 20; ms++) {
		dns_servers_sent(&s, 0, ms * 50);
		if (ms % 4 == 3)
			dns_servers_heard(&s, 0);
	}
	assert_int_equal(dns_servers_look(&s, 1000), 0);
	for (uint64_t ms = 0; ms < 20; ms++)
		dns_servers_sent(&s, 0, 1000 + ms * 50);
	assert_int_equal(dns_servers_look(&s, 1950), 1);
	dns_servers_heard(&s, 0);
	dns_servers_in_order(&s, list);
	assert_int_equal(list[0].port, 1);
	assert_int_equal(dns_servers_look(&s, 1950), 2);
}

/* ---- servers ----------------------------------------------------------------------------------- */

static void with_servers(const struct dns_server *a, const struct dns_server *b)
{
	settings.channel.servers[0] = *a;
	settings.channel.servers[1] = *b;
	settings.channel.servers_n = 2;
	rig_configure();
}

static void the_next_server_is_asked(void **state)
{
	static const char *const names[] = { "servfail.example", "refused.example" };
	(void)state;
	with_servers(&fake.address, &second.address);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(answer_to(DNS_A, names[i]).status, DNS_FAILED);
	assert_true(second.udp_asked >= 2);
	fake.dead = true;
	assert_found(answer_to(DNS_A, "good.example"));
}

static void nobody_listens(void **state)
{
	struct dns_server nobody = fake.address;
	struct fake_dns third;
	uint64_t begin = clock_mono_ms();
	(void)state;
	fake_open(&third);
	fake_close(&third); /* a port that was free a moment ago */
	nobody.port = third.address.port;
	with_servers(&nobody, &nobody);
	assert_word(answer_to(DNS_A, "good.example"), "unreachable");
	assert_in_range(clock_mono_ms() - begin, 0, TIMEOUT_MS * 5);
	settings.channel.servers_n = 0;
	rig_configure();
	assert_word(answer_to(DNS_A, "good2.example"), "unreachable");
}

static void a_silent_server_is_asked_last(void **state)
{
	char name[40];
	(void)state;
	with_servers(&fake.address, &second.address);
	fake.dead = true;
	for (int i = 0; i < 2 * DNS_UNHEARD_MAX; i++) {
		snprintf(name, sizeof name, "good%d.example", i);
		assert_found(answer_to(DNS_A, name));
	}
	unsigned asked = fake.udp_asked;
	uint64_t begin = clock_mono_ms();
	assert_in_range(asked, DNS_UNHEARD_MAX, DNS_UNHEARD_MAX + 2);
	for (int i = 100; i < 120; i++) {
		snprintf(name, sizeof name, "good%d.example", i);
		assert_found(answer_to(DNS_A, name));
	}
	assert_int_equal(fake.udp_asked, asked);
	assert_in_range(clock_mono_ms() - begin, 0, 2000);
	fake.dead = false;
	run_ms(settings.channel.retest_ms);
	assert_found(answer_to(DNS_A, "good999.example"));
	assert_true(fake.udp_asked > asked);
}

static void channels_are_replaced(void **state)
{
	struct dns_answer a;
	char name[40];
	(void)state;
	settings.channel.timeout_ms = 60000;
	rig_configure();
	assert_int_equal(ask_as(1, DNS_A, "late.example", 60000, &a), DNS_ASKED); /* keeps its socket busy */
	for (int i = 0; i < DNS_CHANNEL_QUERIES + 5; i++) {
		snprintf(name, sizeof name, "good%d.example", i);
		if (i == DNS_CHANNEL_QUERIES - 2)
			assert_int_equal(fake.ports, 1);
		assert_found(answer_to(DNS_A, name));
	}
	assert_true(fake.ports > 1);
	fake_late(&fake); /* the old one still hears */
	assert_found(next().answer);
}

static void new_settings_are_taken_on(void **state)
{
	struct dns_answer a;
	(void)state;
	assert_found(answer_to(DNS_A, "good.example"));
	assert_int_equal(ask_as(1, DNS_A, "late.example", 5000, &a), DNS_ASKED);
	turn();
	settings.channel.servers[0] = second.address;
	rig_configure();
	assert_int_equal(ask_as(1, DNS_A, "good.example", 1000, &a), DNS_KNOWN); /* the cache is kept */
	assert_found(answer_to(DNS_A, "good2.example"));
	assert_int_equal(second.udp_asked, 1);
	fake_turn(&fake);
	fake_late(&fake); /* what was under way ends where it began */
	assert_found(next().answer);
	settings.cache_entries = 10;
	rig_configure();
	assert_int_equal(stat_of(DNS_STAT_CACHED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_follows_silence),
		cmocka_unit_test(a_word_ends_silence),
		TEST(the_next_server_is_asked),
		TEST(nobody_listens),
		TEST(a_silent_server_is_asked_last),
		TEST(channels_are_replaced),
		TEST(new_settings_are_taken_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
