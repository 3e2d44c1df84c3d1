#include "rcpt/link.h"

#include "base/clock.h"

#include <limits.h>
#include <poll.h>

enum { PAUSE_MS = 100, PAUSE_MAX_MS = 5000 };

enum rcpt_heard rcpt_heard_value(struct slice value)
{
	static const struct slice NO[] = { SLICE_INIT(""), SLICE_INIT("0"), SLICE_INIT("f"), SLICE_INIT("false"),
		SLICE_INIT("n"), SLICE_INIT("no"), SLICE_INIT("off") };
	for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
		if (slice_ieq(value, NO[i]))
			return RCPT_HEARD_NO;
	return RCPT_HEARD_YES;
}

enum rcpt_heard rcpt_link_why(struct rcpt_link *l, enum rcpt_heard heard, struct slice why)
{
	struct slice line = slice_cut(&why, '\n');
	size_t n = line.n < sizeof l->why ? line.n : sizeof l->why - 1;
	if (n)
		memcpy(l->why, line.p, n);
	l->why[n] = 0;
	return heard;
}

int rcpt_left_ms(uint64_t due_ms)
{
	uint64_t now = clock_mono_ms();
	if (now >= due_ms)
		return 0;
	return due_ms - now < INT_MAX ? (int)(due_ms - now) : INT_MAX;
}

bool rcpt_wait(int fd, short events, uint64_t due_ms)
{
	for (int left; (left = rcpt_left_ms(due_ms)) > 0;) {
		struct pollfd p = { .fd = fd, .events = events };
		if (poll(&p, 1, left) > 0)
			return true;
	}
	return false;
}

static bool is_open(const struct rcpt_link *l)
{
	return l->sqlite || l->pgsql || l->socketmap;
}

static enum rcpt_heard ask_kind(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms)
{
	switch (l->config->kind) {
	case RCPT_SQLITE:
		return rcpt_sqlite_ask(l, k, due_ms);
	case RCPT_PGSQL:
		return rcpt_pgsql_ask(l, k, due_ms);
	case RCPT_SOCKETMAP:
		break;
	}
	return rcpt_socketmap_ask(l, k, due_ms);
}

/* A source that cannot be reached is left alone for a while, so that it is not run over when it comes up. One that took
 * too long for a question may answer the next. */
static void note_reached(struct rcpt_link *l, enum rcpt_heard heard)
{
	if (l->reached && heard != RCPT_HEARD_LOST) {
		l->again_ms = l->pause_ms = 0;
		return;
	}
	l->pause_ms = l->pause_ms ? l->pause_ms * 2 : PAUSE_MS;
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	l->again_ms = clock_mono_ms() + l->pause_ms;
}

static enum rcpt_heard ask_once(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms)
{
	if (rcpt_left_ms(due_ms) == 0)
		return rcpt_link_why(l, RCPT_HEARD_FAILED, SLICE("its questions wait too long"));
	if (!is_open(l) && clock_mono_ms() < l->again_ms)
		return RCPT_HEARD_FAILED; /* for the reason of the last time */
	bool was_open = l->reached = is_open(l);
	enum rcpt_heard heard = ask_kind(l, k, due_ms);
	/* it may have died while it was idle: a server that was started anew costs nobody a try */
	if (heard == RCPT_HEARD_LOST && was_open) {
		l->reached = false;
		heard = ask_kind(l, k, due_ms);
	}
	note_reached(l, heard);
	return heard;
}

enum rcpt_answer rcpt_link_ask(struct rcpt_link *l, struct slice rcpt, uint64_t due_ms)
{
	static const enum rcpt_answer ANSWERS[] = { [RCPT_HEARD_YES] = RCPT_YES,
		[RCPT_HEARD_NO] = RCPT_NO,
		[RCPT_HEARD_NOT_FOUND] = RCPT_NOT_FOUND,
		[RCPT_HEARD_FAILED] = RCPT_FAILED,
		[RCPT_HEARD_LOST] = RCPT_FAILED };
	struct rcpt_key k;
	if (!rcpt_key_set(&k, rcpt))
		return RCPT_NOT_FOUND; /* no mailbox has such an address */
	enum rcpt_heard heard = ask_once(l, &k, due_ms);
	if (heard == RCPT_HEARD_NOT_FOUND && rcpt_key_cut(&k, l->config->delimiter))
		heard = ask_once(l, &k, due_ms);
	return ANSWERS[heard];
}

void rcpt_link_close(struct rcpt_link *l)
{
	rcpt_sqlite_close(&l->sqlite);
	rcpt_pgsql_close(&l->pgsql);
	rcpt_socketmap_close(&l->socketmap);
}
