#include "score/evidence.h"
#include "server/account.h"
#include "server/talk.h"

#include <sys/socket.h>
#include <unistd.h>

/* True: it is time for a decision record; *times_r connections of the client have come since the last one. */
static bool is_kept(struct worker *w, const struct ip *ip, uint32_t *times_r)
{
	struct ip net = ip_client(ip);
	uint64_t client = hash_bytes(&w->app->log_key, slice_of((const char *)net.b, sizeof net.b));
	struct turned_away *place = &w->turned_away[client % TURNED_AWAY_PLACES];
	bool same = place->client == client;
	if (w->now_ms < place->until_ms) {
		place->more += same;
		return false;
	}
	*times_r = same ? place->more + 1 : 1;
	*place = (struct turned_away){ client, w->now_ms + TURNED_AWAY_EVERY_MS, 0 };
	return true;
}

static void say(struct worker *w, int fd, const struct peer *peer, uint64_t id, struct slice by, unsigned code)
{
	struct buf line = { 0 };
	struct slice words = buf_slice(&w->words);
	const struct settings_listener *l = app_listener(w->app, peer->listener);
	bool clear = l->tls != SETTINGS_TLS_IMPLICIT && l->protocol == SETTINGS_PROTOCOL_SMTP;
	if (clear && buf_printf(&line, "%u %.*s\r\n", code, SLICE_ARG(words))) {
		ssize_t told = send(fd, line.data, buf_len(&line), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)told; /* a fresh socket takes a line; if not, the client is told by the close */
	}
	buf_release(&line);
	close(fd);
	journal_turned_away(w, id, peer, by, code, words);
	uint32_t times;
	if (is_kept(w, &peer->ip, &times))
		account_away(w, id, peer, by, code, words, times);
	if (retell_wanted(w))
		retell_away(w, id, peer, by, code, words);
}

void away_silently(struct worker *w, const struct peer *peer, struct slice by, struct slice why)
{
	uint64_t id = id_next(&w->ids);
	uint32_t times;
	journal_turned_away(w, id, peer, by, 421, why);
	if (is_kept(w, &peer->ip, &times))
		account_away(w, id, peer, by, 421, why, times);
	if (retell_wanted(w))
		retell_away(w, id, peer, by, 421, why);
}

static bool word(struct buf *words, struct slice text, struct slice id)
{
	return buf_puts(words, text, SLICE(" (id "), id, SLICE(")"));
}

void away_over_limit(struct worker *w, int fd, const struct peer *peer, struct slice words)
{
	char id[ID_TEXT];
	uint64_t number = id_next(&w->ids);
	id_format(number, id);
	stat_add(&w->stats, STAT_OVER_LIMIT, 1);
	buf_clear(&w->words);
	if (!word(&w->words, words, slice_str(id)))
		buf_clear(&w->words);
	say(w, fd, peer, number, SLICE("limit"), 421);
}

static bool word_reply(
	const struct score_reply *r, const struct peer *peer, struct slice id, struct slice rule, struct buf *out)
{
	char ip[IP_TEXT];
	ip_format(&peer->ip, ip);
	TRY(buf_printf(out, "%u.%u.%u ", r->klass, r->subject, r->detail));
	const struct score_reply_values values = { .id = id, .client = slice_str(ip), .rule = rule };
	return score_reply_expand(r, &values, out);
}

void away_blocked(struct worker *w, int fd, const struct peer *peer, const struct score_hold *hold)
{
	char id[ID_TEXT];
	uint64_t number = id_next(&w->ids);
	unsigned rule, code = 421;
	struct slice by = slice_str(hold->by);
	bool known = by.n && score_rule_find(w->generation->rules, by, &rule);
	const struct score_reply *reply = known ? score_rule_reply(w->generation->rules, rule) : NULL;
	id_format(number, id);
	stat_add(&w->stats, STAT_BLOCKED, 1);
	buf_clear(&w->words);
	if (reply && reply->code && word_reply(reply, peer, slice_str(id), by, &w->words))
		code = reply->code;
	else if (!word(&w->words, SLICE("4.7.0 Your address is blocked for now, try again later"), slice_str(id)))
		buf_clear(&w->words);
	say(w, fd, peer, number, by.n ? by : SLICE("block"), code);
}
