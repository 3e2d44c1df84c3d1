#include "score/case.h"

#include "base/mem.h"

bool case_reserve(const struct score_ruleset *set, struct score_case *c)
{
	if (!c->sets)
		c->sets = mem_zalloc((size_t)SCORE_SETS * set->words * sizeof *c->sets);
	return c->sets != NULL;
}

void score_case_free(struct score_case *c)
{
	mem_free(&c->sets);
}

static unsigned higher(unsigned a, unsigned b)
{
	return !a || (b && b < a) ? b : a;
}

unsigned case_ok(const struct score_case *c)
{
	unsigned ok = higher(c->ok[SCORE_OF_SESSION], c->ok[SCORE_OF_MAIL]);
	if (c->stage == SCORE_RCPT)
		return higher(ok, c->ok[SCORE_OF_RECIPIENT]);
	return c->stage > SCORE_RCPT && c->accepted ? higher(ok, c->ok_recipients) : ok;
}

double case_points(const struct score_ruleset *set, const struct score_case *c, unsigned limit)
{
	double sum = 0;
	for (unsigned w = 0; c->sets && w < set->words * SCORE_SCOPES; w++) {
		for (uint64_t bits = c->sets[w]; bits; bits &= bits - 1) {
			unsigned rule = w % set->words * 64 + (unsigned)__builtin_ctzll(bits);
			if (rule < limit)
				sum += set->rules[rule].points;
		}
	}
	return sum;
}

/* What the mail's accepted recipients share: the lowest of their `ok`, none when one has none. */
static void join_recipient(struct score_case *c)
{
	uint16_t ok = c->ok[SCORE_OF_RECIPIENT];
	if (!c->accepted)
		c->ok_recipients = ok;
	else if (!ok || !c->ok_recipients)
		c->ok_recipients = 0;
	else if (ok > c->ok_recipients)
		c->ok_recipients = ok;
	c->accepted = true;
}

/* Its fired rules go over into those seen, but for the cancelled. */
static void fold_recipient(const struct score_ruleset *set, struct score_case *c, bool accepted)
{
	unsigned limit = case_limit(set, c, higher(case_ok(c), c->ok[SCORE_OF_RECIPIENT]));
	uint64_t *fired = case_words(set, c, SCORE_SET_FIRED + SCORE_OF_RECIPIENT);
	uint64_t *seen = case_words(set, c, SCORE_SET_SEEN), *taken = case_words(set, c, SCORE_SET_TAKEN);
	for (unsigned w = 0; w < set->words; w++) {
		uint64_t keep = limit >= (w + 1) * 64 ? UINT64_MAX
				: limit <= w * 64     ? 0
						      : ((uint64_t)1 << limit % 64) - 1;
		seen[w] |= fired[w] & keep;
		taken[w] |= accepted ? fired[w] & keep : 0;
		fired[w] = 0;
	}
}

void score_case_recipient_done(const struct score_ruleset *set, struct score_case *c, bool accepted)
{
	if (c->sets)
		fold_recipient(set, c, accepted);
	if (accepted)
		join_recipient(c);
	c->ok[SCORE_OF_RECIPIENT] = 0;
	c->waited_ms[SCORE_OF_RECIPIENT] = 0;
}

void score_case_mail_done(const struct score_ruleset *set, struct score_case *c)
{
	score_case_recipient_done(set, c, false);
	c->ok[SCORE_OF_MAIL] = c->ok_recipients = 0;
	c->waited_ms[SCORE_OF_MAIL] = 0;
	c->accepted = false;
	c->stage = c->stage > SCORE_HELO ? SCORE_HELO : c->stage;
	if (!c->sets)
		return;
	static const unsigned ends[] = { SCORE_SET_FIRED + SCORE_OF_MAIL, SCORE_SET_HELD + SCORE_OF_MAIL,
		SCORE_SET_SEEN, SCORE_SET_TAKEN };
	for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
		memset(case_words(set, c, ends[i]), 0, set->words * sizeof *c->sets);
}

static bool fired_anywhere(const struct score_ruleset *set, const struct score_case *c, unsigned rule)
{
	uint64_t bits = case_words(set, c, SCORE_SET_SEEN)[rule / 64];
	for (unsigned s = 0; s < SCORE_SCOPES; s++)
		bits |= case_words(set, c, SCORE_SET_FIRED + s)[rule / 64];
	return bits >> rule % 64 & 1;
}

bool score_case_next(
	const struct score_ruleset *set, const struct score_case *c, unsigned *at, struct score_fired *fired_r)
{
	unsigned limit = c->sets ? case_limit(set, c, case_ok(c)) : 0;
	while (*at < limit) {
		unsigned i = (*at)++;
		const struct score_rule *r = &set->rules[i];
		if (!fired_anywhere(set, c, i))
			continue;
		*fired_r = (struct score_fired){ i, r->points, r->observed, (enum score_action)r->action };
		return true;
	}
	return false;
}

/* Rules in force for the mail as a whole, and for the recipient that is being judged. */
static uint64_t standing_word(const struct score_ruleset *set, const struct score_case *c, unsigned w)
{
	uint64_t bits = case_words(set, c, SCORE_SET_TAKEN)[w];
	for (unsigned s = 0; s < SCORE_SCOPES; s++)
		bits |= case_words(set, c, SCORE_SET_FIRED + s)[w];
	return bits;
}

/* The next rule from *at on with this action that is in force and not only observed; `limit`: none. */
static unsigned next_standing(const struct score_ruleset *set, const struct score_case *c, unsigned at, unsigned limit,
	enum score_action action)
{
	for (; c->sets && at < limit; at++) {
		const struct score_rule *r = &set->rules[at];
		if (r->action == action && !r->observed && standing_word(set, c, at / 64) >> at % 64 & 1)
			return at;
	}
	return limit;
}

uint64_t case_rate(const struct score_ruleset *set, const struct score_case *c, unsigned limit)
{
	uint64_t least = 0;
	if (!(set->actions & 1u << SCORE_THROTTLE))
		return 0;
	for (unsigned i = 0; i = next_standing(set, c, i, limit, SCORE_THROTTLE), i < limit; i++)
		if (least == 0 || set->rules[i].rate < least)
			least = set->rules[i].rate;
	return least;
}

const struct score_reply *score_case_tag(const struct score_ruleset *set, const struct score_case *c, unsigned *at)
{
	unsigned limit = case_limit(set, c, case_ok(c));
	if (!set->enforce || !(set->actions & 1u << SCORE_TAG))
		return NULL;
	*at = next_standing(set, c, *at, limit, SCORE_TAG);
	return *at < limit ? &set->rules[(*at)++].reply : NULL;
}
