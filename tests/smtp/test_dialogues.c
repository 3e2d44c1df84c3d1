/* Runs tests/smtp/dialogues/NAME.txt, each whole and (unless it says "O: whole") cut at every byte.
 *
 *   C: text   the client sends text and CR LF; consecutive C lines go out as one group
 *   c: text   the same without CR LF. Escapes: \r \n \t \0 \xHH \\
 *   A: 550 5.1.1 text   answers the next question that has no answer yet
 *   S: text   the next line of our reply, exactly
 *   E: name   the next offence
 *   L: text   the next line of that kind (first word) in the driver's log, exactly
 *   X         the session is closed, nothing more was said
 *   O: name value   a setting: recipients errors junk size_max ext_on ext_off bare_cr bare_newline; before the
 *                   first C
 */
#include "server_driver.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

static const char FOLDER[] = "tests/smtp/dialogues";

struct dialogue {
	struct driver d;
	struct buf group;
	const char *file;
	size_t line, step;
	size_t offences_seen, told; /* bytes of the log already looked at, for E and for L */
	bool whole;
};

static struct slice rest_of(struct slice line)
{
	line = slice_skip(line, 2);
	return line.n && line.p[0] == ' ' ? slice_skip(line, 1) : line;
}

static void put_unescaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\' && i + 1 < s.n) {
			c = s.p[++i];
			if (c == 'x' && i + 2 < s.n) {
				c = (char)strtol((char[]){ s.p[i + 1], s.p[i + 2], 0 }, NULL, 16);
				i += 2;
			} else {
				c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
			}
		}
		assert_true(buf_put(out, slice_of(&c, 1)));
	}
}

static void send_group(struct dialogue *g)
{
	if (buf_len(&g->group) == 0)
		return;
	driver_feed_cut(&g->d, buf_slice(&g->group), g->step);
	buf_clear(&g->group);
}

static void expect_reply(struct dialogue *g, struct slice want)
{
	struct slice got = buf_slice(&g->d.out);
	struct slice line = slice_cut(&got, '\r');
	if (!slice_eq(line, want))
		fail_msg("%s:%zu: wanted \"%.*s\", got \"%.*s\"", g->file, g->line, SLICE_ARG(want), SLICE_ARG(line));
	buf_consume(&g->d.out, line.n + 2);
}

static void expect_offence(struct dialogue *g, struct slice want)
{
	struct slice log = slice_skip(buf_slice(&g->d.log), g->offences_seen);
	while (log.n && !slice_starts(log, SLICE("OFFENCE ")))
		slice_cut(&log, '\n');
	struct slice rest = slice_skip(log, 8), line = slice_cut(&rest, '\n');
	if (!slice_eq(slice_cut(&line, ' '), want))
		fail_msg("%s:%zu: wanted offence %.*s; log:\n%s", g->file, g->line, SLICE_ARG(want), driver_log(&g->d));
	g->offences_seen = buf_len(&g->d.log) - rest.n;
}

/* The first line behind what was looked at that has the wanted one's first word. */
static void expect_logged(struct dialogue *g, struct slice want)
{
	struct slice log = slice_skip(buf_slice(&g->d.log), g->told), line = slice_cut(&log, '\n'), kind = want;
	kind = slice_cut(&kind, ' ');
	while (log.n && !slice_eq(slice_of(line.p, slice_find(line, ' ')), kind))
		line = slice_cut(&log, '\n');
	if (!slice_eq(line, want))
		fail_msg("%s:%zu: wanted \"%.*s\"; log:\n%s", g->file, g->line, SLICE_ARG(want), driver_log(&g->d));
	g->told = buf_len(&g->d.log) - log.n;
}

static void expect_closed(struct dialogue *g)
{
	if (!g->d.closed || buf_len(&g->d.out))
		fail_msg("%s:%zu: wanted the end, got \"%s\"", g->file, g->line, driver_replies(&g->d));
}

static void option(struct dialogue *g, struct slice rest)
{
	struct slice name = slice_cut(&rest, ' ');
	struct smtp_server_config *c = &g->d.config;
	uint64_t value = 0;
	if (slice_eq(name, SLICE("whole"))) {
		g->whole = true;
		return;
	}
	assert_true(slice_u64(rest, UINT32_MAX, &value));
	if (slice_eq(name, SLICE("recipients")))
		c->recipients = (uint32_t)value;
	else if (slice_eq(name, SLICE("errors")))
		c->errors = (uint32_t)value;
	else if (slice_eq(name, SLICE("junk")))
		c->junk = (uint32_t)value;
	else if (slice_eq(name, SLICE("size_max")))
		c->size_max = value;
	else if (slice_eq(name, SLICE("ext_on")))
		c->ext |= (unsigned)value;
	else if (slice_eq(name, SLICE("ext_off")))
		c->ext &= ~(unsigned)value;
	else if (slice_eq(name, SLICE("bare_cr")))
		c->bare_cr = (enum smtp_stray)value;
	else if (slice_eq(name, SLICE("bare_newline")))
		c->bare_newline = (enum smtp_stray)value;
	else
		fail_msg("%s:%zu: no such option", g->file, g->line);
}

static void script(struct dialogue *g, struct slice rest)
{
	char text[200];
	struct buf b = { 0 };
	uint64_t code = 0;
	assert_true(slice_u64(slice_cut(&rest, ' '), 599, &code));
	put_unescaped(&b, rest);
	assert_true(buf_len(&b) < sizeof text);
	snprintf(text, sizeof text, "%.*s", SLICE_ARG(buf_slice(&b)));
	buf_release(&b);
	driver_answer_next(&g->d, (int)code, text);
}

static void run_line(struct dialogue *g, struct slice line)
{
	struct slice rest = rest_of(line);
	if (line.n == 0 || line.p[0] == '#')
		return;
	if (line.p[0] == 'C' || line.p[0] == 'c') {
		put_unescaped(&g->group, rest);
		if (line.p[0] == 'C')
			assert_true(buf_put(&g->group, SLICE("\r\n")));
		return;
	}
	if (line.p[0] != 'A' && line.p[0] != 'O')
		send_group(g);
	switch (line.p[0]) {
	case 'A':
		script(g, rest);
		break;
	case 'S':
		expect_reply(g, rest);
		break;
	case 'E':
		expect_offence(g, rest);
		break;
	case 'L':
		expect_logged(g, rest);
		break;
	case 'X':
		expect_closed(g);
		break;
	case 'O':
		option(g, rest);
		break;
	default:
		fail_msg("%s:%zu: what is this?", g->file, g->line);
	}
}

/* Returns whether it may be cut. */
static bool run_dialogue(const char *file, struct slice text, size_t step)
{
	struct dialogue g = { .file = file, .step = step };
	driver_init(&g.d);
	while (text.n) {
		struct slice line = slice_cut(&text, '\n');
		g.line++;
		run_line(&g, line);
	}
	send_group(&g);
	if (buf_len(&g.d.out))
		fail_msg("%s: more was said: %s", file, driver_replies(&g.d));
	assert_false(g.d.broken);
	assert_int_equal(g.d.used, g.d.scripted);
	buf_release(&g.group);
	driver_free(&g.d);
	return !g.whole;
}

static void run_file(const char *name)
{
	char path[512], text[16384];
	snprintf(path, sizeof path, "%s/%s", FOLDER, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_true(n > 0 && n < sizeof text);
	if (run_dialogue(name, slice_of(text, n), SIZE_MAX))
		for (size_t step = 1; step < 40; step++)
			run_dialogue(name, slice_of(text, n), step);
}

static void all_dialogues(void **state)
{
	(void)state;
	DIR *folder = opendir(FOLDER);
	assert_non_null(folder);
	unsigned ran = 0;
	for (struct dirent *e; (e = readdir(folder));) {
		if (e->d_name[0] == '.')
			continue;
		run_file(e->d_name);
		ran++;
	}
	closedir(folder);
	assert_true(ran >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_dialogues) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
