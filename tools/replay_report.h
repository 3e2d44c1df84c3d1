/* tools/replay_report.h - what a replay found, gathered record by record, and given as the data of an answer */
#ifndef TOOLS_REPLAY_REPORT_H
#define TOOLS_REPLAY_REPORT_H

#include "replay/run.h"
#include "tools/replay_tally.h"

enum { REPLAY_FAULTS_TOLD = 10 };

struct replay_fault {
	const char *file; /* borrowed */
	uint64_t line;
	const char *why; /* borrowed: a sentence of the reader */
};

/* Zero-initialise. */
struct replay_report {
	struct tally rules, clients, verdicts;
	struct replay_fault faults[REPLAY_FAULTS_TOLD];
	uint64_t faults_n; /* all of them */
	struct buf text;   /* for putting a key together */
};

/* A verdict that is another now. */
void replay_report_change(
	struct replay_report *r, const struct replay_record *record, const struct replay_verdict *now);
/* A line that is no record. */
void replay_report_fault(struct replay_report *r, const char *file, uint64_t line, const char *why);
/* All of it; `top` clients. */
void replay_report_put(struct replay_report *r, const struct replay_runner *runner, const struct score_ruleset *set,
	size_t top, struct ctl_json at);
void replay_report_release(struct replay_report *r);

#endif
