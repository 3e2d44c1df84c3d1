#include "server/control.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/commands.h"
#include "server/daemon.h"
#include "server/version.h"
#include "server/worker.h"
#include "smtp/ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long a worker may take to list its sessions: it does so between two batches of events. */
enum { LIST_MS = 2000 };

/* The sentence that the asker gets; always false. */
static bool refuse(struct buf *error_r, const char *sentence)
{
	if (!buf_put(error_r, slice_str(sentence)))
		buf_clear(error_r);
	return false;
}

static uint64_t sum(const struct app *app, enum statistic k)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < app->workers_n; i++)
		n += stat_get(&app->workers[i].stats, k);
	return n;
}

/* The settings in use; the caller gives the reference back. */
static struct generation *current(struct app *app, bool *draining_r)
{
	pthread_mutex_lock(&app->lock);
	struct generation *g = generation_ref(app->generation);
	if (draining_r)
		*draining_r = app->draining;
	pthread_mutex_unlock(&app->lock);
	return g;
}

/* ---- stats ---- */

static uint64_t resident_bytes(void)
{
	unsigned long long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct field {
	const char *name;
	enum statistic stat;
};

static void put_fields(struct ctl_json at, const struct app *app, const struct field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ctl_json_put_count(at, f[i].name, sum(app, f[i].stat));
}
#define PUT_FIELDS(at, app, table) put_fields(at, app, table, sizeof(table) / sizeof(table)[0])

static void put_sessions(struct ctl_json root, const struct app *app)
{
	static const struct field FIELDS[] = { { "peak", STAT_SESSIONS_PEAK }, { "total", STAT_SESSIONS },
		{ "refused", STAT_OVER_LIMIT } };
	struct ctl_json at = ctl_json_put_object(root, "sessions");
	ctl_json_put_count(at, "now", atomic_load(&app->sessions));
	ctl_json_put_count(at, "limit", atomic_load(&app->sessions_limit));
	PUT_FIELDS(at, app, FIELDS);
}

static void put_relay(struct ctl_json root, const struct app *app)
{
	struct relay_backend_info info[RELAY_BACKENDS_MAX];
	size_t n = relay_shared_info(app->relay, clock_mono_ms(), info, RELAY_BACKENDS_MAX);
	uint64_t probed = 0;
	for (size_t i = 0; i < n; i++)
		probed += info[i].probed;
	ctl_json_put_count(ctl_json_put_object(root, "probes"), "sent", probed);
	struct relay_cache_info cache;
	relay_shared_cache(app->relay, &cache);
	struct ctl_json at = ctl_json_put_object(root, "cache");
	ctl_json_put_count(at, "hits", cache.hits);
	ctl_json_put_count(at, "misses", cache.misses);
	ctl_json_put_count(at, "entries", cache.entries);
}

static void put_store(struct ctl_json root, const struct app *app)
{
	struct score_store_stats s;
	score_store_stats(app->store, &s);
	struct ctl_json at = ctl_json_put_object(root, "records");
	ctl_json_put_count(at, "entries", s.used);
	ctl_json_put_count(at, "evicted", s.evicted);
	at = ctl_json_put_object(root, "memory");
	ctl_json_put_count(at, "resident_bytes", resident_bytes());
	ctl_json_put_count(at, "tables_bytes", s.used * 64);
	ctl_json_put_count(at, "tables_limit_bytes", s.memory);
}

static bool do_stats(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	static const struct field MAILS[] = { { "accepted", STAT_MAILS_ACCEPTED }, { "deferred", STAT_MAILS_DEFERRED },
		{ "refused", STAT_MAILS_REFUSED }, { "lost", STAT_MAILS_LOST }, { "quit", STAT_MAILS_QUIT } };
	static const struct field RCPTS[] = { { "accepted", STAT_RCPT_ACCEPTED }, { "deferred", STAT_RCPT_DEFERRED },
		{ "refused", STAT_RCPT_REFUSED } };
	static const struct field BYTES[] = { { "received", STAT_BYTES }, { "delivered", STAT_BYTES_DELIVERED } };
	static const struct field TLS[] = { { "handshakes", STAT_TLS_HANDSHAKES }, { "failed", STAT_TLS_FAILED } };
	struct app *app = arg;
	bool draining;
	(void)args, (void)error_r;
	struct generation *g = current(app, &draining);
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_text(root, "version", slice_str(SMTPGUARD_VERSION));
	ctl_json_put_count(root, "uptime_s", (clock_wall_ms() - app->started_ms) / 1000);
	ctl_json_put_count(root, "workers", app->workers_n);
	ctl_json_put_bool(root, "enforce", g->settings->enforce);
	ctl_json_put_bool(root, "draining", draining);
	put_sessions(root, app);
	PUT_FIELDS(ctl_json_put_object(root, "mails"), app, MAILS);
	PUT_FIELDS(ctl_json_put_object(root, "recipients"), app, RCPTS);
	PUT_FIELDS(ctl_json_put_object(root, "bytes"), app, BYTES);
	put_relay(root, app);
	put_store(root, app);
	PUT_FIELDS(ctl_json_put_object(root, "tls"), app, TLS);
	ctl_json_put_count(root, "offences", sum(app, STAT_OFFENCES));
	ctl_json_put_count(root, "timeouts", sum(app, STAT_TIMEOUTS));
	ctl_json_put_count(root, "waiting", atomic_load(&app->waiting));
	ctl_json_put_count(root, "waits_skipped", sum(app, STAT_WAITS_SKIPPED));
	ctl_json_put_count(root, "open_bodies", atomic_load(&app->spool.files));
	ctl_json_put_count(root, "log_dropped", log_dropped());
	struct ctl_json limits = ctl_json_put_object(root, "limits");
	ctl_json_put_count(limits, "descriptors", app->descriptors);
	ctl_json_put_count(limits, "sessions_set", g->settings->limits.sessions);
	ctl_json_put_count(limits, "sessions_effective", atomic_load(&app->sessions_limit));
	generation_unref(&g);
	return true;
}

/* ---- health ---- */

struct health {
	struct ctl_json checks;
	unsigned failed;
};

static void check(struct health *h, const char *name, bool ok, const char *text)
{
	struct ctl_json at = ctl_json_put_object(h->checks, NULL);
	ctl_json_put_text(at, "name", slice_str(name));
	ctl_json_put_bool(at, "ok", ok);
	ctl_json_put_text(at, "text", slice_str(text));
	h->failed += !ok;
}

/* Returns how many backends take mail. */
static size_t check_backends(struct health *h, struct app *app)
{
	static const char *const STATE[] = { "not yet tried", "up", "down", "unhealthy" };
	struct relay_backend_info info[RELAY_BACKENDS_MAX];
	size_t n = relay_shared_info(app->relay, clock_mono_ms(), info, RELAY_BACKENDS_MAX), good = 0;
	for (size_t i = 0; i < n; i++) {
		char text[320];
		bool ok = info[i].state == RELAY_UP || info[i].state == RELAY_UNTRIED;
		snprintf(text, sizeof text, "%s, %u of %u connections%s%s", STATE[info[i].state], info[i].open,
			info[i].limit, ok ? "" : ": ", ok ? "" : info[i].error);
		check(h, info[i].name, ok, text);
		good += ok;
	}
	return good;
}

static void check_room(struct health *h, const struct app *app, bool draining)
{
	char text[160];
	uint32_t now = atomic_load(&app->sessions), limit = atomic_load(&app->sessions_limit);
	snprintf(text, sizeof text, "%u of %u", now, limit);
	check(h, "sessions", (uint64_t)now * 10 <= (uint64_t)limit * 9, text);
	snprintf(text, sizeof text, "%llu lines lost", (unsigned long long)log_dropped());
	check(h, "log", log_dropped() == 0, text);
	snprintf(text, sizeof text, "paused %llu times for lack of descriptors",
		(unsigned long long)sum(app, STAT_ACCEPT_PAUSES));
	check(h, "descriptors", sum(app, STAT_ACCEPT_PAUSES) == 0, text);
	check(h, "accepting", !draining, draining ? "draining: no new clients are taken" : "yes");
}

static bool do_health(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	bool draining;
	(void)args, (void)error_r;
	struct generation *g = current(app, &draining);
	struct ctl_json_doc list = { 0 };
	struct health h = { .checks = ctl_json_root_array(&list) };
	bool flows = check_backends(&h, app) > 0;
	check_room(&h, app, draining);
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_text(root, "status", !flows ? SLICE("failing") : h.failed ? SLICE("degraded") : SLICE("ok"));
	ctl_json_put_doc(root, "checks", &list);
	ctl_json_release(&list);
	generation_unref(&g);
	return true;
}

/* ---- sessions ---- */

static int older_first(const void *a, const void *b)
{
	const struct session_info *x = a, *y = b;
	return x->age_ms < y->age_ms ? 1 : x->age_ms > y->age_ms ? -1 : 0;
}

static void put_session(struct ctl_json list, const struct session_info *s, unsigned worker)
{
	char ip[IP_TEXT];
	ip_format(&s->client, ip);
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "id", slice_str(s->id));
	ctl_json_put_text(at, "client", slice_str(ip));
	ctl_json_put_count(at, "port", s->port);
	ctl_json_put_text(at, "helo", slice_str(s->helo));
	ctl_json_put_text(at, "state", slice_str(s->state));
	ctl_json_put_text(at, "from", slice_str(s->from));
	ctl_json_put_count(at, "recipients", s->recipients);
	ctl_json_put_count(at, "age_ms", s->age_ms);
	ctl_json_put_text(at, "tls", slice_str(s->tls));
	ctl_json_put_count(at, "worker", worker);
}

/* All sessions of all workers, told by each; then the oldest of them are put. */
static bool list_sessions(struct app *app, struct session_info *all, size_t cap, size_t *n_r, uint64_t *open_r)
{
	*n_r = 0, *open_r = 0;
	for (unsigned i = 0; i < app->workers_n; i++) {
		struct session_list part = { .items = all + *n_r, .cap = cap - *n_r };
		if (!worker_list_sessions(&app->workers[i], &part, LIST_MS))
			return false;
		for (size_t k = 0; k < part.n; k++)
			part.items[k].worker = i;
		*n_r += part.n;
		*open_r += part.open;
	}
	qsort(all, *n_r, sizeof *all, older_first);
	return true;
}

static bool do_sessions(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	int64_t top = ctl_json_int(args, "top", CTL_SESSIONS_TOP);
	if (top < 1 || top > CTL_SESSIONS_TOP_MAX)
		return refuse(error_r, "top: a number from 1 to 100000");
	size_t n, cap = atomic_load(&app->sessions) + 1024u;
	uint64_t open;
	struct session_info *all = mem_alloc(cap * sizeof *all);
	bool ok = all && list_sessions(app, all, cap, &n, &open);
	if (ok) {
		struct ctl_json root = ctl_json_root_object(data_r);
		ctl_json_put_count(root, "total", open);
		struct ctl_json list = ctl_json_put_array(root, "sessions");
		for (size_t i = 0; i < n && i < (size_t)top; i++)
			put_session(list, &all[i], all[i].worker);
	} else {
		refuse(error_r, "a worker did not answer in time: the server is overloaded or ending, try again");
	}
	mem_free(&all);
	return ok;
}

/* ---- config, reload, drain ---- */

static bool do_config(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct buf text = { 0 };
	(void)args;
	struct generation *g = current(app, NULL);
	bool ok = settings_dump(g->settings, &text);
	if (ok) {
		struct ctl_json root = ctl_json_root_object(data_r);
		ctl_json_put_text(root, "file", slice_str(app->settings_path));
		ctl_json_put_text(root, "text", buf_slice(&text));
	} else {
		ok = refuse(error_r, "out of memory");
	}
	buf_release(&text);
	generation_unref(&g);
	return ok;
}

/* "a, b, c" as elements of an array. */
static void put_names(struct ctl_json list, struct slice names)
{
	while (names.n)
		ctl_json_put_text(list, NULL, slice_trim(slice_cut(&names, ',')));
}

static bool tell_faults(const struct settings_faults *faults, struct buf *out)
{
	for (size_t i = 0; i < faults->count; i++) {
		if (i)
			TRY(buf_put(out, SLICE("\n")));
		TRY(settings_fault_format(&faults->items[i], out));
	}
	return true;
}

static bool do_reload(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct settings_faults faults = { 0 };
	struct reload r = { 0 };
	(void)args;
	bool ok = daemon_reload(app, &faults, &r);
	daemon_tell(&faults);
	if (ok) {
		struct ctl_json root = ctl_json_root_object(data_r);
		put_names(ctl_json_put_array(root, "changed"), buf_slice(&r.changed));
		put_names(ctl_json_put_array(root, "needs_restart"), buf_slice(&r.needs_restart));
	} else if (!tell_faults(&faults, error_r)) {
		buf_clear(error_r);
	}
	settings_faults_release(&faults);
	reload_release(&r);
	return ok;
}

static bool do_drain(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	uint64_t one = 1;
	(void)args;
	ctl_json_put_count(ctl_json_root_object(data_r), "sessions", atomic_load(&app->sessions));
	atomic_store(&app->drain_wanted, true);
	return write(app->commands, &one, sizeof one) == sizeof one ||
	       refuse(error_r, "the main thread cannot be reached");
}

/* ---- backend, forget ---- */

static void put_caps(struct ctl_json list, uint32_t exts)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} NAMES[] = { { SMTP_EXT_PIPELINING, "PIPELINING" }, { SMTP_EXT_SIZE, "SIZE" },
		{ SMTP_EXT_8BITMIME, "8BITMIME" }, { SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES" },
		{ SMTP_EXT_STARTTLS, "STARTTLS" }, { SMTP_EXT_CHUNKING, "CHUNKING" }, { SMTP_EXT_SMTPUTF8, "SMTPUTF8" },
		{ SMTP_EXT_DSN, "DSN" }, { SMTP_EXT_XCLIENT, "XCLIENT" }, { SMTP_EXT_XFORWARD, "XFORWARD" } };
	for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
		if (exts & NAMES[i].bit)
			ctl_json_put_text(list, NULL, slice_str(NAMES[i].name));
}

static void put_backend(struct ctl_json list, const struct relay_backend_info *b, const char *identity)
{
	static const char *const STATE[] = { "unknown", "up", "down", "unhealthy" };
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "name", SLICE("main"));
	ctl_json_put_text(at, "url", slice_str(b->name));
	ctl_json_put_text(at, "state", slice_str(STATE[b->state]));
	ctl_json_put_text(at, "identity", slice_str(identity));
	ctl_json_put_bool(at, "reusable", b->reusable);
	struct ctl_json c = ctl_json_put_object(at, "connections");
	ctl_json_put_count(c, "open", b->open);
	ctl_json_put_count(c, "limit", b->limit);
	ctl_json_put_count(at, "delivered", b->delivered);
	ctl_json_put_count(at, "refused", b->refused);
	ctl_json_put_count(at, "probed", b->probed);
	ctl_json_put_count(at, "failed", b->failures);
	ctl_json_put_count(at, "doubtful", b->doubtful);
	ctl_json_put_text(at, "last_error", slice_str(b->error));
	put_caps(ctl_json_put_array(at, "caps"), b->exts);
}

static bool do_backend(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	static const char *const IDENTITY[] = { "xclient", "xforward", "proxy", "none" };
	struct app *app = arg;
	(void)args, (void)error_r;
	struct generation *g = current(app, NULL);
	struct relay_backend_info info[RELAY_BACKENDS_MAX];
	size_t n = relay_shared_info(app->relay, clock_mono_ms(), info, RELAY_BACKENDS_MAX);
	struct ctl_json list = ctl_json_put_array(ctl_json_root_object(data_r), "backends");
	for (size_t i = 0; i < n; i++)
		put_backend(list, &info[i], IDENTITY[g->settings->relay.identity]);
	generation_unref(&g);
	return true;
}

static bool do_forget(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct slice rcpt = ctl_json_text(args, "recipient");
	if (!rcpt.n)
		return refuse(error_r, "forget wants a recipient's address");
	ctl_json_put_bool(ctl_json_root_object(data_r), "forgotten", relay_shared_forget(app->relay, rcpt));
	return true;
}

const struct ctl_command *control_commands(size_t *n_r)
{
	static const struct ctl_command COMMANDS[] = {
		{ "stats", do_stats },
		{ "health", do_health },
		{ "sessions", do_sessions },
		{ "config", do_config },
		{ "reload", do_reload },
		{ "drain", do_drain },
		{ "backend", do_backend },
		{ "forget", do_forget },
	};
	*n_r = sizeof COMMANDS / sizeof COMMANDS[0];
	return COMMANDS;
}
