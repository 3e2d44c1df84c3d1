/* smtp/hops.h - counts the Received: lines of a mail's header
 *
 * RFC 5321 6.3: a mail that has been through too many hosts is in a loop. Fed with the clean bytes that
 * smtp/body_in.h hands out, however cut; it also tells where the header ends (the first empty line).
 * The caller compares `count` with its limit (SMTP_HOPS_MAX) at any time. Owns no memory.
 */
#ifndef SMTP_HOPS_H
#define SMTP_HOPS_H

#include "base/slice.h"

/* More Received: lines than this are a loop: 554 5.4.6. */
enum { SMTP_HOPS_MAX = 50 };

/* Zero-initialised it stands before the first byte. */
struct smtp_hops {
	uint32_t count;
	uint8_t matched; /* private: place within a line */
	bool done;       /* the header has ended; feeding more is free */
	bool eight_bit;  /* some byte of the header was above 127: right only with SMTPUTF8 (RFC 6531, 6532), so it
			  * must not go to a backend without it */
};

/* Returns how many of the bytes belong to the header, the empty line included; all of them while it goes on. */
size_t smtp_hops_feed(struct smtp_hops *h, struct slice bytes);

#endif
