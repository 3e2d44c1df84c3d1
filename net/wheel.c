#include "net/wheel.h"

#include <string.h>

enum { SLOT_BITS = 6, SLOT_MASK = NET_WHEEL_SLOTS - 1 };
#define REACH (1ull << (SLOT_BITS * NET_WHEEL_LEVELS))

void net_wheel_init(struct net_wheel *w, uint64_t now_ms)
{
	memset(w, 0, sizeof *w);
	w->tick = now_ms / NET_WHEEL_TICK_MS;
}

static void link_into(struct net_timer **head, struct net_timer *t)
{
	t->next = *head;
	t->link = head;
	if (*head)
		(*head)->link = &t->next;
	*head = t;
}

/* The tick in which a timer fires: once the due millisecond is over, see the header. */
static uint64_t tick_of(const struct net_timer *t)
{
	return t->due_ms / NET_WHEEL_TICK_MS + 1;
}

static void place(struct net_wheel *w, struct net_timer *t)
{
	uint64_t tick = tick_of(t);
	if (tick <= w->tick) {
		link_into(&w->due, t);
		return;
	}
	if (tick - w->tick >= REACH)
		tick = w->tick + REACH - 1; /* comes round and is placed again */
	/* the level is that of the highest digit in which the timer's tick differs from now's */
	unsigned level = (unsigned)(63 - __builtin_clzll(tick ^ w->tick)) / SLOT_BITS;
	if (level >= NET_WHEEL_LEVELS)
		level = NET_WHEEL_LEVELS - 1;
	unsigned slot = (unsigned)(tick >> (level * SLOT_BITS)) & SLOT_MASK;
	link_into(&w->slot[level][slot], t);
	w->full[level] |= 1ull << slot;
}

void net_wheel_cancel(struct net_wheel *w, struct net_timer *t)
{
	(void)w; /* a slot's bit may stay set though it is empty now: it costs one look, no more */
	if (!t->link)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->link = NULL;
}

void net_wheel_arm(struct net_wheel *w, struct net_timer *t, uint64_t due_ms)
{
	net_wheel_cancel(w, t);
	t->due_ms = due_ms;
	place(w, t);
}

/* Takes one slot apart: its timers are placed anew, lower or in the due list. */
static void spill(struct net_wheel *w, unsigned level, unsigned slot)
{
	struct net_timer *t = w->slot[level][slot];
	w->slot[level][slot] = NULL;
	w->full[level] &= ~(1ull << slot);
	while (t) {
		struct net_timer *next = t->next;
		place(w, t);
		t = next;
	}
}

/* Enters the tick w->tick: spills, from the top down, each level whose digit has just begun. */
static void enter_tick(struct net_wheel *w)
{
	unsigned level = 0;
	while (level + 1 < NET_WHEEL_LEVELS && (w->tick & ((1ull << ((level + 1) * SLOT_BITS)) - 1)) == 0)
		level++;
	for (;; level--) {
		unsigned slot = (unsigned)(w->tick >> (level * SLOT_BITS)) & SLOT_MASK;
		if (w->full[level] >> slot & 1)
			spill(w, level, slot);
		if (level == 0)
			return;
	}
}

/* The next tick at which a slot has to be looked at; UINT64_MAX: none. */
static uint64_t next_tick(const struct net_wheel *w)
{
	for (unsigned level = 0; level < NET_WHEEL_LEVELS; level++) {
		unsigned shift = level * SLOT_BITS;
		unsigned at = (unsigned)(w->tick >> shift) & SLOT_MASK;
		uint64_t later = at == SLOT_MASK ? 0 : w->full[level] & (~0ull << (at + 1));
		uint64_t base = w->tick >> shift >> SLOT_BITS << SLOT_BITS;
		if (later)
			return (base + (uint64_t)__builtin_ctzll(later)) << shift;
		/* slots before `at` are the next turn's; only the top level has such (lower ones spill first) */
		if (level == NET_WHEEL_LEVELS - 1 && w->full[level])
			return (base + NET_WHEEL_SLOTS + (uint64_t)__builtin_ctzll(w->full[level])) << shift;
	}
	return UINT64_MAX;
}

struct net_timer *net_wheel_pop(struct net_wheel *w, uint64_t now_ms)
{
	uint64_t now = now_ms / NET_WHEEL_TICK_MS;
	while (!w->due && w->tick < now) {
		uint64_t next = next_tick(w);
		w->tick = next < now ? next : now;
		enter_tick(w);
	}
	struct net_timer *t = w->due;
	if (t)
		net_wheel_cancel(w, t);
	return t;
}

int net_wheel_sleep_ms(const struct net_wheel *w, uint64_t now_ms)
{
	if (w->due)
		return 0;
	uint64_t next = next_tick(w);
	if (next == UINT64_MAX)
		return -1;
	uint64_t due_ms = next * NET_WHEEL_TICK_MS;
	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms > 3600 * 1000 ? 3600 * 1000 : (int)(due_ms - now_ms);
}
