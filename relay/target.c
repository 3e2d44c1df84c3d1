#include "relay/relay.h"

static bool smtp_target(struct slice rest, struct relay_target *t, const char **why_r)
{
	bool brackets = rest.n > 2 && rest.p[0] == '[';
	bool ok;
	if (brackets && rest.p[rest.n - 1] == ']') {
		ok = ip_parse(slice_of(rest.p + 1, rest.n - 2), &t->ip);
		t->port = 25;
	} else if (brackets || slice_find(rest, ':') < rest.n) {
		ok = ip_port_parse(rest, &t->ip, &t->port) && t->port != 0;
	} else {
		ok = ip_parse(rest, &t->ip);
		t->port = 25;
	}
	if (!ok)
		*why_r = "not an address with an optional port: smtp://127.0.0.1:10025, smtp://[::1]:25";
	return ok;
}

bool relay_target_parse(struct slice url, struct relay_target *t_r, const char **why_r)
{
	const struct slice smtp = SLICE_INIT("smtp://"), maildir = SLICE_INIT("maildir://"), lmtp = SLICE_INIT("lmtp");
	*t_r = (struct relay_target){ .name = url, .kind = RELAY_SMTP };
	if (slice_starts(url, smtp))
		return smtp_target(slice_skip(url, smtp.n), t_r, why_r);
	if (slice_starts(url, maildir) && url.n > maildir.n) {
		t_r->kind = RELAY_MAILDIR;
		t_r->path = slice_skip(url, maildir.n);
		return true;
	}
	*why_r = slice_starts(url, lmtp) ? "LMTP backends are not taken yet; use smtp:// or maildir://"
					 : "a backend is smtp://ADDRESS:PORT or maildir://PATH";
	return false;
}
