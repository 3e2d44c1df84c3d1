#include "score/facts.h"

static struct slice domain_of(struct slice address)
{
	size_t at = slice_rfind(address, '@');
	return at == address.n ? slice_of(NULL, 0) : slice_skip(address, at + 1);
}

void score_facts_client(struct score_facts *f, const struct ip *client, struct slice listener)
{
	f->client = *client;
	f->listener = listener;
	f->known |= SCORE_HAS_CLIENT | SCORE_HAS_LISTENER;
}

void score_facts_port(struct score_facts *f, uint16_t port)
{
	f->client_port = port;
	f->known |= SCORE_HAS_PORT;
}

void score_facts_connections(struct score_facts *f, uint32_t connections)
{
	f->connections = connections;
	f->known |= SCORE_HAS_CONNECTIONS;
}

void score_facts_known_good(struct score_facts *f, bool known_good)
{
	f->known_good = known_good;
	f->known |= SCORE_HAS_KNOWN_GOOD;
}

void score_facts_age(struct score_facts *f, uint64_t age_ms)
{
	f->age_ms = age_ms;
	f->known |= SCORE_HAS_AGE;
}

void score_facts_early_talker(struct score_facts *f, bool early_talker)
{
	f->early_talker = early_talker;
	f->known |= SCORE_HAS_EARLY_TALKER;
}

void score_facts_pressure(struct score_facts *f, uint32_t sessions, double stress, double load)
{
	f->sessions = sessions;
	f->stress = stress;
	f->load = load;
	f->known |= SCORE_HAS_PRESSURE;
}

void score_facts_tls(struct score_facts *f, bool tls)
{
	f->tls = tls;
	f->tls_version = slice_of(NULL, 0);
	f->known |= SCORE_HAS_TLS;
}

void score_facts_tls_version(struct score_facts *f, struct slice version)
{
	f->tls_version = version;
}

void score_facts_helo(struct score_facts *f, struct slice helo)
{
	f->helo = helo;
	f->known |= SCORE_HAS_HELO;
}

void score_facts_sender(struct score_facts *f, struct slice sender)
{
	f->sender = sender;
	f->sender_domain = domain_of(sender);
	f->recipients = f->bad_recipients = 0;
	f->known |= SCORE_HAS_SENDER;
}

void score_facts_recipient(struct score_facts *f, struct slice recipient)
{
	f->recipient = recipient;
	f->recipient_domain = domain_of(recipient);
	f->recipients++;
	f->known |= SCORE_HAS_RECIPIENT;
}

void score_facts_headers(struct score_facts *f, const struct score_header *headers, uint32_t n)
{
	f->headers = headers;
	f->headers_n = n;
	f->known |= SCORE_HAS_HEADERS;
}

void score_facts_size(struct score_facts *f, uint64_t bytes)
{
	f->message_size = bytes;
	f->known |= SCORE_HAS_SIZE;
}

void score_facts_ptr(struct score_facts *f, struct slice ptr, bool dynamic)
{
	f->ptr = ptr;
	f->dynamic = dynamic;
	f->known |= SCORE_HAS_PTR;
}

void score_facts_name(struct score_facts *f, struct slice name)
{
	f->name = name;
	f->known |= SCORE_HAS_NAME;
}

void score_facts_helo_resolves(struct score_facts *f, bool resolves)
{
	f->helo_resolves = resolves;
	f->known |= SCORE_HAS_HELO_RESOLVES;
}

void score_facts_helo_ours(struct score_facts *f, bool ours)
{
	f->helo_ours = ours;
	f->known |= SCORE_HAS_HELO_OURS;
}

void score_facts_sender_mx(struct score_facts *f, bool mx)
{
	f->sender_mx = mx;
	f->known |= SCORE_HAS_SENDER_MX;
}

void score_facts_sender_local(struct score_facts *f, bool local)
{
	f->sender_local = local;
	f->known |= SCORE_HAS_SENDER_LOCAL;
}

void score_facts_spf(struct score_facts *f, struct slice result)
{
	f->spf = result;
	f->known |= SCORE_HAS_SPF;
}

void score_facts_identity(struct score_facts *f, struct slice identity)
{
	f->identity = identity;
	f->known |= SCORE_HAS_IDENTITY;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 5321 4.1.2: letters, digits and inner hyphens; '_' is seen in good clients' names. */
static bool is_label(struct slice s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

static bool is_literal(struct slice s)
{
	static const struct slice v6 = SLICE_INIT("ipv6:");
	struct ip ip;
	if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	struct slice inside = slice_of(s.p + 1, s.n - 2);
	if (inside.n > v6.n && slice_ieq(slice_of(inside.p, v6.n), v6))
		return ip_parse(slice_skip(inside, v6.n), &ip) && !ip_is_v4(&ip);
	return ip_parse(inside, &ip) && ip_is_v4(&ip);
}

struct slice score_helo_form(struct slice helo)
{
	unsigned labels = 0;
	if (is_literal(helo))
		return SLICE("literal");
	if (helo.n > 0 && helo.n <= 255 && helo.p[helo.n - 1] == '.')
		helo.n--; /* the root's dot */
	if (helo.n == 0 || helo.n > 255)
		return SLICE("invalid");
	while (helo.n) {
		bool last = slice_find(helo, '.') == helo.n;
		if (!is_label(slice_cut(&helo, '.')) || (!last && helo.n == 0))
			return SLICE("invalid");
		labels++;
	}
	return labels > 1 ? SLICE("fqdn") : SLICE("bare");
}

void score_facts_drop(struct score_facts *f, enum score_scope scope)
{
	f->known &= ~(uint32_t)SCORE_HAS_RECIPIENT;
	f->recipient = f->recipient_domain = slice_of(NULL, 0);
	if (scope == SCORE_OF_RECIPIENT)
		return;
	f->known &= ~(uint32_t)(SCORE_HAS_SENDER | SCORE_HAS_HEADERS | SCORE_HAS_SIZE | SCORE_HAS_SENDER_MX |
				SCORE_HAS_SENDER_LOCAL | SCORE_HAS_SPF | SCORE_HAS_IDENTITY);
	f->spf = f->identity = slice_of(NULL, 0);
	f->headers = NULL;
	f->headers_n = 0;
	f->sender = f->sender_domain = slice_of(NULL, 0);
	f->recipients = f->bad_recipients = 0;
	if (scope == SCORE_OF_MAIL)
		return;
	f->known &= ~(uint32_t)(SCORE_HAS_HELO | SCORE_HAS_HELO_RESOLVES | SCORE_HAS_HELO_OURS);
	f->helo = slice_of(NULL, 0);
	if (scope == SCORE_OF_SESSION)
		*f = (struct score_facts){ 0 };
}
