/* libpq's asynchronous calls on a thread of their own: what they do wait for (a host name) holds nobody else. */
#include <libpq-fe.h>

#include "base/mem.h"
#include "rcpt/link.h"

#include <poll.h>
#include <stdio.h>

enum { TEXTOID = 25, PARAMETERS = 3 }; /* of pg_type: the same in every PostgreSQL */
#define STATEMENT "smtpguard_rcpt"

struct rcpt_pgsql {
	PGconn *conn;
};

void rcpt_pgsql_close(struct rcpt_pgsql **p)
{
	if (!*p)
		return;
	PQfinish((*p)->conn);
	mem_free(p);
}

static enum rcpt_heard fail(struct rcpt_link *l, enum rcpt_heard heard, struct slice why)
{
	rcpt_link_why(l, heard, why);
	rcpt_pgsql_close(&l->pgsql);
	return heard;
}

static struct slice words_of(const struct rcpt_link *l)
{
	const char *words = l->pgsql ? PQerrorMessage(l->pgsql->conn) : "";
	return *words ? slice_str(words) : SLICE("the connection was lost");
}

/* ---- one question ---- */

static bool wait_for(const struct rcpt_link *l, short events, uint64_t due_ms)
{
	int fd = PQsocket(l->pgsql->conn);
	return fd >= 0 && rcpt_wait(fd, events, due_ms);
}

/* RCPT_HEARD_YES: it is sent, and an answer can be taken without waiting. */
static enum rcpt_heard await_result(struct rcpt_link *l, uint64_t due_ms)
{
	for (int left; (left = PQflush(l->pgsql->conn)) || PQisBusy(l->pgsql->conn);) {
		if (left < 0)
			return fail(l, RCPT_HEARD_LOST, words_of(l));
		if (!wait_for(l, left ? POLLIN | POLLOUT : POLLIN, due_ms))
			return fail(l, RCPT_HEARD_FAILED, SLICE("it does not answer in time"));
		if (!PQconsumeInput(l->pgsql->conn))
			return fail(l, RCPT_HEARD_LOST, words_of(l));
	}
	return RCPT_HEARD_YES;
}

static enum rcpt_heard result_says(struct rcpt_link *l, const PGresult *r, enum rcpt_heard before)
{
	switch (PQresultStatus(r)) {
	case PGRES_SINGLE_TUPLE: /* the first row counts */
		if (before != RCPT_HEARD_NOT_FOUND || PQnfields(r) < 1 || PQgetisnull(r, 0, 0))
			return before;
		return rcpt_heard_value(slice_of(PQgetvalue(r, 0, 0), (size_t)PQgetlength(r, 0, 0)));
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK: /* of the preparation */
		return before;
	default:
		return rcpt_link_why(l, RCPT_HEARD_FAILED, slice_str(PQresultErrorMessage(r)));
	}
}

/* Takes all results, of which one row alone is in memory at any time. */
static enum rcpt_heard take_results(struct rcpt_link *l, uint64_t due_ms)
{
	enum rcpt_heard said = RCPT_HEARD_NOT_FOUND;
	for (;;) {
		enum rcpt_heard there = await_result(l, due_ms);
		if (there != RCPT_HEARD_YES)
			return there;
		PGresult *r = PQgetResult(l->pgsql->conn);
		if (!r)
			break;
		said = said == RCPT_HEARD_FAILED ? said : result_says(l, r, said);
		PQclear(r);
	}
	if (PQstatus(l->pgsql->conn) == CONNECTION_OK)
		return said;
	rcpt_pgsql_close(&l->pgsql); /* a server that ends says so in words before it closes */
	return RCPT_HEARD_LOST;
}

/* ---- the connection ---- */

static enum rcpt_heard shake_hands(struct rcpt_link *l, uint64_t due_ms)
{
	for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;) {
		if (next == PGRES_POLLING_FAILED)
			return fail(l, RCPT_HEARD_FAILED, words_of(l));
		if (!wait_for(l, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, due_ms))
			return fail(l, RCPT_HEARD_FAILED, SLICE("it does not answer a connect in time"));
		next = PQconnectPoll(l->pgsql->conn);
	}
	return RCPT_HEARD_YES;
}

static enum rcpt_heard prepare(struct rcpt_link *l, uint64_t due_ms)
{
	static const Oid TYPES[PARAMETERS] = { TEXTOID, TEXTOID, TEXTOID };
	PGconn *conn = l->pgsql->conn;
	if (PQsetnonblocking(conn, 1) || !PQsendPrepare(conn, STATEMENT, l->config->query, PARAMETERS, TYPES))
		return fail(l, RCPT_HEARD_FAILED, words_of(l));
	enum rcpt_heard heard = take_results(l, due_ms);
	if (heard == RCPT_HEARD_FAILED)
		rcpt_pgsql_close(&l->pgsql);
	return heard == RCPT_HEARD_NOT_FOUND ? RCPT_HEARD_YES : heard;
}

/* What stands in the settings goes over what stands before it here. GSSAPI is off unless it is wished for: its
 * library may ask the kernel for a keyring, which the sandbox forbids. */
static enum rcpt_heard open_connection(struct rcpt_link *l, uint64_t due_ms)
{
	const char *const names[] = { "gssencmode", "client_encoding", "fallback_application_name", "dbname", NULL };
	const char *const values[] = { "disable", "UTF8", "smtpguardd", l->config->connect, NULL };
	l->pgsql = mem_alloc(sizeof *l->pgsql);
	if (!l->pgsql)
		return rcpt_link_why(l, RCPT_HEARD_FAILED, SLICE("out of memory"));
	l->pgsql->conn = PQconnectStartParams(names, values, 1);
	if (!l->pgsql->conn || PQstatus(l->pgsql->conn) == CONNECTION_BAD)
		return fail(l, RCPT_HEARD_FAILED, words_of(l));
	enum rcpt_heard heard = shake_hands(l, due_ms);
	if (heard == RCPT_HEARD_YES)
		heard = prepare(l, due_ms);
	l->reached = heard == RCPT_HEARD_YES;
	return heard;
}

enum rcpt_heard rcpt_pgsql_ask(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms)
{
	const char *const values[PARAMETERS] = { k->address, k->local, k->domain };
	enum rcpt_heard heard = l->pgsql ? RCPT_HEARD_YES : open_connection(l, due_ms);
	if (heard != RCPT_HEARD_YES)
		return heard;
	PGconn *conn = l->pgsql->conn;
	if (!PQsendQueryPrepared(conn, STATEMENT, PARAMETERS, values, NULL, NULL, 0) || !PQsetSingleRowMode(conn))
		return fail(l, RCPT_HEARD_LOST, words_of(l));
	return take_results(l, due_ms);
}

/* ---- the settings ---- */

/* What the connection string says of `name`; "" when nothing. It lies in `options`. */
static const char *option(const PQconninfoOption *options, const char *name)
{
	for (; options && options->keyword; options++)
		if (strcmp(options->keyword, name) == 0)
			return options->val ? options->val : "";
	return "";
}

bool rcpt_pgsql_check(const struct rcpt_config *c, char why_r[RCPT_WHY])
{
	char *words = NULL;
	PQconninfoOption *options = PQconninfoParse(c->connect, &words);
	const char *fault = NULL;
	if (!options)
		fault = words ? words : "out of memory";
	else if (*option(options, "password") || *option(options, "sslpassword"))
		fault = "a password does not belong here, where it would be shown: name a file with passfile=";
	if (fault)
		snprintf(why_r, RCPT_WHY, "connect: %.*s", (int)strcspn(fault, "\n"), fault);
	PQconninfoFree(options);
	PQfreemem(words);
	return !fault;
}

const char *rcpt_pgsql_file(const struct rcpt_config *c, unsigned i, char path[RCPT_PATH])
{
	static const char *const NAMES[] = { "passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl", "servicefile" };
	if (i >= sizeof NAMES / sizeof *NAMES)
		return NULL;
	PQconninfoOption *options = PQconninfoParse(c->connect, NULL);
	snprintf(path, RCPT_PATH, "%s", option(options, NAMES[i]));
	PQconninfoFree(options);
	return path;
}
