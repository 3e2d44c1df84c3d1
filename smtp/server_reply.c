#include "smtp/server_reply.h"

const struct smtp_reply smtp_replies[SMTP_REPLIES] = {
	[SMTP_REPLY_OK] = { 250, SLICE_INIT("2.0.0 Ok") },
	[SMTP_REPLY_VRFY] = { 252, SLICE_INIT("2.1.5 Cannot VRFY user; try RCPT") },
	[SMTP_REPLY_HELP] = { 214, SLICE_INIT("2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT (RFC 5321)") },
	[SMTP_REPLY_BYE] = { 221, SLICE_INIT("2.0.0 Bye") },

	[SMTP_REPLY_BARE_LF] = { 500, SLICE_INIT("5.5.2 Lines end with CR LF, not with LF alone") },
	[SMTP_REPLY_BARE_CR] = { 500, SLICE_INIT("5.5.2 CR without LF in a command") },
	[SMTP_REPLY_CONTROL] = { 500, SLICE_INIT("5.5.2 Control byte in a command") },
	[SMTP_REPLY_LINE_LENGTH] = { 500, SLICE_INIT("5.5.2 Line too long") },
	[SMTP_REPLY_UNKNOWN] = { 500, SLICE_INIT("5.5.2 Command not recognized") },
	[SMTP_REPLY_ABSENT] = { 502, SLICE_INIT("5.5.1 Command not implemented") },
	[SMTP_REPLY_NO_ARG] = { 501, SLICE_INIT("5.5.4 This command takes no argument") },
	[SMTP_REPLY_HELO_ARG] = { 501, SLICE_INIT("5.5.4 Syntax: EHLO hostname") },
	[SMTP_REPLY_VRFY_ARG] = { 501, SLICE_INIT("5.5.4 Syntax: VRFY address") },
	[SMTP_REPLY_BDAT_ARG] = { 501, SLICE_INIT("5.5.4 Syntax: BDAT count [LAST]") },
	[SMTP_REPLY_XCLIENT_ARG] = { 501, SLICE_INIT("5.5.4 Syntax: XCLIENT attribute=value ...") },
	[SMTP_REPLY_MAIL_ARG] = { 501, SLICE_INIT("5.5.4 Syntax: MAIL FROM:<address>") },
	[SMTP_REPLY_RCPT_ARG] = { 501, SLICE_INIT("5.5.4 Syntax: RCPT TO:<address>") },
	[SMTP_REPLY_SENDER] = { 501, SLICE_INIT("5.1.7 Bad sender address syntax") },
	[SMTP_REPLY_RECIPIENT] = { 501, SLICE_INIT("5.1.3 Bad recipient address syntax") },
	[SMTP_REPLY_NOT_ASCII] = { 553, SLICE_INIT("5.6.7 Address is not ASCII, and SMTPUTF8 was not asked for") },
	[SMTP_REPLY_PARAM_UNKNOWN] = { 555, SLICE_INIT("5.5.4 Unsupported parameter") },
	[SMTP_REPLY_PARAM_VALUE] = { 501, SLICE_INIT("5.5.4 Bad parameter value") },

	[SMTP_REPLY_NEED_HELO] = { 503, SLICE_INIT("5.5.1 Send EHLO or HELO first") },
	[SMTP_REPLY_NEED_MAIL] = { 503, SLICE_INIT("5.5.1 Need MAIL first") },
	[SMTP_REPLY_NEED_RCPT] = { 503, SLICE_INIT("5.5.1 Need RCPT first") },
	[SMTP_REPLY_NO_RCPT] = { 554, SLICE_INIT("5.5.1 No valid recipients") },
	[SMTP_REPLY_NESTED] = { 503, SLICE_INIT("5.5.1 Nested MAIL command") },
	[SMTP_REPLY_IN_MAIL] = { 503, SLICE_INIT("5.5.1 Not within a mail transaction") },
	[SMTP_REPLY_REJECTED] = { 503, SLICE_INIT("5.5.1 No service here, please QUIT") },
	[SMTP_REPLY_TLS_ACTIVE] = { 503, SLICE_INIT("5.5.1 TLS is already active") },
	[SMTP_REPLY_IN_CHUNKS] = { 503, SLICE_INIT("5.5.1 BDAT has begun: BDAT or RSET comes next") },
	[SMTP_REPLY_NEED_RSET] = { 503, SLICE_INIT("5.5.1 A BDAT of this mail was refused, RSET comes next") },
	[SMTP_REPLY_XCLIENT_DENIED] = { 550, SLICE_INIT("5.7.1 XCLIENT is not allowed from here") },

	[SMTP_REPLY_SIZE] = { 552, SLICE_INIT("5.3.4 Message size exceeds the limit") },
	[SMTP_REPLY_RECIPIENTS] = { 452, SLICE_INIT("4.5.3 Too many recipients") },

	[SMTP_REPLY_ERRORS] = { 421, SLICE_INIT("4.7.0 Too many errors, closing") },
	[SMTP_REPLY_JUNK] = { 421, SLICE_INIT("4.7.0 Too many commands without mail, closing") },
	[SMTP_REPLY_STRAYS] = { 421, SLICE_INIT("4.7.0 Lines must end with CR LF, closing") },
	[SMTP_REPLY_ENDLESS] = { 421, SLICE_INIT("4.7.0 Line without end, closing") },
	[SMTP_REPLY_REFUSED_DATA] = { 421, SLICE_INIT("4.7.0 Message sent though DATA was refused, closing") },
	[SMTP_REPLY_CHUNK_LOST] = { 421, SLICE_INIT("4.7.0 Where this BDAT ends is not known, closing") },
	[SMTP_REPLY_INJECTION] = { 421, SLICE_INIT("4.7.0 Clear text behind STARTTLS, closing") },
	[SMTP_REPLY_NOT_SMTP] = { 421, SLICE_INIT("4.7.0 This is SMTP, closing") },
};

int smtp_fault_reply(enum smtp_fault fault, struct slice *text_r)
{
	static const struct smtp_reply replies[] = {
		[SMTP_FAULT_NONE] = { 0, { "", 0 } },
		[SMTP_FAULT_BARE_LF] = { 550, SLICE_INIT("5.6.11 LF without CR in the message") },
		[SMTP_FAULT_BARE_CR] = { 550, SLICE_INIT("5.6.11 CR without LF in the message") },
		[SMTP_FAULT_NUL] = { 550, SLICE_INIT("5.6.0 NUL byte in the message") },
		[SMTP_FAULT_TOO_BIG] = { 552, SLICE_INIT("5.3.4 Message size exceeds the limit") },
		[SMTP_FAULT_LINE_TOO_LONG] = { 550, SLICE_INIT("5.6.0 Line too long in the message") },
	};
	*text_r = replies[fault].text;
	return replies[fault].code;
}

static bool is_control(unsigned char c)
{
	return (c < 32 && c != '\t') || c == 127;
}

static bool write_line(struct buf *out, int code, char separator, struct slice text)
{
	TRY(buf_reserve(out, text.n + 6));
	char *to = out->data + out->end;
	to[0] = (char)('0' + code / 100 % 10);
	to[1] = (char)('0' + code / 10 % 10);
	to[2] = (char)('0' + code % 10);
	to[3] = separator;
	if (text.n)
		memcpy(to + 4, text.p, text.n);
	for (size_t i = 4; i < 4 + text.n; i++)
		if (is_control((unsigned char)to[i]))
			to[i] = '?';
	to[4 + text.n] = '\r';
	to[5 + text.n] = '\n';
	buf_grew(out, text.n + 6);
	return true;
}

bool smtp_reply_write(struct buf *out, int code, struct slice text, bool more)
{
	for (;;) {
		bool last = slice_find(text, '\n') == text.n;
		struct slice line = slice_cut(&text, '\n');
		TRY(write_line(out, code, last && !more ? ' ' : '-', line));
		if (last)
			return true;
	}
}

/* The word and the number, if there is one; it lies in `room`. */
static struct slice with_number(struct slice word, uint64_t n, char *room)
{
	char digits[SLICE_DIGITS];
	struct slice number = slice_number(n, digits);
	if (n == 0)
		return slice_trim(word);
	memcpy(room, word.p, word.n);
	memcpy(room + word.n, number.p, number.n);
	return slice_of(room, word.n + number.n);
}

bool smtp_reply_write_ehlo(struct buf *out, struct slice text, unsigned ext, const struct smtp_server_config *c)
{
	enum { RCPTMAX = 999999 }; /* RFC 9422 3: six digits */
	char size[32], most[48];
	uint64_t rcpts = c->recipients < RCPTMAX ? c->recipients : RCPTMAX;
	const struct {
		unsigned bit;
		struct slice line;
	} lines[] = {
		{ SMTP_EXT_PIPELINING, SLICE("PIPELINING") },
		{ SMTP_EXT_SIZE, with_number(SLICE("SIZE "), c->size_max, size) },
		{ SMTP_EXT_STARTTLS, SLICE("STARTTLS") },
		{ SMTP_EXT_ENHANCEDSTATUSCODES, SLICE("ENHANCEDSTATUSCODES") },
		{ SMTP_EXT_8BITMIME, SLICE("8BITMIME") },
		{ SMTP_EXT_DSN, SLICE("DSN") },
		{ SMTP_EXT_SMTPUTF8, SLICE("SMTPUTF8") },
		{ SMTP_EXT_CHUNKING, SLICE("CHUNKING") },
		{ SMTP_EXT_LIMITS, with_number(SLICE("LIMITS RCPTMAX="), rcpts, most) },
		{ SMTP_EXT_XCLIENT, SLICE("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME") },
	};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		if ((ext & lines[i].bit) == 0)
			continue;
		TRY(smtp_reply_write(out, 250, text, true));
		text = lines[i].line;
	}
	return smtp_reply_write(out, 250, text, false);
}
