/* server/privileges.h - giving root away for good, and the process's limits
 *
 * Linux only: setgroups, setresgid, setresuid, each checked, then tried to take back, which must
 * fail; the capability bounding set emptied; NoNewPrivs; no core dumps (they would hold keys and mail).
 */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

/* Becomes `user` with its own group and supplementary groups. Not root: nothing to give away, a note
 * in the log. "" or root's own name is refused only by what the caller logs. False: error_r says why;
 * the caller must end. */
bool privileges_drop(const char *user, char error_r[256]) MUST_USE;

/* Makes `user` the owner of a folder that the server writes to; for use before the drop. A missing
 * folder is made (0750), those above it too. False: errno. */
bool privileges_own_folder(const char *path, const char *user) MUST_USE;

/* Makes `user` the owner of a file that we have just made as root, so that it can be opened again after the drop. Never
 * of a link, of what has another name, or belongs to somebody. False: it is left as it is. */
bool privileges_give_file(const char *path, const char *user) MUST_USE;

/* Files are seen with that user's rights from now on, when we are root: for --check. False: there is none such. */
bool privileges_look_as(const char *user) MUST_USE;
/* No longer. Supplementary groups stay that user's. */
void privileges_look_back(void);

/* We are neither root nor `user`: what we may read says nothing of what the server may. Not for use in the sandbox. */
bool privileges_are_others(const char *user) MUST_USE;

/* No core dumps, no debugger, no new privileges by exec. */
void privileges_harden(void);

/* Raises RLIMIT_NOFILE to its hard limit and returns it. */
uint64_t privileges_raise_nofile(void);

#endif
