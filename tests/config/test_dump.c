/* From structs back to text: the dump, the restart list, the manual; and the files that are shipped. */
#include "tests/config/parse.h"

#include "config/table.h"

#include <stdio.h>
#include <stdlib.h>

static struct settings *load_clean(const char *text)
{
	struct parsed p = parse_text(text);

	if (!p.s)
		print_error("%s", p.lines.data);
	assert_non_null(p.s);
	buf_release(&p.lines);
	return p.s;
}

static void round_trip(struct settings *s)
{
	struct buf once = { 0 }, twice = { 0 };
	struct settings *again;

	assert_true(settings_dump(s, &once));
	assert_true(buf_put(&once, slice_of("", 1)));
	again = load_clean(once.data);
	assert_true(settings_dump(again, &twice));
	assert_true(buf_put(&twice, slice_of("", 1)));
	assert_string_equal(twice.data, once.data);
	settings_free(&again);
	settings_free(&s);
	buf_release(&once);
	buf_release(&twice);
}

/* Every group, with values that are not the defaults; relative paths as if it were in /etc/sg. */
static struct settings *load_everything(void)
{
	char *text = read_text("tests/config/everything.cfg");
	struct settings *s = load_clean(text);

	free(text);
	return s;
}

static void test_round_trip(void **state)
{
	(void)state;
	round_trip(load_clean(""));
	round_trip(load_everything());
}

static void test_values(void **state)
{
	struct settings *s = load_everything();

	(void)state;
	assert_string_equal(s->server.control, "/etc/sg/c");
	assert_string_equal(s->server.spool, "/s");
	assert_int_equal(s->server.drain_ms, 90000);
	assert_int_equal(s->listeners.count, 2);
	assert_int_equal(s->listeners.items[1].tls, SETTINGS_TLS_STARTTLS);
	assert_int_equal(s->limits.sessions, 0);
	assert_int_equal(s->limits.min_data_rate, 1000);
	assert_int_equal(s->limits.message_size, 10 << 20);
	assert_int_equal(s->limits.command_timeout_ms, 300000);
	assert_string_equal(s->tls.certificates.items[0].cert, "/etc/sg/c.pem");
	assert_string_equal(s->relay.domains.items[0], "a.example");
	assert_int_equal(s->relay.recipients.items[0].source, SETTINGS_SOURCE_LIST);
	assert_string_equal(s->relay.recipients.items[0].name, "l");
	assert_string_equal(s->relay.recipients.items[2].name, "p");
	assert_ptr_equal(settings_source_of(s, &s->relay.recipients.items[3]), &s->recipient_sources.items[2]);
	assert_string_equal(s->recipient_sources.items[0].query, "select 1 where $1 <> ''");
	assert_string_equal(s->recipient_sources.items[1].connect, "host=/run/pg");
	assert_int_equal(s->recipient_sources.items[1].timeout_ms, 2000);
	assert_string_equal(s->recipient_sources.items[2].delimiter, "+");
	assert_int_equal(s->recipient_sources.items[2].connections, 7);
	assert_int_equal(s->relay.unknown_user.items[1], 551);
	assert_int_equal(s->dns.servers.items[2].port, 53);
	assert_false(s->enforce);
	assert_int_equal(s->rules.items[0].until_ms, 1801440000000);
	assert_int_equal(s->rules.items[0].stage, SETTINGS_STAGE_RCPT);
	assert_string_equal(settings_stage_name(s->rules.items[0].stage), "rcpt");
	assert_string_equal(settings_action_name(s->rules.items[1].action), "reject");
	assert_string_equal(settings_charge_to_name(s->rules.items[1].to), "");
	assert_string_equal(s->rules.items[1].reply, "550 5.7.1 no {id}");
	settings_free(&s);
}

static void restart_is(const char *old_text, const char *new_text, const char *names)
{
	struct settings *a = load_clean(old_text), *b = load_clean(new_text);
	struct buf out = { 0 };

	assert_true(settings_needs_restart(a, b, &out));
	assert_true(slice_eq(buf_slice(&out), slice_str(names)));
	settings_free(&a);
	settings_free(&b);
	buf_release(&out);
}

static void test_restart(void **state)
{
	(void)state;
	restart_is("", "", "");
	restart_is("", "limits = { delay = \"2m\"; }; log = { level = \"debug\"; };", "");
	restart_is("score = { memory = \"1024k\"; };", "score = { memory = \"1M\"; };", "");
	restart_is("", "listeners = ( { address = \"127.0.0.1:25\"; } );", "listeners");
	restart_is("", "score = { memory = \"1M\"; }; server = { user = \"x\"; workers = 2; control = \"x\"; };",
		   "server.workers, server.user, server.control, score.memory");
}

static void test_shipped(void **state)
{
	struct parsed p = parse_file("smtpguardd.cfg");

	(void)state;
	assert_string_equal(p.lines.data, "smtpguardd.cfg:18: warning: listener \"mx\": STARTTLS is not announced "
					  "without tls.certificates\n");
	assert_non_null(p.s);
	assert_int_equal(p.s->rules.count, 25);
	round_trip(p.s);
	buf_release(&p.lines);

	p = parse_file("demo.cfg");
	assert_string_equal(p.lines.data, "");
	assert_non_null(p.s);
	assert_int_equal(p.s->rules.count, 25);
	assert_int_equal(p.s->listeners.items[0].address.items[0].port, 2525);
	assert_int_equal(p.s->relay.backends.items[0].scheme, SETTINGS_MAILDIR);
	round_trip(p.s);
	buf_release(&p.lines);
}

/* What the comments of a shipped file call the default must be it: every value there that is one. */
static void test_shipped_is_default(void **state)
{
	struct parsed p = parse_file("smtpguardd.cfg"), q = parse_text("");
	struct buf shipped = { 0 }, defaults = { 0 };
	struct settings *s = p.s;

	(void)state;
	assert_non_null(s);
	/* only these are not */
	s->rules.count = 0;
	s->lists.count = 0;
	s->dns_lists.count = 0;
	assert_true(settings_dump(s, &shipped) && settings_dump(q.s, &defaults));
	assert_true(slice_eq(buf_slice(&shipped), buf_slice(&defaults)));
	buf_release(&shipped);
	buf_release(&defaults);
	parsed_free(&p);
	parsed_free(&q);
}

static void test_manual(void **state)
{
	char *text = read_text("docs/SETTINGS.md");
	struct buf wanted = { 0 };

	(void)state;
	assert_true(settings_describe(&wanted));
	if (!slice_eq(buf_slice(&wanted), slice_str(text)))
		fail_msg("docs/SETTINGS.md is not what the table says: build the target settings-manual");
	buf_release(&wanted);
	free(text);
}

/* From one line of a page to another, both left out; NULL: they are not there. */
static char *between(char *page, const char *begin, const char *end)
{
	char *from = strstr(page, begin), *to = from ? strstr(from, end) : NULL;

	if (!to)
		return NULL;
	*to = 0;
	return from + strlen(begin);
}

static void test_man_page(void **state)
{
	char *text = read_text("docs/man/smtpguardd.cfg.5");
	char *part = between(text, SETTINGS_MAN_BEGIN, SETTINGS_MAN_END);
	struct buf wanted = { 0 };

	(void)state;
	assert_non_null(part);
	assert_true(settings_describe_man(&wanted));
	if (!slice_eq(buf_slice(&wanted), slice_str(part)))
		fail_msg("smtpguardd.cfg(5) is not what the table says: build the target settings-manual");
	buf_release(&wanted);
	free(text);
}

/* smtpguard-rules(5) has an item for each member of a rule, and for each word that one of them may be. */
static void test_rules_page(void **state)
{
	char *text = read_text("docs/man/smtpguard-rules.5");
	const struct row *rules = settings_table;
	char item[64];

	(void)state;
	while (strcmp(rules->name, "rules") != 0)
		rules++;
	for (const struct row *row = rules->rows; row->name; row++) {
		snprintf(item, sizeof item, "\n.It Cm %s No =", row->name);
		if (!strstr(text, item))
			fail_msg("smtpguard-rules(5) has no item for the member %s", row->name);
		for (const struct word *w = row->words; w && w->text; w++) {
			snprintf(item, sizeof item, "\n.It Cm %s\n", w->text);
			if (*w->text && !w->not_built && !strstr(text, item))
				fail_msg("smtpguard-rules(5) has no item for %s = \"%s\"", row->name, w->text);
		}
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_values),
		cmocka_unit_test(test_restart),	   cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_shipped_is_default), cmocka_unit_test(test_manual),
		cmocka_unit_test(test_man_page),   cmocka_unit_test(test_rules_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
