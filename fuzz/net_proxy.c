/* Any bytes as a PROXY header: nothing before its end is a header, its length is bounded, what it says lies within it,
 * and written again it says the same. */
#include "net/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_lie_within(struct slice fact, struct slice header)
{
	must(fact.n == 0 || (fact.p > header.p && fact.p + fact.n <= header.p + header.n));
}

static void check_cuts(struct slice in, enum net_proxy_result whole, size_t used)
{
	struct net_proxy p;
	size_t n;
	bool bad = false;
	for (size_t i = 0; i <= in.n && i <= NET_PROXY_MAX; i++) {
		enum net_proxy_result got = net_proxy_parse(slice_of(in.p, i), &n, &p);
		must(!bad || got == NET_PROXY_BAD);
		must(got != NET_PROXY_OK || (whole == NET_PROXY_OK && n == used && i >= used));
		must(got != NET_PROXY_MORE || whole != NET_PROXY_OK || i < used);
		bad = got == NET_PROXY_BAD;
	}
	must(!bad || whole == NET_PROXY_BAD);
}

static void check_again(const struct net_proxy *p)
{
	char to[NET_PROXY_MAX];
	struct net_proxy again;
	size_t used, n = net_proxy_write(p, to);
	must(n <= sizeof to && net_proxy_parse(slice_of(to, n), &used, &again) == NET_PROXY_OK && used == n);
	must(again.local == p->local && again.tls == (p->tls && !p->local));
	must(p->local || (memcmp(&again.src, &p->src, sizeof p->src) == 0 && again.src_port == p->src_port));
	must(p->local || slice_eq(again.unique_id, p->unique_id.n <= 128 ? p->unique_id : SLICE("")));
	must(again.authority.n == 0 || slice_eq(again.authority, p->authority));
	must(p->local || (memcmp(&again.dst, &p->dst, sizeof p->dst) == 0 && again.dst_port == p->dst_port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct net_proxy p;
	size_t used = 0;
	enum net_proxy_result got = net_proxy_parse(in, &used, &p);
	must(got != NET_PROXY_MORE || size < NET_PROXY_MAX);
	check_cuts(in, got, used);
	if (got != NET_PROXY_OK)
		return 0;
	must(used <= size && used <= NET_PROXY_MAX);
	struct slice header = slice_of(in.p, used);
	must_lie_within(p.version, header);
	must_lie_within(p.cipher, header);
	must_lie_within(p.cn, header);
	must_lie_within(p.alpn, header);
	must_lie_within(p.authority, header);
	must_lie_within(p.unique_id, header);
	check_again(&p);
	return 0;
}
