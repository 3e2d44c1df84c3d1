/* tools/show_prometheus.c - `stats --prometheus`: the text form that Prometheus and its like scrape
 *
 * Exposition format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
 * The names are a contract and stand in docs/METRICS.md; a test holds the two together.
 */
#include "tools/command.h"

#include <inttypes.h>

enum type { COUNTER, GAUGE };

/* Rows of one metric stand together; its help and type are those of the first. */
static const struct metric {
	const char *name, *label, *object, *key; /* label: "verdict=\"accepted\""; object NULL: at the top */
	const char *help;
	enum type type;
	bool truth;
} metrics[] = {
	{ "smtpguard_uptime_seconds", NULL, NULL, "uptime_s", "Seconds since the start.", GAUGE, false },
	{ "smtpguard_enforce", NULL, NULL, "enforce", "1: rules act; 0: they are only observed.", GAUGE, true },
	{ "smtpguard_draining", NULL, NULL, "draining", "1: no new clients are taken.", GAUGE, true },
	{ "smtpguard_sessions", NULL, "sessions", "now", "Open sessions.", GAUGE, false },
	{ "smtpguard_sessions_limit", NULL, "sessions", "limit", "Sessions that may be open at once; 0: no limit.",
		GAUGE, false },
	{ "smtpguard_sessions_total", NULL, "sessions", "total", "Sessions taken.", COUNTER, false },
	{ "smtpguard_sessions_refused_total", NULL, "sessions", "refused", "Clients turned away by a limit.", COUNTER,
		false },
	{ "smtpguard_sessions_shed_total", NULL, "sessions", "shed",
		"Newcomers turned away while places were kept for clients known good.", COUNTER, false },
	{ "smtpguard_sessions_gave_way_total", NULL, "sessions", "gave_way",
		"Sessions of newcomers ended for a client known good.", COUNTER, false },
	{ "smtpguard_mails_total", "verdict=\"accepted\"", "mails", "accepted", "Mails, by what became of them.",
		COUNTER, false },
	{ "smtpguard_mails_total", "verdict=\"deferred\"", "mails", "deferred", NULL, COUNTER, false },
	{ "smtpguard_mails_total", "verdict=\"refused\"", "mails", "refused", NULL, COUNTER, false },
	{ "smtpguard_mails_total", "verdict=\"lost\"", "mails", "lost", NULL, COUNTER, false },
	{ "smtpguard_mails_total", "verdict=\"quit\"", "mails", "quit", NULL, COUNTER, false },
	{ "smtpguard_recipients_total", "verdict=\"accepted\"", "recipients", "accepted",
		"Recipients, by what they were told.", COUNTER, false },
	{ "smtpguard_recipients_total", "verdict=\"deferred\"", "recipients", "deferred", NULL, COUNTER, false },
	{ "smtpguard_recipients_total", "verdict=\"refused\"", "recipients", "refused", NULL, COUNTER, false },
	{ "smtpguard_body_bytes_total", "way=\"received\"", "bytes", "received", "Bytes of bodies.", COUNTER, false },
	{ "smtpguard_body_bytes_total", "way=\"delivered\"", "bytes", "delivered", NULL, COUNTER, false },
	{ "smtpguard_probes_total", NULL, "probes", "sent", "Recipients asked for at the backend.", COUNTER, false },
	{ "smtpguard_recipient_cache_total", "result=\"hit\"", "cache", "hits", "Looks into the recipient cache.",
		COUNTER, false },
	{ "smtpguard_recipient_cache_total", "result=\"miss\"", "cache", "misses", NULL, COUNTER, false },
	{ "smtpguard_recipient_cache_entries", NULL, "cache", "entries", "Recipients in the cache.", GAUGE, false },
	{ "smtpguard_remembered_entries", NULL, "remembered", "entries",
		"Recipients remembered for a mail's retry (relay.state).", GAUGE, false },
	{ "smtpguard_remembered_evicted_total", NULL, "remembered", "evicted",
		"Recipients forgotten too early, relay.remember being full; they may get a mail twice.", COUNTER,
		false },
	{ "smtpguard_remembered_failing", NULL, "remembered", "failing", "1: relay.state is not kept up.", GAUGE,
		true },
	{ "smtpguard_dns_questions_total", "answer=\"cache\"", "dns", "hits", "Questions of the DNS.", COUNTER, false },
	{ "smtpguard_dns_questions_total", "answer=\"merged\"", "dns", "merged", NULL, COUNTER, false },
	{ "smtpguard_dns_questions_total", "answer=\"query\"", "dns", "queries", NULL, COUNTER, false },
	{ "smtpguard_dns_questions_total", "answer=\"busy\"", "dns", "busy", NULL, COUNTER, false },
	{ "smtpguard_dns_questions_total", "answer=\"budget\"", "dns", "over_budget", NULL, COUNTER, false },
	{ "smtpguard_dns_failed_total", NULL, "dns", "failed", "Queries that failed.", COUNTER, false },
	{ "smtpguard_dns_late_total", NULL, "dns", "timeouts", "Questions given up in time.", COUNTER, false },
	{ "smtpguard_dns_open", NULL, "dns", "open", "Queries under way.", GAUGE, false },
	{ "smtpguard_dns_cache_entries", NULL, "dns", "entries", "Answers in the cache.", GAUGE, false },
	{ "smtpguard_store_entries", "table=\"records\"", "tables.records", "entries", "Entries of each table.", GAUGE,
		false },
	{ "smtpguard_store_entries", "table=\"distinct\"", "tables.distinct", "entries", NULL, GAUGE, false },
	{ "smtpguard_store_entries", "table=\"usual\"", "tables.usual", "entries", NULL, GAUGE, false },
	{ "smtpguard_store_entries", "table=\"known\"", "tables.known", "entries", NULL, GAUGE, false },
	{ "smtpguard_store_entries", "table=\"blocks\"", "tables.blocks", "entries", NULL, GAUGE, false },
	{ "smtpguard_store_evicted_total", "table=\"records\"", "tables.records", "evicted",
		"Entries that went for new ones before their time.", COUNTER, false },
	{ "smtpguard_store_evicted_total", "table=\"distinct\"", "tables.distinct", "evicted", NULL, COUNTER, false },
	{ "smtpguard_store_evicted_total", "table=\"usual\"", "tables.usual", "evicted", NULL, COUNTER, false },
	{ "smtpguard_store_evicted_total", "table=\"known\"", "tables.known", "evicted", NULL, COUNTER, false },
	{ "smtpguard_store_evicted_total", "table=\"blocks\"", "tables.blocks", "evicted", NULL, COUNTER, false },
	{ "smtpguard_store_turned_away_total", "table=\"records\"", "tables.records", "turned_away",
		"New entries that were not kept: the table is full of better ones.", COUNTER, false },
	{ "smtpguard_store_turned_away_total", "table=\"distinct\"", "tables.distinct", "turned_away", NULL, COUNTER,
		false },
	{ "smtpguard_store_turned_away_total", "table=\"usual\"", "tables.usual", "turned_away", NULL, COUNTER, false },
	{ "smtpguard_store_turned_away_total", "table=\"known\"", "tables.known", "turned_away", NULL, COUNTER, false },
	{ "smtpguard_store_turned_away_total", "table=\"blocks\"", "tables.blocks", "turned_away", NULL, COUNTER,
		false },
	{ "smtpguard_blocks_total", NULL, "blocks", "made", "Clients blocked by a rule.", COUNTER, false },
	{ "smtpguard_blocked_connections_total", NULL, "blocks", "refused", "Connections turned away by a block.",
		COUNTER, false },
	{ "smtpguard_alerts_total", NULL, NULL, "alerts", "Mails to the administrator.", COUNTER, false },
	{ "smtpguard_snapshots_total", "result=\"ok\"", "snapshot", "taken", "Snapshots written.", COUNTER, false },
	{ "smtpguard_snapshots_total", "result=\"failed\"", "snapshot", "failed", NULL, COUNTER, false },
	{ "smtpguard_snapshot_last_timestamp_seconds", NULL, "snapshot", "last_s",
		"When the last snapshot was done; 0: none yet.", GAUGE, false },
	{ "smtpguard_snapshot_bytes", NULL, "snapshot", "bytes", "Size of the last snapshot.", GAUGE, false },
	{ "smtpguard_decisions", NULL, "decisions", "kept", "Decision records in memory.", GAUGE, false },
	{ "smtpguard_decisions_total", NULL, "decisions", "total", "Decision records ever made.", COUNTER, false },
	{ "smtpguard_tls_handshakes_total", "result=\"ok\"", "tls", "handshakes", "TLS handshakes.", COUNTER, false },
	{ "smtpguard_tls_handshakes_total", "result=\"failed\"", "tls", "failed", NULL, COUNTER, false },
	{ "smtpguard_proxy_refused_total", NULL, NULL, "proxy_refused",
		"Connections of listed proxies without a good PROXY header.", COUNTER, false },
	{ "smtpguard_policy_refused_total", NULL, NULL, "policy_refused",
		"Connections to a policy listener from elsewhere than policy_from.", COUNTER, false },
	{ "smtpguard_policy_unjudged_total", NULL, NULL, "policy_unjudged",
		"Questions of a Postfix answered DUNNO because they, or we, failed.", COUNTER, false },
	{ "smtpguard_offences_total", NULL, NULL, "offences", "Protocol faults of clients.", COUNTER, false },
	{ "smtpguard_timeouts_total", NULL, NULL, "timeouts", "Sessions ended by a timeout.", COUNTER, false },
	{ "smtpguard_waiting", NULL, NULL, "waiting", "Sessions held in a delay.", GAUGE, false },
	{ "smtpguard_waits_skipped_total", NULL, NULL, "waits_skipped", "Delays left out for lack of room.", COUNTER,
		false },
	{ "smtpguard_patterns_gave_up_total", NULL, NULL, "patterns_gave_up",
		"Tests in which a pattern took too many steps.", COUNTER, false },
	{ "smtpguard_open_bodies", NULL, NULL, "open_bodies", "Bodies in unlinked files.", GAUGE, false },
	{ "smtpguard_session_memory_bytes", NULL, NULL, "session_memory_bytes",
		"Envelopes, unread replies and unused input beyond 16 KB a session.", GAUGE, false },
	{ "smtpguard_body_memory_bytes", NULL, NULL, "body_memory_bytes", "Bodies in memory.", GAUGE, false },
	{ "smtpguard_log_dropped_total", NULL, NULL, "log_dropped", "Lines that the log did not take.", COUNTER,
		false },
	{ "smtpguard_replay_lines_total", NULL, "replay", "lines", "Lines made for log.replay.", COUNTER, false },
	{ "smtpguard_replay_lost_total", NULL, "replay", "lost", "Lines that log.replay did not take.", COUNTER,
		false },
	{ "smtpguard_memory_bytes", "of=\"resident\"", "memory", "resident_bytes", "Memory.", GAUGE, false },
	{ "smtpguard_memory_bytes", "of=\"tables\"", "memory", "tables_bytes", NULL, COUNTER, false },
	{ "smtpguard_memory_limit_bytes", "of=\"tables\"", "memory", "tables_limit_bytes", "Hard cap of memory.", GAUGE,
		false },
};

/* "tables.NAME" is one of the tables. */
static struct ctl_json object_of(struct ctl_json data, const char *path)
{
	static const char TABLES[] = "tables.";
	if (!path)
		return data;
	if (strncmp(path, TABLES, sizeof(TABLES) - 1) == 0)
		return ctl_json_get(ctl_json_get(data, "tables"), path + sizeof(TABLES) - 1);
	return ctl_json_get(data, path);
}

/* A row for each rule: there are at most 1,000, and their names are letters, digits, '.', '_' and '-'. */
static const struct rule_metric {
	const char *name, *key, *help;
} rule_metrics[] = {
	{ "smtpguard_rule_fired_total", "fired", "Sessions, mails or recipients that a rule in force was true for." },
	{ "smtpguard_rule_observed_total", "observed", "The same of a rule in state observe." },
	{ "smtpguard_rule_decided_total", "decided",
		"Clients refused, deferred, blocked or made to wait by the rule." },
	{ "smtpguard_rule_charged_total", "charged", "Charges that the rule gave to a record." },
};

static const struct list_metric {
	const char *name, *key, *help; /* NULL: 1 while it is in play */
	enum type type;
} list_metrics[] = {
	{ "smtpguard_dns_list_in_play", NULL, "1: the DNS list is believed; 0: it is out of play.", GAUGE },
	{ "smtpguard_dns_list_asked_total", "asked", "Questions that the DNS list had to answer.", COUNTER },
	{ "smtpguard_dns_list_listed_total", "listed", "Of these: listed.", COUNTER },
	{ "smtpguard_dns_list_failed_total", "failed", "Of these: no answer, or an error.", COUNTER },
	{ "smtpguard_dns_list_latency_milliseconds", "latency_ms", "How long the DNS list takes, lately.", GAUGE },
};

static void show_rule_metric(const struct rule_metric *m, struct ctl_json rules, struct tools_out *o)
{
	tools_print(o, "# HELP %s %s\n# TYPE %s counter\n", m->name, m->help, m->name);
	for (size_t i = 0; i < ctl_json_len(rules); i++) {
		struct ctl_json r = ctl_json_item(rules, i);
		tools_print(o, "%s{rule=\"", m->name);
		tools_print_value(o, ctl_json_text(r, "name"), 64);
		tools_print(o, "\"} %" PRId64 "\n", ctl_json_int(r, m->key, 0));
	}
}

/* A quote or backslash of a name would end its label: it is left out. */
static void print_label(struct tools_out *o, struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '"' && name.p[i] != '\\')
			tools_print_value(o, slice_of(name.p + i, 1), 1);
}

/* And for each DNS list. */
static void show_list_labels(const char *name, struct ctl_json l, struct tools_out *o)
{
	tools_print(o, "%s{list=\"", name);
	print_label(o, ctl_json_text(l, "name"));
	tools_print(o, "\",of=\"");
	tools_print_value(o, ctl_json_text(l, "of"), 16);
	tools_print(o, "\"}");
}

static void show_lists(struct ctl_json lists, struct tools_out *o)
{
	for (size_t i = 0; i < sizeof(list_metrics) / sizeof(*list_metrics); i++) {
		const struct list_metric *m = &list_metrics[i];
		tools_print(o, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
			m->type == COUNTER ? "counter" : "gauge");
		for (size_t k = 0; k < ctl_json_len(lists); k++) {
			struct ctl_json l = ctl_json_item(lists, k);
			bool in_play = slice_eq(ctl_json_text(l, "state"), SLICE("in play"));
			show_list_labels(m->name, l, o);
			tools_print(o, " %" PRId64 "\n", m->key ? ctl_json_int(l, m->key, 0) : in_play);
		}
	}
}

void tools_show_prometheus(struct ctl_json data, struct tools_out *o)
{
	const char *before = "";
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		const struct metric *m = &metrics[i];
		struct ctl_json at = object_of(data, m->object);
		int64_t v = m->truth ? ctl_json_bool(at, m->key, false) : ctl_json_int(at, m->key, 0);
		if (strcmp(before, m->name) != 0)
			tools_print(o, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
				m->type == COUNTER ? "counter" : "gauge");
		before = m->name;
		if (m->label)
			tools_print(o, "%s{%s} %" PRId64 "\n", m->name, m->label, v);
		else
			tools_print(o, "%s %" PRId64 "\n", m->name, v);
	}
	for (size_t i = 0; i < sizeof(rule_metrics) / sizeof(*rule_metrics); i++)
		show_rule_metric(&rule_metrics[i], ctl_json_get(data, "rules"), o);
	show_lists(ctl_json_get(data, "dns_lists"), o);
}
