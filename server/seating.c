/* Index to session, so that a late answer can ask whether its session is still there. */
#include "server/worker.h"

#include "base/mem.h"
#include "server/session.h"

#include <string.h>

bool worker_seat(struct worker *w, struct session *s, uint32_t *index_r)
{
	if (w->sessions_open == w->sessions_cap) {
		uint32_t cap = w->sessions_cap ? w->sessions_cap * 2 : 256;
		struct session **bigger = mem_realloc(w->sessions, cap * sizeof *bigger);
		if (!bigger)
			return false;
		memset(bigger + w->sessions_cap, 0, (cap - w->sessions_cap) * sizeof *bigger);
		w->sessions = bigger;
		w->first_free_hint = w->sessions_cap;
		w->sessions_cap = cap;
	}
	uint32_t i = w->first_free_hint;
	while (w->sessions[i])
		i = (i + 1) % w->sessions_cap;
	w->sessions[i] = s;
	w->first_free_hint = (i + 1) % w->sessions_cap;
	w->sessions_open++;
	*index_r = i;
	return true;
}

void worker_unseat(struct worker *w, struct session *s, uint32_t index)
{
	w->sessions[index] = NULL;
	w->first_free_hint = index;
	w->sessions_open--;
	s->next_dead = w->dead;
	w->dead = s;
}

void worker_bury_dead(struct worker *w)
{
	while (w->dead) {
		struct session *s = w->dead;
		w->dead = s->next_dead;
		session_free(s);
	}
}

struct session *worker_asker(const struct worker *w, uint64_t ticket)
{
	uint64_t index = ticket >> TICKET_ID_BITS;
	struct session *s = index < w->sessions_cap ? w->sessions[index] : NULL;
	return s && s->mail && session_ticket(s) == ticket ? s : NULL;
}

struct session *worker_session_of(const struct worker *w, uint64_t ticket)
{
	uint64_t index = ticket >> TICKET_ID_BITS;
	struct session *s = index < w->sessions_cap ? w->sessions[index] : NULL;
	return s && s->id == (ticket & ((1ull << TICKET_ID_BITS) - 1)) ? s : NULL;
}
