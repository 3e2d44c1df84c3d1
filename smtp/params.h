/* smtp/params.h - the parameters behind the path of MAIL and RCPT
 *
 * RFC 5321 4.1.2 (esmtp-param), RFC 1870 (SIZE), RFC 6152 (BODY). Each known parameter is a row of a
 * table: name, the extension that must have been announced, the function that takes its value.
 * Pure; any thread.
 */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H

#include "base/result.h"
#include "base/slice.h"

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

struct smtp_params {
	uint64_t size;            /* MAIL: declared bytes; 0: not declared */
	enum smtp_body_type body; /* MAIL */
	unsigned seen;            /* one bit for each row that was given; private */
};

enum smtp_params_result {
	SMTP_PARAMS_OK,
	SMTP_PARAMS_UNKNOWN,  /* not known, or its extension was not announced: 555 5.5.4 */
	SMTP_PARAMS_BAD_VALUE /* missing, malformed, overflowing, or given twice: 501 5.5.4 */
};

/* `text` is what follows the path. `ext`: SMTP_EXT_* bits announced in this session (0 after HELO). */
enum smtp_params_result smtp_mail_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r) MUST_USE;
enum smtp_params_result smtp_rcpt_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r) MUST_USE;

#endif
