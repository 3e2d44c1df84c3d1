/* Fields that bear our name go, all else stays, however the header is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/auth_filter.h"

enum { ROOM = 4096 };

struct kept {
	char text[ROOM];
	size_t n;
};

static void keep(struct kept *k, struct slice s)
{
	assert_true(k->n + s.n < ROOM);
	memcpy(k->text + k->n, s.p, s.n);
	k->n += s.n;
	k->text[k->n] = 0;
}

/* Fed in two parts, cut at `cut`. */
static void filter(const char *mail, size_t cut, struct kept *k)
{
	struct smtp_auth_filter f;
	struct slice parts[] = { slice_of(mail, cut), slice_str(mail + cut) }, part;
	smtp_auth_filter_init(&f, SLICE("mx.example"));
	k->n = 0;
	k->text[0] = 0;
	for (size_t i = 0; i < 2; i++)
		while (smtp_auth_filter_next(&f, &parts[i], &part))
			keep(k, part);
	keep(k, smtp_auth_filter_end(&f));
}

static void gives(const char *mail, const char *expected)
{
	struct kept k;
	for (size_t cut = 0; cut <= strlen(mail); cut++) {
		filter(mail, cut, &k);
		if (strcmp(k.text, expected) != 0)
			fail_msg("cut at %zu: %s", cut, k.text);
	}
}

#define AR "Authentication-Results:"

static void ours_go(void **state)
{
	(void)state;
	gives(AR " mx.example; spf=pass\r\nSubject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n");
	gives("A: b\r\n" AR " MX.Example;\r\n\tspf=pass\r\n more\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n");
	gives("aUTHENTICATION-results \t:mx.example\r\n\r\n", "\r\n");
	gives(AR " (a (b\\)) c)\r\n (d) \"mx.example\" 1; x\r\nB: c\r\n\r\n", "B: c\r\n\r\n");
	gives(AR " mx.example(c); none\r\n" AR " mx.example; none\r\n\r\n", "\r\n");
	gives(AR "\r\n\tmx.example; none\r\n\r\n", "\r\n");
}

static void others_stay(void **state)
{
	(void)state;
	static const char *const mails[] = { AR " mx.example.org; spf=pass\r\n\r\n", AR " other; mx.example\r\n\r\n",
		AR " mx.exampl; none\r\n\r\n", AR "\r\nSubject: mx.example\r\n\r\n", "Auth: mx.example\r\n\r\n",
		AR " (never closed\r\nSubject: x\r\n\r\n", "Authentication-Results-Too: mx.example; x\r\n\r\n",
		"X: y\r\n " AR " mx.example; folded\r\n\r\n", "A: b\r\n\r\n" AR " mx.example; in the body\r\n",
		"From: a\r\nTo: b\r\n\r\nA: b\r\nc", "\r\n" AR " mx.example\r\n",
		"Authentication-Results\r\nB: c\r\n\r\n", "", AR, AR " mx.exam" };
	for (size_t i = 0; i < sizeof mails / sizeof *mails; i++)
		gives(mails[i], mails[i]);
}

static void one_that_hides_its_name_goes(void **state)
{
	(void)state;
	char mail[2048] = AR " (";
	memset(mail + strlen(mail), 'x', 1000);
	strcat(mail, ") other; spf=pass\r\nB: c\r\n\r\n");
	gives(mail, "B: c\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_go),
		cmocka_unit_test(others_stay),
		cmocka_unit_test(one_that_hides_its_name_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
