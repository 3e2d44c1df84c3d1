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
	bool probes, in_time;
	uint64_t think_ms;
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

static void worker_begin(struct worker *w)
{
	w->rig.loop = net_loop_new();
	if (!w->rig.loop || !net_wake_init(&w->rig.wake, w->rig.loop))
		abort();
	w->rig.relay = relay_new(w->rig.shared, w->rig.loop, &w->rig.wake, w->number, clock_mono_ms());
	pthread_barrier_wait(&begun);
}

static void worker_end(struct worker *w)
{
	/* idle ones must be given up when others hunger, so keep turning until all are done */
	atomic_fetch_sub(w->running, 1);
	while (atomic_load(w->running))
		rig_turn(&w->rig, 20);
	pthread_barrier_wait(&begun); /* a wake may still be rung until all have ended */
	relay_free(&w->rig.relay);
	pthread_barrier_wait(&begun);
	net_wake_close(&w->rig.wake, w->rig.loop);
	net_loop_free(&w->rig.loop);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t asked[1000];
	int open = 0;
	char rcpt[40];
	worker_begin(w);
	for (int i = 0; i < w->mails; i++) {
		char ip[24];
		snprintf(ip, sizeof ip, "192.0.2.%d", i % 10 + 1);
		snprintf(rcpt, sizeof rcpt, "u%u-%d@example.test", w->number, i);
		struct relay_mail *m = rig_mail(&w->rig, ip, "a@b.test", "u@example.test", "x\r\n");
		asked[m->ticket % 1000] = clock_mono_ms();
		struct relay_done d;
		if (w->probes && i % 2) {
			if (relay_check_rcpt(w->rig.relay, &m->client, m->sender, 0, slice_str(rcpt), m->ticket,
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
	worker_end(w);
	return NULL;
}

static void start(unsigned connections, int delay_ms)
{
	struct fake_rule slow = { ".", FAKE_SAY, "250 2.0.0 Ok\r\n", 0, delay_ms };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &slow, 1));
	g.config.connections = connections;
	g.shared = relay_shared_new(&g.config);
	assert_non_null(g.shared);
}

/* What a worker does. */
struct role {
	void *(*how)(void *);
	int mails;
	bool probes;
	uint64_t think_ms;
};

static void run_workers(unsigned n, const struct role roles[])
{
	atomic_int running = (int)n;
	pthread_barrier_init(&begun, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		workers[i] = (struct worker){ .rig = g,
			.number = i,
			.mails = roles[i].mails,
			.probes = roles[i].probes,
			.think_ms = roles[i].think_ms,
			.running = &running };
		pthread_create(&workers[i].thread, NULL, roles[i].how, &workers[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begun);
}

static void finish(unsigned n, unsigned connections)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(workers[i].ok, workers[i].mails);
	unsigned waiting, open, limit;
	relay_shared_load(g.shared, &waiting, &open, &limit);
	assert_int_equal(waiting, 0);
	assert_int_equal(open, 0);
	assert_int_equal(limit, connections);
	assert_in_range(g.fake->most_open, 1, connections + 1); /* one may be saying goodbye */
	relay_shared_free(&g.shared);
	fake_stop(g.fake);
}

static void run(unsigned connections, const int mails[WORKERS], bool probes, int delay_ms)
{
	start(connections, delay_ms);
	struct role roles[WORKERS];
	for (int i = 0; i < WORKERS; i++)
		roles[i] = (struct role){ work, mails[i], probes, 0 };
	run_workers(WORKERS, roles);
	finish(WORKERS, connections);
}

/* ---- clients that come and go ---- */

enum { TALKERS = 3, TALKS = 120 };

/* Each of a worker's clients brings a mail, waits for the answer, thinks a little, and so on. */
struct talk {
	struct worker *w;
	int clients, rounds;
	uint64_t due_ms[TALKERS], asked_ms[TALKERS], ticket[TALKERS];
};

static int talk_once(struct talk *t, int most)
{
	int brought = 0;
	for (int i = 0; i < t->clients && brought < most; i++) {
		if (t->ticket[i] || clock_mono_ms() < t->due_ms[i])
			continue;
		struct relay_mail *m = rig_mail(&t->w->rig, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
		if (!relay_deliver(t->w->rig.relay, m, clock_mono_ms()))
			abort();
		t->ticket[i] = m->ticket;
		t->asked_ms[i] = clock_mono_ms();
		brought++;
	}
	return brought;
}

static int hear(struct talk *t)
{
	struct relay_done d;
	int heard = 0;
	for (; relay_pop(t->w->rig.relay, &d); heard++)
		for (int i = 0; i < t->clients; i++)
			if (t->ticket[i] == d.ticket) {
				uint64_t now = clock_mono_ms(), took = now - t->asked_ms[i];
				t->w->slowest_ms = took > t->w->slowest_ms ? took : t->w->slowest_ms;
				t->w->ok += d.code == 250;
				uint64_t think = t->w->think_ms;
				t->due_ms[i] = now + think + (think ? (d.ticket * 7 + (uint64_t)i * 3) % think : 0);
				t->ticket[i] = 0;
			}
	return heard;
}

static void *talk(void *arg)
{
	struct talk t = { .w = arg };
	t.clients = t.w->number == 0 ? 3 : 2;
	worker_begin(t.w);
	for (int brought = 0, heard = 0; heard < t.w->mails;) {
		brought += talk_once(&t, t.w->mails - brought);
		rig_turn(&t.w->rig, 1);
		heard += hear(&t);
	}
	worker_end(t.w);
	return NULL;
}

/* Five clients on two workers use three connections: none of the workers takes the other's at each pause. */
static void connections_rest_with_their_worker(void **state)
{
	(void)state;
	const struct role roles[] = { { talk, TALKS * 3 / 5, false, 6 }, { talk, TALKS * 2 / 5, false, 6 } };
	start(3, 10);
	run_workers(2, roles);
	assert_in_range(g.fake->conns, 2, 12); /* 3 or 4 are usual, without patience it is 40 */
	finish(2, 3);
}

/* Its one connection hangs while another worker has always work for its own two. */
static void *stuck(void *arg)
{
	struct worker *w = arg;
	worker_begin(w);
	struct relay_mail *first = rig_mail(&w->rig, "192.0.2.8", "a@b.test", "stuck@example.test", "x\r\n");
	struct relay_mail *next = rig_mail(&w->rig, "192.0.2.9", "a@b.test", "u@example.test", "x\r\n");
	if (!relay_deliver(w->rig.relay, first, clock_mono_ms()))
		abort();
	rig_run(&w->rig, 50);
	if (!relay_deliver(w->rig.relay, next, clock_mono_ms()))
		abort();
	w->ok = rig_wait(&w->rig, next->ticket).code == 250;
	w->in_time = atomic_load(w->running) == 2;
	relay_cancel(w->rig.relay, first->ticket, clock_mono_ms());
	worker_end(w);
	return NULL;
}

static void a_stuck_connection_starves_nobody(void **state)
{
	(void)state;
	const struct role roles[] = { { talk, 400, false, 0 }, { stuck, 1, false, 0 } };
	start(3, 5);
	fake_set_rule(g.fake, 1, (struct fake_rule){ "RCPT TO:<stuck", FAKE_STALL, NULL, 0, 0 });
	run_workers(2, roles);
	assert_true(workers[1].in_time);
	finish(2, 3);
}

/* With nobody else at work a connection that rests elsewhere is had at once. */
static void *late(void *arg)
{
	struct worker *w = arg;
	worker_begin(w);
	rig_run(&w->rig, 300);
	struct relay_mail *m = rig_mail(&w->rig, "192.0.2.9", "a@b.test", "u@example.test", "x\r\n");
	uint64_t now = clock_mono_ms();
	if (!relay_deliver(w->rig.relay, m, now))
		abort();
	w->ok = rig_wait(&w->rig, m->ticket).code == 250;
	w->slowest_ms = clock_mono_ms() - now;
	worker_end(w);
	return NULL;
}

static void a_resting_connection_is_had_at_once(void **state)
{
	(void)state;
	const struct role roles[] = { { talk, 20, false, 0 }, { late, 1, false, 0 } };
	start(1, 0);
	run_workers(2, roles);
	assert_in_range(workers[1].slowest_ms, 0, 500); /* some ms; much more where a machine is slow */
	finish(2, 1);
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_connections),
		cmocka_unit_test(fewer_connections_than_workers),
		cmocka_unit_test(connections_rest_with_their_worker),
		cmocka_unit_test(a_stuck_connection_starves_nobody),
		cmocka_unit_test(a_resting_connection_is_had_at_once),
		cmocka_unit_test(a_busy_worker_does_not_starve_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
