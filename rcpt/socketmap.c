#include "base/ip.h"
#include "base/mem.h"
#include "net/conn.h"
#include "rcpt/link.h"
#include "rcpt/reply.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct rcpt_socketmap {
	int fd;
};

struct place {
	const char *path; /* NULL: ip and port */
	struct ip ip;
	uint16_t port;
};

static bool place_parse(const char *address, struct place *p_r)
{
	struct slice s = slice_str(address);
	*p_r = (struct place){ 0 };
	if (slice_starts(s, SLICE("unix:"))) {
		p_r->path = address + 5;
		return *p_r->path == '/';
	}
	size_t colon = slice_rfind(s, ':');
	uint64_t port;
	if (!slice_starts(s, SLICE("inet:")) || colon < 6 || !slice_u64(slice_skip(s, colon + 1), 65535, &port))
		return false;
	struct slice ip = slice_of(s.p + 5, colon - 5);
	if (ip.n > 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
		ip = slice_of(ip.p + 1, ip.n - 2);
	p_r->port = (uint16_t)port;
	return port && ip_parse(ip, &p_r->ip);
}

bool rcpt_socketmap_check(const struct rcpt_config *c, char why_r[RCPT_WHY])
{
	struct place p;
	if (place_parse(c->address, &p))
		return true;
	snprintf(why_r, RCPT_WHY, "address = \"%.60s\": \"unix:/PATH\" or \"inet:IP:PORT\" is wanted", c->address);
	return false;
}

void rcpt_socketmap_close(struct rcpt_socketmap **p)
{
	if (!*p)
		return;
	close((*p)->fd);
	mem_free(p);
}

static enum rcpt_heard fail(struct rcpt_link *l, enum rcpt_heard heard, struct slice why)
{
	rcpt_socketmap_close(&l->socketmap);
	return rcpt_link_why(l, heard, why);
}

/* RCPT_HEARD_YES: it is there. */
static enum rcpt_heard open_socket(struct rcpt_link *l, uint64_t due_ms)
{
	struct place p;
	if (!place_parse(l->config->address, &p))
		return fail(l, RCPT_HEARD_FAILED, SLICE("its address cannot be read"));
	int fd = p.path ? net_connect_unix(p.path) : net_connect(&p.ip, p.port);
	if (fd < 0)
		return fail(l, RCPT_HEARD_FAILED, slice_str(strerror(errno)));
	l->socketmap = mem_alloc(sizeof *l->socketmap);
	if (!l->socketmap) {
		close(fd);
		return fail(l, RCPT_HEARD_FAILED, SLICE("out of memory"));
	}
	l->socketmap->fd = fd;
	if (!rcpt_wait(fd, POLLOUT, due_ms))
		return fail(l, RCPT_HEARD_FAILED, SLICE("it does not answer a connect in time"));
	int error = net_connect_error(fd);
	l->reached = !error;
	return error ? fail(l, RCPT_HEARD_FAILED, slice_str(strerror(error))) : RCPT_HEARD_YES;
}

static enum rcpt_heard send_all(struct rcpt_link *l, struct slice out, uint64_t due_ms)
{
	while (out.n) {
		ssize_t n = send(l->socketmap->fd, out.p, out.n, MSG_NOSIGNAL);
		if (n >= 0)
			out = slice_skip(out, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			return fail(l, RCPT_HEARD_LOST, slice_str(strerror(errno)));
		else if (!rcpt_wait(l->socketmap->fd, POLLOUT, due_ms))
			return fail(l, RCPT_HEARD_FAILED, SLICE("it does not take a question in time"));
	}
	return RCPT_HEARD_YES;
}

static enum rcpt_heard meaning(struct rcpt_link *l, const struct rcpt_reply *r, struct slice rest)
{
	static const enum rcpt_heard HEARD[] = { [RCPT_YES] = RCPT_HEARD_YES,
		[RCPT_NO] = RCPT_HEARD_NO,
		[RCPT_NOT_FOUND] = RCPT_HEARD_NOT_FOUND,
		[RCPT_FAILED] = RCPT_HEARD_FAILED };
	struct slice why;
	if (rest.n)
		return fail(l, RCPT_HEARD_FAILED, SLICE("it says more than it was asked"));
	enum rcpt_answer answer = rcpt_reply_meaning(r, &why);
	return answer == RCPT_FAILED ? rcpt_link_why(l, RCPT_HEARD_FAILED, why) : HEARD[answer];
}

static enum rcpt_heard receive(struct rcpt_link *l, uint64_t due_ms)
{
	struct rcpt_reply reply = { 0 };
	char room[4096];
	bool heard_nothing = true;
	for (;;) {
		ssize_t n = recv(l->socketmap->fd, room, sizeof room, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return fail(l, heard_nothing ? RCPT_HEARD_LOST : RCPT_HEARD_FAILED,
				n ? slice_str(strerror(errno)) : SLICE("it closed the connection without an answer"));
		if (n < 0) {
			if (!rcpt_wait(l->socketmap->fd, POLLIN, due_ms))
				return fail(l, RCPT_HEARD_FAILED, SLICE("it does not answer in time"));
			continue;
		}
		struct slice in = slice_of(room, (size_t)n);
		heard_nothing = false;
		enum rcpt_reply_event event = rcpt_reply_feed(&reply, &in);
		if (event == RCPT_REPLY_BROKEN)
			return fail(l, RCPT_HEARD_FAILED, SLICE("its answer is no netstring of up to 100000 bytes"));
		if (event == RCPT_REPLY_WHOLE)
			return meaning(l, &reply, in);
	}
}

enum rcpt_heard rcpt_socketmap_ask(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms)
{
	struct buf out = { 0 };
	enum rcpt_heard heard = RCPT_HEARD_YES;
	if (!rcpt_request_put(&out, slice_str(l->config->map), slice_of(k->address, k->address_n)))
		heard = rcpt_link_why(l, RCPT_HEARD_FAILED, SLICE("out of memory"));
	if (heard == RCPT_HEARD_YES && !l->socketmap)
		heard = open_socket(l, due_ms);
	if (heard == RCPT_HEARD_YES)
		heard = send_all(l, buf_slice(&out), due_ms);
	buf_release(&out);
	return heard == RCPT_HEARD_YES ? receive(l, due_ms) : heard;
}
