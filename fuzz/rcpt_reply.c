/* Any bytes as what a socketmap server says: cut in two, or byte by byte, it is the same reply; and any bytes as an
 * address: its parts are whole and hold no control byte. */
#include "rcpt/key.h"
#include "rcpt/reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static enum rcpt_reply_event feed_bytes(struct rcpt_reply *r, struct slice in, size_t *used_r)
{
	enum rcpt_reply_event event = RCPT_REPLY_MORE;
	for (*used_r = 0; event == RCPT_REPLY_MORE && *used_r < in.n; ++*used_r) {
		struct slice one = slice_of(in.p + *used_r, 1);
		event = rcpt_reply_feed(r, &one);
		must(one.n == 0);
	}
	return event;
}

static void check_reply(struct slice in)
{
	struct rcpt_reply whole = { 0 }, bytes = { 0 };
	struct slice rest = in, why, why_bytes;
	size_t used;
	enum rcpt_reply_event event = rcpt_reply_feed(&whole, &rest);
	must(feed_bytes(&bytes, in, &used) == event && used == in.n - rest.n);
	if (event != RCPT_REPLY_WHOLE)
		return;
	must(whole.length == whole.seen && whole.length <= RCPT_REPLY_MAX && whole.kept_n <= RCPT_REPLY_KEPT);
	must(rcpt_reply_meaning(&whole, &why) == rcpt_reply_meaning(&bytes, &why_bytes) && slice_eq(why, why_bytes));
}

static void check_key(struct slice in)
{
	struct rcpt_key k;
	if (!rcpt_key_set(&k, in))
		return;
	do {
		must(strlen(k.address) == k.address_n && strlen(k.local) == k.local_n && k.local_n && *k.domain);
		must(k.address_n == k.local_n + 1 + strlen(k.domain) && k.address_n <= RCPT_KEY_MAX);
		for (size_t i = 0; i < k.address_n; i++)
			must((unsigned char)k.address[i] >= ' ' && k.address[i] != 0x7f);
	} while (rcpt_key_cut(&k, '+'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	check_reply(in);
	check_key(in);
	return 0;
}
