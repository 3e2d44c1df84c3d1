#include "dns/message.h"

enum { CNAME = 5, SOA = 6, OPT = 41, IN = 1 };
enum { QR = 0x8000, OPCODE = 0x7800, TC = 0x0200, RD = 0x0100, RCODE = 0x000f };
enum { QUESTION_END = 4, RECORD_HEAD = 10 };

struct reader {
	const uint8_t *p;
	size_t n, at;
	unsigned work;
};

/* A name as it stands in a message, pointers followed, lower-cased. */
struct wire {
	uint8_t n; /* with the 0 at its end */
	uint8_t b[DNS_WIRE_MAX];
};

/* Where a record lies. */
struct record {
	uint16_t owner, data, data_n, type;
	uint32_t ttl_s;
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static size_t put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return 2;
}

static size_t put_edns(uint8_t *p)
{
	p[0] = 0; /* the root */
	put16(p + 1, OPT);
	put16(p + 3, DNS_UDP_SIZE);
	memset(p + 5, 0, DNS_EDNS - 5);
	return DNS_EDNS;
}

size_t dns_message_write(const struct dns_question *q, uint16_t id, uint8_t message_r[DNS_QUERY_MAX])
{
	size_t n = DNS_HEADER;
	memset(message_r, 0, DNS_HEADER);
	put16(message_r, id);
	put16(message_r + 2, RD);
	put16(message_r + 4, 1);  /* questions */
	put16(message_r + 10, 1); /* additional records */
	n += dns_name_to_wire(&q->name, message_r + n);
	n += put16(message_r + n, (unsigned)q->type);
	n += put16(message_r + n, IN);
	return n + put_edns(message_r + n);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool spend(struct reader *m)
{
	TRY(m->work);
	m->work--;
	return true;
}

static bool append_label(const uint8_t *label, struct wire *to)
{
	unsigned n = *label + 1u;
	if (to->n + n + 1 > sizeof to->b) /* the last 0 must fit, too */
		return false;
	to->b[to->n] = *label;
	for (unsigned i = 1; i < n; i++)
		to->b[to->n + i] = lower(label[i]);
	to->n = (uint8_t)(to->n + n);
	return true;
}

/* The name at m->at, which is moved behind it. A pointer must lead before all that was read of this name so far, so
 * it comes to an end. */
static bool read_name(struct reader *m, struct wire *name_r)
{
	size_t at = m->at, before = m->at;
	bool jumped = false;
	name_r->n = 0;
	for (;;) {
		TRY(at < m->n && spend(m));
		uint8_t c = m->p[at];
		if (c >= 0xc0) {
			TRY(at + 2 <= m->n);
			if (!jumped)
				m->at = at + 2;
			jumped = true;
			at = get16(m->p + at) & 0x3fff;
			TRY(at < before);
			before = at;
		} else if (c == 0) {
			if (!jumped)
				m->at = at + 1;
			name_r->b[name_r->n++] = 0;
			return true;
		} else {
			TRY(c <= DNS_LABEL_MAX && at + 1 + c <= m->n && append_label(m->p + at, name_r));
			at += 1u + c;
		}
	}
}

static bool same_name(const struct wire *a, const struct wire *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

/* Moves over a name without looking where its pointer leads. */
static bool skip_name(struct reader *m)
{
	while (m->at < m->n && spend(m)) {
		uint8_t c = m->p[m->at];
		if (c >= 0xc0 || c == 0) {
			m->at += c ? 2 : 1;
			return m->at <= m->n;
		}
		TRY(c <= DNS_LABEL_MAX);
		m->at += 1u + c;
	}
	return false;
}

static bool read_record(struct reader *m, struct record *r_r, bool *is_in_r)
{
	r_r->owner = (uint16_t)m->at;
	TRY(skip_name(m) && m->n - m->at >= RECORD_HEAD);
	const uint8_t *head = m->p + m->at;
	uint32_t ttl_s = get32(head + 4);
	r_r->type = (uint16_t)get16(head);
	*is_in_r = get16(head + 2) == IN;
	r_r->ttl_s = ttl_s > INT32_MAX ? 0 : ttl_s; /* RFC 2181 8 */
	r_r->data_n = (uint16_t)get16(head + 8);
	m->at += RECORD_HEAD;
	r_r->data = (uint16_t)m->at;
	TRY(m->n - m->at >= r_r->data_n);
	m->at += r_r->data_n;
	return true;
}

static bool read_name_at(struct reader *m, size_t at, struct wire *name_r)
{
	m->at = at;
	return read_name(m, name_r);
}

static bool owned_by(struct reader *m, const struct record *r, const struct wire *name, bool *is_r)
{
	struct wire owner;
	TRY(read_name_at(m, r->owner, &owner));
	*is_r = same_name(&owner, name);
	return true;
}

/* A name that fills the record's data from `skip` on. */
static bool data_name(struct reader *m, const struct record *r, unsigned skip, struct wire *name_r)
{
	return r->data_n > skip && read_name_at(m, r->data + skip, name_r) && m->at == (size_t)r->data + r->data_n;
}

static bool take_address(const uint8_t *data, size_t n, struct dns_record *record_r)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	memcpy(record_r->ip.b, v4, sizeof v4);
	memcpy(record_r->ip.b + 16 - n, data, n);
	return true;
}

/* Its strings joined, where the answer's next record will lie; what does not fit there is counted, not copied. */
static bool take_text(
	const uint8_t *data, size_t n, struct dns_answer *a, char room[DNS_ANSWER_BYTES], struct dns_record *record_r)
{
	size_t left, length = 0;
	char *to = dns_answer_room(a, room, &left);
	for (size_t at = 0; at < n;) {
		size_t string = data[at++];
		TRY(string <= n - at);
		if (length + string <= left)
			memcpy(to + length, data + at, string);
		at += string;
		length += string;
	}
	record_r->text = slice_of(to, length);
	return n > 0;
}

/* One record of the wanted type into the answer. */
static bool take(struct reader *m, const struct record *r, char room[DNS_ANSWER_BYTES], struct dns_answer *a)
{
	const uint8_t *data = m->p + r->data;
	struct dns_record record = { 0 };
	struct dns_name name;
	struct wire wire;
	enum dns_type type = (enum dns_type)r->type;
	switch (type) {
	case DNS_A:
		TRY(r->data_n == 4 && take_address(data, 4, &record));
		break;
	case DNS_AAAA:
		TRY(r->data_n == 16 && take_address(data, 16, &record));
		break;
	case DNS_TXT:
		TRY(take_text(data, r->data_n, a, room, &record));
		break;
	case DNS_MX:
	case DNS_PTR:
		TRY(data_name(m, r, type == DNS_MX ? 2 : 0, &wire));
		if (type == DNS_MX)
			record.preference = (uint16_t)get16(data);
		dns_name_from_wire(wire.b, &name);
		record.text = dns_name_slice(&name);
		break;
	}
	dns_answer_add(a, room, type, &record);
	return true;
}

static void shorten(struct dns_answer *a, uint32_t ttl_s)
{
	if (ttl_s < a->ttl_s)
		a->ttl_s = ttl_s;
}

/* The records of `type` that `name` owns; else the alias that it owns becomes `name` and *moved_r is set. m->at is at
 * the answer section, and then behind it. */
static bool look(struct reader *m, enum dns_type type, struct wire *name, char room[DNS_ANSWER_BYTES],
	struct dns_answer *a, bool *moved_r)
{
	struct record r, alias = { 0 };
	size_t next = m->at;
	for (unsigned count = get16(m->p + 6); count && !a->cut; count--) {
		bool is_in, is = false;
		m->at = next;
		TRY(read_record(m, &r, &is_in));
		next = m->at;
		if (!is_in || (r.type != type && (r.type != CNAME || alias.type)))
			continue;
		TRY(owned_by(m, &r, name, &is));
		if (!is)
			continue;
		if (r.type == CNAME) {
			alias = r;
			continue;
		}
		TRY(take(m, &r, room, a));
		shorten(a, r.ttl_s);
	}
	*moved_r = alias.type && a->status != DNS_FOUND;
	if (*moved_r) {
		shorten(a, alias.ttl_s);
		TRY(data_name(m, &alias, 0, name));
	}
	m->at = next;
	return true;
}

/* The least of the SOA's own TTL and its last number (RFC 2308 5); 0 when there is none. m->at is at the authority
 * section. */
static uint32_t negative_ttl(struct reader *m)
{
	struct record r;
	bool is_in;
	for (unsigned count = get16(m->p + 8); count && read_record(m, &r, &is_in); count--) {
		if (!is_in || r.type != SOA || r.data_n < 22) /* two names and five numbers */
			continue;
		uint32_t minimum = get32(m->p + r.data + r.data_n - 4);
		return minimum < r.ttl_s ? minimum : r.ttl_s;
	}
	return 0;
}

static enum dns_failure failure_of(unsigned flags)
{
	unsigned rcode = flags & RCODE;
	if (flags & TC)
		return DNS_TRUNCATED;
	if (rcode == DNS_RCODE_NOERROR || rcode == DNS_RCODE_NXDOMAIN)
		return DNS_NO_FAILURE;
	return rcode == DNS_RCODE_REFUSED || rcode == DNS_RCODE_NOTIMP ? DNS_REFUSED : DNS_SERVFAIL;
}

/* The header and the question are what was asked; m->at is behind them. */
static bool is_reply_to(struct reader *m, const struct dns_question *q)
{
	struct wire asked, got;
	TRY(m->n >= DNS_HEADER && m->n <= UINT16_MAX);
	TRY((get16(m->p + 2) & (QR | OPCODE)) == QR && get16(m->p + 4) == 1);
	TRY(read_name_at(m, DNS_HEADER, &got) && m->n - m->at >= QUESTION_END);
	asked.n = (uint8_t)dns_name_to_wire(&q->name, asked.b);
	TRY(same_name(&asked, &got) && get16(m->p + m->at) == q->type && get16(m->p + m->at + 2) == IN);
	m->at += QUESTION_END;
	return true;
}

/* Follows the name through its aliases to its records. */
static struct dns_answer follow(
	struct reader *m, const struct dns_question *q, struct wire *name, char room[DNS_ANSWER_BYTES])
{
	struct dns_answer a = { .status = DNS_NODATA, .ttl_s = INT32_MAX };
	bool nxdomain = (get16(m->p + 2) & RCODE) == DNS_RCODE_NXDOMAIN, moved = true;
	size_t answers = m->at;
	for (unsigned aliases = 0; moved && aliases <= DNS_CHAIN_MAX; aliases++) {
		m->at = answers;
		if (!look(m, q->type, name, room, &a, &moved))
			return dns_answer_failed(DNS_MALFORMED);
	}
	if (moved)
		return dns_answer_failed(DNS_LOOP);
	if (a.status == DNS_FOUND && !nxdomain)
		return a;
	a = (struct dns_answer){ .status = nxdomain ? DNS_NXDOMAIN : DNS_NODATA, .ttl_s = a.ttl_s };
	shorten(&a, negative_ttl(m));
	return a;
}

struct dns_answer dns_message_read(struct slice message, const struct dns_question *q, char room[DNS_ANSWER_BYTES])
{
	struct reader m = { .p = (const uint8_t *)message.p, .n = message.n, .work = DNS_MESSAGE_WORK };
	struct wire name;
	if (!is_reply_to(&m, q))
		return dns_answer_failed(DNS_MALFORMED);
	enum dns_failure failure = failure_of(get16(m.p + 2));
	if (failure)
		return dns_answer_failed(failure);
	name.n = (uint8_t)dns_name_to_wire(&q->name, name.b);
	return follow(&m, q, &name, room);
}
