/* tools/top.h - the screen of `smtpguardctl top`, without a terminal
 *
 * top_rows.c turns the server's answers into rows, top_screen.c turns rows into lines of a given size and keys into
 * wishes. Both are pure, so tests need no terminal. tools/top.c alone draws, reads keys and asks the server.
 *
 * What "heavy" means: `recent` counts a client's (net's, sender's) mails, and sessions without one, among the last
 * TOP_RECENT decisions that the server keeps; `open` its open sessions; `points` its record.
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include "tools/text.h"

#include "ctl/json.h"

/* Decisions, sessions, records and rules that are asked for at a time: bounds what a look costs the server. */
enum { TOP_RECENT = 500, TOP_SESSIONS = 1000, TOP_RECORDS = 200, TOP_RULES = 200 };
/* Rows of a panel; further ones are left out, the lightest first. */
enum { TOP_ROWS = 200 };
/* A client's, a net's, an address's; a longer sender is cut and cannot be acted upon. */
enum { TOP_KEY = 96 };

enum top_panel {
	TOP_PANEL_SESSIONS,
	TOP_PANEL_CLIENTS,
	TOP_PANEL_NETS,
	TOP_PANEL_SENDERS,
	TOP_PANEL_RULES,
	TOP_PANEL_BLOCKS,
	TOP_PANELS
};
enum top_sort { TOP_BY_RECENT, TOP_BY_OPEN, TOP_BY_POINTS, TOP_BY_REFUSED, TOP_SORTS };

/* "sessions", "clients" ... False: no such panel. */
bool top_panel_find(struct slice name, enum top_panel *panel_r) MUST_USE;

/* One answer each, or handles without a value when it was not asked for. */
struct top_answers {
	struct ctl_json stats, backend;
	struct ctl_json sessions, last, list, rules; /* `list`: of the panel's kind */
};

/* What one look at the server has given. */
struct top_rows {
	struct tools_out text; /* a heading and a line for each row; escaped */
	size_t n;
	char (*keys)[TOP_KEY]; /* owned; "" where a row cannot be acted upon */
	char since[24];	       /* of the oldest decision that was counted, "" none */
};
/* False: memory is out. */
bool top_rows_make(
	enum top_panel panel, enum top_sort sort, const struct top_answers *a, struct top_rows *rows_r) MUST_USE;
void top_rows_release(struct top_rows *rows);

/* Counters of the look before, for rates. */
struct top_totals {
	uint64_t at_ms;
	int64_t accepted, deferred, refused;
};

enum top_mode { TOP_LIST, TOP_HELP, TOP_TIME, TOP_CONFIRM, TOP_DETAIL };
enum top_order { TOP_ORDER_BLOCK, TOP_ORDER_ALLOW, TOP_ORDER_DELETE };

struct top {
	enum top_panel panel;
	enum top_sort sort;
	enum top_mode mode;
	enum top_order order;	/* of TOP_TIME and TOP_CONFIRM */
	size_t selected, first; /* rows; the first that is shown */
	char target[TOP_KEY];	/* whom an order is about: kept while the list moves on */
	char typed[8];		/* a time, as "1h" */
	char message[200];	/* escaped */
	struct tools_out head;	/* escaped lines above the list */
	struct top_rows rows;
	struct tools_out detail; /* escaped lines */
	size_t detail_first;
};

/* The lines above the list: totals and rates, sessions, backends. `gone`: the server does not answer. */
void top_head(struct top *t, const struct top_answers *a, const struct top_totals *before, uint64_t now_ms, bool gone);
struct top_totals top_totals_of(const struct top_answers *a, uint64_t now_ms);
/* Takes the rows (emptied); the selection stays with its key, as far as it is still there. */
void top_take_rows(struct top *t, struct top_rows *rows);
void top_release(struct top *t);

/* Keys that are no character. */
enum {
	TOP_KEY_UP = 0x100,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACK,
	TOP_KEY_NEXT
};
enum top_wish {
	TOP_NOTHING,
	TOP_LOOK, /* another panel or order: ask the server now */
	TOP_SHOW, /* tell about `target` */
	TOP_DO,	  /* `order` for `target`, `typed` long */
	TOP_QUIT
};
enum top_wish top_key(struct top *t, int key);

/* A screen of rows x cols: exactly `rows` lines, each at most `cols` characters of printable ASCII and an LF.
 * *marked_r: the line to be marked, -1: none. */
void top_screen(struct top *t, unsigned cols, unsigned rows, struct tools_out *o, int *marked_r);

#endif
