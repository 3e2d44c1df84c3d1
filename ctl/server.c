/* ctl/server.c - the control thread's loop
 *
 * A slot holds one client: it first reads its line, then (`out` is not empty) sends its answer, then
 * it is free again. Each of the two has an absolute deadline.
 */
#include "ctl/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/listen.h"
#include "ctl/peer.h"
#include "ctl/request.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STOP_MS = 1000,	       /* what answers still have after the stop */
	ACCEPT_PAUSE_MS = 500, /* without descriptors accept fails at once and again: do not spin */
};

struct slot {
	int fd; /* -1: free */
	struct buf in, out;
	uint64_t due_ms;
};

struct ctl_server {
	struct ctl_server_config c;
	char *path;
	int listen_fd, stop_fd;
	bool stopping;
	unsigned used;
	uint64_t accept_ms; /* no accept before */
	struct slot slots[CTL_SERVER_CLIENTS];
};

/* ---- a slot's life ---- */

static void slot_free(struct ctl_server *s, struct slot *slot)
{
	close(slot->fd);
	buf_release(&slot->in);
	buf_release(&slot->out);
	slot->fd = -1;
	s->used--;
}

static void slot_send(struct ctl_server *s, struct slot *slot)
{
	while (buf_len(&slot->out)) {
		struct slice left = buf_slice(&slot->out);
		ssize_t n = send(slot->fd, left.p, left.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)
			break;
		buf_consume(&slot->out, (size_t)n);
	}
	slot_free(s, slot);
}

static bool unknown_command(const struct ctl_server *s, struct slice name, struct buf *error_r)
{
	if (!buf_printf(error_r, "this server has no command \"%.*s\"; it has:", SLICE_ARG(name)))
		return false;
	for (size_t i = 0; i < s->c.n_commands; i++)
		TRY(buf_printf(error_r, "%s %s", i ? "," : "", s->c.commands[i].name));
	return false;
}

static bool run_command(
	const struct ctl_server *s, const struct ctl_request *req, struct ctl_json_doc *data_r, struct buf *error_r)
{
	for (size_t i = 0; i < s->c.n_commands; i++)
		if (slice_eq(req->command, slice_str(s->c.commands[i].name)))
			return s->c.commands[i].handler(s->c.app, req->args, data_r, error_r);
	return unknown_command(s, req->command, error_r);
}

/* False: no memory for the answer. */
static bool answer(const struct ctl_server *s, const struct ctl_request *req, struct buf *out)
{
	struct ctl_json_doc data = { 0 };
	struct buf error = { 0 };
	bool ok;
	if (run_command(s, req, &data, &error))
		ok = ctl_answer_write_ok(&data, out);
	else
		ok = ctl_answer_write_error(buf_len(&error) ? buf_slice(&error) : SLICE("the command failed"), out);
	ctl_json_release(&data);
	buf_release(&error);
	return ok;
}

/* True when an answer is to be sent, or there is none to be had (`out` stays empty). */
static bool slot_take(struct ctl_server *s, struct slot *slot)
{
	struct ctl_request req;
	struct buf why = { 0 };
	bool answered = true;
	switch (ctl_request_read(buf_slice(&slot->in), &req, &why)) {
	case CTL_REQUEST_MORE:
		return false;
	case CTL_REQUEST_GOT:
		answered = answer(s, &req, &slot->out);
		ctl_request_release(&req);
		break;
	case CTL_REQUEST_BAD:
		answered = ctl_answer_write_error(buf_slice(&why), &slot->out);
		break;
	}
	if (!answered)
		log_warn("control: no memory for an answer");
	buf_release(&why);
	return true;
}

static void slot_read(struct ctl_server *s, struct slot *slot)
{
	ssize_t n = -1;
	if (buf_reserve(&slot->in, CTL_REQUEST_MAX - buf_len(&slot->in)))
		n = recv(slot->fd, slot->in.data + slot->in.end, CTL_REQUEST_MAX - buf_len(&slot->in), MSG_DONTWAIT);
	else
		errno = ENOMEM;
	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		slot_free(s, slot);
		return;
	}
	buf_grew(&slot->in, (size_t)n);
	if (!slot_take(s, slot))
		return;
	slot->due_ms = clock_mono_ms() + s->c.answer_ms;
	slot_send(s, slot);
}

/* ---- new clients ---- */

static bool may_ask(int fd)
{
	struct ctl_peer peer;
	if (!ctl_peer_read(fd, &peer)) {
		log_warn("control: a connection was closed: its user is not known (%s)", strerror(errno));
		return false;
	}
	bool may = ctl_peer_may(&peer, geteuid(), getegid());
	if (!may)
		log_warn("control: closed a connection of uid %u (gid %u, pid %d): not root, our user or in our group",
			(unsigned)peer.uid, (unsigned)peer.gid, (int)peer.pid);
	ctl_peer_release(&peer);
	return may;
}

static void take_client(struct ctl_server *s, uint64_t now_ms)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			s->accept_ms = now_ms + ACCEPT_PAUSE_MS;
		return;
	}
	struct slot *free_slot = s->slots;
	while (free_slot->fd >= 0)
		free_slot++;
	if (!may_ask(fd)) {
		close(fd);
		return;
	}
	*free_slot = (struct slot){ .fd = fd, .due_ms = now_ms + s->c.request_ms };
	s->used++;
}

/* ---- the loop ---- */

enum { POLL_STOP, POLL_LISTEN, POLL_SLOTS, POLL_N = POLL_SLOTS + CTL_SERVER_CLIENTS };

static void watch(const struct ctl_server *s, uint64_t now_ms, struct pollfd fds[POLL_N])
{
	bool listening = !s->stopping && s->used < CTL_SERVER_CLIENTS && now_ms >= s->accept_ms;
	fds[POLL_STOP] = (struct pollfd){ .fd = s->stopping ? -1 : s->stop_fd, .events = POLLIN };
	fds[POLL_LISTEN] = (struct pollfd){ .fd = listening ? s->listen_fd : -1, .events = POLLIN };
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++) {
		const struct slot *slot = &s->slots[i];
		fds[POLL_SLOTS + i] = (struct pollfd){ slot->fd, buf_len(&slot->out) ? POLLOUT : POLLIN, 0 };
	}
}

/* Milliseconds until something is due; -1: nothing is. */
static int wait_ms(const struct ctl_server *s, uint64_t now_ms)
{
	uint64_t due_ms = s->accept_ms > now_ms ? s->accept_ms : UINT64_MAX;
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		if (s->slots[i].fd >= 0 && s->slots[i].due_ms < due_ms)
			due_ms = s->slots[i].due_ms;
	if (due_ms == UINT64_MAX)
		return -1;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void serve_slots(struct ctl_server *s, const struct pollfd fds[POLL_N], uint64_t now_ms)
{
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++) {
		struct slot *slot = &s->slots[i];
		if (slot->fd < 0 || slot->fd != fds[POLL_SLOTS + i].fd)
			continue;
		if (fds[POLL_SLOTS + i].revents && buf_len(&slot->out))
			slot_send(s, slot);
		else if (fds[POLL_SLOTS + i].revents)
			slot_read(s, slot);
		else if (now_ms >= slot->due_ms)
			slot_free(s, slot);
	}
}

/* Who is still asking is closed; who has an answer coming gets it, if it takes it soon. */
static void begin_stop(struct ctl_server *s, uint64_t now_ms)
{
	s->stopping = true;
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++) {
		struct slot *slot = &s->slots[i];
		if (slot->fd >= 0 && !buf_len(&slot->out))
			slot_free(s, slot);
		else if (slot->due_ms > now_ms + STOP_MS)
			slot->due_ms = now_ms + STOP_MS;
	}
}

void ctl_server_run(struct ctl_server *s)
{
	while (!s->stopping || s->used) {
		struct pollfd fds[POLL_N];
		uint64_t now_ms = clock_mono_ms();
		watch(s, now_ms, fds);
		if (poll(fds, POLL_N, wait_ms(s, now_ms)) < 0)
			continue;
		now_ms = clock_mono_ms();
		serve_slots(s, fds, now_ms);
		if (fds[POLL_LISTEN].revents)
			take_client(s, now_ms);
		if (fds[POLL_STOP].revents)
			begin_stop(s, now_ms);
	}
}

void ctl_server_stop(struct ctl_server *s)
{
	uint64_t one = 1;
	ssize_t n = write(s->stop_fd, &one, sizeof(one));
	(void)n; /* fails only when the counter is full, and then the thread is told already */
}

struct ctl_server *ctl_server_open(const struct ctl_server_config *c, struct buf *error_r)
{
	struct ctl_server *s = mem_zalloc(sizeof(*s));
	char *path = mem_strndup(c->path, strlen(c->path));
	int stop_fd = s && path ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	int listen_fd = stop_fd >= 0 ? ctl_listen(path, c->uid, c->gid, error_r) : -1;
	if (listen_fd < 0) {
		if (stop_fd >= 0)
			close(stop_fd);
		else
			(void)!buf_printf(error_r, "control socket %s: no memory or no descriptor left", c->path);
		mem_free(&path);
		mem_free(&s);
		return NULL;
	}
	*s = (struct ctl_server){ .c = *c, .path = path, .listen_fd = listen_fd, .stop_fd = stop_fd };
	s->c.path = path;
	s->c.request_ms = c->request_ms ? c->request_ms : CTL_REQUEST_MS;
	s->c.answer_ms = c->answer_ms ? c->answer_ms : CTL_ANSWER_MS;
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		s->slots[i].fd = -1;
	return s;
}

void ctl_server_close(struct ctl_server **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		if ((*s)->slots[i].fd >= 0)
			slot_free(*s, &(*s)->slots[i]);
	unlink((*s)->path); /* while we still listen: afterwards it could be another server's */
	close((*s)->listen_fd);
	close((*s)->stop_fd);
	mem_free(&(*s)->path);
	mem_free(s);
}
