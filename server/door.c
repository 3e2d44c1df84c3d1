#include "server/door.h"

struct score_key door_client_key(const struct app *app, const struct ip *client)
{
	return score_key_ip(app->store, SCORE_KEY_CLIENT, client, ip_is_v4(client) ? 128 : 64);
}

struct score_known_limits door_limits(const struct generation *g)
{
	const struct settings_known_good *k = &g->settings->known_good;
	return (struct score_known_limits){
		.messages = k->messages, .over_ms = k->over_ms, .refused_share = k->refused_share
	};
}

struct score_grey_limits door_grey_limits(const struct generation *g)
{
	const struct settings_greylist *s = &g->settings->greylist;
	return (struct score_grey_limits){ .delay_ms = s->delay_ms, .window_ms = s->window_ms, .keep_ms = s->keep_ms };
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

void door_standing(const struct app *app, const struct generation *g, const struct ip *client, uint64_t now_ms,
	struct standing *standing_r)
{
	struct score_known known;
	struct score_known_limits limits = door_limits(g);
	struct score_key key = door_client_key(app, client);
	score_known_get(app->store, &key, &limits, &known);
	struct score_record record = score_record_get(app->store, &key, g->settings->score.half_life_ms, now_ms);
	*standing_r = (struct standing){
		.known_good = known.good,
		.first_ms = earlier(known.first_s, record.first_s) * 1000,
	};
}

bool door_is_known_good(const struct app *app, const struct generation *g, const struct ip *client)
{
	struct score_known known;
	struct score_known_limits limits = door_limits(g);
	struct score_key key = door_client_key(app, client);
	score_known_get(app->store, &key, &limits, &known);
	return known.good;
}

static enum door promised(const struct app *app, const struct generation *g, const struct ip *client, const char *rule)
{
	bool alarm = false, known_good = door_is_known_good(app, g, client);
	bool even = known_good && score_rules_even_known_good(g->rules, rule);
	enum score_action left = score_promise(SCORE_BLOCK, known_good, even, &alarm);
	return left == SCORE_BLOCK ? DOOR_BLOCKED : DOOR_OPEN;
}

enum door door_of_client(const struct app *app, const struct generation *g, const struct ip *client, uint64_t now_ms,
	struct score_hold *hold_r)
{
	if (!score_hold_client(app->store, client, now_ms, hold_r))
		return DOOR_OPEN;
	switch (hold_r->kind) {
	case SCORE_HOLD_NONE:
		return DOOR_OPEN;
	case SCORE_HOLD_AUTO:
		/* made while rules were in force; with enforce = false nobody feels them */
		return g->settings->enforce ? promised(app, g, client, hold_r->by) : DOOR_OPEN;
	case SCORE_HOLD_BLOCK:
		return DOOR_BLOCKED;
	case SCORE_HOLD_ALLOW:
		return DOOR_ALLOWED;
	}
	return DOOR_OPEN;
}

enum door door_of_address(const struct app *app, struct slice address, uint64_t now_ms)
{
	struct score_hold hold;
	if (!address.n || !score_hold_address(app->store, address, now_ms, &hold))
		return DOOR_OPEN;
	return hold.kind == SCORE_HOLD_ALLOW ? DOOR_ALLOWED : DOOR_BLOCKED;
}
