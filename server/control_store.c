/* list, show, delete, block, allow, lists; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/clock.h"
#include "base/mem.h"
#include "score/inspect.h"
#include "server/control_grey.h"
#include "server/door.h"

#include <stdio.h>

/* ---- parts of an answer ---- */

static void put_key(struct ctl_json at, const struct score_key *key)
{
	char text[SCORE_KEY_TEXT];
	size_t n = score_key_format(key, text);
	ctl_json_put_text(at, "key", slice_of(text, n));
	ctl_json_put_text(at, "kind", slice_str(score_key_kind_name((enum score_key_kind)key->kind)));
}

void control_put_hold(struct ctl_json at, const struct score_hold *h)
{
	static const char *const KIND[] = { "none", "auto", "block", "allow" };
	if (h->kind == SCORE_HOLD_NONE)
		return;
	struct ctl_json hold = ctl_json_put_object(at, "hold");
	ctl_json_put_text(hold, "kind", slice_str(KIND[h->kind]));
	control_put_time(hold, "since", h->since_ms);
	control_put_time(hold, "until", h->until_ms);
	if (h->by[0])
		ctl_json_put_text(hold, "by", slice_str(h->by));
	if (h->reason[0])
		ctl_json_put_text(hold, "reason", slice_str(h->reason));
}

static void put_record(struct ctl_json at, double points, uint32_t first_s, uint32_t last_s)
{
	ctl_json_put_double(at, "points", points);
	control_put_time(at, "first", (uint64_t)first_s * 1000);
	control_put_time(at, "last", (uint64_t)last_s * 1000);
}

static void put_known(struct ctl_json at, const struct score_known *k)
{
	if (!k->first_s)
		return;
	struct ctl_json known = ctl_json_put_object(at, "known");
	ctl_json_put_bool(known, "good", k->good);
	ctl_json_put_count(known, "accepted", k->accepted);
	ctl_json_put_count(known, "refused", k->refused);
	control_put_time(known, "first", (uint64_t)k->first_s * 1000);
	control_put_time(known, "last", (uint64_t)k->last_s * 1000);
}

/* ---- list ---- */

static bool list_records(struct app *app, int kind, size_t top, struct ctl_json list)
{
	struct score_entry *found = mem_alloc(top * sizeof *found);
	TRY(found);
	struct generation *g = control_generation(app, NULL);
	size_t n = score_store_list(app->store, kind, g->settings->score.half_life_ms, clock_wall_ms(), found, top);
	generation_unref(&g);
	for (size_t i = 0; i < n; i++) {
		struct ctl_json at = ctl_json_put_object(list, NULL);
		put_key(at, &found[i].key);
		put_record(at, found[i].points, found[i].first_s, found[i].last_s);
	}
	mem_free(&found);
	return true;
}

static bool list_holds(struct app *app, size_t top, struct ctl_json list)
{
	struct score_held *found = mem_alloc(top * sizeof *found);
	TRY(found);
	size_t n = score_hold_list(app->store, clock_wall_ms(), found, top);
	for (size_t i = 0; i < n; i++) {
		struct ctl_json at = ctl_json_put_object(list, NULL);
		put_key(at, &found[i].key);
		control_put_hold(at, &found[i].hold);
	}
	mem_free(&found);
	return true;
}

bool control_list(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct slice name = ctl_json_text(args, "kind");
	enum score_key_kind kind = SCORE_KEY_CLIENT;
	bool holds = slice_eq(name, SLICE("block")), grey = slice_eq(name, SLICE("greylist"));
	size_t top;
	TRY(control_top(args, CTL_LIST_TOP, CTL_LIST_TOP_MAX, &top, error_r));
	if (name.n && !holds && !grey && !score_key_kind_find(name, &kind))
		return control_refuse(error_r, "kind: client, net, sender, sender.domain, recipient, recipient.domain, "
					       "auth.user, identity, block for blocks and allowances, or "
					       "greylist");
	struct ctl_json list = ctl_json_put_array(ctl_json_root_object(data_r), "entries");
	bool ok = holds	 ? list_holds(arg, top, list)
		  : grey ? control_grey_list(arg, slice_of(NULL, 0), top, list)
			 : list_records(arg, name.n ? (int)kind : SCORE_ANY_KIND, top, list);
	return ok || control_refuse(error_r, "out of memory");
}

/* ---- one key ---- */

/* An address may be a sender's or a recipient's, a domain too: a name stands for both. */
static const struct {
	enum score_key_kind as, also;
} TWINS[] = { { SCORE_KEY_SENDER, SCORE_KEY_RECIPIENT }, { SCORE_KEY_SENDER_DOMAIN, SCORE_KEY_RECIPIENT_DOMAIN } };

static size_t keys_of(const struct app *app, struct slice text, struct score_key keys_r[2], struct buf *error_r)
{
	if (!score_key_parse(app->store, text, &keys_r[0])) {
		(void)control_refuse(error_r, "key: an address (of four numbers to 255, or of IPv6), a prefix (its "
					      "host bits zero), user@domain, a domain or a user, without brackets or a "
					      "dot in front");
		return 0;
	}
	for (size_t i = 0; i < sizeof TWINS / sizeof TWINS[0]; i++) {
		if (keys_r[0].kind != (uint8_t)TWINS[i].as)
			continue;
		keys_r[1] = score_key_text(app->store, TWINS[i].also, text);
		return 2;
	}
	return 1;
}

static void show_key(struct app *app, const struct score_key *key, struct ctl_json list)
{
	struct generation *g = control_generation(app, NULL);
	struct score_known_limits limits = door_limits(g);
	struct score_shown shown;
	if (score_store_show(app->store, key, g->settings->score.half_life_ms, &limits, clock_wall_ms(), &shown)) {
		struct ctl_json at = ctl_json_put_object(list, NULL);
		put_key(at, key);
		put_record(at, shown.record.points, shown.record.first_s, shown.record.last_s);
		put_known(at, &shown.known);
		control_put_hold(at, &shown.hold);
	}
	generation_unref(&g);
}

bool control_show(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct slice text = ctl_json_text(args, "key");
	struct score_key keys[2];
	size_t n = keys_of(arg, text, keys, error_r);
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_text(root, "key", text);
	struct ctl_json list = ctl_json_put_array(root, "entries");
	for (size_t i = 0; i < n; i++)
		show_key(arg, &keys[i], list);
	if (n && !control_grey_list(arg, text, CTL_LIST_TOP, list))
		return control_refuse(error_r, "out of memory");
	return n > 0;
}

bool control_delete(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct score_key keys[2];
	uint64_t deleted = 0;
	bool all = ctl_json_bool(args, "all", false);
	size_t n = keys_of(app, ctl_json_text(args, "key"), keys, error_r);
	for (size_t i = 0; i < n; i++)
		deleted += score_store_delete(app->store, &keys[i], all);
	if (n && all)
		deleted += control_grey_forget(app, ctl_json_text(args, "key"));
	ctl_json_put_count(ctl_json_root_object(data_r), "deleted", deleted);
	return n > 0;
}

/* ---- block and allow ---- */

static bool hold(struct app *app, struct ctl_json args, enum score_hold_kind kind, struct ctl_json_doc *data_r,
	struct buf *error_r)
{
	struct score_hold h = { .kind = kind };
	struct score_key keys[2];
	struct slice reason = ctl_json_text(args, "reason");
	int64_t for_s = ctl_json_int(args, "for_s", 0);
	uint64_t now_ms = clock_wall_ms();
	if (for_s < 1 || for_s > CTL_HOLD_MAX_S)
		return control_refuse(error_r, "how long: from 1s to 366d");
	if (reason.n > SCORE_HOLD_REASON)
		return control_refuse(error_r, "the reason may have 48 bytes");
	TRY(keys_of(app, ctl_json_text(args, "key"), keys, error_r));
	if (keys[0].kind == SCORE_KEY_AUTH_USER)
		return control_refuse(error_r, "a user cannot be blocked in this version: an address, a prefix, "
					       "user@domain or a domain can");
	h.until_ms = now_ms + (uint64_t)for_s * 1000;
	memcpy(h.reason, reason.n ? reason.p : "", reason.n);
	if (!score_hold_set(app->store, &keys[0], &h, 0, now_ms))
		return control_refuse(error_r, "the table of blocks and allowances is full here");
	struct ctl_json root = ctl_json_root_object(data_r);
	put_key(root, &keys[0]);
	control_put_time(root, "until", h.until_ms);
	return true;
}

bool control_block(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	return hold(arg, args, SCORE_HOLD_BLOCK, data_r, error_r);
}

bool control_allow(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	return hold(arg, args, SCORE_HOLD_ALLOW, data_r, error_r);
}

/* ---- lists ---- */

static const char *file_of(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->lists.count; i++)
		if (strcmp(s->lists.items[i].name, name) == 0)
			return s->lists.items[i].path;
	return "";
}

static void put_dns_list(struct ctl_json list, const struct dns_list_use *u)
{
	const struct dns_list_health h = dns_list_look(u);
	uint64_t now_ms = clock_mono_ms(), wall_ms = clock_wall_ms();
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "name", u->about->shown);
	ctl_json_put_text(at, "of", u->about->domain ? SLICE("domains") : SLICE("clients"));
	ctl_json_put_text(at, "state", dns_list_is_out(&h) ? SLICE("out") : SLICE("in play"));
	if (dns_list_is_out(&h))
		ctl_json_put_text(at, "reason", slice_str(dns_list_fault_name(h.fault)));
	if (h.since_ms)
		control_put_time(at, "since", wall_ms - (now_ms - h.since_ms));
	ctl_json_put_count(at, "asked", h.total_asked);
	ctl_json_put_count(at, "listed", h.total_listed);
	ctl_json_put_count(at, "failed", h.total_failed);
	if (h.usual >= 0)
		ctl_json_put_double(at, "usual_share", h.usual);
	if (h.latency_ms >= 0)
		ctl_json_put_count(at, "latency_ms", (uint64_t)(h.latency_ms + 0.5));
	ctl_json_put_count(at, "next_test_ms", h.next_test_ms > now_ms ? h.next_test_ms - now_ms : 0);
}

void control_put_dns_lists(struct ctl_json at, const struct generation *g)
{
	struct ctl_json list = ctl_json_put_array(at, "dns_lists");
	for (unsigned i = 0; i < g->dns_lists.n; i++)
		if (g->dns_lists.items[i].first)
			put_dns_list(list, &g->dns_lists.items[i]);
}

bool control_lists(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)args, (void)error_r;
	struct generation *g = control_generation(arg, NULL);
	struct ctl_json root = ctl_json_root_object(data_r), list = ctl_json_put_array(root, "lists");
	for (size_t i = 0; i < g->lists.n; i++) {
		struct ctl_json at = ctl_json_put_object(list, NULL);
		ctl_json_put_text(at, "name", slice_str(g->lists.items[i].name));
		ctl_json_put_text(at, "file", slice_str(file_of(g->settings, g->lists.items[i].name)));
		ctl_json_put_count(at, "entries", score_list_entries(g->lists.items[i].list));
		ctl_json_put_count(at, "faults", score_list_faults(g->lists.items[i].list));
		ctl_json_put_count(at, "memory_bytes", score_list_memory(g->lists.items[i].list));
	}
	control_put_dns_lists(root, g);
	generation_unref(&g);
	return true;
}
