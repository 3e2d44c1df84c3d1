/* relay/trial.h - asks a backend what it offers, for `smtpguardctl backend test`
 *
 * A conversation of its own beside those that carry mail: greeting, EHLO, TLS, the client's identity as the settings
 * want it told (twice, where one connection is to serve many clients), whether it relays for a stranger, what it says
 * of a recipient that nobody can have, and how it bears refused recipients and RSETs. No mail is sent. The strangers
 * are 192.0.2.1 and 198.51.100.1 (RFC 5737).
 *
 * It waits as it goes along, so it has a thread of its own: at most RELAY_TRIAL_MS, less when *stop is set.
 * Threads: prepare, release and advice anywhere; a trial is run by one thread, and read by others afterwards.
 */
#ifndef RELAY_TRIAL_H
#define RELAY_TRIAL_H

#include "relay/relay.h"
#include "smtp/caps.h"

#include <stdatomic.h>

enum {
	RELAY_TRIAL_MS = 30000,
	RELAY_TRIAL_REPLY_MS = 8000, /* Postfix waits 5 s for a PROXY header that does not come, then hangs up */
	RELAY_TRIAL_SLOW_MS = 900,   /* no ordinary answer takes so long; smtpd_error_sleep_time is 1 s */
	RELAY_TRIAL_TEXT = 200,
};

struct relay_trial_reply {
	uint16_t code; /* 0: it was not asked, or did not answer */
	char text[RELAY_TRIAL_TEXT];
};

struct relay_backend;
struct relay_settings;

struct relay_trial {
	struct relay_settings *settings;
	struct relay_backend *backend;
	/* as it is set */
	char name[128], group[RELAY_GROUP_MAX];
	enum relay_kind kind;
	enum relay_identity identity;
	enum relay_tls tls;
	/* what was found; `fault`: where the conversation ended before its time, in words */
	char fault[160];
	bool connected;
	uint32_t greeted_ms; /* how long its greeting took, or its end without one */
	char ours[IP_TEXT];  /* our address toward it */
	struct relay_trial_reply greeting, hello;
	char ehlo[1024]; /* the first reply to EHLO (behind TLS, where that is used), lines parted by '\n' */
	struct smtp_caps caps;
	bool tls_offered;
	char tls_version[16], tls_cipher[64], tls_fault[160];
	struct relay_trial_reply first, second; /* replies to XCLIENT, XFORWARD */
	bool again;				/* XCLIENT is offered again behind the first */
	struct relay_trial_reply mail, foreign, unknown;
	char rcpt[300];	     /* who cannot exist there */
	bool unknown_counts; /* its refusal is understood as "no such user" */
	unsigned refusals;   /* unknown recipients refused on the connection, */
	unsigned rsets;	     /* and RSETs taken, before it */
	bool slowed, hung_up;
	unsigned limit; /* connections that it was found to take; at least relay.connections: no limit is known */
	uint32_t took_ms;
};

/* One for each backend of each group, under the settings of now. Returns how many. */
size_t relay_trials_prepare(struct relay_shared *s, struct relay_trial *t_r, size_t max);
void relay_trial_run(struct relay_trial *t, const atomic_bool *stop);
void relay_trial_release(struct relay_trial *t);

/* What should be changed. Static text. */
struct relay_advice {
	bool must;	   /* mail does not flow as set, or is not safe; else it works, and could be better */
	const char *what;  /* a sentence */
	const char *where; /* "master.cf", .. ; "": it is not a file's line */
	const char *lines; /* parted by '\n'; "" */
};
enum { RELAY_ADVICE_MAX = 8 };
/* Returns how many; 0: all is well. */
size_t relay_trial_advice(const struct relay_trial *t, struct relay_advice a_r[RELAY_ADVICE_MAX]);

#endif
