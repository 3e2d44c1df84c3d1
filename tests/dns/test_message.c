/* Messages: every type, aliases, negative answers, and what a hostile name server may put into them. */
#include "tests/dns/message_made.h"

#include "tests/base/cmocka_setup.h"

#include <stdio.h>
#include <stdlib.h>

static char room[DNS_ANSWER_BYTES];
static struct made m;

static struct dns_answer read_made(const struct dns_question *q)
{
	return dns_message_read(made_slice(&m), q, room);
}

static struct dns_record only(const struct dns_answer *a, enum dns_type type)
{
	struct dns_record r, more;
	size_t at = 0;
	assert_int_equal(a->status, DNS_FOUND);
	assert_int_equal(a->count, 1);
	assert_true(dns_answer_next(a, type, &at, &r));
	assert_false(dns_answer_next(a, type, &at, &more));
	return r;
}

static void assert_address(struct dns_record r, const char *want)
{
	char text[IP_TEXT];
	ip_format(&r.ip, text);
	assert_string_equal(text, want);
}

static void assert_failed(const struct dns_question *q, enum dns_failure why)
{
	struct dns_answer a = read_made(q);
	assert_int_equal(a.status, DNS_FAILED);
	assert_int_equal(a.failure, why);
}

static void a_question_is_written(void **state)
{
	struct dns_question q = question(DNS_MX, "Example.COM");
	uint8_t message[DNS_QUERY_MAX];
	static const char want[] = "\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
				   "\x07"
				   "example\x03"
				   "com\x00\x00\x0f\x00\x01"
				   "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
	(void)state;
	assert_int_equal(dns_message_write(&q, 0xabcd, message), sizeof want - 1);
	assert_memory_equal(message, want, sizeof want - 1);
}

static void addresses_are_found(void **state)
{
	struct dns_question q = question(DNS_A, "mail.example"), q6 = question(DNS_AAAA, "mail.example");
	struct dns_answer a;
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_A, 300, "\xc0\0\x02\x01", 4);
	a = read_made(&q);
	assert_address(only(&a, DNS_A), "192.0.2.1");
	assert_int_equal(a.ttl_s, 300);
	made_reply(&m, &q6, 0);
	made_answer(&m, "MAIL.example", DNS_AAAA, 7, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	a = read_made(&q6);
	assert_address(only(&a, DNS_AAAA), "2001:db8::1");
}

static void names_are_found(void **state)
{
	struct dns_question ptr = question(DNS_PTR, "1.2.0.192.in-addr.arpa"), mx = question(DNS_MX, "example");
	struct dns_answer a;
	(void)state;
	made_reply(&m, &ptr, 0);
	made_named(&m, DNS_PTR, "Mail.Example");
	a = read_made(&ptr);
	assert_slice(only(&a, DNS_PTR).text, "mail.example");
	made_reply(&m, &mx, 0);
	made_named(&m, DNS_MX, "mx1.example");
	a = read_made(&mx);
	assert_slice(only(&a, DNS_MX).text, "mx1.example");
	assert_int_equal(only(&a, DNS_MX).preference, 10);
	made_reply(&m, &mx, 0);
	made_named(&m, DNS_MX, ""); /* RFC 7505: null MX */
	a = read_made(&mx);
	assert_int_equal(only(&a, DNS_MX).text.n, 0);
}

static void strings_of_a_text_are_joined(void **state)
{
	struct dns_question q = question(DNS_TXT, "example");
	struct dns_answer a;
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_TXT, 60, "\x07v=spf1 \x00\x04-all", 14);
	a = read_made(&q);
	assert_slice(only(&a, DNS_TXT).text, "v=spf1 -all");
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_TXT, 60, "\x00", 1);
	a = read_made(&q);
	assert_int_equal(only(&a, DNS_TXT).text.n, 0);
}

static void broken_data_makes_the_message_malformed(void **state)
{
	static const struct {
		enum dns_type type;
		struct slice data;
	} bad[] = {
		{ DNS_A, SLICE_INIT("\1\2\3") },
		{ DNS_A, SLICE_INIT("\1\2\3\4\5") },
		{ DNS_A, SLICE_INIT("") },
		{ DNS_AAAA, SLICE_INIT("\1\2\3\4") },
		{ DNS_TXT, SLICE_INIT("\5abc") },
		{ DNS_TXT, SLICE_INIT("") },
		{ DNS_PTR, SLICE_INIT("") },
		{ DNS_PTR, SLICE_INIT("\1a") },
		{ DNS_PTR, SLICE_INIT("\1a\0x") },
		{ DNS_PTR, SLICE_INIT("\x40"
				      "a\0") },
		{ DNS_PTR, SLICE_INIT("\x80"
				      "a\0") },
		{ DNS_PTR, SLICE_INIT("\xc0") },
		{ DNS_MX, SLICE_INIT("\0\5") },
		{ DNS_MX, SLICE_INIT("\0") },
		{ DNS_PTR, SLICE_INIT("\xff\xff") },
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct dns_question q = question(bad[i].type, "x.example");
		made_reply(&m, &q, 0);
		made_answer(&m, NULL, bad[i].type, 60, bad[i].data.p, bad[i].data.n);
		assert_failed(&q, DNS_MALFORMED);
	}
}

static void what_does_not_answer_the_question_is_malformed(void **state)
{
	struct dns_question q = question(DNS_A, "a.example"), other = question(DNS_A, "b.example"),
			    type = question(DNS_TXT, "a.example");
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	assert_int_equal(read_made(&q).status, DNS_FOUND);
	assert_failed(&other, DNS_MALFORMED);
	assert_failed(&type, DNS_MALFORMED);
	m.b[2] ^= 0x80; /* a question itself */
	assert_failed(&q, DNS_MALFORMED);
	m.b[2] ^= 0x80 | 0x08; /* another opcode */
	assert_failed(&q, DNS_MALFORMED);
	m.b[2] ^= 0x08;
	m.b[5] = 2; /* two questions */
	assert_failed(&q, DNS_MALFORMED);
	m.b[5] = 1;
	m.b[DNS_HEADER + 1] = 'A'; /* the case of letters is nothing */
	assert_int_equal(read_made(&q).status, DNS_FOUND);
}

static void error_codes_are_told_apart(void **state)
{
	static const struct {
		unsigned rcode;
		enum dns_failure why;
	} codes[] = { { 1, DNS_SERVFAIL }, { 2, DNS_SERVFAIL }, { 4, DNS_REFUSED }, { 5, DNS_REFUSED },
		{ 9, DNS_SERVFAIL } };
	struct dns_question q = question(DNS_A, "a.example");
	(void)state;
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		made_reply(&m, &q, codes[i].rcode);
		assert_failed(&q, codes[i].why);
	}
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	m.b[2] |= 2; /* TC */
	assert_failed(&q, DNS_TRUNCATED);
}

static void negative_answers_hold_as_long_as_their_soa(void **state)
{
	struct dns_question q = question(DNS_A, "no.example");
	struct dns_answer a;
	(void)state;
	made_reply(&m, &q, 3);
	made_soa(&m, "example", 900, 120);
	a = read_made(&q);
	assert_int_equal(a.status, DNS_NXDOMAIN);
	assert_int_equal(a.ttl_s, 120);
	made_reply(&m, &q, 0);
	made_soa(&m, "example", 30, 120);
	a = read_made(&q);
	assert_int_equal(a.status, DNS_NODATA);
	assert_int_equal(a.ttl_s, 30);
	made_reply(&m, &q, 3);
	a = read_made(&q);
	assert_int_equal(a.status, DNS_NXDOMAIN);
	assert_int_equal(a.ttl_s, 0);
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_TXT, 60, "\1x", 2); /* other types are no data */
	made_soa(&m, "example", 0x80000001, 120);     /* RFC 2181 8: as 0 */
	a = read_made(&q);
	assert_int_equal(a.status, DNS_NODATA);
	assert_int_equal(a.ttl_s, 0);
}

static void aliases_are_followed(void **state)
{
	struct dns_question q = question(DNS_A, "www.example");
	struct dns_answer a;
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, "c.example", DNS_A, 300, "\1\2\3\4", 4); /* any order */
	made_alias(&m, "b.example", 20, "C.example");
	made_alias(&m, NULL, 500, "B.example");
	made_answer(&m, "other.example", DNS_A, 1, "\5\6\7\10", 4);
	a = read_made(&q);
	assert_int_equal(only(&a, DNS_A).ip.b[12], 1);
	assert_int_equal(a.ttl_s, 20);
	made_reply(&m, &q, 3);
	made_alias(&m, NULL, 10, "gone.example");
	made_soa(&m, "example", 900, 120);
	a = read_made(&q);
	assert_int_equal(a.status, DNS_NXDOMAIN);
	assert_int_equal(a.ttl_s, 10);
	made_reply(&m, &q, 0);
	made_alias(&m, NULL, 500, "nodata.example");
	made_soa(&m, "example", 900, 120);
	a = read_made(&q);
	assert_int_equal(a.status, DNS_NODATA);
	assert_int_equal(a.ttl_s, 120);
}

static void chain(const struct dns_question *q, int aliases)
{
	char from[32] = "0.example", to[32];
	made_reply(&m, q, 0);
	for (int i = 0; i < aliases; i++) {
		snprintf(to, sizeof to, "%d.example", i + 1);
		made_alias(&m, from, 60, to);
		memcpy(from, to, sizeof from);
	}
	made_answer(&m, from, DNS_A, 300, "\1\2\3\4", 4);
}

static void alias_chains_have_an_end(void **state)
{
	struct dns_question q = question(DNS_A, "0.example");
	(void)state;
	chain(&q, DNS_CHAIN_MAX);
	assert_int_equal(read_made(&q).status, DNS_FOUND);
	chain(&q, DNS_CHAIN_MAX + 1);
	assert_failed(&q, DNS_LOOP);
	made_reply(&m, &q, 0);
	made_alias(&m, NULL, 60, "0.example");
	assert_failed(&q, DNS_LOOP);
	made_reply(&m, &q, 0);
	made_alias(&m, NULL, 60, "b.example");
	made_alias(&m, "b.example", 60, "0.example");
	assert_failed(&q, DNS_LOOP);
}

/* A PTR record whose data is a pointer to `to`, behind a name at which it may point. */
static void pointing(const struct dns_question *q, size_t to)
{
	made_reply(&m, q, 0);
	made_answer(&m, NULL, DNS_PTR, 60, (uint8_t[]){ (uint8_t)(0xc0 | to >> 8), (uint8_t)to }, 2);
}

static void pointers_lead_backward(void **state)
{
	struct dns_question q = question(DNS_PTR, "host.example");
	struct dns_answer a;
	size_t self = DNS_HEADER + 14 + 4 + 12; /* where the data lies */
	(void)state;
	pointing(&q, DNS_HEADER);
	a = read_made(&q);
	assert_slice(only(&a, DNS_PTR).text, "host.example");
	assert_int_equal(m.n, self + 2);
	pointing(&q, self);
	assert_failed(&q, DNS_MALFORMED);
	pointing(&q, self + 2);
	made_name(&m, "later.example");
	assert_failed(&q, DNS_MALFORMED);
	pointing(&q, 0x3fff);
	assert_failed(&q, DNS_MALFORMED);
	made_reply(&m, &q, 0); /* a loop through a label: \1a, then back to it */
	made_answer(&m, NULL, DNS_PTR, 60, (uint8_t[]){ 1, 'a', 0xc0, (uint8_t)self }, 4);
	assert_failed(&q, DNS_MALFORMED);
	made_reply(&m, &q, 0); /* backward, but not before where this name began */
	made_answer(&m, NULL, DNS_PTR, 60, (uint8_t[]){ 1, 'a', 1, 'b', 0xc0, (uint8_t)(self + 2) }, 6);
	assert_failed(&q, DNS_MALFORMED);
}

static void names_of_over_255_bytes_are_malformed(void **state)
{
	struct dns_question q = question(DNS_PTR, "host.example");
	uint8_t data[320];
	struct dns_answer a;
	(void)state;
	for (size_t n = 240; n < 300; n += 2) {
		for (size_t i = 0; i < n; i += 2)
			data[i] = 1, data[i + 1] = 'a';
		data[n] = 0;
		made_reply(&m, &q, 0);
		made_answer(&m, NULL, DNS_PTR, 60, data, n + 1);
		a = read_made(&q);
		assert_int_equal(a.status, n + 1 <= DNS_WIRE_MAX ? DNS_FOUND : DNS_FAILED);
	}
	data[252] = 2, data[255] = 0; /* the last label is longer: 256 with the 0 at the end */
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_PTR, 60, data, 256);
	assert_failed(&q, DNS_MALFORMED);
}

static void names_may_hold_any_byte(void **state)
{
	struct dns_question q = question(DNS_PTR, "host.example");
	struct dns_answer a;
	struct dns_record r;
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_PTR, 60,
		"\x0c"
		"a\r\nDATA\0\x1b[2.\x02"
		"de",
		17);
	a = read_made(&q);
	r = only(&a, DNS_PTR);
	assert_int_equal(r.text.n, 15);
	assert_memory_equal(r.text.p, "a\r\ndata\0\x1b[2\\.de", 15);
	assert_false(dns_name_is_host(r.text));
}

static void many_records_are_cut(void **state)
{
	struct dns_question q = question(DNS_A, "many.example"), t = question(DNS_TXT, "much.example");
	struct dns_answer a;
	char text[256];
	(void)state;
	made_reply(&m, &q, 0);
	for (int i = 0; i < DNS_RECORDS_MAX; i++)
		made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	a = read_made(&q);
	assert_int_equal(a.count, DNS_RECORDS_MAX);
	assert_false(a.cut);
	for (int i = 0; i < 3800; i++)
		made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	a = read_made(&q);
	assert_int_equal(a.count, DNS_RECORDS_MAX);
	assert_true(a.cut);
	made_reply(&m, &t, 0);
	memset(text, 'x', sizeof text);
	text[0] = (char)255;
	for (int i = 0; i < 200; i++)
		made_answer(&m, NULL, DNS_TXT, 300, text, 256);
	a = read_made(&t);
	assert_int_equal(a.count, DNS_ANSWER_BYTES / (255 + 4));
	assert_true(a.cut);
}

static void put_text(const struct dns_question *q, size_t strings)
{
	static char text[70 * 256];
	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < sizeof text; i += 256)
		text[i] = (char)255;
	made_reply(&m, q, 0);
	made_answer(&m, NULL, DNS_TXT, 300, text, strings * 256);
}

static void a_huge_text_is_cut(void **state)
{
	struct dns_question q = question(DNS_TXT, "huge.example");
	struct dns_answer a;
	(void)state;
	put_text(&q, 64);
	a = read_made(&q);
	assert_int_equal(only(&a, DNS_TXT).text.n, 64 * 255);
	assert_int_equal(only(&a, DNS_TXT).text.p[64 * 255 - 1], 'x');
	put_text(&q, 65);
	a = read_made(&q);
	assert_int_equal(a.status, DNS_FOUND);
	assert_int_equal(a.count, 0);
	assert_true(a.cut);
}

/* 500 records, all of the same name of 127 labels: the work is counted. */
static void work_is_bounded(void **state)
{
	char name[254];
	struct dns_question q = question(DNS_A, "x");
	(void)state;
	for (size_t i = 0; i < 253; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[253] = 0;
	q = question(DNS_A, name);
	made_reply(&m, &q, 0);
	for (int i = 0; i < 500; i++)
		made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	assert_failed(&q, DNS_MALFORMED);
}

/* No byte beyond the end is looked at: asan watches. What was found whole is not found in a part. */
static void every_cut_is_malformed(void **state)
{
	struct dns_question q = question(DNS_MX, "example");
	(void)state;
	made_reply(&m, &q, 0);
	made_alias(&m, NULL, 60, "real.example");
	made_answer(&m, "real.example", DNS_MX, 60, "\0\5\2mx\xc0\x0c", 7);
	struct dns_answer whole = read_made(&q);
	assert_slice(only(&whole, DNS_MX).text, "mx.example");
	for (size_t n = 0; n < m.n; n++) {
		char *part = malloc(n + 1);
		assert_non_null(part);
		memcpy(part, m.b, n);
		struct dns_answer a = dns_message_read(slice_of(part, n), &q, room);
		free(part);
		assert_int_equal(a.status, DNS_FAILED);
		assert_int_equal(a.failure, DNS_MALFORMED);
	}
}

static void counts_that_promise_more_are_malformed(void **state)
{
	struct dns_question q = question(DNS_A, "a.example");
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	made_count(&m, 1, 1);
	assert_failed(&q, DNS_MALFORMED);
	made_reply(&m, &q, 0);
	made_count(&m, 1, 65535);
	assert_failed(&q, DNS_MALFORMED);
}

static void other_classes_are_not_ours(void **state)
{
	struct dns_question q = question(DNS_A, "a.example");
	(void)state;
	made_reply(&m, &q, 0);
	made_answer(&m, NULL, DNS_A, 300, "\1\2\3\4", 4);
	m.b[m.owner + 5] = 3; /* CH */
	assert_int_equal(read_made(&q).status, DNS_NODATA);
}

static void answers_have_words(void **state)
{
	struct dns_answer a = { .status = DNS_FOUND };
	(void)state;
	assert_string_equal(dns_answer_word(&a), "found");
	a.status = DNS_NXDOMAIN;
	assert_string_equal(dns_answer_word(&a), "nxdomain");
	a = dns_answer_failed(DNS_NO_MEMORY);
	assert_string_equal(dns_answer_word(&a), "no memory");
	a = dns_answer_failed(DNS_TIMEOUT);
	assert_string_equal(dns_answer_word(&a), "timeout");
	assert_string_equal(dns_type_name(DNS_AAAA), "AAAA");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_written),
		cmocka_unit_test(addresses_are_found),
		cmocka_unit_test(names_are_found),
		cmocka_unit_test(strings_of_a_text_are_joined),
		cmocka_unit_test(broken_data_makes_the_message_malformed),
		cmocka_unit_test(what_does_not_answer_the_question_is_malformed),
		cmocka_unit_test(error_codes_are_told_apart),
		cmocka_unit_test(negative_answers_hold_as_long_as_their_soa),
		cmocka_unit_test(aliases_are_followed),
		cmocka_unit_test(alias_chains_have_an_end),
		cmocka_unit_test(pointers_lead_backward),
		cmocka_unit_test(names_of_over_255_bytes_are_malformed),
		cmocka_unit_test(names_may_hold_any_byte),
		cmocka_unit_test(many_records_are_cut),
		cmocka_unit_test(a_huge_text_is_cut),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test(every_cut_is_malformed),
		cmocka_unit_test(counts_that_promise_more_are_malformed),
		cmocka_unit_test(other_classes_are_not_ours),
		cmocka_unit_test(answers_have_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
