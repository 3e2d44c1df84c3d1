/* base/clock.h - the clocks, for the rooms that may look at one (net, relay, ctl, server)
 *
 * smtp/, score/ and config/ get the time as an argument; they never call these.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC: for deadlines and durations. */
uint64_t clock_mono_ms(void);
/* Milliseconds since 1970 (UTC): for what is shown or outlives the process. */
uint64_t clock_wall_ms(void);

enum { CLOCK_RFC3339 = 25 }; /* "2026-11-22T00:51:23.123Z" and a NUL */
/* RFC 3339 in UTC with milliseconds; returns the length. */
size_t clock_rfc3339(uint64_t wall_ms, char text_r[CLOCK_RFC3339]);
enum { CLOCK_RFC5322 = 32 }; /* "Sun, 22 Nov 2026 00:51:23 +0000" and a NUL */
/* RFC 5322 3.3 date-time in UTC; returns the length. */
size_t clock_rfc5322(uint64_t wall_ms, char text_r[CLOCK_RFC5322]);

#endif
