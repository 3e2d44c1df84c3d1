/* tools/args.h - reading what was typed behind a command
 *
 * A command says what it takes in a small table: options with a value ("--top N", "--top=N"), flags, and at most one
 * plain word. Each goes into the request's args under its key.
 */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include "ctl/json.h"

enum tools_arg_kind {
	TOOLS_ARG_TEXT,
	TOOLS_ARG_COUNT,    /* 1..max */
	TOOLS_ARG_DURATION, /* "90s" "5m" "1h" "7d", sent as seconds, 1..max */
	TOOLS_ARG_FLAG,	    /* takes no value */
	TOOLS_ARG_TEXTS,    /* any number of them: an array */
};

struct tools_arg {
	const char *option; /* "--top"; NULL: the plain word */
	const char *key;    /* in args */
	enum tools_arg_kind kind;
	uint64_t max;
	bool required;
};

/* `usage` is the sentence for error_r when something does not fit. */
bool tools_args_read(const struct tools_arg *wanted, size_t n, int argc, char **argv, const char *usage,
	struct ctl_json_doc *args_r, struct buf *error_r);

#endif
