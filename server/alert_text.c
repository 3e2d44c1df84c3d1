#include "base/clock.h"
#include "base/escape.h"
#include "server/alerts.h"

#include <stdio.h>

/* No line of a mail may be longer than 998 bytes (RFC 5322 2.1.1); an escaped byte takes four. */
enum { VALUE_MAX = 220, SUBJECT_MAX = 100 };

static bool put_to(const struct settings_texts *to, struct buf *out)
{
	TRY(buf_put(out, SLICE("To: ")));
	for (size_t i = 0; i < to->count; i++)
		TRY(buf_puts(out, i ? SLICE(",\r\n\t") : SLICE(""), SLICE("<"), slice_str(to->items[i]), SLICE(">")));
	return buf_put(out, SLICE("\r\n"));
}

static bool put_head(const struct alert *a, const struct settings_alerts *to, struct slice hostname, struct buf *out)
{
	char date[CLOCK_RFC5322];
	struct slice when = slice_of(date, clock_rfc5322(a->wall_ms, date));
	TRY(buf_puts(out, SLICE("From: SmtpGuard <"), slice_str(to->from), SLICE(">\r\n")) && put_to(&to->to, out));
	TRY(buf_puts(out, SLICE("Subject: SmtpGuard: "), a->sentence.n ? SLICE("") : SLICE("rule ")) &&
		escape_plain(out, a->rule, SUBJECT_MAX));
	TRY(buf_put(out, SLICE(": ")) && escape_plain(out, a->key, SUBJECT_MAX));
	TRY(buf_puts(out, SLICE("\r\nDate: "), when, SLICE("\r\nMessage-ID: <"), a->id));
	TRY(buf_printf(out, ".%llu.alert@", (unsigned long long)a->wall_ms) && buf_puts(out, hostname, SLICE(">\r\n")));
	/* RFC 3834: nobody's holiday note shall answer it */
	return buf_put(out, SLICE("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
				  "Content-Type: text/plain; charset=us-ascii\r\n\r\n"));
}

/* "  sender:     spam@example.org" */
static bool put_line(struct buf *out, const char *name, struct slice value)
{
	if (!value.n)
		return true;
	TRY(buf_printf(out, "  %-11s ", name) && escape_plain(out, value, VALUE_MAX));
	return buf_put(out, SLICE("\r\n"));
}

static bool put_why(const struct alert *a, struct buf *out)
{
	TRY(buf_put(out, SLICE("Rule \"")) && escape_plain(out, a->rule, VALUE_MAX));
	if (!a->action.n)
		return buf_put(out, SLICE("\" is true.\r\n\r\n"));
	return buf_puts(out, SLICE("\" asks for: "), a->action,
		SLICE(".\r\nThe client is known good, so its mail was only deferred (4xx).\r\n"
		      "Please look why the rule hits it.\r\n\r\n"));
}

/* "DNS list zen.example: it answers with errors. ..." */
static bool put_event(const struct alert *a, struct buf *out)
{
	char date[CLOCK_RFC3339];
	TRY(buf_puts(out, a->rule, SLICE(" ")) && escape_plain(out, a->key, VALUE_MAX));
	TRY(buf_puts(out, SLICE(":\r\n"), a->sentence, SLICE("\r\n\r\n")));
	TRY(put_line(out, "time:", slice_of(date, clock_rfc3339(a->wall_ms, date))));
	return buf_put(out, SLICE("\r\nAll lists: smtpguardctl lists\r\n"
				  "This is told once for each list in alerts.every.\r\n"));
}

static bool put_evidence(const struct alert *a, struct buf *out)
{
	char date[CLOCK_RFC3339];
	TRY(put_line(out, "about:", a->key) && put_line(out, "client:", a->client) && put_line(out, "helo:", a->helo));
	TRY(put_line(out, "sender:", a->sender) && put_line(out, "recipient:", a->recipient));
	TRY(buf_printf(out, "  %-11s %.1f (%.1f points in this session)\r\n", "score:", a->score, a->points));
	TRY(put_line(out, "fired:", a->fired));
	TRY(put_line(out, "time:", slice_of(date, clock_rfc3339(a->wall_ms, date))));
	return put_line(out, "id:", a->id);
}

bool alert_write(const struct alert *a, const struct settings_alerts *to, struct slice hostname, struct buf *out)
{
	TRY(put_head(a, to, hostname, out));
	if (a->sentence.n)
		return put_event(a, out);
	TRY(put_why(a, out) && put_evidence(a, out));
	TRY(buf_puts(out, SLICE("\r\nAll of it: smtpguardctl explain "), a->id, SLICE("\r\n")));
	return buf_put(out, SLICE("This is told once for each rule and key in alerts.every.\r\n"));
}
