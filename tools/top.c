/* tools/top.c - `top`: draws the screen of tools/top.h, reads keys, asks the server
 *
 * The only file that names ncurses. Without colours, so any terminal that can be cleared will do.
 */
#include "tools/top.h"

#include "base/clock.h"
#include "ctl/client.h"
#include "tools/command.h"
#include "tools/live.h"

#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What --once fills when the size is not said by COLUMNS and LINES. */
enum { ONCE_COLS = 120, ONCE_ROWS = 40, SIZE_MAX_TYPED = 1000 };

enum { ASK_STATS, ASK_BACKEND, ASK_SESSIONS, ASK_LAST, ASK_LIST, ASK_RULES, ASKS };

struct look {
	struct ctl_answer answers[ASKS];
	struct top_totals before;
	bool gone;
};

/* ---- asking ---- */

static bool ask(const struct tools_live *live, const char *command, struct ctl_json_doc *args,
	struct ctl_answer *answer_r, struct top *t)
{
	struct buf error = { 0 };
	struct tools_out o = { 0 };
	bool ok = ctl_client_ask(live->socket, command, args, TOOLS_LIVE_ANSWER_MS, answer_r, &error) ==
			  CTL_CLIENT_ANSWERED &&
		  answer_r->ok;
	if (!ok) {
		struct slice why = buf_len(&error) ? buf_slice(&error) : answer_r->error;
		tools_print_value(&o, why, sizeof t->message / 4);
		snprintf(t->message, sizeof t->message, "%.*s", SLICE_ARG(buf_slice(&o.text)));
	}
	buf_release(&error);
	buf_release(&o.text);
	ctl_json_release(args);
	return ok;
}

static bool ask_top(const struct tools_live *live, struct look *l, unsigned which, const char *command, int64_t top,
	const char *kind, struct top *t)
{
	struct ctl_json_doc args = { 0 };
	struct ctl_json at = ctl_json_root_object(&args);
	if (top)
		ctl_json_put_int(at, "top", top);
	if (kind)
		ctl_json_put_text(at, "kind", slice_str(kind));
	return ask(live, command, &args, &l->answers[which], t);
}

/* Only what the panel shows. */
static bool ask_panel(const struct tools_live *live, struct look *l, struct top *t)
{
	static const char *const KIND[TOP_PANELS] = { [TOP_PANEL_CLIENTS] = "client",
		[TOP_PANEL_NETS] = "net",
		[TOP_PANEL_SENDERS] = "sender",
		[TOP_PANEL_BLOCKS] = "block" };
	const char *kind = KIND[t->panel];
	bool talkers = kind && t->panel != TOP_PANEL_BLOCKS;
	bool ok = ask_top(live, l, ASK_STATS, "stats", 0, NULL, t) &&
		  ask_top(live, l, ASK_BACKEND, "backend", 0, NULL, t);
	if (ok && (talkers || t->panel == TOP_PANEL_SESSIONS))
		ok = ask_top(live, l, ASK_SESSIONS, "sessions", talkers ? TOP_SESSIONS : TOP_ROWS, NULL, t);
	if (ok && talkers)
		ok = ask_top(live, l, ASK_LAST, "last", TOP_RECENT, NULL, t);
	if (ok && kind)
		ok = ask_top(live, l, ASK_LIST, "list", TOP_RECORDS, kind, t);
	if (ok && t->panel == TOP_PANEL_RULES)
		ok = ask_top(live, l, ASK_RULES, "rules", TOP_RULES, NULL, t);
	return ok;
}

/* A server that is gone leaves what was shown, and says so. */
static void look(const struct tools_live *live, struct look *l, struct top *t)
{
	for (unsigned i = 0; i < ASKS; i++)
		l->answers[i] = (struct ctl_answer){ 0 };
	bool was_gone = l->gone;
	l->gone = !ask_panel(live, l, t);
	if (was_gone && !l->gone)
		t->message[0] = 0;
	struct top_answers a = { l->answers[ASK_STATS].data, l->answers[ASK_BACKEND].data,
		l->answers[ASK_SESSIONS].data, l->answers[ASK_LAST].data, l->answers[ASK_LIST].data,
		l->answers[ASK_RULES].data };
	uint64_t now_ms = clock_mono_ms();
	struct top_rows rows;
	top_head(t, &a, &l->before, now_ms, l->gone);
	l->before = l->gone ? (struct top_totals){ 0 } : top_totals_of(&a, now_ms);
	if (!l->gone && top_rows_make(t->panel, t->sort, &a, &rows))
		top_take_rows(t, &rows);
	for (unsigned i = 0; i < ASKS; i++)
		ctl_answer_release(&l->answers[i]);
}

/* ---- what is done about an entry ---- */

static void do_order(const struct tools_live *live, struct top *t)
{
	static const char *const COMMAND[] = { "block", "allow", "delete" };
	const struct tools_command *c = tools_command_find(COMMAND[t->order]);
	char *words[] = { t->target, "--for", t->typed, "--all" };
	bool lifts = t->panel == TOP_PANEL_BLOCKS;
	struct ctl_json_doc args = { 0 };
	struct ctl_answer answer = { 0 };
	struct buf error = { 0 };
	struct tools_out o = { 0 };
	if (t->order == TOP_ORDER_DELETE)
		words[1] = words[3];
	if (!c->parse(t->order == TOP_ORDER_DELETE ? 1 + lifts : 3, words, &args, &error)) {
		snprintf(t->message, sizeof t->message, "a time is wanted as 90s, 30m, 1h or 7d, at most 366d");
	} else if (ask(live, c->name, &args, &answer, t)) {
		c->show(answer.data, &o);
		struct slice text = buf_slice(&o.text), line = slice_cut(&text, '\n');
		snprintf(t->message, sizeof t->message, "%.*s", SLICE_ARG(line));
	}
	ctl_answer_release(&answer);
	ctl_json_release(&args);
	buf_release(&error);
	buf_release(&o.text);
}

static void add_detail(const struct tools_live *live, struct top *t, const char *command, const char *key)
{
	struct ctl_json_doc args = { 0 };
	struct ctl_answer answer = { 0 };
	struct ctl_json at = ctl_json_root_object(&args);
	ctl_json_put_text(at, key, slice_str(t->target));
	if (ask(live, command, &args, &answer, t))
		tools_command_find(command)->show(answer.data, &t->detail);
	ctl_answer_release(&answer);
	tools_print(&t->detail, "\n");
}

static void show_target(const struct tools_live *live, struct top *t)
{
	buf_clear(&t->detail.text);
	t->detail_first = 0;
	t->mode = TOP_DETAIL;
	add_detail(live, t, "show", "key");
	if (t->panel != TOP_PANEL_SENDERS && t->panel != TOP_PANEL_BLOCKS)
		add_detail(live, t, "explain", "client");
}

/* ---- the terminal ---- */

static int key_of(int key)
{
	switch (key) {
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_ENTER:
	case '\n':
	case '\r':
		return TOP_KEY_ENTER;
	case KEY_BACKSPACE:
	case 127:
	case 8:
		return TOP_KEY_BACK;
	case 27:
		return TOP_KEY_ESCAPE;
	case '\t':
		return TOP_KEY_NEXT;
	default:
		return key < 128 ? key : 0;
	}
}

static void draw(struct top *t)
{
	struct tools_out o = { 0 };
	int marked, rows, cols;
	getmaxyx(stdscr, rows, cols);
	top_screen(t, cols > 0 ? (unsigned)cols : 0, rows > 0 ? (unsigned)rows : 0, &o, &marked);
	struct slice text = buf_slice(&o.text);
	erase();
	for (int y = 0; y < rows && text.n; y++) {
		struct slice line = slice_cut(&text, '\n');
		if (y == marked)
			attrset(A_REVERSE);
		mvaddnstr(y, 0, line.p, (int)line.n);
		attrset(A_NORMAL);
	}
	refresh();
	buf_release(&o.text);
}

/* The terminal may have gone: then there will never be a key again, and no waiting for one. */
static bool terminal_is_gone(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void steer(const struct tools_live *live, struct top *t, uint64_t every_ms)
{
	struct look l = { 0 };
	uint64_t due_ms = 0;
	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		if (now_ms >= due_ms) {
			look(live, &l, t);
			due_ms = clock_mono_ms() + every_ms;
		}
		draw(t);
		now_ms = clock_mono_ms();
		timeout(due_ms > now_ms ? (int)(due_ms - now_ms) : 0);
		int key = getch();
		enum top_wish wish = key == ERR || key == KEY_RESIZE ? TOP_NOTHING : top_key(t, key_of(key));
		if (wish == TOP_QUIT || (key == ERR && terminal_is_gone()))
			return;
		if (wish == TOP_SHOW)
			show_target(live, t);
		if (wish == TOP_DO)
			do_order(live, t);
		if (wish == TOP_DO || wish == TOP_LOOK)
			due_ms = 0;
	}
}

static bool fault(struct buf *error_r, const char *sentence)
{
	if (!buf_put(error_r, slice_str(sentence)))
		buf_clear(error_r);
	return false;
}

static unsigned size_from(const char *name, unsigned otherwise)
{
	const char *typed = getenv(name);
	uint64_t n = 0;
	return typed && slice_u64(slice_str(typed), SIZE_MAX_TYPED, &n) && n ? (unsigned)n : otherwise;
}

static bool once(const struct tools_live *live, struct top *t, struct buf *error_r)
{
	struct look l = { 0 };
	struct tools_out o = { 0 };
	int marked;
	look(live, &l, t);
	if (l.gone)
		return fault(error_r, t->message);
	top_screen(t, size_from("COLUMNS", ONCE_COLS), size_from("LINES", ONCE_ROWS), &o, &marked);
	bool ok = !o.failed && fwrite(o.text.data, 1, buf_len(&o.text), stdout) == buf_len(&o.text) &&
		  fflush(stdout) == 0;
	buf_release(&o.text);
	return ok || fault(error_r, "cannot write to standard output");
}

static bool on_terminal(const struct tools_live *live, struct top *t, uint64_t every_ms, struct buf *error_r)
{
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return fault(error_r, "top needs a terminal; top --once prints one screen as text");
	SCREEN *screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return fault(error_r, "the terminal's type is not known: set TERM, or use top --once");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	steer(live, t, every_ms);
	endwin();
	delscreen(screen);
	return true;
}

bool tools_top(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r)
{
	struct ctl_json typed = ctl_json_root(args);
	struct slice panel = ctl_json_text(typed, "panel");
	struct top t = { .panel = TOP_PANEL_CLIENTS };
	if (panel.n && !top_panel_find(panel, &t.panel))
		return fault(error_r, "--panel: sessions, clients, nets, senders, rules or blocks");
	bool ok = ctl_json_bool(typed, "once", false)
			  ? once(live, &t, error_r)
			  : on_terminal(live, &t, (uint64_t)ctl_json_int(typed, "every_s", 2) * 1000, error_r);
	top_release(&t);
	return ok;
}
