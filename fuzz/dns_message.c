/* Any bytes as the answer to a question. The first byte chooses the type; the question's name is what the message asks
 * for, when that is one, so that the parser comes far. What it says is bounded, lies in its room, and can be read
 * again; a question that is written and comes back as an answer is no data. */
#include "dns/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The name in the message's question, or the root. */
static struct dns_name asked_name(const uint8_t *p, size_t n)
{
	uint8_t wire[DNS_WIRE_MAX] = { 0 };
	struct dns_name name = { 0 };
	size_t at = DNS_HEADER;
	while (at < n && p[at] && p[at] <= DNS_LABEL_MAX && at + p[at] + 1 < n && at + p[at] < DNS_HEADER + 250u)
		at += p[at] + 1u;
	if (at >= n || p[at])
		return name;
	memcpy(wire, p + DNS_HEADER, at - DNS_HEADER);
	dns_name_from_wire(wire, &name);
	return name;
}

static void check_records(const struct dns_answer *a, enum dns_type type, const char *room)
{
	struct dns_record r;
	size_t at = 0, n = 0;
	must(a->records.n == 0 || a->records.p == room);
	must(a->records.n <= DNS_ANSWER_BYTES && a->count <= DNS_RECORDS_MAX);
	while (dns_answer_next(a, type, &at, &r)) {
		must(r.text.n == 0 || (r.text.p >= room && r.text.p + r.text.n <= room + DNS_ANSWER_BYTES));
		if (type == DNS_PTR || type == DNS_MX) {
			struct dns_name name;
			must(r.text.n <= DNS_NAME_MAX && dns_name_parse(r.text, &name));
		}
		n++;
	}
	must(n == a->count && at == a->records.n);
	must(a->status == DNS_FOUND || n == 0);
	must((a->status == DNS_FAILED) == (a->failure != DNS_NO_FAILURE));
	must(a->ttl_s <= INT32_MAX);
}

static void check_way_back(const struct dns_question *q, char room[DNS_ANSWER_BYTES])
{
	uint8_t message[DNS_QUERY_MAX];
	size_t n = dns_message_write(q, 0x1234, message);
	must(n <= sizeof message);
	message[2] |= 0x80;
	struct dns_answer a = dns_message_read(slice_of((const char *)message, n), q, room);
	must(a.status == DNS_NODATA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_PTR, DNS_MX, DNS_TXT };
	static char room[DNS_ANSWER_BYTES];
	if (size == 0)
		return 0;
	struct dns_question q = { .type = types[*data % 5], .name = asked_name(data + 1, size - 1) };
	struct dns_answer a = dns_message_read(slice_of((const char *)data + 1, size - 1), &q, room);
	check_records(&a, q.type, room);
	check_way_back(&q, room);
	return 0;
}
