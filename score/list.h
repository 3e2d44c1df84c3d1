/* score/list.h - lists of addresses, names and patterns ("lists" of CONFIG.md)
 *
 * One entry a line, blanks around it ignored, '#' begins a comment:
 *     192.0.2.7           an address          2001:db8::/32     a prefix (host bits must be zero)
 *     example.com         this domain, exactly                  .example.com   it and all below
 *     user@example.com    one mail address    /^bounce-.*@/i    a pattern (at most SCORE_LIST_PATTERNS)
 * Names are compared without regard to ASCII case. A value that is a mail address is held against
 * address entries as a whole, and against domain entries by the part behind its last '@'.
 *
 * Built by feeding the file's bytes in pieces of any size, so that ten million entries never lie in
 * memory as text; what is kept is 8 bytes a name (a keyed 64-bit hash), 8 an IPv4 range, 17 an IPv6
 * net. Once finished a list is immutable and may be read by any thread. The caller frees it, after
 * the last rule set that was compiled with it.
 */
#ifndef SCORE_LIST_H
#define SCORE_LIST_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/ip.h"
#include "base/result.h"
#include "score/regex.h"

/* A pattern is tried against every value; what they may take together is SCORE_REGEX_EFFORT. */
enum { SCORE_LIST_PATTERNS = 1000 };
/* What follows is a fault: a list takes at most 160 MB of names, 340 MB of IPv6 nets, and twice that for a moment when
 * it is sorted, or when a reload reads the next generation beside the old one. */
enum { SCORE_LIST_ENTRIES = 20000000 };
/* A longer line is a fault: no entry form needs more, and a binary file is found out early. */
enum { SCORE_LIST_LINE = 1024 };
/* After so many faults the rest is not reported: a wrong file must not flood the log. */
enum { SCORE_LIST_FAULTS = 20 };

struct score_list;

/* `key` is copied: kernel randomness, so that nobody can write a name that collides. NULL: memory is out. */
struct score_list *score_list_new(const struct hash_key *key) MUST_USE;
/* The next bytes of the file. Faults are appended to `faults` as "LINE: message\n"; the entry is left out.
 * False only when memory is out. */
bool score_list_feed(struct score_list *l, struct slice bytes, struct buf *faults) MUST_USE;
/* The end of the file: the last line need not have a line end. Sorts. The list can be used when this
 * returned true; false when memory is out. */
bool score_list_finish(struct score_list *l, struct buf *faults) MUST_USE;

/* Only on a finished list. SCORE_MATCH_GAVE_UP: not among the entries that were compared, but a pattern took too
 * many steps to say. */
enum score_match score_list_has_ip(const struct score_list *l, const struct ip *ip, struct score_effort *e);
enum score_match score_list_has_name(const struct score_list *l, struct slice name, struct score_effort *e);

size_t score_list_entries(const struct score_list *l); /* as written, doubles included */
size_t score_list_faults(const struct score_list *l);
size_t score_list_memory(const struct score_list *l);
void score_list_free(struct score_list **l);

#endif
