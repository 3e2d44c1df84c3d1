/* Who wins: the strongest of what a test found and of what earlier stages hold. */
#include "score/judge.h"

static bool is_refusal(unsigned action)
{
	return action >= SCORE_DEFER && action <= SCORE_BLOCK;
}

enum score_action score_promise(enum score_action wanted, bool known_good, bool even_known_good, bool *alarm_r)
{
	bool milder = known_good && !even_known_good && (wanted == SCORE_REJECT || wanted == SCORE_BLOCK);
	*alarm_r = milder;
	return milder ? SCORE_DEFER : wanted;
}

/* What the rule's refusal is for this client. */
static enum score_action action_for(struct judge *j, const struct score_rule *r, unsigned rule)
{
	const struct score_facts *f = j->look.facts;
	bool known_good = (f->known & SCORE_HAS_KNOWN_GOOD) && f->known_good, alarm;
	enum score_action action = score_promise((enum score_action)r->action, known_good, r->even_known_good, &alarm);
	if (alarm && !r->observed && (j->alarm_rule < 0 || (int)rule < j->alarm_rule))
		j->alarm_rule = (int)rule;
	return action;
}

bool judge_prefer(struct score_decision *best, enum score_action action, unsigned rule)
{
	bool wins = action > best->action || (action == best->action && (int)rule < best->rule);
	if (wins)
		*best = (struct score_decision){ action, (int)rule };
	return wins;
}

void judge_refusal(struct judge *j, const struct score_rule *r, unsigned rule)
{
	if (j->stage <= SCORE_MAIL)
		(void)case_mark(j->set, j->c, SCORE_SET_HELD + judge_stage_scope[j->stage], rule);
	(void)judge_prefer(r->observed ? &j->observed : &j->found, action_for(j, r, rule), rule);
}

/* Greylisting begins when the recipient is known; the null sender's, who may only ask whether an address exists, with
 * the mail itself. It is not for who is known good. */
static bool is_greylisted(const struct judge *j)
{
	const struct score_facts *f = j->look.facts;
	bool null_sender = (f->known & SCORE_HAS_SENDER) && f->sender.n == 0;
	bool known_good = (f->known & SCORE_HAS_KNOWN_GOOD) && f->known_good;
	return !known_good && (j->stage >= SCORE_DATA || (j->stage == SCORE_RCPT && !null_sender));
}

/* What earlier stages hold is told once more only: at the first of these stages. */
static bool is_greylisted_first(const struct judge *j)
{
	const struct score_facts *f = j->look.facts;
	enum score_stage first = (f->known & SCORE_HAS_SENDER) && f->sender.n == 0 ? SCORE_DATA : SCORE_RCPT;
	return is_greylisted(j) && j->stage == first;
}

void judge_greylist(struct judge *j, const struct score_rule *r, unsigned rule)
{
	unsigned scope = j->stage >= SCORE_MAIL ? SCORE_OF_MAIL : SCORE_OF_SESSION;
	if (is_greylisted(j))
		(void)judge_prefer(r->observed ? &j->observed : &j->found, SCORE_GREYLIST, rule);
	else if (j->stage <= SCORE_RCPT)
		(void)case_mark(j->set, j->c, SCORE_SET_HELD + scope, rule);
}

static enum score_action action_held(struct judge *j, const struct score_rule *r, unsigned rule)
{
	if (r->action == SCORE_GREYLIST)
		return is_greylisted_first(j) ? SCORE_GREYLIST : SCORE_NONE;
	return action_for(j, r, rule);
}

/* Adds what earlier stages found. */
static void add_held(struct judge *j)
{
	struct score_verdict *v = j->verdict;
	unsigned limit = case_limit(j->set, j->c, j->ok);
	for (unsigned w = 0; j->c->sets && w < 2 * j->set->words; w++) {
		for (uint64_t bits = case_words(j->set, j->c, SCORE_SET_HELD)[w]; bits; bits &= bits - 1) {
			unsigned rule = w % j->set->words * 64 + (unsigned)__builtin_ctzll(bits);
			const struct score_rule *r = &j->set->rules[rule];
			enum score_action action = action_held(j, r, rule);
			if (rule >= limit || action == SCORE_NONE)
				continue;
			if (r->observed)
				(void)judge_prefer(&j->observed, action, rule);
			else if (judge_prefer(&j->found, action, rule))
				v->held = true;
		}
	}
}

/* Of several waits the longest counts, once a scope: what the scope has already waited is not waited again. */
static void add_wait(struct judge *j)
{
	uint32_t due = 0;
	for (unsigned s = 0; s < SCORE_SCOPES; s++) {
		uint32_t *done = &j->c->waited_ms[s], wanted = j->wait_ms[s];
		if (wanted <= *done)
			continue;
		due = wanted - *done > due ? wanted - *done : due;
		*done = wanted;
	}
	if (due == 0)
		return;
	j->found = (struct score_decision){ SCORE_WAIT, j->wait_rule };
	j->verdict->wait_ms = due;
}

/* enforce = false: all of it only as `would`. */
static void take_back(struct judge *j)
{
	struct score_verdict *v = j->verdict;
	v->now = (struct score_decision){ SCORE_NONE, SCORE_NO_RULE };
	v->wait_ms = 0;
	v->held = false;
	v->mails_n = 0;
	j->alarm_rule = SCORE_NO_RULE;
}

static void word_refusal(struct judge *j)
{
	struct score_verdict *v = j->verdict;
	const struct score_rule *r = &j->set->rules[v->now.rule];
	v->reply = v->now.action == SCORE_DEFER && r->action != SCORE_DEFER ? &r->soft : &r->reply;
	v->hold_ms = v->now.action == SCORE_BLOCK ? r->hold_ms : 0;
}

void judge_decide(struct judge *j)
{
	struct score_verdict *v = j->verdict;
	add_held(j);
	if (j->found.action == SCORE_NONE)
		add_wait(j);
	v->would = j->found;
	if (j->observed.rule >= 0)
		(void)judge_prefer(&v->would, j->observed.action, (unsigned)j->observed.rule);
	v->now = j->found;
	if (!j->set->enforce)
		take_back(j);
	else
		v->rate = case_rate(j->set, j->c, case_limit(j->set, j->c, j->ok));
	if (is_refusal(v->now.action))
		word_refusal(j);
	else if (v->now.action == SCORE_GREYLIST)
		v->reply = &j->set->rules[v->now.rule].reply;
	v->alarm_rule = j->alarm_rule;
	v->ok_rule = (int)j->ok - 1;
	v->points = j->look.points;
	v->score = score_look_score(&j->look);
}
