/* What the scripts (tests/dns/spf) cannot say: time, memory, answers nobody waits for, headers. */
#include "tests/base/cmocka_setup.h"

#include "base/mem.h"
#include "dns/spf_header.h"

static struct dns_question q[DNS_SPF_NAMES];
static char room[DNS_ANSWER_BYTES];

static struct dns_spf_client client(const char *helo, const char *mail_from)
{
	struct dns_spf_client c = {
		.helo = slice_str(helo), .mail_from = slice_str(mail_from), .our_name = SLICE("mx.ours.test")
	};
	assert_true(ip_parse(SLICE("192.0.2.1"), &c.ip));
	return c;
}

static struct dns_spf *begin(const char *mail_from)
{
	struct dns_spf_client c = client("h.example", mail_from);
	struct dns_spf *s;
	assert_int_equal(dns_spf_begin(&c, &s, q), 1);
	assert_non_null(s);
	return s;
}

static struct dns_question question(enum dns_type type, const char *name)
{
	struct dns_question question = { .type = type };
	assert_true(dns_name_parse(slice_str(name), &question.name));
	return question;
}

/* The answer with one record; how many questions it leads to. */
static unsigned answer(struct dns_spf *s, enum dns_type type, const char *name, const char *value)
{
	struct dns_question asked = question(type, name);
	struct dns_record record = { .text = slice_str(value) };
	struct dns_answer a = { 0 };
	assert_true(type == DNS_TXT || type == DNS_MX || ip_parse(slice_str(value), &record.ip));
	dns_answer_add(&a, room, type, &record);
	return dns_spf_answer(s, &asked, &a, q);
}

static struct dns_spf_result result(const struct dns_spf *s)
{
	struct dns_spf_result r;
	assert_true(dns_spf_is_done(s));
	dns_spf_result(s, &r);
	return r;
}

static void out_of_time(void **state)
{
	(void)state;
	struct dns_spf *s = begin("u@a.test");
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 a -all"), 1);
	assert_false(dns_spf_is_done(s));
	dns_spf_give_up(s);
	assert_int_equal(result(s).word, DNS_SPF_TEMPERROR);
	assert_non_null(result(s).problem);
	/* too late */
	assert_int_equal(answer(s, DNS_A, "a.test", "192.0.2.1"), 0);
	assert_int_equal(result(s).word, DNS_SPF_TEMPERROR);
	dns_spf_free(&s);
	assert_null(s);
	dns_spf_free(&s);
}

/* What stands when the explanation does not come, or the names that are in it. */
static void out_of_time_for_the_explanation(void **state)
{
	(void)state;
	struct dns_spf *s = begin("u@a.test");
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 -all exp=e.test"), 1);
	dns_spf_give_up(s);
	assert_int_equal(result(s).word, DNS_SPF_FAIL);
	assert_null(result(s).problem);
	dns_spf_free(&s);

	s = begin("u@a.test");
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 -all exp=e.test"), 1);
	assert_int_equal(answer(s, DNS_TXT, "e.test", "not from %{p}"), 1);
	assert_int_equal(q[0].type, DNS_PTR);
	dns_spf_give_up(s);
	assert_int_equal(result(s).word, DNS_SPF_FAIL);
	assert_int_equal(result(s).explanation.n, 0);
	dns_spf_free(&s);
}

/* What was given up stays as it is. */
static void done_is_done(void **state)
{
	(void)state;
	struct dns_spf *s = begin("u@a.test");
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 ip4:192.0.2.1"), 0);
	dns_spf_give_up(s);
	assert_int_equal(result(s).word, DNS_SPF_PASS);
	dns_spf_free(&s);
}

static void answers_nobody_waits_for(void **state)
{
	(void)state;
	struct dns_spf *s = begin("u@a.test");
	assert_int_equal(answer(s, DNS_TXT, "b.test", "v=spf1 +all"), 0);
	assert_int_equal(answer(s, DNS_MX, "a.test", "b.test"), 0);
	assert_false(dns_spf_is_done(s));
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 mx -all"), 1);
	assert_int_equal(answer(s, DNS_MX, "a.test", "m.test"), 1);
	assert_int_equal(answer(s, DNS_A, "m.test", "192.0.2.1"), 0);
	assert_int_equal(answer(s, DNS_A, "m.test", "192.0.2.9"), 0);
	assert_int_equal(result(s).word, DNS_SPF_PASS);
	dns_spf_free(&s);
}

/* A name that matches decides, whatever the others would say. */
static void first_exchanger_that_matches(void **state)
{
	(void)state;
	struct dns_spf *s = begin("u@a.test");
	struct dns_question mx = question(DNS_MX, "a.test");
	struct dns_answer a = { 0 };
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 mx -all"), 1);
	dns_answer_add(&a, room, DNS_MX, &(struct dns_record){ .text = SLICE("m1.test") });
	dns_answer_add(&a, room, DNS_MX, &(struct dns_record){ .text = SLICE("m2.test") });
	dns_answer_add(&a, room, DNS_MX, &(struct dns_record){ .text = SLICE("m1.test") });
	assert_int_equal(dns_spf_answer(s, &mx, &a, q), 2);
	assert_int_equal(answer(s, DNS_A, "m2.test", "192.0.2.1"), 0);
	assert_int_equal(result(s).word, DNS_SPF_PASS);
	dns_spf_free(&s);
}

static void no_memory(void **state)
{
	(void)state;
	struct dns_spf_client c = client("h.example", "u@a.test");
	struct dns_spf *s;
	mem_fail_after(0);
	assert_int_equal(dns_spf_begin(&c, &s, q), 0);
	assert_null(s);
	mem_fail_after(-1);

	s = begin("u@a.test");
	mem_fail_after(0);
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 -all"), 0);
	mem_fail_after(-1);
	assert_int_equal(result(s).word, DNS_SPF_TEMPERROR);
	dns_spf_free(&s);

	s = begin("u@a.test");
	assert_int_equal(answer(s, DNS_TXT, "a.test", "v=spf1 -all exp=e.test"), 1);
	mem_fail_after(0);
	assert_int_equal(answer(s, DNS_TXT, "e.test", "no"), 0);
	mem_fail_after(-1);
	assert_int_equal(result(s).word, DNS_SPF_FAIL);
	assert_int_equal(result(s).explanation.n, 0);
	dns_spf_free(&s);
}

/* What is longer than 512 bytes is cut, not read beyond. */
static void long_arguments(void **state)
{
	(void)state;
	char text[4000];
	struct dns_spf_client c = client("h.example", "");
	struct dns_spf *s;
	memset(text, 'a', sizeof text);
	c.helo = c.mail_from = c.our_name = slice_of(text, sizeof text);
	assert_int_equal(dns_spf_begin(&c, &s, q), 0);
	assert_int_equal(result(s).word, DNS_SPF_NONE);
	assert_int_equal(result(s).domain.n, DNS_SPF_ARGUMENT_MAX);
	dns_spf_free(&s);
}

static void words(void **state)
{
	(void)state;
	assert_string_equal(dns_spf_word(DNS_SPF_NONE), "none");
	assert_string_equal(dns_spf_word(DNS_SPF_SOFTFAIL), "softfail");
	assert_string_equal(dns_spf_word(DNS_SPF_PERMERROR), "permerror");
	assert_string_equal(dns_spf_mechanism(DNS_SPF_DEFAULT), "default");
	assert_string_equal(dns_spf_mechanism(DNS_SPF_EXISTS), "exists");
}

static void assert_received(const struct dns_spf_client *c, struct dns_spf_result r, const char *wanted)
{
	struct buf out = { 0 };
	assert_true(dns_spf_received_write(c, &r, &out));
	assert_slice(buf_slice(&out), wanted);
	buf_release(&out);
}

static void received(void **state)
{
	(void)state;
	struct dns_spf_client c = client("mail.a.test", "u@a.test");
	assert_received(&c, (struct dns_spf_result){ .word = DNS_SPF_PASS, .by = DNS_SPF_MX },
		"Received-SPF: pass (mx.ours.test: domain of u@a.test designates 192.0.2.1 as permitted sender)\r\n"
		"\treceiver=mx.ours.test; client-ip=192.0.2.1;\r\n"
		"\tenvelope-from=\"u@a.test\";\r\n"
		"\thelo=mail.a.test;\r\n"
		"\tidentity=mailfrom; mechanism=mx\r\n");
	assert_received(&c, (struct dns_spf_result){ .word = DNS_SPF_PERMERROR, .problem = "it \"loops\"" },
		"Received-SPF: permerror (mx.ours.test: domain of u@a.test has an error in what it says about "
		"192.0.2.1)\r\n"
		"\treceiver=mx.ours.test; client-ip=192.0.2.1;\r\n"
		"\tenvelope-from=\"u@a.test\";\r\n"
		"\thelo=mail.a.test;\r\n"
		"\tidentity=mailfrom; mechanism=default;\r\n"
		"\tproblem=\"it \\\"loops\\\"\"\r\n");
}

/* The null sender, IPv6, and names that try to be more than a value. */
static void received_from_hostile_clients(void **state)
{
	(void)state;
	struct dns_spf_client c = client("a) (b\\\r\nX-Spam: no\x80", "");
	assert_true(ip_parse(SLICE("2001:db8::1"), &c.ip));
	assert_received(&c, (struct dns_spf_result){ .word = DNS_SPF_NONE, .of_helo = true },
		"Received-SPF: none (mx.ours.test: domain of postmaster@a\\) \\(b\\\\??X-Spam: no? does not say who "
		"may "
		"send for it)\r\n"
		"\treceiver=mx.ours.test; client-ip=\"2001:db8::1\";\r\n"
		"\tenvelope-from=\"\";\r\n"
		"\thelo=\"a) (b\\\\??X-Spam: no?\";\r\n"
		"\tidentity=helo; mechanism=default\r\n");
}

static void assert_authentication(const char *helo, const char *mail_from, struct dns_spf_result r, const char *wanted)
{
	struct dns_spf_client c = client(helo, mail_from);
	struct buf out = { 0 };
	assert_true(dns_spf_authentication_write(&c, &r, &out));
	assert_slice(buf_slice(&out), wanted);
	buf_release(&out);
}

static void authentication(void **state)
{
	(void)state;
	assert_authentication("h.test", "u@a.test", (struct dns_spf_result){ .word = DNS_SPF_FAIL },
		"Authentication-Results: mx.ours.test;\r\n\tspf=fail smtp.mailfrom=u@a.test\r\n");
	assert_authentication("h.test", "", (struct dns_spf_result){ .word = DNS_SPF_NEUTRAL, .of_helo = true },
		"Authentication-Results: mx.ours.test;\r\n\tspf=neutral smtp.helo=h.test\r\n");
	assert_authentication("h.test", "\"a;b\"@a.test",
		(struct dns_spf_result){ .word = DNS_SPF_TEMPERROR, .problem = "timeout" },
		"Authentication-Results: mx.ours.test;\r\n"
		"\tspf=temperror reason=timeout smtp.mailfrom=\"\\\"a;b\\\"@a.test\"\r\n");
	assert_authentication("", "", (struct dns_spf_result){ .word = DNS_SPF_NONE, .of_helo = true },
		"Authentication-Results: mx.ours.test;\r\n\tspf=none smtp.helo=\"\"\r\n");
	assert_authentication("h.test.", "", (struct dns_spf_result){ .word = DNS_SPF_PASS, .of_helo = true },
		"Authentication-Results: mx.ours.test;\r\n\tspf=pass smtp.helo=\"h.test.\"\r\n");
	assert_authentication("h", "x..y@a.test", (struct dns_spf_result){ .word = DNS_SPF_SOFTFAIL },
		"Authentication-Results: mx.ours.test;\r\n\tspf=softfail smtp.mailfrom=\"x..y@a.test\"\r\n");
}

/* The longest line is below 998 bytes, whatever is in it. */
static void long_lines(void **state)
{
	(void)state;
	char text[1000];
	struct dns_spf_client c = client("", "");
	struct buf out = { 0 };
	struct dns_spf_result r = { .word = DNS_SPF_SOFTFAIL };
	memset(text, '\\', sizeof text);
	c.helo = c.mail_from = c.our_name = slice_of(text, sizeof text);
	assert_true(dns_spf_received_write(&c, &r, &out) && dns_spf_authentication_write(&c, &r, &out));
	for (struct slice rest = buf_slice(&out); rest.n;)
		assert_true(slice_cut(&rest, '\n').n < 998);
	buf_release(&out);
}

static void headers_without_memory(void **state)
{
	(void)state;
	struct dns_spf_client c = client("a b", "u@a.test");
	struct dns_spf_result r = { .word = DNS_SPF_TEMPERROR, .problem = "a problem" };
	struct buf out = { 0 };
	mem_fail_after(0);
	assert_false(dns_spf_received_write(&c, &r, &out));
	mem_fail_after(0);
	assert_false(dns_spf_authentication_write(&c, &r, &out));
	mem_fail_after(-1);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_of_time),
		cmocka_unit_test(out_of_time_for_the_explanation),
		cmocka_unit_test(done_is_done),
		cmocka_unit_test(answers_nobody_waits_for),
		cmocka_unit_test(first_exchanger_that_matches),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(long_arguments),
		cmocka_unit_test(words),
		cmocka_unit_test(received),
		cmocka_unit_test(received_from_hostile_clients),
		cmocka_unit_test(authentication),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(headers_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
