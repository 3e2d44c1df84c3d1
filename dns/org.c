#include "dns/org.h"

#include <libpsl.h>

#include "base/mem.h"
#include "dns/name.h"

struct dns_org {
	psl_ctx_t *list;
};

struct dns_org *dns_org_load(void)
{
	struct dns_org *o = mem_zalloc(sizeof *o);
	if (o)
		o->list = psl_latest(NULL);
	if (o && !o->list)
		dns_org_free(&o);
	return o;
}

void dns_org_free(struct dns_org **o)
{
	if (!*o)
		return;
	psl_free((*o)->list);
	mem_free(o);
}

/* An address in text ends in a number; no top-level domain is one (RFC 3696 2). */
static bool ends_in_number(struct slice host)
{
	struct slice last = slice_skip(host, slice_rfind(host, '.') + 1);
	for (size_t i = 0; i < last.n; i++)
		if (last.p[i] < '0' || last.p[i] > '9')
			return false;
	return last.n > 0 || slice_rfind(host, '.') == host.n;
}

/* One label more than the longest suffix; `name` has an end. Returns where it begins, or `n`. */
static size_t registered_at(const psl_ctx_t *list, const char *name, size_t n, int type)
{
	size_t before = n;
	for (size_t at = 0; at < n;) {
		if (psl_is_public_suffix2(list, name + at, type))
			return before;
		before = at;
		const char *dot = memchr(name + at, '.', n - at);
		at = dot ? (size_t)(dot - name) + 1 : n;
	}
	return n;
}

struct slice dns_org_domain(const struct dns_org *o, struct slice host, enum dns_org_view view)
{
	char name[DNS_NAME_MAX + 1];
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	if (!dns_name_is_host(host) || ends_in_number(host))
		return slice_of(host.p, 0);
	for (size_t i = 0; i < host.n; i++)
		name[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] | 0x20) : host.p[i];
	name[host.n] = '\0';
	return slice_skip(
		host, registered_at(o->list, name, host.n, view == DNS_ORG_OWNER ? PSL_TYPE_ANY : PSL_TYPE_ICANN));
}
