/* Documents: built, written, parsed and read again; any byte survives; memory may end at every step. */
#include "base/mem.h"
#include "ctl/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>

static void assert_text(const struct buf *b, const char *wanted)
{
	struct slice got = buf_slice(b);
	if (!slice_eq(got, slice_str(wanted)))
		fail_msg("got    %.*s\nwanted %s", SLICE_ARG(got), wanted);
}

static struct ctl_json build(struct ctl_json_doc *doc)
{
	struct ctl_json root = ctl_json_root_object(doc);
	ctl_json_put_text(root, "helo", SLICE("mx\x1b[2J\xff\n\"\\\x7f"));
	ctl_json_put_int(root, "below", -3);
	ctl_json_put_count(root, "most", UINT64_MAX);
	ctl_json_put_double(root, "share", 0.1);
	ctl_json_put_double(root, "nan", NAN);
	ctl_json_put_bool(root, "tls", true);
	struct ctl_json list = ctl_json_put_array(root, "list");
	ctl_json_put_text(list, NULL, slice_of(NULL, 0));
	ctl_json_put_count(ctl_json_put_object(list, NULL), "n", 1);
	return root;
}

static const char built[] =
	"{\"helo\":\"mx\\u001B[2J\\u00FF\\n\\\"\\\\\\u007F\",\"below\":-3,"
	"\"most\":9223372036854775807,\"share\":0.1,\"nan\":null,\"tls\":true,\"list\":[\"\",{\"n\":1}]}";

static void writes(void **state)
{
	(void)state;
	struct ctl_json_doc doc = { 0 };
	struct buf out = { 0 };
	assert_true(ctl_json_write(build(&doc), CTL_JSON_LINE, &out));
	assert_text(&out, built);
	buf_clear(&out);
	struct ctl_json small = ctl_json_root_array(&doc);
	ctl_json_put_int(small, NULL, 1);
	assert_true(ctl_json_write(small, CTL_JSON_INDENTED, &out));
	assert_text(&out, "[\n  1\n]");
	buf_release(&out);
	ctl_json_release(&doc);
}

static void every_byte_comes_back(void **state)
{
	(void)state;
	char bytes[512], ascii[4096];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i < 256 ? i : i * 7);
	struct ctl_json_doc doc = { 0 }, read = { 0 };
	struct buf out = { 0 }, why = { 0 };
	ctl_json_put_text(ctl_json_root_object(&doc), "b", slice_of(bytes, sizeof(bytes)));
	assert_true(ctl_json_write(ctl_json_root(&doc), CTL_JSON_LINE, &out));
	assert_in_range(buf_len(&out), 1, sizeof(ascii));
	for (size_t i = 0; i < buf_len(&out); i++)
		assert_in_range((unsigned char)buf_slice(&out).p[i], 0x20, 0x7e);
	assert_true(ctl_json_parse(buf_slice(&out), &read, &why));
	assert_true(slice_eq(ctl_json_text(ctl_json_root(&read), "b"), slice_of(bytes, sizeof(bytes))));
	ctl_json_release(&doc);
	ctl_json_release(&read);
	buf_release(&out);
}

static void reads(void **state)
{
	(void)state;
	struct ctl_json_doc doc;
	struct buf why = { 0 };
	assert_true(ctl_json_parse(
		SLICE("{\"t\":\"a\\u20ac\\u00e4\",\"i\":7,\"d\":1.5,\"b\":true,\"a\":[1,2]}"), &doc, &why));
	struct ctl_json root = ctl_json_root(&doc);
	assert_true(slice_eq(ctl_json_text(root, "t"), SLICE("a\xe2\x82\xac\xe4")));
	assert_int_equal(ctl_json_int(root, "i", 0), 7);
	assert_true(ctl_json_double(root, "d", 0) > 1.4 && ctl_json_double(root, "i", 0) > 6.9);
	assert_true(ctl_json_bool(root, "b", false));
	assert_int_equal(ctl_json_len(root), 5);
	assert_int_equal(ctl_json_len(ctl_json_get(root, "a")), 2);
	assert_int_equal(ctl_json_int(ctl_json_item(ctl_json_get(root, "a"), 1), NULL, 0), 2);
	ctl_json_release(&doc);
}

static void missing_or_of_another_type(void **state)
{
	(void)state;
	struct ctl_json_doc doc;
	struct buf why = { 0 };
	assert_true(ctl_json_parse(SLICE("{\"i\":7}"), &doc, &why));
	struct ctl_json root = ctl_json_root(&doc), none = ctl_json_get(root, "none");
	assert_null(none.node);
	assert_null(ctl_json_get(none, "deeper").node);
	assert_null(ctl_json_item(none, 0).node);
	assert_int_equal(ctl_json_len(none), 0);
	assert_int_equal(ctl_json_int(none, "i", -1), -1);
	assert_true(ctl_json_bool(root, "i", true));
	assert_int_equal(ctl_json_text(root, "i").n, 0);
	assert_false(ctl_json_is_array(root) || ctl_json_is_text(root) || ctl_json_is_object(none));
	ctl_json_release(&doc);
}

static void refuses_what_is_not_json(void **state)
{
	(void)state;
	static const struct slice texts[] = { SLICE_INIT(""), SLICE_INIT("{"), SLICE_INIT("{} x"),
		SLICE_INIT("{\"a\":1,\"a\":2}"), SLICE_INIT("\"\xff\""), SLICE_INIT("{\"a\":1e999}"),
		SLICE_INIT("{\0}"), SLICE_INIT("[99999999999999999999]"), SLICE_INIT("\"\\ud800\"") };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ctl_json_doc doc;
		struct buf why = { 0 };
		if (ctl_json_parse(texts[i], &doc, &why))
			fail_msg("took %.*s", SLICE_ARG(texts[i]));
		assert_true(buf_len(&why) > 0);
		assert_null(doc.root);
		buf_release(&why);
	}
}

static bool build_and_write(long fail_after)
{
	struct ctl_json_doc doc = { 0 }, moved = { 0 };
	struct buf out = { 0 };
	mem_fail_after(fail_after);
	ctl_json_put_text(ctl_json_root_array(&moved), NULL, SLICE("\xff"));
	struct ctl_json root = build(&doc);
	ctl_json_put_doc(root, "moved", &moved);
	bool ok = ctl_json_write(root, CTL_JSON_LINE, &out);
	mem_fail_after(-1);
	assert_true(ok || buf_len(&out) == 0);
	assert_null(moved.root);
	ctl_json_release(&doc);
	buf_release(&out);
	return ok;
}

/* With each allocation in turn failing: no leak (the sanitizer looks), and never half a document. */
static void memory_ends(void **state)
{
	(void)state;
	long n = 0;
	while (!build_and_write(n))
		assert_in_range(++n, 1, 200);
	assert_in_range(n, 15, 200);
}

static void memory_ends_while_reading(void **state)
{
	(void)state;
	bool whole = false;
	for (long n = 0; !whole; n++) {
		struct ctl_json_doc doc;
		struct buf why = { 0 };
		mem_fail_after(n);
		whole = ctl_json_parse(slice_str(built), &doc, &why);
		whole = ctl_json_text(ctl_json_root(&doc), "helo").n == 11 && whole;
		mem_fail_after(-1);
		assert_true(whole ? n > 10 : n < 100);
		ctl_json_release(&doc);
		buf_release(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(reads),
		cmocka_unit_test(missing_or_of_another_type),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(memory_ends),
		cmocka_unit_test(memory_ends_while_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
