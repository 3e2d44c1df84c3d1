/* server/sandbox.h - what the process may still ask of the kernel once it serves clients
 *
 * Two walls, both for good and for every thread that is started after them:
 *   - seccomp (sandbox.c): an allow-list of system calls. No program can be started, no process made, traced or
 *     signalled, no file system mounted, no module loaded; sockets are TCP, UDP and UNIX ones (and the resolver's
 *     netlink). Any other call ends the process at once with a line that names its number: a server that does what it
 *     was never meant to do must not go on.
 *   - Landlock (sandbox_files.c): files can be read below the settings' own folders and the system's, written below
 *     those of spool, state, journal and Maildirs; nothing can be executed, no TCP port bound. What the running kernel
 *     knows of it is asked at the start; an old kernel has less of a wall and the log says so.
 *
 * Called once by the main thread, after the ports are bound and root is given away, before any other thread is there.
 * A reload may name a file elsewhere: it then cannot be read, and the message says that a restart is needed.
 */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include "base/result.h"
#include "config/settings.h"

enum { SANDBOX_WHY = 256 };

/* `settings_path`: its folder stays readable. False: why_r says what the kernel refused; the caller must end. */
bool sandbox_close(const struct settings *s, const char *settings_path, char why_r[SANDBOX_WHY]) MUST_USE;

/* The second wall alone; *known_r is the version of Landlock that the kernel has, 0: none. */
bool sandbox_close_files(
	const struct settings *s, const char *settings_path, int *known_r, char why_r[SANDBOX_WHY]) MUST_USE;

#endif
