/* ctl/listen.h - binds the control socket so that nobody else can use it for an instant */
#ifndef CTL_LISTEN_H
#define CTL_LISTEN_H

#include "base/buf.h"
#include "base/result.h"

#include <sys/types.h>

/* A listening, non-blocking socket at `path`, mode 0660 from its first instant; its folder is made
 * (0750) when missing. uid and gid get both when they are not -1. A socket behind which nobody
 * listens is replaced; anything else at `path` stays untouched and is an error. -1: error_r is a sentence.
 * The umask is changed for a moment. */
int ctl_listen(const char *path, uid_t uid, gid_t gid, struct buf *error_r) MUST_USE;

#endif
