/* server/notify.h - tells the service manager how far the server is
 *
 * systemd's protocol (sd_notify(3), "Standalone Implementations"): datagrams of lines to the socket that NOTIFY_SOCKET
 * names. Spoken here rather than by libsystemd, which would bring its own libraries into a server that strangers talk
 * to. Without a manager that wants to know, nothing is sent.
 *
 * The socket is opened before the sandbox closes and stays connected. Threads: any may tell; each word is one send(2),
 * which waits for a second at most when the manager is busy.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include "base/result.h"

#include <stdint.h>

#define NOTIFY_TAKING_MAIL "taking mail"

struct notify {
	int fd;		  /* -1: nobody wants to know */
	uint64_t beat_ms; /* how often notify_beat() is wanted; 0: never */
};

/* As the environment says. Warns when it names a socket that cannot be reached. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* Clients are served, from the start on or again after a reload. `status`: a line for `systemctl status`, or NULL. */
void notify_ready(const struct notify *n, const char *status);
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n, const char *status);
/* All threads are alive. */
void notify_beat(const struct notify *n);

#endif
