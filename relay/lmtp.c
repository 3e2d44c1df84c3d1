/* LMTP behind the dot: one reply for each recipient (RFC 2033 4.2). */
#include "base/mem.h"
#include "relay/known.h"
#include "relay/link_inside.h"

bool relay_lmtp_begin(struct relay *r, struct relay_link *l)
{
	struct relay_memory *memory = r->shared->memory;
	uint32_t others = (uint32_t)l->job->rcpts_n - 1;
	mem_free(&l->took);
	l->took_n = l->refused_n = 0;
	if (others == 0)
		return true; /* one reply, as in SMTP */
	l->took = mem_zalloc(l->job->rcpts_n);
	TRY(l->took);
	if (!memory)
		return true;
	TRY(relay_memory_reserve(memory, others));
	l->reserved = others;
	return true;
}

void relay_lmtp_end(struct relay *r, struct relay_link *l)
{
	if (l->reserved)
		relay_memory_unreserve(r->shared->memory, l->reserved);
	l->reserved = 0;
}

static void on_refused(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply)
{
	struct relay_job *job = l->job;
	bool milder = job->done.code >= 500 && reply->code < 500;
	if (l->refused_n++ == 0 || milder)
		relay_link_keep(l, reply, reply->index);
	/* what was known of it is void: the retry asks at RCPT, so that a refusal for good is said there */
	if (job->mail)
		relay_known_suspect(r, job->group, job->rcpts[reply->index]);
}

/* All have been heard. */
static void over(struct relay *r, struct relay_link *l, const struct smtp_client_reply *last, uint64_t now_ms)
{
	if (!l->refused_n)
		relay_finish_reply(r, l->job, last->code, last->text, now_ms);
	else if (l->took_n)
		relay_finish_partly_taken(r, l->job, l->took, false, now_ms);
	else
		relay_finish_refusal(r, l->job, now_ms);
	l->refusals = l->took_n ? 0 : l->refusals + 1;
	l->rsets = 0;
	l->took_n = 0;
	relay_lmtp_end(r, l);
	relay_link_release(r, l, false, now_ms);
}

void relay_lmtp_reply(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	if (reply->code / 100 == 3) {
		relay_link_lost(r, l, "nonsense behind the body", now_ms);
		return;
	}
	l->retire |= reply->code == 421;
	if (relay_is_2xx(reply->code)) {
		l->took[reply->index] = true;
		l->took_n++;
	} else {
		on_refused(r, l, reply);
	}
	if (smtp_client_due(&l->client) == 0)
		over(r, l, reply, now_ms);
}
