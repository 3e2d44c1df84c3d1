/* server/lookup.h - what a session asks the DNS, and what it has heard
 *
 * Before a stage is judged the session asks what its rules want to know (score/lookup.h). What is not in the cache is
 * awaited, all questions together, `dns.timeout` long at most with all that follows from them; what has not come by
 * then stays unknown. Who is known good never waits, but for rules that refuse even them: its questions are asked
 * and rules see what has come by then.
 *
 * A *job* is one thing that is found out, with one or more questions: the client's names, whether the HELO resolves,
 * whether the sender's domain takes mail, SPF, one DNS list. An answer finds its job by number and epoch: one that
 * comes for an earlier mail finds nobody.
 *
 * On the session's worker. A session that has asked nothing owns no memory for it.
 */
#ifndef SERVER_LOOKUP_H
#define SERVER_LOOKUP_H

#include "base/result.h"
#include "score/lookup.h"

struct dns_result;
struct lookups;
struct session;
struct spf_run;
struct worker;

/* Starts what is wanted at this stage. True: something must be awaited; lookup_is_open() tells when no more. */
bool lookup_begin(struct session *s, enum score_stage stage) MUST_USE;
/* Starts the client's names, which Received: and the backend are told, whatever the rules want. */
void lookup_client(struct session *s);
/* An answer for this session. */
void lookup_answer(struct session *s, const struct dns_result *result);
/* The evaluation for this mail is done. */
void lookup_spf_done(struct session *s);
bool lookup_is_open(const struct session *s);
/* The stage's time is over: what is still open stays unknown. */
void lookup_give_up(struct session *s);

/* What is known now; borrowed from the session. */
void lookup_put_facts(const struct session *s, struct score_facts *f);
/* The client's confirmed name, or empty. */
struct slice lookup_client_name(const struct session *s);

/* It looks like an end-user line. */
bool lookup_is_dynamic(const struct session *s);
/* The evaluation of this mail, maybe not done; NULL: none was begun. */
struct spf_run *lookup_spf(const struct session *s);
/* "pass" ...; empty: not known. */
struct slice lookup_spf_word(const struct session *s);
/* "ok", "mismatch", "none", or empty: not known. */
struct slice lookup_rdns(const struct session *s);

/* The DNS list that this rule finds the client (or its sender ...) on, as people are shown it, and what it says of it;
 * empty: there is none. */
struct lookup_listing {
	struct slice list, txt;
};
struct lookup_listing lookup_listing(const struct session *s, unsigned rule);

/* What was looked up in this session and mail, for people. */
enum { LOOKUP_WORDS = 200 };
struct lookup_told {
	const char *name; /* "client.name", "dnsbl('list.example')"; lives as long as the rules */
	struct slice
		answer; /* "mx.example", "none", "unknown: timeout"; lives as long as this struct and the session */
	uint32_t ms;	/* that it took */
	char words[LOOKUP_WORDS]; /* private */
};
/* Walks them; *at begins at 0. False at the end. */
bool lookup_next(const struct session *s, unsigned *at, struct lookup_told *told_r);

/* A new HELO, the end of the mail: what was asked for it is forgotten. */
void lookup_end_hello(struct session *s);
void lookup_end_mail(struct session *s);
/* The session ends, or becomes another one. */
void lookup_release(struct session *s);

#endif
