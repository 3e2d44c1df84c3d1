#include "smtp/client.h"

#include "smtp/utf8.h"

#include <stdio.h>

/* Of a command with its CR LF: RCPT with a path of 500 bytes, NOTIFY and ORCPT. */
enum { COMMAND_LINE = 1100 };

void smtp_client_init(struct smtp_client *c, struct buf *out)
{
	*c = (struct smtp_client){ .out = out, .runs = 1 };
	c->ring[0] = (struct smtp_client_run){ SMTP_TO_GREETING, 1 };
}

void smtp_client_speak_lmtp(struct smtp_client *c)
{
	c->lmtp = true;
}

void smtp_client_idle(struct smtp_client *c)
{
	smtp_reply_in_idle(&c->reply);
}

void smtp_client_release(struct smtp_client *c)
{
	smtp_reply_in_release(&c->reply);
}

size_t smtp_client_due(const struct smtp_client *c)
{
	size_t n = 0;
	for (unsigned i = 0; i < c->runs; i++)
		n += c->ring[(c->first + i) % SMTP_CLIENT_RUNS].n;
	return n;
}

/* ---- commands ---------------------------------------------------------------------------------- */

static struct smtp_client_run *last_run(struct smtp_client *c)
{
	return c->runs ? &c->ring[(c->first + c->runs - 1u) % SMTP_CLIENT_RUNS] : NULL;
}

/* May a command be sent now? What follows DATA could be read as a body, what follows STARTTLS goes out in the clear,
 * and a reply that began before it was asked for would be taken for the answer. */
static bool may_say(struct smtp_client *c)
{
	const struct smtp_client_run *last = last_run(c);
	if (c->lost || c->in_body)
		return false;
	if (!last)
		return !smtp_reply_in_began(&c->reply);
	return last->to != SMTP_TO_DATA && last->to != SMTP_TO_STARTTLS && last->to != SMTP_TO_QUIT;
}

static bool continues_run(const struct smtp_client_run *last, enum smtp_client_command to)
{
	return last && last->to == to && last->n < UINT16_MAX;
}

static bool can_expect(struct smtp_client *c, enum smtp_client_command to)
{
	return c->runs < SMTP_CLIENT_RUNS || continues_run(last_run(c), to);
}

static void expect(struct smtp_client *c, enum smtp_client_command to)
{
	struct smtp_client_run *last = last_run(c);
	if (continues_run(last, to))
		last->n++;
	else
		c->ring[(c->first + c->runs++) % SMTP_CLIENT_RUNS] = (struct smtp_client_run){ (uint8_t)to, 1 };
}

/* Only where SMTPUTF8 was said with this mail, and only where a path stands. */
static bool may_be_utf8(const struct smtp_client *c, enum smtp_client_command to)
{
	return c->utf8 && (to == SMTP_TO_MAIL || to == SMTP_TO_RCPT);
}

/* The one function that writes commands: one line without control bytes and its CR LF, or nothing. */
static bool say(struct smtp_client *c, enum smtp_client_command to, const struct slice *parts, size_t parts_n)
{
	char line[COMMAND_LINE];
	size_t n = 0;
	unsigned char all = 0;
	for (size_t i = 0; i < parts_n; i++) {
		if (parts[i].n > sizeof line - 2 - n)
			return false;
		for (size_t k = 0; k < parts[i].n; k++) {
			unsigned char b = (unsigned char)parts[i].p[k];
			TRY(b >= 0x20 && b != 0x7f);
			line[n++] = (char)b;
			all |= b;
		}
	}
	TRY(all < 128 || (may_be_utf8(c, to) && smtp_utf8_is_valid(slice_of(line, n))));
	line[n++] = '\r';
	line[n++] = '\n';
	TRY(may_say(c) && can_expect(c, to) && buf_put(c->out, slice_of(line, n)));
	expect(c, to);
	return true;
}

static bool say_verb(struct smtp_client *c, enum smtp_client_command to, struct slice verb)
{
	return say(c, to, &verb, 1);
}

/* Could the server read this path in another way than we mean it? Outside of quotes a blank or a bracket would end it
 * and begin a parameter of the client's choice. say() refuses control and 8-bit bytes. */
static bool is_one_path(struct slice s)
{
	bool quoted = false;
	for (size_t i = 0; i < s.n; i++) {
		char b = s.p[i];
		if (b == '"')
			quoted = !quoted;
		else if (quoted && b == '\\')
			i++;
		else if (!quoted && (b == ' ' || b == '<' || b == '>' || b == '\\'))
			return false;
	}
	return !quoted && s.n <= SMTP_CLIENT_PATH;
}

static bool say_hello(struct smtp_client *c, enum smtp_client_command to, struct slice verb, struct slice name)
{
	TRY(name.n > 0 && slice_find(name, ' ') == name.n);
	return say(c, to, (struct slice[]){ verb, name }, 2);
}

bool smtp_client_ehlo(struct smtp_client *c, struct slice name)
{
	return say_hello(c, SMTP_TO_EHLO, c->lmtp ? SLICE("LHLO ") : SLICE("EHLO "), name);
}

bool smtp_client_helo(struct smtp_client *c, struct slice name)
{
	return !c->lmtp && say_hello(c, SMTP_TO_HELO, SLICE("HELO "), name);
}

bool smtp_client_starttls(struct smtp_client *c)
{
	return say_verb(c, SMTP_TO_STARTTLS, SLICE("STARTTLS"));
}

bool smtp_client_xclient(struct smtp_client *c, const struct smtp_identity *id)
{
	char line[SMTP_IDENTITY_LINE];
	size_t n = smtp_identity_xclient(line, c->caps.xclient, id);
	return n && say_verb(c, SMTP_TO_XCLIENT, slice_of(line, n));
}

bool smtp_client_xforward(struct smtp_client *c, const struct smtp_identity *id)
{
	char line[SMTP_IDENTITY_LINE];
	size_t n = smtp_identity_xforward(line, c->caps.xforward, id);
	return n && say_verb(c, SMTP_TO_XFORWARD, slice_of(line, n));
}

bool smtp_client_mail(struct smtp_client *c, struct slice sender, const struct smtp_mail_options *o)
{
	static const struct smtp_mail_options nothing = { 0 };
	char size[32] = "";
	struct slice dsn[3] = { 0 };
	if (!o)
		o = &nothing;
	if (o->size && (c->caps.ext & SMTP_EXT_SIZE))
		snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)o->size);
	if (c->caps.ext & SMTP_EXT_DSN)
		TRY(smtp_mail_dsn_parts(&o->dsn, dsn));
	TRY(is_one_path(sender) && (!o->smtputf8 || c->caps.ext & SMTP_EXT_SMTPUTF8));
	bool eight_bit = o->eight_bit && (c->caps.ext & SMTP_EXT_8BITMIME), utf8_before = c->utf8;
	struct slice body = eight_bit ? SLICE(" BODY=8BITMIME") : SLICE("");
	struct slice utf8 = o->smtputf8 ? SLICE(" SMTPUTF8") : SLICE("");
	struct slice parts[] = {
		SLICE("MAIL FROM:<"), sender, SLICE(">"), slice_str(size), body, utf8, dsn[0], dsn[1], dsn[2],
	};
	c->utf8 = o->smtputf8;
	if (say(c, SMTP_TO_MAIL, parts, sizeof parts / sizeof *parts))
		return true;
	c->utf8 = utf8_before;
	return false;
}

bool smtp_client_rcpt(struct smtp_client *c, struct slice rcpt, const struct smtp_rcpt_dsn *dsn)
{
	struct slice said[3] = { 0 };
	if (dsn && (c->caps.ext & SMTP_EXT_DSN))
		TRY(smtp_rcpt_dsn_parts(dsn, c->utf8, said));
	TRY(rcpt.n && is_one_path(rcpt));
	struct slice parts[] = { SLICE("RCPT TO:<"), rcpt, SLICE(">"), said[0], said[1], said[2] };
	return say(c, SMTP_TO_RCPT, parts, sizeof parts / sizeof *parts);
}

bool smtp_client_data(struct smtp_client *c)
{
	return say_verb(c, SMTP_TO_DATA, SLICE("DATA"));
}

bool smtp_client_body_sent(struct smtp_client *c)
{
	TRY(c->in_body && !c->lost && can_expect(c, SMTP_TO_BODY));
	/* RFC 2033 4.2: none accepted, none is due */
	for (unsigned n = c->lmtp ? c->accepted : 1; n; n--)
		expect(c, SMTP_TO_BODY);
	c->in_body = false;
	c->rcpt = 0;
	return true;
}

bool smtp_client_rset(struct smtp_client *c)
{
	return say_verb(c, SMTP_TO_RSET, SLICE("RSET"));
}

bool smtp_client_quit(struct smtp_client *c)
{
	return say_verb(c, SMTP_TO_QUIT, SLICE("QUIT"));
}

/* ---- replies ----------------------------------------------------------------------------------- */

static enum smtp_client_event lose(
	struct smtp_client *c, enum smtp_client_event how, struct slice why, struct smtp_client_reply *reply_r)
{
	c->lost = (uint8_t)how;
	*reply_r = (struct smtp_client_reply){ .text = why };
	return how;
}

/* Which command the next reply answers. */
static enum smtp_client_command pop_due(struct smtp_client *c)
{
	struct smtp_client_run *run = &c->ring[c->first];
	if (c->runs == 0)
		return SMTP_TO_NOTHING;
	enum smtp_client_command to = (enum smtp_client_command)run->to;
	if (--run->n == 0) {
		c->first = (uint8_t)((c->first + 1) % SMTP_CLIENT_RUNS);
		c->runs--;
	}
	return to;
}

/* What a reply changes in the core itself. */
static void take_note(struct smtp_client *c, struct smtp_client_reply *reply)
{
	bool yes = reply->code / 100 == 2;
	switch (reply->to) {
	case SMTP_TO_EHLO:
		if (yes)
			smtp_caps_parse(reply->text, &c->caps);
		break;
	case SMTP_TO_HELO:
	case SMTP_TO_STARTTLS: /* RFC 3207 4.2: what was said before in the clear is void */
	case SMTP_TO_XCLIENT:
		if (yes)
			c->caps = (struct smtp_caps){ 0 };
		break;
	case SMTP_TO_MAIL:
		c->rcpt = c->accepted = 0;
		break;
	case SMTP_TO_RCPT:
		reply->index = c->rcpt++;
		c->accepted = (uint16_t)(c->accepted + yes);
		break;
	case SMTP_TO_DATA:
		c->in_body = reply->code == 354;
		break;
	case SMTP_TO_BODY:
		reply->index = c->lmtp ? c->rcpt++ : 0;
		break;
	case SMTP_TO_NOTHING:
	case SMTP_TO_GREETING:
	case SMTP_TO_XFORWARD:
	case SMTP_TO_RSET:
	case SMTP_TO_QUIT:
		break;
	}
}

static enum smtp_client_event give(
	struct smtp_client *c, struct slice in, const struct smtp_reply *got, struct smtp_client_reply *reply_r)
{
	enum smtp_client_command to = pop_due(c);
	if (to == SMTP_TO_NOTHING && got->code != 421)
		return lose(c, SMTP_CLIENT_GARBAGE, SLICE("a reply that nobody asked for"), reply_r);
	if (to == SMTP_TO_STARTTLS && got->code / 100 == 2 && in.n)
		return lose(c, SMTP_CLIENT_GARBAGE, SLICE("bytes in the clear behind STARTTLS"), reply_r);
	*reply_r = (struct smtp_client_reply){ to, 0, got->code, got->enhanced, got->text };
	take_note(c, reply_r);
	return SMTP_CLIENT_REPLY;
}

enum smtp_client_event smtp_client_next(struct smtp_client *c, struct slice *in, struct smtp_client_reply *reply_r)
{
	struct smtp_reply got;
	if (c->lost)
		return lose(c, (enum smtp_client_event)c->lost, SLICE("the stream is lost"), reply_r);
	switch (smtp_reply_in_next(&c->reply, in, &got)) {
	case SMTP_REPLY_GOT:
		return give(c, *in, &got, reply_r);
	case SMTP_REPLY_GARBAGE:
		return lose(c, SMTP_CLIENT_GARBAGE, got.text, reply_r);
	case SMTP_REPLY_NO_MEMORY:
		return lose(c, SMTP_CLIENT_NO_MEMORY, SLICE("no memory"), reply_r);
	case SMTP_REPLY_MORE:
		break;
	}
	return SMTP_CLIENT_MORE;
}
