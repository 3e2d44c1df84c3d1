/* stats and health; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/clock.h"
#include "dns/resolver.h"
#include "server/decisions.h"
#include "server/keeper.h"
#include "server/pressure.h"
#include "server/replay_log.h"
#include "server/seats.h"
#include "server/version.h"

#include <stdio.h>
#include <unistd.h>

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
		ctl_json_put_count(at, f[i].name, control_sum(app, f[i].stat));
}
#define PUT_FIELDS(at, app, table) put_fields(at, app, table, sizeof(table) / sizeof(table)[0])

static void put_sessions(struct ctl_json root, const struct app *app)
{
	static const struct field FIELDS[] = { { "peak", STAT_SESSIONS_PEAK }, { "total", STAT_SESSIONS },
		{ "refused", STAT_OVER_LIMIT }, { "shed", STAT_SHED }, { "gave_way", STAT_GAVE_WAY } };
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
	struct relay_memory_info memory;
	relay_shared_memory(app->relay, &memory);
	at = ctl_json_put_object(root, "remembered");
	ctl_json_put_count(at, "entries", memory.entries);
	ctl_json_put_count(at, "evicted", memory.evicted);
	ctl_json_put_bool(at, "failing", *memory.fault);
}

static void put_dns(struct ctl_json root, const struct app *app)
{
	static const struct {
		const char *name;
		enum dns_statistic stat;
	} FIELDS[] = { { "asked", DNS_STAT_ASKED }, { "hits", DNS_STAT_HITS }, { "merged", DNS_STAT_MERGED },
		{ "queries", DNS_STAT_QUERIES }, { "failed", DNS_STAT_FAILED }, { "timeouts", DNS_STAT_TIMEOUTS },
		{ "busy", DNS_STAT_BUSY }, { "over_budget", DNS_STAT_NO_BUDGET }, { "tcp", DNS_STAT_TCP },
		{ "milliseconds", DNS_STAT_MS }, { "open", DNS_STAT_OPEN }, { "entries", DNS_STAT_CACHED },
		{ "bytes", DNS_STAT_CACHE_BYTES } };
	struct ctl_json at = ctl_json_put_object(root, "dns");
	for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
		uint64_t sum = 0;
		for (unsigned w = 0; w < app->workers_n; w++)
			sum += dns_resolver_stat(app->workers[w].dns.resolver, FIELDS[i].stat);
		ctl_json_put_count(at, FIELDS[i].name, sum);
	}
}

static void put_store(struct ctl_json root, const struct app *app)
{
	struct score_store_stats s;
	uint64_t used = 0, reserved = 0;
	struct ctl_json at, tables = ctl_json_put_object(root, "tables");
	for (unsigned i = 0; i < STORE_TABLES; i++) {
		score_table_stats(app->store, (enum score_table_name)i, &s);
		at = ctl_json_put_object(tables, score_table_name_of((enum score_table_name)i));
		ctl_json_put_count(at, "entries", s.used);
		ctl_json_put_count(at, "evicted", s.evicted);
		ctl_json_put_count(at, "turned_away", s.turned_away);
		ctl_json_put_count(at, "limit_bytes", s.memory);
		used += s.slots ? (uint64_t)((double)s.memory / (double)s.slots * (double)s.used) : 0;
		reserved += s.memory;
	}
	score_store_stats(app->store, &s);
	at = ctl_json_put_object(root, "records");
	ctl_json_put_count(at, "entries", s.used);
	ctl_json_put_count(at, "evicted", s.evicted);
	struct decisions_info d;
	decisions_info(app->decisions, &d);
	at = ctl_json_put_object(root, "decisions");
	ctl_json_put_count(at, "kept", d.kept);
	ctl_json_put_count(at, "total", d.ever);
	ctl_json_put_count(at, "memory_bytes", d.memory);
	at = ctl_json_put_object(root, "memory");
	ctl_json_put_count(at, "resident_bytes", resident_bytes());
	ctl_json_put_count(at, "tables_bytes", used);
	ctl_json_put_count(at, "tables_limit_bytes", reserved);
}

static void put_snapshot(struct ctl_json root, const struct app *app)
{
	struct keeper_info info;
	keeper_info(app->keeper, &info);
	struct ctl_json at = ctl_json_put_object(root, "snapshot");
	ctl_json_put_count(at, "taken", info.taken);
	ctl_json_put_count(at, "failed", info.failed);
	ctl_json_put_count(at, "last_s", info.last_ms / 1000);
	ctl_json_put_count(at, "took_ms", info.last_took_ms);
	ctl_json_put_count(at, "entries", info.entries);
	ctl_json_put_count(at, "bytes", info.bytes);
}

static void put_stress(struct ctl_json root, struct app *app, uint32_t waiting_limit)
{
	struct pressure p = { 0 };
	pressure_look(&p, app, waiting_limit, clock_mono_ms());
	ctl_json_put_double(root, "stress", p.stress);
	ctl_json_put_double(root, "load", p.load);
}

static void put_replay(struct ctl_json root, const struct app *app)
{
	struct replay_log_info info;
	replay_log_info(app->replay, &info);
	struct ctl_json at = ctl_json_put_object(root, "replay");
	ctl_json_put_bool(at, "on", info.on);
	ctl_json_put_count(at, "lines", info.lines);
	ctl_json_put_count(at, "lost", info.lost);
}

bool control_stats(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	static const struct field MAILS[] = { { "accepted", STAT_MAILS_ACCEPTED }, { "deferred", STAT_MAILS_DEFERRED },
		{ "refused", STAT_MAILS_REFUSED }, { "lost", STAT_MAILS_LOST }, { "quit", STAT_MAILS_QUIT } };
	static const struct field RCPTS[] = { { "accepted", STAT_RCPT_ACCEPTED }, { "deferred", STAT_RCPT_DEFERRED },
		{ "refused", STAT_RCPT_REFUSED } };
	static const struct field BYTES[] = { { "received", STAT_BYTES }, { "delivered", STAT_BYTES_DELIVERED } };
	static const struct field TLS[] = { { "handshakes", STAT_TLS_HANDSHAKES }, { "failed", STAT_TLS_FAILED } };
	static const struct field BLOCKS[] = { { "made", STAT_BLOCKS }, { "refused", STAT_BLOCKED } };
	struct app *app = arg;
	bool draining;
	(void)args, (void)error_r;
	struct generation *g = control_generation(app, &draining);
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
	put_dns(root, app);
	control_put_dns_lists(root, g);
	put_store(root, app);
	put_snapshot(root, app);
	PUT_FIELDS(ctl_json_put_object(root, "blocks"), app, BLOCKS);
	ctl_json_put_count(root, "alerts", control_sum(app, STAT_ALERTS));
	PUT_FIELDS(ctl_json_put_object(root, "tls"), app, TLS);
	ctl_json_put_count(root, "proxy_refused", control_sum(app, STAT_PROXY_REFUSED));
	ctl_json_put_count(root, "policy_refused", control_sum(app, STAT_POLICY_REFUSED));
	ctl_json_put_count(root, "policy_unjudged", control_sum(app, STAT_POLICY_UNJUDGED));
	ctl_json_put_count(root, "offences", control_sum(app, STAT_OFFENCES));
	ctl_json_put_count(root, "timeouts", control_sum(app, STAT_TIMEOUTS));
	ctl_json_put_count(root, "waiting", atomic_load(&app->waiting));
	put_stress(root, app, g->settings->limits.waiting);
	ctl_json_put_count(root, "waits_skipped", control_sum(app, STAT_WAITS_SKIPPED));
	ctl_json_put_count(root, "patterns_gave_up", control_sum(app, STAT_GAVE_UP));
	ctl_json_put_count(root, "open_bodies", atomic_load(&app->spool.files));
	ctl_json_put_count(root, "body_memory_bytes", atomic_load(&app->spool.memory));
	ctl_json_put_count(root, "session_memory_bytes", atomic_load(&app->held));
	ctl_json_put_count(root, "log_dropped", log_dropped());
	put_replay(root, app);
	struct ctl_json limits = ctl_json_put_object(root, "limits");
	ctl_json_put_count(limits, "descriptors", app->descriptors);
	ctl_json_put_count(limits, "sessions_set", g->settings->limits.sessions);
	ctl_json_put_count(limits, "sessions_effective", atomic_load(&app->sessions_limit));
	ctl_json_put_count(limits, "sessions_kept", seats_kept(atomic_load(&app->sessions_limit)));
	ctl_json_put_count(limits, "open_bodies_effective", atomic_load(&app->spool.max_files));
	struct ctl_json rules = ctl_json_put_array(root, "rules");
	for (unsigned i = 0; i < score_rules_count(g->rules); i++)
		control_put_counts(ctl_json_put_object(rules, NULL), g, i);
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
		(unsigned long long)control_sum(app, STAT_ACCEPT_PAUSES));
	check(h, "descriptors", control_sum(app, STAT_ACCEPT_PAUSES) == 0, text);
	struct replay_log_info replay;
	replay_log_info(app->replay, &replay);
	snprintf(text, sizeof text, "%llu lines lost", (unsigned long long)replay.lost);
	check(h, "replay", replay.lost == 0 && replay.wanted == replay.on,
		!replay.wanted ? "none is set"
		: replay.on    ? text
			       : "log.replay cannot be opened");
	struct relay_memory_info memory;
	relay_shared_memory(app->relay, &memory);
	check(h, "relay.state", !*memory.fault,
		*memory.fault ? memory.fault
		: memory.on   ? "kept up"
			      : "relay.remember = 0");
	struct keeper_info k;
	keeper_info(app->keeper, &k);
	check(h, "snapshot", !k.failing, k.failing ? k.error : *k.path ? "kept up" : "none is set");
	check(h, "accepting", !draining, draining ? "draining: no new clients are taken" : "yes");
}

bool control_health(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	bool draining;
	(void)args, (void)error_r;
	struct generation *g = control_generation(app, &draining);
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
