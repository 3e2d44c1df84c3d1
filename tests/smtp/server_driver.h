/* tests/smtp/server_driver.h - an owner for the server core, and a log of all it was told
 *
 * Questions are answered at once: from the queue of scripted answers, else by what was asked:
 *   RCPT  local part begins with "no" 550, with "later" 450, else 250
 *   DATA  sender's local part begins with "nodata" 451, else 354
 *   XCLIENT  name begins with "bad" 554, with "odd" 550, else 220
 *   BODY_END  the standard reply of the fault, else 250
 * The log has one line for each event, so two runs are compared as texts.
 */
#ifndef TESTS_SMTP_SERVER_DRIVER_H
#define TESTS_SMTP_SERVER_DRIVER_H

#include "smtp/server.h"

struct scripted {
	int code;
	char text[200];
};

struct driver {
	struct smtp_server s;
	struct smtp_server_config config;
	struct buf out, log, held, body;
	struct scripted script[32];
	unsigned scripted, used;
	bool closed, refuse_data, broken; /* broken: a rule of the core was not kept */
	enum smtp_event_kind last;
	unsigned offences[SMTP_OFFENCE_JUNK + 1];
};

/* With all extensions, 1,000,000 bytes, 100 recipients, no other limit; greeted with "220 mx.test ESMTP". */
void driver_init(struct driver *d);
void driver_init_ungreeted(struct driver *d);
void driver_free(struct driver *d);
void driver_answer_next(struct driver *d, int code, const char *text);
/* Gives the bytes to the core in one piece, as an exact-size block of their own. */
void driver_feed(struct driver *d, struct slice bytes);
/* In pieces of `step` bytes. */
void driver_feed_cut(struct driver *d, struct slice bytes, size_t step);
static inline void driver_say(struct driver *d, const char *text)
{
	driver_feed(d, slice_str(text));
}
/* What was replied since the last call, NUL-terminated; valid until the next driver call. */
const char *driver_replies(struct driver *d);
/* The log so far, NUL-terminated. */
const char *driver_log(struct driver *d);
/* The same events, apart from what depends on when bytes arrive: pipelining offences. */
bool logs_are_equal(struct driver *a, struct driver *b);
/* Every line of the output is "NNN " or "NNN-", text, CR LF, no control byte but tab. */
bool replies_are_well_formed(struct slice out);
/* No bare CR, no bare LF, no NUL. */
bool body_is_clean(struct slice body);

#endif
