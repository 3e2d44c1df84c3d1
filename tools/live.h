/* tools/live.h - commands that are not one question and its answer: they ask the server again and again until they are
 * told to end, or do not ask it at all
 */
#ifndef TOOLS_LIVE_H
#define TOOLS_LIVE_H

#include "ctl/json.h"

/* Longer than a busy server takes; a screen must not stand still for more. */
enum { TOOLS_LIVE_ANSWER_MS = 5000 };

struct tools_live {
	const char *socket;
	bool json;
};

/* False: error_r says what went wrong. */
bool tools_trace(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r) MUST_USE;
bool tools_top(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r) MUST_USE;
/* Asks no server: see tools/replay.c. Ends with the files. */
bool tools_replay(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r) MUST_USE;

#endif
