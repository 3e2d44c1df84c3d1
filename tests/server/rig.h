/* tests/server/rig.h - one worker of the real server, turned by hand, with a fake backend behind it
 *
 * Clients are socket pairs: session_open() gets the one end, the test talks into the other. Nothing waits for
 * a clock: rig_pass() makes a session older.
 */
#ifndef TESTS_SERVER_RIG_H
#define TESTS_SERVER_RIG_H

#include "server/session.h"
#include "server/worker.h"
#include "tests/relay/fake_backend.h"

struct rig {
	struct app app;
	struct worker worker;
	struct fake *fake;
	char folder[32], settings[64], journal[64];
	bool alive; /* the worker has not ended */
};

/* `more`: further groups of the settings file, e.g. "limits = { ... };" (then all of that group); the listener is one
 * without TLS, with STARTTLS where `more` has certificates, or `more`'s own. */
void rig_open(struct rig *g, const char *more, const struct fake_rule *rules, size_t rules_n);
void rig_close(struct rig *g);
/* Another generation, of the same settings but for `more`; as a reload does it. */
void rig_reload(struct rig *g, const char *more);
void rig_turn(struct rig *g, int ms);
/* The session of the only client. */
struct session *rig_session(struct rig *g);
/* Lets so many ms pass for this session: it is that much older and has been silent for that long. */
void rig_pass(struct rig *g, struct session *s, uint64_t ms);
/* True when the journal has a line with both texts. */
bool rig_journaled(struct rig *g, const char *one, const char *other);

struct client {
	struct rig *g;
	int fd; /* -1: closed */
	char text[4096];
	size_t n;
};

/* `ip` in the usual form; the greeting is not read. */
void client_open(struct client *c, struct rig *g, const char *ip);
void client_say(struct client *c, const char *text);
/* Turns the worker until a whole reply is there: its code. 0: the server has closed instead. */
int client_reply(struct client *c);
/* Text of the last line of the last reply, with its code. */
const char *client_words(const struct client *c);
/* A command and the code of its reply. */
int client_cmd(struct client *c, const char *text);
/* Turns until the server has closed; what it said before is left aside. False: it has not. */
bool client_is_closed(struct client *c);
void client_close(struct client *c);

#endif
