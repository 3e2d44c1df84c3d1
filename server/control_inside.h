/* server/control_inside.h - what the files of the control commands share
 *
 * control.c (the table), control_stats.c (stats, health), control_sessions.c, control_run.c (config, reload, drain,
 * snapshot), control_backend.c (backend, forget), control_trial.c (backend test), control_store.c (list, show, delete,
 * block, allow, lists), control_explain.c (explain, last), control_test.c and control_look.c (test, and
 * what it looks up), control_rules.c, control_trace.c. All on the control thread.
 */
#ifndef SERVER_CONTROL_INSIDE_H
#define SERVER_CONTROL_INSIDE_H

#include "ctl/commands.h"
#include "ctl/server.h"
#include "server/worker.h"

/* The sentence that the asker gets; always false. */
bool control_refuse(struct buf *error_r, const char *sentence);
/* A counter of all workers. */
uint64_t control_sum(const struct app *app, enum statistic k);
/* The settings in use; the caller gives the reference back. `draining_r` may be NULL. */
struct generation *control_generation(struct app *app, bool *draining_r);
/* args.top between 1 and max. False: error_r says so. */
bool control_top(struct ctl_json args, int64_t otherwise, int64_t max, size_t *top_r, struct buf *error_r);
/* The settings' words. */
const char *control_identity_name(enum relay_identity i);
const char *control_tls_name(enum relay_tls t);
/* RFC 3339; nothing when it is 0. */
void control_put_time(struct ctl_json at, const char *key, uint64_t wall_ms);

/* "name", "fired", "observed", "decided", "charged" of a rule. */
void control_put_counts(struct ctl_json at, const struct generation *g, unsigned rule);

/* "dns_lists": of each list that rules read, and how it is. */
void control_put_dns_lists(struct ctl_json at, const struct generation *g);

struct score_hold;
/* "hold": {...}; nothing when its kind is NONE. */
void control_put_hold(struct ctl_json at, const struct score_hold *h);

ctl_handler control_stats, control_health, control_sessions, control_config, control_reload, control_drain,
	control_snapshot, control_backend, control_forget, control_explain, control_last, control_test, control_list,
	control_show, control_delete, control_block, control_allow, control_lists, control_rules, control_trace,
	control_backend_test;

#endif
