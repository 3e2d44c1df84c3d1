/* A replay file of any bytes: each line is a record in bounds or a fault with a sentence; a record is written and read
 * again as the same line, and whatever it says, the rules can be run on it. */
#include <stdlib.h>

#include "replay/read.h"
#include "replay/run.h"

static void require(bool held)
{
	if (!held)
		abort();
}

static struct score_ruleset *rules(void)
{
	static const struct score_rule_source sources[] = {
		{ .name = "harvest", .when = "count(bad_recipients by client, 10m) > 1", .charge = 20, .stage = -1 },
		{ .name = "many", .when = "distinct(sender by client, 1h) > 2 or spike(messages by sender) > 2",
			.action = SCORE_WAIT, .delay_ms = 1000, .percent = 50, .stage = -1 },
		{ .name = "pardon", .when = "header('Subject') =~ /sorry/i", .action = SCORE_DELETE, .stage = -1 },
		{ .name = "trusted", .when = "sender =~ /@good/", .action = SCORE_OK, .stage = -1 },
		{ .name = "hot", .when = "score > 10 or record(sender) > 5", .action = SCORE_DEFER, .stage = -1 },
	};
	struct score_rules_config c = { .rules = sources, .n = sizeof sources / sizeof *sources,
		.half_life_ms = 3600000, .enforce = true };
	struct buf faults = { 0 };
	struct score_ruleset *set = score_rules_compile(&c, &faults);
	require(set != NULL);
	return set;
}

static void write_and_read_again(const struct replay_record *r)
{
	static struct replay_record again;
	struct replay_reader reader = { 0 };
	struct buf first = { 0 }, second = { 0 };
	const char *why;
	require(replay_record_write(r, &first));
	struct slice line = buf_slice(&first);
	require(replay_read(&reader, slice_of(line.p, line.n - 1), &again, &why));
	require(replay_record_write(&again, &second));
	require(slice_eq(line, buf_slice(&second)));
	replay_reader_release(&reader);
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct replay_record record;
	static struct score_ruleset *set;
	struct replay_reader reader = { 0 };
	struct replay_verdict verdict;
	set = set ? set : rules();
	struct replay_runner *runner = replay_runner_new(set, 1 << 20);
	struct slice rest = slice_of((const char *)data, size);
	require(runner != NULL);
	while (rest.n) {
		const char *why = NULL;
		struct slice line = slice_cut(&rest, '\n');
		if (!replay_read(&reader, line, &record, &why)) {
			require(why != NULL);
			continue;
		}
		write_and_read_again(&record);
		require(replay_run(runner, &record, &verdict) != REPLAY_NO_MEMORY);
	}
	replay_reader_release(&reader);
	replay_runner_free(&runner);
	return 0;
}
