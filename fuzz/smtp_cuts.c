/* The differential target: the same bytes in two random cuts, once as what a client says to the server core, once as
 * what a server answers to the client core. Both cuts must give the same events in the same order and the same bytes
 * out: nothing may depend on where a packet ends (RFC 5321 knows lines, not packets).
 *
 * Input: a byte of settings, four bytes that seed the first cut, four for the second, then the bytes.
 */
#include "smtp/client.h"
#include "tests/smtp/server_driver.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 9 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Where the pieces end: mostly short ones, some long. xorshift32. */
struct cuts {
	uint32_t seed;
};

static size_t next_cut(struct cuts *c, size_t left)
{
	c->seed ^= c->seed << 13;
	c->seed ^= c->seed >> 17;
	c->seed ^= c->seed << 5;
	size_t n = 1 + (c->seed >> 8) % (c->seed & 3 ? 7 : 400);
	return n < left ? n : left;
}

static struct cuts cuts_of(const uint8_t *data)
{
	uint32_t seed;
	memcpy(&seed, data, sizeof seed);
	return (struct cuts){ seed ? seed : 1 };
}

/* ---- the server core --------------------------------------------------------------------------------- */

static void serve(struct driver *d, unsigned settings, struct slice in, struct cuts cuts)
{
	driver_init(d);
	d->config.ext = settings & 1 ? ~0u : d->config.ext;
	d->config.errors = settings & 2 ? 4 : 0;
	d->config.size_max = settings & 4 ? 20 : 0;
	d->config.bare_newline = settings & 8 ? SMTP_STRAY_REFUSE : SMTP_STRAY_REPAIR;
	d->config.bare_cr = settings & 16 ? SMTP_STRAY_REFUSE : SMTP_STRAY_REPAIR;
	d->config.recipients = settings & 32 ? 2 : 0;
	for (size_t n; in.n; in = slice_skip(in, n)) {
		n = next_cut(&cuts, in.n);
		driver_feed(d, slice_of(in.p, n));
	}
	must(!d->broken);
}

/* These depend on what has arrived at the moment of a reply, rightly. */
static bool depends_on_time(const struct driver *d)
{
	return d->offences[SMTP_OFFENCE_REFUSED_DATA] || d->offences[SMTP_OFFENCE_INJECTION];
}

static void compare_servers(unsigned settings, struct slice in, struct cuts one, struct cuts other)
{
	struct driver a, b;
	serve(&a, settings, in, one);
	serve(&b, settings, in, other);
	if (!depends_on_time(&a) && !depends_on_time(&b)) {
		must(logs_are_equal(&a, &b));
		must(slice_eq(buf_slice(&a.out), buf_slice(&b.out)));
	}
	driver_free(&a);
	driver_free(&b);
}

/* ---- the client core --------------------------------------------------------------------------------- */

/* A mail, as far as the replies let it go. */
static void go_on(struct smtp_client *c, const struct smtp_client_reply *r)
{
	static const struct smtp_mail_options o = { .size = 9, .eight_bit = true, .dsn = { SMTP_RET_FULL,
							    SLICE_INIT("Q") } };
	static const struct smtp_rcpt_dsn d = { SMTP_NOTIFY_NEVER, SLICE_INIT("rfc822;a") };
	bool said = true;
	if (r->to == SMTP_TO_GREETING)
		said = smtp_client_ehlo(c, SLICE("me"));
	else if (r->to == SMTP_TO_EHLO || (r->to == SMTP_TO_BODY && smtp_client_due(c) == 0))
		said = smtp_client_mail(c, SLICE("a@b"), &o) && smtp_client_rcpt(c, SLICE("c@d"), &d) &&
		       smtp_client_rcpt(c, SLICE("e@f"), NULL) && smtp_client_data(c);
	else if (r->to == SMTP_TO_DATA && r->code == 354)
		said = smtp_client_body_sent(c);
	else if (r->to == SMTP_TO_DATA)
		said = smtp_client_rset(c);
	must(said);
}

static void converse(struct slice in, struct cuts cuts, bool lmtp, struct buf *log)
{
	struct smtp_client c;
	struct buf out = { 0 };
	enum smtp_client_event event = SMTP_CLIENT_MORE;
	smtp_client_init(&c, &out);
	if (lmtp)
		smtp_client_speak_lmtp(&c);
	for (size_t n; in.n && event == SMTP_CLIENT_MORE; in = slice_skip(in, n)) {
		n = next_cut(&cuts, in.n);
		struct slice piece = slice_of(in.p, n);
		struct smtp_client_reply r;
		while ((event = smtp_client_next(&c, &piece, &r)) == SMTP_CLIENT_REPLY) {
			must(buf_printf(log, "%d %u %u %u.%u.%u %.*s|", (int)r.to, r.index, r.code, r.enhanced.class,
				r.enhanced.subject, r.enhanced.detail, SLICE_ARG(r.text)));
			go_on(&c, &r);
		}
	}
	must(event != SMTP_CLIENT_NO_MEMORY && buf_printf(log, "%d %zu ", (int)event, smtp_client_due(&c)));
	must(buf_put(log, buf_slice(&out)));
	smtp_client_release(&c);
	buf_release(&out);
}

static void compare_clients(bool lmtp, struct slice in, struct cuts one, struct cuts other)
{
	struct buf a = { 0 }, b = { 0 };
	converse(in, one, lmtp, &a);
	converse(in, other, lmtp, &b);
	must(slice_eq(buf_slice(&a), buf_slice(&b)));
	buf_release(&a);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= HEAD)
		return 0;
	struct slice in = slice_of((const char *)data + HEAD, size - HEAD);
	compare_servers(data[0], in, cuts_of(data + 1), cuts_of(data + 5));
	compare_clients(data[0] & 64, in, cuts_of(data + 1), cuts_of(data + 5));
	return 0;
}
