#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ms(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

static struct tm broken_down(uint64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;
	gmtime_r(&t, &tm);
	return tm;
}

/* The whole second's text is kept by each thread: a busy server asks for the same one thousands of times. */
size_t clock_rfc3339(uint64_t wall_ms, char text_r[CLOCK_RFC3339])
{
	static _Thread_local uint64_t kept_s = UINT64_MAX;
	static _Thread_local char kept[CLOCK_RFC3339];
	uint64_t s = wall_ms / 1000;
	if (s != kept_s) {
		struct tm tm = broken_down(wall_ms);
		strftime(kept, sizeof kept, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		kept_s = s;
	}
	unsigned ms = (unsigned)(wall_ms % 1000);
	for (size_t i = 0; i < CLOCK_RFC3339; i++)
		text_r[i] = kept[i];
	text_r[20] = (char)('0' + ms / 100);
	text_r[21] = (char)('0' + ms / 10 % 10);
	text_r[22] = (char)('0' + ms % 10);
	return CLOCK_RFC3339 - 1;
}

size_t clock_rfc5322(uint64_t wall_ms, char text_r[CLOCK_RFC5322])
{
	static _Thread_local uint64_t kept_s = UINT64_MAX;
	static _Thread_local char kept[CLOCK_RFC5322];
	static _Thread_local size_t n;
	uint64_t s = wall_ms / 1000;
	if (s != kept_s) {
		struct tm tm = broken_down(wall_ms);
		n = strftime(kept, sizeof kept, "%a, %d %b %Y %H:%M:%S +0000", &tm);
		kept_s = s;
	}
	for (size_t i = 0; i <= n; i++)
		text_r[i] = kept[i];
	return n;
}
