#include "dns/answer.h"

enum { IP_BYTES = 16, HEAD = 4 };

/* Packed: two bytes of length, two of preference, then the text, or the 16 bytes of an address. */
static bool is_address(enum dns_type type)
{
	return type == DNS_A || type == DNS_AAAA;
}

static unsigned get16(const char *p)
{
	return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

static void put16(char *p, size_t v)
{
	p[0] = (char)(v >> 8);
	p[1] = (char)v;
}

bool dns_answer_next(const struct dns_answer *a, enum dns_type type, size_t *at, struct dns_record *record_r)
{
	if (*at + HEAD > a->records.n)
		return false;
	const char *p = a->records.p + *at;
	size_t n = get16(p);
	*record_r = (struct dns_record){ .preference = (uint16_t)get16(p + 2) };
	if (is_address(type))
		memcpy(record_r->ip.b, p + HEAD, IP_BYTES);
	else
		record_r->text = slice_of(p + HEAD, n);
	*at += HEAD + n;
	return true;
}

void dns_answer_add(
	struct dns_answer *a, char room[DNS_ANSWER_BYTES], enum dns_type type, const struct dns_record *record)
{
	struct slice text = is_address(type) ? slice_of((const char *)record->ip.b, IP_BYTES) : record->text;
	char *to = room + a->records.n;
	a->status = DNS_FOUND;
	if (a->cut || a->count == DNS_RECORDS_MAX || text.n + HEAD > DNS_ANSWER_BYTES - a->records.n) {
		a->cut = true;
		return;
	}
	put16(to, text.n);
	put16(to + 2, record->preference);
	if (text.n && text.p != to + HEAD)
		memcpy(to + HEAD, text.p, text.n);
	a->records = slice_of(room, a->records.n + HEAD + text.n);
	a->count++;
}

char *dns_answer_room(const struct dns_answer *a, char room[DNS_ANSWER_BYTES], size_t *n_r)
{
	size_t used = a->records.n + HEAD;
	*n_r = used < DNS_ANSWER_BYTES ? DNS_ANSWER_BYTES - used : 0;
	return room + (used < DNS_ANSWER_BYTES ? used : DNS_ANSWER_BYTES);
}

const char *dns_answer_word(const struct dns_answer *a)
{
	static const char *const words[] = { "found", "nodata", "nxdomain", "failed" };
	static const char *const failures[] = { "failed", "timeout", "servfail", "refused", "unreachable", "malformed",
		"truncated", "loop", "busy", "over budget", "no memory" };
	return a->status == DNS_FAILED ? failures[a->failure] : words[a->status];
}

const char *dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	}
	return "?";
}
