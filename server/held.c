#include "server/held.h"

static size_t holds(const struct session *s)
{
	size_t n = (size_t)s->in.cap + s->conn.out.cap;
	return s->mail ? n + s->mail->arena.total + s->mail->header.cap : n;
}

static bool claim(struct app *app, uint64_t more, bool favoured)
{
	uint64_t most = atomic_load_explicit(&app->held_max, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&app->held, more, memory_order_relaxed) + more <= most || favoured)
		return true;
	atomic_fetch_sub_explicit(&app->held, more, memory_order_relaxed);
	return false;
}

bool held_fits(struct session *s)
{
	struct app *app = s->worker->app;
	size_t n = holds(s), want = n > HELD_FREE ? n - HELD_FREE : 0;
	if (want <= s->held) {
		if (want < s->held)
			atomic_fetch_sub_explicit(&app->held, s->held - want, memory_order_relaxed);
	} else if (!claim(app, want - s->held, s->standing.known_good || s->standing.allowed)) {
		return s->mail && s->mail->handed_on;
	}
	s->held = (uint32_t)want;
	return true;
}

void held_release(struct session *s)
{
	if (s->held)
		atomic_fetch_sub_explicit(&s->worker->app->held, s->held, memory_order_relaxed);
	s->held = 0;
}
