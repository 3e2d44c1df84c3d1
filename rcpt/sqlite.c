/* A disk may make this thread wait; no other one. */
#include <sqlite3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rcpt/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many of SQLite's steps lie between two looks at the clock. */
enum { STEPS = 10000 };

struct rcpt_sqlite {
	sqlite3 *db;
	sqlite3_stmt *query;
	dev_t dev; /* of the file that was opened: another one may be moved to its place */
	ino_t ino;
	uint64_t due_ms;
};

void rcpt_sqlite_close(struct rcpt_sqlite **p)
{
	if (!*p)
		return;
	sqlite3_finalize((*p)->query);
	sqlite3_close((*p)->db);
	mem_free(p);
}

/* The library asks it now and then: not 0 ends a query that takes too long. */
static int is_late(void *arg)
{
	const struct rcpt_sqlite *q = arg;
	return clock_mono_ms() >= q->due_ms;
}

/* Every parameter must be one that we can fill in: "$1" to "$3", or "?1" to "?3". 0: another one. */
static int parameter(const struct rcpt_sqlite *q, int at)
{
	const char *name = sqlite3_bind_parameter_name(q->query, at);
	bool ours = name && (name[0] == '$' || name[0] == '?') && name[1] >= '1' && name[1] <= '3' && !name[2];
	return ours ? name[1] - '0' : 0;
}

static const char *prepare(struct rcpt_sqlite *q, const struct rcpt_config *c)
{
	const char *rest = "";
	if (sqlite3_prepare_v3(q->db, c->query, -1, SQLITE_PREPARE_PERSISTENT, &q->query, &rest) != SQLITE_OK)
		return sqlite3_errmsg(q->db);
	if (!q->query || !sqlite3_stmt_readonly(q->query) || sqlite3_column_count(q->query) < 1)
		return "the query is not one that reads";
	if (rest[strspn(rest, " \t;")])
		return "the query is more than one statement";
	for (int i = 1; i <= sqlite3_bind_parameter_count(q->query); i++)
		if (!parameter(q, i))
			return "the query has a parameter other than $1 (address), $2 (local part), $3 (domain)";
	return NULL;
}

/* NULL: *p is open; else why not. The text is valid until *p is closed. */
static const char *open_file(struct rcpt_sqlite **p, const struct rcpt_config *c)
{
	struct rcpt_sqlite *q = *p = mem_zalloc(sizeof *q);
	struct stat st;
	if (!q)
		return "out of memory";
	if (stat(c->file, &st) < 0)
		return strerror(errno);
	q->dev = st.st_dev;
	q->ino = st.st_ino;
	q->due_ms = UINT64_MAX;
	if (sqlite3_open_v2(c->file, &q->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return q->db ? sqlite3_errmsg(q->db) : "out of memory";
	sqlite3_progress_handler(q->db, STEPS, is_late, q);
	return NULL;
}

static bool was_replaced(const struct rcpt_sqlite *q, const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 || st.st_dev != q->dev || st.st_ino != q->ino;
}

static enum rcpt_heard row_of(struct rcpt_sqlite *q)
{
	if (sqlite3_column_type(q->query, 0) == SQLITE_NULL)
		return RCPT_HEARD_NOT_FOUND;
	const void *text = sqlite3_column_text(q->query, 0);
	return rcpt_heard_value(slice_of(text, (size_t)sqlite3_column_bytes(q->query, 0)));
}

static int bind(struct rcpt_sqlite *q, const struct rcpt_key *k)
{
	const struct slice values[] = { slice_of(k->address, k->address_n), slice_of(k->local, k->local_n),
		slice_str(k->domain) };
	int error = SQLITE_OK;
	for (int i = 1; !error && i <= sqlite3_bind_parameter_count(q->query); i++) {
		struct slice v = values[parameter(q, i) - 1];
		error = sqlite3_bind_text(q->query, i, v.p, (int)v.n, SQLITE_STATIC);
	}
	return error;
}

static enum rcpt_heard run(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms)
{
	struct rcpt_sqlite *q = l->sqlite;
	q->due_ms = due_ms;
	sqlite3_busy_timeout(q->db, rcpt_left_ms(due_ms));
	const char *fault = q->query ? NULL : prepare(q, l->config);
	if (fault)
		return rcpt_link_why(l, RCPT_HEARD_FAILED, slice_str(fault));
	int code = bind(q, k);
	if (!code)
		code = sqlite3_step(q->query);
	enum rcpt_heard heard = code == SQLITE_ROW ? row_of(q) : RCPT_HEARD_NOT_FOUND;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		heard = rcpt_link_why(l, RCPT_HEARD_FAILED,
			code == SQLITE_INTERRUPT ? SLICE("the query takes too long")
						 : slice_str(sqlite3_errmsg(q->db)));
	sqlite3_reset(q->query);
	sqlite3_clear_bindings(q->query);
	return heard;
}

enum rcpt_heard rcpt_sqlite_ask(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms)
{
	if (l->sqlite && was_replaced(l->sqlite, l->config->file))
		rcpt_sqlite_close(&l->sqlite);
	const char *fault = l->sqlite ? NULL : open_file(&l->sqlite, l->config);
	l->reached = !fault;
	enum rcpt_heard heard = fault ? rcpt_link_why(l, RCPT_HEARD_FAILED, slice_str(fault)) : run(l, k, due_ms);
	if (heard == RCPT_HEARD_FAILED && (fault || !l->sqlite->query))
		rcpt_sqlite_close(&l->sqlite);
	return heard;
}

bool rcpt_sqlite_check(const struct rcpt_config *c, char why_r[RCPT_WHY])
{
	struct rcpt_sqlite *q = NULL;
	int fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *fault = fd < 0 ? strerror(errno) : open_file(&q, c);
	if (!fault)
		fault = prepare(q, c);
	/* somebody writes it just now: it will be asked later */
	if (fault && q && q->db && sqlite3_errcode(q->db) == SQLITE_BUSY)
		fault = NULL;
	if (fault)
		snprintf(why_r, RCPT_WHY, "%s: %s", c->file, fault);
	rcpt_sqlite_close(&q);
	if (fd >= 0)
		close(fd);
	return !fault;
}
