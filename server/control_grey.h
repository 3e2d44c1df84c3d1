/* server/control_grey.h - greylisting for `list`, `show` and `delete`; see ctl/commands.h. On the control thread. */
#ifndef SERVER_CONTROL_GREY_H
#define SERVER_CONTROL_GREY_H

#include "ctl/json.h"
#include "server/app.h"

/* Entries for all (`key` empty) or of what was typed, the youngest first, at most `top`. False: memory is out. */
bool control_grey_list(struct app *app, struct slice key, size_t top, struct ctl_json list) MUST_USE;
/* Forgets what is about it; returns how many entries. */
size_t control_grey_forget(struct app *app, struct slice key);

#endif
