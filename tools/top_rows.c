/* tools/top_rows.c - the server's answers as rows of a panel; see tools/top.h */
#include "tools/top.h"

#include "base/ip.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool top_panel_find(struct slice name, enum top_panel *panel_r)
{
	static const char *const NAMES[TOP_PANELS] = { "sessions", "clients", "nets", "senders", "rules", "blocks" };
	for (unsigned i = 0; i < TOP_PANELS; i++)
		if (slice_eq(name, slice_str(NAMES[i]))) {
			*panel_r = (enum top_panel)i;
			return true;
		}
	return false;
}

void top_rows_release(struct top_rows *rows)
{
	buf_release(&rows->text.text);
	mem_free(&rows->keys);
	*rows = (struct top_rows){ 0 };
}

static void add_key(struct top_rows *rows, struct slice key)
{
	char *to = rows->keys[rows->n++];
	bool fits = key.n < TOP_KEY && (!key.n || !memchr(key.p, 0, key.n));
	if (fits && key.n)
		memcpy(to, key.p, key.n);
	to[fits ? key.n : 0] = 0;
}

/* ---- clients, nets, senders: who is heavy ---- */

enum { TALKERS = 2000 };

struct talker {
	char key[TOP_KEY];
	uint32_t recent, accepted, deferred, refused, open;
	double points;
};

struct talkers {
	enum top_panel panel;
	struct talker *each;
	size_t n;
};

/* The panel's key of an answer's client or sender; *out is the room for it. */
static struct slice key_of(enum top_panel panel, struct slice client, struct slice from, char room[TOP_KEY])
{
	struct ip ip;
	char text[IP_TEXT];
	if (panel == TOP_PANEL_SENDERS)
		return from;
	if (panel == TOP_PANEL_CLIENTS || !ip_parse(client, &ip))
		return panel == TOP_PANEL_CLIENTS ? client : slice_of(NULL, 0);
	bool v4 = ip_is_v4(&ip);
	ip = ip_mask(&ip, v4 ? 96 + 24 : 48);
	ip_format(&ip, text);
	return slice_of(room, (size_t)snprintf(room, TOP_KEY, "%s/%u", text, v4 ? 24u : 48u));
}

/* NULL: no key, or the table is full. */
static struct talker *talker(struct talkers *t, struct slice key)
{
	if (!key.n || key.n >= TOP_KEY || memchr(key.p, 0, key.n))
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		if (slice_ieq(slice_str(t->each[i].key), key))
			return &t->each[i];
	if (t->n == TALKERS)
		return NULL;
	struct talker *fresh = &t->each[t->n++];
	memcpy(fresh->key, key.p, key.n);
	return fresh;
}

static void add_decisions(struct talkers *t, struct ctl_json decisions)
{
	char room[TOP_KEY];
	for (size_t i = 0; i < ctl_json_len(decisions); i++) {
		struct ctl_json d = ctl_json_item(decisions, i);
		struct slice verdict = ctl_json_text(d, "verdict");
		struct talker *one =
			talker(t, key_of(t->panel, ctl_json_text(d, "client"), ctl_json_text(d, "from"), room));
		if (!one)
			continue;
		one->recent++;
		one->accepted += slice_eq(verdict, SLICE("accepted"));
		one->deferred += slice_eq(verdict, SLICE("deferred"));
		one->refused += slice_eq(verdict, SLICE("refused"));
	}
}

static void add_sessions(struct talkers *t, struct ctl_json sessions)
{
	char room[TOP_KEY];
	for (size_t i = 0; i < ctl_json_len(sessions); i++) {
		struct ctl_json s = ctl_json_item(sessions, i);
		struct talker *one =
			talker(t, key_of(t->panel, ctl_json_text(s, "client"), ctl_json_text(s, "from"), room));
		if (one)
			one->open++;
	}
}

static void add_records(struct talkers *t, struct ctl_json entries)
{
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i);
		struct talker *one = talker(t, ctl_json_text(e, "key"));
		if (one)
			one->points = ctl_json_double(e, "points", 0);
	}
}

static double weight(const struct talker *t, enum top_sort sort)
{
	switch (sort) {
	case TOP_BY_OPEN:
		return t->open;
	case TOP_BY_POINTS:
		return t->points;
	case TOP_BY_REFUSED:
		return (double)t->refused + t->deferred;
	case TOP_BY_RECENT:
	case TOP_SORTS:
		break;
	}
	return t->recent;
}

static int heavier_first(const void *a, const void *b, void *by)
{
	const struct talker *x = a, *y = b;
	const enum top_sort *sort = by;
	double p = weight(x, *sort), q = weight(y, *sort);
	if (p > q || p < q)
		return p < q ? 1 : -1;
	return strcmp(x->key, y->key);
}

static void show_talkers(const struct talkers *t, struct top_rows *rows, struct tools_table *table)
{
#define COUNTED "|>RECENT|>ACCEPTED|>DEFERRED|>REFUSED|>OPEN|>POINTS"
	static const char *const HEADS[TOP_PANELS] = {
		[TOP_PANEL_CLIENTS] = "CLIENT" COUNTED,
		[TOP_PANEL_NETS] = "NET" COUNTED,
		[TOP_PANEL_SENDERS] = "SENDER" COUNTED,
	};
	tools_table_heads(table, HEADS[t->panel]);
	for (size_t i = 0; i < t->n && i < TOP_ROWS; i++) {
		const struct talker *one = &t->each[i];
		add_key(rows, slice_str(one->key));
		tools_table_value(table, slice_str(one->key));
		tools_table_print(table, "%u", one->recent);
		tools_table_print(table, "%u", one->accepted);
		tools_table_print(table, "%u", one->deferred);
		tools_table_print(table, "%u", one->refused);
		tools_table_print(table, "%u", one->open);
		tools_table_print(table, "%.1f", one->points);
	}
}

static bool make_talkers(enum top_panel panel, enum top_sort sort, const struct top_answers *a, struct top_rows *rows,
	struct tools_table *table)
{
	struct talkers t = { .panel = panel, .each = mem_zalloc(TALKERS * sizeof *t.each) };
	struct ctl_json decisions = ctl_json_get(a->last, "decisions");
	size_t n = ctl_json_len(decisions);
	if (!t.each)
		return false;
	add_decisions(&t, decisions);
	add_sessions(&t, ctl_json_get(a->sessions, "sessions"));
	add_records(&t, ctl_json_get(a->list, "entries"));
	qsort_r(t.each, t.n, sizeof *t.each, heavier_first, &sort);
	if (n) {
		struct slice since = ctl_json_text(ctl_json_item(decisions, n - 1), "time");
		since.n = since.n < sizeof rows->since ? since.n : sizeof rows->since - 1;
		memcpy(rows->since, since.p ? since.p : "", since.n);
	}
	show_talkers(&t, rows, table);
	mem_free(&t.each);
	return true;
}

/* ---- sessions, rules, blocks ---- */

static void make_sessions(struct ctl_json sessions, struct top_rows *rows, struct tools_table *t)
{
	tools_table_heads(t, "CLIENT|STATE|>AGE|>RCPT|TLS|HELO|FROM|SESSION");
	for (size_t i = 0; i < ctl_json_len(sessions) && i < TOP_ROWS; i++) {
		struct ctl_json s = ctl_json_item(sessions, i);
		char age[TOOLS_UNIT_TEXT];
		add_key(rows, ctl_json_text(s, "client"));
		tools_table_value(t, ctl_json_text(s, "client"));
		tools_table_value(t, ctl_json_text(s, "state"));
		tools_table_print(t, "%s", tools_duration(ctl_json_int(s, "age_ms", 0), age));
		tools_table_print(t, "%" PRId64, ctl_json_int(s, "recipients", 0));
		tools_table_value(t, ctl_json_text(s, "tls"));
		tools_table_value(t, ctl_json_text(s, "helo"));
		tools_table_value(t, ctl_json_text(s, "from"));
		tools_table_value(t, ctl_json_text(s, "id"));
	}
}

static void make_rules(struct ctl_json rules, struct top_rows *rows, struct tools_table *t)
{
	tools_table_heads(t, "RULE|STATE|DO|>FIRED|>OBSERVED|>DECIDED|>CHARGED");
	for (size_t i = 0; i < ctl_json_len(rules) && i < TOP_ROWS; i++) {
		struct ctl_json r = ctl_json_item(rules, i);
		add_key(rows, slice_of(NULL, 0));
		tools_table_value(t, ctl_json_text(r, "name"));
		tools_table_value(t, ctl_json_text(r, "state"));
		tools_table_value(t, ctl_json_text(r, "action"));
		tools_table_print(t, "%" PRId64, ctl_json_int(r, "fired", 0));
		tools_table_print(t, "%" PRId64, ctl_json_int(r, "observed", 0));
		tools_table_print(t, "%" PRId64, ctl_json_int(r, "decided", 0));
		tools_table_print(t, "%.10g", ctl_json_double(r, "charge_given", 0));
	}
}

static void make_blocks(struct ctl_json entries, struct top_rows *rows, struct tools_table *t)
{
	tools_table_heads(t, "KEY|HOLD|UNTIL|BY|REASON");
	for (size_t i = 0; i < ctl_json_len(entries) && i < TOP_ROWS; i++) {
		struct ctl_json e = ctl_json_item(entries, i), h = ctl_json_get(e, "hold");
		add_key(rows, ctl_json_text(e, "key"));
		tools_table_value(t, ctl_json_text(e, "key"));
		tools_table_value(t, ctl_json_text(h, "kind"));
		tools_table_value(t, ctl_json_text(h, "until"));
		tools_table_value(t, ctl_json_text(h, "by").n ? ctl_json_text(h, "by") : SLICE("administrator"));
		tools_table_value(t, ctl_json_text(h, "reason"));
	}
}

bool top_rows_make(enum top_panel panel, enum top_sort sort, const struct top_answers *a, struct top_rows *rows_r)
{
	struct tools_table t = { 0 };
	bool ok = true;
	*rows_r = (struct top_rows){ .keys = mem_zalloc(TOP_ROWS * sizeof *rows_r->keys) };
	if (!rows_r->keys)
		return false;
	switch (panel) {
	case TOP_PANEL_SESSIONS:
		make_sessions(ctl_json_get(a->sessions, "sessions"), rows_r, &t);
		break;
	case TOP_PANEL_CLIENTS:
	case TOP_PANEL_NETS:
	case TOP_PANEL_SENDERS:
		ok = make_talkers(panel, sort, a, rows_r, &t);
		break;
	case TOP_PANEL_RULES:
		make_rules(ctl_json_get(a->rules, "rules"), rows_r, &t);
		break;
	case TOP_PANEL_BLOCKS:
	case TOP_PANELS:
		make_blocks(ctl_json_get(a->list, "entries"), rows_r, &t);
		break;
	}
	tools_table_write(&t, "", &rows_r->text);
	if (ok && !rows_r->text.failed)
		return true;
	top_rows_release(rows_r);
	return false;
}
