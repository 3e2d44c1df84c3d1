/* tests/relay/rig.h - one worker with a relay and a fake backend behind it, driven by the test */
#ifndef RIG_H
#define RIG_H

#include "relay/relay.h"
#include "tests/relay/fake_backend.h"

struct rig {
	struct relay_target targets[2];
	char names[2][64];
	struct slice domains[2];
	uint16_t unknown_user[1];
	struct relay_config config;
	const char *state; /* opened by rig_start(), with one worker; NULL: not */
	struct relay_shared *shared;
	struct net_loop *loop;
	struct net_wake wake;
	struct relay *relay;
	struct fake *fake;
	uint64_t next_ticket;
	uint64_t ahead_ms; /* of the real clock */
};

/* Settings for tests: 4 connections, no identity, domain example.test, backend asked. Then rig_start(). */
void rig_init(struct rig *g, struct fake *f);
void rig_add_backend(struct rig *g, uint16_t port);
void rig_start(struct rig *g);
void rig_stop(struct rig *g);
/* One turn of the loop. False: nothing came. */
bool rig_turn(struct rig *g, int max_ms);
/* Turns until the ticket is answered, or fails the test after 10 s. */
struct relay_done rig_wait(struct rig *g, uint64_t ticket);
bool rig_pop(struct rig *g, struct relay_done *done_r);
struct slice rig_text(const struct relay_done *d);
/* a@, b@ and c@example.test have each one mail. */
void rig_assert_each_once(const struct rig *g);
/* Of an answer: its code, and how its text begins. */
void rig_assert_starts(const struct relay_done *d, unsigned code, const char *want);
/* So long at least; longer while we or the backend have something to do, as where others have the processor: up to 5 s
 * more. */
void rig_run(struct rig *g, int ms);

/* What the relay takes for the time, and letting that pass. */
uint64_t rig_now(const struct rig *g);
void rig_pass(struct rig *g, uint64_t ms);

struct relay_client rig_client(const char *ip);
/* A mail of one short body line; kept until the rig ends. */
struct relay_mail *rig_mail(struct rig *g, const char *client, const char *from, const char *rcpts, const char *body);
struct relay_done rig_deliver(struct rig *g, const char *client, const char *rcpts);
struct relay_done rig_check(struct rig *g, const char *client, const char *rcpt);
uint64_t rig_ask(struct rig *g, const char *client, const char *rcpt, struct relay_done *done_r, bool *known_r);

#endif
