/* See served.h */
#include "served.h"

#include "base/mem.h"
#include "ctl/unix_addr.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool echo(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)error_r;
	((struct served *)app)->asked++;
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_text(root, "say", ctl_json_text(args, "say"));
	ctl_json_put_count(root, "n", ctl_json_len(args));
	return true;
}

static bool fail_loudly(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args;
	ctl_json_put_int(ctl_json_root_object(data_r), "half", 1);
	return !buf_put(error_r, SLICE("x.cfg:3: no such key\nx.cfg:4: neither"));
}

static bool mute(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args, (void)data_r, (void)error_r;
	return false;
}

static bool big(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args, (void)error_r;
	struct ctl_json list = ctl_json_root_array(data_r);
	for (int i = 0; i < 20000; i++)
		ctl_json_put_text(list, NULL,
			SLICE("a hundred bytes, more or less, to be far above what the socket's own "
			      "buffers take in one go......"));
	return true;
}

static bool starve(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)error_r;
	mem_fail_after((long)ctl_json_int(args, "n", 0));
	return echo(app, args, data_r, error_r);
}

static bool feed(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args, (void)data_r, (void)error_r;
	mem_fail_after(-1);
	return true;
}

static const struct ctl_command commands[] = {
	{ "echo", echo },
	{ "fail", fail_loudly },
	{ "mute", mute },
	{ "big", big },
	{ "starve", starve },
	{ "feed", feed },
};

static void *run(void *server)
{
	ctl_server_run(server);
	return NULL;
}

bool served_start(struct served *s, uint64_t request_ms, uint64_t answer_ms)
{
	struct buf error = { 0 };
	*s = (struct served){ 0 };
	snprintf(s->top, sizeof(s->top), "/tmp/sg_ctl_XXXXXX");
	TRY(mkdtemp(s->top));
	snprintf(s->path, sizeof(s->path), "%s/control", s->top);
	struct ctl_server_config c = { .path = s->path,
		.commands = commands,
		.n_commands = sizeof(commands) / sizeof(*commands),
		.app = s,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.request_ms = request_ms,
		.answer_ms = answer_ms };
	s->server = ctl_server_open(&c, &error);
	buf_release(&error);
	return s->server && pthread_create(&s->thread, NULL, run, s->server) == 0;
}

void served_stop(struct served *s)
{
	ctl_server_stop(s->server);
	pthread_join(s->thread, NULL);
	ctl_server_close(&s->server);
	rmdir(s->top);
}

bool served_connect_with(const struct served *s, int fd)
{
	struct sockaddr_un addr;
	socklen_t len;
	return ctl_unix_addr(s->path, &addr, &len) && connect(fd, (struct sockaddr *)&addr, len) == 0;
}

int served_connect(const struct served *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && served_connect_with(s, fd) ? fd : -1;
}

bool served_read_all(int fd, struct buf *out)
{
	ssize_t n = 1;
	while (n > 0) {
		TRY(buf_reserve(out, 65536));
		n = recv(fd, out->data + out->end, 65536, 0);
		buf_grew(out, n > 0 ? (size_t)n : 0);
	}
	return n == 0;
}
