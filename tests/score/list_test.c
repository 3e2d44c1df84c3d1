#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "score/list.h"

static const struct hash_key secret = { 3, 4 };

static struct score_list *read_in_pieces(struct slice text, size_t piece, struct buf *faults)
{
	struct score_list *l = score_list_new(&secret);
	assert_non_null(l);
	for (; text.n; text = slice_skip(text, piece)) {
		size_t n = text.n < piece ? text.n : piece;
		char *exact = malloc(n);
		memcpy(exact, text.p, n);
		assert_true(score_list_feed(l, slice_of(exact, n), faults));
		free(exact);
	}
	assert_true(score_list_finish(l, faults));
	return l;
}

static struct score_list *read_all(const char *text)
{
	struct buf faults = { 0 };
	struct score_list *l = read_in_pieces(slice_str(text), 100000, &faults);
	assert_int_equal(buf_len(&faults), 0);
	return l;
}

static bool has_ip(const struct score_list *l, const char *text)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	return score_list_has_ip(l, &ip, &(struct score_effort){ 0 }) == SCORE_MATCH_YES;
}

static bool has(const struct score_list *l, const char *name)
{
	return score_list_has_name(l, slice_str(name), &(struct score_effort){ 0 }) == SCORE_MATCH_YES;
}

static void every_entry_form_is_found(void **state)
{
	(void)state;
	struct score_list *l =
		read_all("# a comment\n\n 192.0.2.7 \t# ours\n10.0.0.0/8\r\n2001:db8::/32\n::1\nexample.com\n"
			 ".below.example\nUser#1@Example.net\n/^bounce-.*@/i\n/case/");
	assert_int_equal(score_list_entries(l), 9);
	assert_true(has_ip(l, "192.0.2.7") && !has_ip(l, "192.0.2.8") && !has_ip(l, "192.0.2.6"));
	assert_true(has_ip(l, "10.0.0.0") && has_ip(l, "10.255.255.255") && !has_ip(l, "11.0.0.0") &&
		    !has_ip(l, "9.255.255.255"));
	assert_true(has_ip(l, "::ffff:10.1.2.3"));
	assert_true(has_ip(l, "2001:db8:ffff::1") && !has_ip(l, "2001:db9::") && has_ip(l, "::1") && !has_ip(l, "::2"));
	assert_true(has(l, "example.com") && has(l, "EXAMPLE.Com") && has(l, "anyone@example.com"));
	assert_false(has(l, "www.example.com") || has(l, "a@www.example.com") || has(l, "xexample.com"));
	assert_true(has(l, "below.example") && has(l, "a.below.example") && has(l, "x@a.b.below.example"));
	assert_false(has(l, "notbelow.example") || has(l, ".below.example") || has(l, ""));
	assert_true(has(l, "user#1@example.NET") && !has(l, "example.net") && !has(l, "user@example.net"));
	assert_true(has(l, "Bounce-12@x") && has(l, "xcasex") && !has(l, "xCASEx"));
	assert_false(has(l, "@") || has(l, ".") || has(l, "a@.") || has(l, "x@"));
	score_list_free(&l);
	assert_null(l);
}

static void faults_name_their_line(void **state)
{
	(void)state;
	struct buf faults = { 0 };
	char text[3000] = "good.example\n192.0.2.1/24\n/a(/\n/a/g\nuser@\n@x\na b\n1.2.3.4/33\n";
	size_t n = strlen(text);
	memset(text + n, 'x', 1500);
	memcpy(text + n + 1500, "\nlast.example", 14);
	struct score_list *l = read_in_pieces(slice_str(text), 7, &faults);
	assert_true(buf_put(&faults, slice_of("", 1)));
	assert_string_equal(faults.data,
		"2: not an address or prefix (bits behind a prefix must be zero)\n"
		"3: pattern, at its byte 3: missing closing parenthesis\n4: a pattern is written /.../ or /.../i\n"
		"5: not an address, prefix, domain, .domain, user@domain or /pattern/\n"
		"6: not an address, prefix, domain, .domain, user@domain or /pattern/\n"
		"7: not an address, prefix, domain, .domain, user@domain or /pattern/\n"
		"8: not an address or prefix (bits behind a prefix must be zero)\n9: a line longer than 1024 bytes\n");
	assert_int_equal(score_list_faults(l), 8);
	assert_true(has(l, "good.example") && has(l, "last.example"));
	score_list_free(&l);
	buf_release(&faults);
}

static void what_was_meant_is_said(void **state)
{
	(void)state;
	struct buf faults = { 0 };
	struct score_list *l = read_in_pieces(
		SLICE("*.example.com\n192.0.2\n192.0.2.300\na@b.7\nx7.example\n7.example\n"), 9, &faults);
	assert_true(buf_put(&faults, slice_of("", 1)));
	assert_string_equal(faults.data,
		"1: a domain and all below it is written .example.com, without the *\n"
		"2: not an address (four numbers from 0 to 255), and no domain ends in a number\n"
		"3: not an address (four numbers from 0 to 255), and no domain ends in a number\n"
		"4: not an address (four numbers from 0 to 255), and no domain ends in a number\n");
	assert_true(has(l, "x7.example") && has(l, "7.example"));
	score_list_free(&l);
	buf_release(&faults);
}

static void many_faults_are_told_once(void **state)
{
	(void)state;
	struct buf faults = { 0 };
	char text[200];
	memset(text, '\n', sizeof text);
	for (unsigned i = 0; i < sizeof text; i += 2)
		text[i] = '@';
	struct score_list *l = read_in_pieces(slice_of(text, sizeof text), 1, &faults);
	assert_int_equal(score_list_faults(l), 100);
	assert_true(buf_put(&faults, slice_of("", 1)));
	assert_non_null(strstr(faults.data, "100: and 80 more faults\n"));
	score_list_free(&l);
	buf_release(&faults);
}

static void cut_at_every_byte_it_is_the_same_list(void **state)
{
	(void)state;
	struct slice text = SLICE("10.0.0.0/8 # x\n2001:db8::1\n\n.a.example\r\nu@b.example\n/x\\/y/i\n#end");
	for (size_t piece = 1; piece <= text.n; piece++) {
		struct buf faults = { 0 };
		struct score_list *l = read_in_pieces(text, piece, &faults);
		assert_int_equal(buf_len(&faults), 0);
		assert_int_equal(score_list_entries(l), 5);
		assert_true(has_ip(l, "10.1.1.1") && has_ip(l, "2001:db8::1") && has(l, "q.a.example") &&
			    has(l, "u@b.example") && has(l, "aX/Yb"));
		score_list_free(&l);
		buf_release(&faults);
	}
}

static void overlapping_prefixes_are_one_range(void **state)
{
	(void)state;
	struct score_list *l =
		read_all("10.0.0.0/8\n10.1.0.0/16\n10.1.2.3\n11.0.0.0/8\n2001:db8::/32\n2001:db8:1::/48\n");
	assert_true(has_ip(l, "10.200.0.1") && has_ip(l, "10.1.2.3") && has_ip(l, "11.255.255.255") &&
		    !has_ip(l, "12.0.0.0"));
	assert_true(has_ip(l, "2001:db8:2::1") && has_ip(l, "2001:db8:1::1"));
	score_list_free(&l);
	l = read_all("0.0.0.0/0\n");
	assert_true(has_ip(l, "0.0.0.0") && has_ip(l, "255.255.255.255") && !has_ip(l, "::1"));
	score_list_free(&l);
	l = read_all("::/0\n");
	assert_true(has_ip(l, "192.0.2.1") && has_ip(l, "ffff::1"));
	score_list_free(&l);
	l = read_all("\xef\xbb\xbf" "192.0.2.1\r\nx.example\r\n");
	assert_true(has_ip(l, "192.0.2.1") && has(l, "x.example"));
	score_list_free(&l);
	l = read_all("");
	assert_false(has_ip(l, "192.0.2.1") || has(l, "x.example"));
	score_list_free(&l);
}

static void a_large_list_is_small_and_complete(void **state)
{
	(void)state;
	struct score_list *l = score_list_new(&secret);
	struct buf faults = { 0 };
	char line[64];
	enum { N = 100000 };
	for (unsigned i = 0; i < N; i++) {
		int n = snprintf(line, sizeof line, "%u.%u.%u.%u\nd%u.example\n", 1 + i % 200, i / 256 % 256, i / 65536,
			i % 256, i);
		assert_true(score_list_feed(l, slice_of(line, (size_t)n), &faults));
	}
	assert_true(score_list_finish(l, &faults));
	assert_int_equal(buf_len(&faults), 0);
	assert_true(score_list_memory(l) <= N * 16 + 4096);
	for (unsigned i = 0; i < N + 100; i++) {
		(void)snprintf(line, sizeof line, "d%u.example", i);
		assert_int_equal(has(l, line), i < N);
	}
	score_list_free(&l);
}

/* Nets of all widths within, beside and on top of one another, against each of them asked alone. */
static void nets_of_ipv6_are_found_like_one_by_one(void **state)
{
	(void)state;
	enum { NETS = 300, ASKED = 3000 };
	struct score_list *l = score_list_new(&secret);
	struct buf faults = { 0 };
	static struct ip_prefix nets[NETS];
	unsigned seed = 1, inside = 0;
	char line[IP_TEXT + 8], text[IP_TEXT];
	for (unsigned i = 0; i < NETS; i++) {
		struct ip ip = { { 0x20, 1 } };
		for (unsigned b = 2; b < 6; b++) /* few different bytes: many lie within another */
			seed = seed * 1103515245u + 12345u, ip.b[b] = (uint8_t)((seed >> 16) % 4 * 0x55);
		nets[i].bits = (uint8_t)(24 + (seed >> 20) % 105);
		nets[i].addr = ip_mask(&ip, nets[i].bits);
		text[ip_format(&nets[i].addr, text)] = 0;
		int n = snprintf(line, sizeof line, "%s/%u\n", text, nets[i].bits);
		assert_true(score_list_feed(l, slice_of(line, (size_t)n), &faults));
	}
	assert_true(score_list_finish(l, &faults) && buf_len(&faults) == 0);
	for (unsigned i = 0; i < ASKED; i++) {
		struct ip ip = { { 0x20, 1 } };
		bool in = false;
		for (unsigned b = 2; b < 8; b++)
			seed = seed * 1103515245u + 12345u, ip.b[b] = (uint8_t)((seed >> 16) % 4 * (b < 6 ? 0x55 : 1));
		for (unsigned n = 0; n < NETS; n++)
			in |= ip_prefix_has(&nets[n], &ip);
		assert_int_equal(score_list_has_ip(l, &ip, &(struct score_effort){ 0 }) == SCORE_MATCH_YES, in);
		inside += in;
	}
	assert_in_range(inside, 1, ASKED - 1);
	score_list_free(&l);
}

static void a_list_has_a_bound_that_is_told_once(void **state)
{
	(void)state;
	enum { IN_A_PIECE = 100000 };
	struct score_list *l = score_list_new(&secret);
	struct buf faults = { 0 };
	static char piece[IN_A_PIECE * 2];
	for (unsigned i = 0; i < IN_A_PIECE; i++)
		memcpy(piece + i * 2, "x\n", 2);
	for (unsigned i = 0; i < SCORE_LIST_ENTRIES / IN_A_PIECE; i++)
		assert_true(score_list_feed(l, slice_of(piece, sizeof piece), &faults));
	assert_int_equal(buf_len(&faults), 0);
	assert_true(score_list_feed(l, SLICE("# a comment is no entry\ny\nz\n"), &faults));
	assert_int_equal(score_list_entries(l), SCORE_LIST_ENTRIES);
	assert_int_equal(score_list_faults(l), 1);
	assert_true(slice_eq(buf_slice(&faults), SLICE("20000002: more than 20000000 entries in one list: this and "
						       "what follows is left out\n")));
	buf_release(&faults);
	score_list_free(&l);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	struct slice text = SLICE("10.0.0.0/8\n::1\nx.example\n/a/\n@\n");
	bool done = false;
	long fail = 0;
	for (; !done && fail < 100; fail++) {
		struct buf faults = { 0 };
		(void)mem_fail_after(fail);
		struct score_list *l = score_list_new(&secret);
		done = l && score_list_feed(l, text, &faults) && score_list_finish(l, &faults) &&
		       score_list_entries(l) == 4;
		(void)mem_fail_after(-1);
		score_list_free(&l);
		buf_release(&faults);
	}
	assert_true(done && fail > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_form_is_found),
		cmocka_unit_test(faults_name_their_line),
		cmocka_unit_test(what_was_meant_is_said),
		cmocka_unit_test(many_faults_are_told_once),
		cmocka_unit_test(cut_at_every_byte_it_is_the_same_list),
		cmocka_unit_test(overlapping_prefixes_are_one_range),
		cmocka_unit_test(a_large_list_is_small_and_complete),
		cmocka_unit_test(nets_of_ipv6_are_found_like_one_by_one),
		cmocka_unit_test(a_list_has_a_bound_that_is_told_once),
		cmocka_unit_test(memory_may_run_out_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
