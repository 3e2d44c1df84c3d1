/* Faults: how they are told, and what settings must have of each other. */
#include "tests/config/parse.h"

#include <stdio.h>

/* so that nothing but the wanted faults is left to tell */
#define QUIET "listeners = ( { tls = \"off\"; } );\n"

static void test_unknown(void **state)
{
	(void)state;
	assert_faults(QUIET "limits = {\n dealy = \"1m\";\n};",
		      "t.cfg:3: limits.dealy is not a setting; did you mean \"delay\"?\n");
	assert_faults(QUIET "limit = { };", "t.cfg:2: limit is not a setting; did you mean \"limits\"?\n");
	assert_faults(QUIET "colour = 1;", "t.cfg:2: colour is not a setting\n");
	assert_faults(QUIET "relay = { identity = \"xclent\"; };",
		      "t.cfg:2: relay.identity = \"xclent\": one of \"xclient\", \"xforward\", \"proxy\", \"none\" is "
		      "wanted; did you mean \"xclient\"?\n");
}

static void test_wrong_types(void **state)
{
	(void)state;
	assert_faults(QUIET "tls = { minimum = 1.2; };",
		      "t.cfg:2: tls.minimum = 1.2: one of \"1.2\", \"1.3\" is wanted\n");
	/* nothing between the quotes is no domain, and would count as one */
	assert_faults(QUIET "relay = { domains = [\"\"]; identity = \"none\"; };",
		      "t.cfg:2: relay.domains = \"\": a domain such as \"example.com\" is wanted\n");
	assert_fault_in(QUIET "alerts = { to = \"\"; from = \"a@b.c\"; };",
			"t.cfg:2: alerts.to = \"\": a mail address");
	assert_faults(QUIET "dns_lists = ( { zone = \"a.b\"; },\n { zone = \"A.b\"; answers = \"127.0.0.9\"; } );",
		      "t.cfg:3: dns_lists: \"a.b\" is described twice: leave one of them\n");
}

static void test_all_are_told(void **state)
{
	(void)state;
	assert_faults(QUIET "limits = { delay = 60;\n recipients = 0; };\nenforce = \"yes\";\nx = 1;",
		      "t.cfg:2: limits.delay = 60: a duration such as \"30s\", \"5m\", \"1h\" or \"7d\" is wanted\n"
		      "t.cfg:3: limits.recipients = 0: out of range, 1 to 100000 is allowed\n"
		      "t.cfg:4: enforce = \"yes\": true or false is wanted\n"
		      "t.cfg:5: x is not a setting\n");
}

static void test_libconfig_facts(void **state)
{
	(void)state;
	assert_fault_in("a = 1;\nlimits = { sessions = 5000000000; };", "t.cfg:2: the number 5000000000 is too large");
	assert_faults("limits = {\n sessions = 1\n errors = 2;\n};\nrules = ( { name = \"a\"; }\n { name = \"b\"; } );",
		      "t.cfg:6: syntax error: often a missing or trailing comma above\n");
	assert_faults("limits = { };\nlimits = { };", "t.cfg:2: duplicate setting name\n");
	assert_faults("\xef\xbb\xbf" QUIET, "t.cfg:1: the file begins with a byte order mark: save it without one\n");
	assert_faults("rules = ( @include \"x\" );",
		      "t.cfg:1: @include \"FILE\" stands at the start of a line of its own, its file in double "
		      "quotes\n");
	assert_fault_in("a = \"b\n", "t.cfg:1: this string has no end");
	assert_faults("limits = { delay = 10m;\n};\nrefuse_at = now;",
		      "t.cfg:1: 10m must stand in quotes: \"10m\"; only numbers, true and false have none\n"
		      "t.cfg:3: now must stand in quotes: \"now\"; only numbers, true and false have none\n");
	assert_fault_in("a = ((((((((((1))))))))));", "t.cfg:1: too many brackets inside each other");
	/* 0 and 1 are taken where a float is wanted */
	assert_clean(QUIET "rules = ( { name = \"a\"; when = \"x\"; points = 0; charge = 1; } );");
	/* adjacent strings are joined; a bare backslash pair is one backslash */
	struct parsed p = parse_text(QUIET "rules = ( { name = \"a\";\n when = \"helo =~ \"\n \"/a\\\\.b/\";"
					   " charge = 2.5; } );");
	assert_non_null(p.s);
	assert_string_equal(p.s->rules.items[0].when, "helo =~ /a\\.b/");
	assert_int_equal(p.s->rules.items[0].when_line, 3);
	assert_int_equal(p.s->rules.items[0].line, 2);
	assert_true(p.s->rules.items[0].charge > 2.4 && p.s->rules.items[0].charge < 2.6);
	parsed_free(&p);
	assert_fault_in("rules = ( { name = \"a\"; when = \"helo =~ /\\x41\\n/\"; do = \"log\"; } );",
			"rules[\"a\"].when = \"helo =~ /A\\x0a/\": a control character is in it");
}

static void test_relay(void **state)
{
	(void)state;
	assert_faults(QUIET "relay = { recipients = \"none\"; };",
		      "t.cfg:2: relay.recipients = \"none\" takes any recipient in relay.domains, which is empty: "
		      "name your domains there\n");
	assert_clean(QUIET "relay = { recipients = \"none\"; domains = \"example.com\"; };");
	assert_fault_in(QUIET "relay = { identity = \"none\"; };",
			"t.cfg:2: relay.identity = \"none\" needs relay.domains");
	assert_fault_in(QUIET "relay = { identity = \"xforward\"; };", "identity = \"xforward\" needs relay.domains");
	assert_clean(QUIET "relay = { identity = \"xforward\"; domains = [\"a.example\", \"b.example\"]; };");
	assert_fault_in(QUIET "relay = { backends = \"maildir://x\"; };", "maildir:// backend needs relay.domains");
	assert_fault_in(QUIET "relay = { recipients = [\"list:staff\", \"backend\"]; };",
			"t.cfg:2: relay.recipients: there is no list \"staff\" in `lists`");
	assert_clean(QUIET "lists = { staff = \"staff.list\"; };\n"
			   "relay = { recipients = [\"list:staff\", \"backend\"]; };");
	assert_fault_in(QUIET "relay = { backends = []; };", "relay.backends = [ ... ]: empty");
	assert_fault_in(QUIET "relay = { domains = [\"a.example\", \"A.example\"]; };",
			"warning: relay.domains has \"a.example\" twice");
}

static void test_listeners(void **state)
{
	(void)state;
	assert_faults("", "t.cfg:1: warning: listener \"mx\": STARTTLS is not announced without tls.certificates\n");
	assert_clean("tls = { certificates = ( { cert = \"a.pem\"; key = \"a.key\"; } ); };");
	assert_faults("listeners = ();", "t.cfg:1: listeners = ( ... ): empty; one is wanted at least\n");
	assert_fault_in("listeners = ( { address = []; } );", "listeners[1].address = [ ... ]: empty");
	assert_fault_in("listeners = ( { address = \"127.0.0.1:25\"; tls = \"off\"; },\n"
			"{ address = \"[::1]:25\"; tls = \"off\"; } );",
			"t.cfg:2: two listeners are named \"mx\"");
	assert_fault_in("listeners = ( { name = \"a\"; address = \"127.0.0.1:25\"; },\n"
			"{ name = \"b\"; address = \"127.0.0.1:25\"; } );",
			"listener \"b\": one of its addresses is given twice");
	assert_fault_in("listeners = ( { address = [\"127.0.0.1:25\", \"127.0.0.1:25\"]; } );", "is given twice");
	assert_clean("listeners = ( { address = \"127.0.0.1:10040\"; protocol = \"policy\"; } );");
	assert_fault_in("listeners = ( { protocol = \"policy\"; } );", "protocol = \"policy\" on port 25");
	assert_fault_in("listeners = ( { address = \"127.0.0.1:10040\"; protocol = \"policy\";\n"
			"xclient_from = \"::1\"; } );",
			"proxy_protocol_from and xclient_from are for SMTP");
	assert_fault_in("tls = { certificates = ( { cert = \"a\"; } ); };",
			"t.cfg:1: tls.certificates[1].key is missing");
}

static void test_rest(void **state)
{
	char text[300];

	(void)state;
	assert_fault_in(QUIET "alerts = { to = \"a@example.com\"; };", "alerts.to needs alerts.from");
	assert_fault_in(QUIET "greylist = { delay = \"1h\"; window = \"1h\"; };", "greylist.delay must be below");
	assert_fault_in(QUIET "limits = { sessions = 10;\n sessions_per_client = 11; };",
			"t.cfg:3: warning: limits.sess");
	assert_fault_in(QUIET "limits = { stress_timeout = \"6m\"; };", "warning: limits.stress_timeout is above");
	snprintf(text, sizeof text, QUIET "server = { control = \"/%0107d\"; };", 0);
	assert_fault_in(text, "the path of a socket has at most 107 bytes");
	assert_fault_in(QUIET "recipient_sources = ( { name = \"a\"; type = \"socketmap\"; address = \"unix:/a\"; },\n"
			      "{ name = \"a\"; type = \"socketmap\"; } );",
			"t.cfg:3: recipient_sources: \"a\" needs address");
	assert_fault_in(QUIET "recipient_sources = ( { name = \"a\"; type = \"socketmap\"; address = \"unix:/a\"; },\n"
			      "{ name = \"a\"; type = \"socketmap\"; address = \"unix:/a\"; } );",
			"t.cfg:3: recipient_sources: two are named \"a\"");
	assert_fault_in(QUIET "relay = { recipients = [\"sqlite:a\"]; };", "there is no \"a\" of this type");
	assert_fault_in(QUIET "relay = { recipients = [\"sqlite:a\"]; };", "\"a\" needs relay.domains");
	assert_fault_in(QUIET "dns = { servers = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\", "
			      "\"192.0.2.5\", \"192.0.2.6\", \"192.0.2.7\", \"192.0.2.8\", \"192.0.2.9\"]; };",
			"dns.servers has 9 name servers: leave at most 8");
}

static void test_what_is_allowed_together(void **state)
{
	(void)state;
	assert_clean(QUIET "relay = { tls = \"off\"; groups = (); };");
	assert_clean(QUIET "relay = { identity = \"proxy\"; };"); /* domains = []: the backend knows the client */
}

#define GROUP(name, domain) "{ name = \"" name "\"; backends = \"smtp://127.0.0.1:26\"; domains = \"" domain "\"; }"

static void test_groups(void **state)
{
	(void)state;
	assert_clean(QUIET "relay = { groups = (" GROUP("g", "g.example") "," GROUP("h", "h.example") "); };");
	assert_fault_in(QUIET "relay = { groups = (" GROUP("g", "g.example") "," GROUP("g", "h.example") "); };",
			"two groups are named \"g\"");
	assert_fault_in(QUIET "relay = { groups = (" GROUP("main", "g.example") "); };", "choose another name");
	assert_fault_in(QUIET "relay = { groups = (" GROUP("g", "a.example") "," GROUP("h", "A.example") "); };",
			"\"a.example\" is a domain of \"g\" and of \"h\": leave it in one");
	assert_fault_in(QUIET "relay = { domains = \"a.example\"; groups = (" GROUP("g", "a.example") "); };",
			"of \"g\" and of \"main\"");
	assert_fault_in(QUIET "relay = { groups = ( { name = \"g\"; backends = \"smtp://127.0.0.1:26\"; } ); };",
			"domains");
	assert_fault_in(QUIET "relay = { groups = (" GROUP("g", "g.example") "); };\n"
			      "alerts = { from = \"a@x.example\"; to = [\"a@x.example\", \"b@g.example\"]; };",
			"go to different groups");
}

static void test_replay(void **state)
{
	(void)state;
	assert_clean(QUIET "log = { replay = \"r.log\"; };");
	assert_clean(QUIET "log = { replay = \"\"; addresses = \"hash\"; };");
	assert_fault_in("log = {\nreplay = \"r.log\"; addresses = \"hash\"; };",
		"t.cfg:2: log.replay keeps addresses in plain");
	assert_fault_in("log = { replay = \"r.log\"; addresses = \"none\"; };", "log.addresses = \"plain\"");
	assert_fault_in("log = { replay = \"same.log\"; to = \"same.log\"; };", "needs a file of its own");
}

static void rule_fault(const char *members, const char *message)
{
	char text[400];

	snprintf(text, sizeof text, QUIET "rules = (\n{ name = \"r\"; %s } );", members);
	if (message)
		assert_fault_in(text, message);
	else
		assert_clean(text);
}

static void test_rules(void **state)
{
	(void)state;
	rule_fault("when = \"x\"; do = \"wait\"; delay = \"1s\";", NULL);
	rule_fault("when = \"x\"; do = \"wait\";", "t.cfg:3: rule \"r\": do = \"wait\" needs `delay`");
	rule_fault("when = \"x\"; do = \"log\"; delay = \"1s\";", "rule \"r\": `delay` belongs to do = \"wait\"");
	rule_fault("when = \"x\"; do = \"log\"; hold = \"1h\";", "`hold` belongs to do = \"block\"");
	rule_fault("when = \"x\"; do = \"log\"; reply = \"no\";", "`reply` belongs to do = \"defer\", \"reject\"");
	rule_fault("when = \"x\"; do = \"defer\"; reply = \"450 4.7.1 later\";", NULL);
	rule_fault("when = \"x\"; do = \"ok\"; to = \"client\";", "there is no `charge`");
	rule_fault("when = \"x\"; do = \"delete\"; to = \"sender\";", NULL);
	rule_fault("when = \"x\"; charge = 1; to = \"identity\";", NULL);
	rule_fault("when = \"x\"; do = \"block\";", "do = \"block\" needs `hold`");
	rule_fault("when = \"x\"; do = \"throttle\"; rate = \"20k\";", NULL);
	rule_fault("when = \"x\"; do = \"tag\"; header = \"X-Score: high\";", NULL);
	rule_fault("when = \"x\";", "t.cfg:3: warning: rule \"r\": it does nothing");
	rule_fault("do = \"ok\";", "t.cfg:3: rules[\"r\"].when is missing");
	rule_fault("when = \"\"; do = \"ok\";", "rules[\"r\"].when = \"\": a text is wanted");
	rule_fault("when = \"x\"; do = \"rejct\";", "did you mean \"reject\"?");
	rule_fault("when = \"x\"; do = \"\";", "rules[\"r\"].do = \"\": one of ");
	rule_fault("when = \"x\"; then = 1;", "rules[\"r\"].then is not a setting");
	rule_fault("when = \"x\"; do = \"ok\"; }, { name = \"r\"; when = \"y\"; do = \"ok\";",
		   "rule \"r\": the name is taken: t.cfg:3");
	assert_fault_in("rules = ( { when = \"x\"; do = \"ok\"; } );", "t.cfg:1: rules[1].name is missing");
	assert_fault_in("rules = ( 7 );", "rules[1] = 7: a group { ... } is wanted");
}

static void test_no_host(void **state)
{
	struct settings_faults faults = { 0 };
	struct settings_host host = { .hostname = "(none)" };

	(void)state;
	assert_null(settings_parse(SLICE(QUIET), "t.cfg", NULL, &host, &faults));
	assert_int_equal(faults.count, 1);
	assert_non_null(strstr(faults.items[0].text, "server.hostname is not set"));
	settings_faults_release(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_all_are_told),
		cmocka_unit_test(test_libconfig_facts),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_what_is_allowed_together),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_no_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
