#include "score/grey.h"

#include "score/grey_key.h"

const char *score_grey_rung_name(enum score_grey_rung rung)
{
	static const char *const names[SCORE_GREY_RUNGS] = { "spf", "name", "net" };
	return names[rung];
}

const char *score_grey_verdict_name(enum score_grey_verdict verdict)
{
	static const char *const names[] = { "first", "early", "passed", "known" };
	return names[verdict];
}

struct score_grey_who score_grey_who(
	const struct score_store *s, const struct ip *client, struct slice spf_domain, struct slice organisation)
{
	struct score_grey_who w = { .proven = 1 << SCORE_GREY_NET, .origin = score_origin(s, client) };
	w.key[SCORE_GREY_NET] = grey_net(s, client);
	if (spf_domain.n) {
		w.key[SCORE_GREY_SPF] = score_key_text(s, SCORE_KEY_IDENTITY, spf_domain);
		w.proven |= 1 << SCORE_GREY_SPF;
	}
	if (organisation.n && !slice_ieq(organisation, spf_domain)) {
		w.key[SCORE_GREY_NAME] = score_key_text(s, SCORE_KEY_IDENTITY, organisation);
		w.proven |= 1 << SCORE_GREY_NAME;
	}
	return w;
}

/* One question: who, whom, when. */
struct asked {
	struct score_store *store;
	const struct score_grey_limits *limits;
	const struct score_grey_who *who;
	struct grey_pair pair;
	uint64_t now_ms;
};

static struct asked ask(struct score_store *s, const struct score_grey_limits *limits, const struct score_grey_who *who,
	struct slice sender, struct slice recipient, uint64_t now_ms)
{
	return (struct asked){ s, limits, who, grey_pair(s, sender, recipient), now_ms };
}

static bool is_proven(const struct asked *a, unsigned rung)
{
	return a->who->proven >> rung & 1;
}

static enum score_grey_rung best_of(const struct score_grey_who *who)
{
	return who->proven & 1 << SCORE_GREY_SPF    ? SCORE_GREY_SPF
	       : who->proven & 1 << SCORE_GREY_NAME ? SCORE_GREY_NAME
						    : SCORE_GREY_NET;
}

/* --- identities --- */

/* Is the identity allowed whole? `use` renews it. */
static bool identity_is_allowed(const struct asked *a, unsigned rung, bool use)
{
	struct score_table *t = &a->store->tables[STORE_IDENTITIES];
	uint64_t tag = slot_tag(a->who->key[rung].hash, IDENTITY_PURPOSE);
	uint32_t now_s = (uint32_t)(a->now_ms / 1000);
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_find(t, shard, tag);
	bool allowed = e && e->u.identity.allowed && grey_identity_holds(e, a->limits, a->now_ms);
	if (allowed && use && now_s > e->head.last_s)
		e->head.last_s = now_s;
	slot_unlock(shard);
	return allowed;
}

/* One of its tries passed: a second time within a day allows it whole. */
static void identity_passed(const struct asked *a, unsigned rung)
{
	struct score_table *t = &a->store->tables[STORE_IDENTITIES];
	const struct score_key *key = &a->who->key[rung];
	uint64_t tag = slot_tag(key->hash, IDENTITY_PURPOSE);
	struct slot_wanted w = { tag, a->who->origin, key, SLOT_IDENTITY, GREY_ALLOW_MS, a->now_ms, false };
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_find(t, shard, tag);
	bool held = e && grey_identity_holds(e, a->limits, a->now_ms);
	bool again = held && (uint64_t)e->u.identity.passed_s * 1000 + a->limits->delay_ms <= a->now_ms;
	e = slot_make(a->store, t, shard, &w);
	if (e && (again || !held)) {
		e->u.identity.passed_s = (uint32_t)(a->now_ms / 1000);
		e->u.identity.allowed = again;
		e->head.flags = again ? SLOT_PROVEN : 0;
		slot_live(&e->head, again ? a->limits->keep_ms : GREY_ALLOW_MS);
	}
	slot_unlock(shard);
}

/* --- tries --- */

/* What is known of it under one rung. */
struct tried {
	bool there, passed;
	uint32_t first_s;
};

static uint64_t try_tag(const struct asked *a, unsigned rung)
{
	struct score_key key = score_key_pair(a->who->key[rung], a->pair.sender);
	return slot_tag(score_key_pair(key, a->pair.recipient).hash, TRY_PURPOSE);
}

static struct tried try_get(const struct asked *a, unsigned rung)
{
	struct score_table *t = &a->store->tables[STORE_GREYLIST];
	uint64_t tag = try_tag(a, rung);
	struct score_shard *shard = slot_lock(t, tag);
	const struct score_slot *e = slot_find(t, shard, tag);
	struct tried found = { 0 };
	if (e && grey_try_holds(e, a->limits, a->now_ms))
		found = (struct tried){ true, e->u.try.passed_s != 0, e->head.first_s };
	slot_unlock(shard);
	return found;
}

/* Under this rung, too: tried first at `first_s`, or before. What is forgotten begins anew. */
static void try_put(const struct asked *a, unsigned rung, uint32_t first_s, bool passed)
{
	struct score_table *t = &a->store->tables[STORE_GREYLIST];
	const struct score_key *key = &a->who->key[rung];
	uint64_t tag = try_tag(a, rung);
	struct slot_wanted w = { tag, a->who->origin, key, SLOT_TRY, a->limits->window_ms, a->now_ms, false };
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_find(t, shard, tag);
	bool held = e && grey_try_holds(e, a->limits, a->now_ms);
	e = slot_make(a->store, t, shard, &w);
	if (e) {
		if (!held)
			e->u.try.passed_s = 0;
		if (!held || first_s < e->head.first_s)
			e->head.first_s = first_s;
		e->u.try.who = key->hash;
		e->u.try.sender = grey_digest(&a->pair.sender);
		e->u.try.recipient = grey_digest(&a->pair.recipient);
		if (passed && !e->u.try.passed_s)
			e->u.try.passed_s = (uint32_t)(a->now_ms / 1000);
		slot_live(&e->head, e->u.try.passed_s ? a->limits->keep_ms : a->limits->window_ms);
	}
	slot_unlock(shard);
}

static void put_all(const struct asked *a, uint32_t first_s)
{
	for (unsigned rung = 0; rung < SCORE_GREY_RUNGS; rung++)
		if (is_proven(a, rung))
			try_put(a, rung, first_s, false);
}

/* Over all rungs that are proven: the oldest start; the best one that it passed under. */
static struct tried look(const struct asked *a, enum score_grey_rung *rung_r)
{
	struct tried all = { 0 };
	for (unsigned rung = 0; rung < SCORE_GREY_RUNGS; rung++) {
		struct tried one = { 0 };
		if (is_proven(a, rung))
			one = try_get(a, rung);
		if (!one.there)
			continue;
		if (!all.there || one.first_s < all.first_s)
			all.first_s = one.first_s;
		if (one.passed && !all.passed)
			*rung_r = (enum score_grey_rung)rung;
		all.passed |= one.passed;
		all.there = true;
	}
	return all;
}

static struct score_grey_answer answer(const struct asked *a, struct tried *tried_r, bool use)
{
	struct score_grey_answer is = { .verdict = SCORE_GREY_KNOWN };
	for (unsigned rung = 0; rung < SCORE_GREY_RUNGS; rung++) {
		if (!is_proven(a, rung) || !identity_is_allowed(a, rung, use))
			continue;
		is.rung = (enum score_grey_rung)rung;
		is.allowed = true;
		return is;
	}
	*tried_r = look(a, &is.rung);
	if (tried_r->passed)
		return is;
	is.rung = best_of(a->who);
	uint64_t due_ms = (uint64_t)tried_r->first_s * 1000 + a->limits->delay_ms;
	if (tried_r->there && a->now_ms >= due_ms)
		is.verdict = SCORE_GREY_PASSED;
	else
		is.verdict = tried_r->there ? SCORE_GREY_EARLY : SCORE_GREY_FIRST;
	if (is.verdict != SCORE_GREY_PASSED)
		is.left_ms = tried_r->there ? due_ms - a->now_ms : a->limits->delay_ms;
	return is;
}

struct score_grey_answer score_grey_try(struct score_store *s, const struct score_grey_limits *limits,
	const struct score_grey_who *who, struct slice sender, struct slice recipient, uint64_t now_ms)
{
	struct asked a = ask(s, limits, who, sender, recipient, now_ms);
	struct tried tried = { .first_s = (uint32_t)(now_ms / 1000) };
	struct score_grey_answer is = answer(&a, &tried, true);
	switch (is.verdict) {
	case SCORE_GREY_FIRST:
		put_all(&a, (uint32_t)(now_ms / 1000));
		break;
	case SCORE_GREY_EARLY:
		put_all(&a, tried.first_s);
		break;
	case SCORE_GREY_PASSED:
		try_put(&a, is.rung, tried.first_s, true);
		identity_passed(&a, is.rung);
		break;
	case SCORE_GREY_KNOWN:
		if (is.allowed)
			break;
		try_put(&a, is.rung, tried.first_s, true); /* used */
		if (is.rung != best_of(who))
			try_put(&a, best_of(who), tried.first_s, true);
		break;
	}
	return is;
}

struct score_grey_answer score_grey_peek(struct score_store *s, const struct score_grey_limits *limits,
	const struct score_grey_who *who, struct slice sender, struct slice recipient, uint64_t now_ms)
{
	struct asked a = ask(s, limits, who, sender, recipient, now_ms);
	struct tried tried = { 0 };
	return answer(&a, &tried, false);
}

void score_grey_learned(struct score_store *s, const struct score_grey_limits *limits, const struct score_grey_who *who,
	struct slice sender, struct slice recipient, uint64_t now_ms)
{
	struct asked a = ask(s, limits, who, sender, recipient, now_ms);
	enum score_grey_rung rung;
	struct tried tried = look(&a, &rung);
	if (tried.passed)
		try_put(&a, best_of(who), tried.first_s, true);
	else if (tried.there)
		put_all(&a, tried.first_s);
}
