#include "smtp/command.h"

struct verb {
	struct slice name;
	uint8_t verb, flags;
};

#define VERB(name, verb, flags) { SLICE_INIT(name), SMTP_VERB_##verb, flags }
#define LAST SMTP_VERB_LAST
#define JUNK SMTP_VERB_JUNK
#define NO_ARG SMTP_VERB_NO_ARG

/* The commonest first. */
static const struct verb VERBS[] = {
	VERB("RCPT", RCPT, 0),
	VERB("MAIL", MAIL, 0),
	VERB("DATA", DATA, LAST | NO_ARG),
	VERB("EHLO", EHLO, LAST | JUNK),
	VERB("QUIT", QUIT, LAST),
	VERB("RSET", RSET, JUNK | NO_ARG),
	VERB("STARTTLS", STARTTLS, LAST | JUNK | NO_ARG),
	VERB("HELO", HELO, LAST | JUNK),
	VERB("NOOP", NOOP, LAST | JUNK),
	VERB("VRFY", VRFY, LAST | JUNK),
	VERB("HELP", HELP, LAST | JUNK),
	VERB("BDAT", BDAT, 0),
	VERB("EXPN", ABSENT, LAST | JUNK),
	VERB("TURN", ABSENT, LAST | JUNK),
	VERB("ETRN", ABSENT, LAST | JUNK),
	VERB("ATRN", ABSENT, LAST | JUNK),
	VERB("SEND", ABSENT, LAST | JUNK),
	VERB("SOML", ABSENT, LAST | JUNK),
	VERB("SAML", ABSENT, LAST | JUNK),
	VERB("AUTH", ABSENT, LAST | JUNK),
	VERB("XCLIENT", XCLIENT, LAST | JUNK),
	VERB("XFORWARD", ABSENT, LAST | JUNK),
	/* a browser, a scanner or a forged request that carries SMTP in its body (cross-protocol attacks) */
	VERB("GET", FOREIGN, LAST),
	VERB("POST", FOREIGN, LAST),
	VERB("PUT", FOREIGN, LAST),
	VERB("HEAD", FOREIGN, LAST),
	VERB("PATCH", FOREIGN, LAST),
	VERB("DELETE", FOREIGN, LAST),
	VERB("OPTIONS", FOREIGN, LAST),
	VERB("CONNECT", FOREIGN, LAST),
	VERB("TRACE", FOREIGN, LAST),
	VERB("PRI", FOREIGN, LAST), /* HTTP/2 */
};

struct smtp_command smtp_command_parse(struct slice line)
{
	size_t end = 0;
	while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
		end++;
	struct smtp_command c = { SMTP_VERB_UNKNOWN, 0, line, slice_trim(slice_skip(line, end)) };
	struct slice name = slice_of(line.p, end);
	for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
		if (!slice_ieq(name, VERBS[i].name))
			continue;
		c.verb = VERBS[i].verb;
		c.flags = VERBS[i].flags;
		return c;
	}
	if (slice_starts(name, SLICE("SSH-")))
		c.verb = SMTP_VERB_FOREIGN;
	return c;
}

bool smtp_command_is_clean(struct slice line)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if ((c < 32 && c != '\t') || c == 127)
			return false;
	}
	return true;
}
