/* dns/dynamic.h - does the name of an address look like an end-user line? (`client.dynamic`)
 *
 * Judged are the labels left of the organisation's domain only: mx1.dsl.net is a server of dsl.net. Two kinds of signs:
 *
 *  - the address spelled in its own name: all of it or its last two or three octets; decimal with any separator or
 *    zero-padded without, in either order; hexadecimal, whole or by octet; as one decimal number; IPv6 by groups,
 *    nibbles or its last half.
 *  - words of a list: end-user words (dsl, dyn, pool, cable, cust ...), and two kinds that weigh against: words of
 * servers (mail, mx, smtp ...) and of fixed lines (static ...). A word is a run of letters between other bytes.
 *
 * A word of a fixed line says "no end-user line" against all else; a server's word does so unless an end-user word
 * stands left of it. Without these the address, a part of it or an end-user word says yes.
 *
 * Pure, bounded (a name has 253 bytes), no allocation when judging; the words are immutable once finished and may be
 * read by any thread.
 */
#ifndef DNS_DYNAMIC_H
#define DNS_DYNAMIC_H

#include "base/buf.h"
#include "base/ip.h"
#include "base/result.h"

/* --- the words --- */

enum { DNS_WORD_MAX = 24, DNS_WORDS_MAX = 1000 };

struct dns_words;

/* A line: "end-user WORD...", "server WORD..." or "fixed WORD..."; "*" before or behind a word: it may also be the end
 * or the beginning of a longer run of letters; '#' begins a comment. `text` is the whole file; faults are appended as
 * "LINE: message\n". NULL: memory is out, or there were faults. */
struct dns_words *dns_words_read(struct slice text, struct buf *faults) MUST_USE;
/* The words that we were built with: lists.d/end-user-words.list. NULL: memory is out. */
struct dns_words *dns_words_default(void) MUST_USE;
void dns_words_free(struct dns_words **w);

/* --- judging --- */

enum dns_dynamic_sign {
	DNS_SIGN_NONE,
	DNS_SIGN_ADDRESS, /* the whole address is spelled in the name */
	DNS_SIGN_PARTLY,  /* its last two or three octets, or half of an IPv6 address */
	DNS_SIGN_WORD	  /* an end-user word */
};

struct dns_dynamic {
	bool dynamic;
	enum dns_dynamic_sign sign; /* the strongest that was found, also when a server word outweighed it */
	struct slice found;	    /* where, within `name` */
	struct slice against;	    /* what outweighed it, within `name`; empty: nothing */
};

/* `organisation`: dns_org_domain(name, DNS_ORG_REGISTERED), or empty: then all labels but the last two count. */
struct dns_dynamic dns_dynamic_judge(
	const struct dns_words *w, struct slice name, struct slice organisation, const struct ip *client);
/* "address", "part of the address", "word"; for explain. */
const char *dns_dynamic_sign_name(enum dns_dynamic_sign sign);

#endif
