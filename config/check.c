#include "config/check.h"

struct checker {
	const struct settings *s;
	const struct node *root;
	struct settings_faults *faults;
};

/* The setting where it stands, else the group that it would be in, else the file's first line. */
static const struct node *place(const struct checker *c, const char *group, const char *name)
{
	const struct node *in = node_child(c->root, group), *n = node_child(in, name);

	return n ? n : in ? in : c->root;
}

static const struct node *listener_place(const struct checker *c, size_t index)
{
	const struct node *list = node_child(c->root, "listeners");

	return list && index < list->count ? &list->children[index] : c->root;
}

#define FAULT(c, severity, n, ...) \
	settings_fault_add((c)->faults, severity, (n)->file, (n)->line ? (n)->line : 1, __VA_ARGS__)

static void check_hostname(const struct checker *c)
{
	if (!*c->s->server.hostname)
		FAULT(c, SETTINGS_ERROR, place(c, "server", "hostname"),
		      "server.hostname is not set and this host has no usable name");
}

static bool same_address(const struct settings_address *a, const struct settings_address *b)
{
	return a->port == b->port && !memcmp(&a->ip, &b->ip, sizeof a->ip);
}

static bool listens_twice(const struct settings_listener *a, const struct settings_listener *b)
{
	for (size_t i = 0; i < a->address.count; i++)
		for (size_t j = 0; j < b->address.count; j++)
			if ((a != b || i < j) && same_address(&a->address.items[i], &b->address.items[j]))
				return true;
	return false;
}

static void check_policy_listener(const struct checker *c, const struct settings_listener *l, const struct node *n)
{
	if (l->proxy_protocol_from.count || l->xclient_from.count)
		FAULT(c, SETTINGS_ERROR, n, "listener \"%s\": proxy_protocol_from and xclient_from are for SMTP: "
					    "leave them away where protocol = \"policy\"", l->name);
	for (size_t i = 0; i < l->address.count; i++)
		if (l->address.items[i].port == 25) {
			FAULT(c, SETTINGS_ERROR, n, "listener \"%s\": protocol = \"policy\" on port 25, where clients "
						    "come: give it an address such as 127.0.0.1:10040", l->name);
			break;
		}
}

static void check_listener(const struct checker *c, size_t index)
{
	const struct settings_listener *l = &c->s->listeners.items[index];
	const struct node *n = listener_place(c, index);

	for (size_t i = 0; i < index; i++)
		if (!strcmp(c->s->listeners.items[i].name, l->name))
			FAULT(c, SETTINGS_ERROR, n, "two listeners are named \"%s\"", l->name);
	for (size_t i = 0; i <= index; i++)
		if (listens_twice(&c->s->listeners.items[i], l))
			FAULT(c, SETTINGS_ERROR, n, "listener \"%s\": one of its addresses is given twice", l->name);
	if (l->protocol == SETTINGS_PROTOCOL_POLICY) {
		check_policy_listener(c, l, n);
		return;
	}
	if (c->s->tls.certificates.count || l->tls == SETTINGS_TLS_OFF)
		return;
	if (l->tls == SETTINGS_TLS_IMPLICIT)
		FAULT(c, SETTINGS_ERROR, n, "listener \"%s\": tls = \"implicit\" needs tls.certificates", l->name);
	else
		FAULT(c, SETTINGS_WARNING, n, "listener \"%s\": STARTTLS is not announced without tls.certificates",
		      l->name);
}

static void check_limits(const struct checker *c)
{
	const struct settings_limits *l = &c->s->limits;

	if (l->sessions && l->sessions_per_client > l->sessions)
		FAULT(c, SETTINGS_WARNING, place(c, "limits", "sessions_per_client"),
		      "limits.sessions_per_client = %u is above limits.sessions = %u", l->sessions_per_client,
		      l->sessions);
	if (l->stress_timeout_ms > l->command_timeout_ms)
		FAULT(c, SETTINGS_WARNING, place(c, "limits", "stress_timeout"),
		      "limits.stress_timeout is above limits.command_timeout, which it should shorten");
}

static void check_step(const struct checker *c, const struct settings_recipients_step *step)
{
	const struct node *n = place(c, "relay", "recipients");

	switch (step->source) {
	case SETTINGS_SOURCE_BACKEND:
		break;
	case SETTINGS_SOURCE_NONE:
		if (!c->s->relay.domains.count)
			FAULT(c, SETTINGS_ERROR, n, "relay.recipients = \"none\" takes any recipient in relay.domains, "
						    "which is empty: name your domains there");
		break;
	case SETTINGS_SOURCE_LIST:
		if (!settings_list_path(c->s, slice_str(step->name)))
			FAULT(c, SETTINGS_ERROR, n, "relay.recipients: there is no list \"%s\" in `lists`", step->name);
		break;
	case SETTINGS_SOURCE_SQLITE:
	case SETTINGS_SOURCE_PGSQL:
	case SETTINGS_SOURCE_SOCKETMAP:
		if (!settings_source_of(c->s, step))
			FAULT(c, SETTINGS_ERROR, n, "relay.recipients: there is no \"%s\" of this type in "
						    "recipient_sources", step->name);
		if (!c->s->relay.domains.count)
			FAULT(c, SETTINGS_ERROR, n, "relay.recipients: \"%s\" needs relay.domains: without them a "
						    "table would decide for whom we relay", step->name);
		break;
	}
}

/* What each type cannot do without. */
static void check_source(const struct checker *c, size_t index)
{
	const struct settings_recipient_source *s = &c->s->recipient_sources.items[index];
	const struct node *list = node_child(c->root, "recipient_sources"), *n = c->root;
	const char *missing = NULL;

	if (list && index < list->count)
		n = &list->children[index];
	if (s->type == SETTINGS_SOURCE_SOCKETMAP)
		missing = *s->address ? NULL : "address";
	else if (s->type == SETTINGS_SOURCE_SQLITE && !*s->file)
		missing = "file";
	else if (s->type == SETTINGS_SOURCE_PGSQL && !*s->connect)
		missing = "connect";
	else if (!*s->query)
		missing = "query";
	if (missing)
		FAULT(c, SETTINGS_ERROR, n, "recipient_sources: \"%s\" needs %s", s->name, missing);
	for (size_t i = 0; i < index; i++)
		if (!strcmp(c->s->recipient_sources.items[i].name, s->name))
			FAULT(c, SETTINGS_ERROR, n, "recipient_sources: two are named \"%s\"", s->name);
}

/* Without domains only a backend that knows the real client can tell what may be relayed: one that
 * sees us instead, from loopback, would relay anything for anybody. */
static void check_open_relay(const struct checker *c)
{
	const struct settings_relay *r = &c->s->relay;
	bool knows = r->identity == SETTINGS_IDENTITY_XCLIENT || r->identity == SETTINGS_IDENTITY_PROXY;

	if (r->domains.count)
		return;
	if (!knows)
		FAULT(c, SETTINGS_ERROR, place(c, "relay", "identity"),
		      "relay.identity = \"%s\" needs relay.domains: the backend would relay for anybody",
		      r->identity == SETTINGS_IDENTITY_NONE ? "none" : "xforward");
	for (size_t i = 0; i < r->backends.count; i++)
		if (r->backends.items[i].scheme == SETTINGS_MAILDIR) {
			FAULT(c, SETTINGS_ERROR, place(c, "relay", "backends"),
			      "a maildir:// backend needs relay.domains: it would take mail for anybody");
			break;
		}
}

static void check_relay(const struct checker *c)
{
	const struct settings_relay *r = &c->s->relay;

	for (size_t i = 0; i < r->recipients.count; i++)
		check_step(c, &r->recipients.items[i]);
	for (size_t i = 0; i < c->s->recipient_sources.count; i++)
		check_source(c, i);
	check_open_relay(c);
	for (size_t i = 0; i < r->domains.count; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(r->domains.items[i], r->domains.items[j]))
				FAULT(c, SETTINGS_WARNING, place(c, "relay", "domains"),
				      "relay.domains has \"%s\" twice", r->domains.items[i]);
}

static bool has_domain(const struct settings_texts *domains, const char *domain)
{
	for (size_t i = 0; i < domains->count; i++)
		if (!strcmp(domains->items[i], domain))
			return true;
	return false;
}

/* The domains of group `index`; those of main are beyond the last. */
static const struct settings_texts *domains_of(const struct settings_relay *r, size_t index)
{
	return index < r->groups.count ? &r->groups.items[index].domains : &r->domains;
}

static void check_group_domains(const struct checker *c, size_t index)
{
	const struct settings_relay *r = &c->s->relay;
	const struct settings_texts *own = domains_of(r, index);

	for (size_t i = 0; i < own->count; i++)
		for (size_t other = index + 1; other <= r->groups.count; other++)
			if (has_domain(domains_of(r, other), own->items[i]))
				FAULT(c, SETTINGS_ERROR, place(c, "relay", "groups"),
				      "relay.groups: \"%s\" is a domain of \"%s\" and of \"%s\": leave it in one",
				      own->items[i], r->groups.items[index].name,
				      other < r->groups.count ? r->groups.items[other].name : "main");
}

/* What a name in the journal and in an answer has room for. */
enum { GROUP_NAME_MAX = 63 };

static void check_groups(const struct checker *c)
{
	const struct settings_groups *g = &c->s->relay.groups;
	const struct node *n = place(c, "relay", "groups");

	for (size_t i = 0; i < g->count; i++) {
		const char *name = g->items[i].name;
		if (!strcmp(name, "main"))
			FAULT(c, SETTINGS_ERROR, n,
			      "relay.groups: \"main\" is the group that the settings of relay itself describe: "
			      "choose another name");
		if (strlen(name) > GROUP_NAME_MAX)
			FAULT(c, SETTINGS_ERROR, n, "relay.groups: a name has at most %d bytes", GROUP_NAME_MAX);
		for (size_t j = 0; j < i; j++)
			if (!strcmp(g->items[j].name, name))
				FAULT(c, SETTINGS_ERROR, n, "relay.groups: two groups are named \"%s\"", name);
		check_group_domains(c, i);
	}
}

/* Which group has mail for the address. */
static size_t group_of(const struct settings_relay *r, const char *address)
{
	const char *at = strrchr(address, '@');
	size_t i = 0;

	while (i < r->groups.count && !(at && has_domain(&r->groups.items[i].domains, at + 1)))
		i++;
	return i;
}

/* An alert is one mail, and a mail goes to one group. */
static void check_alert_groups(const struct checker *c)
{
	const struct settings_texts *to = &c->s->alerts.to;

	for (size_t i = 1; i < to->count; i++)
		if (group_of(&c->s->relay, to->items[i]) != group_of(&c->s->relay, to->items[0]))
			FAULT(c, SETTINGS_ERROR, place(c, "alerts", "to"),
			      "alerts.to: \"%s\" and \"%s\" go to different groups of relay.groups: an alert is one "
			      "mail, name recipients of one group", to->items[0], to->items[i]);
}

/* What sun_path of a Unix socket holds (unix(7)), its NUL not counted. */
enum { SOCKET_PATH_MAX = 107 };

static void check_server(const struct checker *c)
{
	if (strlen(c->s->server.control) > SOCKET_PATH_MAX)
		FAULT(c, SETTINGS_ERROR, place(c, "server", "control"),
		      "server.control: the path of a socket has at most %d bytes, and this is \"%s\"",
		      SOCKET_PATH_MAX, c->s->server.control);
}

/* What dns/servers.h has room for. */
enum { NAME_SERVERS_MAX = 8 };

static void check_dns(const struct checker *c)
{
	if (c->s->dns.servers.count > NAME_SERVERS_MAX)
		FAULT(c, SETTINGS_ERROR, place(c, "dns", "servers"),
		      "dns.servers has %zu name servers: leave at most %d", c->s->dns.servers.count,
		      NAME_SERVERS_MAX);
}

static void check_dns_lists(const struct checker *c)
{
	const struct settings_dns_lists *l = &c->s->dns_lists;
	const struct node *list = node_child(c->root, "dns_lists");

	for (size_t i = 0; i < l->count; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(l->items[i].zone, l->items[j].zone))
				FAULT(c, SETTINGS_ERROR, &list->children[i],
				      "dns_lists: \"%s\" is described twice: leave one of them", l->items[i].zone);
}

static void check_rest(const struct checker *c)
{
	if (c->s->alerts.to.count && !*c->s->alerts.from)
		FAULT(c, SETTINGS_ERROR, place(c, "alerts", "to"), "alerts.to needs alerts.from, the sender of alerts");
	if (c->s->greylist.delay_ms >= c->s->greylist.window_ms)
		FAULT(c, SETTINGS_ERROR, place(c, "greylist", "delay"),
		      "greylist.delay must be below greylist.window, or no retry would ever pass");
}

static void check_log(const struct checker *c)
{
	const struct settings_log *l = &c->s->log;
	const struct node *n = place(c, "log", "replay");

	if (*l->replay && l->addresses != SETTINGS_ADDRESSES_PLAIN)
		FAULT(c, SETTINGS_ERROR, n, "log.replay keeps addresses in plain, which rules are tested against, and "
					    "log.addresses hides them: set log.replay = \"\" or log.addresses = "
					    "\"plain\"");
	if (*l->replay && !strcmp(l->replay, l->to))
		FAULT(c, SETTINGS_ERROR, n, "log.replay needs a file of its own, and \"%s\" is log.to", l->to);
}

void check_settings(const struct settings *s, const struct node *root, struct settings_faults *faults)
{
	struct checker c = { s, root, faults };

	check_hostname(&c);
	check_server(&c);
	for (size_t i = 0; i < s->listeners.count; i++)
		check_listener(&c, i);
	check_limits(&c);
	check_relay(&c);
	check_groups(&c);
	check_alert_groups(&c);
	check_dns(&c);
	check_dns_lists(&c);
	check_log(&c);
	check_rest(&c);
}
