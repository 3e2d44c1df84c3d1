/* smtp/command.h - the verbs of SMTP and what is known of each (RFC 5321 4.1.1, RFC 2920 3.1)
 *
 * Pure; any thread.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "base/slice.h"

enum smtp_verb {
	SMTP_VERB_EHLO,
	SMTP_VERB_HELO,
	SMTP_VERB_MAIL,
	SMTP_VERB_RCPT,
	SMTP_VERB_DATA,
	SMTP_VERB_RSET,
	SMTP_VERB_NOOP,
	SMTP_VERB_VRFY,
	SMTP_VERB_HELP,
	SMTP_VERB_QUIT,
	SMTP_VERB_STARTTLS,
	SMTP_VERB_BDAT,    /* bytes that are no command follow it */
	SMTP_VERB_XCLIENT,
	SMTP_VERB_ABSENT,  /* SMTP, but not spoken here: EXPN, TURN, ETRN, AUTH, XFORWARD ... */
	SMTP_VERB_FOREIGN, /* of another protocol: HTTP, SSH */
	SMTP_VERB_UNKNOWN,
	SMTP_VERBS
};

enum smtp_verb_flag {
	SMTP_VERB_LAST = 1,   /* must be the last of a pipelined group */
	SMTP_VERB_JUNK = 2,   /* brings no mail forward */
	SMTP_VERB_NO_ARG = 4, /* nothing may follow it */
};

struct smtp_command {
	enum smtp_verb verb;
	unsigned flags;
	struct slice line; /* all of it, without CR LF */
	struct slice arg;  /* what follows the verb, without blanks around it */
};

/* Never fails: what is not known is SMTP_VERB_UNKNOWN. */
struct smtp_command smtp_command_parse(struct slice line);

/* False when a byte below 32 (a tab excepted) or 127 is in the line. */
bool smtp_command_is_clean(struct slice line);

#endif
