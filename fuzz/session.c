/* A whole session: any bytes from a client, through the real server code, to a backend.
 *
 * The client's end is a socket pair; the worker is turned by hand. The backend is a thread that takes
 * everything and looks at each byte of it: no bare CR, bare LF or NUL may arrive, and as many mails must have
 * been taken as clients were told 250 after their body.
 * Input: the first byte says who sends the rest (its two highest bits) and how large the cuts are that it is sent in.
 * A byte LONG_TEXT and one behind it stand for a long text, so that small inputs are large bodies.
 */
#include "server/app.h"
#include "server/decisions.h"
#include "server/session.h"
#include "server/worker.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 64 * 1024, SENT_MAX = 1024 * 1024, TURNS_MAX = 20000 };
enum { LONG_TEXT = 1, LONG_UNIT = 311 };
#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* ---- the backend ---- */

static _Atomic unsigned mails_taken;
static const char TAKEN[] = "250 2.0.0 taken\r\n";

struct line_reader {
	int fd;
	char data[8192];
	size_t n;
};

/* One line with its CR LF; false at the end of the connection. */
static bool read_line(struct line_reader *r, char *line_r, size_t cap, size_t *n_r)
{
	for (;;) {
		char *lf = memchr(r->data, '\n', r->n);
		if (lf) {
			size_t n = (size_t)(lf - r->data) + 1;
			MUST(n >= 2 && lf[-1] == '\r' && n < cap);
			MUST(!memchr(r->data, 0, n) && memchr(r->data, '\r', n) == lf - 1);
			memcpy(line_r, r->data, n);
			memmove(r->data, r->data + n, r->n -= n);
			*n_r = n;
			return true;
		}
		MUST(r->n < sizeof r->data);
		ssize_t got = read(r->fd, r->data + r->n, sizeof r->data - r->n);
		if (got <= 0)
			return false;
		r->n += (size_t)got;
	}
}

static bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* The lines of long texts are numbered: each comes once at most, in order, with nothing else in it. */
#define LONG_LINE "#%08x abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n"
enum { LONG_LINE_N = 76 };
static unsigned long_line, last_long_line; /* said to the server; seen by the backend */

static void look_at_long_line(const char *line, size_t n)
{
	char wanted[LONG_LINE_N + 1];
	if (n != LONG_LINE_N || line[0] != '#' || memcmp(line + 9, " abc", 4) != 0 || memcmp(line + 70, "WXYZ", 4) != 0)
		return; /* not one, or a part of one: the client may have gone on in the midst of it */
	unsigned number = (unsigned)strtoul(line + 1, NULL, 16);
	snprintf(wanted, sizeof wanted, LONG_LINE, number);
	MUST(memcmp(line, wanted, n) == 0);
	MUST(number > last_long_line);
	last_long_line = number;
}

static bool take_body(struct line_reader *r)
{
	static char line[8192];
	size_t n;
	for (; read_line(r, line, sizeof line, &n); look_at_long_line(line, n))
		if (n == 3 && line[0] == '.') {
			mails_taken++;
			return say(r->fd, TAKEN);
		}
	return false;
}

static void serve_one(int fd)
{
	static struct line_reader r;
	static char line[8192];
	size_t n;
	r.fd = fd;
	r.n = 0;
	say(fd, "220 backend ESMTP\r\n");
	while (read_line(&r, line, sizeof line, &n)) {
		if (n >= 4 && memcmp(line, "EHLO", 4) == 0)
			say(fd, "250-backend\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000\r\n");
		else if (n == 6 && memcmp(line, "DATA", 4) == 0 && (!say(fd, "354 go on\r\n") || !take_body(&r)))
			break;
		else if (memcmp(line, "DATA", 4) != 0)
			say(fd, n >= 6 && line[0] == 'R' && line[9] == 'b' ? "550 5.1.1 nobody\r\n"
									   : "250 2.0.0 ok\r\n");
	}
	close(fd);
}

static void *backend(void *arg)
{
	int listener = *(int *)arg;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
		/* else the second of two replies waits 40 ms for an acknowledgement */
		if (fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0)
			serve_one(fd);
	}
	return NULL;
}

static uint16_t start_backend(void)
{
	static int listener;
	pthread_t t;
	struct ip ip;
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	uint16_t port;
	MUST(ip_parse(SLICE("127.0.0.1"), &ip));
	unsigned len = ip_to_sockaddr(&ip, 0, &sa);
	listener = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(bind(listener, (struct sockaddr *)&sa, len) == 0 && listen(listener, 16) == 0);
	MUST(getsockname(listener, (struct sockaddr *)&sa, &n) == 0);
	ip_from_sockaddr(&sa, &ip, &port);
	MUST(pthread_create(&t, NULL, backend, &listener) == 0);
	return port;
}

/* ---- the server ---- */

static struct app app = { .commands = -1, .spool.folder = -1 };

static const char SETTINGS[] =
	"server = { hostname = \"mx.example.test\"; user = \"\"; workers = 1; control = \"%s/control\"; spool = "
	"\"%s\"; };\n"
	"listeners = ( { name = \"mx\"; address = [\"127.0.0.1:2525\"]; tls = \"off\";\n"
	"                proxy_protocol_from = [\"192.0.2.9/32\"]; xclient_from = [\"192.0.2.8/32\"]; } );\n"
	"limits = { sessions_per_client = 0; sessions_per_net = 0; message_size = \"300k\"; recipients = 20; };\n"
	"relay = { backends = [\"smtp://127.0.0.1:%u\"]; domains = [\"example.test\"]; identity = \"none\"; "
	"connections = 1;\n"
	"          recipients = [\"backend\"]; memory_per_message = \"100k\"; };\n"
	"score = { memory = \"4M\"; };\n"
	"log = { to = \"/dev/null\"; };\n"
	"rules = ( { name = \"many\"; when = \"count(recipients by client, 1m) > 8\"; points = 1; charge = 1; },\n"
	"          { name = \"no\"; when = \"sender =~ /^no/\"; do = \"reject\"; },\n"
	"          { name = \"later\"; when = \"helo == 'later'\"; do = \"defer\"; } );\n";

static char folder[] = "/tmp/fuzz-session-XXXXXX", path[64];

/* Bodies are in unlinked files: only the settings are left. */
static void remove_folder(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

static void write_settings(char path_r[64])
{
	MUST(mkdtemp(folder) && atexit(remove_folder) == 0);
	snprintf(path_r, 64, "%s/f.cfg", folder);
	FILE *f = fopen(path_r, "w");
	MUST(f);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(f, SETTINGS, folder, folder, start_backend());
#pragma GCC diagnostic pop
	fclose(f);
	MUST(spool_room_open(&app.spool, folder, 4, 256 << 10));
}

static void start_server(void)
{
	static struct worker worker;
	struct settings_faults faults = { 0 };
	struct log_config log = { .to = "/dev/null" };
	signal(SIGPIPE, SIG_IGN);
	MUST(log_open(&log) && log_start());
	write_settings(path);
	app.settings_path = path;
	app.needs.host.hostname = "mx.example.test";
	app.generation = generation_load(path, &app.needs, NULL, &faults);
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.items[i].text);
	MUST(app.generation);
	app.first = generation_ref(app.generation);
	settings_faults_release(&faults);
	pthread_mutex_init(&app.lock, NULL);
	app.clients = clients_new();
	app.alerts = alerts_new();
	app.transcripts = transcripts_new();
	app.decisions = decisions_new(100, 1);
	app.store = score_store_new(4 << 20, &app.needs.score_key);
	app.relay = relay_shared_new(&app.generation->relay);
	app.workers = &worker;
	app.workers_n = 1;
	app.sessions_limit = 10;
	app.held_max = 1 << 20;
	MUST(app.clients && app.store && app.relay && app.transcripts);
	MUST(worker_init(&worker, &app, 0) && worker_connect(&worker));
}

/* ---- the client ---- */

/* Counts "250" replies to bodies: those that follow a 354, and behind BDAT LAST, where parts are told 250 as well,
 * those in the backend's words. */
struct replies {
	char line[600];
	size_t n;
	bool body;
	unsigned taken;
};

static void see_line(struct replies *r)
{
	MUST(r->n >= 5 && r->line[r->n - 1] == '\r');
	for (int i = 0; i < 3; i++)
		MUST(r->line[i] >= '0' && r->line[i] <= '9');
	MUST(r->line[3] == ' ' || r->line[3] == '-');
	if (r->line[3] == '-')
		return;
	bool backends = r->n >= sizeof TAKEN - 2 && memcmp(r->line, TAKEN, sizeof TAKEN - 3) == 0;
	if (backends || (r->body && memcmp(r->line, "250", 3) == 0))
		r->taken++;
	r->body = memcmp(r->line, "354", 3) == 0;
}

static void read_replies(int fd, struct replies *r)
{
	char data[4096];
	for (ssize_t n; (n = recv(fd, data, sizeof data, MSG_DONTWAIT)) > 0;)
		for (ssize_t i = 0; i < n; i++) {
			if (data[i] == '\n') {
				see_line(r);
				r->n = 0;
				continue;
			}
			MUST(r->n < sizeof r->line);
			r->line[r->n++] = data[i];
		}
}

static void turn(struct replies *r, int fd, int ms)
{
	MUST(worker_turn(&app.workers[0], ms));
	read_replies(fd, r);
}

/* True when the worker waits for its client and for nothing else: for bytes, or, behind the last reply, its end. */
static bool is_quiet(void)
{
	struct worker *w = &app.workers[0];
	for (uint32_t i = 0; i < w->sessions_cap; i++)
		if (w->sessions[i])
			return w->sessions[i]->awaiting == AWAIT_CLIENT || w->sessions[i]->awaiting == AWAIT_PROXY ||
			       w->sessions[i]->awaiting == AWAIT_FLUSH;
	return true;
}

static void send_cut(int fd, const uint8_t *p, size_t n, size_t cut, struct replies *r)
{
	while (n && app.workers[0].sessions_open) {
		size_t part = n < cut ? n : cut;
		ssize_t sent = send(fd, p, part, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN)
			return;
		p += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
		turn(r, fd, 0);
		for (int i = 0; i < TURNS_MAX && !is_quiet(); i++)
			turn(r, fd, 1);
	}
}

/* The input as it is sent. A long text ends with a line, or within one. */
static size_t write_out(const uint8_t *data, size_t size, uint8_t *out)
{
	size_t n = 0;
	for (size_t i = 0; i < size && n < SENT_MAX; i++) {
		size_t left = data[i] == LONG_TEXT && i + 1 < size ? (size_t)data[++i] * LONG_UNIT : 0;
		if (!left)
			out[n++] = data[i];
		for (char line[LONG_LINE_N + 1]; left && n < SENT_MAX;) {
			snprintf(line, sizeof line, LONG_LINE, ++long_line);
			size_t part = left < LONG_LINE_N ? left : LONG_LINE_N;
			part = part < SENT_MAX - n ? part : SENT_MAX - n;
			memcpy(out + n, line, part);
			n += part;
			left -= part;
		}
	}
	return n;
}

/* ---- a trace of the client, on all the while ---- */

static uint32_t watch(void)
{
	static const struct ip_prefix all = { .bits = 0 };
	uint32_t id = transcripts_begin(app.transcripts, &all, clock_mono_ms());
	MUST(id);
	return id;
}

/* It begins, it ends, and nothing that is said for AUTH is in it. `silent`: a proxy without a good header has none. */
static void check_trace(uint32_t id, bool silent)
{
	static struct transcript_line lines[TRANSCRIPT_TAKE];
	struct transcript_taken got = { .next = 0 };
	unsigned last = TRANSCRIPT_KINDS;
	do {
		MUST(transcripts_take(app.transcripts, id, got.next, clock_mono_ms(), lines, &got));
		for (size_t i = 0; i < got.n; i++) {
			struct slice text = slice_of(lines[i].text, lines[i].n);
			last = lines[i].kind;
			MUST(last != TRANSCRIPT_IN || !slice_istarts(slice_trim(text), SLICE("auth")) ||
				slice_eq(text, SLICE("AUTH ***")));
		}
	} while (got.n);
	MUST(last == TRANSCRIPT_END || (silent && last != TRANSCRIPT_IN));
	MUST(transcripts_end(app.transcripts, id));
}

/* Who connects: any client twice, then one whose XCLIENT is believed, one that must send a PROXY header. */
enum { CLIENT, CLIENT_TOO, TRUSTED, PROXY, SENDERS };

static const struct ip *sender(unsigned who)
{
	static const struct slice TEXT[SENDERS] = { SLICE_INIT("192.0.2.7"), SLICE_INIT("192.0.2.7"),
		SLICE_INIT("192.0.2.8"), SLICE_INIT("192.0.2.9") };
	static struct ip ip;
	MUST(ip_parse(TEXT[who], &ip));
	return &ip;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	if (!started)
		start_server();
	started = true;
	if (size < 1 || size > INPUT_MAX)
		return 0;
	struct replies r = { 0 };
	unsigned before = mails_taken;
	int fd[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	app.workers[0].now_ms = clock_mono_ms();
	app.workers[0].wall_ms = clock_wall_ms();
	uint32_t trace = watch();
	unsigned who = data[0] >> 6, cut = data[0] & 0x3f;
	static uint8_t sent[SENT_MAX];
	size_t n = write_out(data + 1, size - 1, sent), whole = cut == 0x3f ? SENT_MAX : cut * 16u;
	session_open(&app.workers[0], fd[0], sender(who), 1000, 0);
	send_cut(fd[1], sent, n, cut ? whole : n < 4096 ? 1 : 4096, &r);
	shutdown(fd[1], SHUT_WR);
	for (int i = 0; i < TURNS_MAX && app.workers[0].sessions_open; i++)
		turn(&r, fd[1], 1);
	MUST(app.workers[0].sessions_open == 0);
	read_replies(fd[1], &r);
	close(fd[1]);
	check_trace(trace, who == PROXY);
	MUST(r.taken == mails_taken - before);
	MUST(atomic_load(&app.spool.memory) == 0 && atomic_load(&app.spool.files) == 0 &&
		atomic_load(&app.sessions) == 0 && atomic_load(&app.held) == 0);
	return 0;
}
