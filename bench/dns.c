/* bench/dns.c - what a question costs the worker that asks it: one that the cache knows, and one that goes out
 *
 * bench_dns [QUESTIONS]: that many different names are asked for, 600 at a time, of an answering thread on 127.0.0.1;
 * then all that the cache still knows again. The CPU time is that of the asking thread alone, its system calls
 * included.
 */
#include "base/clock.h"
#include "bench/median.h"
#include "dns/message.h"
#include "dns/resolver.h"
#include "net/loop.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 600, SESSIONS_A_SECOND = 2000, QUESTIONS_A_SESSION = 6, TIMES = 10, ASKED_NAMES = 10000 };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* Each question with one A record behind it, until the socket is shut. */
static void *answer_all(void *arg)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 2 };
	int fd = *(int *)arg;
	uint8_t p[600];
	struct sockaddr_in from;
	socklen_t from_n = sizeof from;
	for (ssize_t n; (n = recvfrom(fd, p, 512, 0, (struct sockaddr *)&from, &from_n)) > DNS_HEADER + DNS_EDNS;) {
		size_t end = (size_t)n - DNS_EDNS; /* the OPT record gives way to the answer */
		p[2] |= 0x80;
		p[7] = 1, p[11] = 0;
		memcpy(p + end, record, sizeof record);
		if (sendto(fd, p, end + sizeof record, 0, (struct sockaddr *)&from, from_n) < 0)
			break;
	}
	return NULL;
}

static struct dns_server listen_at(int *fd_r)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	int room = 8 << 20;
	struct dns_server server;
	*fd_r = socket(AF_INET, SOCK_DGRAM, 0);
	must(*fd_r >= 0 && bind(*fd_r, (struct sockaddr *)&at, n) == 0 &&
			getsockname(*fd_r, (struct sockaddr *)&at, &n) == 0 && ip_parse(SLICE("127.0.0.1"), &server.ip),
		"a socket");
	setsockopt(*fd_r, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	server.port = ntohs(at.sin_port);
	return server;
}

static bool ask(struct dns_resolver *r, unsigned i, struct dns_answer *a_r)
{
	struct dns_question q = { .type = DNS_A };
	uint64_t now_ms = clock_mono_ms();
	struct dns_asker asker = { .ticket = i, .due_ms = now_ms + 5000 };
	char name[64];
	int n = snprintf(name, sizeof name, "%u.%u.%u.10.list.example.org", i & 255, i >> 8 & 255, i >> 16);
	must(dns_name_parse(slice_of(name, (size_t)n), &q.name), "a name");
	return dns_resolver_ask(r, &q, &asker, now_ms, a_r) == DNS_KNOWN;
}

static void take_turn(struct dns_resolver *r, struct net_loop *l, unsigned *answered, unsigned *failed)
{
	struct dns_result result;
	struct net_io *io;
	unsigned events;
	net_loop_wait(l, dns_resolver_sleep_ms(r, clock_mono_ms()));
	uint64_t now_ms = clock_mono_ms();
	while ((io = net_loop_next(l, &events)))
		dns_resolver_on_io(r, io, events, now_ms);
	dns_resolver_on_time(r, now_ms);
	for (; dns_resolver_pop(r, &result); ++*answered)
		*failed += result.answer.status != DNS_FOUND;
}

static void bench_uncached(struct dns_resolver *r, struct net_loop *l, unsigned questions)
{
	unsigned asked = 0, answered = 0, failed = 0;
	struct dns_answer a;
	double begun = cpu_seconds();
	while (answered < questions) {
		while (asked < questions && asked - answered < AT_ONCE)
			if (ask(r, asked++, &a))
				answered++;
		take_turn(r, l, &answered, &failed);
	}
	double each = (cpu_seconds() - begun) / questions;
	printf("a question that goes out:    %6.2f us of CPU (%u asked, %u failed)\n", each * 1e6, questions, failed);
	printf("%u sessions/s with %u each:  %6.1f %% of a core\n", SESSIONS_A_SECOND, QUESTIONS_A_SESSION,
		each * SESSIONS_A_SECOND * QUESTIONS_A_SESSION * 100);
}

static void bench_cached(struct dns_resolver *r, unsigned questions)
{
	unsigned first = questions > ASKED_NAMES ? questions - ASKED_NAMES : 0, known = 0;
	struct dns_answer a;
	double begun = cpu_seconds();
	for (int times = 0; times < TIMES; times++)
		for (unsigned i = first; i < questions; i++)
			known += ask(r, i, &a);
	unsigned asked = (questions - first) * TIMES;
	printf("a question that is known:    %6.2f us of CPU (%u of %u were)\n", (cpu_seconds() - begun) / asked * 1e6,
		known, asked);
}

int main(int argc, char **argv)
{
	unsigned questions = argc > 1 ? (unsigned)atoi(argv[1]) : 200000;
	int fd;
	pthread_t thread;
	struct dns_settings s = { .channel = { .servers = { listen_at(&fd) },
					  .servers_n = 1,
					  .timeout_ms = 3000,
					  .tries = 2,
					  .retest_ms = 30000 },
		.cache_entries = 50000 };
	struct net_loop *l = net_loop_new();
	struct dns_resolver *r = l ? dns_resolver_new(&s, l, clock_mono_ms()) : NULL;
	must(r && pthread_create(&thread, NULL, answer_all, &fd) == 0, "the resolver");
	bench_uncached(r, l, questions);
	bench_cached(r, questions);
	dns_resolver_free(&r);
	net_loop_free(&l);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	return 0;
}
