/* What the server may ask of the relay before a mail is there. */
#include "relay/internal.h"
#include "smtp/ext.h"

/* Takes off *all what one backend cannot do, and lowers *size_r. False: nothing has been heard of it. */
static bool join_caps(const struct relay_backend *b, uint32_t *all, uint64_t *size_r)
{
	if (b->kind == RELAY_MAILDIR) {
		*all &= SMTP_EXT_8BITMIME | SMTP_EXT_SIZE;
		return true;
	}
	TRY(atomic_load_explicit(&b->heard, memory_order_acquire));
	*all &= atomic_load_explicit(&b->exts, memory_order_relaxed);
	uint64_t size = atomic_load_explicit(&b->size, memory_order_relaxed);
	if (size && (*size_r == 0 || size < *size_r))
		*size_r = size;
	return true;
}

uint32_t relay_caps(const struct relay *r, uint64_t *size_r)
{
	const uint32_t ours = SMTP_EXT_PIPELINING | SMTP_EXT_ENHANCEDSTATUSCODES;
	/* what this room hands through */
	uint32_t all = SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 | SMTP_EXT_DSN;
	*size_r = 0;
	for (const struct relay_settings *s = r->settings; s; s = s->next)
		for (size_t i = 0; i < s->c.backends_n; i++)
			if (!join_caps(s->backends[i], &all, size_r))
				return ours;
	return all | ours;
}

bool relay_same_group(const struct relay *r, struct slice domain, struct slice other)
{
	return relay_settings_of_domain(r->settings, domain) == relay_settings_of_domain(r->settings, other);
}

unsigned relay_rcpt_max(const struct relay *r, uint64_t now_ms)
{
	/* by LMTP a mail may be delivered in part: there must be places to remember it */
	const struct relay_memory *memory = r->shared->memory;
	unsigned most = UINT32_MAX, room = memory ? relay_memory_room(memory) : UINT32_MAX;
	unsigned lmtp = room < UINT32_MAX ? room + 1 : room;
	for (const struct relay_settings *s = r->settings; s; s = s->next)
		for (size_t i = 0; i < s->c.backends_n; i++) {
			unsigned its = relay_backend_rcpts(s->backends[i], now_ms);
			most = its < most ? its : most;
			if (s->backends[i]->kind == RELAY_LMTP && most > lmtp)
				most = lmtp;
		}
	return most;
}

bool relay_is_local(const struct relay *r, struct slice domain)
{
	return relay_settings_is_local(r->settings, domain);
}

bool relay_is_ours(const struct relay *r, struct slice domain)
{
	return relay_settings_are_ours(r->settings, domain);
}

bool relay_may_relay(const struct relay *r, const struct ip *client, struct slice domain)
{
	return relay_settings_may_relay(r->settings, client, domain);
}
