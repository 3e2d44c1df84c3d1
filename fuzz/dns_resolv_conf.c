/* Any bytes as resolv.conf: one to eight servers, each at port 53, none twice, and each stands in the text. */
#include "dns/resolv_conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size);
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t n = dns_resolv_conf_read(text, servers);
	must(n <= DNS_SERVERS_MAX);
	must(n == 0 || memmem(data, size, "nameserver", 10));
	for (size_t i = 0; i < n; i++) {
		must(servers[i].port == 53);
		for (size_t j = 0; j < i; j++)
			must(memcmp(&servers[i].ip, &servers[j].ip, sizeof servers[i].ip) != 0);
	}
	return 0;
}
