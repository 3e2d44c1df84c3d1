#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "score/ast.h"

/* What an expression becomes in canonical form. */
static void canonical(const char *source, const char *wanted)
{
	struct arena a = { 0 };
	struct buf out = { 0 };
	struct score_fault f = { 0 };
	struct score_node *n = score_parse(slice_str(source), &a, &f);
	if (!n)
		fail_msg("%s: %s at %zu", source, f.text, f.at);
	assert_true(score_print(n, &out) && buf_put(&out, slice_of("", 1)));
	assert_string_equal(out.data, wanted);
	buf_release(&out);
	arena_release(&a);
}

/* Where an expression is faulty, and a part of what is said. */
static void faulty(const char *source, size_t at, const char *says)
{
	struct arena a = { 0 };
	struct score_fault f = { 0 };
	struct score_node *n = score_parse(slice_str(source), &a, &f);
	if (n && score_check(n, &f))
		fail_msg("taken: %s", source);
	if (!strstr(f.text, says) || f.at != at)
		fail_msg("%s: \"%s\" at %zu, wanted \"%s\" at %zu", source, f.text, f.at, says, at);
	arena_release(&a);
}

static void checked(const char *source)
{
	struct arena a = { 0 };
	struct score_fault f = { 0 };
	struct score_node *n = score_parse(slice_str(source), &a, &f);
	if (!n || !score_check(n, &f))
		fail_msg("%s: %s at %zu", source, f.text, f.at);
	arena_release(&a);
}

static void or_binds_less_than_and(void **state)
{
	(void)state;
	canonical("tls || tls && tls", "tls or tls and tls");
	canonical("(tls || tls) && tls", "(tls or tls) and tls");
	canonical("tls && (tls && tls)", "tls and (tls and tls)");
	canonical("tls or tls or tls", "tls or tls or tls");
	canonical("((tls or tls)) or tls", "(tls or tls) or tls");
}

static void not_binds_less_than_a_comparison(void **state)
{
	(void)state;
	canonical("!score > 5", "not score > 5");
	canonical("not tls and tls", "not tls and tls");
	canonical("! ( tls and tls )", "not (tls and tls)");
	canonical("!!tls", "not not tls");
	canonical("(score > 5) is known", "(score > 5) is known");
	canonical("not (tls is known)", "not tls is known");
}

static void every_form_of_the_language_is_read(void **state)
{
	(void)state;
	canonical("sender =~ /^a\\/b@/i", "sender =~ /^a\\/b@/i");
	canonical("helo !~/x/ ", "helo !~ /x/");
	canonical("client.ip in list(\"trusted\")", "client.ip in list('trusted')");
	canonical("client.ip in 192.0.2.0/24", "client.ip in 192.0.2.0/24");
	canonical("client.ip in 2001:db8::/32", "client.ip in 2001:db8::/32");
	canonical("client.ip == ::1", "client.ip == ::1");
	canonical("client.ip == abcd::1", "client.ip == abcd::1");
	canonical("client.ip in (192.0.2.7, ::1)", "client.ip in (192.0.2.7, ::1)");
	canonical("sender.domain in (\"a\", 'b\\'\\\\')", "sender.domain in ('a', 'b\\'\\\\')");
	canonical("client.rdns is none", "client.rdns is none");
	canonical("spf is unknown or spf is known", "spf is unknown or spf is known");
	canonical("client.age<10m", "client.age < 10m");
	canonical("message.size >= 64k", "message.size >= 64k");
	canonical("count(bad_recipients by client, 10m) > 5", "count(bad_recipients by client, 10m) > 5");
	canonical("count(messages by sender , net( 24 , 48 ), 1.5h)>1",
		"count(messages by sender, net(24,48), 1.5h) > 1");
	canonical("distinct(sender by client, 1h) > 30", "distinct(sender by client, 1h) > 30");
	canonical("spike(messages by sender) > 10", "spike(messages by sender) > 10");
	canonical("record(sender) >= -60", "record(sender) >= -60");
	canonical("dnsbl('zen.example') != '127.0.0.2'", "dnsbl('zen.example') != '127.0.0.2'");
	canonical("dnsbl_domain('dbl.example', sender.domain) is known",
		"dnsbl_domain('dbl.example', sender.domain) is known");
	canonical("header('Subject') =~ /x/", "header('Subject') =~ /x/");
}

static void a_fault_points_at_its_place(void **state)
{
	(void)state;
	faulty("sendr == 'x'", 0, "did you mean 'sender'?");
	faulty("tls and client.conections > 5", 8, "did you mean 'client.connections'?");
	faulty("cuont(messages by client, 1m) > 5", 0, "did you mean 'count'?");
	faulty("count(mesages by client, 1m) > 5", 6, "did you mean 'messages'?");
	faulty("count(messages by clint, 1m) > 5", 18, "did you mean 'client'?");
	faulty("xyzzy", 0, "unknown attribute 'xyzzy'");
	faulty("", 0, "ends where");
	faulty("tls and", 7, "ends where a value");
	faulty("tls tls", 4, "or the end is wanted here");
	faulty("tls AND tls", 4, "small letters");
	faulty("(tls", 4, "closing parenthesis");
	faulty("tls)", 3, "closes nothing");
	faulty("score = 5", 6, "written ==");
	faulty("score => 5", 6, ">= or <=");
	faulty("sender ~ /x/", 7, "=~ or !~");
	faulty("tls & tls", 4, "&& or ||");
	faulty("sender == 'x", 10, "no end");
	faulty("sender == 'a\\n'", 12, "after a backslash");
	faulty("sender =~ 'x'", 10, "a pattern like");
	faulty("sender =~ /x", 10, "no closing /");
	faulty("sender =~ /x/g", 13, "only flag");
	faulty("1 < score < 5", 10, "cannot be chained");
	faulty("client.rdns == 'none'", 15, "ok mismatch; without a name: client.rdns is none");
	faulty("spf in ('fail', 'temperror')", 16, "spf is unknown");
	faulty("'ip' != helo.form", 0, "fqdn literal bare invalid");
	faulty("tls.version == '1.1'", 15, "tls.version is one of: 1.2 1.3;");
	canonical("spf in ('Fail', 'none')", "spf in ('Fail', 'none')");
	faulty("count(messages by client) > 1", 24, "time such as 10m");
	faulty("count(messages by client, 10) > 1", 26, "with its unit");
	faulty("count(messages by client, sender, helo, 10m) > 1", 34, "at most 2 keys");
	faulty("client.ip in 192.0.2.1/24", 13, "not an IP address or prefix");
	faulty("client.ip in 1.2.3", 13, "not an IP address");
	faulty("score > 5x", 8, "units are");
	faulty("score > 1234567890123456", 8, "not a number");
	faulty("count(messages by net(33,48), 1m) > 1", 22, "1 to 32");
	faulty("tls ; tls", 4, "means nothing");
	faulty("score > 5.", 8, "not a number");
}

static void a_fault_says_what_to_write_instead(void **state)
{
	(void)state;
	faulty("spf == fail", 7, "it stands in quotes");
	faulty("sender.domain == example.com", 17, "it stands in quotes");
	faulty("count(rcpts by client, 1m) > 1", 6, "known: connections, messages,");
	faulty("count(rcpts by client, 1m) > 1", 6, ", bytes, offences, auth_failures");
	faulty("record(xyzzyxy) > 1", 7, "known: client, net, sender, sender.domain,");
	faulty("record(xyzzyxy) > 1", 7, "identity, listener, all");
	faulty("xyzzyxy(spf)", 0, "known: count, distinct, spike, record, dnsbl, dnsbl_domain, header");
	faulty("record('a@b.test') > 1", 7, "the key, such as client, is wanted here");
	faulty("record(client, sender) > 1", 13, "record takes one key");
	faulty("count(messages, 1m) > 1", 14, "as in messages by client");
	faulty("tls == true", 7, "write tls, or not tls");
	faulty("false", 0, "write tls, or not tls");
	faulty("sender != none", 10, "is none");
	faulty("spf == unknown", 7, "is unknown");
	faulty("sender == null", 10, "sender.null");
}

static void types_are_checked(void **state)
{
	(void)state;
	checked("score >= 20 and not tls");
	checked("client.ip in (192.0.2.1, 10.0.0.0/8) or client.ip == ::1");
	checked("count(bytes by client, 1h) > 1G");
	checked("offences in (1, 2, 3)");
	checked("(tls or score > 1) is unknown");
	checked("record(sender) > 3 and record(net(24,48)) < 5");
	faulty("score", 0, "needs something true or false; this is a number");
	faulty("tls and sender", 8, "this is a text, not true or false");
	faulty("sender == 5", 10, "a text cannot be compared with a number");
	faulty("client.ip == '192.0.2.1'", 13, "without quotes");
	faulty("client.ip == 192.0.2.0/24", 13, "with 'in'");
	faulty("sender < 'b'", 7, "only compared with == and !=");
	faulty("score > 10m", 8, "a number cannot be compared with a time");
	faulty("count(bytes by client, 1h) > 10m", 29, "megabytes is written with M");
	faulty("tls == tls", 4, "true or false is not compared");
	faulty("client.ip =~ /x/", 0, "=~ is for a text");
	faulty("sender in 192.0.2.0/24", 0, "in PREFIX is for an address");
	faulty("score in list('x')", 0, "in list() is for a text");
	faulty("sender in ('a', 5)", 16, "a text cannot be compared with a number");
	faulty("count(messages by client, 60d) > 1", 0, "from 1s to 31d");
	faulty("count(messages by client, client, 1m) > 1", 18, "same key twice");
}

static void what_a_function_cannot_take_is_a_fault(void **state)
{
	(void)state;
	checked("distinct(client.ip by sender, 1h) > 5 or distinct(helo by net(24,48), 1h) > 5");
	faulty("distinct(score by client, 1h) > 5", 9, "distinct is for texts and addresses; 'score' is a number");
	faulty("distinct(tls by client, 1h) > 5", 9, "'tls' is true or false");
	faulty("header('Sub ject') is none", 0, "without blank and colon");
	faulty("header('') is none", 0, "without blank and colon");
	faulty("spike(messages by client, 5m) > 2", 26, "spike takes no window");
	faulty("dnsbl_domain('d', sender.null) is none", 0, "asks about a domain");
	faulty("dnsbl_domain('d', sender) is none", 0, "asks about a domain");
}

static void what_is_never_known_is_typed_all_the_same(void **state)
{
	(void)state;
	checked("client.rdns is none and client.dynamic and spf == 'pass' and not sender.mx");
	checked("dnsbl('zen.example') in ('127.0.0.2', '127.0.0.3')");
	checked("count(auth_failures by auth.user, 1m) > 1");
	faulty("spf == 5", 7, "a text cannot be compared with a number");
	faulty("client.dynamic == 'x'", 15, "not compared");
}

static void size_and_depth_are_bounded(void **state)
{
	(void)state;
	char text[SCORE_EXPR_LENGTH + 2];
	memset(text, '(', sizeof text);
	text[100] = '\0';
	faulty(text, SCORE_EXPR_DEPTH, "nested more than");
	memset(text, '!', sizeof text);
	text[100] = '\0';
	faulty(text, SCORE_EXPR_DEPTH, "nested more than");
	memset(text, ' ', sizeof text);
	text[SCORE_EXPR_LENGTH + 1] = '\0';
	faulty(text, SCORE_EXPR_LENGTH, "longer than");
	size_t n = 0;
	while (n + 8 < SCORE_EXPR_LENGTH)
		n += (size_t)snprintf(text + n, sizeof text - n, "%stls", n ? " or " : "");
	faulty(text, 3493, "more than 500 parts");
}

/* --- property: what is printed and read again is the same tree --- */

static unsigned seed;

static unsigned any(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static bool put(struct buf *b, const char *s)
{
	return buf_put(b, slice_str(s));
}

static void make_expression(struct buf *b, unsigned depth);

static void make_leaf(struct buf *b)
{
	static const char *const leaves[] = { "tls", "score >= 1.5", "sender =~ /a(b|c)/i", "helo !~ /x\\/y/",
		"spf is none", "client.ip in 10.0.0.0/8", "client.ip in (::1, 192.0.2.0/24)", "sender in list('a')",
		"recipient in (\"x\", 'y\\'')", "count(messages by sender, client, 10m) > 5", "spike(bytes by all) < 3",
		"record(net(8,32)) != 0", "message.size > 25M", "distinct(helo by net(24,64), 7d) <= 2",
		"dnsbl('z') == '127.0.0.2'", "client.age < 1h", "points == -1" };
	assert_true(put(b, leaves[any(sizeof leaves / sizeof *leaves)]));
}

static void make_expression(struct buf *b, unsigned depth)
{
	unsigned kind = depth ? any(6) : 0;
	if (kind < 2) {
		make_leaf(b);
		return;
	}
	if (kind == 2) {
		assert_true(put(b, any(2) ? "!" : "not "));
		make_expression(b, depth - 1);
		return;
	}
	if (kind == 3) {
		assert_true(put(b, "("));
		make_expression(b, depth - 1);
		assert_true(put(b, any(3) ? ")" : ") is known"));
		return;
	}
	make_expression(b, depth - 1);
	for (unsigned i = 1 + any(2); i--;) {
		assert_true(put(b, kind == 4 ? (any(2) ? " and " : " && ") : (any(2) ? " or " : "||")));
		make_expression(b, depth - 1);
	}
}

static bool same(const struct score_node *a, const struct score_node *b)
{
	if (!a || !b)
		return a == b;
	bool calls = !a->call == !b->call;
	if (a->call && b->call)
		calls = a->call->function == b->call->function && a->call->event == b->call->event &&
			a->call->attr == b->call->attr && a->call->keys_n == b->call->keys_n &&
			memcmp(a->call->keys, b->call->keys, sizeof a->call->keys) == 0 &&
			slice_eq(a->call->window, b->call->window) && slice_eq(a->call->text, b->call->text);
	return calls && a->kind == b->kind && a->op == b->op && a->fold == b->fold && a->negated == b->negated &&
	       slice_eq(a->text, b->text) && a->unit == b->unit && a->prefix.bits == b->prefix.bits &&
	       same(a->a, b->a) && same(a->next, b->next);
}

static void printing_and_reading_again_gives_the_same_tree(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct arena a = { 0 };
		struct buf source = { 0 }, out = { 0 };
		struct score_fault f = { 0 };
		seed = round;
		make_expression(&source, 5);
		struct score_node *n = score_parse(buf_slice(&source), &a, &f);
		if (n) { /* else larger than allowed */
			assert_true(score_print(n, &out));
			struct score_node *again = score_parse(buf_slice(&out), &a, &f);
			if (!again || !same(n, again))
				fail_msg("%.*s\n%.*s\n%s", SLICE_ARG(buf_slice(&source)), SLICE_ARG(buf_slice(&out)),
					f.text);
		} else if (!strstr(f.text, "longer than") && !strstr(f.text, "more than")) {
			fail_msg("%.*s: %s", SLICE_ARG(buf_slice(&source)), f.text);
		}
		buf_release(&source);
		buf_release(&out);
		arena_release(&a);
	}
}

/* Every beginning of an expression is read or refused, and memory may run out anywhere. */
static void cut_at_every_byte_it_ends_well(void **state)
{
	(void)state;
	static const char whole[] =
		"not (sender =~ /a/i or client.ip in (::1, 10.0.0.0/8)) and count(messages by net(24,48), 1m) > 5 "
		"or recipient.domain in list('x') && helo is none and record(sender) > 1k";
	for (size_t n = 0; n < sizeof whole; n++) {
		struct arena a = { .limit = 200 * (n % 40) + 1 };
		struct score_fault f = { 0 };
		char *exact = malloc(n ? n : 1); /* so that the sanitizer sees one byte too far */
		memcpy(exact, whole, n);
		if (!score_parse(slice_of(exact, n), &a, &f))
			assert_true(f.text[0] && f.at <= n);
		free(exact);
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(or_binds_less_than_and),
		cmocka_unit_test(not_binds_less_than_a_comparison),
		cmocka_unit_test(every_form_of_the_language_is_read),
		cmocka_unit_test(a_fault_points_at_its_place),
		cmocka_unit_test(a_fault_says_what_to_write_instead),
		cmocka_unit_test(types_are_checked),
		cmocka_unit_test(what_a_function_cannot_take_is_a_fault),
		cmocka_unit_test(what_is_never_known_is_typed_all_the_same),
		cmocka_unit_test(size_and_depth_are_bounded),
		cmocka_unit_test(printing_and_reading_again_gives_the_same_tree),
		cmocka_unit_test(cut_at_every_byte_it_ends_well),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
