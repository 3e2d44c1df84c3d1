/* ctl/client.c - see ctl/client.h */
#include "ctl/client.h"

#include "base/clock.h"
#include "ctl/request.h"
#include "ctl/unix_addr.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

struct asking {
	int fd;
	const char *path;
	uint64_t due_ms, timeout_ms;
	struct buf *error_r;
};

static bool fail(const struct asking *a, const char *sentence)
{
	(void)!buf_printf(a->error_r, "%s: %s", a->path, sentence);
	return false;
}

static bool fail_late(const struct asking *a)
{
	(void)!buf_printf(a->error_r, "%s: smtpguardd did not answer within %llu ms; its log may tell why", a->path,
		(unsigned long long)a->timeout_ms);
	return false;
}

static bool fail_connect(const struct asking *a, int err)
{
	switch (err) {
	case ENOENT:
		return fail(a, "there is no such socket; is smtpguardd running, and is this its server.control?");
	case ECONNREFUSED:
		return fail(
			a, "nobody listens there; smtpguardd is not running (the socket is left from an earlier one)");
	case EACCES:
	case EPERM:
		return fail(
			a, "no permission; become root or a member of smtpguardd's group (the group of that folder)");
	case EAGAIN:
		return fail_late(a);
	default:
		return fail(a, strerror(err));
	}
}

/* The send timeout of a unix socket holds for its connect too (the kernel waits for the backlog). */
static bool reach(struct asking *a)
{
	struct sockaddr_un addr;
	socklen_t len;
	if (!ctl_unix_addr(a->path, &addr, &len))
		return fail(a, "a socket's path has 1 to 107 bytes");
	struct timeval t = { .tv_sec = (time_t)(a->timeout_ms / 1000),
		.tv_usec = (suseconds_t)(a->timeout_ms % 1000 * 1000) };
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || setsockopt(a->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0)
		return fail(a, strerror(errno));
	return connect(a->fd, (struct sockaddr *)&addr, len) == 0 || fail_connect(a, errno);
}

/* A server that refuses us may close before it has read all: its answer, if any, is still there. */
static bool say(struct asking *a, const char *command, struct ctl_json_doc *args)
{
	struct buf line = { 0 };
	if (!ctl_request_write(command, args, &line))
		return fail(a, "no memory");
	while (buf_len(&line)) {
		ssize_t n = send(a->fd, buf_slice(&line).p, buf_len(&line), MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		buf_consume(&line, (size_t)n);
	}
	int err = buf_len(&line) ? errno : 0;
	buf_release(&line);
	if (err == EAGAIN || err == EWOULDBLOCK)
		return fail_late(a);
	return err == 0 || err == EPIPE || err == ECONNRESET || fail(a, strerror(err));
}

enum heard { HEARD_SOME, HEARD_END, HEARD_FAILED /* told in error_r */ };

static enum heard hear_some(const struct asking *a, struct buf *in)
{
	uint64_t now_ms = clock_mono_ms();
	struct pollfd p = { .fd = a->fd, .events = POLLIN };
	if (now_ms >= a->due_ms || poll(&p, 1, (int)(a->due_ms - now_ms)) == 0) {
		fail_late(a);
		return HEARD_FAILED;
	}
	if (buf_len(in) >= CTL_ANSWER_MAX || !buf_reserve(in, READ_SIZE)) {
		fail(a, "the answer is too long");
		return HEARD_FAILED;
	}
	ssize_t n = recv(a->fd, in->data + in->end, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return HEARD_SOME;
	if (n <= 0)
		return HEARD_END;
	buf_grew(in, (size_t)n);
	return HEARD_SOME;
}

static bool hear(const struct asking *a, struct buf *in)
{
	enum heard heard = HEARD_SOME;
	while (heard == HEARD_SOME && (buf_len(in) == 0 || in->data[in->end - 1] != '\n'))
		heard = hear_some(a, in);
	if (heard != HEARD_END)
		return heard == HEARD_SOME;
	if (buf_len(in))
		return fail(a, "the answer was cut off; did smtpguardd end?");
	return fail(a, "closed without an answer; only root, smtpguardd's own user and its group may ask");
}

static bool understand(const struct asking *a, struct slice line, struct ctl_answer *answer_r)
{
	struct buf why = { 0 };
	bool ok = ctl_answer_read(line, answer_r, &why);
	if (!ok)
		(void)!buf_printf(
			a->error_r, "%s: this is not smtpguardd's answer: %.*s", a->path, SLICE_ARG(buf_slice(&why)));
	buf_release(&why);
	return ok;
}

enum ctl_client_result ctl_client_ask(const char *path, const char *command, struct ctl_json_doc *args,
	uint64_t timeout_ms, struct ctl_answer *answer_r, struct buf *error_r)
{
	*answer_r = (struct ctl_answer){ 0 };
	struct asking a = { .fd = -1, .path = path, .timeout_ms = timeout_ms, .error_r = error_r };
	a.due_ms = clock_mono_ms() + timeout_ms;
	struct buf in = { 0 };
	bool ok = reach(&a) && say(&a, command, args) && hear(&a, &in) && understand(&a, buf_slice(&in), answer_r);
	if (a.fd >= 0)
		close(a.fd);
	if (args)
		ctl_json_release(args);
	buf_release(&in);
	return ok ? CTL_CLIENT_ANSWERED : CTL_CLIENT_FAILED;
}
