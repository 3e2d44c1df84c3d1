#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/server/rig.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/decisions.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Turns of 1 ms until something that must happen is given up. */
enum { TURNS_MAX = 10000 };

#define LISTENER(tls) "listeners = ( { name = \"mx\"; address = [\"127.0.0.1:2525\"]; tls = \"" tls "\"; } );"
static const char SETTINGS[] =
	"server = { hostname = \"mx.example.test\"; user = \"\"; workers = 1; };\n"
	"%s\n"
	"relay = { backends = [\"smtp://127.0.0.1:%u\"]; domains = [\"example.test\"]; identity = \"none\";\n"
	"          connections = 2; recipients = [\"backend\"]; };\n"
	"score = { memory = \"4M\"; };\n"
	"log = { format = \"json\"; };\n"
	"%s\n";

static struct generation *load(struct rig *g, const char *more)
{
	struct settings_faults faults = { 0 };
	FILE *f = fopen(g->settings, "we");
	assert_non_null(f);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	const char *listener = strstr(more, "certificates") ? LISTENER("starttls") : LISTENER("off");
	(void)fprintf(f, SETTINGS, strstr(more, "listeners") ? "" : listener, g->fake->port, more);
#pragma GCC diagnostic pop
	(void)fclose(f);
	struct generation *made = generation_load(g->settings, &g->app.needs, g->app.generation, &faults);
	for (size_t i = 0; i < faults.count; i++)
		print_message("%s:%u: %s\n", faults.items[i].file, faults.items[i].line, faults.items[i].text);
	assert_non_null(made);
	settings_faults_release(&faults);
	return made;
}

void rig_open(struct rig *g, const char *more, const struct fake_rule *rules, size_t rules_n)
{
	char folder[] = "/tmp/server-test-XXXXXX";
	*g = (struct rig){ .app = { .commands = -1, .sessions_limit = 100, .held_max = 1 << 20 }, .alive = true };
	assert_non_null(mkdtemp(folder));
	memcpy(g->folder, folder, sizeof folder);
	(void)snprintf(g->settings, sizeof g->settings, "%s/smtpguardd.cfg", folder);
	(void)snprintf(g->journal, sizeof g->journal, "%s/journal", folder);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_true(log_open(&(struct log_config){ .to = g->journal }));
	assert_true(spool_room_open(&g->app.spool, folder, 4, 1 << 20));
	g->fake = fake_start(FAKE_NO_XCLIENT, rules, rules_n);
	assert_non_null(g->fake);
	g->app.needs.host.hostname = "mx.example.test";
	g->app.generation = load(g, more);
	g->app.first = generation_ref(g->app.generation);
	g->app.clients = clients_new();
	g->app.org = dns_org_load();
	g->app.store = score_store_new(4 << 20, &g->app.needs.score_key);
	g->app.relay = relay_shared_new(&g->app.generation->relay);
	g->app.workers = &g->worker;
	g->app.workers_n = 1;
	g->app.alerts = alerts_new();
	g->app.transcripts = transcripts_new();
	g->app.decisions = decisions_new(100, 1);
	assert_true(g->app.clients && g->app.store && g->app.relay && g->app.alerts && g->app.decisions &&
		    g->app.transcripts);
	assert_true(worker_init(&g->worker, &g->app, 0) && worker_connect(&g->worker));
	rig_turn(g, 0);
}

void rig_close(struct rig *g)
{
	if (g->alive) {
		worker_stop(&g->worker);
		for (int i = 0; i < TURNS_MAX && g->alive; i++)
			rig_turn(g, 1);
	}
	assert_false(g->alive);
	assert_int_equal(atomic_load(&g->app.sessions), 0);
	assert_int_equal(atomic_load(&g->app.waiting), 0);
	assert_int_equal(atomic_load(&g->app.held), 0);
	assert_int_equal(atomic_load(&g->app.spool.files), 0);
	assert_int_equal(stat_get(&g->worker.stats, STAT_SESSIONS_OPEN), 0);
	assert_int_equal(stat_get(&g->worker.stats, STAT_WAITING), 0);
	worker_disconnect(&g->worker);
	worker_free(&g->worker);
	relay_shared_free(&g->app.relay);
	score_store_free(&g->app.store);
	clients_free(&g->app.clients);
	alerts_free(&g->app.alerts);
	decisions_free(&g->app.decisions);
	dns_org_free(&g->app.org);
	transcripts_free(&g->app.transcripts);
	generation_unref(&g->app.generation);
	generation_unref(&g->app.first);
	spool_room_close(&g->app.spool);
	fake_stop(g->fake);
	(void)unlink(g->settings);
	(void)unlink(g->journal);
	(void)rmdir(g->folder);
}

void rig_reload(struct rig *g, const char *more)
{
	struct generation *fresh = load(g, more);
	generation_unref(&g->app.generation);
	g->app.generation = fresh;
	worker_take_generation(&g->worker, fresh);
	rig_turn(g, 0);
}

void rig_turn(struct rig *g, int ms)
{
	if (g->alive)
		g->alive = worker_turn(&g->worker, ms);
}

struct session *rig_session(struct rig *g)
{
	assert_int_equal(g->worker.sessions_open, 1);
	uint32_t i = 0;
	while (!g->worker.sessions[i])
		i++;
	return g->worker.sessions[i];
}

void rig_pass(struct rig *g, struct session *s, uint64_t ms)
{
	s->heard_ms -= ms;
	s->opened_ms -= ms;
	if (s->mail) {
		s->pace.started_ms -= ms;
		s->pace.looked_ms -= ms;
	}
	s->deadline_ms = s->deadline_ms > g->worker.now_ms + ms ? s->deadline_ms - ms : g->worker.now_ms;
	session_on_timer(s);
	rig_turn(g, 0);
}

bool rig_journaled(struct rig *g, const char *one, const char *other)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen(g->journal, "re");
	assert_non_null(f);
	while (!found && fgets(line, sizeof line, f))
		found = strstr(line, one) && strstr(line, other);
	(void)fclose(f);
	return found;
}

/* ---- clients ---- */

void client_open(struct client *c, struct rig *g, const char *text)
{
	int fd[2];
	struct ip ip;
	*c = (struct client){ .g = g };
	assert_true(ip_parse(slice_str(text), &ip));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	c->fd = fd[1];
	session_open(&g->worker, fd[0], &ip, 1000, 0);
	rig_turn(g, 0);
}

void client_say(struct client *c, const char *text)
{
	size_t n = strlen(text);
	for (int i = 0; i < TURNS_MAX && n; i++) {
		ssize_t sent = send(c->fd, text, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return; /* the server has closed: the reply shows what it said */
		text += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
		rig_turn(c->g, 0);
	}
	assert_int_equal(n, 0);
}

/* One more line in c->text, with its CR LF and a NUL. False: the server has closed, or says nothing. */
static bool read_line(struct client *c)
{
	c->n = 0;
	for (int i = 0; i < TURNS_MAX;) {
		ssize_t n = recv(c->fd, c->text + c->n, 1, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n < 0) {
			rig_turn(c->g, 1);
			i++;
			continue;
		}
		assert_true(++c->n < sizeof c->text);
		c->text[c->n] = 0;
		if (c->text[c->n - 1] == '\n')
			return true;
	}
	fail_msg("no reply");
	return false;
}

int client_reply(struct client *c)
{
	do {
		if (!read_line(c))
			return 0;
	} while (c->n > 3 && c->text[3] == '-');
	return (int)strtol(c->text, NULL, 10);
}

const char *client_words(const struct client *c)
{
	return c->text;
}

int client_cmd(struct client *c, const char *text)
{
	client_say(c, text);
	return client_reply(c);
}

bool client_is_closed(struct client *c)
{
	char rest[4096];
	for (int i = 0; i < 100; i++) {
		ssize_t n = recv(c->fd, rest, sizeof rest, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		rig_turn(c->g, 1);
	}
	return false;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	rig_turn(c->g, 0);
}
