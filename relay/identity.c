#include "relay/identity.h"

static uint64_t add(const struct relay_shared *s, uint64_t so_far, struct slice value)
{
	struct hash_key key = s->key;
	key.k0 ^= so_far; /* chained, so that "ab","c" and "a","bc" differ */
	return hash_bytes(&key, value);
}

struct relay_whom relay_identity_of(const struct relay_shared *s, const struct relay_job *job)
{
	struct smtp_identity id = relay_identity_smtp(job);
	uint64_t h = add(s, 0, slice_of((const char *)id.ip.b, sizeof id.ip.b));
	h = add(s, h, id.name);
	h = add(s, h, id.helo);
	h = add(s, h, id.proto);
	h = add(s, h, id.login);
	return (struct relay_whom){ .key = h ? h : 1, .port = id.port };
}

struct relay_whom relay_proxy_whom(const struct relay_shared *s, const struct relay_job *job)
{
	const struct relay_client *c = &job->mail->client;
	uint64_t h = add(s, 0, slice_of((const char *)c->ip.b, sizeof c->ip.b));
	h = add(s, h, c->helo);
	h = add(s, h, c->tls_version);
	h = add(s, h, c->session);
	return (struct relay_whom){ .key = h ? h : 1, .port = c->port };
}

struct smtp_identity relay_identity_smtp(const struct relay_job *job)
{
	const struct relay_client *c = &job->mail->client;
	struct smtp_identity id = { .ip = c->ip, .port = c->port, .proto = c->proto, .login = c->login };
	if (!job->nameless) {
		id.name = c->name;
		id.helo = c->helo;
	}
	return id;
}

struct slice relay_identity_helo(const struct relay_client *c, struct slice ours)
{
	if (c->helo.n == 0 || c->helo.n > SMTP_IDENTITY_VALUE)
		return ours;
	for (size_t i = 0; i < c->helo.n; i++)
		if (c->helo.p[i] <= ' ' || c->helo.p[i] > '~')
			return ours;
	return c->helo;
}
