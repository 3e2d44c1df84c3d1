/* net/wheel.h - a hierarchical timer wheel
 *
 * Arming and cancelling cost O(1) whatever the number of timers (Varghese, Lauck: "Hashed and
 * hierarchical timing wheels", 1987). Five levels of 64 slots; a tick is 16 ms, so deadlines up to
 * 198 days are kept and fire at most one tick late, never early: only when due_ms is behind, for a clock
 * that is cut to whole milliseconds may have been almost one further when a span was added to it.
 * No callbacks: the caller pops what is due. The node lives inside its owner, who cancels it before
 * it is freed. Time is an argument, in milliseconds of one clock that does not go back.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_timer {
	struct net_timer *next, **link; /* link NULL: not armed */
	uint64_t due_ms;
	uint8_t kind; /* the owner's: which of its timers this is; told apart after net_wheel_pop() */
};

enum { NET_WHEEL_TICK_MS = 16, NET_WHEEL_LEVELS = 5, NET_WHEEL_SLOTS = 64 };

struct net_wheel {
	struct net_timer *slot[NET_WHEEL_LEVELS][NET_WHEEL_SLOTS];
	uint64_t full[NET_WHEEL_LEVELS]; /* a bit for each slot that has a timer */
	struct net_timer *due;
	uint64_t tick;
};

void net_wheel_init(struct net_wheel *w, uint64_t now_ms);
/* Arms, or moves when it is armed already. */
void net_wheel_arm(struct net_wheel *w, struct net_timer *t, uint64_t due_ms);
void net_wheel_cancel(struct net_wheel *w, struct net_timer *t);
static inline bool net_timer_armed(const struct net_timer *t)
{
	return t->link != NULL;
}
/* A timer whose due_ms is over, disarmed; NULL when none is. */
struct net_timer *net_wheel_pop(struct net_wheel *w, uint64_t now_ms);
/* How long a thread may sleep until the next timer can be due: 0.. ms, -1 with no timer. May be
 * shorter than the true time, never longer. */
int net_wheel_sleep_ms(const struct net_wheel *w, uint64_t now_ms);

#endif
