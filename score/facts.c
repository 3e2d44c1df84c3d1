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

void score_facts_tls(struct score_facts *f, bool tls)
{
	f->tls = tls;
	f->known |= SCORE_HAS_TLS;
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

void score_facts_drop(struct score_facts *f, enum score_scope scope)
{
	f->known &= ~(uint32_t)SCORE_HAS_RECIPIENT;
	f->recipient = f->recipient_domain = slice_of(NULL, 0);
	if (scope == SCORE_OF_RECIPIENT)
		return;
	f->known &= ~(uint32_t)SCORE_HAS_SENDER;
	f->sender = f->sender_domain = slice_of(NULL, 0);
	f->recipients = f->bad_recipients = 0;
	if (scope == SCORE_OF_MAIL)
		return;
	f->known &= ~(uint32_t)SCORE_HAS_HELO;
	f->helo = slice_of(NULL, 0);
	if (scope == SCORE_OF_SESSION)
		*f = (struct score_facts){ 0 };
}
