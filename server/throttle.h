/* server/throttle.h - how fast a session's input may be read (the rules' action `throttle`)
 *
 * A token bucket that holds one second of the rate. Nothing is buffered here: what may not be read yet stays in
 * the kernel, whose window then slows the client down. Zero-initialised it lets everything pass.
 */
#ifndef SERVER_THROTTLE_H
#define SERVER_THROTTLE_H

#include <stddef.h>
#include <stdint.h>

struct throttle {
	uint64_t rate;	    /* bytes a second; 0: none */
	uint64_t milli;	    /* thousandths of bytes that may be read now */
	uint64_t filled_ms; /* when that was reckoned */
	uint64_t held_ms;   /* time spent waiting, in all: it does not count against limits.min_data_rate */
};

/* A new rate begins with a full second's worth; the same rate again changes nothing. */
void throttle_set(struct throttle *t, uint64_t rate, uint64_t now_ms);
/* How many of `most` bytes may be read now; 0: wait for throttle_wait_ms(). */
size_t throttle_allows(struct throttle *t, size_t most, uint64_t now_ms);
void throttle_took(struct throttle *t, size_t n);
/* Until a portion worth reading is there: at least a tenth of a second, so that slow clients cost few wakes. */
uint64_t throttle_wait_ms(const struct throttle *t);

#endif
