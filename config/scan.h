/* config/scan.h - what libconfig lets pass silently, found in the text itself
 *
 * libconfig 1.5 reads `5000000000` as 705032704 and never says so, stops at a NUL byte, and tells
 * little about an include that it cannot open. This scan walks over the text as libconfig's own
 * lexer does (comments, strings, names, numbers) and finds these before the library runs.
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "config/settings.h"

enum scan_kind {
	SCAN_END,
	SCAN_BIG_NUMBER, /* `text` does not fit: above 2147483647, or with L above 64 bits */
	SCAN_BARE_WORD,  /* `text` is a value that needs quotes: 10m, observe; only "syntax error" would come of it */
	SCAN_INCLUDE,    /* `text` is the path, as written */
	SCAN_BAD_INCLUDE, /* @include that is not alone on its line, or without "FILE" */
	SCAN_NUL,
	SCAN_LAST_COMMENT, /* of one line, which has no end: libconfig ends not only an included file there, but all */
	SCAN_OPEN_COMMENT,
	SCAN_OPEN_STRING,
};

struct scan {
	struct slice left;
	uint32_t line; /* of what was found last; start with 1 */
	bool line_start;   /* nothing but blanks since the line end */
	bool value;	   /* nothing but blanks and comments since `=` or `:` */
	uint32_t newlines; /* taken since `line` was right */
};

/* The next thing worth telling. After SCAN_NUL and the SCAN_OPEN_ ones the text is used up. */
struct scan scan_start(struct slice text);
enum scan_kind scan_next(struct scan *s, struct slice *text_r);

#endif
