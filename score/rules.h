/* score/rules.h - rules: compiled once, tested at every stage ("Rules" of CONFIG.md)
 *
 * A rule set is immutable once compiled and may be read by any thread; a session keeps the one it
 * began with. Testing is bounded, allocates nothing but a session's bitsets when a first rule fires, and costs a
 * comparison where no rule belongs to the stage.
 *
 * The way of one session (all on its worker, `now_ms` = milliseconds since 1970):
 *     score_event(connections)  score_rules_eval(CONNECT)  score_rules_eval(GREET)
 *     score_rules_eval(HELO)
 *     score_event(messages)     score_rules_eval(MAIL)
 *     score_event(recipients)   score_rules_eval(RCPT)     [score_event(bad_recipients|refused|deferred)]
 *                               score_case_recipient_done(), score_facts_drop(RECIPIENT)
 *     score_rules_eval(DATA)    score_rules_eval(MESSAGE)  score_event(accepted|refused|deferred), score_event(bytes)
 *                               score_case_mail_done(), score_facts_drop(MAIL)
 *     score_event(offences) whenever it happens            score_case_free()
 *
 * What is the caller's own: `refuse_at`, `limits.delay`, the reply on the wire, decision ids, the journal.
 */
#ifndef SCORE_RULES_H
#define SCORE_RULES_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/result.h"
#include "score/facts.h"
#include "score/list.h"
#include "score/reply.h"
#include "score/store.h"

/* More rules than an administrator can oversee; bounds a session's bitsets (8 x 125 bytes). */
enum { SCORE_RULES_MAX = 1000 };

/* The rule's `do`. Of those that compete for the verdict the higher value is the stronger. */
enum score_action {
	SCORE_NONE,
	SCORE_LOG,
	SCORE_OK,
	SCORE_WAIT,
	SCORE_GREYLIST,
	SCORE_DEFER,
	SCORE_REJECT,
	SCORE_BLOCK,
	SCORE_MAIL_ALERT,
	SCORE_THROTTLE,
	SCORE_DELETE,
	SCORE_TAG,
	SCORE_QUARANTINE,
	SCORE_SCAN,
	SCORE_EXEC,
	SCORE_ROUTE,
	SCORE_ACTIONS
};

/* "wait", "defer", ... */
const char *score_action_name(enum score_action action);

/* --- compile --- */

enum score_charge_to {
	SCORE_TO_DEFAULT, /* the first KEY that the rule counts by, else the client */
	SCORE_TO_CLIENT,
	SCORE_TO_NET, /* IPv4 /24, IPv6 /48 */
	SCORE_TO_SENDER,
	SCORE_TO_DOMAIN, /* the sender's */
	SCORE_TO_RECIPIENT,
	SCORE_TO_USER,
	SCORE_TO_IDENTITY
};

enum score_state { SCORE_ENFORCE, SCORE_OBSERVE, SCORE_OFF };

enum { SCORE_ANY_STAGE = -1 };

/* A rule as written. Strings are NUL-terminated, NULL or "" where the key is absent, and are copied. */
struct score_rule_source {
	const char *name, *when;
	const char *file; /* where `when` stands, for messages */
	unsigned line;
	/* 0: none; negative: in the client's favour. While the rule is true `charge` is given for each new event of a
	 * kind that it counts: of count and spike theirs, of distinct the connection, MAIL or RCPT that shows it a
	 * value, be it an old one (as each message above a limit of messages is charged); a rule that hears of none,
	 * also one that tells HELO names apart, charges once a session. */
	double points, charge;
	enum score_charge_to to;
	enum score_action action; /* `do`; SCORE_NONE: only points or charge */
	enum score_state state;
	uint64_t delay_ms, hold_ms; /* of wait; of block */
	uint64_t rate;		    /* throttle: bytes a second */
	const char *reply, *header;
	unsigned percent;  /* 1..99; 0 and 100 and above: all clients */
	uint64_t until_ms; /* first moment at which the rule is over; 0: never */
	int stage;	   /* an enum score_stage, or SCORE_ANY_STAGE: tested where its facts allow it */
	bool even_known_good;
};

struct score_named_list {
	const char *name;
	const struct score_list *list;
};

/* What people are shown instead of a DNS list's zone, which may hold a key. */
struct score_zone_text {
	struct slice zone, text;
};

struct score_rules_config {
	const struct score_rule_source *rules;
	size_t n;
	const struct score_named_list *lists; /* borrowed: must outlive the rule set */
	size_t lists_n;
	const struct score_zone_text *zones;
	size_t zones_n;
	struct hash_key key;   /* the store's: which clients are among the `percent`; keep it over reloads */
	uint64_t half_life_ms; /* score.half_life */
	uint64_t spike_ms;     /* score.spike_window; 0: five minutes */
	bool enforce;	       /* false: verdicts are only told as `would` */
};

struct score_ruleset;

/* NULL when there is a fault or memory is out. Each fault is appended to `faults` as
 *     FILE:LINE: rule "NAME": message\n
 * and, for one within the expression, two more lines: the expression, and a caret below the place. */
struct score_ruleset *score_rules_compile(const struct score_rules_config *c, struct buf *faults) MUST_USE;
void score_rules_free(struct score_ruleset **set);

size_t score_rules_count(const struct score_ruleset *set);
const char *score_rule_name(const struct score_ruleset *set, unsigned rule);
/* Does the rule of this name (as a hold keeps it, see score/block.h) refuse who is known good, too? Of a rule that is
 * gone: no. */
bool score_rules_even_known_good(const struct score_ruleset *set, const char *name);
/* For --dump: the stages at which the rule is tested, a bit for each (1 << SCORE_MAIL ...), and its scope. */
unsigned score_rule_stages(const struct score_ruleset *set, unsigned rule);
enum score_scope score_rule_scope(const struct score_ruleset *set, unsigned rule);

/* Has any rule this action, observed ones included? (Who greylists needs identities.) */
bool score_rules_do(const struct score_ruleset *set, enum score_action action);
/* Does any rule that is tested read one of these (SCORE_HAS_...)? */
bool score_rules_read(const struct score_ruleset *set, uint32_t facts);

/* For --check: the first thing this rule reads that this version never learns and that is always unknown ("spf";
 * whatever needs DNS, AUTH or an identity), or NULL. */
const char *score_rule_unknown(const struct score_ruleset *set, unsigned rule);

/* --- a session's own state --- */

/* 64 bytes while no rule fired; zero-initialise. Belongs to one session and one rule set. */
struct score_case {
	uint64_t *sets; /* private from here on */
	uint32_t waited_ms[SCORE_SCOPES];
	uint16_t ok[SCORE_SCOPES]; /* 1 + position of the highest `ok` in that scope; 0: none */
	uint16_t ok_recipients;	   /* as above, of what all accepted recipients of the mail share */
	uint16_t fresh;		   /* events since the last test */
	uint8_t stage;
	bool accepted; /* a recipient of this mail was accepted */
	bool late;     /* something has happened since the last test */
	/* public: */
	bool allowed; /* an `allow` of the administrator holds: an `ok` above all rules */
	bool dry;     /* set at the start: nothing is counted, charged or deleted (`smtpguardctl test`) */
	struct score_readings *readings; /* may be NULL: filled by every test, see "what was read" */
	struct score_tape *tape;	 /* NULL but for a call that is noted or replayed, see score/tape.h */
	struct score_fires *fires;	 /* may be NULL: filled by every test and event, see "what fired" */
};

/* The recipient is answered: its scope ends. `accepted`: it got 250 and belongs to the mail. */
void score_case_recipient_done(const struct score_ruleset *set, struct score_case *c, bool accepted);
/* The mail is over (answered, RSET, EHLO): its scope ends, recipients included. Ask score_case_verdict() and
 * score_case_next() for its journal line before. */
void score_case_mail_done(const struct score_ruleset *set, struct score_case *c);
void score_case_free(struct score_case *c);

/* --- judge --- */

enum { SCORE_NO_RULE = -1 };

struct score_decision {
	enum score_action action; /* SCORE_NONE, SCORE_WAIT, SCORE_GREYLIST, SCORE_DEFER, SCORE_REJECT or SCORE_BLOCK */
	int rule;		  /* its position in the list, or SCORE_NO_RULE */
};

/* `log` (and `mail`) rules told by one verdict; more than that are a mistake in the rules */
enum { SCORE_VERDICT_LOGS = 8 };

struct score_verdict {
	struct score_decision now;	 /* what stands, those held from earlier stages included */
	struct score_decision would;	 /* the same had observed rules and enforce = false been in force */
	int ok_rule;			 /* the `ok` that is in force, or SCORE_NO_RULE */
	bool held;			 /* `now` was found at an earlier stage */
	int alarm_rule;			 /* its reject or block became a defer: known good; or SCORE_NO_RULE */
	int gave_up_rule;		 /* the first whose patterns took too many steps; or SCORE_NO_RULE */
	uint32_t wait_ms;		 /* with SCORE_WAIT: how long, before limits.delay */
	uint64_t hold_ms;		 /* with SCORE_BLOCK: how long new connections of the client are refused */
	uint64_t rate;			 /* bytes a second, the lowest `throttle` in force; 0: none */
	const struct score_reply *reply; /* with SCORE_GREYLIST and above; lives as long as the set */
	double points;			 /* in force now */
	double score;			 /* points + record(client) */
	unsigned logs_n, mails_n;	 /* `log` and `mail` rules that fired in this test, once a scope */
	uint16_t logs[SCORE_VERDICT_LOGS], mails[SCORE_VERDICT_LOGS];
};

/* The known-good promise (CONFIG.md "Known good"), the one place that every automatic refusal passes: rules do
 * within score_rules_eval(), the server asks it about stored automatic blocks and its own limits. A reject or block
 * becomes a defer, and *alarm_r is set; anything else, and a client not known good, stays as it is.
 * Not asked about: protocol faults, recipients that are not ours, the backend's reply, the administrator's block. */
enum score_action score_promise(enum score_action wanted, bool known_good, bool even_known_good, bool *alarm_r);

/* Tests the rules of a stage in list order and says what stands after it. A defer, reject or block found at
 * connect..mail holds for its scope and is told again by every later verdict of it (held = true), until an `ok`
 * above it in the list cancels it; one found at rcpt or later holds for that test only. SCORE_GREYLIST, found at
 * whatever stage, is told from rcpt on (of the null sender from data on), and never of a client known good: the caller
 * asks score/grey.h about the recipient (from data on: each of the mail's) and refuses with `reply` who has to wait.
 * Waits are told once a scope, the longest only; a wait is not told beside a refusal. A `delete` forgets the record
 * here and now, once a scope (`to` says whose, as for a charge). False: memory is out; the session ends with 421. */
bool score_rules_eval(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	struct score_case *c, struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r) MUST_USE;
/* What stands, without testing anything: for the journal, and for a client that leaves before its refusal. */
void score_case_verdict(const struct score_ruleset *set, const struct score_facts *f, const struct score_case *c,
	struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r);

/* `log` and `mail` rules of this scope that became true by what happened after their last test: told when the scope
 * ends, or nobody would. Only `logs`, `mails`, `points` and `score` of the verdict are filled in; nothing is charged.
 * False: memory is out. */
bool score_rules_tell(const struct score_ruleset *set, enum score_scope scope, const struct score_facts *f,
	struct score_case *c, struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r) MUST_USE;

/* What a `mail` or alarm of this rule is about: "sender" and "spam@example.org", by the first KEY that the rule
 * counts by, else the client. For "at most one for each rule and key". False: not known here, or memory is out. */
bool score_rule_subject(const struct score_ruleset *set, unsigned rule, const struct score_facts *f,
	const char **kind_r, struct buf *out) MUST_USE;
/* The texts of the `tag` rules in force for this mail, in list order: those of the session, the mail and its
 * accepted recipients. Ask when the mail is handed on, before score_case_mail_done(). *at begins at 0; NULL at the
 * end. A text is "Name: value", printable ASCII; its {id} {client} {rule} are filled by score_reply_expand(). */
const struct score_reply *score_case_tag(const struct score_ruleset *set, const struct score_case *c, unsigned *at);

/* Facts (SCORE_HAS_...) that are not known yet and that a rule of this stage reads whose outcome can still
 * matter: rules below an `ok` in force start no lookup. Cheap: a mask when no `ok` stands. */
uint64_t score_rules_wants(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	const struct score_case *c);

/* --- events --- */

enum score_event {
	SCORE_EV_CONNECTIONS,	 /* before CONNECT is tested */
	SCORE_EV_MESSAGES,	 /* a MAIL, before MAIL is tested */
	SCORE_EV_ACCEPTED,	 /* 250 after the body */
	SCORE_EV_RECIPIENTS,	 /* a RCPT, before RCPT is tested */
	SCORE_EV_BAD_RECIPIENTS, /* the recipient does not exist */
	SCORE_EV_REFUSED,	 /* 5xx by us */
	SCORE_EV_DEFERRED,	 /* 4xx by a rule: counts here alone, see score_event_undo() */
	SCORE_EV_BYTES,		 /* amount: bytes of a body */
	SCORE_EV_OFFENCES,	 /* a protocol fault */
	SCORE_EV_AUTH_FAILURES,
	SCORE_EVENTS
};

/* Adds the event to each counter that a rule reads; nothing to do costs one comparison. Rules that count this
 * event and are true now give their charge: those of connections, messages and recipients in the test of the stage
 * that follows, all others here and now. False: memory is out. */
bool score_event(const struct score_ruleset *set, const struct score_facts *f, struct score_case *c,
	struct score_store *store, enum score_event event, uint64_t amount, uint64_t now_ms) MUST_USE;

/* Takes an event back: what we greylist or defer counts in `deferred` alone and never eats a rate budget, so the
 * caller undoes its messages (or recipients) event when it says 4xx. Taken back from counts and spikes; a distinct
 * keeps what it was shown (score/distinct.h). Charges already given stay. */
void score_event_undo(const struct score_ruleset *set, const struct score_facts *f, struct score_store *store,
	enum score_event event, uint64_t amount, uint64_t now_ms);

/* Does any rule count by this key? */
bool score_rules_count_by(const struct score_ruleset *set, enum score_key_kind kind);
/* A key that was not known when the event happened (the client's name, an identity) is known now: counts the event by
 * what has it. Gives no charge. */
void score_event_learned(const struct score_ruleset *set, const struct score_facts *f, struct score_store *store,
	enum score_event event, uint64_t amount, enum score_key_kind learned, uint64_t now_ms);

/* --- what was read --- */

/* The counters, distincts, spikes and records that rules read: the set keeps each once. */
enum { SCORE_PROBES_MAX = 256, SCORE_READINGS = 32 };

/* Belongs to the caller (zero-initialised); the last value of each probe is kept, beyond SCORE_READINGS nothing. */
struct score_readings {
	unsigned n;
	struct {
		uint16_t probe;
		double value;
	} item[SCORE_READINGS];
};

/* "count(bad_recipients by client, 10m)", "record(sender)"; lives as long as the set. */
const char *score_probe_name(const struct score_ruleset *set, unsigned probe);

/* --- what fired --- */

/* Belongs to the caller, who sets n to 0 before each test or event: the rules that it made fire anew in their scope,
 * or that gave their charge. A rule stands in it once. */
struct score_fires {
	unsigned n;
	struct {
		uint16_t rule;
		bool anew, charged;
	} item[SCORE_RULES_MAX];
};

/* --- for the journal --- */

struct score_fired {
	unsigned rule;
	double points; /* that count; 0 when observed */
	bool observed; /* fired, but in state observe */
	enum score_action action;
};

/* Walks the rules that fired in the session, this mail and its recipients, in list order, those that an `ok`
 * cancelled left out. *at begins at 0; false at the end. */
bool score_case_next(
	const struct score_ruleset *set, const struct score_case *c, unsigned *at, struct score_fired *fired_r);

#endif
