/* rcpt/source.h - where recipients are looked up beside the backend: SQLite, PostgreSQL, Postfix's socketmap
 *
 * A source says of an address: yes, no, not found, or it failed. "No" is a row whose value says no (an account that is
 * switched off); "not found" leaves it to the next source. A failure (down, slow, locked, an answer that is none) is
 * never one of the others.
 *
 * A source has `connections` threads at most, each with one connection and one question in flight, shared by all
 * workers: twenty workers do not mean twenty connections for each of them, and whatever a library does meanwhile (a
 * disk, a host name, a TLS handshake) holds nobody else. Threads begin when there is something to ask and end, with
 * their connection, after RCPT_IDLE_MS. Workers ask through rcpt/desk.h. Equal questions that are open at one time are
 * asked once.
 * A connection that was lost while idle is made anew at once; one that cannot be made is tried again after a back-off
 * (100 ms, doubled up to 5 s), and what is asked meanwhile fails at once.
 * What goes wrong is logged once a minute, and when it works again; connect strings never are.
 *
 * Threads: every function from any thread. The lock is a leaf, never held over I/O.
 */
#ifndef RCPT_SOURCE_H
#define RCPT_SOURCE_H

#include "base/result.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	RCPT_WAITING_MAX = 1024, /* questions that wait for one source; what comes on top fails at once */
	RCPT_IDLE_MS = 60000,
	RCPT_WHY = 200
};

enum rcpt_kind { RCPT_SQLITE, RCPT_PGSQL, RCPT_SOCKETMAP };
enum rcpt_answer { RCPT_YES, RCPT_NO, RCPT_NOT_FOUND, RCPT_FAILED };

/* Texts end in NUL; "" where the kind has no use for it. */
struct rcpt_config {
	const char *name; /* for the log */
	enum rcpt_kind kind;
	const char *file;    /* SQLITE: path */
	const char *connect; /* PGSQL: libpq's connection string, without a password */
	const char *address; /* SOCKETMAP: "unix:PATH" or "inet:IP:PORT" */
	const char *query;   /* SQLITE, PGSQL: with $1 (address), $2 (its local part), $3 (its domain) */
	const char *map;     /* SOCKETMAP: said before the key */
	char delimiter;	     /* asked again without the extension behind it; 0: none */
	uint32_t connections;
	uint64_t timeout_ms; /* a question is answered by then */
};

/* True when nothing is wrong with it as far as can be seen without asking a server: the file can be opened and its
 * query compiled, the connection string and the address have their form. Reads a disk. */
bool rcpt_config_check(const struct rcpt_config *c, char why_r[RCPT_WHY]) MUST_USE;

/* Calls of rcpt_config_file(c, i) with i from 0 until NULL: the files that it reads besides, for the sandbox. The text
 * lies in `path`. */
enum { RCPT_PATH = 1024 };
const char *rcpt_config_file(const struct rcpt_config *c, unsigned i, char path[RCPT_PATH]);

struct rcpt_source;

/* Copies the settings; nothing is opened. NULL: no memory. */
struct rcpt_source *rcpt_source_new(const struct rcpt_config *c) MUST_USE;
struct rcpt_source *rcpt_source_ref(struct rcpt_source *s);
/* Never waits: with the last one gone the threads end by themselves, when what they ask is answered. No question may be
 * open then. */
void rcpt_source_unref(struct rcpt_source **s);
/* Sends the threads home and waits for them, so long at most: for the end of the process. */
void rcpt_source_end(struct rcpt_source *s, uint64_t most_ms);
/* Is it this one that the settings mean? Then its connections can be kept over a reload. */
bool rcpt_source_is(const struct rcpt_source *s, const struct rcpt_config *c);
const struct rcpt_config *rcpt_source_config(const struct rcpt_source *s);

#endif
