#include "server/alerts.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>

/* ---- what was told ---- */

struct told {
	uint64_t what, until_ms;
};

struct alerts {
	pthread_mutex_t lock;
	struct hash_key key;
	struct told told[ALERTS_MAX];
	bool full;
};

struct alerts *alerts_new(void)
{
	struct alerts *a = mem_zalloc(sizeof *a);
	if (!a)
		return NULL;
	a->key = hash_key_random();
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void alerts_free(struct alerts **a)
{
	if (!*a)
		return;
	pthread_mutex_destroy(&(*a)->lock);
	mem_free(a);
}

static uint64_t name_of(const struct alerts *a, struct slice rule, struct slice key)
{
	uint64_t both[] = { hash_bytes(&a->key, rule), hash_bytes(&a->key, key) };
	return hash_bytes(&a->key, slice_of((const char *)both, sizeof both));
}

/* The entry of `what`, or one whose time is over, or NULL. */
static struct told *place_of(struct alerts *a, uint64_t what, uint64_t now_ms)
{
	struct told *over = NULL;
	for (unsigned i = 0; i < ALERTS_MAX; i++) {
		struct told *t = &a->told[i];
		if (t->what == what && t->until_ms > now_ms)
			return t;
		if (t->until_ms <= now_ms)
			over = t;
	}
	return over;
}

static enum alert_turn ask(struct alerts *a, uint64_t what, uint64_t every_ms, uint64_t now_ms)
{
	struct told *t = place_of(a, what, now_ms);
	if (!t) {
		bool first = !a->full;
		a->full = true;
		return first ? ALERT_FULL_NOW : ALERT_FULL;
	}
	if (t->until_ms > now_ms)
		return ALERT_TOLD;
	*t = (struct told){ .what = what, .until_ms = now_ms + every_ms };
	a->full = false;
	return ALERT_TELL;
}

enum alert_turn alerts_ask(struct alerts *a, struct slice rule, struct slice key, uint64_t every_ms, uint64_t now_ms)
{
	uint64_t what = name_of(a, rule, key);
	pthread_mutex_lock(&a->lock);
	enum alert_turn turn = ask(a, what, every_ms, now_ms);
	pthread_mutex_unlock(&a->lock);
	return turn;
}

void alerts_forget(struct alerts *a, struct slice rule, struct slice key)
{
	uint64_t what = name_of(a, rule, key);
	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < ALERTS_MAX; i++)
		if (a->told[i].what == what)
			a->told[i].until_ms = 0;
	pthread_mutex_unlock(&a->lock);
}

/* ---- on their way ---- */

struct alert_mail {
	struct relay_mail mail;
	struct buf text;
	struct rope_block body; /* the text, as the relay reads it */
	struct slice *to;
	char *rule, *key;
};

static void alert_mail_free(struct alert_mail **m)
{
	if (!*m)
		return;
	buf_release(&(*m)->text);
	mem_free(&(*m)->to);
	mem_free(&(*m)->rule);
	mem_free(&(*m)->key);
	mem_free(m);
}

static bool fill(struct alert_mail *m, const struct alert *a, const struct settings_alerts *to, struct slice hostname)
{
	m->rule = mem_strndup(a->rule.p, a->rule.n);
	m->key = mem_strndup(a->key.p, a->key.n);
	m->to = mem_zalloc(to->to.count * sizeof *m->to);
	if (!m->rule || !m->key || !m->to || !alert_write(a, to, hostname, &m->text))
		return false;
	for (size_t i = 0; i < to->to.count; i++)
		m->to[i] = slice_str(to->to.items[i]);
	m->body.bytes = buf_slice(&m->text);
	m->mail = (struct relay_mail){
		.client = { .helo = hostname, .proto = SLICE("ESMTP") },
		.sender = slice_str(to->from),
		.rcpts = m->to,
		.rcpts_n = to->to.count,
		.own = true,
		.body = { .mem = &m->body, .fd = -1 },
	};
	return ip_parse(SLICE("127.0.0.1"), &m->mail.client.ip);
}

static struct alert_mail **free_place(struct alert_desk *d)
{
	for (unsigned i = 0; i < ALERT_DESK_MAX; i++)
		if (!d->under_way[i])
			return &d->under_way[i];
	return NULL;
}

bool alert_desk_send(struct alert_desk *d, struct relay *relay, const struct alert *a, const struct settings_alerts *to,
	struct slice hostname, uint64_t now_ms)
{
	struct alert_mail **place = free_place(d), *m = place ? mem_zalloc(sizeof *m) : NULL;
	if (!m)
		return false;
	if (!fill(m, a, to, hostname)) {
		alert_mail_free(&m);
		return false;
	}
	m->mail.ticket = ALERT_TICKETS | d->made++;
	if (!relay_deliver(relay, &m->mail, now_ms)) {
		alert_mail_free(&m);
		return false;
	}
	*place = m;
	return true;
}

void alert_desk_answer(struct alert_desk *d, struct alerts *told, const struct relay_done *done)
{
	for (unsigned i = 0; i < ALERT_DESK_MAX; i++) {
		struct alert_mail *m = d->under_way[i];
		if (!m || m->mail.ticket != done->ticket)
			continue;
		if (done->code / 100 != 2) {
			log_warn("alert of rule %s could not be mailed: %u %.*s", m->rule, done->code,
				(int)done->text_n, done->text);
			alerts_forget(told, slice_str(m->rule), slice_str(m->key));
		}
		alert_mail_free(&d->under_way[i]);
	}
}

void alert_desk_release(struct alert_desk *d)
{
	for (unsigned i = 0; i < ALERT_DESK_MAX; i++)
		alert_mail_free(&d->under_way[i]);
}
