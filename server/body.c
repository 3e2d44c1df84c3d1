/* A body on its way into the spool. */
#include "server/talk.h"

#include "base/log.h"

static void note_spooled(struct session *s, enum spool_result r)
{
	struct mail *m = s->mail;
	m->spooled = r;
	if (r == SPOOL_OK)
		return;
	if (r == SPOOL_FAILED)
		log_error("server.spool: %s; the mail is deferred (451)", strerror(m->spool.error));
	spool_release(&m->spool, &s->worker->app->spool); /* what still comes of it is dropped */
}

static void store(struct session *s, struct slice part)
{
	struct mail *m = s->mail;
	if (m->spooled == SPOOL_OK)
		note_spooled(s, spool_append(&m->spool, &s->worker->app->spool, part,
					s->generation->settings->relay.memory_per_message));
}

/* Of the fields that bear our name only ours may reach who believes it. */
static void store_filtered(struct session *s, struct slice part)
{
	struct slice keep;
	while (smtp_auth_filter_next(s->mail->auth_filter, &part, &keep))
		store(s, keep);
}

void body_begin(struct session *s)
{
	struct mail *m = s->mail;
	m->auth_filter = arena_alloc(&m->arena, sizeof *m->auth_filter);
	if (m->auth_filter)
		smtp_auth_filter_init(m->auth_filter, s->generation->hostname);
	else
		m->spooled = SPOOL_FULL; /* out of memory: the mail is deferred at its end */
}

void body_take(struct session *s, struct slice part)
{
	struct mail *m = s->mail;
	m->body_bytes += part.n;
	size_t header = smtp_hops_feed(&m->hops, part);
	if (m->keeps_header)
		mail_keep_header(m, slice_of(part.p, header));
	if (m->auth_filter)
		store_filtered(s, part);
}

bool body_end(struct session *s)
{
	struct mail *m = s->mail;
	if (m->auth_filter)
		store(s, smtp_auth_filter_end(m->auth_filter));
	if (m->spooled == SPOOL_OK)
		note_spooled(s, spool_finish(&m->spool, &s->worker->app->spool));
	return m->spooled == SPOOL_OK;
}
