/* smtp/caps.h - what a server can do, read from its reply to EHLO
 *
 * Source: RFC 5321 4.1.1.1 (first line: its name; then one keyword with parameters a line), RFC 1870 (SIZE),
 * RFC 9422 (LIMITS), Postfix XCLIENT_README and XFORWARD_README (attribute names). Unknown keywords, and known ones
 * whose parameters make no sense, are passed over. Keywords in any case; the old "AUTH=" form is not AUTH.
 */
#ifndef SMTP_CAPS_H
#define SMTP_CAPS_H

#include "base/slice.h"
#include "smtp/ext.h"

/* Attributes of XCLIENT and XFORWARD, as bits. */
enum smtp_xattr {
	SMTP_XATTR_NAME = 1u << 0,
	SMTP_XATTR_ADDR = 1u << 1,
	SMTP_XATTR_PORT = 1u << 2,
	SMTP_XATTR_PROTO = 1u << 3,
	SMTP_XATTR_HELO = 1u << 4,
	SMTP_XATTR_LOGIN = 1u << 5, /* XCLIENT alone, to REVERSE_NAME */
	SMTP_XATTR_DESTADDR = 1u << 6,
	SMTP_XATTR_DESTPORT = 1u << 7,
	SMTP_XATTR_REVERSE_NAME = 1u << 8,
	SMTP_XATTR_IDENT = 1u << 9, /* XFORWARD alone */
	SMTP_XATTR_SOURCE = 1u << 10
};

struct smtp_caps {
	unsigned ext;	  /* SMTP_EXT_* */
	uint16_t xclient; /* SMTP_XATTR_* offered; SMTP_EXT_XCLIENT may be there with none (smtp-sink) */
	uint16_t xforward;
	uint64_t size; /* SMTP_EXT_SIZE: largest mail in bytes; 0: no limit said */
	/* SMTP_EXT_LIMITS (RFC 9422 4): 1..999999, 0: no limit said. A server may name lower ones after each EHLO. A
	 * mail with more recipients than rcpt_max would be put off for ever, so the owner takes no more than the least
	 * of its own limit and those of all backends the mail may go to, and announces the same. */
	uint32_t rcpt_max; /* recipients of a mail */
	uint32_t mail_max; /* mails of a connection: then it must be closed */
};

/* The attribute's bit, its name in any case; 0: no such one. */
unsigned smtp_xattr_of(struct slice name);
/* `text`: of the whole reply, lines joined by '\n', as smtp/reply_in.h gives it. */
void smtp_caps_parse(struct slice text, struct smtp_caps *caps_r);

#endif
