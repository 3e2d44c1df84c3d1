/* Another client on the connection of one before: as XCLIENT says, or a policy request. */
#include "base/mem.h"
#include "server/lookup.h"
#include "server/policy.h"
#include "server/talk.h"

static const struct clients_limits ANY = { UINT32_MAX, UINT32_MAX };

/* An attribute that was not given keeps its value. */
static bool take_value(char **to, const char *before, const struct smtp_xclient *x, unsigned which, struct slice value)
{
	if (x->known & which)
		*to = mem_strndup(value.p, value.n);
	else if (!(x->given & which) && before)
		*to = mem_strndup(before, strlen(before));
	else
		return true;
	return *to != NULL;
}

/* NULL: out of memory. */
static struct via *via_of_xclient(const struct session *s, const struct smtp_xclient *x)
{
	const struct via *old = s->via && s->via->kind == VIA_XCLIENT ? s->via : NULL;
	struct via *v = arrive_via_new(VIA_XCLIENT, old ? &old->proxy : &s->peer.ip);
	if (v && take_value(&v->name, old ? old->name : NULL, x, SMTP_XATTR_NAME, x->name) &&
		take_value(&v->login, old ? old->login : NULL, x, SMTP_XATTR_LOGIN, x->login))
		return v;
	arrive_via_free(&v);
	return NULL;
}

void again_leave(struct session *s)
{
	struct worker *w = s->worker;
	if (!s->tally.by.n)
		s->tally.by = s->policy ? SLICE("client") : SLICE("xclient");
	journal_session(s);
	if (retell_wanted(w))
		retell_end(s);
	judge_release(s);
	lookup_release(&s->lookups);
	clients_leave(w->app->clients, &s->peer.ip);
	stat_sub(&w->stats, STAT_SESSIONS_OPEN, 1);
	mem_free(&s->helo);
	mem_free(&s->why);
	arrive_forget_via(s);
}

/* What a new connection would begin with; the socket, its TLS and what is trusted stay. */
static void forget_former(struct session *s)
{
	struct worker *w = s->worker;
	struct generation *now = generation_ref(w->generation);
	generation_unref(&s->generation);
	s->generation = now;
	s->announced = arrive_config(s);
	s->id = id_next(&w->ids);
	s->opened_ms = s->heard_ms = w->now_ms;
	s->helo_n = 0;
	s->tally = (struct tally){ 0 };
	s->throttle = (struct throttle){ 0 };
	s->pace = (struct pace){ 0 };
	s->judgement = (struct score_case){ 0 };
	s->would = (struct score_decision){ .rule = SCORE_NO_RULE };
	s->replay_step = 0;
	s->held_refusals = 0;
	s->esmtp = s->early_talker = s->auth_said = s->ending = false;
}

static void become(struct session *s, const struct smtp_xclient *x, struct via *v)
{
	s->via = v;
	if (x->known & SMTP_XATTR_DESTADDR && x->known & SMTP_XATTR_DESTPORT) {
		v->dest = x->dest;
		v->dest_port = x->dest_port;
	}
	if (x->known & SMTP_XATTR_ADDR)
		s->peer.ip = x->ip;
	if (x->given & SMTP_XATTR_PORT)
		s->peer.port = x->port;
	if (x->known & SMTP_XATTR_HELO)
		s->helo = mem_strndup(x->helo.p, x->helo.n);
	s->helo_n = s->helo ? x->helo.n : 0;
}

void again_refuse(struct session *s, struct slice by, struct slice text)
{
	s->greeted = true;
	s->by_xclient = false;
	s->tally.code = 421;
	s->tally.by = by;
	talk_answer(s, 421, judge_sign(s, text));
}

void again_by_xclient(struct session *s, const struct smtp_xclient *x)
{
	struct worker *w = s->worker;
	struct score_hold hold;
	if (x->given & ~x->known & SMTP_XATTR_ADDR) {
		talk_answer(s, 501, SLICE("5.5.4 XCLIENT: a client without an address cannot be judged"));
		return;
	}
	struct via *v = via_of_xclient(s, x);
	if (!v) {
		talk_answer(s, 451, SLICE("4.3.0 Out of memory, try again later"));
		return;
	}
	again_leave(s);
	forget_former(s);
	become(s, x, v);
	enum door door = door_of_client(w->app, s->generation, &s->peer.ip, w->wall_ms, &hold);
	struct slice full = arrive_enter(w, &s->peer.ip, s->generation, door == DOOR_ALLOWED);
	if (full.n) /* counted all the same: it leaves again when it is closed */
		(void)!clients_enter(w->app->clients, &s->peer.ip, &ANY);
	arrive_get_to_know(s, door == DOOR_ALLOWED);
	s->by_xclient = true;
	if (door == DOOR_BLOCKED)
		again_refuse(s, SLICE("block"), SLICE("4.7.0 Your address is blocked for now, try again later"));
	else if (full.n)
		again_refuse(s, SLICE("limit"), full);
	else
		arrive_welcome(s);
}

/* ---- a policy request ---- */

enum again again_for_policy(struct session *s, const struct smtp_xclient *x)
{
	struct worker *w = s->worker;
	struct score_hold hold;
	struct via *v = arrive_via_new(VIA_POLICY, &s->policy->neighbour.ip);
	if (!v)
		return AGAIN_FAILED;
	if (!s->policy->vacant)
		again_leave(s);
	s->policy->vacant = false;
	forget_former(s);
	become(s, x, v);
	s->handshaken = false; /* the client's TLS, if it has any, is known by the next attributes */
	enum door door = door_of_client(w->app, s->generation, &s->peer.ip, w->wall_ms, &hold);
	(void)!clients_enter(w->app->clients, &s->peer.ip, &ANY);
	arrive_get_to_know(s, door == DOOR_ALLOWED);
	s->by_xclient = true;
	return door == DOOR_BLOCKED ? AGAIN_BLOCKED : AGAIN_LET_IN;
}
