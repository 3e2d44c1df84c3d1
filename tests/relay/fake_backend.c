#include "tests/relay/fake_backend.h"

#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum doing { WORKS, READS, RESTS };

struct fake_conn {
	struct fake *f;
	_Atomic enum doing doing; /* reads: it does not work unless its descriptor is readable */
	int fd, n;
	char buf[8192];
	size_t len;
	bool body, first_line, xclient_done, gone, mail_open;
	struct fake_mail mail;
	int accepted;
	bool crowd; /* one too many */
};

static void say(struct fake_conn *c, const char *text)
{
	if (send(c->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		c->gone = true;
}

static void note(struct fake_conn *c, const char *line)
{
	struct fake *f = c->f;
	pthread_mutex_lock(&f->lock);
	if (f->log_n + 600 < sizeof f->log)
		f->log_n += (size_t)snprintf(f->log + f->log_n, 600, "%d:%.500s\n", c->n, line);
	pthread_mutex_unlock(&f->lock);
}

static bool matches(const char *line, const char *on)
{
	return on[0] == '*' ? strstr(line, on + 1) != NULL : strncmp(line, on, strlen(on)) == 0;
}

static bool ruled(struct fake_conn *c, const char *line)
{
	struct fake *f = c->f;
	struct fake_rule rule = { 0 };
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < 8 && !rule.on; i++)
		if (f->rules[i].on && f->rules[i].times >= 0 && matches(line, f->rules[i].on)) {
			rule = f->rules[i];
			if (f->rules[i].times == 1)
				f->rules[i].times = -1;
			else if (f->rules[i].times > 1)
				f->rules[i].times--;
		}
	pthread_mutex_unlock(&f->lock);
	if (!rule.on)
		return false;
	atomic_store(&c->doing, RESTS);
	if (rule.delay_ms > 0)
		usleep((useconds_t)rule.delay_ms * 1000);
	while (rule.delay_ms == FAKE_HELD && !atomic_load(&f->let_go) && !atomic_load(&f->stop))
		usleep(500);
	if (rule.act != FAKE_STALL)
		atomic_store(&c->doing, WORKS);
	if (rule.act == FAKE_SAY || rule.act == FAKE_SAY_AND_CLOSE)
		say(c, rule.say);
	if (rule.act == FAKE_FLOOD)
		for (int i = 0; i < 10000 && !c->gone; i++)
			say(c, "250-endless\r\n");
	if (rule.act == FAKE_STALL)
		while (!atomic_load(&f->stop) && poll(&(struct pollfd){ .fd = c->fd, .events = POLLRDHUP }, 1, 20) == 0)
			;
	c->gone |= rule.act == FAKE_SAY_AND_CLOSE || rule.act == FAKE_CLOSE || rule.act == FAKE_STALL;
	return true;
}

static void ehlo(struct fake_conn *c)
{
	char text[512], limits[64] = "";
	const char *x = "";
	if (c->f->says_limits)
		snprintf(limits, sizeof limits, "250-LIMITS RCPTMAX=%d\r\n", c->f->max_rcpts);
	if (c->f->xclient == FAKE_XCLIENT_NO_ADDR)
		x = "250-XCLIENT NAME\r\n";
	else if (c->f->xclient == FAKE_XCLIENT_ANY || c->f->xclient == FAKE_XCLIENT_LIES ||
		 (c->f->xclient == FAKE_XCLIENT_ONCE && !c->xclient_done))
		x = "250-XCLIENT NAME ADDR PROTO HELO PORT LOGIN\r\n";
	snprintf(text, sizeof text,
		"250-fake\r\n%s%s%s%s250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT\r\n250-SIZE 1000000\r\n"
		"250 8BITMIME\r\n",
		c->f->no_pipelining ? "" : "250-PIPELINING\r\n", x, limits, c->f->offers ? c->f->offers : "");
	say(c, text);
}

static void command(struct fake_conn *c, const char *line)
{
	note(c, line);
	if (ruled(c, line))
		return;
	if (strncmp(line, "EHLO", 4) == 0 && !c->f->lmtp) {
		ehlo(c);
	} else if (strncmp(line, "LHLO", 4) == 0 && c->f->lmtp) {
		ehlo(c);
	} else if (strncmp(line, "XCLIENT", 7) == 0) {
		if (c->xclient_done && c->f->xclient != FAKE_XCLIENT_ANY) {
			say(c, "550 5.7.0 Error: insufficient authorization\r\n");
			return;
		}
		c->xclient_done = true;
		const char *addr = strstr(line, "ADDR=");
		snprintf(c->mail.client, sizeof c->mail.client, "%.*s", (int)strcspn(addr + 5, " "), addr + 5);
		say(c, "220 fake again\r\n");
	} else if (strncmp(line, "MAIL", 4) == 0) {
		snprintf(c->mail.from, sizeof c->mail.from, "%.100s", line + 10);
		c->mail.rcpts[0] = 0;
		c->accepted = 0;
		c->mail_open = true;
		say(c, "250 2.1.0 Ok\r\n");
	} else if (strncmp(line, "RCPT", 4) == 0 && !c->mail_open) {
		say(c, "503 5.5.1 Error: need MAIL command\r\n");
	} else if (strncmp(line, "RCPT", 4) == 0 && c->f->max_rcpts && c->accepted >= c->f->max_rcpts) {
		say(c, "452 4.5.3 Error: too many recipients\r\n");
	} else if (strncmp(line, "RCPT", 4) == 0) {
		size_t n = strlen(c->mail.rcpts);
		int path = (int)strcspn(line + 8, ">") + 1; /* without its parameters */
		snprintf(c->mail.rcpts + n, sizeof c->mail.rcpts - n, "%.*s", path < 60 ? path : 60, line + 8);
		c->accepted++;
		say(c, "250 2.1.5 Ok\r\n");
	} else if (strcmp(line, "DATA") == 0) {
		c->body = c->accepted > 0;
		c->first_line = true;
		c->mail.size = 0;
		c->mail.body[0] = 0;
		say(c, c->body ? "354 go\r\n" : "554 5.5.1 Error: no valid recipients\r\n");
	} else if (strcmp(line, "QUIT") == 0) {
		say(c, "221 2.0.0 Bye\r\n");
		c->gone = true;
	} else {
		if (strcmp(line, "RSET") == 0) {
			c->mail_open = false;
			c->accepted = 0;
		}
		say(c, "250 2.0.0 Ok\r\n");
	}
}

static void keep_mail(struct fake_conn *c)
{
	pthread_mutex_lock(&c->f->lock);
	c->mail.conn = c->n;
	if (c->f->mails_n < 256)
		c->f->mails[c->f->mails_n++] = c->mail;
	pthread_mutex_unlock(&c->f->lock);
}

/* Each recipient is taken, or its rule says what it gets. */
static void answer_each(struct fake_conn *c)
{
	char all[sizeof c->mail.rcpts], line[80];
	snprintf(all, sizeof all, "%s", c->mail.rcpts);
	for (char *at = all, *end; !c->gone && *at && (end = strchr(at, '>')); at = end + 1) {
		snprintf(line, sizeof line, ".%.*s", (int)(end - at + 1), at);
		if (ruled(c, line))
			continue;
		snprintf(c->mail.rcpts, sizeof c->mail.rcpts, "%s", line + 1);
		keep_mail(c);
		say(c, "250 2.1.5 Ok: saved as FAKE\r\n");
	}
}

static void body_line(struct fake_conn *c, const char *line, size_t n)
{
	if (n == 1 && line[0] == '.') {
		c->body = c->mail_open = false;
		c->accepted = 0;
		note(c, ".");
		if (ruled(c, "."))
			return;
		if (c->f->lmtp) {
			answer_each(c);
			return;
		}
		keep_mail(c);
		say(c, "250 2.0.0 Ok: queued as FAKE\r\n");
		return;
	}
	if (c->first_line && ruled(c, "BODY"))
		return;
	c->first_line = false;
	size_t had = strlen(c->mail.body);
	if (had + n + 2 < sizeof c->mail.body)
		snprintf(c->mail.body + had, sizeof c->mail.body - had, "%.*s\n", (int)n, line);
	c->mail.size += n + 2;
}

static void lines(struct fake_conn *c)
{
	char *end;
	size_t at = 0;
	while (!c->gone && (end = memmem(c->buf + at, c->len - at, "\r\n", 2))) {
		*end = 0;
		if (c->body)
			body_line(c, c->buf + at, (size_t)(end - c->buf) - at);
		else
			command(c, c->buf + at);
		at = (size_t)(end - c->buf) + 2;
	}
	memmove(c->buf, c->buf + at, c->len - at);
	c->len -= at;
}

/* More input; 0 or less: there is none any more. */
static ssize_t take(struct fake_conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	atomic_store(&c->doing, READS);
	while (!atomic_load(&c->f->stop) && poll(&p, 1, 20) == 0)
		;
	atomic_store(&c->doing, WORKS);
	ssize_t n = atomic_load(&c->f->stop) ? 0 : recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, 0);
	c->len += n > 0 ? (size_t)n : 0;
	return n;
}

/* Without a good header it hangs up. */
static void take_header(struct fake_conn *c)
{
	struct net_proxy p;
	char line[200], src[IP_TEXT], dst[IP_TEXT];
	size_t used;
	enum net_proxy_result got = NET_PROXY_MORE;
	while (got == NET_PROXY_MORE && take(c) > 0)
		got = net_proxy_parse(slice_of(c->buf, c->len), &used, &p);
	c->gone = got != NET_PROXY_OK;
	if (c->gone)
		return;
	ip_format(&p.src, src);
	ip_format(&p.dst, dst);
	snprintf(line, sizeof line, "PROXY %s %u %s %u [%.*s] [%.*s] [%.*s]", src, p.src_port, dst, p.dst_port,
		SLICE_ARG(p.unique_id), SLICE_ARG(p.version), SLICE_ARG(p.authority));
	snprintf(c->mail.client, sizeof c->mail.client, "%s", src);
	memmove(c->buf, c->buf + used, c->len - used);
	c->len -= used;
	note(c, p.local ? "PROXY LOCAL" : line);
	ruled(c, p.local ? "PROXY LOCAL" : line);
}

static void *serve(void *arg)
{
	struct fake_conn *c = arg;
	struct fake *f = c->f;
	if (f->proxy)
		take_header(c);
	if (c->gone) {
		note(c, "GONE");
	} else if (c->crowd) {
		say(c, "421 4.7.0 fake Error: too many connections\r\n");
		c->gone = true;
	} else if (!ruled(c, "GREETING")) {
		say(c, "220 fake ESMTP\r\n");
	}
	while (!c->gone && take(c) > 0)
		lines(c);
	pthread_mutex_lock(&f->lock);
	f->open--;
	f->at[c->n % 256] = NULL;
	close(c->fd);
	pthread_mutex_unlock(&f->lock);
	free(c);
	atomic_fetch_sub(&f->threads, 1);
	return NULL;
}

static void *accepting(void *arg)
{
	struct fake *f = arg;
	while (!atomic_load(&f->stop)) {
		pthread_mutex_lock(&f->lock);
		struct pollfd p = { .fd = f->fd, .events = POLLIN };
		int fd = f->fd >= 0 && poll(&p, 1, 0) == 1 ? accept(f->fd, NULL, NULL) : -1;
		struct fake_conn *c = fd >= 0 ? calloc(1, sizeof *c) : NULL; /* it works */
		if (c) {
			int one = 1;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			c->f = f;
			c->fd = fd;
			c->n = ++f->conns;
			f->at[c->n % 256] = c;
			if (++f->open > f->most_open)
				f->most_open = f->open;
			c->crowd = f->max_open && f->open > f->max_open;
		}
		pthread_mutex_unlock(&f->lock);
		if (!c) {
			usleep(500);
			continue;
		}
		pthread_t t;
		atomic_fetch_add(&f->threads, 1);
		pthread_create(&t, NULL, serve, c);
		pthread_detach(t);
	}
	return NULL;
}

static int listening(uint16_t *port)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	socklen_t len = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, 256) ||
		getsockname(fd, (struct sockaddr *)&sa, &len))
		abort();
	*port = ntohs(sa.sin_port);
	return fd;
}

struct fake *fake_start(enum fake_xclient xclient, const struct fake_rule *rules, size_t n)
{
	struct fake *f = calloc(1, sizeof *f);
	f->xclient = xclient;
	if (n)
		memcpy(f->rules, rules, n * sizeof *rules);
	pthread_mutex_init(&f->lock, NULL);
	f->fd = listening(&f->port);
	pthread_create(&f->thread, NULL, accepting, f);
	return f;
}

void fake_stop(struct fake *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
	while (atomic_load(&f->threads))
		usleep(1000);
	if (f->fd >= 0)
		close(f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void fake_drop_all(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	for (int i = 0; i < 256; i++)
		if (f->at[i])
			shutdown(f->at[i]->fd, SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
}

void fake_let_go(struct fake *f)
{
	atomic_store(&f->let_go, true);
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

bool fake_is_quiet(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	bool quiet = !is_readable(f->fd);
	for (int i = 0; i < 256 && quiet; i++) {
		enum doing doing = f->at[i] ? atomic_load(&f->at[i]->doing) : RESTS;
		quiet = doing == RESTS || (doing == READS && !is_readable(f->at[i]->fd));
	}
	pthread_mutex_unlock(&f->lock);
	return quiet;
}

void fake_down(struct fake *f, bool down)
{
	pthread_mutex_lock(&f->lock);
	if (down) {
		close(f->fd);
		f->fd = -1;
	} else {
		f->fd = listening(&f->port);
	}
	pthread_mutex_unlock(&f->lock);
	if (down)
		fake_drop_all(f);
}

int fake_seen(struct fake *f, const char *text)
{
	int n = 0;
	pthread_mutex_lock(&f->lock);
	for (const char *p = f->log; (p = strstr(p, text)); p += strlen(text))
		n++;
	pthread_mutex_unlock(&f->lock);
	return n;
}

int fake_mails(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	int n = f->mails_n;
	pthread_mutex_unlock(&f->lock);
	return n;
}

int fake_mails_for(struct fake *f, const char *rcpt)
{
	int n = 0;
	pthread_mutex_lock(&f->lock);
	for (int i = 0; i < f->mails_n; i++)
		n += strstr(f->mails[i].rcpts, rcpt) != NULL;
	pthread_mutex_unlock(&f->lock);
	return n;
}

void fake_set_rule(struct fake *f, int i, struct fake_rule rule)
{
	pthread_mutex_lock(&f->lock);
	f->rules[i] = rule;
	pthread_mutex_unlock(&f->lock);
}
