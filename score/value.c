/* What an attribute is worth at a moment: a text, a number, an address; none, or unknown. */
#include "score/ruleset.h"

static struct score_value number(double n)
{
	return (struct score_value){ .kind = SCORE_V_NUMBER, .number = n };
}

static struct score_value text(struct slice s)
{
	return (struct score_value){ .kind = s.p ? SCORE_V_TEXT : SCORE_V_NONE, .text = s };
}

static struct score_value truth(bool b)
{
	return (struct score_value){ .kind = SCORE_V_BOOL, .number = b };
}

static struct slice rdns(const struct score_facts *f)
{
	return f->name.p ? SLICE("ok") : f->ptr.p ? SLICE("mismatch") : SLICE("none");
}

/* What reverse DNS says of the client. */
static struct score_value name_value(enum score_attr attr, const struct score_facts *f)
{
	switch (attr) {
	case SCORE_AT_CLIENT_NAME:
		return text(f->name);
	case SCORE_AT_CLIENT_PTR:
		return text(f->ptr);
	case SCORE_AT_CLIENT_RDNS:
		return (struct score_value){ f->ptr.p ? SCORE_V_TEXT : SCORE_V_NONE, .text = rdns(f) };
	case SCORE_AT_CLIENT_DYNAMIC:
		return truth(f->dynamic);
	default: /* never known: the facts it needs stand nowhere */
		return (struct score_value){ .kind = SCORE_V_UNKNOWN };
	}
}

static struct score_value session_value(enum score_attr attr, const struct score_facts *f)
{
	switch (attr) {
	case SCORE_AT_CLIENT_IP:
		return (struct score_value){ .kind = SCORE_V_IP, .ip = &f->client };
	case SCORE_AT_CLIENT_PORT:
		return number(f->client_port);
	case SCORE_AT_CLIENT_CONNECTIONS:
		return number(f->connections);
	case SCORE_AT_CLIENT_KNOWN_GOOD:
		return truth(f->known_good);
	case SCORE_AT_CLIENT_AGE:
		return number((double)f->age_ms / 1000);
	case SCORE_AT_EARLY_TALKER:
		return truth(f->early_talker);
	case SCORE_AT_LISTENER:
		return text(f->listener);
	case SCORE_AT_OFFENCES:
		return number(f->offences);
	case SCORE_AT_TLS:
		return truth(f->tls);
	case SCORE_AT_TLS_VERSION:
		return text(f->tls_version);
	case SCORE_AT_HELO:
		return text(f->helo);
	case SCORE_AT_HELO_FORM:
		return text(score_helo_form(f->helo));
	case SCORE_AT_HELO_RESOLVES:
		return truth(f->helo_resolves);
	case SCORE_AT_HELO_OURS:
		return truth(f->helo_ours);
	case SCORE_AT_SESSIONS:
		return number(f->sessions);
	case SCORE_AT_STRESS:
		return number(f->stress);
	case SCORE_AT_LOAD:
		return number(f->load);
	default:
		return name_value(attr, f);
	}
}

struct score_value score_value_fact(enum score_attr attr, const struct score_facts *f)
{
	if ((score_attrs[attr].reads.facts & ~f->known) != 0)
		return (struct score_value){ .kind = SCORE_V_UNKNOWN };
	switch (attr) {
	case SCORE_AT_SENDER:
		return text(f->sender.n ? f->sender : SLICE(""));
	case SCORE_AT_SENDER_DOMAIN:
		return text(f->sender_domain);
	case SCORE_AT_SENDER_NULL:
		return truth(f->sender.n == 0);
	case SCORE_AT_SENDER_MX:
		return truth(f->sender_mx);
	case SCORE_AT_SENDER_LOCAL:
		return truth(f->sender_local);
	case SCORE_AT_SPF:
		return text(f->spf);
	case SCORE_AT_IDENTITY:
		return text(f->identity);
	case SCORE_AT_RECIPIENT:
		return text(f->recipient);
	case SCORE_AT_RECIPIENT_DOMAIN:
		return text(f->recipient_domain);
	case SCORE_AT_RECIPIENTS:
		return number(f->recipients);
	case SCORE_AT_BAD_RECIPIENTS:
		return number(f->bad_recipients);
	case SCORE_AT_MESSAGE_SIZE:
		return number((double)f->message_size);
	default:
		return session_value(attr, f);
	}
}

struct score_value score_value_attr(enum score_attr attr, struct score_look *l)
{
	if (attr == SCORE_AT_SCORE)
		return number(score_look_score(l));
	return attr == SCORE_AT_POINTS ? number(l->points) : score_value_fact(attr, l->facts);
}

struct score_value score_value_answer(unsigned lookup, const struct score_facts *f)
{
	if (!(f->answered >> lookup & 1))
		return (struct score_value){ .kind = SCORE_V_UNKNOWN };
	return text(f->answers[lookup]);
}

struct score_value score_value_header(struct slice name, const struct score_facts *f)
{
	if (!(f->known & SCORE_HAS_HEADERS))
		return (struct score_value){ .kind = SCORE_V_UNKNOWN };
	for (uint32_t i = 0; i < f->headers_n; i++)
		if (slice_ieq(f->headers[i].name, name))
			return text(f->headers[i].value.n ? f->headers[i].value : SLICE(""));
	return (struct score_value){ .kind = SCORE_V_NONE };
}
