#include "smtp/params.h"

#include "smtp/ext.h"
#include "smtp/utf8.h"
#include "smtp/xtext.h"

struct param {
	struct slice name;
	unsigned ext; /* known only when this was announced */
	bool (*take)(struct slice value, unsigned ext, struct smtp_params *p);
};

/* RFC 1870 4: 1*20DIGIT; what does not fit into 64 bits is no size. */
static bool take_size(struct slice value, unsigned ext, struct smtp_params *p)
{
	(void)ext;
	return value.n <= 20 && slice_u64(value, UINT64_MAX, &p->size);
}

static bool take_body(struct slice value, unsigned ext, struct smtp_params *p)
{
	(void)ext;
	if (slice_ieq(value, SLICE("8BITMIME")))
		p->body = SMTP_BODY_8BITMIME;
	else if (slice_ieq(value, SLICE("7BIT")))
		p->body = SMTP_BODY_7BIT;
	else
		return false;
	return true;
}

static bool take_smtputf8(struct slice value, unsigned ext, struct smtp_params *p)
{
	(void)ext;
	p->smtputf8 = value.p == NULL; /* it has none, not even an empty one */
	return p->smtputf8;
}

static bool take_ret(struct slice value, unsigned ext, struct smtp_params *p)
{
	(void)ext;
	if (slice_ieq(value, SLICE("FULL")))
		p->mail.ret = SMTP_RET_FULL;
	else if (slice_ieq(value, SLICE("HDRS")))
		p->mail.ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

static bool envid_is_valid(struct slice value)
{
	return value.n > 0 && value.n <= SMTP_ENVID_MAX && smtp_xtext_is_printable(value);
}

static bool take_envid(struct slice value, unsigned ext, struct smtp_params *p)
{
	(void)ext;
	p->mail.envid = value;
	return envid_is_valid(value);
}

static const struct {
	struct slice word;
	unsigned bit;
} NOTIFY_WORDS[] = {
	{ SLICE_INIT("SUCCESS"), SMTP_NOTIFY_SUCCESS },
	{ SLICE_INIT("FAILURE"), SMTP_NOTIFY_FAILURE },
	{ SLICE_INIT("DELAY"), SMTP_NOTIFY_DELAY },
	{ SLICE_INIT("NEVER"), SMTP_NOTIFY_NEVER },
};
enum { NOTIFY_COUNT = sizeof NOTIFY_WORDS / sizeof NOTIFY_WORDS[0] };

static unsigned notify_bit(struct slice word)
{
	for (size_t i = 0; i < NOTIFY_COUNT; i++)
		if (slice_ieq(word, NOTIFY_WORDS[i].word))
			return NOTIFY_WORDS[i].bit;
	return 0;
}

static bool notify_is_valid(unsigned notify)
{
	return notify <= SMTP_NOTIFY_NEVER;
}

/* A word that is said twice says nothing more; an empty one says that somebody cut the list. */
static bool take_notify(struct slice value, unsigned ext, struct smtp_params *p)
{
	(void)ext;
	for (bool more = true; more;) {
		more = slice_find(value, ',') < value.n;
		unsigned bit = notify_bit(slice_cut(&value, ','));
		TRY(bit != 0);
		p->rcpt.notify |= bit;
	}
	return notify_is_valid(p->rcpt.notify);
}

static bool is_atom(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], low = (char)(c | 0x20);
		bool alnum = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
		TRY(alnum || (c && memchr("!#$%&'*-/?^_`{|}~", c, 17)));
	}
	return s.n > 0;
}

/* RFC 6533 3: the address type "utf-8" may be UTF-8 as it is, not encoded. */
static bool unitext_is_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		TRY((unsigned char)s.p[i] > 0x20 && s.p[i] != 0x7f && s.p[i] != '+' && s.p[i] != '=');
	return smtp_utf8_is_valid(s);
}

static bool orcpt_is_valid(struct slice value, bool utf8)
{
	struct slice addr = value, type = slice_cut(&addr, ';');
	if (value.n > SMTP_ORCPT_MAX || addr.n == 0 || !is_atom(type))
		return false;
	return smtp_xtext_is_printable(addr) ||
	       (utf8 && slice_ieq(type, SLICE("utf-8")) && unitext_is_valid(addr));
}

static bool take_orcpt(struct slice value, unsigned ext, struct smtp_params *p)
{
	p->rcpt.orcpt = value;
	return orcpt_is_valid(value, ext & SMTP_EXT_SMTPUTF8);
}

static const struct param mail_params[] = {
	{ SLICE_INIT("SIZE"), SMTP_EXT_SIZE, take_size },
	{ SLICE_INIT("BODY"), SMTP_EXT_8BITMIME, take_body },
	{ SLICE_INIT("SMTPUTF8"), SMTP_EXT_SMTPUTF8, take_smtputf8 },
	{ SLICE_INIT("RET"), SMTP_EXT_DSN, take_ret },
	{ SLICE_INIT("ENVID"), SMTP_EXT_DSN, take_envid },
};

static const struct param rcpt_params[] = {
	{ SLICE_INIT("NOTIFY"), SMTP_EXT_DSN, take_notify },
	{ SLICE_INIT("ORCPT"), SMTP_EXT_DSN, take_orcpt },
};

static enum smtp_params_result take(const struct param *table, size_t rows, struct slice word, unsigned ext,
				    struct smtp_params *p)
{
	struct slice value = word, none = { 0 };
	struct slice name = slice_cut(&value, '=');
	if (name.n == word.n)
		value = none;
	for (size_t i = 0; i < rows; i++) {
		if (!slice_ieq(name, table[i].name) || (table[i].ext & ext) == 0)
			continue;
		if (p->seen & 1u << i || !table[i].take(value, ext, p))
			return SMTP_PARAMS_BAD_VALUE;
		p->seen |= 1u << i;
		return SMTP_PARAMS_OK;
	}
	return SMTP_PARAMS_UNKNOWN;
}

static enum smtp_params_result parse(const struct param *table, size_t rows, struct slice text, unsigned ext,
				     struct smtp_params *p_r)
{
	*p_r = (struct smtp_params){ 0 };
	for (text = slice_trim(text); text.n; text = slice_trim(text)) {
		enum smtp_params_result result = take(table, rows, slice_cut(&text, ' '), ext, p_r);
		if (result != SMTP_PARAMS_OK)
			return result;
	}
	return SMTP_PARAMS_OK;
}

enum smtp_params_result smtp_mail_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r)
{
	return parse(mail_params, sizeof mail_params / sizeof mail_params[0], text, ext, p_r);
}

enum smtp_params_result smtp_rcpt_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r)
{
	return parse(rcpt_params, sizeof rcpt_params / sizeof rcpt_params[0], text, ext, p_r);
}

/* ---- and back ---------------------------------------------------------------------------------- */

static const struct slice NOTHING = SLICE_INIT("");

bool smtp_mail_dsn_parts(const struct smtp_mail_dsn *d, struct slice parts_r[3])
{
	static const struct slice rets[] = {
		[SMTP_RET_NONE] = SLICE_INIT(""),
		[SMTP_RET_FULL] = SLICE_INIT(" RET=FULL"),
		[SMTP_RET_HDRS] = SLICE_INIT(" RET=HDRS"),
	};
	parts_r[0] = rets[d->ret];
	parts_r[1] = d->envid.n ? SLICE(" ENVID=") : NOTHING;
	parts_r[2] = d->envid;
	return d->envid.n == 0 || envid_is_valid(d->envid);
}

bool smtp_rcpt_dsn_parts(const struct smtp_rcpt_dsn *d, bool utf8, struct slice parts_r[3])
{
	static const struct slice notifies[] = {
		[0] = SLICE_INIT(""),
		[SMTP_NOTIFY_SUCCESS] = SLICE_INIT(" NOTIFY=SUCCESS"),
		[SMTP_NOTIFY_FAILURE] = SLICE_INIT(" NOTIFY=FAILURE"),
		[SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE] = SLICE_INIT(" NOTIFY=SUCCESS,FAILURE"),
		[SMTP_NOTIFY_DELAY] = SLICE_INIT(" NOTIFY=DELAY"),
		[SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY] = SLICE_INIT(" NOTIFY=SUCCESS,DELAY"),
		[SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY] = SLICE_INIT(" NOTIFY=FAILURE,DELAY"),
		[SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE |
			SMTP_NOTIFY_DELAY] = SLICE_INIT(" NOTIFY=SUCCESS,FAILURE,DELAY"),
		[SMTP_NOTIFY_NEVER] = SLICE_INIT(" NOTIFY=NEVER"),
	};
	TRY(notify_is_valid(d->notify));
	parts_r[0] = notifies[d->notify];
	parts_r[1] = d->orcpt.n ? SLICE(" ORCPT=") : NOTHING;
	parts_r[2] = d->orcpt;
	return d->orcpt.n == 0 || orcpt_is_valid(d->orcpt, utf8);
}
