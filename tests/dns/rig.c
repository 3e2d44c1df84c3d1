#include "tests/dns/rig.h"

#include "base/mem.h"
#include "net/loop.h"

struct fake_dns fake, second;
struct net_loop *loop;
struct dns_resolver *resolver;
struct dns_settings settings;
struct dns_budget *budget;

int set_up(void **state)
{
	(void)state;
	fake_open(&fake);
	fake_open(&second);
	loop = net_loop_new();
	assert_non_null(loop);
	settings = (struct dns_settings){ .channel = { .servers = { fake.address },
						  .servers_n = 1,
						  .timeout_ms = TIMEOUT_MS,
						  .tries = 2,
						  .retest_ms = 1000 },
		.cache_entries = 1000 };
	resolver = dns_resolver_new(&settings, loop, clock_mono_ms());
	assert_non_null(resolver);
	budget = NULL;
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	mem_fail_after(-1);
	dns_resolver_free(&resolver);
	net_loop_free(&loop);
	fake_close(&fake);
	fake_close(&second);
	return 0;
}

void rig_configure(void)
{
	dns_resolver_configure(resolver, &settings, clock_mono_ms());
}

uint64_t stat_of(enum dns_statistic which)
{
	return dns_resolver_stat(resolver, which);
}

enum dns_asked ask_as(
	uint64_t ticket, enum dns_type type, const char *name, uint64_t within_ms, struct dns_answer *answer_r)
{
	struct dns_question q = question(type, name);
	uint64_t now_ms = clock_mono_ms();
	const struct dns_asker asker = { .ticket = ticket, .what = 1, .due_ms = now_ms + within_ms, .budget = budget };
	return dns_resolver_ask(resolver, &q, &asker, now_ms, answer_r);
}

void turn(void)
{
	struct net_io *io;
	unsigned events;
	int ms = dns_resolver_sleep_ms(resolver, clock_mono_ms());
	fake_turn(&fake);
	fake_turn(&second);
	net_loop_wait(loop, ms >= 0 && ms < 2 ? ms : 2);
	while ((io = net_loop_next(loop, &events))) {
		assert_int_equal(io->owner, NET_OWNER_DNS);
		dns_resolver_on_io(resolver, io, events, clock_mono_ms());
	}
	dns_resolver_on_time(resolver, clock_mono_ms());
}

struct dns_result next(void)
{
	struct dns_result result;
	for (uint64_t end = clock_mono_ms() + 10000; clock_mono_ms() < end; turn())
		if (dns_resolver_pop(resolver, &result))
			return result;
	fail_msg("no result");
	return (struct dns_result){ 0 };
}

struct dns_answer answer_to(enum dns_type type, const char *name)
{
	struct dns_answer a;
	if (ask_as(TICKET, type, name, TIMEOUT_MS * 10, &a) == DNS_KNOWN)
		return a;
	struct dns_result r = next();
	struct dns_question q = question(type, name);
	assert_int_equal(r.ticket, TICKET);
	assert_int_equal(r.what, 1);
	assert_int_equal(r.question->type, type);
	assert_true(slice_eq(dns_name_slice(&r.question->name), dns_name_slice(&q.name)));
	return r.answer;
}

void assert_found(struct dns_answer a)
{
	assert_string_equal(dns_answer_word(&a), "found");
}

void assert_word(struct dns_answer a, const char *word)
{
	assert_string_equal(dns_answer_word(&a), word);
}

void run_ms(uint64_t ms)
{
	for (uint64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;)
		turn();
}
