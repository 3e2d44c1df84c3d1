/* What an alert of a rule is about, in words. */
#include "base/escape.h"
#include "score/ruleset.h"

enum { SUBJECT_MAX = 320 };

static struct slice text_of(enum score_key_kind kind, const struct score_facts *f)
{
	switch (kind) {
	case SCORE_KEY_SENDER:
		return f->sender;
	case SCORE_KEY_SENDER_DOMAIN:
		return f->sender_domain;
	case SCORE_KEY_RECIPIENT:
		return f->recipient;
	case SCORE_KEY_RECIPIENT_DOMAIN:
		return f->recipient_domain;
	case SCORE_KEY_HELO:
		return f->helo;
	case SCORE_KEY_LISTENER:
		return f->listener;
	case SCORE_KEY_ALL:
		return SLICE("all");
	case SCORE_KEY_CLIENT_NAME:
		return f->name;
	case SCORE_KEY_IDENTITY:
		return f->identity;
	case SCORE_KEY_CLIENT: /* told as addresses */
	case SCORE_KEY_NET:
	case SCORE_KEY_AUTH_USER: /* never known in this version */
	case SCORE_KEY_KINDS:
		break;
	}
	return slice_of(NULL, 0);
}

static bool put_client(const struct score_key_part *part, const struct ip *client, struct buf *out)
{
	char text[IP_TEXT];
	bool v4 = ip_is_v4(client);
	unsigned bits = part->kind != SCORE_KEY_NET ? (v4 ? 32 : 64) : v4 ? part->bits4 : part->bits6;
	struct ip net = ip_mask(client, v4 ? 96 + bits : bits);
	ip_format(&net, text);
	return part->kind == SCORE_KEY_NET || !v4 ? buf_printf(out, "%s/%u", text, bits) : buf_printf(out, "%s", text);
}

bool score_rule_subject(const struct score_ruleset *set, unsigned rule, const struct score_facts *f,
	const char **kind_r, struct buf *out)
{
	int key = set->rules[rule].program->first_key;
	const struct score_key_part *part = &set->keyspecs[key < 0 ? SCORE_KEYSPEC_CLIENT : key].part[0];
	if (score_keys[part->kind].reads.facts & ~f->known)
		return false;
	*kind_r = score_keys[part->kind].name;
	if (part->kind == SCORE_KEY_CLIENT || part->kind == SCORE_KEY_NET)
		return put_client(part, &f->client, out);
	struct slice text = text_of((enum score_key_kind)part->kind, f);
	return text.n ? escape_plain(out, text, SUBJECT_MAX) : buf_put(out, SLICE("<>"));
}
