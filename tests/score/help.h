/* tests/score/help.h - a session to be judged, in a few lines */
#ifndef TESTS_SCORE_HELP_H
#define TESTS_SCORE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "score/rules.h"

enum { NOW = 1000 }; /* added to a round day, so that windows begin where a test expects them */
#define T0 ((uint64_t)1767225600000u)

struct world {
	struct score_store *store;
	struct score_ruleset *set;
	struct score_facts facts;
	struct score_case c;
	struct score_verdict v;
	uint64_t now_ms;
	struct buf faults;
};

/* `rules` end with one whose name is NULL. The client is 192.0.2.7 on listener "mx". */
void world_open(struct world *w, const struct score_rule_source *rules);
void world_open_with(struct world *w, const struct score_rule_source *rules, bool enforce,
	const struct score_named_list *lists, size_t lists_n);
void world_close(struct world *w);
/* Another session in the same world: the store stays. */
void world_session(struct world *w, const char *client);

/* Each counts its event, fills in the fact and tests the stage; the verdict is w->v. */
void at_connect(struct world *w);
void at_helo(struct world *w, const char *helo);
void at_mail(struct world *w, const char *sender);
void at_rcpt(struct world *w, const char *recipient);
void at_stage(struct world *w, enum score_stage stage);
void rcpt_done(struct world *w, bool accepted);
void mail_done(struct world *w);
void event(struct world *w, enum score_event e);

/* Name of the rule that decided, or "". */
const char *by(const struct world *w);
/* Names of the fired rules, joined by blanks. */
const char *fired(const struct world *w);
double client_record(struct world *w);

#endif
