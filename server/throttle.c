#include "server/throttle.h"

enum { PORTION_MS = 100, SECOND_MS = 1000 };

void throttle_set(struct throttle *t, uint64_t rate, uint64_t now_ms)
{
	if (rate == t->rate)
		return;
	t->rate = rate;
	t->milli = rate * SECOND_MS;
	t->filled_ms = now_ms;
}

/* `rate` bytes a second are `rate` thousandths a millisecond. */
static void fill(struct throttle *t, uint64_t now_ms)
{
	uint64_t ms = now_ms > t->filled_ms ? now_ms - t->filled_ms : 0;
	if (ms > SECOND_MS)
		ms = SECOND_MS;
	t->milli += ms * t->rate;
	if (t->milli > t->rate * SECOND_MS)
		t->milli = t->rate * SECOND_MS;
	t->filled_ms = now_ms;
}

size_t throttle_allows(struct throttle *t, size_t most, uint64_t now_ms)
{
	if (!t->rate)
		return most;
	fill(t, now_ms);
	uint64_t bytes = t->milli / 1000;
	return bytes < most ? (size_t)bytes : most;
}

void throttle_took(struct throttle *t, size_t n)
{
	uint64_t milli = (uint64_t)n * 1000;
	t->milli = t->milli > milli ? t->milli - milli : 0;
}

uint64_t throttle_wait_ms(const struct throttle *t)
{
	if (!t->rate)
		return 0;
	uint64_t for_one = SECOND_MS / t->rate + 1;
	return for_one > PORTION_MS ? for_one : PORTION_MS;
}
