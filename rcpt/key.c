#include "rcpt/key.h"

#include <ctype.h>

static bool put_local(struct rcpt_key *k, struct slice local)
{
	bool quoted = local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"';
	struct slice in = quoted ? slice_of(local.p + 1, local.n - 2) : local;
	k->local_n = 0;
	for (size_t i = 0; i < in.n; i++) {
		if (quoted && in.p[i] == '\\' && i + 1 < in.n)
			i++;
		if ((unsigned char)in.p[i] < ' ' || in.p[i] == 0x7f)
			return false;
		k->local[k->local_n++] = in.p[i];
	}
	k->local[k->local_n] = 0;
	return k->local_n != 0;
}

/* The address is put together of its parts; the domain may lie in it already. */
static void join(struct rcpt_key *k, struct slice domain)
{
	memmove(k->address + k->local_n + 1, domain.p, domain.n);
	memcpy(k->address, k->local, k->local_n);
	k->address[k->local_n] = '@';
	k->address_n = k->local_n + 1 + domain.n;
	k->address[k->address_n] = 0;
	k->domain = k->address + k->local_n + 1;
}

bool rcpt_key_set(struct rcpt_key *k, struct slice rcpt)
{
	size_t at = slice_rfind(rcpt, '@');
	if (rcpt.n > RCPT_KEY_MAX || at == rcpt.n)
		return false;
	struct slice domain = slice_skip(rcpt, at + 1);
	if (domain.n == 0 || !put_local(k, slice_of(rcpt.p, at)))
		return false;
	join(k, domain);
	for (char *c = k->address + k->local_n + 1; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	}
	return strlen(k->domain) == domain.n;
}

bool rcpt_key_cut(struct rcpt_key *k, char delimiter)
{
	const char *at = k->local_n > 1 && delimiter ? memchr(k->local + 1, delimiter, k->local_n - 1) : NULL;
	if (!at)
		return false;
	struct slice domain = slice_str(k->domain);
	k->local_n = (size_t)(at - k->local);
	k->local[k->local_n] = 0;
	join(k, domain);
	return true;
}
