/* smtp/params.h - the parameters behind the path of MAIL and RCPT
 *
 * RFC 5321 4.1.2 (esmtp-param), RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 (RET, ENVID, NOTIFY,
 * ORCPT). Each known parameter is a row of a table: name, the extension that must have been announced, the function
 * that takes its value. What DSN asks for is carried, not acted upon: it is checked here and written again toward
 * the backend by smtp/client.h, the same bytes.
 * Pure; any thread.
 */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H

#include "base/result.h"
#include "base/slice.h"

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

/* Bits; 0: nothing said, which means FAILURE and perhaps DELAY. NEVER stands alone. */
enum smtp_notify {
	SMTP_NOTIFY_SUCCESS = 1u << 0,
	SMTP_NOTIFY_FAILURE = 1u << 1,
	SMTP_NOTIFY_DELAY = 1u << 2,
	SMTP_NOTIFY_NEVER = 1u << 3
};

/* RFC 3461 4.2, 4.4: longest values, as they are written. */
enum { SMTP_ENVID_MAX = 100, SMTP_ORCPT_MAX = 500 };

struct smtp_mail_dsn {
	enum smtp_ret ret;
	struct slice envid; /* xtext, as given; stands for printable ASCII; empty: not said */
};

struct smtp_rcpt_dsn {
	unsigned notify;    /* SMTP_NOTIFY_* */
	struct slice orcpt; /* "rfc822;xtext", as given; empty: not said */
};

struct smtp_params {
	uint64_t size;            /* MAIL: declared bytes; 0: not declared */
	enum smtp_body_type body; /* MAIL */
	bool smtputf8;            /* MAIL: paths and header fields of this mail may be UTF-8 */
	struct smtp_mail_dsn mail; /* MAIL; its slice points into the text */
	struct smtp_rcpt_dsn rcpt; /* RCPT; its slice points into the text */
	unsigned seen;            /* one bit for each row that was given; private */
};

enum smtp_params_result {
	SMTP_PARAMS_OK,
	SMTP_PARAMS_UNKNOWN,  /* not known, or its extension was not announced: 555 5.5.4 */
	SMTP_PARAMS_BAD_VALUE /* missing, malformed, overflowing, or given twice: 501 5.5.4 */
};

/* `text` is what follows the path. `ext`: SMTP_EXT_* bits announced in this session (0 after HELO); for RCPT without
 * SMTP_EXT_SMTPUTF8 when MAIL did not say it: then ORCPT is ASCII. */
enum smtp_params_result smtp_mail_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r) MUST_USE;
enum smtp_params_result smtp_rcpt_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r) MUST_USE;

/* What stands on the command line for them, as three parts one behind the other, each with its blank before it; empty
 * where nothing was said. False when a value would not be taken by the parser (it may be UTF-8 with `utf8`). */
bool smtp_mail_dsn_parts(const struct smtp_mail_dsn *d, struct slice parts_r[3]) MUST_USE;
bool smtp_rcpt_dsn_parts(const struct smtp_rcpt_dsn *d, bool utf8, struct slice parts_r[3]) MUST_USE;

#endif
