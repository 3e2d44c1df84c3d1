#include "relay/backend.h"
#include "relay/finish.h"
#include "relay/identity.h"
#include "relay/queue.h"
#include "relay/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

/* ---- the fair queue ---- */

static struct relay_job jobs[12];

static struct relay_job *job(int client, int i)
{
	jobs[i] = (struct relay_job){ .client = { .b = { [15] = (uint8_t)client } } };
	return &jobs[i];
}

static void clients_take_turns(void **state)
{
	(void)state;
	static struct relay_queue q;
	for (int i = 0; i < 6; i++)
		assert_true(relay_queue_put(&q, job(1, i)));
	assert_true(relay_queue_put(&q, job(2, 6)));
	assert_true(relay_queue_put(&q, job(3, 7)));
	assert_true(relay_queue_put(&q, job(2, 8)));
	assert_int_equal(q.lanes, 3);
	static const int ORDER[] = { 0, 6, 7, 1, 8, 2, 3, 4, 5 };
	for (int i = 0; i < 9; i++)
		assert_ptr_equal(relay_queue_take(&q), &jobs[ORDER[i]]);
	assert_null(relay_queue_take(&q));
	assert_int_equal(q.jobs + q.lanes, 0);
	relay_queue_release(&q);
}

static void a_second_try_comes_first(void **state)
{
	(void)state;
	static struct relay_queue q;
	for (int i = 0; i < 3; i++)
		assert_true(relay_queue_put(&q, job(i, i)));
	assert_true(relay_queue_put_back(&q, job(2, 3)));
	assert_ptr_equal(relay_queue_take(&q), &jobs[3]);
	assert_true(relay_queue_put_back(&q, job(9, 4)));
	assert_ptr_equal(relay_queue_take(&q), &jobs[4]);
	relay_queue_remove(&q, &jobs[1]);
	assert_ptr_equal(relay_queue_take(&q), &jobs[0]);
	assert_ptr_equal(relay_queue_take(&q), &jobs[2]);
	assert_null(relay_queue_head(&q));
	relay_queue_release(&q);
}

static void taken_out_of_the_middle(void **state)
{
	(void)state;
	static struct relay_queue q;
	for (int i = 0; i < 4; i++)
		assert_true(relay_queue_put(&q, job(1, i)));
	relay_queue_remove(&q, &jobs[3]);
	relay_queue_remove(&q, &jobs[1]);
	assert_true(relay_queue_put(&q, job(1, 5)));
	assert_ptr_equal(relay_queue_take(&q), &jobs[0]);
	assert_ptr_equal(relay_queue_take(&q), &jobs[2]);
	assert_ptr_equal(relay_queue_take(&q), &jobs[5]);
	assert_null(relay_queue_take(&q));
	relay_queue_release(&q);
}

/* ---- permits ---- */

static struct relay_backend *backend(void)
{
	struct relay_target t = { .name = SLICE("smtp://127.0.0.1:1"), .port = 1 };
	struct relay_backend *b = relay_backend_new(&t, SLICE("main"));
	assert_non_null(b);
	for (unsigned w = 0; w < 3; w++)
		relay_backend_join(b, w);
	return b;
}

static void permits_have_one_limit(void **state)
{
	(void)state;
	struct relay_backend *b = backend();
	assert_true(relay_permit_take(b, 0, 2));
	assert_true(relay_permit_take(b, 1, 2));
	assert_false(relay_permit_take(b, 2, 2));
	assert_int_equal(relay_permit_give(b, 0, 2), -1);
	assert_true(relay_permit_take(b, 2, 2));
	relay_backend_free(&b);
}

static void a_freed_permit_goes_to_the_hungriest(void **state)
{
	(void)state;
	struct relay_backend *b = backend();
	assert_true(relay_permit_take(b, 0, 3));
	assert_true(relay_permit_take(b, 0, 3));
	assert_true(relay_permit_take(b, 1, 3));
	relay_permit_hunger(b, 1, true);
	relay_permit_hunger(b, 2, true);
	assert_int_equal(relay_permit_owed(b, 0, true, 0), RELAY_OWED); /* we have 2, worker 2 none */
	assert_int_equal(relay_permit_give(b, 0, 3), 2);
	assert_false(relay_permit_take(b, 0, 3)); /* nobody snatches it */
	assert_true(relay_permit_take(b, 2, 3));
	assert_int_equal(relay_permit_owed(b, 0, true, 99), RELAY_OWED_NOT);	 /* worker 1 has as many as we */
	assert_int_equal(relay_permit_owed(b, 0, false, 0), RELAY_OWED_IF_IDLE); /* but we may not need ours */
	assert_int_equal(relay_permit_owed(b, 0, false, 8), RELAY_OWED);	 /* and it has hungered for long */
	assert_true(relay_permit_take(b, 0, 4));
	assert_int_equal(relay_permit_owed(b, 0, true, 8), RELAY_OWED_NOT);
	assert_int_equal(relay_permit_owed(b, 0, true, 64), RELAY_OWED); /* its only one may be stuck */
	relay_backend_free(&b);
}

static void the_last_permit_is_shared_in_turns(void **state)
{
	(void)state;
	struct relay_backend *b = backend();
	assert_true(relay_permit_take(b, 0, 1));
	relay_permit_hunger(b, 1, true);
	assert_int_equal(relay_permit_owed(b, 0, true, 1), RELAY_OWED_NOT);
	assert_int_equal(relay_permit_owed(b, 0, true, 8), RELAY_OWED);
	assert_int_equal(relay_permit_owed(b, 0, false, 1), RELAY_OWED); /* it has none at all */
	assert_int_equal(relay_permit_give(b, 0, 1), 1);
	relay_backend_free(&b);
}

static void back_off_has_an_end(void **state)
{
	(void)state;
	struct relay_backend *b = backend();
	uint64_t now = 1000;
	assert_int_equal(relay_backend_use(b, now), RELAY_USE);
	for (int i = 0; i < 10; i++) {
		relay_backend_down(b, RELAY_DOWN, SLICE("refused"), now);
		assert_true(relay_backend_out(b, now));
		assert_int_equal(relay_backend_use(b, now), RELAY_USE_NOT);
		uint64_t wait = atomic_load(&b->retry_ms) - now;
		assert_in_range(wait, 750, RELAY_BACKOFF_MAX_MS);
		now += wait;
		assert_int_equal(relay_backend_use(b, now), RELAY_USE_TRY);
		assert_int_equal(relay_backend_use(b, now), RELAY_USE_NOT); /* one at a time */
	}
	assert_true(relay_backend_up(b));
	assert_false(relay_backend_up(b));
	assert_int_equal(relay_backend_use(b, now), RELAY_USE);
	assert_true(relay_backend_down(b, RELAY_DOWN, SLICE("x"), now));
	assert_false(relay_backend_down(b, RELAY_DOWN, SLICE("x"), now)); /* no news */
	relay_backend_free(&b);
}

/* ---- what may be remembered ---- */

static void which_refusals_mean_unknown_user(void **state)
{
	(void)state;
	static const struct {
		unsigned code;
		const char *text;
		bool unknown;
	} CASES[] = {
		{ 550, "5.1.1 no such user", true },
		{ 550, "5.1.2 bad domain", true },
		{ 550, "5.1.3 syntax", true },
		{ 550, "5.1.6 moved", true },
		{ 556, "5.1.10 null MX", true },
		{ 550, "5.2.1 disabled", true },
		{ 550, "5.1.0 other", false },
		{ 550, "5.1.8 bad sender", false },
		{ 550, "5.2.2 full", false },
		{ 554, "5.7.1 denied", false },
		{ 450, "4.1.1 greylisted", false },
		{ 450, "5.1.1 odd", false },
		{ 550, "No such user", true },
		{ 553, "No such user", false },
		{ 550, "", true },
		{ 550, "5.1.11 what", false },
		{ 550, "5.1.1", true },
		{ 550, "5.1.1\n5.1.1 more", true },
		{ 250, "2.1.5 ok", false },
		{ 550, "4.1.1 odd", false },
		{ 550, "5.1 short", true },
	};
	struct relay_target t = { .kind = RELAY_MAILDIR, .name = SLICE("maildir://x"), .path = SLICE("x") };
	const uint16_t codes[] = { 550 };
	const struct slice domains[] = { SLICE_INIT("b.test"), SLICE_INIT("A.test") };
	struct relay_config c = { .backends = &t,
		.backends_n = 1,
		.connections = 1,
		.unknown_user = codes,
		.unknown_user_n = 1,
		.domains = domains,
		.domains_n = 2 };
	struct relay_settings *s = relay_settings_new(&c);
	assert_non_null(s);
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
		if (relay_is_unknown_user(s, CASES[i].code, slice_str(CASES[i].text)) != CASES[i].unknown)
			fail_msg("%u %s", CASES[i].code, CASES[i].text);
	relay_settings_unref(&s);
}

/* ---- settings ---- */

static void no_open_relay_by_settings(void **state)
{
	(void)state;
	struct relay_target t = { .name = SLICE("smtp://127.0.0.1:1"), .port = 1 };
	const struct slice domains[] = { SLICE_INIT("b.test") };
	struct relay_config c = {
		.backends = &t, .backends_n = 1, .connections = 1, .identity = RELAY_XCLIENT, .ask_backend = true
	};
	assert_null(relay_config_fault(&c));
	c.identity = RELAY_NONE;
	assert_non_null(relay_config_fault(&c));
	c.identity = RELAY_XFORWARD;
	assert_non_null(relay_config_fault(&c));
	c.domains = domains;
	c.domains_n = 1;
	assert_null(relay_config_fault(&c));
	c.domains_n = 0;
	c.identity = RELAY_XCLIENT;
	c.ask_backend = false;
	assert_non_null(relay_config_fault(&c));
	c.ask_backend = true;
	c.connections = 0;
	assert_non_null(relay_config_fault(&c));
	assert_null(relay_shared_new(&c));
}

static void the_guard(void **state)
{
	(void)state;
	struct relay_target t = { .name = SLICE("smtp://127.0.0.1:1"), .port = 1 };
	const struct slice domains[] = { SLICE_INIT("zz.test"), SLICE_INIT("B.test"), SLICE_INIT("a.b.test") };
	struct ip_prefix clients[1];
	assert_true(ip_prefix_parse(SLICE("198.51.100.0/24"), &clients[0]));
	struct relay_config c = { .backends = &t,
		.backends_n = 1,
		.connections = 1,
		.domains = domains,
		.domains_n = 3,
		.clients = clients,
		.clients_n = 1 };
	struct relay_settings *s = relay_settings_new(&c);
	struct ip stranger, ours;
	assert_true(ip_parse(SLICE("192.0.2.1"), &stranger) && ip_parse(SLICE("198.51.100.7"), &ours));
	assert_true(relay_settings_may_relay(s, &stranger, SLICE("b.TEST")));
	assert_true(relay_settings_may_relay(s, &stranger, SLICE("A.b.test")));
	assert_true(relay_settings_may_relay(s, &stranger, SLICE("zz.test")));
	assert_false(relay_settings_may_relay(s, &stranger, SLICE("b.test.")));
	assert_false(relay_settings_may_relay(s, &stranger, SLICE("xb.test")));
	assert_false(relay_settings_may_relay(s, &stranger, SLICE("b")));
	assert_false(relay_settings_may_relay(s, &stranger, SLICE("")));
	assert_true(relay_settings_may_relay(s, &ours, SLICE("anywhere.test")));
	relay_settings_unref(&s);
}

static void backends_as_written(void **state)
{
	(void)state;
	struct relay_target t;
	const char *why;
	assert_true(relay_target_parse(SLICE("smtp://127.0.0.1:10025"), &t, &why));
	assert_int_equal(t.port, 10025);
	assert_true(relay_target_parse(SLICE("smtp://127.0.0.1"), &t, &why));
	assert_int_equal(t.port, 25);
	assert_true(relay_target_parse(SLICE("smtp://[::1]"), &t, &why));
	assert_true(relay_target_parse(SLICE("smtp://[::1]:26"), &t, &why));
	assert_int_equal(t.port, 26);
	assert_true(relay_target_parse(SLICE("lmtp://[::1]"), &t, &why));
	assert_true(t.kind == RELAY_LMTP && t.port == 24 && t.path.n == 0);
	assert_true(relay_target_parse(SLICE("lmtp://127.0.0.1:2424"), &t, &why));
	assert_int_equal(t.port, 2424);
	assert_true(relay_target_parse(SLICE("lmtp+unix:///run/lmtp"), &t, &why));
	assert_true(t.kind == RELAY_LMTP && slice_eq(t.path, SLICE("/run/lmtp")));
	assert_true(relay_target_parse(SLICE("maildir:///var/mail"), &t, &why));
	assert_true(t.kind == RELAY_MAILDIR && slice_eq(t.path, SLICE("/var/mail")));
	static const char *const BAD[] = { "smtp://", "smtp://host:25", "smtp://127.0.0.1:0", "smtp://127.0.0.1:99999",
		"smtp://127.0.0.1:", "smtp://[::1", "smtp://[", "maildir://", "lmtp://127.0.0.1:", "lmtp+unix://",
		"http://x", "" };
	for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
		why = NULL;
		if (relay_target_parse(slice_str(BAD[i]), &t, &why) || !why)
			fail_msg("taken: %s", BAD[i]);
	}
}

static void helo_after_xclient(void **state)
{
	(void)state;
	struct relay_client c = { .helo = SLICE("mail.client.test") };
	assert_true(slice_eq(relay_identity_helo(&c, SLICE("us")), c.helo));
	static const char *const UNFIT[] = { "", "a b", "a\tb", "a\r\nRSET", "caf\xc3\xa9" };
	for (size_t i = 0; i < 5; i++) {
		c.helo = slice_str(UNFIT[i]);
		assert_true(slice_eq(relay_identity_helo(&c, SLICE("us")), SLICE("us")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_take_turns),
		cmocka_unit_test(a_second_try_comes_first),
		cmocka_unit_test(taken_out_of_the_middle),
		cmocka_unit_test(permits_have_one_limit),
		cmocka_unit_test(a_freed_permit_goes_to_the_hungriest),
		cmocka_unit_test(the_last_permit_is_shared_in_turns),
		cmocka_unit_test(back_off_has_an_end),
		cmocka_unit_test(which_refusals_mean_unknown_user),
		cmocka_unit_test(no_open_relay_by_settings),
		cmocka_unit_test(the_guard),
		cmocka_unit_test(backends_as_written),
		cmocka_unit_test(helo_after_xclient),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
