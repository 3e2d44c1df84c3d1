/* smtpguard-rules(5) has what the language has: each word of score/names.c with its type and stage, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "score/ruleset.h"

enum { PAGE_MAX = 1 << 20, SECTION_MAX = 1 << 16 };
static const char PAGE[] = "docs/man/smtpguard-rules.5";

/* The text of one section, to be freed. */
static char *section(const char *title)
{
	char *page = calloc(1, PAGE_MAX), head[64];
	FILE *f = fopen(PAGE, "r");
	assert_non_null(f);
	assert_non_null(page);
	assert_in_range(fread(page, 1, PAGE_MAX - 1, f), 1, PAGE_MAX - 2);
	fclose(f);
	(void)snprintf(head, sizeof head, "\n.Sh %s\n", title);
	char *from = strstr(page, head);
	char *to = from ? strstr(from + strlen(head), "\n.Sh ") : NULL;
	if (!to)
		fail_msg("%s has no section %s", PAGE, title);
	to[1] = 0;
	memmove(page, from, strlen(from) + 1);
	return page;
}

static unsigned items(const char *text)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, "\n.It ")); p++)
		n++;
	return n;
}

static void has(const char *text, const char *item)
{
	if (!strstr(text, item))
		fail_msg("%s lacks the line:%s", PAGE, item);
}

static const char *type_word(enum score_type type)
{
	static const char *const words[] = { "true or false", "number", "time", "size", "text", "address" };
	return words[type];
}

static const char *unknown(const struct score_name *n)
{
	return n->reads.facts & SCORE_HAS_LATER ? " , unknown in this version" : "";
}

static void attributes(void **state)
{
	(void)state;
	char *text = section("ATTRIBUTES"), item[160];
	assert_int_equal(items(text), SCORE_ATTRS);
	for (unsigned i = 0; i < SCORE_ATTRS; i++) {
		const struct score_name *n = &score_attrs[i];
		(void)snprintf(item, sizeof item, "\n.It Cm %s Pq %s , %s%s%s\n", n->name, type_word(n->type),
			score_stage_names[n->reads.born], n->reads.changing ? " , changing" : "", unknown(n));
		has(text, item);
	}
	free(text);
}

static void functions(void **state)
{
	(void)state;
	char *text = section("FUNCTIONS"), item[80];
	assert_int_equal(items(text), SCORE_FUNCTIONS);
	for (unsigned i = 0; i < SCORE_FUNCTIONS; i++) {
		(void)snprintf(item, sizeof item, "\n.It Cm %s Ns Pq ", score_functions[i].name);
		has(text, item);
		const char *says = strstr(strstr(text, item), "unknown in this version");
		const char *next = strstr(strstr(text, item) + 1, "\n.It ");
		bool told = says && (!next || says < next);
		assert_int_equal(told, (score_functions[i].reads.facts & SCORE_HAS_LATER) != 0);
	}
	free(text);
}

static void events(void **state)
{
	(void)state;
	char *text = section("EVENTS"), item[80];
	assert_int_equal(items(text), SCORE_EVENTS);
	for (unsigned i = 0; i < SCORE_EVENTS; i++) {
		bool later = score_events[i].reads.facts & SCORE_HAS_LATER;
		(void)snprintf(item, sizeof item, "\n.It Cm %s%s\n", score_events[i].name,
			later ? " Pq unknown in this version" : "");
		has(text, item);
	}
	free(text);
}

static void keys(void **state)
{
	(void)state;
	char *text = section("KEYS"), item[120];
	assert_int_equal(items(text), SCORE_KEY_KINDS);
	for (unsigned i = 0; i < SCORE_KEY_KINDS; i++) {
		const struct score_name *n = &score_keys[i];
		(void)snprintf(item, sizeof item, "\n.It Cm %s Pq %s%s\n", n->name, score_stage_names[n->reads.born],
			unknown(n));
		has(text, item);
	}
	free(text);
}

static void stages(void **state)
{
	(void)state;
	char *text = section("STAGES"), item[80];
	assert_int_equal(items(text), SCORE_STAGES);
	for (unsigned i = 0; i < SCORE_STAGES; i++) {
		(void)snprintf(item, sizeof item, "\n.It Cm %s\n", score_stage_names[i]);
		has(text, item);
	}
	free(text);
}

static void actions(void **state)
{
	(void)state;
	static const enum score_action later[] = { SCORE_QUARANTINE, SCORE_SCAN, SCORE_EXEC, SCORE_ROUTE };
	char *text = section("ACTIONS"), item[80];
	unsigned n = 0;
	for (unsigned i = SCORE_LOG; i < SCORE_ACTIONS; i++) {
		bool built = true;
		for (unsigned j = 0; j < sizeof later / sizeof *later; j++)
			built &= i != later[j];
		(void)snprintf(item, sizeof item, built ? "\n.It Cm %s\n" : "%s", score_action_name(i));
		has(text, item);
		n += built;
	}
	assert_int_equal(items(text), n);
	free(text);
}

static void limits(void **state)
{
	(void)state;
	static const unsigned bounds[] = { SCORE_RULES_MAX, SCORE_EXPR_LENGTH, SCORE_EXPR_NODES, SCORE_EXPR_DEPTH,
		SCORE_STRING_LENGTH, SCORE_REGEX_LENGTH, SCORE_REGEX_STEPS, SCORE_REGEX_EFFORT, SCORE_CALL_KEYS,
		SCORE_PROBES_MAX - 1, SCORE_KEYSPECS_MAX - 1, SCORE_REPLY_TEXT, SCORE_LIST_PATTERNS, SCORE_LIST_LINE };
	char *text = section("LIMITS"), item[80];
	assert_int_equal(items(text), sizeof bounds / sizeof *bounds);
	for (unsigned i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		(void)snprintf(item, sizeof item, "\n.It %u\n", bounds[i]);
		has(text, item);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes),
		cmocka_unit_test(functions),
		cmocka_unit_test(events),
		cmocka_unit_test(keys),
		cmocka_unit_test(stages),
		cmocka_unit_test(actions),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
