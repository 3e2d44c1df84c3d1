/* A resolver, its loop and two name servers, all in the test's thread. */
#ifndef TESTS_DNS_RIG_H
#define TESTS_DNS_RIG_H

#include "tests/dns/fake_dns.h"

#include "tests/base/cmocka_setup.h"

#include "base/clock.h"
#include "dns/resolver.h"

enum { TICKET = 7, TIMEOUT_MS = 600 };

extern struct fake_dns fake, second;
extern struct dns_resolver *resolver; /* asks `fake` alone */
extern struct dns_settings settings;  /* to be changed and given to rig_configure() */
extern struct dns_budget *budget;     /* of the next questions; NULL: none */
extern struct net_loop *loop;

int set_up(void **state);
int tear_down(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

void rig_configure(void);
uint64_t stat_of(enum dns_statistic which);
enum dns_asked ask_as(
	uint64_t ticket, enum dns_type type, const char *name, uint64_t within_ms, struct dns_answer *answer_r);
/* One turn of the worker, and one of the servers. */
void turn(void);
void run_ms(uint64_t ms);
/* The next result; a test that waits for more than 10 s has failed. */
struct dns_result next(void);
/* Asks with TICKET and waits. */
struct dns_answer answer_to(enum dns_type type, const char *name);
void assert_found(struct dns_answer a);
void assert_word(struct dns_answer a, const char *word);

#endif
