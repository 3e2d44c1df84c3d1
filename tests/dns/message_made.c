#include "tests/dns/message_made.h"

#include <stdlib.h>

struct dns_question question(enum dns_type type, const char *name)
{
	struct dns_question q = { .type = type };
	if (!dns_name_parse(slice_str(name), &q.name))
		abort();
	return q;
}

void made_bytes(struct made *m, const void *p, size_t n)
{
	if (n > sizeof m->b - m->n)
		abort();
	if (n)
		memcpy(m->b + m->n, p, n);
	m->n += n;
}

void made_16(struct made *m, unsigned v)
{
	made_bytes(m, (uint8_t[]){ (uint8_t)(v >> 8), (uint8_t)v }, 2);
}

static void made_32(struct made *m, uint32_t v)
{
	made_16(m, v >> 16);
	made_16(m, v & 0xffff);
}

void made_name(struct made *m, const char *name)
{
	struct slice rest = slice_str(name);
	while (rest.n) {
		struct slice label = slice_cut(&rest, '.');
		made_bytes(m, (uint8_t[]){ (uint8_t)label.n }, 1);
		made_bytes(m, label.p, label.n);
	}
	made_bytes(m, "", 1);
}

void made_pointer(struct made *m, size_t to)
{
	made_16(m, 0xc000u | (unsigned)to);
}

void made_count(struct made *m, unsigned section, int more)
{
	uint8_t *at = m->b + 4 + (size_t)section * 2;
	int n = (at[0] << 8 | at[1]) + more;
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

void made_reply(struct made *m, const struct dns_question *q, unsigned rcode)
{
	m->n = 0;
	made_16(m, 0x1234);
	made_16(m, 0x8180u | rcode);
	made_16(m, 1);
	made_bytes(m, (uint8_t[6]){ 0 }, 6);
	m->n += dns_name_to_wire(&q->name, m->b + m->n);
	made_16(m, (unsigned)q->type);
	made_16(m, 1);
}

static void made_record(struct made *m, const char *name, unsigned type, uint32_t ttl_s, size_t n)
{
	m->owner = m->n;
	if (name)
		made_name(m, name);
	else
		made_pointer(m, DNS_HEADER);
	made_16(m, type);
	made_16(m, 1);
	made_32(m, ttl_s);
	made_16(m, (unsigned)n);
}

void made_answer(struct made *m, const char *name, unsigned type, uint32_t ttl_s, const void *data, size_t n)
{
	made_record(m, name, type, ttl_s, n);
	made_bytes(m, data, n);
	made_count(m, 1, 1);
}

void made_alias(struct made *m, const char *name, uint32_t ttl_s, const char *to)
{
	made_record(m, name, MADE_CNAME, ttl_s, strlen(to) + 2);
	made_name(m, to);
	made_count(m, 1, 1);
}

void made_named(struct made *m, unsigned type, const char *to)
{
	made_record(m, NULL, type, 60, strlen(to) + (*to ? 2 : 1) + (type == DNS_MX ? 2 : 0));
	if (type == DNS_MX)
		made_16(m, 10);
	made_name(m, to);
	made_count(m, 1, 1);
}

void made_soa(struct made *m, const char *zone, uint32_t ttl_s, uint32_t minimum_s)
{
	made_record(m, zone, MADE_SOA, ttl_s, 22);
	made_bytes(m, (uint8_t[18]){ 0 }, 18);
	made_32(m, minimum_s);
	made_count(m, 2, 1);
}
