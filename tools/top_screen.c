/* tools/top_screen.c - rows as lines of a screen, keys as wishes; see tools/top.h */
#include "tools/top.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const PANEL[TOP_PANELS] = { "1 sessions", "2 clients", "3 nets", "4 senders", "5 rules",
	"6 blocks" };
static const char *const SORT[TOP_SORTS] = { "recent", "open", "points", "refused + deferred" };
static const char *const ORDER[] = { "block", "allow", "delete" };

void top_release(struct top *t)
{
	top_rows_release(&t->rows);
	buf_release(&t->head.text);
	buf_release(&t->detail.text);
}

/* ---- the lines above the list ---- */

struct top_totals top_totals_of(const struct top_answers *a, uint64_t now_ms)
{
	struct ctl_json mails = ctl_json_get(a->stats, "mails");
	return (struct top_totals){ now_ms, ctl_json_int(mails, "accepted", 0), ctl_json_int(mails, "deferred", 0),
		ctl_json_int(mails, "refused", 0) };
}

static void put_rate(struct tools_out *o, const char *name, int64_t now, int64_t before, double seconds)
{
	if (seconds > 0 && now >= before)
		tools_print(o, "  %s %" PRId64 " (%.1f/s)", name, now, (double)(now - before) / seconds);
	else
		tools_print(o, "  %s %" PRId64, name, now);
}

static void put_backends(struct tools_out *o, struct ctl_json backends)
{
	tools_print(o, "backend");
	for (size_t i = 0; i < ctl_json_len(backends); i++) {
		struct ctl_json b = ctl_json_item(backends, i), c = ctl_json_get(b, "connections");
		tools_print(o, "%s ", i ? ";" : "");
		tools_print_value(o, ctl_json_text(b, "name"), 40);
		tools_print(o, " ");
		tools_print_value(o, ctl_json_text(b, "state"), 20);
		tools_print(o, " %" PRId64 "/%" PRId64 " connections, %" PRId64 " waiting", ctl_json_int(c, "open", 0),
			ctl_json_int(c, "limit", 0), ctl_json_int(b, "waiting", 0));
	}
	tools_print(o, "\n");
}

void top_head(struct top *t, const struct top_answers *a, const struct top_totals *before, uint64_t now_ms, bool gone)
{
	struct tools_out *o = &t->head;
	struct ctl_json sessions = ctl_json_get(a->stats, "sessions");
	struct top_totals now = top_totals_of(a, now_ms);
	double seconds = before->at_ms ? (double)(now_ms - before->at_ms) / 1000 : 0;
	char up[TOOLS_UNIT_TEXT];
	buf_clear(&o->text);
	tools_print(o, "smtpguardd ");
	tools_print_value(o, ctl_json_text(a->stats, "version"), 20);
	int64_t up_s = ctl_json_int(a->stats, "uptime_s", 0);
	tools_print(o, " up %s%s%s%s\n", tools_duration(up_s < INT32_MAX ? up_s * 1000 : INT64_MAX, up),
		ctl_json_bool(a->stats, "enforce", true) ? "" : "  enforce = false",
		ctl_json_bool(a->stats, "draining", false) ? "  DRAINING" : "",
		gone ? "  THE SERVER DOES NOT ANSWER, trying again" : "");
	tools_print(o, "mails");
	put_rate(o, "accepted", now.accepted, before->accepted, seconds);
	put_rate(o, "deferred", now.deferred, before->deferred, seconds);
	put_rate(o, "refused", now.refused, before->refused, seconds);
	tools_print(o, "\nsessions %" PRId64 " of %" PRId64 ", %" PRId64 " held in a delay, stress %.0f %%\n",
		ctl_json_int(sessions, "now", 0), ctl_json_int(sessions, "limit", 0),
		ctl_json_int(a->stats, "waiting", 0), 100 * ctl_json_double(a->stats, "stress", 0));
	put_backends(o, ctl_json_get(a->backend, "backends"));
}

/* ---- the list ---- */

void top_take_rows(struct top *t, struct top_rows *rows)
{
	char at[TOP_KEY] = "";
	if (t->selected < t->rows.n)
		memcpy(at, t->rows.keys[t->selected], sizeof at);
	top_rows_release(&t->rows);
	t->rows = *rows;
	*rows = (struct top_rows){ 0 };
	bool same = t->selected < t->rows.n && strcmp(t->rows.keys[t->selected], at) == 0;
	for (size_t i = 0; !same && *at && i < t->rows.n; i++)
		if (strcmp(t->rows.keys[i], at) == 0) {
			t->selected = i;
			break;
		}
	if (t->selected >= t->rows.n)
		t->selected = t->rows.n ? t->rows.n - 1 : 0;
}

/* ---- keys ---- */

static void say(struct top *t, const char *text)
{
	snprintf(t->message, sizeof t->message, "%s", text);
}

static enum top_wish turn_to(struct top *t, enum top_panel panel)
{
	t->panel = panel;
	t->selected = t->first = 0;
	top_rows_release(&t->rows);
	return TOP_LOOK;
}

static bool take_target(struct top *t)
{
	const char *key = t->selected < t->rows.n ? t->rows.keys[t->selected] : "";
	snprintf(t->target, sizeof t->target, "%s", key);
	if (!*key)
		say(t, t->panel == TOP_PANEL_RULES ? "rules are set in the settings; smtpguardctl rules tells more"
						   : "no entry is selected");
	return *key;
}

static enum top_wish begin_order(struct top *t, enum top_order order)
{
	if (!take_target(t))
		return TOP_NOTHING;
	t->order = order;
	t->mode = order == TOP_ORDER_DELETE ? TOP_CONFIRM : TOP_TIME;
	snprintf(t->typed, sizeof t->typed, "1h");
	return TOP_NOTHING;
}

static void move(struct top *t, long by)
{
	long to = (long)t->selected + by;
	t->selected = to < 0 || !t->rows.n ? 0 : (size_t)to < t->rows.n ? (size_t)to : t->rows.n - 1;
}

enum { PAGE = 10 };

static enum top_wish list_key(struct top *t, int key)
{
	t->message[0] = 0;
	if (key >= '1' && key < '1' + TOP_PANELS)
		return turn_to(t, (enum top_panel)(key - '1'));
	switch (key) {
	case TOP_KEY_NEXT:
		return turn_to(t, (enum top_panel)((t->panel + 1) % TOP_PANELS));
	case 'q':
		return TOP_QUIT;
	case '?':
	case 'h':
		t->mode = TOP_HELP;
		return TOP_NOTHING;
	case 's':
		t->sort = (enum top_sort)((t->sort + 1) % TOP_SORTS);
		return TOP_LOOK;
	case 'b':
		return begin_order(t, TOP_ORDER_BLOCK);
	case 'a':
		return begin_order(t, TOP_ORDER_ALLOW);
	case 'd':
		return begin_order(t, TOP_ORDER_DELETE);
	case TOP_KEY_ENTER:
		return take_target(t) ? TOP_SHOW : TOP_NOTHING;
	case TOP_KEY_UP:
	case 'k':
		move(t, -1);
		return TOP_NOTHING;
	case TOP_KEY_DOWN:
	case 'j':
		move(t, 1);
		return TOP_NOTHING;
	case TOP_KEY_PAGE_UP:
		move(t, -PAGE);
		return TOP_NOTHING;
	case TOP_KEY_PAGE_DOWN:
		move(t, PAGE);
		return TOP_NOTHING;
	default:
		return key == ' ' ? TOP_LOOK : TOP_NOTHING;
	}
}

static enum top_wish time_key(struct top *t, int key)
{
	size_t n = strlen(t->typed);
	if (key == TOP_KEY_ESCAPE)
		t->mode = TOP_LIST;
	else if (key == TOP_KEY_BACK && n)
		t->typed[n - 1] = 0;
	else if (key == TOP_KEY_ENTER && n)
		t->mode = TOP_CONFIRM;
	else if (n + 1 < sizeof t->typed &&
		 ((key >= '0' && key <= '9') || (key > 0 && key < 128 && strchr("smhd", key)))) {
		t->typed[n] = (char)key;
		t->typed[n + 1] = 0;
	}
	return TOP_NOTHING;
}

static size_t line_count(struct slice text)
{
	size_t n = 0;
	for (; text.n; n++)
		(void)slice_cut(&text, '\n');
	return n;
}

static enum top_wish detail_key(struct top *t, int key)
{
	size_t last = line_count(buf_slice(&t->detail.text));
	if (key == TOP_KEY_DOWN || key == TOP_KEY_PAGE_DOWN || key == 'j')
		t->detail_first += key == TOP_KEY_PAGE_DOWN ? PAGE : 1;
	else if (key == TOP_KEY_UP || key == TOP_KEY_PAGE_UP || key == 'k')
		t->detail_first -= key == TOP_KEY_PAGE_UP && t->detail_first > PAGE ? PAGE : t->detail_first > 0;
	else
		t->mode = TOP_LIST;
	if (t->detail_first >= last)
		t->detail_first = last ? last - 1 : 0;
	return TOP_NOTHING;
}

enum top_wish top_key(struct top *t, int key)
{
	switch (t->mode) {
	case TOP_LIST:
		return list_key(t, key);
	case TOP_TIME:
		return time_key(t, key);
	case TOP_CONFIRM:
		t->mode = TOP_LIST;
		if (key != 'y')
			say(t, "nothing was done");
		return key == 'y' ? TOP_DO : TOP_NOTHING;
	case TOP_DETAIL:
		return detail_key(t, key);
	case TOP_HELP:
		t->mode = TOP_LIST;
		return TOP_NOTHING;
	}
	return TOP_NOTHING;
}

/* ---- the screen ---- */

struct page {
	struct tools_out *o;
	unsigned cols, left; /* lines that still fit */
	unsigned line;
};

/* The part of the line (escaped already) that fits; false: the page is full. */
static bool put_line(struct page *p, struct slice line)
{
	if (!p->left)
		return false;
	line.n = line.n < p->cols ? line.n : p->cols;
	p->o->failed |= !buf_put(&p->o->text, line) || !buf_put(&p->o->text, SLICE("\n"));
	p->left--;
	p->line++;
	return true;
}

static void put_lines(struct page *p, struct slice text, size_t skip)
{
	while (text.n) {
		struct slice line = slice_cut(&text, '\n');
		if (skip)
			skip--;
		else if (!put_line(p, line))
			return;
	}
}

static void put_title(struct page *p, const struct top *t)
{
	char title[256] = "";
	size_t n = 0;
	for (unsigned i = 0; i < TOP_PANELS; i++)
		n += (size_t)snprintf(title + n, sizeof title - n, i == t->panel ? "[%s] " : " %s  ", PANEL[i]);
	put_line(p, slice_of(title, n));
	if (t->panel >= TOP_PANEL_CLIENTS && t->panel <= TOP_PANEL_SENDERS) {
		n = (size_t)snprintf(title, sizeof title,
			"heaviest by %s; recent: of the last %d mails and sessions%s%s", SORT[t->sort], TOP_RECENT,
			t->rows.since[0] ? ", since " : ": none is kept", t->rows.since);
		put_line(p, slice_of(title, n));
	}
}

static int put_rows(struct page *p, struct top *t)
{
	struct slice text = buf_slice(&t->rows.text.text);
	int marked = -1;
	put_line(p, slice_cut(&text, '\n'));
	if (t->rows.n == 0)
		put_line(p, SLICE("none"));
	size_t fit = p->left;
	if (t->selected < t->first || !fit)
		t->first = t->selected;
	else if (t->selected >= t->first + fit)
		t->first = t->selected - fit + 1;
	if (t->rows.n && fit && t->selected - t->first < fit)
		marked = (int)(p->line + (unsigned)(t->selected - t->first));
	put_lines(p, text, t->first);
	return marked;
}

static void put_help(struct page *p)
{
	put_lines(p,
		SLICE("1-6 Tab   panel: sessions, clients, nets, senders, rules, blocks\n"
		      "s         another order: recent, open, points, refused + deferred\n"
		      "arrows    move; also j k, Page Up, Page Down\n"
		      "Enter     what is known of the entry, and its last decisions\n"
		      "b a       block or allow the entry for a time\n"
		      "d         delete its record; in the panel blocks: lift it too\n"
		      "space     look now\n"
		      "q         quit\n\n"
		      "RECENT    mails, and sessions without one, among the last decisions the server keeps\n"
		      "OPEN      open sessions   POINTS  of its record\n\n"
		      "any key goes back\n"),
		0);
}

static void put_bottom(struct page *p, const struct top *t)
{
	bool deletes = t->order == TOP_ORDER_DELETE, asks = t->mode == TOP_TIME || t->mode == TOP_CONFIRM;
	struct tools_out o = { 0 };
	if (!asks) {
		tools_print(&o, "%s", *t->message ? t->message : "? help  b block  a allow  d delete  q quit");
	} else {
		tools_print(&o, "%s ", deletes ? "delete what is remembered of" : ORDER[t->order]);
		tools_print_value(&o, slice_str(t->target), TOP_KEY);
	}
	if (t->mode == TOP_TIME)
		tools_print(&o, " for (30m, 1h, 7d; Enter, Escape): %s_", t->typed);
	else if (t->mode == TOP_CONFIRM)
		tools_print(&o, "%s%s? y/n", deletes ? "" : " for ", deletes ? "" : t->typed);
	put_line(p, buf_slice(&o.text));
	p->o->failed |= o.failed;
	buf_release(&o.text);
}

void top_screen(struct top *t, unsigned cols, unsigned rows, struct tools_out *o, int *marked_r)
{
	struct page p = { .o = o, .cols = cols, .left = rows ? rows - 1 : 0 };
	*marked_r = -1;
	put_lines(&p, buf_slice(&t->head.text), 0);
	put_line(&p, SLICE(""));
	if (t->mode == TOP_HELP) {
		put_help(&p);
	} else if (t->mode == TOP_DETAIL) {
		put_lines(&p, buf_slice(&t->detail.text), t->detail_first);
	} else {
		put_title(&p, t);
		*marked_r = put_rows(&p, t);
	}
	while (p.left)
		put_line(&p, SLICE(""));
	p.left = rows ? 1 : 0;
	put_bottom(&p, t);
}
