#include "score/names.h"

#define SESSION_FACT(stage_, facts_)                                                                                   \
	{                                                                                                              \
		SCORE_##stage_, SCORE_OF_SESSION, false, facts_                                                        \
	}
#define SESSION_NOW(stage_, facts_)                                                                                    \
	{                                                                                                              \
		SCORE_##stage_, SCORE_OF_SESSION, true, facts_                                                         \
	}
#define MAIL_FACT(stage_, facts_)                                                                                      \
	{                                                                                                              \
		SCORE_##stage_, SCORE_OF_MAIL, false, facts_                                                           \
	}
#define MAIL_NOW(stage_, facts_)                                                                                       \
	{                                                                                                              \
		SCORE_##stage_, SCORE_OF_MAIL, true, facts_                                                            \
	}
#define RCPT_FACT(facts_)                                                                                              \
	{                                                                                                              \
		SCORE_RCPT, SCORE_OF_RECIPIENT, false, facts_                                                          \
	}

const struct score_name score_attrs[SCORE_ATTRS] = {
	[SCORE_AT_CLIENT_IP] = { "client.ip", SCORE_IP, SESSION_FACT(CONNECT, SCORE_HAS_CLIENT) },
	[SCORE_AT_CLIENT_PORT] = { "client.port", SCORE_NUMBER, SESSION_FACT(CONNECT, SCORE_HAS_PORT) },
	[SCORE_AT_CLIENT_NAME] = { "client.name", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_NAME) },
	[SCORE_AT_CLIENT_PTR] = { "client.ptr", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_PTR) },
	[SCORE_AT_CLIENT_RDNS] = { "client.rdns", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_NAME) },
	[SCORE_AT_CLIENT_DYNAMIC] = { "client.dynamic", SCORE_BOOL, SESSION_FACT(CONNECT, SCORE_HAS_PTR) },
	[SCORE_AT_CLIENT_CONNECTIONS] = { "client.connections", SCORE_NUMBER,
		SESSION_NOW(CONNECT, SCORE_HAS_CONNECTIONS) },
	[SCORE_AT_CLIENT_KNOWN_GOOD] = { "client.known_good", SCORE_BOOL, SESSION_FACT(CONNECT, SCORE_HAS_KNOWN_GOOD) },
	[SCORE_AT_CLIENT_AGE] = { "client.age", SCORE_DURATION, SESSION_FACT(CONNECT, SCORE_HAS_AGE) },
	[SCORE_AT_EARLY_TALKER] = { "early_talker", SCORE_BOOL, SESSION_NOW(GREET, SCORE_HAS_EARLY_TALKER) },
	[SCORE_AT_OFFENCES] = { "offences", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
	[SCORE_AT_LISTENER] = { "listener", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_LISTENER) },
	/* STARTTLS comes between two EHLOs: only at MAIL the answer is final */
	[SCORE_AT_TLS] = { "tls", SCORE_BOOL, SESSION_FACT(MAIL, SCORE_HAS_TLS) },
	[SCORE_AT_TLS_VERSION] = { "tls.version", SCORE_STRING, SESSION_FACT(MAIL, SCORE_HAS_TLS) },
	[SCORE_AT_HELO] = { "helo", SCORE_STRING, SESSION_FACT(HELO, SCORE_HAS_HELO) },
	[SCORE_AT_HELO_FORM] = { "helo.form", SCORE_STRING, SESSION_FACT(HELO, SCORE_HAS_HELO) },
	[SCORE_AT_HELO_RESOLVES] = { "helo.resolves", SCORE_BOOL, SESSION_FACT(HELO, SCORE_HAS_HELO_RESOLVES) },
	[SCORE_AT_HELO_OURS] = { "helo.ours", SCORE_BOOL, SESSION_FACT(HELO, SCORE_HAS_HELO_OURS) },
	[SCORE_AT_AUTH_USER] = { "auth.user", SCORE_STRING, SESSION_FACT(MAIL, SCORE_HAS_LATER) },
	[SCORE_AT_SENDER] = { "sender", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_SENDER) },
	[SCORE_AT_SENDER_DOMAIN] = { "sender.domain", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_SENDER) },
	[SCORE_AT_SENDER_NULL] = { "sender.null", SCORE_BOOL, MAIL_FACT(MAIL, SCORE_HAS_SENDER) },
	[SCORE_AT_SENDER_MX] = { "sender.mx", SCORE_BOOL, MAIL_FACT(MAIL, SCORE_HAS_SENDER_MX) },
	[SCORE_AT_SENDER_LOCAL] = { "sender.local", SCORE_BOOL, MAIL_FACT(MAIL, SCORE_HAS_SENDER_LOCAL) },
	[SCORE_AT_RECIPIENT] = { "recipient", SCORE_STRING, RCPT_FACT(SCORE_HAS_RECIPIENT) },
	[SCORE_AT_RECIPIENT_DOMAIN] = { "recipient.domain", SCORE_STRING, RCPT_FACT(SCORE_HAS_RECIPIENT) },
	[SCORE_AT_RECIPIENTS] = { "recipients", SCORE_NUMBER, MAIL_NOW(RCPT, SCORE_HAS_SENDER) },
	[SCORE_AT_BAD_RECIPIENTS] = { "bad_recipients", SCORE_NUMBER, MAIL_NOW(RCPT, SCORE_HAS_SENDER) },
	[SCORE_AT_MESSAGE_SIZE] = { "message.size", SCORE_SIZE, MAIL_FACT(MESSAGE, SCORE_HAS_SIZE) },
	[SCORE_AT_SPF] = { "spf", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_SPF) },
	[SCORE_AT_IDENTITY] = { "identity", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_IDENTITY) },
	[SCORE_AT_SESSIONS] = { "sessions", SCORE_NUMBER, SESSION_NOW(CONNECT, SCORE_HAS_PRESSURE) },
	[SCORE_AT_STRESS] = { "stress", SCORE_NUMBER, SESSION_NOW(CONNECT, SCORE_HAS_PRESSURE) },
	[SCORE_AT_LOAD] = { "load", SCORE_NUMBER, SESSION_NOW(CONNECT, SCORE_HAS_PRESSURE) },
	[SCORE_AT_SCORE] = { "score", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
	[SCORE_AT_POINTS] = { "points", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
};

/* `reads` of those with a KEY come from the key */
const struct score_name score_functions[SCORE_FUNCTIONS] = {
	[SCORE_FN_COUNT] = { "count", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
	[SCORE_FN_DISTINCT] = { "distinct", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
	[SCORE_FN_SPIKE] = { "spike", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
	[SCORE_FN_RECORD] = { "record", SCORE_NUMBER, SESSION_NOW(CONNECT, 0) },
	[SCORE_FN_DNSBL] = { "dnsbl", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_ANSWERS) },
	[SCORE_FN_DNSBL_DOMAIN] = { "dnsbl_domain", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_ANSWERS) },
	[SCORE_FN_HEADER] = { "header", SCORE_STRING, MAIL_FACT(DATA, SCORE_HAS_HEADERS) },
};

const struct score_name score_events[SCORE_EVENTS] = {
	[SCORE_EV_CONNECTIONS] = { .name = "connections" },
	[SCORE_EV_MESSAGES] = { .name = "messages" },
	[SCORE_EV_ACCEPTED] = { .name = "accepted" },
	[SCORE_EV_RECIPIENTS] = { .name = "recipients" },
	[SCORE_EV_BAD_RECIPIENTS] = { .name = "bad_recipients" },
	[SCORE_EV_REFUSED] = { .name = "refused" },
	[SCORE_EV_DEFERRED] = { .name = "deferred" },
	[SCORE_EV_BYTES] = { .name = "bytes" },
	[SCORE_EV_OFFENCES] = { .name = "offences" },
	[SCORE_EV_AUTH_FAILURES] = { .name = "auth_failures", .reads = { .facts = SCORE_HAS_LATER } },
};

const struct score_name score_keys[SCORE_KEY_KINDS] = {
	[SCORE_KEY_CLIENT] = { "client", SCORE_IP, SESSION_FACT(CONNECT, SCORE_HAS_CLIENT) },
	[SCORE_KEY_NET] = { "net", SCORE_IP, SESSION_FACT(CONNECT, SCORE_HAS_CLIENT) },
	[SCORE_KEY_SENDER] = { "sender", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_SENDER) },
	[SCORE_KEY_SENDER_DOMAIN] = { "sender.domain", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_SENDER) },
	[SCORE_KEY_RECIPIENT] = { "recipient", SCORE_STRING, RCPT_FACT(SCORE_HAS_RECIPIENT) },
	[SCORE_KEY_RECIPIENT_DOMAIN] = { "recipient.domain", SCORE_STRING, RCPT_FACT(SCORE_HAS_RECIPIENT) },
	[SCORE_KEY_HELO] = { "helo", SCORE_STRING, SESSION_FACT(HELO, SCORE_HAS_HELO) },
	[SCORE_KEY_CLIENT_NAME] = { "client.name", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_NAME) },
	[SCORE_KEY_AUTH_USER] = { "auth.user", SCORE_STRING, SESSION_FACT(MAIL, SCORE_HAS_LATER) },
	[SCORE_KEY_IDENTITY] = { "identity", SCORE_STRING, MAIL_FACT(MAIL, SCORE_HAS_IDENTITY) },
	[SCORE_KEY_LISTENER] = { "listener", SCORE_STRING, SESSION_FACT(CONNECT, SCORE_HAS_LISTENER) },
	[SCORE_KEY_ALL] = { "all", SCORE_STRING, SESSION_FACT(CONNECT, 0) },
};

const char *const score_stage_names[SCORE_STAGES] = { "connect", "greet", "helo", "mail", "rcpt", "data", "message" };

int score_name_find(const struct score_name *table, int n, struct slice name)
{
	for (int i = 0; i < n; i++)
		if (slice_eq(slice_str(table[i].name), name))
			return i;
	return -1;
}

enum { NAME_MAX_LEN = 24 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, changes, swaps of neighbours (Damerau, optimal string alignment). */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned d[3][NAME_MAX_LEN + 1];
	for (unsigned j = 0; j <= b.n; j++)
		d[0][j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *now = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
		now[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned change = up[j - 1] + ((a.p[i - 1] | 0x20) != (b.p[j - 1] | 0x20));
			now[j] = least(change, 1 + least(up[j], now[j - 1]));
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				now[j] = least(now[j], up2[j - 2] + 1);
		}
	}
	return d[a.n % 3][b.n];
}

const char *score_name_suggest(const struct score_name *table, int n, struct slice name)
{
	const char *best = NULL;
	unsigned least_edits = name.n < 6 ? 2 : 3; /* more than that is another word */
	for (int i = 0; i < n && name.n && name.n <= NAME_MAX_LEN; i++) {
		unsigned edits = distance(name, slice_str(table[i].name));
		if (edits <= least_edits && edits < name.n && (!best || edits < least_edits))
			least_edits = edits, best = table[i].name;
	}
	return best;
}
