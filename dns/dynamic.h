/* dns/dynamic.h - does the name of an address look like an end-user line? (`client.dynamic`)
 *
 * Judged are the labels left of the organisation's domain only: mx1.dsl.net is a server of dsl.net. Two kinds of signs:
 *
 *  - the address spelled in its own name: all of it or its last two or three octets; decimal with any separator or
 *    zero-padded without, in either order; hexadecimal, whole or by octet; as one decimal number; IPv6 by groups,
 *    nibbles or its last half.
 *  - words of a list: end-user words (dsl, dyn, pool, cable, cust ...) and server words (mail, mx, smtp, static ...)
 *    that weigh against them. A word is a run of letters between other bytes; words that may stand within longer ones
 *    ("adsl" in "myadsl") are marked in the list.
 *
 * An address in full and no server word: an end-user line. So is an end-user word, unless a server word stands
 * further left. A server word that is the first label of all ("mail.", "mx1.") says server against all else.
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

enum { DNS_WORD_MAX = 24, DNS_WORDS_MAX = 2000 };

struct dns_words;

/* A line: "end-user WORD..." or "server WORD..."; "*" before or after a word: also within a longer run of letters,
 * ending or beginning it; '#' begins a comment. `text` is the whole file; faults are appended as "LINE: message\n".
 * NULL: memory is out, or there were faults. */
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
	struct slice against;	    /* the server word that was found, within `name`; empty: none */
};

/* `organisation`: dns_org_domain(name, DNS_ORG_REGISTERED), or empty: then all labels but the last two count. */
struct dns_dynamic dns_dynamic_judge(
	const struct dns_words *w, struct slice name, struct slice organisation, const struct ip *client);
/* "address", "part of the address", "word"; for explain. */
const char *dns_dynamic_sign_name(enum dns_dynamic_sign sign);

#endif
