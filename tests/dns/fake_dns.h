/* A name server in the test's own thread: it answers when it is given its turn. What it does is in the first label of
 * the name that it is asked for; a digit behind it makes names different ("lost", "lost2").
 */
#ifndef TESTS_DNS_FAKE_DNS_H
#define TESTS_DNS_FAKE_DNS_H

#include "dns/servers.h"
#include "tests/dns/message_made.h"

/* first label	what it does
 * good		A 192.0.2.1, AAAA 2001:db8::1, TXT "text", PTR and MX "host.example"; TTL 300
 * no		NXDOMAIN, SOA 60
 * empty	NODATA, SOA 60
 * lost		nothing
 * once		nothing at the first time, then as good
 * late		answers when fake_late() is called, as good
 * servfail, refused, formerr	that rcode
 * cut		TC over UDP, as good over TCP
 * huge		TC over UDP; over TCP a TXT of 40 KB in the first record, then 100 records
 * stuck	TC over UDP, nothing over TCP
 * reset	TC over UDP, TCP is closed
 * slowly	TC over UDP, over TCP one byte a turn
 * badid	a wrong id, then as good
 * badname	an answer to another question, then as good
 * garbage	64 bytes of nothing, with the right id
 * zero		an empty packet, then as good
 * cname	an alias of an alias of good
 * loop		an alias of itself
 * control	PTR with control bytes
 */
enum { FAKE_TCP = 16, FAKE_LATE = 64, FAKE_PORTS = 65536 };

struct fake_tcp {
	int fd; /* 0: none */
	char in[600];
	size_t in_n;
	char *out; /* what is still to be sent, and how much in a turn */
	size_t out_n, out_at, step;
};

struct fake_dns {
	int udp, tcp;
	struct dns_server address;
	struct fake_tcp conns[FAKE_TCP];
	unsigned udp_asked, tcp_asked, ports; /* ports: different ones that asked over UDP */
	unsigned once;
	uint8_t seen_port[FAKE_PORTS / 8];
	struct made reply;
	struct {
		struct made *reply;
		char from[128];
		unsigned from_n;
	} late[FAKE_LATE];
	unsigned late_n;
	bool dead; /* answers nothing at all */
};

void fake_open(struct fake_dns *f);
void fake_close(struct fake_dns *f);
/* Answers what has come. */
void fake_turn(struct fake_dns *f);
void fake_late(struct fake_dns *f);

#endif
