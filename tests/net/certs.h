/* tests/net/certs.h - certificates made for one test run, in a folder of their own */
#ifndef TESTS_NET_CERTS_H
#define TESTS_NET_CERTS_H

#include "net/tls.h"

/* The most that a path here is long. */
enum { CERTS_PATH = 128 };

struct certs {
	char folder[32];
	struct {
		char cert[CERTS_PATH], key[CERTS_PATH];
	} of[2]; /* self-signed, P-256: for one.test and two.test */
	char garbage[CERTS_PATH], missing[CERTS_PATH];
};

/* False: the folder could not be made or filled. */
bool certs_make(struct certs *c) MUST_USE;
void certs_remove(const struct certs *c);
static inline struct net_tls_files certs_files(const struct certs *c, int which)
{
	return (struct net_tls_files){ c->of[which].cert, c->of[which].key };
}

#endif
