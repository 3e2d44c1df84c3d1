#include "tests/dns/fake_dns.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int bound(int type, uint16_t port, struct sockaddr_in *at_r)
{
	socklen_t n = sizeof *at_r;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*at_r = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)
	};
	if (fd >= 0 && bind(fd, (struct sockaddr *)at_r, n) == 0) {
		must(getsockname(fd, (struct sockaddr *)at_r, &n) == 0);
		return fd;
	}
	close(fd);
	return -1;
}

void fake_open(struct fake_dns *f)
{
	struct sockaddr_in at;
	memset(f, 0, sizeof *f);
	for (int i = 0; i < 100; i++) {
		f->tcp = bound(SOCK_STREAM, 0, &at);
		must(f->tcp >= 0 && listen(f->tcp, 64) == 0);
		f->udp = bound(SOCK_DGRAM, ntohs(at.sin_port), &at);
		if (f->udp >= 0)
			break;
		close(f->tcp);
	}
	must(f->udp >= 0 && ip_parse(SLICE("127.0.0.1"), &f->address.ip));
	f->address.port = ntohs(at.sin_port);
}

static void close_conn(struct fake_tcp *c)
{
	close(c->fd);
	free(c->out);
	memset(c, 0, sizeof *c);
}

void fake_close(struct fake_dns *f)
{
	for (int i = 0; i < FAKE_TCP; i++)
		if (f->conns[i].fd)
			close_conn(&f->conns[i]);
	for (unsigned i = 0; i < f->late_n; i++)
		free(f->late[i].reply);
	close(f->udp);
	close(f->tcp);
}

/* ---- replies ----------------------------------------------------------------------------------- */

static bool read_question(const uint8_t *p, size_t n, struct dns_question *q_r, struct slice *word_r)
{
	size_t at = DNS_HEADER;
	while (at < n && p[at])
		at += p[at] + 1u;
	if (n < DNS_HEADER || at + 5 > n)
		return false;
	dns_name_from_wire(p + DNS_HEADER, &q_r->name);
	q_r->type = (enum dns_type)(p[at + 1] << 8 | p[at + 2]);
	*word_r = slice_of((const char *)p + DNS_HEADER + 1, p[DNS_HEADER]);
	while (word_r->n && word_r->p[word_r->n - 1] >= '0' && word_r->p[word_r->n - 1] <= '9')
		word_r->n--;
	return true;
}

static void put_good(struct made *m, const struct dns_question *q, const char *owner)
{
	switch (q->type) {
	case DNS_A:
		made_answer(m, owner, DNS_A, 300, "\xc0\x00\x02\x01", 4);
		break;
	case DNS_AAAA:
		made_answer(m, owner, DNS_AAAA, 300, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		break;
	case DNS_TXT:
		made_answer(m, owner, DNS_TXT, 300, "\4text", 5);
		break;
	case DNS_PTR:
	case DNS_MX:
		made_named(m, q->type, "host.example");
		break;
	}
}

static void put_huge(struct made *m)
{
	static char text[160 * 256];
	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < sizeof text; i += 256)
		text[i] = (char)255;
	made_answer(m, NULL, DNS_TXT, 300, text, sizeof text);
	for (int i = 0; i < 100; i++)
		made_answer(m, NULL, DNS_TXT, 300, "\4text", 5);
}

static void put_aliases(struct made *m, const struct dns_question *q)
{
	made_alias(m, NULL, 300, "one.example");
	made_alias(m, "one.example", 20, "two.example");
	put_good(m, q, "two.example");
}

static void make_reply(struct fake_dns *f, const struct dns_question *q, struct slice word, bool tcp)
{
	struct made *m = &f->reply;
	unsigned rcode = slice_eq(word, SLICE("formerr"))    ? 1
			 : slice_eq(word, SLICE("servfail")) ? 2
			 : slice_eq(word, SLICE("no"))	     ? 3
			 : slice_eq(word, SLICE("refused"))  ? 5
							     : 0;
	made_reply(m, q, rcode);
	if (rcode == 3 || slice_eq(word, SLICE("empty")))
		made_soa(m, "example", 60, 60);
	else if (rcode)
		return;
	else if (slice_eq(word, SLICE("cname")))
		put_aliases(m, q);
	else if (slice_eq(word, SLICE("loop")))
		made_alias(m, NULL, 60, "loop.example");
	else if (slice_eq(word, SLICE("control")))
		made_named(m, DNS_PTR, "evil\r\n\x1b[2J.example");
	else if (slice_eq(word, SLICE("huge")) && tcp)
		put_huge(m);
	else
		put_good(m, q, NULL);
}

static bool is_cut(struct slice word)
{
	return slice_eq(word, SLICE("cut")) || slice_eq(word, SLICE("huge")) || slice_eq(word, SLICE("stuck")) ||
	       slice_eq(word, SLICE("reset")) || slice_eq(word, SLICE("slowly"));
}

/* ---- UDP --------------------------------------------------------------------------------------- */

static void send_to(struct fake_dns *f, const void *p, size_t n, const void *to, unsigned to_n)
{
	must(sendto(f->udp, p, n, 0, to, to_n) == (ssize_t)n);
}

static void send_reply(struct fake_dns *f, const uint8_t *asked, const void *to, unsigned to_n)
{
	memcpy(f->reply.b, asked, 2);
	send_to(f, f->reply.b, f->reply.n, to, to_n);
}

static void keep_late(struct fake_dns *f, const uint8_t *asked, const void *from, unsigned from_n)
{
	must(f->late_n < FAKE_LATE);
	struct made *copy = malloc(sizeof *copy);
	must(copy);
	*copy = f->reply;
	memcpy(copy->b, asked, 2);
	f->late[f->late_n].reply = copy;
	memcpy(f->late[f->late_n].from, from, from_n);
	f->late[f->late_n++].from_n = from_n;
}

void fake_late(struct fake_dns *f)
{
	for (unsigned i = 0; i < f->late_n; i++) {
		send_to(f, f->late[i].reply->b, f->late[i].reply->n, f->late[i].from, f->late[i].from_n);
		free(f->late[i].reply);
	}
	f->late_n = 0;
}

/* What is sent before or instead of the reply. True: nothing more. */
static bool play(struct fake_dns *f, struct slice word, const uint8_t *asked, const void *from, unsigned from_n)
{
	uint8_t garbage[64] = { 0 };
	struct made *m = &f->reply;
	if (slice_eq(word, SLICE("lost")) || (slice_eq(word, SLICE("once")) && f->once++ == 0))
		return true;
	if (slice_eq(word, SLICE("zero")))
		send_to(f, "", 0, from, from_n);
	if (slice_eq(word, SLICE("garbage"))) {
		memset(garbage, 0xff, sizeof garbage);
		memcpy(garbage, asked, 2);
		send_to(f, garbage, sizeof garbage, from, from_n);
	}
	if (slice_eq(word, SLICE("badid"))) {
		memcpy(m->b, asked, 2);
		m->b[0] ^= 0x55;
		send_to(f, m->b, m->n, from, from_n);
	}
	if (slice_eq(word, SLICE("badname"))) {
		memcpy(m->b, asked, 2);
		m->b[DNS_HEADER + 1] ^= 1;
		send_to(f, m->b, m->n, from, from_n);
		m->b[DNS_HEADER + 1] ^= 1;
	}
	if (slice_eq(word, SLICE("late")))
		keep_late(f, asked, from, from_n);
	return slice_eq(word, SLICE("garbage")) || slice_eq(word, SLICE("late"));
}

static void answer_udp(struct fake_dns *f, const uint8_t *asked, size_t n, const struct sockaddr_in *from)
{
	struct dns_question q;
	struct slice word;
	unsigned port = ntohs(from->sin_port);
	f->udp_asked++;
	f->ports += !(f->seen_port[port / 8] & 1 << port % 8);
	f->seen_port[port / 8] = (uint8_t)(f->seen_port[port / 8] | 1 << port % 8);
	if (f->dead || !read_question(asked, n, &q, &word))
		return;
	make_reply(f, &q, word, false);
	if (is_cut(word))
		f->reply.b[2] |= 2; /* TC */
	if (!play(f, word, asked, from, sizeof *from))
		send_reply(f, asked, from, sizeof *from);
}

/* ---- TCP --------------------------------------------------------------------------------------- */

static void answer_tcp(struct fake_dns *f, struct fake_tcp *c)
{
	struct dns_question q;
	struct slice word;
	f->tcp_asked++;
	size_t asked_n = (size_t)((uint8_t)c->in[0] << 8 | (uint8_t)c->in[1]);
	must(read_question((const uint8_t *)c->in + 2, asked_n, &q, &word));
	make_reply(f, &q, word, true);
	memcpy(f->reply.b, c->in + 2, 2);
	c->in_n -= asked_n + 2;
	memmove(c->in, c->in + asked_n + 2, c->in_n);
	if (slice_eq(word, SLICE("stuck")))
		return;
	if (slice_eq(word, SLICE("reset"))) {
		close_conn(c);
		return;
	}
	c->out = realloc(c->out, c->out_n + f->reply.n + 2);
	must(c->out);
	c->out[c->out_n++] = (char)(f->reply.n >> 8);
	c->out[c->out_n++] = (char)f->reply.n;
	memcpy(c->out + c->out_n, f->reply.b, f->reply.n);
	c->out_n += f->reply.n;
	c->step = slice_eq(word, SLICE("slowly")) ? 1 : 1 << 16;
}

static void turn_tcp(struct fake_dns *f, struct fake_tcp *c)
{
	ssize_t n = read(c->fd, c->in + c->in_n, sizeof c->in - c->in_n);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		close_conn(c);
		return;
	}
	c->in_n += n > 0 ? (size_t)n : 0;
	while (c->fd && c->in_n > 2 && c->in_n >= 2 + (size_t)((uint8_t)c->in[0] << 8 | (uint8_t)c->in[1]))
		answer_tcp(f, c);
	if (!c->fd || c->out_at == c->out_n)
		return;
	size_t step = c->out_n - c->out_at < c->step ? c->out_n - c->out_at : c->step;
	n = send(c->fd, c->out + c->out_at, step, MSG_NOSIGNAL);
	c->out_at += n > 0 ? (size_t)n : 0;
}

void fake_turn(struct fake_dns *f)
{
	uint8_t asked[600];
	struct sockaddr_in from;
	socklen_t from_n = sizeof from;
	for (ssize_t n; (n = recvfrom(f->udp, asked, sizeof asked, 0, (struct sockaddr *)&from, &from_n)) >= 0;)
		answer_udp(f, asked, (size_t)n, &from);
	for (int i = 0; i < FAKE_TCP; i++) {
		struct fake_tcp *c = &f->conns[i];
		if (!c->fd) {
			int fd = accept4(f->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			c->fd = fd > 0 ? fd : 0;
		}
		if (c->fd && !f->dead)
			turn_tcp(f, c);
	}
}
