#include "server/policy.h"
#include "server/pressure.h"
#include "server/talk.h"

/* How often a body is held against limits.min_data_rate; and the time that it has for nothing, at most
 * limits.data_timeout: a network that stutters or a person at a terminal is slow for a while, an attacker all along. */
enum { RATE_EVERY_MS = 5000, RATE_GRACE_MS = 30000 };
/* After limits.session_time a body may only go on at this rate; at the hard stop nothing goes on. */
enum { LATE_RATE = 10 * 1000 };

/* A Postfix that asks keeps its connection for as long as it likes. */
static uint64_t hard_stop_ms(const struct session *s)
{
	if (s->policy)
		return UINT64_MAX;
	return s->opened_ms + s->generation->settings->limits.session_end_ms;
}

static bool is_over(const struct session *s)
{
	return s->worker->now_ms >= hard_stop_ms(s);
}

void deadline_after(struct session *s, uint64_t ms)
{
	struct worker *w = s->worker;
	uint64_t hard = hard_stop_ms(s);
	s->deadline_ms = w->now_ms + ms;
	if (s->deadline_ms > hard && s->awaiting != AWAIT_FLUSH)
		s->deadline_ms = hard; /* it may be over: whatever the client does in this moment does not put it off */
	/* a timer that fires too early looks at deadline_ms and is set anew: cheaper than moving it at each command */
	if (!net_timer_armed(&s->timer) || s->timer.due_ms > s->deadline_ms)
		net_wheel_arm(&w->wheel, &s->timer, s->deadline_ms);
}

void deadline_body(struct session *s)
{
	uint64_t now = s->worker->now_ms;
	s->pace = (struct pace){ true, now, now, s->tally.bytes, 0 };
}

/* A body, or a chunk that is refused: its bytes have to come all the same. */
static bool sends_body(const struct session *s)
{
	return s->in_body || smtp_server_drops_body(&s->smtp);
}

static uint64_t silence_allowed(const struct session *s)
{
	const struct settings_limits *l = &s->generation->settings->limits;
	if (s->policy)
		return policy_quiet_ms(s);
	if (sends_body(s))
		return l->data_timeout_ms;
	return pressure_is_high(s->worker->app) && l->stress_timeout_ms < l->command_timeout_ms ? l->stress_timeout_ms
												: l->command_timeout_ms;
}

/* What is refused already gives no events, but its client goes on sending, and is to hear why at its end. */
static void hear_refused_body(struct session *s)
{
	if (!smtp_server_drops_body(&s->smtp) || s->pace.heard == s->tally.bytes)
		return;
	s->pace.heard = s->tally.bytes;
	s->heard_ms = s->worker->now_ms;
}

void deadline_client(struct session *s)
{
	bool body = sends_body(s);
	if (body && !s->pace.measured)
		deadline_body(s);
	s->pace.measured = body;
	hear_refused_body(s);
	uint64_t now = s->worker->now_ms, due = s->heard_ms + silence_allowed(s);
	uint64_t left = due > now ? due - now : 0;
	if (body) { /* measured at set times: bytes that trickle in do not put it off */
		uint64_t measure_ms = s->pace.looked_ms + RATE_EVERY_MS;
		uint64_t to_measure = measure_ms > now ? measure_ms - now : 0;
		left = left < to_measure ? left : to_measure;
	}
	deadline_after(s, left);
}

void deadline_press(struct session *s)
{
	if (s->awaiting == AWAIT_CLIENT)
		deadline_client(s);
}

static bool too_slow(struct session *s)
{
	const struct settings_limits *l = &s->generation->settings->limits;
	uint64_t now = s->worker->now_ms, floor = l->min_data_rate;
	uint64_t bytes = s->tally.bytes - s->pace.before;
	if (s->mail && bytes < s->mail->body_bytes) /* it began in the packet of its DATA */
		bytes = s->mail->body_bytes;
	s->pace.looked_ms = now;
	uint64_t taken_ms = now - s->pace.started_ms;
	uint64_t free_ms = l->data_timeout_ms < RATE_GRACE_MS ? l->data_timeout_ms : RATE_GRACE_MS;
	if (now - s->opened_ms > l->session_time_ms && floor < LATE_RATE)
		floor = LATE_RATE;
	return taken_ms > free_ms && bytes * 1000 < floor * (taken_ms - free_ms);
}

/* The time that we throttle counts neither as silence nor as slowness. */
static void end_throttle(struct session *s)
{
	uint64_t now = s->worker->now_ms, held = now - s->throttle.filled_ms;
	s->heard_ms += held;
	s->pace.started_ms += held;
	s->awaiting = AWAIT_CLIENT;
	session_pump(s);
}

void deadline_throttle(struct session *s)
{
	s->awaiting = AWAIT_RATE;
	deadline_after(s, throttle_wait_ms(&s->throttle));
}

static void client_is_late(struct session *s)
{
	uint64_t now = s->worker->now_ms;
	bool body = sends_body(s);
	if (s->policy) {
		policy_look(s);
		return;
	}
	if (is_over(s))
		session_end(s, "limit", SLICE("4.4.2 Session has lasted too long"));
	else if (now >= s->heard_ms + silence_allowed(s))
		session_end(s, "limit", SLICE("4.4.2 Timeout, closing connection"));
	else if (body && too_slow(s))
		session_end(s, "limit", SLICE("4.4.2 Body is sent too slowly"));
	else {
		deadline_client(s);
		return;
	}
	stat_add(&s->worker->stats, STAT_TIMEOUTS, 1);
}

void deadline_passed(struct session *s)
{
	switch (s->awaiting) {
	case AWAIT_CLIENT:
		client_is_late(s);
		return;
	case AWAIT_TLS:
		stat_add(&s->worker->stats, STAT_TLS_FAILED, 1);
		session_end(s, "limit", SLICE("4.4.2 TLS handshake took too long"));
		return;
	case AWAIT_PROXY:
		arrive_turn_away(s, SLICE("no PROXY header in time"));
		return;
	case AWAIT_FLUSH:
		session_close(s);
		return;
	case AWAIT_RATE:
		if (is_over(s))
			session_end(s, "limit", SLICE("4.4.2 Session has lasted too long"));
		else
			end_throttle(s);
		return;
	case AWAIT_BACKEND: /* the relay answers in bounded time; only the hard stop brings us here */
	case AWAIT_DELAY:
	case AWAIT_DNS:
		if (is_over(s))
			session_end(s, "limit", SLICE("4.4.2 Session has lasted too long"));
	}
}
