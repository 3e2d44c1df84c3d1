#include "config/types.h"

#include <ctype.h>

struct unit {
	struct slice text;
	uint64_t factor;
};

/* Largest first: the writer takes the first that divides. */
static const struct unit DURATIONS[] = {
	{ SLICE_INIT("d"), 86400000 }, { SLICE_INIT("h"), 3600000 }, { SLICE_INIT("m"), 60000 },
	{ SLICE_INIT("s"), 1000 },     { SLICE_INIT("ms"), 1 },
};
static const struct unit SIZES[] = {
	{ SLICE_INIT("G"), 1u << 30 }, { SLICE_INIT("M"), 1u << 20 }, { SLICE_INIT("k"), 1u << 10 },
	{ SLICE_INIT(""), 1 },
};
enum { DURATION_UNITS = sizeof DURATIONS / sizeof *DURATIONS, SIZE_UNITS = sizeof SIZES / sizeof *SIZES };

static bool unit_parse(const struct unit *units, size_t n, struct slice s, uint64_t *value_r)
{
	size_t digits = 0;

	while (digits < s.n && isdigit((unsigned char)s.p[digits]))
		digits++;
	for (size_t i = 0; i < n; i++) {
		if (!slice_eq(slice_skip(s, digits), units[i].text))
			continue;
		return slice_u64(slice_of(s.p, digits), INT64_MAX / units[i].factor, value_r) &&
		       (*value_r *= units[i].factor, true);
	}
	return false;
}

static bool unit_write(const struct unit *units, size_t n, uint64_t value, struct buf *out)
{
	size_t i = 0;

	while (i < n - 1 && value % units[i].factor)
		i++;
	return buf_printf(out, "%llu%.*s", (unsigned long long)(value / units[i].factor), SLICE_ARG(units[i].text));
}

bool duration_parse(struct slice s, uint64_t *ms_r)
{
	return unit_parse(DURATIONS, DURATION_UNITS, s, ms_r);
}

bool duration_write(uint64_t ms, struct buf *out)
{
	return ms ? unit_write(DURATIONS, DURATION_UNITS, ms, out) : buf_put(out, SLICE("0s"));
}

bool size_parse(struct slice s, uint64_t *bytes_r)
{
	return unit_parse(SIZES, SIZE_UNITS, s, bytes_r);
}

bool size_write(uint64_t bytes, struct buf *out)
{
	return bytes ? unit_write(SIZES, SIZE_UNITS, bytes, out) : buf_put(out, SLICE("0"));
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

bool date_parse(struct slice s, int64_t *end_ms_r)
{
	uint64_t year, month, day, days = 0;

	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
		return false;
	TRY(slice_u64(slice_of(s.p, 4), 9999, &year) && year >= 1970);
	TRY(slice_u64(slice_of(s.p + 5, 2), 12, &month) && month >= 1);
	TRY(slice_u64(slice_of(s.p + 8, 2), 31, &day) && day >= 1);
	TRY(day <= month_days((unsigned)year, (unsigned)month));
	for (unsigned y = 1970; y < year; y++)
		days += 337 + month_days(y, 2);
	for (unsigned m = 1; m < month; m++)
		days += month_days((unsigned)year, m);
	*end_ms_r = (int64_t)((days + day) * 86400000);
	return true;
}

static bool label_valid(struct slice label)
{
	if (label.n < 1 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!isalnum((unsigned char)label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
			return false;
	return true;
}

bool domain_valid(struct slice s)
{
	if (s.n < 1 || s.n > 253 || s.p[s.n - 1] == '.')
		return false;
	while (s.n)
		TRY(label_valid(slice_cut(&s, '.')));
	return true;
}

bool name_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n >= 1 && s.n <= 64;
}

bool mail_address_valid(struct slice s)
{
	size_t at = slice_rfind(s, '@');

	if (at < 1 || at > 64 || at == s.n || !domain_valid(slice_skip(s, at + 1)))
		return false;
	for (size_t i = 0; i < at; i++)
		if (!isgraph((unsigned char)s.p[i]) || strchr("\"<>()[],;:\\@", s.p[i]))
			return false;
	return true;
}

bool address_parse(struct slice s, uint16_t default_port, struct settings_address *a_r)
{
	if (ip_port_parse(s, &a_r->ip, &a_r->port))
		return a_r->port != 0;
	a_r->port = default_port;
	return default_port && ip_parse(s, &a_r->ip);
}

bool address_write(const struct settings_address *a, struct buf *out)
{
	char text[IP_TEXT];

	ip_format(&a->ip, text);
	return buf_printf(out, ip_is_v4(&a->ip) ? "%s:%u" : "[%s]:%u", text, a->port);
}

bool prefix_write(const struct ip_prefix *p, struct buf *out)
{
	char text[IP_TEXT];
	bool v4 = ip_is_v4(&p->addr) && p->bits >= 96;

	ip_format(&p->addr, text);
	if (p->bits == 128)
		return buf_put(out, slice_str(text));
	return buf_printf(out, "%s/%u", text, v4 ? p->bits - 96u : p->bits);
}

bool answer_parse(struct slice s, struct settings_answer *a_r)
{
	bool range = slice_find(s, '-') < s.n;
	struct slice first = slice_cut(&s, '-');

	TRY(ip_parse(first, &a_r->first) && ip_is_v4(&a_r->first));
	a_r->last = a_r->first;
	if (!range)
		return true;
	TRY(ip_parse(s, &a_r->last) && ip_is_v4(&a_r->last));
	return memcmp(&a_r->first, &a_r->last, sizeof a_r->first) <= 0;
}

bool answer_write(const struct settings_answer *a, struct buf *out)
{
	char first[IP_TEXT], last[IP_TEXT];

	ip_format(&a->first, first);
	ip_format(&a->last, last);
	if (!memcmp(&a->first, &a->last, sizeof a->first))
		return buf_put(out, slice_str(first));
	return buf_printf(out, "%s-%s", first, last);
}

static const struct {
	struct slice word;
	enum settings_source source;
} NAMED_STEPS[] = {
	{ SLICE_INIT("list"), SETTINGS_SOURCE_LIST },
	{ SLICE_INIT("sqlite"), SETTINGS_SOURCE_SQLITE },
	{ SLICE_INIT("pgsql"), SETTINGS_SOURCE_PGSQL },
	{ SLICE_INIT("socketmap"), SETTINGS_SOURCE_SOCKETMAP },
};

bool step_parse(struct arena *arena, struct slice s, struct settings_recipients_step *step_r)
{
	*step_r = (struct settings_recipients_step){ SETTINGS_SOURCE_BACKEND, "" };
	if (slice_eq(s, SLICE("backend")))
		return true;
	step_r->source = SETTINGS_SOURCE_NONE;
	if (slice_eq(s, SLICE("none")))
		return true;
	struct slice name = s, kind = slice_cut(&name, ':');
	for (size_t i = 0; i < sizeof NAMED_STEPS / sizeof *NAMED_STEPS; i++)
		if (slice_eq(kind, NAMED_STEPS[i].word) && name.n) {
			step_r->source = NAMED_STEPS[i].source;
			step_r->name = arena_str(arena, name);
			return step_r->name != NULL;
		}
	return false;
}

bool step_write(const struct settings_recipients_step *step, struct buf *out)
{
	for (size_t i = 0; i < sizeof NAMED_STEPS / sizeof *NAMED_STEPS; i++)
		if (step->source == NAMED_STEPS[i].source)
			return buf_printf(out, "%s:%s", NAMED_STEPS[i].word.p, step->name);
	return buf_put(out, step->source == SETTINGS_SOURCE_NONE ? SLICE("none") : SLICE("backend"));
}

const char *path_absolute(struct arena *arena, const char *folder, struct slice path)
{
	size_t n = folder ? strlen(folder) : 0;
	char *joined;

	if (!n || !path.n || path.p[0] == '/')
		return arena_str(arena, path);
	if (slice_starts(path, SLICE("./")))
		path = slice_skip(path, 2);
	joined = arena_alloc(arena, n + 1 + path.n + 1);
	if (!joined)
		return NULL;
	memcpy(joined, folder, n);
	joined[n] = '/';
	memcpy(joined + n + 1, path.p, path.n);
	return joined;
}
