#include "server/control_look.h"

#include "base/clock.h"
#include "net/loop.h"
#include "server/app.h"
#include "server/grey.h"

bool control_look_open(struct control_look *k, struct app *app, const struct generation *g, const struct ip *client)
{
	struct dns_settings settings = g->dns;
	settings.cache_entries = 0;
	*k = (struct control_look){ .desk = { .app = app, .now_ms = clock_mono_ms(), .wall_ms = clock_wall_ms() } };
	k->client = (struct lookup_client){ .desk = &k->desk, .generation = g, .ticket = 1, .ip = *client };
	k->end_ms = k->desk.now_ms + CONTROL_LOOK_MS;
	k->loop = net_loop_new();
	k->desk.resolver = k->loop ? dns_resolver_new(&settings, k->loop, k->desk.now_ms) : NULL;
	return k->desk.resolver;
}

void control_look_close(struct control_look *k)
{
	lookup_release(&k->lookups);
	spf_desk_release(&k->desk.spf);
	dns_resolver_free(&k->desk.resolver);
	if (k->loop)
		net_loop_free(&k->loop);
}

/* ---- waiting ---- */

static void look_at_clock(struct control_look *k)
{
	k->desk.now_ms = clock_mono_ms();
	k->desk.wall_ms = clock_wall_ms();
}

static void take(struct control_look *k, const struct dns_result *result)
{
	uint64_t ticket;
	if (!spf_is_ticket(result->ticket))
		lookup_answer(k->lookups, result);
	else if (spf_answer(&k->desk, result, &ticket))
		lookup_spf_done(k->lookups);
}

static void turn(struct control_look *k, uint64_t due_ms)
{
	struct dns_resolver *r = k->desk.resolver;
	int left = (int)(due_ms - k->desk.now_ms), sleep = dns_resolver_sleep_ms(r, k->desk.now_ms);
	struct dns_result result;
	unsigned events;
	net_loop_wait(k->loop, sleep < 0 || sleep > left ? left : sleep);
	look_at_clock(k);
	for (struct net_io *io; (io = net_loop_next(k->loop, &events));)
		dns_resolver_on_io(r, io, events, k->desk.now_ms); /* all of this loop are its own */
	dns_resolver_on_time(r, k->desk.now_ms);
	while (dns_resolver_pop(r, &result))
		take(k, &result);
}

/* When a stage that begins now, or what was left open, is waited for no more. */
static uint64_t due(const struct control_look *k)
{
	uint64_t due_ms = k->desk.now_ms + k->client.generation->settings->dns.timeout_ms;
	return due_ms < k->end_ms ? due_ms : k->end_ms;
}

static void wait_for_lookups(struct control_look *k, uint64_t due_ms)
{
	while (lookup_is_open(k->lookups) && k->desk.now_ms < due_ms)
		turn(k, due_ms);
}

/* ---- a stage ---- */

void control_look_stage(
	struct control_look *k, enum score_stage stage, const struct score_case *c, struct score_facts *f)
{
	look_at_clock(k);
	if (stage == SCORE_CONNECT)
		lookup_names(&k->lookups, &k->client);
	uint64_t due_ms = due(k);
	while (lookup_begin(&k->lookups, &k->client, stage, f, c) && k->desk.now_ms < due_ms) {
		wait_for_lookups(k, due_ms);
		lookup_put_facts(k->lookups, f); /* what was found may be what a list is asked about */
	}
	lookup_give_up(k->lookups);
	lookup_put_facts(k->lookups, f);
	if (lookup_take_learned(k->lookups) & SCORE_HAS_IDENTITY)
		score_facts_known_good(
			f, f->known_good || grey_knows(k->desk.app, k->client.generation, lookup_identity(k->lookups)));
}

void control_look_put(struct control_look *k, struct ctl_json root)
{
	struct ctl_json list = { 0 };
	struct lookup_told told;
	unsigned at = 0;
	look_at_clock(k);
	lookup_await_rest(k->lookups);
	wait_for_lookups(k, due(k));
	lookup_give_up(k->lookups);
	while (lookup_next(k->lookups, &at, &told)) {
		list = list.node ? list : ctl_json_put_array(root, "lookups");
		struct ctl_json one = ctl_json_put_object(list, NULL);
		ctl_json_put_text(one, "name", slice_str(told.name));
		ctl_json_put_text(one, "answer", told.answer);
		ctl_json_put_count(one, "ms", told.ms);
	}
}
