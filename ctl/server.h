/* ctl/server.h - the server's end of the control socket
 *
 * A unix stream socket, mode 0660, in a folder of its own (made 0750 when missing). Whoever may use
 * it (root, the server's user, members of the server's group) can do all that the commands do; every
 * peer is checked with SO_PEERCRED and SO_PEERGROUPS, others are closed and logged.
 *
 * Order: ctl_server_open() before privileges are dropped, ctl_server_run() in a thread that the
 * caller starts, ctl_server_stop() from any thread, then join the thread, then ctl_server_close().
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include "ctl/json.h"

#include <sys/types.h>

/* Clients at once. Further ones wait in the backlog; a few that hang cannot hold more memory than this. */
enum { CTL_SERVER_CLIENTS = 16 };
/* A peer that has not sent its whole line by then is closed: a slot must come back by itself. */
enum { CTL_REQUEST_MS = 5000 };
/* A peer that has not taken its whole answer by then is closed. */
enum { CTL_ANSWER_MS = 10000 };

/* Runs on the control thread, one at a time; while it runs no other request is served, so it must not
 * wait for anything slow. `args` is an object. Fill `data_r` as ctl/commands.h says and return true;
 * or put a sentence that says what to do into `error_r` and return false. `app` as given to open. */
typedef bool ctl_handler(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r);

struct ctl_command {
	const char *name;
	ctl_handler *handler;
};

struct ctl_server_config {
	const char *path;		    /* copied */
	const struct ctl_command *commands; /* must outlive the server */
	size_t n_commands;
	void *app;
	uid_t uid; /* who gets the socket, and the folder if it was made here; (uid_t)-1: stays ours. */
	gid_t gid; /* Set both when privileges are dropped later. */
	uint64_t request_ms, answer_ms; /* 0: CTL_REQUEST_MS, CTL_ANSWER_MS. Tests make them short. */
};

struct ctl_server;

/* Makes the folder, binds, listens. A socket that a dead server left is replaced. NULL: error_r is a
 * sentence with path and reason (another smtpguardd answers there; not a socket; no permission).
 * Changes the process's umask for a moment: call it before other threads create files. */
struct ctl_server *ctl_server_open(const struct ctl_server_config *c, struct buf *error_r) MUST_USE;

/* Serves until ctl_server_stop(). Answers that were given before the stop are still sent (for at most
 * one second). */
void ctl_server_run(struct ctl_server *s);
/* From any thread, also before run began; it is not undone. Async-signal-safe. */
void ctl_server_stop(struct ctl_server *s);
/* Removes the socket and frees all. */
void ctl_server_close(struct ctl_server **s);

#endif
