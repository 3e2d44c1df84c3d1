/* tools/command.h - what smtpguardctl can be told to do
 *
 * One table entry for each command: how its arguments become the request's `args`, how the answer's
 * data become text, and when the exit code says that it did not go well. The data are described in
 * ctl/commands.h.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include "ctl/json.h"
#include "tools/live.h"
#include "tools/text.h"

struct tools_command {
	const char *name;
	const char *usage;   /* arguments behind the name; "" */
	const char *summary; /* one line in --help */
	const char *help;    /* COMMAND --help, below its usage */
	/* argv without the command's name. False: error_r is a sentence (exit 2). NULL: takes none. */
	bool (*parse)(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r);
	void (*show)(struct ctl_json data, struct tools_out *o);
	/* NULL: every answer that is no error is good. False: exit 1 (also with --json). */
	bool (*good)(struct ctl_json data);
	/* Another form of the answer and the option that asks for it; NULL where there is none. */
	const char *other;
	void (*show_other)(struct ctl_json data, struct tools_out *o);
	/* NULL for most. Does its work by itself: see tools/live.h. */
	bool (*live)(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r);
};

extern const struct tools_command tools_commands[];
extern const size_t tools_n_commands;

/* NULL when there is none. */
const struct tools_command *tools_command_find(const char *name);
/* A command whose name is near what was typed (at most two letters off, or one begins with the other); NULL. */
const struct tools_command *tools_command_near(const char *typed);

/* Text forms, one file each (tools/show_*.c). */
void tools_show_stats(struct ctl_json data, struct tools_out *o);
void tools_show_health(struct ctl_json data, struct tools_out *o);
void tools_show_sessions(struct ctl_json data, struct tools_out *o);
void tools_show_backend(struct ctl_json data, struct tools_out *o);
void tools_show_backend_test(struct ctl_json data, struct tools_out *o);
void tools_show_config(struct ctl_json data, struct tools_out *o);
void tools_show_reload(struct ctl_json data, struct tools_out *o);
void tools_show_drain(struct ctl_json data, struct tools_out *o);
void tools_show_forget(struct ctl_json data, struct tools_out *o);
void tools_show_prometheus(struct ctl_json data, struct tools_out *o);
void tools_show_explain(struct ctl_json data, struct tools_out *o);
void tools_show_last(struct ctl_json data, struct tools_out *o);
void tools_show_test(struct ctl_json data, struct tools_out *o);
void tools_show_list(struct ctl_json data, struct tools_out *o);
void tools_show_show(struct ctl_json data, struct tools_out *o);
void tools_show_delete(struct ctl_json data, struct tools_out *o);
void tools_show_block(struct ctl_json data, struct tools_out *o);
void tools_show_allow(struct ctl_json data, struct tools_out *o);
void tools_show_lists(struct ctl_json data, struct tools_out *o);
void tools_show_trace(struct ctl_json data, struct tools_out *o);
void tools_show_replay(struct ctl_json data, struct tools_out *o);
void tools_show_rules(struct ctl_json data, struct tools_out *o);
void tools_show_snapshot(struct ctl_json data, struct tools_out *o);
/* A part of several: one line "blocked until ... by ...: reason"; nothing when there is no hold. */
void tools_show_hold(struct ctl_json hold, const char *before, struct tools_out *o);

#endif
