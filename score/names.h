/* score/names.h - the words of the rule language: attributes, functions, events, keys
 *
 * One table each. What this version never learns (AUTH) is in the tables with its type and reads SCORE_HAS_LATER: such
 * an expression is checked like any other, and always unknown.
 * Static data; any thread.
 */
#ifndef SCORE_NAMES_H
#define SCORE_NAMES_H

#include "score/facts.h"
#include "score/rules.h"

enum score_type { SCORE_BOOL, SCORE_NUMBER, SCORE_DURATION, SCORE_SIZE, SCORE_STRING, SCORE_IP };

enum score_attr {
	SCORE_AT_CLIENT_IP,
	SCORE_AT_CLIENT_PORT,
	SCORE_AT_CLIENT_NAME,
	SCORE_AT_CLIENT_PTR,
	SCORE_AT_CLIENT_RDNS,
	SCORE_AT_CLIENT_DYNAMIC,
	SCORE_AT_CLIENT_CONNECTIONS,
	SCORE_AT_CLIENT_KNOWN_GOOD,
	SCORE_AT_CLIENT_AGE,
	SCORE_AT_EARLY_TALKER,
	SCORE_AT_OFFENCES,
	SCORE_AT_LISTENER,
	SCORE_AT_TLS,
	SCORE_AT_TLS_VERSION,
	SCORE_AT_HELO,
	SCORE_AT_HELO_FORM,
	SCORE_AT_HELO_RESOLVES,
	SCORE_AT_HELO_OURS,
	SCORE_AT_AUTH_USER,
	SCORE_AT_SENDER,
	SCORE_AT_SENDER_DOMAIN,
	SCORE_AT_SENDER_NULL,
	SCORE_AT_SENDER_MX,
	SCORE_AT_SENDER_LOCAL,
	SCORE_AT_RECIPIENT,
	SCORE_AT_RECIPIENT_DOMAIN,
	SCORE_AT_RECIPIENTS,
	SCORE_AT_BAD_RECIPIENTS,
	SCORE_AT_MESSAGE_SIZE,
	SCORE_AT_SPF,
	SCORE_AT_IDENTITY,
	SCORE_AT_SESSIONS,
	SCORE_AT_STRESS,
	SCORE_AT_LOAD,
	SCORE_AT_SCORE,
	SCORE_AT_POINTS,
	SCORE_ATTRS
};

enum score_function {
	SCORE_FN_COUNT,
	SCORE_FN_DISTINCT,
	SCORE_FN_SPIKE,
	SCORE_FN_RECORD,
	SCORE_FN_DNSBL,
	SCORE_FN_DNSBL_DOMAIN,
	SCORE_FN_HEADER,
	SCORE_FUNCTIONS
};

/* What reading something means for a rule: from when it can be tested, how long the answer holds, whether
 * it must be asked again, and which facts it needs (SCORE_HAS_...). */
struct score_reads {
	enum score_stage born;
	enum score_scope scope;
	bool changing;
	uint32_t facts;
};

struct score_name {
	const char *name;
	enum score_type type; /* of the value; for keys and events unused */
	struct score_reads reads;
};

extern const struct score_name score_attrs[SCORE_ATTRS];
extern const struct score_name score_functions[SCORE_FUNCTIONS];
extern const struct score_name score_events[SCORE_EVENTS];
extern const struct score_name score_keys[SCORE_KEY_KINDS];
extern const char *const score_stage_names[SCORE_STAGES];

/* Position of `name` in a table, or -1. */
int score_name_find(const struct score_name *table, int n, struct slice name);
/* The nearest name of a table to a mistyped one, or NULL when none is near. */
const char *score_name_suggest(const struct score_name *table, int n, struct slice name);

#endif
