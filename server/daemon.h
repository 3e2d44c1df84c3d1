/* server/daemon.h - the life of the whole server: start, signals, reload, drain, end
 *
 * Order of the start: settings, log, descriptors, listeners, control socket, folders, then privileges
 * are given away, and only then the first byte is read from anybody.
 */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "base/result.h"
#include "server/app.h"

/* Runs until a signal ends it. Returns the exit code: 0 clean end, 1 fault. */
int daemon_run(const char *settings_path, const char *hostname);

/* Warns on stderr of what the account that the server will run as may not do: write log.replay, read the keys of
 * certificates again. For --check. */
void daemon_check_files(const struct settings *s);

#endif
