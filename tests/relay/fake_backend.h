/* tests/relay/fake_backend.h - an SMTP server in a thread of the test, which misbehaves as told
 *
 * It listens on a loopback port of the kernel's choice, serves each connection in a thread, and notes
 * every command and every mail. Rules are looked through in order for the first whose `on` begins the
 * command ("RCPT TO:<bad"; "GREETING"; "." is the end of a body; "BODY" its first line) or, behind a
 * '*', is anywhere in it; without one it answers as a good server does.
 */
#ifndef FAKE_BACKEND_H
#define FAKE_BACKEND_H

#include "base/ip.h"

#include <stdatomic.h>
#include <pthread.h>

enum fake_act { FAKE_SAY, FAKE_SAY_AND_CLOSE, FAKE_CLOSE, FAKE_SILENT, FAKE_STALL, FAKE_FLOOD };
enum { FAKE_HELD = -1 }; /* a delay until fake_let_go() */
enum fake_xclient { FAKE_NO_XCLIENT, FAKE_XCLIENT_ANY, FAKE_XCLIENT_ONCE, FAKE_XCLIENT_LIES, FAKE_XCLIENT_NO_ADDR };

struct fake_rule {
	const char *on;
	enum fake_act act;
	const char *say; /* with CR LF */
	int times;	 /* 0: always; n: only the first n times */
	int delay_ms;
};

struct fake_mail {
	char from[128], rcpts[256], body[4096], client[64];
	size_t size; /* of all the body */
	int conn;
};

struct fake {
	int fd;
	uint16_t port;
	enum fake_xclient xclient;
	bool no_pipelining;
	bool proxy;			/* wants a PROXY header, and notes it: "PROXY 192.0.2.1 ..", "PROXY LOCAL" */
	bool lmtp;			/* answers each recipient behind the dot: rules for it begin with ".<" */
	atomic_int max_open, max_rcpts; /* connections, recipients of a mail: beyond it 421, 452; 0: any number */
	const char *offers;		/* further lines of its EHLO: "250-DSN\r\n"; NULL: none */
	bool says_limits;		/* max_rcpts is told by LIMITS (RFC 9422) */
	bool down;			/* accepts nothing: the port is closed */
	struct fake_rule rules[8];
	pthread_t thread;
	pthread_mutex_t lock;
	/* under lock */
	char log[65536]; /* "1:EHLO x\n": connection number and command */
	size_t log_n;
	struct fake_mail mails[256];
	int mails_n;
	struct fake_conn *at[256]; /* those that are open, by their number */
	atomic_int conns, open, most_open; /* written under lock, read freely */
	atomic_bool stop, let_go;
	atomic_int threads;
};

#define RULE(...) ((struct fake_rule){ __VA_ARGS__ })
#define NO_RULE RULE(.on = NULL)

struct fake *fake_start(enum fake_xclient xclient, const struct fake_rule *rules, size_t n);
void fake_stop(struct fake *f);
/* Ends all connections that are open, from the server's side. */
void fake_drop_all(struct fake *f);
/* Ends all that is FAKE_HELD, and all that would be. */
void fake_let_go(struct fake *f);
/* It has read all that was sent to it and said all that it says to that by itself, or waits for a delay's end. */
bool fake_is_quiet(struct fake *f);
/* Stops listening, or listens again on the same port. */
void fake_down(struct fake *f, bool down);
/* How often the text is in the log. */
int fake_seen(struct fake *f, const char *text);
int fake_mails(struct fake *f);
/* How many of them have a recipient that holds the text. */
int fake_mails_for(struct fake *f, const char *rcpt);
void fake_set_rule(struct fake *f, int i, struct fake_rule rule);

#endif
