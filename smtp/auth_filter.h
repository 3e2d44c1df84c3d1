/* smtp/auth_filter.h - takes Authentication-Results: fields that bear our name out of a mail's header (RFC 8601 5)
 *
 * Who reads such a field behind us believes it because of our name, so no mail may bring one. Fed with the body as
 * smtp/body_in gives it (clean line ends), cut anywhere; all but those fields comes out as it went in. What stands
 * behind the header is passed through unseen.
 *
 * Before the name can be compared a field's beginning is held back: its name, comments and folding (RFC 8601 2.2). A
 * field that hides its name behind more than SMTP_AUTH_FILTER_HELD bytes of these is dropped: nobody writes it so.
 */
#ifndef SMTP_AUTH_FILTER_H
#define SMTP_AUTH_FILTER_H

#include "base/result.h"
#include "base/slice.h"

enum { SMTP_AUTH_FILTER_HELD = 512 };

struct smtp_auth_filter {
	struct slice name; /* borrowed */
	uint8_t state;	   /* private from here on */
	uint8_t depth;	   /* of comments */
	uint16_t at;	   /* compared so far of what is looked for */
	uint16_t held_n;
	bool escaped, differs, folds;
	char held[SMTP_AUTH_FILTER_HELD];
};

/* `name`: our authserv-id. */
void smtp_auth_filter_init(struct smtp_auth_filter *f, struct slice name);
/* Takes bytes off the front of *in; *keep_r is what is kept of them, or of what was held back before: valid until the
 * next call. False: *in was empty and there is nothing more. */
bool smtp_auth_filter_next(struct smtp_auth_filter *f, struct slice *in, struct slice *keep_r) MUST_USE;
/* The mail is complete: what is still held back. */
struct slice smtp_auth_filter_end(struct smtp_auth_filter *f);

#endif
