/* dns/spf_macro.h - the macros of SPF (RFC 7208 7)
 *
 * A macro string is visible ASCII with %{...}, %%, %_ and %-. What it expands to is bounded: of a name only the end
 * matters, for a longer one loses its first labels (7.3). Pure; any thread.
 */
#ifndef DNS_SPF_MACRO_H
#define DNS_SPF_MACRO_H

#include "dns/spf.h"

/* Which letters may stand there. */
#define SPF_LETTERS "slodiphv"
#define SPF_LETTERS_OF_EXP SPF_LETTERS "crt"

/* macro-string; with `blanks` these too (explain-string). */
bool spf_macro_is_string(struct slice text, const char *letters, bool blanks) MUST_USE;
/* domain-spec: ends in a macro, or in a dot and a top label that is not a number. */
bool spf_macro_is_domain(struct slice text) MUST_USE;
/* Whether the text holds that macro letter, in either case. */
bool spf_macro_reads(struct slice text, char letter) MUST_USE;

/* What the letters stand for; [letter - 'a']. */
struct spf_values {
	struct slice of['z' - 'a' + 1];
};

/* Bytes of values that are read for one macro string, so that a record full of %{s} costs no more than others do. A
 * name of 253 bytes that is expanded from so many is nobody's policy. */
enum { SPF_MACRO_WORK = 8 * 1024 };

/* `text` was found well-formed. False: longer than `size`, or too much to read. */
bool spf_macro_expand(
	struct slice text, const struct spf_values *v, char *room, size_t size, struct slice *text_r) MUST_USE;
enum spf_name { SPF_NAME_OK, SPF_NAME_NONE, SPF_NAME_TOO_MUCH };
/* The same to a name, whose first labels go while it is longer than 253 bytes. NONE: no name comes out that can be
 * asked for. */
enum spf_name spf_macro_expand_name(struct slice text, const struct spf_values *v, struct dns_name *name_r) MUST_USE;

#endif
