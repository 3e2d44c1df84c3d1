/* Any bytes as a relay.state: no crash; what is believed is written again as the same bytes, and nothing behind the
 * first byte that is not believed is. */
#include "relay/state_format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(struct slice in, const struct relay_state_head *head)
{
	char again[RELAY_STATE_HEAD];
	struct relay_state_head copy = *head;
	relay_state_write_head(&copy, again);
	/* the bytes that are kept for later are not looked at, but they are in the sum */
	if (memcmp(again, in.p, RELAY_STATE_HEAD - 24) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct relay_state_head head = { 0 };
	struct relay_state_record rec;
	if (relay_state_read_head(in, &head)) {
		check_head(in, &head);
		in = slice_skip(in, RELAY_STATE_HEAD);
	}
	for (struct slice before = in; relay_state_read(&head, &in, &rec); before = in) {
		char again[RELAY_STATE_RECORD];
		relay_state_write(&head, &rec, again);
		if (before.n - in.n != sizeof again || memcmp(again, before.p, sizeof again) != 0)
			abort();
	}
	return 0;
}
