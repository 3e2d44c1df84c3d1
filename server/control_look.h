/* server/control_look.h - what `smtpguardctl test` looks up for a session that is made up
 *
 * With a resolver of its own, on a loop of its own, that lives as long as one test and keeps no answer: what is shown
 * is what the name servers say now. A stage waits as a session's does, `dns.timeout` at most; the control thread serves
 * nobody else meanwhile, so all stages together have CONTROL_LOOK_MS.
 */
#ifndef SERVER_CONTROL_LOOK_H
#define SERVER_CONTROL_LOOK_H

#include "ctl/json.h"
#include "score/rules.h"
#include "server/dns_desk.h"
#include "server/lookup.h"

/* Below the 30 s that smtpguardctl waits for its answer. */
enum { CONTROL_LOOK_MS = 20000 };

struct control_look {
	struct dns_desk desk;
	struct net_loop *loop;
	struct lookup_client client;
	struct lookups *lookups;
	uint64_t end_ms;
};

/* False: no memory or no descriptor. To be closed whatever it returned. */
bool control_look_open(
	struct control_look *k, struct app *app, const struct generation *g, const struct ip *client) MUST_USE;
void control_look_close(struct control_look *k);

/* Finds out what the rules of this stage want to know; all that is known then is put into the facts. */
void control_look_stage(
	struct control_look *k, enum score_stage stage, const struct score_case *c, struct score_facts *f);
/* "lookups": [...], what has not been answered yet having been waited for. */
void control_look_put(struct control_look *k, struct ctl_json root);

#endif
