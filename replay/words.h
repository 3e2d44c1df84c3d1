/* replay/words.h - the words of a line that reader and writer share (for this room's files only) */
#ifndef REPLAY_WORDS_H
#define REPLAY_WORDS_H

#include "replay/record.h"

static const char *const replay_kind_names[REPLAY_KINDS] = {
	[REPLAY_HEAD] = "head",
	[REPLAY_TEST] = "test",
	[REPLAY_EVENT] = "event",
	[REPLAY_UNDO] = "undo",
	[REPLAY_RECIPIENT_DONE] = "recipient",
	[REPLAY_MAIL_DONE] = "mail",
	[REPLAY_SESSION_END] = "end",
};

#endif
