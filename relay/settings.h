/* relay/settings.h - one generation of the relay's settings, immutable, shared by reference count
 *
 * A deep copy of the caller's relay_config. A worker keeps the one it began with until its
 * relay_configure(); connections remember which one they were opened under.
 * Threads: any may take and drop references.
 */
#ifndef RELAY_SETTINGS_H
#define RELAY_SETTINGS_H

#include "base/arena.h"
#include "relay/relay.h"

#include <stdatomic.h>

struct relay_backend;

struct relay_settings {
	atomic_uint refs;
	struct arena memory;
	struct relay_config c;	     /* what it points to lies in `memory`; domains are sorted; `groups` is unused */
	struct relay_settings *next; /* the next group; we hold a reference. The first is main */
	struct relay_backend
		*backends[RELAY_BACKENDS_MAX]; /* c.backends_n; they live as long as the process' relay_shared */
};

/* NULL: memory. The caller has checked relay_config_fault(). */
struct relay_settings *relay_settings_new(const struct relay_config *c) MUST_USE;
struct relay_settings *relay_settings_ref(struct relay_settings *s);
void relay_settings_unref(struct relay_settings **s);

/* Of an address without brackets. */
struct slice relay_domain_of(struct slice address);
/* The group that has the domain, in any case, else the first. */
const struct relay_settings *relay_settings_of_domain(const struct relay_settings *first, struct slice domain);
/* See relay_may_relay() in relay/relay.h. */
bool relay_settings_is_local(const struct relay_settings *s, struct slice domain);
bool relay_settings_are_ours(const struct relay_settings *s, struct slice domain) MUST_USE;
bool relay_settings_may_relay(const struct relay_settings *s, const struct ip *client, struct slice domain);
/* A plain code that means "no such user". */
bool relay_settings_unknown_user(const struct relay_settings *s, unsigned code);

#endif
