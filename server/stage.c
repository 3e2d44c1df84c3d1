/* A stage of the session: what its rules want to know is found out, then they judge, then it goes on. */
#include "server/grey.h"
#include "server/lookup.h"
#include "server/policy.h"
#include "server/talk.h"

static void proceed(struct session *s)
{
	if (s->policy)
		policy_go_on(s);
	else
		talk_steps[s->asked].go_on(s);
}

/* What the records tell of it: of a client without a mail the session's alone. */
static void note_refusal(struct session *s, const struct refusal *r)
{
	if (s->policy) {
		policy_note_refusal(s, r);
		return;
	}
	if (s->ending)
		s->tally.by = r->by;
	if (!s->mail)
		session_keep_why(s, r->text);
}

static void judge(struct session *s)
{
	const struct step *at = &talk_steps[s->asked];
	struct refusal r;
	switch (judge_stage(s, at->stage, &r)) {
	case JUDGED_GO:
		proceed(s);
		return;
	case JUDGED_REFUSED:
		note_refusal(s, &r);
		at->refuse(s, &r);
		return;
	case JUDGED_WAIT:
		return;
	}
}

static struct lookup_client client_of(const struct session *s)
{
	return (struct lookup_client){ .desk = &s->worker->dns,
		.generation = s->generation,
		.ticket = (uint64_t)s->index << TICKET_ID_BITS | s->id,
		.ip = s->peer.ip };
}

/* What was counted before its key was known. */
static void take_learned(struct session *s)
{
	uint32_t learned = lookup_take_learned(s->lookups);
	if (learned & SCORE_HAS_NAME)
		judge_learned(s, SCORE_EV_CONNECTIONS, SCORE_KEY_CLIENT_NAME);
	if (!(learned & SCORE_HAS_IDENTITY))
		return;
	grey_meet(s);
	judge_learned(s, SCORE_EV_MESSAGES, SCORE_KEY_IDENTITY);
}

static void retell(struct session *s, bool open_too)
{
	struct lookup_told told;
	while (retell_wanted(s->worker) && lookup_next_untold(s->lookups, open_too, &told))
		retell_lookup(s, &told);
}

void stage_arrive(struct session *s)
{
	const struct lookup_client client = client_of(s);
	lookup_names(&s->lookups, &client);
	stage_begin(s);
}

/* True: something must be awaited. Most rule sets want nothing at most stages: that is seen at once. */
static bool look_up(struct session *s)
{
	const struct score_ruleset *rules = s->generation->rules;
	enum score_stage stage = talk_steps[s->asked].stage;
	if (!score_lookup_any(rules, stage) && !(stage == SCORE_MAIL && score_lookup_any(rules, SCORE_RCPT)))
		return false;
	const struct lookup_client client = client_of(s);
	const struct score_facts f = facts_of(s);
	return lookup_begin(&s->lookups, &client, stage, &f, &s->judgement);
}

/* Also again, when answers have come: a name that was found may be what a list is asked about. */
static bool must_wait(struct session *s)
{
	bool wait = look_up(s);
	take_learned(s);
	retell(s, false);
	return wait;
}

void stage_begin(struct session *s)
{
	if (!must_wait(s)) {
		judge(s);
		return;
	}
	s->awaiting = AWAIT_DNS;
	s->dns_since_ms = s->worker->now_ms;
	deadline_after(s, s->generation->settings->dns.timeout_ms);
}

static void stop_waiting(struct session *s)
{
	s->tally.dns_ms += (uint32_t)(s->worker->now_ms - s->dns_since_ms);
	s->awaiting = AWAIT_CLIENT;
}

static void go_on(struct session *s)
{
	stop_waiting(s);
	judge(s);
	session_pump(s);
}

static void look(struct session *s)
{
	take_learned(s);
	retell(s, false);
	if (s->awaiting == AWAIT_DNS && !lookup_is_open(s->lookups) && !must_wait(s))
		go_on(s);
}

void stage_on_dns(struct session *s, const struct dns_result *result)
{
	lookup_answer(s->lookups, result);
	look(s);
}

void stage_on_spf(struct session *s)
{
	lookup_spf_done(s->lookups);
	look(s);
}

void stage_give_up(struct session *s)
{
	retell(s, true);
	lookup_give_up(s->lookups);
	go_on(s);
}

void stage_resume(struct session *s)
{
	judge_end_delay(s);
	proceed(s);
	session_pump(s);
}
