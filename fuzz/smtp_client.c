/* Any bytes as a server's replies, cut in any way, while commands go out: the same events as uncut, only harmless text,
 * and only whole command lines in the output. Input: a byte that chooses the cuts, a length, so many bytes of commands,
 * then the replies. A command is a byte (low half: which, high half: length of its word) and its word. */
#include "smtp/client.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t step;
	struct slice commands, replies;
};

static struct input split(const uint8_t *data, size_t size)
{
	struct input in = { 0 };
	struct slice rest = slice_of((const char *)data, size);
	if (size < 2)
		return in;
	in.step = data[0];
	size_t n = data[1] < size - 2 ? data[1] : size - 2;
	in.commands = slice_of(rest.p + 2, n);
	in.replies = slice_skip(rest, 2 + n);
	return in;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* With LMTP any number of replies are due then; they are told as one here. */
static bool body_sent(struct smtp_client *c)
{
	size_t due = smtp_client_due(c);
	if (!smtp_client_body_sent(c))
		return false;
	must(c->lmtp ? smtp_client_due(c) >= due : smtp_client_due(c) == due + 1);
	return true;
}

/* One command; its path or name are the bytes that follow, which may be anything. */
static void say(struct smtp_client *c, unsigned kind, struct slice word)
{
	struct smtp_identity id = {
		.port = 25, .name = word, .helo = word, .proto = word, .login = word, .ident = word
	};
	struct smtp_mail_options o = { .size = word.n, .eight_bit = true, .smtputf8 = word.n & 1, .dsn.envid = word };
	struct smtp_rcpt_dsn d = { .notify = (unsigned)word.n, .orcpt = word };
	size_t held = buf_len(c->out), due = smtp_client_due(c);
	bool done = false, silent = false;
	switch (kind % 11) {
	case 0:
		done = smtp_client_ehlo(c, word);
		break;
	case 1:
		done = smtp_client_starttls(c);
		break;
	case 2:
		done = smtp_client_xclient(c, &id);
		break;
	case 3:
		done = smtp_client_xforward(c, &id);
		break;
	case 4:
		done = smtp_client_mail(c, word, &o);
		break;
	case 5:
		done = smtp_client_rcpt(c, word, &d);
		break;
	case 6:
		done = smtp_client_data(c);
		break;
	case 7:
		silent = true;
		done = body_sent(c);
		break;
	case 8:
		done = smtp_client_rset(c);
		break;
	case 9:
		done = smtp_client_quit(c);
		break;
	case 10:
		smtp_client_speak_lmtp(c);
		done = smtp_client_ehlo(c, word);
		break;
	}
	struct slice said = slice_skip(buf_slice(c->out), held);
	must(silent || smtp_client_due(c) == due + done);
	must(done && !silent ? said.n > 2 && slice_find(said, '\n') == said.n - 1 &&
				       slice_find(said, '\r') == said.n - 2 && slice_find(said, 0) == said.n
			     : said.n == 0);
}

static void put(struct buf *log, const struct smtp_client_reply *r)
{
	must(r->code >= 200 && r->code < 600 && r->text.n <= SMTP_REPLY_TEXT);
	for (size_t i = 0; i < r->text.n; i++)
		must((r->text.p[i] >= 0x20 && r->text.p[i] < 0x7f) || r->text.p[i] == '\t' || r->text.p[i] == '\n');
	must(buf_printf(log, "%d %u %u %u.%u.%u ", (int)r->to, r->index, r->code, r->enhanced.class,
		r->enhanced.subject, r->enhanced.detail));
	must(buf_put(log, r->text) && buf_put(log, SLICE("|")));
}

/* After each reply the next command is tried. */
static void converse(const struct input *input, size_t step, struct buf *log)
{
	struct smtp_client c;
	struct buf out = { 0 };
	struct slice commands = input->commands, replies = input->replies;
	enum smtp_client_event event = SMTP_CLIENT_MORE;
	smtp_client_init(&c, &out);
	while (event != SMTP_CLIENT_GARBAGE) {
		struct slice piece = slice_of(replies.p, replies.n < step ? replies.n : step);
		replies = slice_skip(replies, piece.n);
		struct smtp_client_reply reply;
		while ((event = smtp_client_next(&c, &piece, &reply)) == SMTP_CLIENT_REPLY) {
			put(log, &reply);
			if (commands.n) {
				size_t n = 1 + (size_t)((uint8_t)commands.p[0] >> 4);
				struct slice one = slice_of(commands.p, n < commands.n ? n : commands.n);
				say(&c, (uint8_t)one.p[0] & 15, slice_skip(one, 1));
				commands = slice_skip(commands, one.n);
			}
		}
		must(event != SMTP_CLIENT_MORE || piece.n == 0);
		if (replies.n == 0)
			break;
	}
	must(event != SMTP_CLIENT_NO_MEMORY && buf_printf(log, "%d", (int)event));
	smtp_client_release(&c);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = split(data, size);
	struct buf whole = { 0 }, cut = { 0 };
	/* bytes behind the 220 to STARTTLS are garbage if they came with it; that alone a cut may change */
	converse(&input, 1, &whole);
	converse(&input, 2 + input.step, &cut);
	struct slice a = buf_slice(&whole), b = buf_slice(&cut);
	if (!slice_eq(a, b)) {
		must(b.n && b.n < a.n && b.p[b.n - 1] == '0' + SMTP_CLIENT_GARBAGE);
		must(memcmp(a.p, b.p, b.n - 1) == 0 && a.p[b.n - 1] == '0' + SMTP_TO_STARTTLS);
	}
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
