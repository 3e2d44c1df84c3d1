#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "tests/relay/rig.h"

uint64_t rig_now(const struct rig *g)
{
	return clock_mono_ms() + g->ahead_ms;
}

void rig_add_backend(struct rig *g, uint16_t port)
{
	size_t i = g->config.backends_n++;
	const char *why;
	const char *scheme = g->fake && g->fake->lmtp ? "lmtp" : "smtp";
	snprintf(g->names[i], sizeof g->names[i], "%s://127.0.0.1:%u", scheme, port);
	assert_true(relay_target_parse(slice_str(g->names[i]), &g->targets[i], &why));
}

void rig_init(struct rig *g, struct fake *f)
{
	*g = (struct rig){
		.fake = f, .domains = { SLICE_INIT("example.test") }, .unknown_user = { 550 }, .next_ticket = 1
	};
	g->config = (struct relay_config){
		.hostname = SLICE("mx.test"),
		.backends = g->targets,
		.identity = RELAY_NONE,
		.connections = 4,
		.idle_ms = 60000,
		.domains = g->domains,
		.domains_n = 1,
		.ask_backend = true,
		.recipient_ok_ms = 3600000,
		.recipient_bad_ms = 600000,
		.unknown_user = g->unknown_user,
		.unknown_user_n = 1,
		.cache_bytes = 1 << 16,
		.remember = 1000,
	};
	if (f)
		rig_add_backend(g, f->port);
}

void rig_start(struct rig *g)
{
	g->shared = relay_shared_new(&g->config);
	assert_non_null(g->shared);
	if (g->state)
		relay_shared_open(g->shared, g->state, 1);
	g->loop = net_loop_new();
	assert_non_null(g->loop);
	assert_true(net_wake_init(&g->wake, g->loop));
	g->relay = relay_new(g->shared, g->loop, &g->wake, 0, rig_now(g));
	assert_non_null(g->relay);
}

void rig_stop(struct rig *g)
{
	relay_free(&g->relay);
	net_wake_close(&g->wake, g->loop);
	net_loop_free(&g->loop);
	relay_shared_free(&g->shared);
	if (g->fake)
		fake_stop(g->fake);
}

enum { TURN_MS = 5, QUIET_MS = 50, BUSY_MS = 5000 };

bool rig_turn(struct rig *g, int max_ms)
{
	bool busy = false;
	int sleep = relay_sleep_ms(g->relay, rig_now(g));
	net_loop_wait(g->loop, sleep >= 0 && sleep < max_ms ? sleep : max_ms);
	struct net_io *io;
	unsigned events;
	while ((io = net_loop_next(g->loop, &events))) {
		busy = true;
		if (io->owner == NET_OWNER_RELAY) {
			relay_on_io(g->relay, io, events, rig_now(g));
		} else {
			net_wake_clear(&g->wake);
			relay_on_wake(g->relay, rig_now(g));
		}
	}
	relay_on_time(g->relay, rig_now(g));
	return busy;
}

void rig_run(struct rig *g, int ms)
{
	int want = (ms < QUIET_MS ? ms : QUIET_MS) / TURN_MS, quiet = 0;
	for (uint64_t end = clock_mono_ms() + (uint64_t)ms, now; (now = clock_mono_ms()) < end + BUSY_MS;) {
		if (now >= end && quiet >= want && (!g->fake || fake_is_quiet(g->fake)) && !rig_turn(g, 0))
			break;
		quiet = rig_turn(g, TURN_MS) ? 0 : quiet + 1;
	}
}

void rig_pass(struct rig *g, uint64_t ms)
{
	g->ahead_ms += ms;
	relay_on_time(g->relay, rig_now(g));
	rig_turn(g, 0);
}

struct slice rig_text(const struct relay_done *d)
{
	return slice_of(d->text, d->text_n);
}

void rig_assert_starts(const struct relay_done *d, unsigned code, const char *want)
{
	if (d->code != code || !slice_starts(rig_text(d), slice_str(want)))
		fail_msg("answer is %u %.*s", d->code, SLICE_ARG(rig_text(d)));
}

void rig_assert_each_once(const struct rig *g)
{
	assert_int_equal(fake_mails_for(g->fake, "<a@"), 1);
	assert_int_equal(fake_mails_for(g->fake, "<b@"), 1);
	assert_int_equal(fake_mails_for(g->fake, "<c@"), 1);
}

bool rig_pop(struct rig *g, struct relay_done *done_r)
{
	return relay_pop(g->relay, done_r);
}

struct relay_done rig_wait(struct rig *g, uint64_t ticket)
{
	struct relay_done d;
	for (uint64_t end = clock_mono_ms() + 10000; clock_mono_ms() < end; rig_turn(g, 20))
		while (relay_pop(g->relay, &d))
			if (d.ticket == ticket) {
				relay_on_time(g->relay, rig_now(g)); /* the turn in which the client hears it */
				return d;
			}
	fail_msg("no answer");
	return d;
}

struct relay_client rig_client(const char *ip)
{
	struct relay_client c = { .port = 4321, .helo = SLICE("client.test"), .proto = SLICE("ESMTP") };
	assert_true(ip_parse(slice_str(ip), &c.ip));
	return c;
}

struct relay_mail *rig_mail(struct rig *g, const char *client, const char *from, const char *rcpts, const char *body)
{
	/* left to the end of the program: a mail must live as long as its question */
	static struct {
		struct relay_mail mail;
		struct rope_block body;
		struct slice rcpts[8];
	} pool[4096];
	static _Atomic unsigned used;
	unsigned i = used++ % 4096;
	struct relay_mail *m = &pool[i].mail;
	struct slice *list = pool[i].rcpts;
	*m = (struct relay_mail){
		.client = rig_client(client), .sender = slice_str(from), .rcpts = list, .ticket = g->next_ticket++
	};
	pool[i].body = (struct rope_block){ .bytes = slice_str(body) };
	m->body = (struct relay_body){ .head = SLICE("Received: by mx.test\r\n"), .mem = &pool[i].body, .fd = -1 };
	for (struct slice rest = slice_str(rcpts); rest.n;)
		list[m->rcpts_n++] = slice_cut(&rest, ',');
	return m;
}

struct relay_done rig_deliver(struct rig *g, const char *client, const char *rcpts)
{
	struct relay_mail *m = rig_mail(g, client, "from@a.test", rcpts, "Subject: x\r\n\r\nhello\r\n.dot\r\n");
	assert_true(relay_deliver(g->relay, m, rig_now(g)));
	return rig_wait(g, m->ticket);
}

uint64_t rig_ask(struct rig *g, const char *client, const char *rcpt, struct relay_done *done_r, bool *known_r)
{
	struct relay_client c = rig_client(client);
	uint64_t ticket = g->next_ticket++;
	*known_r = relay_check_rcpt(g->relay, &c, SLICE("from@a.test"), 0, slice_str(rcpt), ticket, rig_now(g),
			   done_r) == RELAY_KNOWN;
	return ticket;
}

struct relay_done rig_check(struct rig *g, const char *client, const char *rcpt)
{
	struct relay_done d;
	bool known;
	uint64_t ticket = rig_ask(g, client, rcpt, &d, &known);
	return known ? d : rig_wait(g, ticket);
}
