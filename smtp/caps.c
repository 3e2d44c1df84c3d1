#include "smtp/caps.h"

struct word {
	struct slice name;
	unsigned bit;
};

static const struct word KEYWORDS[] = {
	{ SLICE_INIT("PIPELINING"), SMTP_EXT_PIPELINING },
	{ SLICE_INIT("SIZE"), SMTP_EXT_SIZE },
	{ SLICE_INIT("8BITMIME"), SMTP_EXT_8BITMIME },
	{ SLICE_INIT("ENHANCEDSTATUSCODES"), SMTP_EXT_ENHANCEDSTATUSCODES },
	{ SLICE_INIT("STARTTLS"), SMTP_EXT_STARTTLS },
	{ SLICE_INIT("CHUNKING"), SMTP_EXT_CHUNKING },
	{ SLICE_INIT("SMTPUTF8"), SMTP_EXT_SMTPUTF8 },
	{ SLICE_INIT("DSN"), SMTP_EXT_DSN },
	{ SLICE_INIT("XCLIENT"), SMTP_EXT_XCLIENT },
	{ SLICE_INIT("XFORWARD"), SMTP_EXT_XFORWARD },
	{ SLICE_INIT("LIMITS"), SMTP_EXT_LIMITS },
	{ SLICE_INIT("AUTH"), SMTP_EXT_AUTH },
};

static const struct word ATTRIBUTES[] = {
	{ SLICE_INIT("NAME"), SMTP_XATTR_NAME },
	{ SLICE_INIT("ADDR"), SMTP_XATTR_ADDR },
	{ SLICE_INIT("PORT"), SMTP_XATTR_PORT },
	{ SLICE_INIT("PROTO"), SMTP_XATTR_PROTO },
	{ SLICE_INIT("HELO"), SMTP_XATTR_HELO },
	{ SLICE_INIT("LOGIN"), SMTP_XATTR_LOGIN },
	{ SLICE_INIT("DESTADDR"), SMTP_XATTR_DESTADDR },
	{ SLICE_INIT("DESTPORT"), SMTP_XATTR_DESTPORT },
	{ SLICE_INIT("REVERSE_NAME"), SMTP_XATTR_REVERSE_NAME },
	{ SLICE_INIT("IDENT"), SMTP_XATTR_IDENT },
	{ SLICE_INIT("SOURCE"), SMTP_XATTR_SOURCE },
};

enum {
	XCLIENT_KNOWS = SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PORT | SMTP_XATTR_PROTO | SMTP_XATTR_HELO |
			SMTP_XATTR_LOGIN | SMTP_XATTR_DESTADDR | SMTP_XATTR_DESTPORT | SMTP_XATTR_REVERSE_NAME,
	XFORWARD_KNOWS = SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PORT | SMTP_XATTR_PROTO | SMTP_XATTR_HELO |
			 SMTP_XATTR_IDENT | SMTP_XATTR_SOURCE,
};

static unsigned look_up(const struct word *words, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(words[i].name, name))
			return words[i].bit;
	return 0;
}

unsigned smtp_xattr_of(struct slice name)
{
	return look_up(ATTRIBUTES, sizeof ATTRIBUTES / sizeof *ATTRIBUTES, name);
}

static unsigned read_attributes(struct slice params)
{
	unsigned bits = 0;
	while (params.n)
		bits |= smtp_xattr_of(slice_cut(&params, ' '));
	return bits;
}

/* RFC 9422 3: one to six digits, the first is no 0. Unknown limits, and those that are none, are passed over. */
static void read_limits(struct slice params, struct smtp_caps *caps)
{
	while (params.n) {
		struct slice value = slice_cut(&params, ' '), name = slice_cut(&value, '=');
		uint64_t n;
		if (!slice_u64(value, 999999, &n) || value.n > 6 || value.p[0] == '0')
			continue;
		if (slice_ieq(name, SLICE("RCPTMAX")))
			caps->rcpt_max = (uint32_t)n;
		else if (slice_ieq(name, SLICE("MAILMAX")))
			caps->mail_max = (uint32_t)n;
	}
}

static void read_line(struct slice line, struct smtp_caps *caps)
{
	struct slice keyword = slice_cut(&line, ' '), params = slice_trim(line);
	unsigned ext = look_up(KEYWORDS, sizeof KEYWORDS / sizeof *KEYWORDS, keyword);
	if (ext == SMTP_EXT_SIZE && params.n && !slice_u64(params, UINT64_MAX, &caps->size))
		return;
	if (ext == SMTP_EXT_XCLIENT)
		caps->xclient |= (uint16_t)(read_attributes(params) & XCLIENT_KNOWS);
	if (ext == SMTP_EXT_XFORWARD)
		caps->xforward |= (uint16_t)(read_attributes(params) & XFORWARD_KNOWS);
	if (ext == SMTP_EXT_LIMITS)
		read_limits(params, caps);
	caps->ext |= ext;
}

void smtp_caps_parse(struct slice text, struct smtp_caps *caps_r)
{
	*caps_r = (struct smtp_caps){ 0 };
	slice_cut(&text, '\n'); /* its name */
	while (text.n)
		read_line(slice_trim(slice_cut(&text, '\n')), caps_r);
}
