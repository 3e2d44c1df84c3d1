/* Requests and answers: written and read, whole and cut at every byte. */
#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/request.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct vector {
	struct slice in;
	enum ctl_request_result result;
	const char *command; /* GOT: command and number of args; BAD: part of the sentence */
	size_t n_args;
} vectors[] = {
	{ SLICE_INIT("{\"command\":\"stats\"}\n"), CTL_REQUEST_GOT, "stats", 0 },
	{ SLICE_INIT(" { \"args\" : {\"top\":5, \"x\":[]}, \"command\":\"sessions\" } \r\n"), CTL_REQUEST_GOT,
		"sessions", 2 },
	{ SLICE_INIT("{\"command\":\"stats\"}\nwhat follows"), CTL_REQUEST_GOT, "stats", 0 },
	{ SLICE_INIT("{\"command\":\"\\u0000\\u001b\"}\n"), CTL_REQUEST_GOT, "\0\x1b", 0 },
	{ SLICE_INIT(""), CTL_REQUEST_MORE, NULL, 0 },
	{ SLICE_INIT("{\"command\":\"stats\"}"), CTL_REQUEST_MORE, NULL, 0 },
	{ SLICE_INIT("\n"), CTL_REQUEST_BAD, "cannot be read as JSON", 0 },
	{ SLICE_INIT("GET / HTTP/1.1\r\n"), CTL_REQUEST_BAD, "cannot be read as JSON", 0 },
	{ SLICE_INIT("{\"command\":\"a\",\"command\":\"b\"}\n"), CTL_REQUEST_BAD, "cannot be read as JSON", 0 },
	{ SLICE_INIT("{\"command\":\"\xff\"}\n"), CTL_REQUEST_BAD, "cannot be read as JSON", 0 },
	{ SLICE_INIT("[]\n"), CTL_REQUEST_BAD, "no \"command\"", 0 },
	{ SLICE_INIT("{}\n"), CTL_REQUEST_BAD, "no \"command\"", 0 },
	{ SLICE_INIT("{\"command\":7}\n"), CTL_REQUEST_BAD, "no \"command\"", 0 },
	{ SLICE_INIT("{\"command\":\"a\",\"args\":[]}\n"), CTL_REQUEST_BAD, "must be an object", 0 },
	{ SLICE_INIT("{\"command\":\"a\",\"args\":null}\n"), CTL_REQUEST_BAD, "must be an object", 0 },
	{ SLICE_INIT("{\"command\":\"a\",\"as\":\"root\"}\n"), CTL_REQUEST_BAD, "no other key", 0 },
};

static void check(const struct vector *v, struct slice in, enum ctl_request_result wanted)
{
	struct ctl_request req;
	struct buf why = { 0 };
	enum ctl_request_result got = ctl_request_read(in, &req, &why);
	if (got != wanted)
		fail_msg("%.*s: got %d, wanted %d", SLICE_ARG(in), (int)got, (int)wanted);
	if (got == CTL_REQUEST_GOT && v->command[0] != '\0') {
		assert_true(slice_eq(req.command, slice_str(v->command)));
		assert_int_equal(ctl_json_len(req.args), v->n_args);
	}
	if (got == CTL_REQUEST_BAD)
		assert_non_null(memmem(buf_slice(&why).p, buf_len(&why), v->command, strlen(v->command)));
	ctl_request_release(&req);
	buf_release(&why);
}

/* A line that is cut is never run, at whatever byte; with its LF it is what it is. */
static void vectors_whole_and_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *v = &vectors[i];
		size_t end = slice_find(v->in, '\n');
		for (size_t cut = 0; cut <= v->in.n; cut++) {
			char *exact = mem_strndup(v->in.p, cut); /* its own block: a read past the end is seen */
			check(v, slice_of(exact, cut), cut > end ? v->result : CTL_REQUEST_MORE);
			mem_free(&exact);
		}
	}
}

static void no_line_is_longer_than_8_kb(void **state)
{
	(void)state;
	static const struct vector too_long = { .command = "longer than 8 KB" };
	static const struct vector stats = { .command = "stats" };
	char text[CTL_REQUEST_MAX + 10];
	memset(text, ' ', sizeof(text));
	check(&too_long, slice_of(text, CTL_REQUEST_MAX - 1), CTL_REQUEST_MORE);
	check(&too_long, slice_of(text, CTL_REQUEST_MAX), CTL_REQUEST_BAD);
	check(&too_long, slice_of(text, sizeof(text)), CTL_REQUEST_BAD);
	memcpy(text, "{\"command\":\"stats\"}", 19);
	text[CTL_REQUEST_MAX] = '\n';
	check(&too_long, slice_of(text, sizeof(text)), CTL_REQUEST_BAD);
	text[CTL_REQUEST_MAX - 1] = '\n';
	check(&stats, slice_of(text, sizeof(text)), CTL_REQUEST_GOT);
}

static void deep_nesting_is_refused(void **state)
{
	(void)state;
	static const struct vector deep = { .command = "cannot be read as JSON" };
	char text[CTL_REQUEST_MAX];
	memset(text, '[', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	check(&deep, slice_of(text, sizeof(text)), CTL_REQUEST_BAD);
}

static void request_round_trip(void **state)
{
	(void)state;
	struct ctl_json_doc args = { 0 };
	struct buf line = { 0 }, why = { 0 };
	struct ctl_request req;
	ctl_json_put_text(ctl_json_root_object(&args), "recipient", SLICE("\xc3\xbc\n@x"));
	assert_true(ctl_request_write("forget", &args, &line));
	assert_null(args.root);
	assert_int_equal(ctl_request_read(buf_slice(&line), &req, &why), CTL_REQUEST_GOT);
	assert_true(slice_eq(ctl_json_text(req.args, "recipient"), SLICE("\xc3\xbc\n@x")));
	ctl_request_release(&req);
	buf_clear(&line);
	assert_true(ctl_request_write("stats", NULL, &line));
	assert_true(slice_eq(buf_slice(&line), SLICE("{\"command\":\"stats\"}\n")));
	buf_release(&line);
}

static void answer_round_trip(void **state)
{
	(void)state;
	struct ctl_json_doc data = { 0 };
	struct buf line = { 0 }, why = { 0 };
	struct ctl_answer a;
	ctl_json_put_int(ctl_json_root_object(&data), "n", 5);
	assert_true(ctl_answer_write_ok(&data, &line));
	assert_true(slice_eq(buf_slice(&line), SLICE("{\"ok\":true,\"data\":{\"n\":5}}\n")));
	assert_true(ctl_answer_read(buf_slice(&line), &a, &why) && a.ok);
	assert_int_equal(ctl_json_int(a.data, "n", 0), 5);
	ctl_answer_release(&a);
	buf_clear(&line);
	assert_true(ctl_answer_write_error(SLICE("a\nb"), &line));
	assert_int_equal(slice_find(buf_slice(&line), '\n'), buf_len(&line) - 1);
	assert_true(ctl_answer_read(buf_slice(&line), &a, &why) && !a.ok);
	assert_true(slice_eq(a.error, SLICE("a\nb")));
	ctl_answer_release(&a);
	assert_false(ctl_answer_read(SLICE("{}\n"), &a, &why));
	assert_false(ctl_answer_read(SLICE("220 hello\n"), &a, &why));
	buf_release(&line);
	buf_release(&why);
}

/* A handler that built its data with no memory left must not be answered with half of them. */
static void a_failed_document_is_no_answer(void **state)
{
	(void)state;
	struct ctl_json_doc data = { 0 };
	struct buf line = { 0 };
	struct ctl_json root = ctl_json_root_object(&data);
	mem_fail_after(0);
	ctl_json_put_int(root, "n", 5);
	mem_fail_after(-1);
	assert_true(data.failed);
	assert_false(ctl_answer_write_ok(&data, &line));
	assert_int_equal(buf_len(&line), 0);
	buf_release(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_whole_and_cut),
		cmocka_unit_test(no_line_is_longer_than_8_kb),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(request_round_trip),
		cmocka_unit_test(answer_round_trip),
		cmocka_unit_test(a_failed_document_is_no_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
