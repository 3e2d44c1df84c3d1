/* replay/record.h - one line of the file `log.replay`: what was asked of the rules, and all that the answer hung on
 *
 * A file is a trace of the calls that score/rules.h describes, one JSON object a line, so that it can be run again
 * through the real code (replay/run.h). Kinds ("kind" of the line):
 *
 *     head       format and rule set; the first line of a file, and one before the first record of a new rule set
 *     test       score_rules_eval(): facts, values read, charges, the verdict
 *     event      score_event(), or score_event_learned() where it says what was learned
 *     undo       score_event_undo()
 *     recipient  score_case_recipient_done()
 *     mail       score_case_mail_done()
 *     end        score_case_free(): the session is over
 *
 * Sequence. Each line, heads included, has a number `seq` that is drawn once for all workers when the call is made and
 * begins anew with each start of the server (`start` of the head): a missing one is a line that was dropped. Lines may
 * stand out of order, but those of one session never do: `step` counts them from 1, so that a lost line is known to
 * belong to that session and only its later verdicts are left out of the comparison.
 *
 * Bytes. Texts are any octets; whatever is not printable ASCII is written as \u00HH and read back as the same bytes.
 * Doubles read back bit for bit; what is not finite is left out.
 *
 * Writing allocates nothing but the buffer's growth; reading takes a line of any content and either gives a record in
 * bounds or says what is wrong. A record belongs to one thread; keep one and use it again, it is large.
 */
#ifndef REPLAY_RECORD_H
#define REPLAY_RECORD_H

#include "base/buf.h"
#include "score/lookup.h"
#include "score/rules.h"
#include "score/tape.h"

enum { REPLAY_VERSION = 1 };

enum replay_kind {
	REPLAY_HEAD,
	REPLAY_TEST,
	REPLAY_EVENT,
	REPLAY_UNDO,
	REPLAY_RECIPIENT_DONE,
	REPLAY_MAIL_DONE,
	REPLAY_SESSION_END,
	REPLAY_KINDS
};

/* More header fields than mail has; a record with more is `cut`. */
enum { REPLAY_HEADERS = 200 };
enum { REPLAY_NOT_LEARNED = -1 };

/* Of a head. */
struct replay_head {
	uint64_t version;
	uint64_t start_ms;		 /* when this run of the server began */
	uint64_t half_life_ms, spike_ms; /* score_rules_times() */
};

struct replay_read {
	struct slice probe; /* score_probe_name() */
	double value;
};

struct replay_charge {
	struct slice rule, key; /* names: score_rule_name(), score_charge_key_name() */
	bool forgets;
	double points, now; /* see struct score_tape_charge */
};

/* What a DNS list said: the lookup by its name in score/lookup.h, the text p NULL: not listed. */
struct replay_answer {
	struct slice lookup, text;
};

/* What a verdict was, by the names of its rules (empty: none). */
struct replay_verdict {
	enum score_action now, would;
	struct slice now_rule, would_rule, ok_rule;
	uint32_t wait_ms;
	double points, score;
};

/* Slices are borrowed: by the writer from whom it pleases, after reading from the reader, until its next line. */
struct replay_record {
	enum replay_kind kind;
	uint64_t seq, time_ms;
	uint64_t rules;	      /* score_rules_hash() of the session's rule set */
	struct slice session; /* its id; not of a head */
	uint32_t step;	      /* the session's own count of its lines, from 1 */
	struct replay_head head;

	/* test, event, undo: */
	struct score_facts facts; /* as the call was given them; no SCORE_HAS_HEADERS where the header was not kept */
	bool allowed;		  /* score_case.allowed at the call */
	uint8_t place;		  /* score_client_place() */
	enum score_event event;	  /* of event and undo. Of a test: an event with amount 1 that was counted just before,
				     with the same facts at the same time; SCORE_EVENTS: none */
	int learned;		  /* of event: an enum score_key_kind; REPLAY_NOT_LEARNED: the event itself */
	uint64_t amount;
	enum score_stage stage;	       /* of a test */
	struct slice mail;	       /* the mail's decision id, or empty: for examples in a report */
	struct replay_verdict verdict; /* of a test */
	bool accepted;		       /* of a recipient */
	bool cut;		       /* not all of it could be kept: not to be compared */

	unsigned answers_n, reads_n, charges_n;
	struct replay_answer answers[SCORE_LOOKUPS_MAX]; /* what facts.answers hold, by name */
	struct replay_read reads[SCORE_PROBES_MAX];
	struct replay_charge charges[SCORE_RULES_MAX];
	struct score_header headers[REPLAY_HEADERS]; /* room for facts.headers; used by the reader only */
};

/* Empty and of this kind; the large arrays are left as they are. */
void replay_record_begin(struct replay_record *r, enum replay_kind kind);
/* A head for this rule set; `rules` too. */
void replay_record_head(struct replay_record *r, const struct score_ruleset *set, uint64_t start_ms);
/* `answers`, from the facts. */
void replay_record_answers(struct replay_record *r, const struct score_ruleset *set);
/* What the call noted: `reads`, `charges` and `cut`. Names are the set's. */
void replay_record_tape(struct replay_record *r, const struct score_ruleset *set, const struct score_tape *t);
/* A verdict by the names of this set's rules; and that of the record. */
void replay_verdict_of(
	const struct score_ruleset *set, const struct score_verdict *v, struct replay_verdict *verdict_r);
void replay_record_verdict(struct replay_record *r, const struct score_ruleset *set, const struct score_verdict *v);

/* Appends one line with its '\n'. False: memory is out; `out` is as it was. */
bool replay_record_write(const struct replay_record *r, struct buf *out) MUST_USE;

#endif
