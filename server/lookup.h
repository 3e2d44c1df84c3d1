/* server/lookup.h - what is asked of the DNS about one client and its mails, and what was heard
 *
 * Before a stage is judged what its rules want to know (score/lookup.h) is asked. What is not in the cache is
 * awaited, all questions together, `dns.timeout` long at most with all that follows from them; what has not come by
 * then stays unknown. Who is known good never waits, but for rules that refuse even them: its questions are asked
 * and rules see what has come by then.
 *
 * A *job* is one thing that is found out, with one or more questions: the client's names, whether the HELO resolves,
 * whether the sender's domain takes mail, SPF, one DNS list. An answer finds its job by number and epoch: one that
 * comes for an earlier mail finds nobody.
 *
 * Sessions have one each, on their worker (stage.c), and so has a session that is made up (control_test.c). NULL is one
 * that has asked nothing, and owns no memory: all but those that are given the client take it.
 */
#ifndef SERVER_LOOKUP_H
#define SERVER_LOOKUP_H

#include "base/result.h"
#include "score/lookup.h"

struct dns_desk;
struct dns_result;
struct generation;
struct lookups;
struct spf_run;

/* Who is looked up, and for whom. What it points to outlives the lookups. */
struct lookup_client {
	struct dns_desk *desk;
	const struct generation *generation;
	uint64_t ticket; /* that the answers carry; not one of spf_is_ticket() */
	struct ip ip;
};

/* Starts what is wanted at this stage; the facts are those without what was looked up, or with. True: something must
 * be awaited; lookup_is_open() tells when no more. */
bool lookup_begin(struct lookups **l, const struct lookup_client *client, enum score_stage stage,
	const struct score_facts *f, const struct score_case *c) MUST_USE;
/* Starts the client's names, which Received: and the backend are told, whatever the rules want. */
void lookup_names(struct lookups **l, const struct lookup_client *client);
/* Somebody says that this is the client's confirmed name: nothing is asked for it. False: it is no host's name, or
 * memory is out. */
bool lookup_say_name(struct lookups **l, const struct lookup_client *client, struct slice name) MUST_USE;
/* An answer to its ticket. */
void lookup_answer(struct lookups *l, const struct dns_result *result);
/* The evaluation for this mail is done. */
void lookup_spf_done(struct lookups *l);
bool lookup_is_open(const struct lookups *l);
/* From here on all that is open is awaited, not only what the stage wanted. */
void lookup_await_rest(struct lookups *l);
/* The stage's time is over: what is still open stays unknown. */
void lookup_give_up(struct lookups *l);
/* SCORE_HAS_NAME, SCORE_HAS_IDENTITY: what has become known since this was asked last. */
uint32_t lookup_take_learned(struct lookups *l);

/* What is known now; borrowed from the lookups. */
void lookup_put_facts(const struct lookups *l, struct score_facts *f);
/* The client's confirmed name, or empty. */
struct slice lookup_client_name(const struct lookups *l);
/* "ok", "mismatch", "none", or empty: not known. */
struct slice lookup_rdns(const struct lookups *l);
/* The evaluation of this mail, maybe not done; NULL: none was begun. */
struct spf_run *lookup_spf(const struct lookups *l);
/* "pass" ...; empty: not known. */
struct slice lookup_spf_word(const struct lookups *l);
/* The domain that SPF has proven to send this mail; empty: none. */
struct slice lookup_proven(const struct lookups *l);
/* The organisation that the client's confirmed name proves; empty: none, or the name of an end-user line. */
struct slice lookup_organisation(const struct lookups *l);
/* Who is proven to send this mail: the domain that SPF passed, else the organisation; p NULL: nobody. */
struct slice lookup_identity(const struct lookups *l);

/* The DNS list that this rule finds the client (or its sender ...) on, as people are shown it, and what it says of it;
 * empty: there is none. */
struct lookup_listing {
	struct slice list, txt;
};
struct lookup_listing lookup_listing(const struct lookups *l, unsigned rule);

/* What was looked up about this client and mail, for people. */
enum { LOOKUP_WORDS = 200 };
struct lookup_told {
	const char *name; /* "client.name", "dnsbl('list.example')"; lives as long as the rules */
	struct slice
		answer; /* "mx.example", "none", "unknown: timeout"; lives as long as this struct and the lookups */
	uint32_t ms;	/* that it took */
	char words[LOOKUP_WORDS]; /* private */
};
/* Walks them; *at begins at 0. False at the end. */
bool lookup_next(const struct lookups *l, unsigned *at, struct lookup_told *told_r);

/* The next that is done and was not told by this before; `open_too`: or that is still open. False: none. */
bool lookup_next_untold(struct lookups *l, bool open_too, struct lookup_told *told_r);

/* A new HELO, the end of the mail, of a recipient: what was asked for it is forgotten. */
void lookup_end_recipient(struct lookups *l);
void lookup_end_hello(struct lookups *l);
void lookup_end_mail(struct lookups *l);
void lookup_release(struct lookups **l);

#endif
