/* smtp/header.h - cuts the header of a mail into its fields
 *
 * For rules that read header('Name'). The text is what smtp_hops_feed() calls the header: clean lines that
 * end in CR LF, however many of them came in. One pass, linear in the text, no memory of its own; a field
 * whose line has no colon, or no printable name before it, is left out (RFC 5322 2.2: names are 33..126).
 * Sources: RFC 5322 2.2 (fields), 2.2.3 (unfolding).
 */
#ifndef SMTP_HEADER_H
#define SMTP_HEADER_H

#include "base/slice.h"

/* What is kept of a header for the rules: one of megabytes must not become our memory. What is beyond is not seen. */
enum { SMTP_HEADER_BYTES_MAX = 64 * 1024, SMTP_HEADER_FIELDS_MAX = 256 };

struct smtp_header_field {
	struct slice name;  /* without the colon and blanks before it, which old mail has */
	struct slice value; /* unfolded, trimmed; may hold any octet but CR and LF */
};

/* Fills in at most `max` fields in their order and returns how many. `text` is unfolded in place: the fields
 * point into it. A last line that was cut off counts as a whole one. */
size_t smtp_header_parse(char *text, size_t n, struct smtp_header_field *fields_r, size_t max);

#endif
