/* dns/answer.h - questions and what became of them
 *
 * What the rest of the server sees of the DNS: one question has one answer, which is FOUND with records, NODATA (the
 * name exists, or its alias does, without such records), NXDOMAIN, or FAILED: nothing is known, and nobody is blamed.
 * Records are what stands at the end of the name's chain of aliases, in the order in which they came.
 */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include "dns/name.h"

/* What can be asked for: the numbers of RFC 1035 3.2.2 and RFC 3596. */
enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

struct dns_question {
	enum dns_type type;
	struct dns_name name;
};

enum dns_status { DNS_FOUND, DNS_NODATA, DNS_NXDOMAIN, DNS_FAILED };

/* Why FAILED. */
enum dns_failure {
	DNS_NO_FAILURE,
	DNS_TIMEOUT,	 /* no answer within the waiter's time */
	DNS_SERVFAIL,	 /* the servers say that they cannot tell */
	DNS_REFUSED,	 /* the servers do not want to */
	DNS_UNREACHABLE, /* no server takes a question */
	DNS_MALFORMED,	 /* the answer is no message, or not to this question */
	DNS_TRUNCATED,	 /* also over TCP */
	DNS_LOOP,	 /* aliases without an end */
	DNS_BUSY,	 /* too many questions are open: it was not asked */
	DNS_NO_BUDGET,	 /* the session has asked enough: it was not asked */
	DNS_NO_MEMORY
};

enum {
	DNS_RECORDS_MAX = 256,	     /* of an answer; what comes behind them is dropped and `cut` is set */
	DNS_ANSWER_BYTES = 16 * 1024 /* of all its records, packed; the same */
};

struct dns_answer {
	enum dns_status status;
	enum dns_failure failure; /* of FAILED */
	uint16_t count;		  /* records, 0 unless FOUND */
	bool cut;		  /* there were more */
	uint32_t ttl_s;		  /* how long it holds: of FOUND the least of all records on the way */
	struct slice records;	  /* packed; read with dns_answer_next(). Who handed it out says for how long */
};

struct dns_record {
	struct ip ip;	     /* A, AAAA */
	uint16_t preference; /* MX */
	struct slice text;   /* PTR, MX: a name, any bytes, lower-cased, "" for the root; TXT: its strings joined */
};

/* The next record from *at (0 to begin with), or false. `type`: of the question that was asked. */
bool dns_answer_next(const struct dns_answer *a, enum dns_type type, size_t *at, struct dns_record *record_r) MUST_USE;

/* Appends a record to an answer whose records lie in `room`; status becomes FOUND. Without room for it `cut` is set.
 * For whoever reads messages, and for tests that need an answer. */
void dns_answer_add(
	struct dns_answer *a, char room[DNS_ANSWER_BYTES], enum dns_type type, const struct dns_record *record);

/* Where the text of the next record may be put together before it is added from there, and how much fits. */
char *dns_answer_room(const struct dns_answer *a, char room[DNS_ANSWER_BYTES], size_t *n_r);

static inline struct dns_answer dns_answer_failed(enum dns_failure why)
{
	return (struct dns_answer){ .status = DNS_FAILED, .failure = why };
}

/* "found", "nodata", "nxdomain", or of FAILED its reason: "timeout", "servfail", ... For journal and explain. */
const char *dns_answer_word(const struct dns_answer *a);
/* "A", "PTR", ... */
const char *dns_type_name(enum dns_type type);

#endif
