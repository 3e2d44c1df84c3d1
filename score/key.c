#include "score/slots.h"

enum { KEY_TEXT_MAX = 320 }; /* an address has at most 64 + 1 + 255 bytes (RFC 5321 4.5.3.1) */

/* Kinds do not meet: each hashes with a key of its own. */
static struct hash_key key_for(const struct score_store *s, enum score_key_kind kind)
{
	return (struct hash_key){ s->key.k0 ^ ((uint64_t)kind + 1) * 0x9e3779b97f4a7c15u, s->key.k1 };
}

static struct score_key key_of(const struct score_store *s, enum score_key_kind kind, struct slice bytes)
{
	struct hash_key hash_key = key_for(s, kind);
	struct score_key k = { .hash = hash_bytes(&hash_key, bytes), .kind = (uint8_t)kind };
	if (atomic_load_explicit(&s->hide, memory_order_relaxed)) {
		memcpy(k.bytes, &k.hash, sizeof k.hash);
		return k;
	}
	k.len = (uint8_t)(bytes.n < UINT8_MAX ? bytes.n : UINT8_MAX);
	memcpy(k.bytes, bytes.p, bytes.n < SCORE_KEY_BYTES ? bytes.n : SCORE_KEY_BYTES);
	return k;
}

struct score_key score_key_text(const struct score_store *s, enum score_key_kind kind, struct slice text)
{
	char folded[KEY_TEXT_MAX];
	size_t n = text.n < sizeof folded ? text.n : sizeof folded;
	for (size_t i = 0; i < n; i++) {
		char c = text.p[i];
		folded[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return key_of(s, kind, slice_of(folded, n));
}

struct score_key score_key_ip(const struct score_store *s, enum score_key_kind kind, const struct ip *ip, unsigned bits)
{
	/* the width belongs to the key: 192.0.2.0/24 is not 192.0.2.0/25 */
	struct ip net = ip_mask(ip, bits);
	struct score_key k = key_of(s, kind, slice_of((const char *)net.b, sizeof net.b));
	k.hash += bits * 0x9e3779b97f4a7c15u;
	if (!k.len)
		memcpy(k.bytes, &k.hash, sizeof k.hash);
	k.bytes[k.len ? k.len++ : KEY_DIGEST] = (char)bits;
	return k;
}

struct score_key score_key_pair(struct score_key a, struct score_key b)
{
	a.hash = slot_tag(a.hash, b.hash * 0x9e3779b97f4a7c15u);
	return a;
}

unsigned key_bits(uint8_t len, const char *bytes)
{
	return (uint8_t)bytes[len ? sizeof(struct ip) : KEY_DIGEST];
}

uint64_t score_origin(const struct score_store *s, const struct ip *client)
{
	struct ip net = ip_mask(client, ip_is_v4(client) ? 96 + 24 : 48);
	return hash_bytes(&s->key, slice_of((const char *)net.b, sizeof net.b));
}
