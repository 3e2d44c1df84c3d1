/* Several workers share one backend's connections. */
#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

enum { WORKERS = 3, MAILS = 60 };

struct worker {
	struct rig rig; /* its loop and relay; shared and fake are the first one's */
	pthread_t thread;
	unsigned number;
	int mails, ok;
	uint64_t slowest_ms;
	bool probes;
	atomic_int *running;
};

static struct rig g;
static struct worker workers[WORKERS];
static pthread_barrier_t begun;

static void take_answers(struct worker *w, uint64_t asked[], int *open)
{
	struct relay_done d;
	while (relay_pop(w->rig.relay, &d)) {
		uint64_t took = clock_mono_ms() - asked[d.ticket % 1000];
		w->slowest_ms = took > w->slowest_ms ? took : w->slowest_ms;
		w->ok += d.code == 250;
		--*open;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t asked[1000];
	int open = 0;
	char rcpt[40];
	w->rig.loop = net_loop_new();
	if (!w->rig.loop || !net_wake_init(&w->rig.wake, w->rig.loop))
		abort();
	w->rig.relay = relay_new(w->rig.shared, w->rig.loop, &w->rig.wake, w->number, clock_mono_ms());
	pthread_barrier_wait(&begun);
	for (int i = 0; i < w->mails; i++) {
		char ip[16];
		snprintf(ip, sizeof ip, "192.0.2.%d", i % 10 + 1);
		snprintf(rcpt, sizeof rcpt, "u%u-%d@example.test", w->number, i);
		struct relay_mail *m = rig_mail(&w->rig, ip, "a@b.test", "u@example.test", "x\r\n");
		asked[m->ticket % 1000] = clock_mono_ms();
		struct relay_done d;
		if (w->probes && i % 2) {
			if (relay_check_rcpt(w->rig.relay, &m->client, m->sender, slice_str(rcpt), m->ticket,
				    clock_mono_ms(), &d) != RELAY_ASKED)
				abort();
		} else if (!relay_deliver(w->rig.relay, m, clock_mono_ms())) {
			abort();
		}
		open++;
		rig_turn(&w->rig, 0);
		take_answers(w, asked, &open);
	}
	while (open > 0) {
		rig_turn(&w->rig, 20);
		take_answers(w, asked, &open);
	}
	/* idle ones must be given up when others hunger, so keep turning until all are done */
	atomic_fetch_sub(w->running, 1);
	while (atomic_load(w->running))
		rig_turn(&w->rig, 20);
	pthread_barrier_wait(&begun); /* a wake may still be rung until all have ended */
	relay_free(&w->rig.relay);
	pthread_barrier_wait(&begun);
	net_wake_close(&w->rig.wake, w->rig.loop);
	net_loop_free(&w->rig.loop);
	return NULL;
}

static void run(unsigned connections, const int mails[WORKERS], bool probes, int delay_ms)
{
	struct fake_rule slow = { ".", FAKE_SAY, "250 2.0.0 Ok\r\n", 0, delay_ms };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &slow, 1));
	g.config.connections = connections;
	g.shared = relay_shared_new(&g.config);
	assert_non_null(g.shared);
	atomic_int running = WORKERS;
	pthread_barrier_init(&begun, NULL, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){
			.rig = g, .number = i, .mails = mails[i], .probes = probes, .running = &running
		};
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begun);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(workers[i].ok, mails[i]);
	unsigned waiting, open, limit;
	relay_shared_load(g.shared, &waiting, &open, &limit);
	assert_int_equal(waiting, 0);
	assert_int_equal(open, 0);
	assert_int_equal(limit, connections);
	assert_in_range(g.fake->most_open, 1, connections + 1); /* one may be saying goodbye */
	relay_shared_free(&g.shared);
	fake_stop(g.fake);
}

static void many_connections(void **state)
{
	(void)state;
	run(12, (const int[]){ MAILS, MAILS, MAILS }, true, 1);
}

static void fewer_connections_than_workers(void **state)
{
	(void)state;
	run(1, (const int[]){ 40, 40, 40 }, true, 1);
	run(2, (const int[]){ 40, 40, 40 }, false, 1);
}

static void a_busy_worker_does_not_starve_another(void **state)
{
	(void)state;
	run(2, (const int[]){ 300, 0, 5 }, false, 5);
	/* all of the busy one's take 750 ms on two connections; the other's must not wait for their end */
	assert_true(workers[2].slowest_ms < workers[0].slowest_ms);
	assert_in_range(workers[2].slowest_ms, 0, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_connections),
		cmocka_unit_test(fewer_connections_than_workers),
		cmocka_unit_test(a_busy_worker_does_not_starve_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
