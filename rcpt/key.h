/* rcpt/key.h - an address as it is looked up
 *
 * The domain is folded to lower case (RFC 5321 2.4); the local part is as the client wrote it, but without the quotes
 * and backslashes that are not part of it: "joe"@x and joe@x are one mailbox (RFC 5321 4.1.2). So it may hold any
 * printable byte, '@' and quotes included; the domain stands behind the last '@'. Queries get the three texts as bound
 * parameters, never as part of the SQL.
 */
#ifndef RCPT_KEY_H
#define RCPT_KEY_H

#include "base/result.h"
#include "base/slice.h"

enum { RCPT_KEY_MAX = 768 }; /* bytes of an address; RFC 5321 4.5.3.1 has 320 */

struct rcpt_key {
	char address[RCPT_KEY_MAX + 1]; /* each with a NUL behind */
	char local[RCPT_KEY_MAX + 1];
	const char *domain; /* in `address` */
	size_t address_n, local_n;
};

/* False: too long, no '@', nothing before or behind it, or a control byte in it. */
bool rcpt_key_set(struct rcpt_key *k, struct slice rcpt) MUST_USE;
/* Cuts "joe+news" to "joe"; false, and nothing changed, when there is no delimiter behind the first byte. */
bool rcpt_key_cut(struct rcpt_key *k, char delimiter) MUST_USE;

#endif
