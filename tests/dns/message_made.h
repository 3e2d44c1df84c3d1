/* DNS messages put together piece by piece, wrong ones too. */
#ifndef TESTS_DNS_MESSAGE_MADE_H
#define TESTS_DNS_MESSAGE_MADE_H

#include "dns/message.h"

enum { MADE_CNAME = 5, MADE_SOA = 6 };

struct made {
	uint8_t b[65536];
	size_t n;
	size_t owner; /* where the last record's owner begins */
};

struct dns_question question(enum dns_type type, const char *name);

/* The header and the question of a reply with this rcode; `id` 0x1234. */
void made_reply(struct made *m, const struct dns_question *q, unsigned rcode);
void made_bytes(struct made *m, const void *p, size_t n);
void made_16(struct made *m, unsigned v);
void made_name(struct made *m, const char *name); /* without compression */
void made_pointer(struct made *m, size_t to);
/* A record: counted in the header. Its owner is `name`, or the question's name by a pointer when NULL. */
void made_answer(struct made *m, const char *name, unsigned type, uint32_t ttl_s, const void *data, size_t n);
void made_alias(struct made *m, const char *name, uint32_t ttl_s, const char *to);
void made_named(struct made *m, unsigned type, const char *to);
void made_soa(struct made *m, const char *zone, uint32_t ttl_s, uint32_t minimum_s);
/* The count of a section: 0 questions, 1 answers, 2 authority. */
void made_count(struct made *m, unsigned section, int more);

static inline struct slice made_slice(const struct made *m)
{
	return slice_of((const char *)m->b, m->n);
}

#endif
