/* Each sample document as the text that people see: samples/NAME.json gives samples/NAME.txt. */
#include "sample.h"

#include "base/mem.h"
#include "tools/command.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>

static const struct {
	const char *name, *command;
	bool good;
} samples[] = {
	{ "stats", "stats", true },
	{ "stats_few", "stats", true },
	{ "health", "health", false },
	{ "health_ok", "health", true },
	{ "sessions", "sessions", true },
	{ "sessions_none", "sessions", true },
	{ "backend", "backend", true },
	{ "backend_test", "backend test", false },
	{ "backend_test_good", "backend test", true },
	{ "config", "config", true },
	{ "reload", "reload", true },
	{ "reload_same", "reload", true },
	{ "drain", "drain", true },
	{ "forget", "forget", true },
	{ "forget_not", "forget", false },
	{ "explain", "explain", true },
	{ "explain_none", "explain", false },
	{ "last", "last", true },
	{ "last_none", "last", true },
	{ "test", "test", true },
	{ "list", "list", true },
	{ "list_block", "list", true },
	{ "list_greylist", "list", true },
	{ "list_none", "list", true },
	{ "show", "show", true },
	{ "show_none", "show", false },
	{ "show_greylist", "show", true },
	{ "delete", "delete", true },
	{ "delete_none", "delete", false },
	{ "block", "block", true },
	{ "allow", "allow", true },
	{ "rules", "rules", true },
	{ "rules_none", "rules", true },
	{ "trace", "trace", true },
	{ "lists", "lists", true },
	{ "lists_none", "lists", true },
	{ "snapshot", "snapshot", true },
};
enum { N_SAMPLES = sizeof(samples) / sizeof(*samples) };

static void golden_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		char file[100];
		struct ctl_json_doc doc;
		struct tools_out o = { 0 };
		struct buf wanted = { 0 };
		const struct tools_command *c = tools_command_find(samples[i].command);
		snprintf(file, sizeof(file), "%s.txt", samples[i].name);
		assert_true(sample_doc(samples[i].name, &doc));
		c->show(ctl_json_root(&doc), &o);
		assert_false(o.failed);
		if (!sample_read(file, &wanted) || !slice_eq(buf_slice(&o.text), buf_slice(&wanted)))
			fail_msg("%s: got\n%.*s", file, SLICE_ARG(buf_slice(&o.text)));
		assert_int_equal(!c->good || c->good(ctl_json_root(&doc)), samples[i].good);
		ctl_json_release(&doc);
		buf_release(&o.text);
		buf_release(&wanted);
	}
}

static void assert_only_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\n' && s.p[i] != '\t' && ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e))
			fail_msg("byte %02x in: %.*s", (unsigned char)s.p[i], SLICE_ARG(s));
}

/* A newer or broken server: other types, nothing at all. No form may fall over or let a byte through. */
static void strange_documents(void **state)
{
	(void)state;
	static const struct slice texts[] = {
		SLICE_INIT("{}"),
		SLICE_INIT("[]"),
		SLICE_INIT("[1,\"\\u001b\",{}]"),
		SLICE_INIT("{\"sessions\":[1,null,{\"id\":7,\"helo\":\"\\u009b\\u0000\"}],\"backends\":[{},[],\"x\"],"
			   "\"checks\":{},"
			   "\"changed\":\"x\",\"status\":5,\"text\":{},\"total\":-1,\"uptime_s\":-9223372036854775807,"
			   "\"memory\":[]}"),
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ctl_json_doc doc;
		struct buf why = { 0 };
		assert_true(ctl_json_parse(texts[i], &doc, &why));
		for (size_t c = 0; c < tools_n_commands; c++) {
			struct tools_out o = { 0 };
			tools_commands[c].show(ctl_json_root(&doc), &o);
			assert_only_printable(buf_slice(&o.text));
			buf_release(&o.text);
		}
		ctl_json_release(&doc);
	}
}

/* With each allocation failing in turn: what is shown is either all or marked as not all. */
static void memory_ends(void **state)
{
	(void)state;
	struct ctl_json_doc doc;
	struct buf wanted = { 0 };
	bool whole = false;
	assert_true(sample_doc("backend", &doc) && sample_read("backend.txt", &wanted));
	for (long n = 0; !whole; n++) {
		struct tools_out o = { 0 };
		mem_fail_after(n);
		tools_show_backend(ctl_json_root(&doc), &o);
		mem_fail_after(-1);
		whole = !o.failed;
		assert_int_equal(whole, slice_eq(buf_slice(&o.text), buf_slice(&wanted)));
		assert_true(whole ? n > 0 : n < 50);
		buf_release(&o.text);
	}
	ctl_json_release(&doc);
	buf_release(&wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_texts),
		cmocka_unit_test(strange_documents),
		cmocka_unit_test(memory_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
