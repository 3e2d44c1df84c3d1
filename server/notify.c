#include "server/notify.h"

#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SEND_MS = 1000 };
enum { STATUS_MAX = 512 };

/* A path, or with '@' in front a name without a file. False: neither. */
static bool parse(const char *name, struct sockaddr_un *to_r, socklen_t *n_r)
{
	size_t n = strlen(name);
	*to_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((*name != '/' && *name != '@') || n < 2 || n >= sizeof to_r->sun_path)
		return false;
	memcpy(to_r->sun_path, name, n);
	if (*name == '@')
		to_r->sun_path[0] = 0;
	*n_r = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*name == '/'));
	return true;
}

static bool connect_to(int fd, const char *name)
{
	struct sockaddr_un to;
	socklen_t n;
	const struct timeval patience = { .tv_sec = SEND_MS / 1000 };
	if (!parse(name, &to, &n)) {
		errno = EINVAL;
		return false;
	}
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
	       connect(fd, (struct sockaddr *)&to, n) == 0;
}

/* A beat is wanted of this process, twice within the time that systemd waits. */
static uint64_t beat_ms(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!us || (pid && strtoull(pid, NULL, 10) != (unsigned long long)getpid()))
		return 0;
	uint64_t ms = strtoull(us, NULL, 10) / 1000 / 2;
	return ms < INT_MAX ? ms : INT_MAX;
}

void notify_open(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");
	*n = (struct notify){ .fd = -1 };
	if (!name || !*name)
		return;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd >= 0 && connect_to(n->fd, name)) {
		n->beat_ms = beat_ms();
		return;
	}
	log_warn("NOTIFY_SOCKET %s: %s; the service manager is not told that the server runs", name, strerror(errno));
	notify_close(n);
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void tell(const struct notify *n, const char *words)
{
	if (n->fd >= 0 && send(n->fd, words, strlen(words), MSG_NOSIGNAL) < 0)
		log_warn("NOTIFY_SOCKET: %s", strerror(errno));
}

static void tell_with_status(const struct notify *n, const char *word, const char *status)
{
	char words[STATUS_MAX];
	snprintf(words, sizeof words, "%s%s%s", word, status ? "\nSTATUS=" : "", status ? status : "");
	tell(n, words);
}

void notify_ready(const struct notify *n, const char *status)
{
	tell_with_status(n, "READY=1", status);
}

void notify_stopping(const struct notify *n, const char *status)
{
	tell_with_status(n, "STOPPING=1", status);
}

void notify_reloading(const struct notify *n)
{
	struct timespec now;
	char words[64];
	clock_gettime(CLOCK_MONOTONIC, &now); /* in microseconds: it is held against the moment of the request */
	snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	tell(n, words);
}

void notify_beat(const struct notify *n)
{
	tell(n, "WATCHDOG=1");
}
