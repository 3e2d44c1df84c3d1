/* Checks SPF once, over the resolver on a loop of its own, as the server does:
 *
 *     spf_query --server IP:PORT --ip A --helo H --from F [--name OURS] [--timeout SECONDS] [--headers]
 *
 * Prints the result word, then, on a line of its own, the explanation of a fail or what is wrong in an error. --headers
 * adds what would be written into the mail. --from "" is the null sender. Exits 0 whatever the result; 2: not done.
 */
#include "base/clock.h"
#include "dns/resolver.h"
#include "dns/spf_header.h"
#include "net/loop.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 7208 4.6.4: at least 20 s for all; one query: so long that none is sent again while a busy machine answers it,
 * for the tests count them. */
enum { TIMEOUT_S = 20, QUERY_MS = 40000, CACHE = 1000, DNS_PORT = 53 };

static struct dns_spf_client client = { .our_name = SLICE_INIT("localhost") };
static struct dns_settings settings = {
	.channel = { .servers_n = 1, .timeout_ms = QUERY_MS, .tries = 2, .retest_ms = 1000 }, .cache_entries = CACHE
};
static uint64_t timeout_ms = TIMEOUT_S * 1000;
static bool headers;
static struct net_loop *loop;
static struct dns_resolver *resolver;

static void usage(const char *why, const char *what)
{
	fprintf(stderr, "spf_query: %s%s\n", why, what);
	fprintf(stderr, "usage: spf_query --server IP:PORT --ip ADDRESS --helo NAME --from SENDER"
			" [--name OURS] [--timeout SECONDS] [--headers]\n");
	exit(2);
}

static void take_server(const char *text)
{
	struct dns_server *s = &settings.channel.servers[0];
	s->port = DNS_PORT;
	if (!ip_port_parse(slice_str(text), &s->ip, &s->port) && !ip_parse(slice_str(text), &s->ip))
		usage("--server wants IP or IP:PORT, not ", text);
}

static void take_timeout(const char *text)
{
	enum { LONGEST_S = 3600 };
	uint64_t seconds;
	if (!slice_u64(slice_str(text), LONGEST_S, &seconds))
		usage("--timeout wants seconds, not ", text);
	timeout_ms = seconds * 1000;
}

static void take_options(int argc, char **argv)
{
	static const struct option options[] = { { "server", 1, NULL, 's' }, { "ip", 1, NULL, 'i' },
		{ "helo", 1, NULL, 'h' }, { "from", 1, NULL, 'f' }, { "name", 1, NULL, 'n' },
		{ "timeout", 1, NULL, 't' }, { "headers", 0, NULL, 'H' }, { NULL, 0, NULL, 0 } };
	bool has_server = false, has_ip = false;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 's')
			take_server(optarg), has_server = true;
		else if (c == 'i' && !(has_ip = ip_parse(slice_str(optarg), &client.ip)))
			usage("--ip wants an address, not ", optarg);
		else if (c == 'h')
			client.helo = slice_str(optarg);
		else if (c == 'f')
			client.mail_from = slice_str(optarg);
		else if (c == 'n')
			client.our_name = slice_str(optarg);
		else if (c == 't')
			take_timeout(optarg);
		else if (c == 'H')
			headers = true;
		else if (c == '?')
			usage("see below", "");
	}
	if (!has_server || !has_ip || optind < argc)
		usage("--server and --ip are needed, and nothing beside the options", "");
}

/* Asks, and with what is known at once goes on to the next questions. */
static void ask(struct dns_spf *spf, const struct dns_question *q, unsigned n, uint64_t due_ms)
{
	for (unsigned i = 0; i < n; i++) {
		struct dns_question more[DNS_SPF_NAMES];
		struct dns_answer a;
		struct dns_asker asker = { .ticket = 1, .due_ms = due_ms };
		if (dns_resolver_ask(resolver, &q[i], &asker, clock_mono_ms(), &a) == DNS_KNOWN)
			ask(spf, more, dns_spf_answer(spf, &q[i], &a, more), due_ms);
	}
}

static void turn(uint64_t due_ms)
{
	struct net_io *io;
	unsigned events;
	uint64_t now_ms = clock_mono_ms(), left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	int ms = dns_resolver_sleep_ms(resolver, now_ms);
	net_loop_wait(loop, ms >= 0 && (uint64_t)ms < left_ms ? ms : (int)left_ms);
	while ((io = net_loop_next(loop, &events)))
		dns_resolver_on_io(resolver, io, events, clock_mono_ms());
	dns_resolver_on_time(resolver, clock_mono_ms());
}

static struct dns_spf *evaluate(void)
{
	struct dns_question q[DNS_SPF_NAMES];
	struct dns_spf *spf;
	uint64_t due_ms = clock_mono_ms() + timeout_ms;
	unsigned n = dns_spf_begin(&client, &spf, q);
	if (!spf)
		return NULL;
	ask(spf, q, n, due_ms);
	while (!dns_spf_is_done(spf) && clock_mono_ms() < due_ms) {
		struct dns_result r;
		turn(due_ms);
		while (dns_resolver_pop(resolver, &r)) {
			struct dns_question asked = *r.question;
			ask(spf, q, dns_spf_answer(spf, &asked, &r.answer, q), due_ms);
		}
	}
	dns_spf_give_up(spf);
	return spf;
}

static bool show_headers(const struct dns_spf_result *r)
{
	struct buf out = { 0 };
	bool ok = dns_spf_received_write(&client, r, &out) && dns_spf_authentication_write(&client, r, &out);
	printf("%.*s", SLICE_ARG(buf_slice(&out)));
	buf_release(&out);
	return ok;
}

static bool show(const struct dns_spf *spf)
{
	struct dns_spf_result r;
	dns_spf_result(spf, &r);
	printf("%s\n", dns_spf_word(r.word));
	if (r.explanation.n || r.problem)
		printf("%.*s%s\n", SLICE_ARG(r.explanation), r.problem ? r.problem : "");
	return !headers || show_headers(&r);
}

int main(int argc, char **argv)
{
	take_options(argc, argv);
	client.now_s = clock_wall_ms() / 1000;
	loop = net_loop_new();
	resolver = loop ? dns_resolver_new(&settings, loop, clock_mono_ms()) : NULL;
	struct dns_spf *spf = resolver ? evaluate() : NULL;
	bool ok = spf && show(spf);
	if (!ok)
		fprintf(stderr, "spf_query: no memory\n");
	dns_spf_free(&spf);
	dns_resolver_free(&resolver);
	net_loop_free(&loop);
	return ok ? 0 : 2;
}
