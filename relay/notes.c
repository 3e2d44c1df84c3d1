/* One worker's notes of the mails whose dot is out; see relay/intent.h. */
#include "base/clock.h"
#include "relay/internal.h"

/* The log is written by a thread of its own: a doubt is told in it by then. */
enum { DOUBT_MS = 5000 };

void relay_note_dot(struct relay *r, struct relay_job *job, const char *backend)
{
	if (!r->intents)
		return;
	if (!job->intent && r->free_intents_n)
		job->intent = &r->intents[r->free_intents[--r->free_intents_n]];
	if (job->intent)
		relay_intent_set(job->intent, job->mail->id, backend, clock_wall_ms() / 1000);
}

void relay_note_over(struct relay *r, struct relay_job *job)
{
	if (!job->intent)
		return;
	bool told_later = job->done.doubtful || job->done.orphan;
	/* a slot is in it once at most, so it never runs over */
	r->over[r->over_n++] = (struct relay_over){ job->intent, told_later ? r->now_ms + DOUBT_MS : 0 };
	job->intent = NULL;
}

void relay_note_longer(struct relay *r, struct slice id)
{
	for (unsigned i = 0; i < r->over_n; i++)
		if (slice_eq(slice_str(r->over[i].slot->id), id))
			r->over[i].due_ms = r->now_ms + DOUBT_MS;
}

void relay_notes_clear(struct relay *r)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < r->over_n; i++) {
		struct relay_intent *slot = r->over[i].slot;
		if (r->over[i].due_ms > r->now_ms) {
			r->over[kept++] = r->over[i];
			continue;
		}
		relay_intent_clear(slot);
		r->free_intents[r->free_intents_n++] = (uint16_t)(slot - r->intents);
	}
	r->over_n = kept;
}
