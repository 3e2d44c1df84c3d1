#include "dns/spf_header.h"

enum { VALUE_MAX = 200 }; /* bytes of a value that are told; doubled at most by its quoting */

static bool is_plain(char c, const char *others)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(others, c));
}

/* RFC 5322 3.2.3 dot-atom, RFC 2045 5.1 token: what may stand without quotes. */
static bool is_bare(struct slice s, const char *others)
{
	for (size_t i = 0; i < s.n; i++)
		TRY(is_plain(s.p[i], others) || (s.p[i] == '.' && i && i + 1 < s.n && s.p[i - 1] != '.'));
	return s.n > 0;
}

static struct slice shortened(struct slice s)
{
	return s.n > VALUE_MAX ? slice_of(s.p, VALUE_MAX) : s;
}

/* A backslash before each of `special`. */
static bool put_escaped(struct buf *out, struct slice s, const char *special)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] >= ' ' && s.p[i] < 0x7f ? s.p[i] : '?';
		if (strchr(special, c))
			TRY(buf_put(out, SLICE("\\")));
		TRY(buf_put(out, slice_of(&c, 1)));
	}
	return true;
}

static bool put_value(struct buf *out, struct slice s, const char *others)
{
	s = shortened(s);
	if (is_bare(s, others))
		return buf_put(out, s);
	return buf_put(out, SLICE("\"")) && put_escaped(out, s, "\"\\") && buf_put(out, SLICE("\""));
}

static bool put_pair(struct buf *out, struct slice between, struct slice key, struct slice value)
{
	return buf_puts(out, between, key, SLICE("=")) && put_value(out, value, "!#$%&'*+-/=?^_`{|}~");
}

static bool put_comment(struct buf *out, struct slice s)
{
	return put_escaped(out, shortened(s), "()\\");
}

static bool put_sender(const struct dns_spf_client *client, struct buf *out)
{
	if (client->mail_from.n)
		return put_comment(out, client->mail_from);
	return buf_put(out, SLICE("postmaster@")) && put_comment(out, client->helo);
}

/* The words of the RFC's examples: BEFORE sender BETWEEN address BEHIND. */
static bool put_meaning(
	const struct dns_spf_client *client, const struct dns_spf_result *r, struct slice address, struct buf *out)
{
	static const struct {
		struct slice before, between, behind;
	} words[] = {
		[DNS_SPF_NONE] = { SLICE_INIT("domain of "), SLICE_INIT(" does not say who may send for it"),
			SLICE_INIT("") },
		[DNS_SPF_NEUTRAL] = { SLICE_INIT("domain of "), SLICE_INIT(" neither permits nor denies "),
			SLICE_INIT("") },
		[DNS_SPF_PASS] = { SLICE_INIT("domain of "), SLICE_INIT(" designates "),
			SLICE_INIT(" as permitted sender") },
		[DNS_SPF_FAIL] = { SLICE_INIT("domain of "), SLICE_INIT(" does not designate "),
			SLICE_INIT(" as permitted sender") },
		[DNS_SPF_SOFTFAIL] = { SLICE_INIT("transitioning domain of "), SLICE_INIT(" does not designate "),
			SLICE_INIT(" as permitted sender") },
		[DNS_SPF_TEMPERROR] = { SLICE_INIT("domain of "), SLICE_INIT(" could not be asked about "),
			SLICE_INIT("") },
		[DNS_SPF_PERMERROR] = { SLICE_INIT("domain of "), SLICE_INIT(" has an error in what it says about "),
			SLICE_INIT("") },
	};
	TRY(buf_put(out, words[r->word].before) && put_sender(client, out) && buf_put(out, words[r->word].between));
	TRY(r->word == DNS_SPF_NONE || buf_put(out, address));
	return buf_put(out, words[r->word].behind);
}

bool dns_spf_received_write(const struct dns_spf_client *client, const struct dns_spf_result *r, struct buf *out)
{
	const struct slice go_on = SLICE(";\r\n\t");
	char text[IP_TEXT];
	struct slice address = slice_of(text, ip_format(&client->ip, text));
	TRY(buf_puts(out, SLICE("Received-SPF: "), slice_str(dns_spf_word(r->word)), SLICE(" (")));
	TRY(put_comment(out, client->our_name) && buf_put(out, SLICE(": ")));
	TRY(put_meaning(client, r, address, out));
	TRY(put_pair(out, SLICE(")\r\n\t"), SLICE("receiver"), client->our_name));
	TRY(put_pair(out, SLICE("; "), SLICE("client-ip"), address));
	TRY(put_pair(out, go_on, SLICE("envelope-from"), client->mail_from));
	TRY(put_pair(out, go_on, SLICE("helo"), client->helo));
	TRY(put_pair(out, go_on, SLICE("identity"), r->of_helo ? SLICE("helo") : SLICE("mailfrom")));
	TRY(put_pair(out, SLICE("; "), SLICE("mechanism"), slice_str(dns_spf_mechanism(r->by))));
	TRY(!r->problem || put_pair(out, go_on, SLICE("problem"), slice_str(r->problem)));
	return buf_put(out, SLICE("\r\n"));
}

/* RFC 8601 2.2: an address, each part of it a token, or a quoted string. */
static bool put_property(struct buf *out, struct slice s)
{
	const char *token = "!#$%&'*+-^_`{|}~";
	s = shortened(s);
	size_t at = slice_rfind(s, '@');
	struct slice local = slice_of(s.p, at), domain = slice_skip(s, at + 1);
	if (at < s.n && is_bare(local, token) && is_bare(domain, token))
		return buf_put(out, s);
	return put_value(out, s, token);
}

bool dns_spf_method_write(const struct dns_spf_client *client, const struct dns_spf_result *r, struct buf *out)
{
	TRY(buf_puts(out, SLICE("spf="), slice_str(dns_spf_word(r->word))));
	TRY(!r->problem || put_pair(out, SLICE(" "), SLICE("reason"), slice_str(r->problem)));
	TRY(buf_put(out, r->of_helo ? SLICE(" smtp.helo=") : SLICE(" smtp.mailfrom=")));
	return put_property(out, r->of_helo ? client->helo : client->mail_from);
}

bool dns_spf_authentication_write(const struct dns_spf_client *client, const struct dns_spf_result *r, struct buf *out)
{
	TRY(buf_put(out, SLICE("Authentication-Results: ")) && put_value(out, client->our_name, "-_"));
	return buf_put(out, SLICE(";\r\n\t")) && dns_spf_method_write(client, r, out) && buf_put(out, SLICE("\r\n"));
}
