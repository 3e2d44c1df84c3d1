/* Several workers, two groups of backends, and reloads that move a domain from one group to the other meanwhile. */
#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

enum { WORKERS = 3, MAILS = 60, RELOADS = 40 };

struct worker {
	struct rig rig; /* its loop and relay */
	pthread_t thread;
	unsigned number;
	int open, ok;
};

static struct rig g;	/* main, and what the workers share */
static struct rig shop; /* the settings of the group, its fake backend */
static struct slice both[2] = { SLICE_INIT("example.test"), SLICE_INIT("shop.test") };
static atomic_int reading, running; /* which of the settings; workers that are not done */
static pthread_barrier_t together;

/* With the group, or its domain among main's own. */
static const struct relay_config *settings(bool grouped)
{
	static struct relay_config c;
	c = g.config;
	c.groups = &shop.config;
	c.groups_n = grouped;
	c.domains = both;
	c.domains_n = grouped ? 1 : 2;
	return &c;
}

static void begin(const struct fake_rule *shops)
{
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
	rig_init(&shop, fake_start(FAKE_NO_XCLIENT, shops, shops ? 1 : 0));
	shop.config.group = SLICE("shop");
	shop.domains[0] = SLICE("shop.test");
	g.shared = relay_shared_new(settings(true));
	assert_non_null(g.shared);
	reading = 0;
	running = WORKERS;
	pthread_barrier_init(&together, NULL, WORKERS);
}

static void end(void)
{
	unsigned waiting, open, limit;
	relay_shared_load(g.shared, &waiting, &open, &limit);
	assert_int_equal(waiting, 0);
	assert_int_equal(open, 0);
	relay_shared_free(&g.shared);
	fake_stop(g.fake);
	fake_stop(shop.fake);
	pthread_barrier_destroy(&together);
}

static void hear(struct worker *w)
{
	struct relay_done d;
	for (; relay_pop(w->rig.relay, &d); w->open--)
		w->ok += d.code == 250;
}

static void bring(struct worker *w, const char *ip, const char *rcpt)
{
	struct relay_mail *m = rig_mail(&w->rig, ip, "a@b.test", rcpt, "x\r\n");
	if (!relay_deliver(w->rig.relay, m, clock_mono_ms()))
		abort();
	w->open++;
}

static void worker_begin(struct worker *w)
{
	w->rig.loop = net_loop_new();
	if (!w->rig.loop || !net_wake_init(&w->rig.wake, w->rig.loop))
		abort();
	w->rig.relay = relay_new(w->rig.shared, w->rig.loop, &w->rig.wake, w->number, clock_mono_ms());
	pthread_barrier_wait(&together);
}

static void worker_end(struct worker *w)
{
	atomic_fetch_sub(&running, 1);
	while (atomic_load(&running))
		rig_turn(&w->rig, 20);
	pthread_barrier_wait(&together);
	relay_free(&w->rig.relay);
	pthread_barrier_wait(&together);
	net_wake_close(&w->rig.wake, w->rig.loop);
	net_loop_free(&w->rig.loop);
}

/* A mail to each of the groups in turn, and a question now and then. */
static void *work(void *arg)
{
	struct worker *w = arg;
	char rcpt[40];
	int has_read = 0;
	worker_begin(w);
	for (int i = 0; i < MAILS || w->open; i++) {
		int now = atomic_load(&reading);
		if (now != has_read)
			relay_configure(w->rig.relay, clock_mono_ms());
		has_read = now;
		if (i < MAILS)
			bring(w, "192.0.2.1", i % 2 ? "u@shop.test" : "u@example.test");
		snprintf(rcpt, sizeof rcpt, "u%u-%d@shop.test", w->number, i);
		struct relay_done d;
		bool known = true;
		if (i < MAILS && i % 5 == 0)
			rig_ask(&w->rig, "192.0.2.2", rcpt, &d, &known);
		w->open += !known;
		rig_turn(&w->rig, 2);
		hear(w);
	}
	worker_end(w);
	return NULL;
}

static void run(struct worker workers[WORKERS], bool reloads)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .rig = g, .number = i };
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	struct relay_backend_info info[4];
	for (int i = 0; i < RELOADS && atomic_load(&running) == WORKERS; i++) {
		assert_in_range(relay_shared_info(g.shared, clock_mono_ms(), info, 4), 1, 2);
		if (reloads && !relay_shared_configure(g.shared, settings(i % 2)))
			fail_msg("the settings are refused");
		atomic_fetch_add(&reading, reloads);
		nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
}

static int mails_to(struct fake *f, const char *domain)
{
	int n = 0;
	for (int i = 0; i < f->mails_n; i++)
		n += strstr(f->mails[i].rcpts, domain) != NULL;
	return n;
}

static void each_group_has_its_mails(void **state)
{
	(void)state;
	struct worker workers[WORKERS];
	begin(NULL);
	run(workers, false);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(workers[i].ok, MAILS + MAILS / 5);
	assert_int_equal(mails_to(g.fake, "example.test"), WORKERS * MAILS / 2);
	assert_int_equal(mails_to(shop.fake, "shop.test"), WORKERS * MAILS / 2);
	assert_int_equal(fake_mails(g.fake) + fake_mails(shop.fake), WORKERS * MAILS);
	end();
}

static void reloads_lose_nothing(void **state)
{
	(void)state;
	struct worker workers[WORKERS];
	begin(NULL);
	run(workers, true);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(workers[i].ok, MAILS + MAILS / 5);
	assert_int_equal(mails_to(g.fake, "example.test"), WORKERS * MAILS / 2);
	assert_int_equal(mails_to(shop.fake, "example.test"), 0);
	assert_int_equal(fake_mails(g.fake) + fake_mails(shop.fake), WORKERS * MAILS);
	assert_in_range(mails_to(g.fake, "shop.test"), 1, WORKERS * MAILS / 2); /* while the domain was main's */
	end();
}

/* The group's backends hang at each recipient; main's mails do not wait, and the group's get their answer. */
static void trouble_of_one_is_its_own(void **state)
{
	(void)state;
	begin(&(struct fake_rule){ "RCPT", FAKE_STALL, NULL, 0, 0 });
	struct worker w = { .rig = g };
	running = 1;
	pthread_barrier_destroy(&together);
	pthread_barrier_init(&together, NULL, 1);
	worker_begin(&w);
	for (int i = 0; i < 20; i++)
		bring(&w, "192.0.2.1", "u@shop.test");
	uint64_t began = clock_mono_ms();
	for (int i = 0; i < 20; i++)
		bring(&w, "192.0.2.1", "u@example.test");
	while (w.open > 20 && clock_mono_ms() < began + 5000) {
		rig_turn(&w.rig, 20);
		hear(&w);
	}
	assert_int_equal(w.ok, 20);
	relay_on_time(w.rig.relay, clock_mono_ms() + RELAY_ANSWER_WITHIN_MS + 2000);
	hear(&w);
	assert_int_equal(w.open, 0);
	assert_int_equal(w.ok, 20);
	worker_end(&w);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_group_has_its_mails),
		cmocka_unit_test(reloads_lose_nothing),
		cmocka_unit_test(trouble_of_one_is_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
