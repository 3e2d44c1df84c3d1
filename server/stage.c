/* A stage of the session: what its rules want to know is found out, then they judge, then it goes on. */
#include "server/lookup.h"
#include "server/talk.h"

static void judge(struct session *s)
{
	const struct step *at = &talk_steps[s->asked];
	struct refusal r;
	switch (judge_stage(s, at->stage, &r)) {
	case JUDGED_GO:
		at->go_on(s);
		return;
	case JUDGED_REFUSED:
		at->refuse(s, &r);
		return;
	case JUDGED_WAIT:
		return;
	}
}

void stage_begin(struct session *s)
{
	if (!lookup_begin(s, talk_steps[s->asked].stage)) {
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
	if (s->awaiting == AWAIT_DNS && !lookup_is_open(s))
		go_on(s);
}

void stage_on_dns(struct session *s, const struct dns_result *result)
{
	lookup_answer(s, result);
	look(s);
}

void stage_on_spf(struct session *s)
{
	lookup_spf_done(s);
	look(s);
}

void stage_give_up(struct session *s)
{
	lookup_give_up(s);
	go_on(s);
}

void stage_resume(struct session *s)
{
	judge_end_delay(s);
	talk_steps[s->asked].go_on(s);
	session_pump(s);
}
