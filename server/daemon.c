#include "server/daemon.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/server.h"
#include "server/control.h"
#include "server/keeper.h"
#include "server/decisions.h"
#include "server/privileges.h"
#include "server/reload.h"
#include "server/replay_log.h"
#include "server/rights.h"
#include "server/sandbox.h"
#include "server/seats.h"
#include "server/sources.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ---- start ---- */

static bool fail(const char *what)
{
	log_error("%s", what);
	return false;
}

static bool make_shared(struct app *app)
{
	const struct settings *s = app->generation->settings;
	app->clients = clients_new();
	app->alerts = alerts_new();
	app->transcripts = transcripts_new();
	app->org = dns_org_load();
	app->store = score_store_new(s->score.memory, &app->needs.score_key);
	if (app->store) {
		score_store_hide(app->store, s->log.addresses != SETTINGS_ADDRESSES_PLAIN);
		app->keeper = keeper_new(app->store, s->score.snapshot, s->score.snapshot_every_ms);
	}
	app->relay = relay_shared_new(&app->generation->relay);
	app->workers_n = seats_workers(s);
	app->workers = mem_zalloc(app->workers_n * sizeof *app->workers);
	app->decisions = decisions_new(s->log.decisions, app->workers_n);
	app->replay = replay_log_new(app->started_ms);
	app->commands = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rand_bytes(&app->id_seed, sizeof app->id_seed);
	app->descriptors = privileges_raise_nofile();
	if (!app->clients || !app->alerts || !app->keeper || !app->relay || !app->decisions || !app->replay ||
		!app->workers || !app->transcripts || app->commands < 0)
		return fail("cannot start: out of memory (score.memory is reserved at the start)");
	seats_apply(app, s);
	return true;
}

static bool open_workers(struct app *app)
{
	char why[256];
	for (unsigned i = 0; i < app->workers_n; i++)
		if (!worker_init(&app->workers[i], app, i))
			return fail("cannot start: out of memory or descriptors");
	for (unsigned i = 0; i < app->workers_n; i++)
		if (!worker_listen(&app->workers[i], why))
			return fail(why);
	return true;
}

/* "PATH: No such file or directory" and so on, with what to do. */
static bool fail_path(const char *what, const char *path)
{
	log_error("%s %s: %s", what, path, strerror(errno));
	return false;
}

/* Of a file's path. False: it names none. */
static bool folder_of(const char *path, char folder_r[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	if (n == 0 || n >= PATH_MAX)
		return false;
	memcpy(folder_r, path, n);
	folder_r[n] = 0;
	return true;
}

/* Made when it is missing, but never taken from anybody. A server that lacks the file is still worth having: what is
 * wrong is said, and again when the file is to be written. */
static void open_folder_of(const char *what, const char *path, const char *user)
{
	char folder[PATH_MAX];
	if (folder_of(path, folder) && access(folder, F_OK) < 0 && !privileges_own_folder(folder, user))
		log_warn("%s: %s: %s", what, folder, strerror(errno));
}

static void check_replay(const struct settings *s)
{
	const char *path = s->log.replay;
	char folder[PATH_MAX];
	if (!*path || !folder_of(path, folder) || access(folder, F_OK) < 0) /* it is made at the start */
		return;
	bool there = faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
	if (faccessat(AT_FDCWD, there ? path : folder, there ? R_OK | W_OK : W_OK | X_OK, AT_EACCESS) < 0)
		log_warn("log.replay = \"%s\": %s%s cannot be written%s%s: %s", path, there ? "" : "its folder ",
			there ? "it" : folder, *s->server.user ? " by the user " : "", s->server.user, strerror(errno));
}

void daemon_check_files(const struct settings *s)
{
	if (privileges_look_as(s->server.user)) { /* else there is no such user, which is told at the start */
		check_replay(s);
		rights_tell(&s->tls.certificates);
	}
	privileges_look_back();
}

static bool open_maildirs(const struct settings_backends *b, const char *user)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].scheme == SETTINGS_MAILDIR && !privileges_own_folder(b->items[i].path, user))
			return fail_path("backends: maildir", b->items[i].path);
	return true;
}

static bool open_folders(const struct settings *s)
{
	open_folder_of("score.snapshot", s->score.snapshot, s->server.user);
	open_folder_of("log.replay", s->log.replay, s->server.user);
	if (!privileges_own_folder(s->server.spool, s->server.user))
		return fail_path("server.spool", s->server.spool);
	TRY(open_maildirs(&s->relay.backends, s->server.user));
	for (size_t i = 0; i < s->relay.groups.count; i++)
		TRY(open_maildirs(&s->relay.groups.items[i].backends, s->server.user));
	return true;
}

/* Who we become after the start; NULL: we stay who we are. */
static const struct passwd *account_of(const struct settings *s)
{
	return *s->server.user && geteuid() == 0 ? getpwnam(s->server.user) : NULL;
}

static struct ctl_server *open_control(struct app *app)
{
	const struct settings_server *s = &app->generation->settings->server;
	const struct passwd *pw = account_of(app->generation->settings);
	struct ctl_server_config c = {
		.path = s->control,
		.app = app,
		.uid = pw ? pw->pw_uid : (uid_t)-1,
		.gid = pw ? pw->pw_gid : (gid_t)-1,
	};
	c.commands = control_commands(&c.n_commands);
	struct buf why = { 0 };
	struct ctl_server *ctl = ctl_server_open(&c, &why);
	if (!ctl)
		log_error("server.control: %.*s", SLICE_ARG(buf_slice(&why)));
	buf_release(&why);
	return ctl;
}

static bool start_workers(struct app *app)
{
	for (unsigned i = 0; i < app->workers_n; i++)
		if (!worker_connect(&app->workers[i]))
			return fail("cannot start: out of memory or descriptors");
	for (unsigned i = 0; i < app->workers_n; i++)
		if (!worker_start(&app->workers[i])) {
			fail("cannot start: no thread for a worker");
			_exit(1); /* others run already; nothing has been promised to any client yet */
		}
	return true;
}

/* ---- signals ---- */

/* Without a meaning here, each would end the server: a client that vanishes, a stray kill or timer, a disk quota. */
static void ignore_signals(void)
{
	static const int USELESS[] = { SIGPIPE, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXFSZ };
	for (size_t i = 0; i < sizeof USELESS / sizeof *USELESS; i++)
		signal(USELESS[i], SIG_IGN);
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < 4; i++)
		sigaddset(&set, (int[]){ SIGHUP, SIGUSR1, SIGTERM, SIGINT }[i]);
	ignore_signals();
	sigprocmask(SIG_BLOCK, &set, NULL); /* threads inherit it: only the signalfd sees them */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void drain(struct app *app)
{
	char status[64];
	pthread_mutex_lock(&app->lock);
	app->draining = true;
	pthread_mutex_unlock(&app->lock);
	snprintf(status, sizeof status, "draining: no new clients, %u sessions are open", atomic_load(&app->sessions));
	log_info("%s", status);
	notify_stopping(&app->notify, status);
	for (unsigned i = 0; i < app->workers_n; i++)
		worker_drain(&app->workers[i]);
}

static void stop(struct app *app)
{
	for (unsigned i = 0; i < app->workers_n; i++)
		worker_stop(&app->workers[i]);
}

/* Does what the others ask for; returns how many were TERM or INT. */
static unsigned take_signals(struct app *app, struct reloader *reloader, int signals)
{
	struct signalfd_siginfo si;
	unsigned ends = 0;
	uint64_t rings;
	if (read(app->commands, &rings, sizeof rings) < 0)
		rings = 0; /* it was a signal */
	while (read(signals, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo == SIGHUP)
			reload_by_signal(reloader);
		else if (si.ssi_signo == SIGUSR1)
			keeper_ask(app->keeper);
		else
			ends++;
	}
	reload_look(reloader);
	return ends;
}

/* Sessions still open, or mails whose dot is out and whose reply is on its way. */
static bool all_gone(const struct app *app)
{
	return atomic_load(&app->workers_running) == 0;
}

static uint64_t drain_time(struct app *app)
{
	pthread_mutex_lock(&app->lock);
	uint64_t ms = app->generation->settings->server.drain_ms;
	pthread_mutex_unlock(&app->lock);
	return ms;
}

enum { LOOKS_A_BEAT = 8 };

/* Tells the service manager that all workers live, when they do and it is time. One that does not is looked at again
 * soon: what has only been slow must not cost the rest of the manager's patience. Returns the ms to the next look, or
 * -1. */
static int beat(struct app *app, uint64_t *due_ms)
{
	uint64_t now_ms = clock_mono_ms();
	bool turned = true;
	if (!app->notify.beat_ms)
		return -1;
	if (now_ms >= *due_ms) {
		for (unsigned i = 0; i < app->workers_n; i++)
			turned &= worker_has_turned(&app->workers[i]);
		if (turned)
			notify_beat(&app->notify);
		*due_ms = now_ms + (turned ? app->notify.beat_ms : app->notify.beat_ms / LOOKS_A_BEAT + 1);
	}
	return (int)(*due_ms - now_ms);
}

static void serve(struct app *app, int signals)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = app->commands, .events = POLLIN } };
	struct reloader reloader = { .app = app };
	unsigned ends = 0;
	uint64_t beat_due_ms = 0;
	do {
		poll(fds, 2, beat(app, &beat_due_ms));
		ends += take_signals(app, &reloader, signals);
	} while (!ends && !atomic_load(&app->drain_wanted));
	drain(app);
	uint64_t end = clock_mono_ms() + drain_time(app);
	while (!all_gone(app) && clock_mono_ms() < end && ends < 2) { /* to drain once more cuts nobody off */
		poll(fds, 2, 50);
		ends += take_signals(app, &reloader, signals);
	}
	stop(app);
	reload_end(&reloader);
}

/* ---- the whole ---- */

static void *run_control(void *ctl)
{
	ctl_server_run(ctl);
	return NULL;
}

static void release(struct app *app)
{
	for (unsigned i = 0; app->workers && i < app->workers_n; i++)
		worker_disconnect(&app->workers[i]);
	for (unsigned i = 0; app->workers && i < app->workers_n; i++)
		worker_free(&app->workers[i]);
	mem_free(&app->workers);
	relay_shared_free(&app->relay);
	keeper_free(&app->keeper);
	score_store_free(&app->store);
	clients_free(&app->clients);
	alerts_free(&app->alerts);
	decisions_free(&app->decisions);
	notify_close(&app->notify);
	dns_org_free(&app->org);
	transcripts_free(&app->transcripts);
	replay_log_free(&app->replay);
	spool_room_close(&app->spool);
	if (app->generation)
		sources_end(app->generation);
	if (app->first)
		sources_end(app->first);
	generation_unref(&app->first);
	generation_unref(&app->generation);
	if (app->commands >= 0)
		close(app->commands);
}

static bool prepare(struct app *app, struct ctl_server **ctl_r)
{
	char why[256];
	const struct settings *s = app->generation->settings;
	notify_open(&app->notify);
	if (!make_shared(app) || !open_workers(app))
		return false;
	if (!open_folders(s))
		return false;
	*ctl_r = open_control(app);
	if (!*ctl_r)
		return false;
	if (!privileges_drop(s->server.user, why))
		return fail(why);
	rights_tell(&s->tls.certificates);
	privileges_harden();
	if (s->server.sandbox && !sandbox_close(s, app->settings_path, why))
		return fail(why);
	/* while lines are written at once: mails in doubt are named before the notes of them are made anew */
	relay_shared_open(app->relay, s->relay.state, app->workers_n);
	if (!log_start())
		return fail("cannot start: no thread for the log");
	reload_open_replay(app, app->generation);
	struct seats_plan plan = seats_plan(s, app->descriptors);
	if (!spool_room_open(&app->spool, s->server.spool, plan.bodies, s->relay.memory))
		return fail_path("server.spool", s->server.spool);
	keeper_restore(app->keeper);
	return true;
}

static void tell_ready(const struct app *app)
{
	const struct settings *s = app->generation->settings;
	for (size_t i = 0; i < s->listeners.count; i++)
		for (size_t k = 0; k < s->listeners.items[i].address.count; k++) {
			const struct settings_address *a = &s->listeners.items[i].address.items[k];
			char ip[IP_TEXT];
			ip_format(&a->ip, ip);
			log_info("listening on %s port %u (%s), backend %s, %u workers", ip, a->port,
				s->listeners.items[i].name, s->relay.backends.items[0].text, app->workers_n);
		}
}

static int serve_until_end(struct app *app, struct ctl_server *ctl, int signals)
{
	pthread_t control;
	atomic_store(&app->workers_running, app->workers_n);
	tell_ready(app); /* before there is a thread that a reload could come from */
	if (!keeper_start(app->keeper))
		return !fail("cannot start: no thread for the snapshots");
	if (!start_workers(app) || pthread_create(&control, NULL, run_control, ctl) != 0) {
		(void)keeper_stop(app->keeper);
		return 1;
	}
	notify_ready(&app->notify, NOTIFY_TAKING_MAIL);
	serve(app, signals);
	for (unsigned i = 0; i < app->workers_n; i++)
		worker_join(&app->workers[i]);
	ctl_server_stop(ctl);
	pthread_join(control, NULL);
	control_trials_end(app);
	(void)keeper_stop(app->keeper); /* what went wrong is in the log; the mail itself ended cleanly */
	log_info("ended");
	return 0;
}

/* The secret of the last snapshot, so that its entries are found again and a rule's percent keeps its clients; without
 * one a fresh secret. It must be known before rules are compiled, so the settings are looked into once more. */
static struct hash_key secret_key(const char *path, const struct settings_host *host)
{
	struct settings_faults faults = { 0 }; /* told when the settings are read for good */
	struct settings *s = settings_load(path, host, &faults);
	const struct passwd *pw = s ? account_of(s) : NULL;
	struct hash_key key;
	if (!s || !keeper_read_key(s->score.snapshot, pw ? pw->pw_uid : geteuid(), &key))
		key = hash_key_random();
	settings_free(&s);
	settings_faults_release(&faults);
	return key;
}

int daemon_run(const char *settings_path, const char *hostname)
{
	struct app app = {
		.settings_path = settings_path,
		.needs.host.hostname = hostname,
		.commands = -1,
		.spool.folder = -1,
		.notify.fd = -1,
	};
	struct settings_faults faults = { 0 };
	struct ctl_server *ctl = NULL;
	int code = 1, signals = open_signals();
	app.started_ms = clock_wall_ms();
	app.needs.score_key = secret_key(settings_path, &app.needs.host);
	app.log_key = hash_key_random();
	pthread_mutex_init(&app.lock, NULL);
	app.generation = generation_load(settings_path, &app.needs, NULL, &faults);
	bool no_memory = !app.generation && faults.count == 0;
	struct log_config log = app.generation ? reload_log_config(app.generation->settings) : (struct log_config){ 0 };
	bool fresh_log = app.generation && *log.to == '/' && access(log.to, F_OK) < 0;
	if (app.generation && !log_open(&log)) {
		fprintf(stderr, "smtpguardd: log.to %s: %s\n", log.to, strerror(errno));
		generation_unref(&app.generation);
	}
	if (fresh_log && app.generation && !privileges_give_file(log.to, app.generation->settings->server.user))
		log_warn("log.to %s: it could not be given to server.user, who opens it again on HUP", log.to);
	reload_tell(&faults);
	if (no_memory)
		fputs("smtpguardd: cannot start: out of memory\n", stderr);
	settings_faults_release(&faults);
	app.first = app.generation ? generation_ref(app.generation) : NULL;
	if (app.generation && signals >= 0 && prepare(&app, &ctl))
		code = serve_until_end(&app, ctl, signals);
	ctl_server_close(&ctl);
	release(&app);
	log_stop();
	close(signals);
	return code;
}
