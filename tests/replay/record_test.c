/* A record and its line: the same bytes and bits both ways; what is no record is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/read.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

static struct replay_record record, again;
static struct replay_reader reader;

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	return *x;
}

static bool read_line(struct slice line, const char **why_r)
{
	return replay_read(&reader, line, &again, why_r);
}

static void through_text(const struct replay_record *r)
{
	struct buf line = { 0 };
	const char *why = NULL;
	assert_true(replay_record_write(r, &line));
	struct slice text = buf_slice(&line);
	assert_int_equal(slice_find(text, '\n'), text.n - 1);
	for (size_t i = 0; i + 1 < text.n; i++)
		assert_in_range((unsigned char)text.p[i], 0x20, 0x7e);
	if (!read_line(slice_of(text.p, text.n - 1), &why))
		fail_msg("%s: %.*s", why, SLICE_ARG(text));
	buf_release(&line);
}

static void begin(enum replay_kind kind)
{
	static const struct ip client = { { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 } };
	replay_record_begin(&record, kind);
	record.session = SLICE("S1");
	record.step = 7;
	score_facts_client(&record.facts, &client, SLICE("mx"));
}

static void any_bytes_come_back(void **state)
{
	uint64_t random = 99;
	char bytes[300];
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = next(&random) % sizeof bytes;
		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)(round < 256 ? round : next(&random) >> 30);
		struct slice s = slice_of(bytes, n);
		begin(REPLAY_TEST);
		score_facts_helo(&record.facts, s);
		score_facts_sender(&record.facts, s);
		score_facts_recipient(&record.facts, s);
		record.headers[0] = (struct score_header){ SLICE("Subject"), s };
		score_facts_headers(&record.facts, record.headers, 1);
		record.verdict.now = SCORE_DEFER;
		record.verdict.now_rule = s;
		through_text(&record);
		assert_true(slice_eq(again.facts.helo, s) && slice_eq(again.facts.sender, s));
		assert_true(slice_eq(again.facts.recipient, s) && slice_eq(again.verdict.now_rule, s));
		assert_int_equal(again.facts.headers_n, 1);
		assert_true(slice_eq(again.facts.headers[0].value, s));
		assert_true(slice_eq(again.facts.sender_domain, record.facts.sender_domain));
		assert_int_equal(again.facts.known, record.facts.known);
		assert_int_equal(again.facts.recipients, 1);
	}
}

static void values_come_back_bit_for_bit(void **state)
{
	static const double some[] = { 0.0, -0.0, 1, -1, 0.1, 1e15, 1e15 + 2, 123456789012345.0, 9007199254740993.0,
		1e300, DBL_MAX, DBL_MIN, 5e-324, -DBL_MAX, 1.0 / 3 };
	uint64_t random = 3;
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		double v;
		uint64_t bits = next(&random);
		memcpy(&v, &bits, sizeof v);
		if (round < sizeof some / sizeof *some)
			v = some[round];
		if (v - v != 0)
			continue; /* not finite */
		begin(REPLAY_EVENT);
		record.event = SCORE_EV_BYTES;
		record.amount = 42;
		record.reads_n = record.charges_n = 1;
		record.reads[0] = (struct replay_read){ SLICE("record(client)"), v };
		record.charges[0] = (struct replay_charge){ SLICE("r"), SLICE("client"), false, v, -v };
		through_text(&record);
		assert_memory_equal(&again.reads[0].value, &v, sizeof v);
		assert_memory_equal(&again.charges[0].points, &v, sizeof v);
		v = -v;
		assert_memory_equal(&again.charges[0].now, &v, sizeof v);
		assert_int_equal(again.amount, 42);
	}
}

static void every_kind_comes_back(void **state)
{
	(void)state;
	for (int kind = REPLAY_HEAD; kind < REPLAY_KINDS; kind++) {
		begin((enum replay_kind)kind);
		record.seq = 12, record.time_ms = 1767225600000, record.rules = 0xfedcba9876543210;
		record.head = (struct replay_head){ REPLAY_VERSION, 5, 6, 7 };
		record.event = SCORE_EV_MESSAGES;
		record.stage = SCORE_MAIL;
		record.accepted = record.cut = record.allowed = true;
		record.place = 99;
		through_text(&record);
		assert_int_equal(again.kind, kind);
		assert_true(
			again.seq == 12 && again.time_ms == 1767225600000 && again.rules == record.rules && again.cut);
		assert_true(kind == REPLAY_HEAD ? again.head.spike_ms == 7 : again.step == 7);
		assert_int_equal(again.accepted, kind == REPLAY_RECIPIENT_DONE);
		assert_int_equal(again.place, kind >= REPLAY_TEST && kind <= REPLAY_UNDO ? 99 : 0);
	}
}

/* A delete has no points; a thing that is none stays none. */
static void none_and_delete_come_back(void **state)
{
	(void)state;
	begin(REPLAY_TEST);
	record.charges_n = 1;
	record.charges[0] = (struct replay_charge){ SLICE("pardon"), SLICE("net(24,48)"), true, 0, 0 };
	score_facts_tls(&record.facts, true);
	through_text(&record);
	assert_true(again.charges[0].forgets && slice_eq(again.charges[0].key, SLICE("net(24,48)")));
	assert_null(again.facts.tls_version.p);
	assert_int_equal(again.event, SCORE_EVENTS);
	assert_true(again.verdict.now == SCORE_NONE && again.verdict.now_rule.n == 0);
}

static void what_is_no_record_is_told(void **state)
{
#define REST "\"seq\":1,\"time\":1,\"rules\":\"0000000000000000\",\"session\":\"S\",\"step\":1"
	static const char *const lines[] = { "", "x", "[]", "{}", "3", "{\"kind\":\"sonnet\"," REST "}",
		"{\"kind\":\"end\"}", "{\"kind\":\"end\"," REST, "{\"kind\":\"test\"," REST "}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"facts\":{}}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"facts\":{\"client\":\"nowhere\"}}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"lunch\",\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"event\":\"bytes\",\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"event\"," REST ",\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"place\":100,\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"reads\":[[\"a\"]],\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"charges\":[[1,2,3]],\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"test\"," REST
		",\"stage\":\"mail\",\"now\":[\"dance\",\"\"],\"facts\":{\"client\":\"::1\"}}",
		"{\"kind\":\"head\"," REST ",\"version\":2}" };
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		const char *why = NULL;
		if (read_line(slice_str(lines[i]), &why))
			fail_msg("taken: %s", lines[i]);
		assert_true(why && strlen(why) > 10);
	}
	const char *why;
	assert_true(read_line(SLICE("{\"kind\":\"end\",\"news\":{}," REST "}"), &why));
	assert_true(read_line(
		SLICE("{\"kind\":\"test\"," REST ",\"stage\":\"mail\",\"facts\":{\"client\":\"::1\"}}"), &why));
}

static int release(void **state)
{
	(void)state;
	replay_reader_release(&reader);
	return 0;
}

/* What was looked up, found, not there, or never known. */
static void answers_come_back(void **state)
{
	(void)state;
	begin(REPLAY_TEST);
	score_facts_ptr(&record.facts, SLICE("dsl.example"), true);
	score_facts_name(&record.facts, slice_of(NULL, 0));
	score_facts_spf(&record.facts, SLICE("softfail"));
	score_facts_sender_mx(&record.facts, false);
	record.answers_n = 2;
	record.answers[0] = (struct replay_answer){ SLICE("dnsbl('a.example')"), SLICE("127.0.0.2") };
	record.answers[1] = (struct replay_answer){ SLICE("dnsbl('b.example')"), slice_of(NULL, 0) };
	through_text(&record);
	assert_int_equal(again.facts.known, record.facts.known);
	assert_true(again.facts.dynamic && slice_eq(again.facts.ptr, SLICE("dsl.example")) && !again.facts.name.p);
	assert_true(slice_eq(again.facts.spf, SLICE("softfail")) && !again.facts.sender_mx);
	assert_int_equal(again.answers_n, 2);
	assert_true(slice_eq(again.answers[0].lookup, SLICE("dnsbl('a.example')")));
	assert_true(slice_eq(again.answers[0].text, SLICE("127.0.0.2")));
	assert_null(again.answers[1].text.p);
	begin(REPLAY_EVENT);
	record.event = SCORE_EV_CONNECTIONS;
	record.learned = SCORE_KEY_CLIENT_NAME;
	through_text(&record);
	assert_int_equal(again.learned, SCORE_KEY_CLIENT_NAME);
	assert_int_equal(again.answers_n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_bytes_come_back),
		cmocka_unit_test(values_come_back_bit_for_bit),
		cmocka_unit_test(every_kind_comes_back),
		cmocka_unit_test(none_and_delete_come_back),
		cmocka_unit_test(answers_come_back),
		cmocka_unit_test(what_is_no_record_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
