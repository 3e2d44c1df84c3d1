/* The words of commands: parameters of MAIL and RCPT, xtext, UTF-8, XCLIENT. What is taken is harmless and comes back
 * the same when it is written again.
 *
 * First byte: which of them and its flags; the rest is the text.
 */
#include "smtp/client_identity.h"
#include "smtp/ext.h"
#include "smtp/params.h"
#include "smtp/utf8.h"
#include "smtp/xclient.h"
#include "smtp/xtext.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_harmless(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static struct slice join(const struct slice parts[3], char *to)
{
	size_t n = 0;
	for (int i = 0; i < 3; i++) {
		if (parts[i].n)
			memcpy(to + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	return slice_of(to, n);
}

static void mail(struct slice text, unsigned ext)
{
	struct smtp_params p, again;
	struct slice parts[3];
	char line[256];
	if (smtp_mail_params_parse(text, ext, &p) != SMTP_PARAMS_OK)
		return;
	must(p.mail.envid.n <= SMTP_ENVID_MAX && is_harmless(p.mail.envid) && smtp_mail_dsn_parts(&p.mail, parts));
	must(smtp_mail_params_parse(join(parts, line), ~0u, &again) == SMTP_PARAMS_OK);
	must(again.mail.ret == p.mail.ret && slice_eq(again.mail.envid, p.mail.envid));
}

static void rcpt(struct slice text, unsigned ext)
{
	struct smtp_params p, again;
	struct slice parts[3];
	char line[640];
	bool utf8 = ext & SMTP_EXT_SMTPUTF8;
	if (smtp_rcpt_params_parse(text, ext, &p) != SMTP_PARAMS_OK)
		return;
	must(p.rcpt.orcpt.n <= SMTP_ORCPT_MAX && is_harmless(p.rcpt.orcpt));
	must(smtp_utf8_is_valid(p.rcpt.orcpt) && smtp_rcpt_dsn_parts(&p.rcpt, utf8, parts));
	must(smtp_rcpt_params_parse(join(parts, line), ~0u, &again) == SMTP_PARAMS_OK);
	must(again.rcpt.notify == p.rcpt.notify && slice_eq(again.rcpt.orcpt, p.rcpt.orcpt));
}

static void xtext(struct slice text)
{
	char *coded = malloc(3 * text.n + 1), *back = malloc(3 * text.n + 1);
	must(coded && back);
	size_t n = smtp_xtext_write(coded, 3 * text.n, text);
	must(n != SIZE_MAX && smtp_xtext_read(back, slice_of(coded, n)) == text.n);
	must(text.n == 0 || memcmp(back, text.p, text.n) == 0);
	n = smtp_xtext_read(back, text);
	must(n == SIZE_MAX || n <= text.n);
	if (n != SIZE_MAX && smtp_xtext_is_printable(text))
		must(is_harmless(slice_of(back, n)) && smtp_utf8_is_valid(slice_of(back, n)));
	free(coded);
	free(back);
}

/* By code points: what a decoder makes of it must not deceive. */
static void utf8(struct slice text)
{
	bool valid = true;
	for (size_t i = 0, n; valid && i < text.n; i += n) {
		n = (unsigned char)text.p[i] < 128 ? 1 : smtp_utf8_length(text, i);
		valid = n > 0;
		if (n < 2)
			continue;
		must(i + n <= text.n);
		uint32_t c = (unsigned char)text.p[i] & (0xffu >> (n + 1));
		for (size_t k = 1; k < n; k++)
			c = c << 6 | ((unsigned char)text.p[i + k] & 63);
		must(c >= 0xa0 && c < 0x110000 && (c < 0xd800 || c >= 0xe000));
		must(c >= (n == 2 ? 0x80u : n == 3 ? 0x800u : 0x10000u));
	}
	must(valid == smtp_utf8_is_valid(text));
}

static void xclient(struct slice text)
{
	struct smtp_xclient x, again;
	char *room = malloc(text.n + 1), line[SMTP_IDENTITY_LINE], more[SMTP_IDENTITY_LINE];
	must(room != NULL);
	if (smtp_xclient_parse(text, room, &x)) {
		must((x.known & ~x.given) == 0 && (x.given & ~(unsigned)SMTP_XCLIENT_TAKES) == 0);
		must(x.name.n == 0 || smtp_host_is_valid(x.name));
		must(x.reverse.n == 0 || smtp_host_is_valid(x.reverse));
		must(is_harmless(x.helo) && is_harmless(x.login) && smtp_utf8_is_valid(x.login));
		struct smtp_identity id = { .ip = x.ip, .port = x.port, .name_failed = x.name_failed, .name = x.name,
			.reverse = x.reverse, .helo = x.helo, .login = x.login };
		/* our client would say it so that we take it */
		size_t n = smtp_identity_xclient(line, SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PORT, &id);
		must(n > 8 && smtp_xclient_parse(slice_of(line + 8, n - 8), more, &again));
		must(slice_eq(again.name, x.name) && again.port == x.port && memcmp(&again.ip, &x.ip, 16) == 0);
	}
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct slice text = slice_of((const char *)data + 1, size - 1);
	unsigned ext = data[0] & 128 ? ~0u : ~(unsigned)SMTP_EXT_SMTPUTF8;
	switch (data[0] & 7) {
	case 0:
		mail(text, ext);
		break;
	case 1:
		rcpt(text, ext);
		break;
	case 2:
		xtext(text);
		break;
	case 3:
		utf8(text);
		break;
	default:
		xclient(text);
	}
	return 0;
}
