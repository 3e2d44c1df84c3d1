/* server/lookup_inside.h - the jobs of one client's lookups (for lookup.c and lookup_facts.c only) */
#ifndef SERVER_LOOKUP_INSIDE_H
#define SERVER_LOOKUP_INSIDE_H

#include "base/arena.h"
#include "dns/rdns.h"
#include "dns/reach.h"
#include "server/app.h"
#include "server/dns_desk.h"
#include "server/lookup.h"

enum { JOB_RDNS, JOB_HELO, JOB_MX, JOB_SPF, JOB_LIST }; /* JOB_LIST + number of the lookup */

struct job {
	uint32_t epoch;	 /* that its questions carry; 0: it has none in this scope */
	uint16_t open;	 /* questions that are not answered */
	uint8_t failure; /* enum dns_failure of the last one that failed */
	uint8_t told;	 /* to a trace: 1: that it is unknown (yet), 2: its answer */
	uint32_t took_ms;
	uint64_t began_ms;
};

struct lookups {
	struct lookup_client client;
	struct dns_budget budget;
	uint32_t epoch;			   /* of the last job begun */
	struct score_wants tried, open;	   /* asked in this scope; of them not answered */
	struct score_wants known, awaited; /* answered well; what the stage waits for */
	struct dns_rdns rdns;
	uint32_t learned; /* since lookup_take_learned() */
	bool known_good;  /* is the client, by the last facts */
	bool dynamic;	  /* its name looks like an end-user line */
	struct dns_reach helo, mx;
	struct spf_run *spf;   /* of this mail; NULL: not begun */
	struct slice *answers; /* of DNS lists, by the lookup's number */
	struct slice *texts;   /* ... and what they say of it */
	uint64_t hits;	       /* of those: not confirmed yet */
	struct job *jobs;
	struct arena arena;
};

/* lookup_list.c */
enum { LOOKUP_LIST_QUESTIONS = 2 };
#define LOOKUP_FROM_CACHE UINT32_MAX /* instead of the time that an answer took */
unsigned lookup_begin_list(struct lookups *l, unsigned lookup, const struct score_facts *f,
	struct dns_question q_r[LOOKUP_LIST_QUESTIONS]);
unsigned lookup_take_list(struct lookups *l, unsigned lookup, const struct dns_question *q, const struct dns_answer *a,
	uint32_t took_ms, struct dns_question more_r[LOOKUP_LIST_QUESTIONS]);
/* What a list said before it went out of play or came back is not taken from our cache: it may have lied. */
uint64_t lookup_list_since_ms(const struct lookups *l, unsigned lookup);
/* Those that are out of play now: what they say is not known. */
uint64_t lookup_lists_out(const struct lookups *l);

#endif
