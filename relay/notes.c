/* One worker's notes of the mails whose dot is out; see relay/intent.h. */
#include "base/clock.h"
#include "relay/internal.h"

void relay_note_dot(struct relay *r, struct relay_job *job, const char *backend)
{
	if (job->done.question != RELAY_DELIVER || !r->intents)
		return;
	if (!job->intent && r->free_intents_n)
		job->intent = &r->intents[r->free_intents[--r->free_intents_n]];
	if (job->intent)
		relay_intent_set(job->intent, job->mail->id, backend, clock_wall_ms() / 1000);
}

void relay_note_over(struct relay *r, struct relay_job *job)
{
	if (job->intent)
		r->over[r->over_n++] = job->intent; /* a slot is in it once at most, so it never runs over */
	job->intent = NULL;
}

void relay_notes_clear(struct relay *r)
{
	for (; r->over_n; r->over_n--) {
		struct relay_intent *slot = r->over[r->over_n - 1];
		relay_intent_clear(slot);
		r->free_intents[r->free_intents_n++] = (uint16_t)(slot - r->intents);
	}
}
