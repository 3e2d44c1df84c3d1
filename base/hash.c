#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static inline uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1, s->v1 = rotl(s->v1, 13), s->v1 ^= s->v0, s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3, s->v3 = rotl(s->v3, 16), s->v3 ^= s->v2;
	s->v0 += s->v3, s->v3 = rotl(s->v3, 21), s->v3 ^= s->v0;
	s->v2 += s->v1, s->v1 = rotl(s->v1, 17), s->v1 ^= s->v2, s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

uint64_t hash_bytes(const struct hash_key *key, struct slice in)
{
	struct sip s = { key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du, key->k0 ^ 0x6c7967656e657261u,
		key->k1 ^ 0x7465646279746573u };
	uint64_t m;
	size_t i = 0;
	for (; i + 8 <= in.n; i += 8) {
		memcpy(&m, in.p + i, 8);
		sip_word(&s, m);
	}
	m = 0;
	if (in.n > i)
		memcpy(&m, in.p + i, in.n - i); /* little endian, as all machines we are built for */
	sip_word(&s, m | (uint64_t)in.n << 56);
	s.v2 ^= 0xff;
	sip_round(&s), sip_round(&s), sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void rand_bytes(void *p, size_t n)
{
	char *at = p;
	while (n) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			abort();
		}
		at += got, n -= (size_t)got;
	}
}

struct hash_key hash_key_random(void)
{
	struct hash_key k;
	rand_bytes(&k, sizeof k);
	return k;
}
