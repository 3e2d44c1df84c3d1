/* rcpt/link.h - one thread's connection to its source, whatever kind that is
 *
 * Each kind is opened when it is first asked, and closed by whatever makes it unfit for the next question. They may
 * wait, but not beyond due_ms (a host name, or a disk, may take a library longer).
 * Thread: one.
 */
#ifndef RCPT_LINK_H
#define RCPT_LINK_H

#include "rcpt/key.h"
#include "rcpt/source.h"

/* LOST: the connection was found dead; the question may be asked again on a new one. */
enum rcpt_heard { RCPT_HEARD_YES, RCPT_HEARD_NO, RCPT_HEARD_NOT_FOUND, RCPT_HEARD_FAILED, RCPT_HEARD_LOST };

struct rcpt_sqlite;
struct rcpt_pgsql;
struct rcpt_socketmap;

struct rcpt_link {
	const struct rcpt_config *config;
	struct rcpt_sqlite *sqlite; /* one of them, when it is open */
	struct rcpt_pgsql *pgsql;
	struct rcpt_socketmap *socketmap;
	bool reached;	   /* set by the kind: a connection could be made */
	uint64_t again_ms; /* no connection is tried before */
	uint64_t pause_ms;
	char why[RCPT_WHY]; /* of the last failure; any byte may be in it */
};

enum rcpt_answer rcpt_link_ask(struct rcpt_link *l, struct slice rcpt, uint64_t due_ms);
void rcpt_link_close(struct rcpt_link *l);

/* What a row says by its first column: 0, f, false, n, no, off and the empty text say no, all else yes. */
enum rcpt_heard rcpt_heard_value(struct slice value);
/* Notes why, cut to its first line. The answer is always `heard`. */
enum rcpt_heard rcpt_link_why(struct rcpt_link *l, enum rcpt_heard heard, struct slice why);
/* Milliseconds that are left, for poll(); 0: none. */
int rcpt_left_ms(uint64_t due_ms);
/* poll() for one descriptor. False: time is up. */
bool rcpt_wait(int fd, short events, uint64_t due_ms) MUST_USE;

/* sqlite.c, pgsql.c, socketmap.c */
enum rcpt_heard rcpt_sqlite_ask(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms);
enum rcpt_heard rcpt_pgsql_ask(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms);
enum rcpt_heard rcpt_socketmap_ask(struct rcpt_link *l, const struct rcpt_key *k, uint64_t due_ms);
void rcpt_sqlite_close(struct rcpt_sqlite **p);
void rcpt_pgsql_close(struct rcpt_pgsql **p);
void rcpt_socketmap_close(struct rcpt_socketmap **p);
bool rcpt_sqlite_check(const struct rcpt_config *c, char why_r[RCPT_WHY]) MUST_USE;
bool rcpt_pgsql_check(const struct rcpt_config *c, char why_r[RCPT_WHY]) MUST_USE;
bool rcpt_socketmap_check(const struct rcpt_config *c, char why_r[RCPT_WHY]) MUST_USE;
const char *rcpt_pgsql_file(const struct rcpt_config *c, unsigned i, char path[RCPT_PATH]);

#endif
