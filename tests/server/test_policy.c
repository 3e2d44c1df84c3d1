/* server/policy.c: when a client that nobody sees has left, and that no place, count or answer is lost on any way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "server/policy.h"
#include "tests/server/rig.h"

#include <errno.h>
#include <sys/socket.h>

#define POSTFIX_IP "192.0.2.9"
#define CLIENT_IP "198.51.100.7"
#define DUNNO "action=DUNNO\n\n"

static const char ASKED_ONLY[] =
	"listeners = ( { name = \"ask\"; address = [\"127.0.0.1:2525\"]; protocol = \"policy\";\n"
	"  policy_from = [\"" POSTFIX_IP "/32\"]; } );\n"
	"rules = ( { name = \"no\"; when = \"sender == 'no@b.test'\"; do = \"defer\"; },\n"
	"          { name = \"slow\"; when = \"sender == 'slow@b.test'\"; do = \"wait\"; delay = \"50s\"; } );\n";

#define ASK(sender, instance)                                                                                          \
	"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=" CLIENT_IP "\nclient_port=7\n"              \
	"helo_name=h.test\nsender=" sender "\nrecipient=c@example.test\ninstance=" instance "\n\n"

/* The next answer; "": closed. */
static const char *answer(struct client *c)
{
	c->n = 0;
	c->text[0] = 0;
	for (int i = 0; i < 10000 && !strstr(c->text, "\n\n");) {
		ssize_t n = recv(c->fd, c->text + c->n, 1, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return "";
		if (n < 0) {
			rig_turn(c->g, 1);
			i++;
			continue;
		}
		assert_true(++c->n < sizeof c->text);
		c->text[c->n] = 0;
	}
	return c->text;
}

static const char *ask(struct client *c, const char *request)
{
	client_say(c, request);
	return answer(c);
}

static unsigned counted(struct rig *g)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(CLIENT_IP), &ip));
	return clients_count(g->app.clients, &ip);
}

static void open_rig(struct rig *g, struct client *c)
{
	rig_open(g, ASKED_ONLY, NULL, 0);
	client_open(c, g, POSTFIX_IP);
}

static void leave(struct client *c)
{
	struct rig *g = c->g;
	client_close(c);
	for (int i = 0; i < 1000 && g->worker.sessions_open; i++)
		rig_turn(g, 1);
	assert_int_equal(g->worker.sessions_open, 0);
	assert_int_equal(atomic_load(&g->app.sessions), 0);
	assert_int_equal(counted(g), 0);
}

static void a_client_leaves_after_a_minute(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	open_rig(&g, &c);
	assert_true(policy_is_vacant(rig_session(&g)));
	assert_string_equal(ask(&c, ASK("a@b.test", "1")), DUNNO);
	assert_int_equal(counted(&g), 1);
	rig_pass(&g, rig_session(&g), POLICY_QUIET_MS - 2000);
	assert_int_equal(counted(&g), 1);
	assert_false(rig_journaled(&g, "\"event\":\"mail\"", ""));
	rig_pass(&g, rig_session(&g), 2000);
	assert_int_equal(counted(&g), 0);
	assert_true(rig_journaled(&g, "\"event\":\"mail\"", "\"verdict\":\"accepted\""));
	assert_true(rig_journaled(&g, "\"event\":\"session\"", CLIENT_IP));
	rig_pass(&g, rig_session(&g), 10 * POLICY_QUIET_MS); /* the connection rests as long as Postfix likes */
	assert_non_null(strstr(ask(&c, ASK("no@b.test", "2")), "action=450 4.7.1"));
	leave(&c);
	rig_close(&g);
}

static void a_refused_mail_is_told_soon(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	open_rig(&g, &c);
	assert_non_null(strstr(ask(&c, ASK("no@b.test", "1")), "450 4.7.1"));
	rig_pass(&g, rig_session(&g), POLICY_REFUSED_MS);
	assert_true(rig_journaled(&g, "\"event\":\"mail\"", "\"verdict\":\"deferred\""));
	assert_false(policy_is_vacant(rig_session(&g)));
	assert_non_null(strstr(ask(&c, ASK("no@b.test", "1")), "450 4.7.1"));
	leave(&c);
	rig_close(&g);
}

static void the_end_of_the_server_is_no_refusal(void **state)
{
	(void)state;
	struct rig g;
	struct client waits, rests;
	open_rig(&g, &waits);
	client_open(&rests, &g, POSTFIX_IP);
	client_say(&waits, ASK("slow@b.test", "1"));
	rig_turn(&g, 1);
	assert_int_equal(atomic_load(&g.app.waiting), 1);
	worker_stop(&g.worker);
	for (int i = 0; i < 1000 && g.alive; i++)
		rig_turn(&g, 1);
	assert_string_equal(answer(&waits), DUNNO);
	assert_string_equal(answer(&rests), "");
	client_close(&waits);
	client_close(&rests);
	rig_close(&g);
}

static void strangers_may_not_ask(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, ASKED_ONLY, NULL, 0);
	client_open(&c, &g, CLIENT_IP);
	assert_string_equal(answer(&c), "");
	assert_int_equal(stat_get(&g.worker.stats, STAT_POLICY_REFUSED), 1);
	leave(&c);
	rig_close(&g);
}

/* Two mails while the nth allocation fails (negative: none). How many were made. */
static long asked_without(struct rig *g, long n)
{
	static const char *const SAID[] = { ASK("a@b.test", "1"), ASK("no@b.test", "2"), ASK("a@b.test", "3") };
	struct client c;
	(void)mem_fail_after(n);
	client_open(&c, g, POSTFIX_IP);
	for (size_t i = 0; i < sizeof SAID / sizeof *SAID; i++) {
		const char *said = ask(&c, SAID[i]);
		if (!*said)
			break;
		assert_true(!strcmp(said, DUNNO) || (i == 1 && strstr(said, "action=45")));
	}
	long made = mem_fail_after(-1);
	leave(&c);
	return made;
}

static void memory_that_ends_anywhere_refuses_nobody(void **state)
{
	(void)state;
	struct rig g;
	long n = 0;
	rig_open(&g, ASKED_ONLY, NULL, 0);
	while (n < 10000 && asked_without(&g, n) > n)
		n++;
	assert_in_range(n, 10, 9999);
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_leaves_after_a_minute),
		cmocka_unit_test(a_refused_mail_is_told_soon),
		cmocka_unit_test(the_end_of_the_server_is_no_refusal),
		cmocka_unit_test(strangers_may_not_ask),
		cmocka_unit_test(memory_that_ends_anywhere_refuses_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
