/* explain and last: decision records as JSON; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/decisions.h"

#include <stdio.h>

/* ---- a record as JSON ---- */

enum place { TOP, LOOKUP, RULE, READ, TO };

/* Where a field goes; a BEGIN opens a new object in the array of that name and fills its first member. */
static const struct shown {
	const char *name;
	enum place place;
	const char *array; /* of a BEGIN */
	bool truth;
} SHOWN[DECISION_KEYS] = {
	[DECISION_EVENT] = { "event", TOP, NULL, false },
	[DECISION_ID] = { "id", TOP, NULL, false },
	[DECISION_SESSION] = { "session", TOP, NULL, false },
	[DECISION_TIME] = { "time", TOP, NULL, false },
	[DECISION_MAIL] = { "mail", TOP, NULL, false },
	[DECISION_LISTENER] = { "listener", TOP, NULL, false },
	[DECISION_CLIENT] = { "client", TOP, NULL, false },
	[DECISION_PORT] = { "port", TOP, NULL, false },
	[DECISION_NAME] = { "name", TOP, NULL, false },
	[DECISION_RDNS] = { "rdns", TOP, NULL, false },
	[DECISION_HELO] = { "helo", TOP, NULL, false },
	[DECISION_TLS] = { "tls", TOP, NULL, false },
	[DECISION_FROM] = { "from", TOP, NULL, false },
	[DECISION_SIZE] = { "size", TOP, NULL, false },
	[DECISION_OFFENCES] = { "offences", TOP, NULL, false },
	[DECISION_OFFENCE] = { "offence", TOP, NULL, false },
	[DECISION_VERDICT] = { "verdict", TOP, NULL, false },
	[DECISION_BY] = { "by", TOP, NULL, false },
	[DECISION_CODE] = { "code", TOP, NULL, false },
	[DECISION_REPLY] = { "reply", TOP, NULL, false },
	[DECISION_SCORE] = { "score", TOP, NULL, false },
	[DECISION_POINTS] = { "points", TOP, NULL, false },
	[DECISION_OBSERVED] = { "observed", TOP, NULL, false },
	[DECISION_PROMISE] = { "promise", TOP, NULL, false },
	[DECISION_BACKEND] = { "backend", TOP, NULL, false },
	[DECISION_GROUP] = { "group", TOP, NULL, false },
	[DECISION_BACKEND_REPLY] = { "backend_reply", TOP, NULL, false },
	[DECISION_WAITED] = { "waited_ms", TOP, NULL, false },
	[DECISION_DNS_MS] = { "dns_ms", TOP, NULL, false },
	[DECISION_BACKEND_MS] = { "backend_ms", TOP, NULL, false },
	[DECISION_TOTAL] = { "total_ms", TOP, NULL, false },
	[DECISION_NOTE] = { "note", TOP, NULL, false },
	[DECISION_LOOKUP] = { "name", LOOKUP, "lookups", false },
	[DECISION_LOOKUP_ANSWER] = { "answer", LOOKUP, NULL, false },
	[DECISION_LOOKUP_MS] = { "ms", LOOKUP, NULL, false },
	[DECISION_RULE] = { "name", RULE, "rules", false },
	[DECISION_RULE_ACTION] = { "action", RULE, NULL, false },
	[DECISION_RULE_STAGE] = { "stage", RULE, NULL, false },
	[DECISION_RULE_POINTS] = { "points", RULE, NULL, false },
	[DECISION_RULE_OBSERVED] = { "observed", RULE, NULL, true },
	[DECISION_RULE_CANCELLED] = { "cancelled", RULE, NULL, true },
	[DECISION_RULE_AFTER] = { "after_ms", RULE, NULL, false },
	[DECISION_RULE_TIMES] = { "times", RULE, NULL, false },
	[DECISION_READ] = { "name", READ, "read", false },
	[DECISION_READ_VALUE] = { "value", READ, NULL, false },
	[DECISION_TO] = { "address", TO, "to", false },
	[DECISION_TO_CODE] = { "code", TO, NULL, false },
	[DECISION_TO_ID] = { "id", TO, NULL, false },
	[DECISION_TO_MORE] = { "to_more", TOP, NULL, false },
	[DECISION_CONNECTIONS] = { "connections", TOP, NULL, false },
};

/* The array of that name in `at`, made when it is first wanted. */
static struct ctl_json array_in(struct ctl_json at, const char *name)
{
	struct ctl_json there = ctl_json_get(at, name);
	return there.node ? there : ctl_json_put_array(at, name);
}

static void put_value(struct ctl_json at, const struct shown *as, const struct decision_field *f)
{
	if (f->key == DECISION_TIME) {
		control_put_time(at, as->name, f->number);
		return;
	}
	if (as->truth) {
		ctl_json_put_bool(at, as->name, f->number != 0);
		return;
	}
	switch (decision_kind_of(f->key)) {
	case DECISION_KIND_TEXT:
		ctl_json_put_text(at, as->name, f->text);
		break;
	case DECISION_KIND_NUMBER:
		ctl_json_put_count(at, as->name, f->number);
		break;
	case DECISION_KIND_DECIMAL:
		ctl_json_put_double(at, as->name, f->decimal);
		break;
	}
}

static void put_decision(struct ctl_json list, struct slice record)
{
	struct ctl_json places[TO + 1] = { [TOP] = ctl_json_put_object(list, NULL) };
	struct decision_field f;
	while (decision_field(&record, &f)) {
		const struct shown *as = &SHOWN[f.key];
		struct ctl_json in = places[as->place == READ ? RULE : TOP];
		if (as->array)
			places[as->place] = ctl_json_put_object(array_in(in, as->array), NULL);
		put_value(places[as->place], as, &f);
	}
}

/* ---- which ones ---- */

struct wanted {
	uint64_t id;
	struct ip_prefix client;
	bool by_id, by_client;
	struct slice client_text, recipient; /* n 0: any; as log.addresses writes them */
};

static bool client_is(const struct wanted *w, struct slice text)
{
	struct ip ip;
	if (w->client_text.n)
		return slice_eq(w->client_text, text);
	return ip_parse(text, &ip) && ip_prefix_has(&w->client, &ip);
}

static bool is_wanted(const struct wanted *w, struct slice record)
{
	struct decision_field f;
	if (!w->by_client && !w->recipient.n)
		return true;
	while (decision_field(&record, &f)) {
		if (w->by_client && f.key == DECISION_CLIENT)
			return client_is(w, f.text);
		if (w->recipient.n && f.key == DECISION_TO && slice_ieq(f.text, w->recipient))
			return true;
	}
	return false;
}

static void answer(struct app *app, const struct wanted *w, size_t top, struct ctl_json_doc *data_r)
{
	struct decisions_walk walk;
	struct decisions_info info;
	struct buf record = { 0 };
	struct generation *g = control_generation(app, NULL);
	struct ctl_json root = ctl_json_root_object(data_r);
	decisions_info(app->decisions, &info);
	ctl_json_put_count(root, "kept", info.kept);
	control_put_time(root, "oldest", info.oldest_ms);
	ctl_json_put_text(root, "journal", slice_str(g->settings->log.to));
	generation_unref(&g);
	struct ctl_json list = ctl_json_put_array(root, "decisions");
	if (decisions_walk_begin(app->decisions, w->by_id ? &w->id : NULL, &walk)) {
		size_t n = 0;
		while (n < top && decisions_next(app->decisions, &walk, &record)) {
			if (!is_wanted(w, buf_slice(&record)))
				continue;
			put_decision(list, buf_slice(&record));
			n++;
		}
		decisions_walk_end(&walk);
	}
	buf_release(&record);
}

bool control_last(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct wanted all = { 0 };
	size_t top;
	if (!control_top(args, CTL_DECISIONS_TOP, CTL_DECISIONS_TOP_MAX, &top, error_r))
		return false;
	answer(arg, &all, top, data_r);
	return true;
}

/* As the records have it: with log.addresses = "hash" a question is hashed in the same way. */
static bool as_recorded(struct app *app, struct slice typed, struct buf *shown_r, struct buf *error_r)
{
	struct generation *g = control_generation(app, NULL);
	struct record r = { .addresses = g->settings->log.addresses, .key = &app->log_key };
	generation_unref(&g);
	if (r.addresses == SETTINGS_ADDRESSES_NONE)
		return control_refuse(
			error_r, "log.addresses is \"none\": records hold no addresses, ask by the id of the reply");
	return record_format_address(&r, shown_r, typed) || control_refuse(error_r, "out of memory");
}

static bool want_client(struct app *app, struct slice typed, struct wanted *w, struct buf *shown, struct buf *error_r)
{
	char text[IP_TEXT];
	if (!ip_prefix_parse(typed, &w->client))
		return control_refuse(error_r, "client: an address or a prefix, as in 192.0.2.7 or 2001:db8::/32");
	w->by_client = true;
	ip_format(&w->client.addr, text);
	TRY(as_recorded(app, slice_str(text), shown, error_r));
	if (slice_eq(buf_slice(shown), slice_str(text)))
		return true; /* records have it plain: prefixes work too */
	if (w->client.bits != 128)
		return control_refuse(error_r, "log.addresses is \"hash\": ask for one address, not for a prefix");
	w->client_text = buf_slice(shown);
	return true;
}

static bool read_wanted(struct app *app, struct ctl_json args, struct wanted *w, struct buf *shown, struct buf *error_r)
{
	struct slice id = ctl_json_text(args, "id"), client = ctl_json_text(args, "client");
	struct slice rcpt = ctl_json_text(args, "recipient");
	unsigned sub; /* the whole mail is shown */
	if (!!id.n + !!client.n + !!rcpt.n != 1)
		return control_refuse(error_r, "explain wants one of an id, a client or a recipient");
	w->by_id = id.n > 0;
	if (id.n)
		return id_parse(id, &w->id, &sub) ||
		       control_refuse(error_r,
			       "this is no id: an id has eight letters and digits, as in 7F3K9QZ2 or 7F3K9QZ2-1");
	if (client.n)
		return want_client(app, client, w, shown, error_r);
	TRY(as_recorded(app, rcpt, shown, error_r));
	w->recipient = buf_slice(shown);
	return true;
}

bool control_explain(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct wanted w = { 0 };
	struct buf shown = { 0 };
	size_t top;
	bool ok = control_top(args, CTL_DECISIONS_TOP, CTL_DECISIONS_TOP_MAX, &top, error_r) &&
		  read_wanted(arg, args, &w, &shown, error_r);
	if (ok)
		answer(arg, &w, top, data_r);
	buf_release(&shown);
	return ok;
}
