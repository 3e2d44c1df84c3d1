/* tools/args.c - see tools/args.h */
#include "tools/args.h"

static bool duration(struct slice s, uint64_t max, uint64_t *seconds_r)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} UNITS[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t n;
	for (size_t i = 0; s.n && i < sizeof(UNITS) / sizeof(*UNITS); i++)
		if (s.p[s.n - 1] == UNITS[i].unit)
			return slice_u64(slice_of(s.p, s.n - 1), max / UNITS[i].seconds, &n) &&
			       (*seconds_r = n * UNITS[i].seconds) > 0;
	return false;
}

static bool put(struct ctl_json at, const struct tools_arg *a, struct slice value)
{
	uint64_t n = 0;
	switch (a->kind) {
	case TOOLS_ARG_TEXT:
		ctl_json_put_text(at, a->key, value);
		return value.n > 0;
	case TOOLS_ARG_COUNT:
		if (!slice_u64(value, a->max, &n) || n == 0)
			return false;
		break;
	case TOOLS_ARG_DURATION:
		if (!duration(value, a->max, &n))
			return false;
		break;
	case TOOLS_ARG_TEXTS:
		if (!ctl_json_is_array(ctl_json_get(at, a->key)))
			ctl_json_put_array(at, a->key);
		ctl_json_put_text(ctl_json_get(at, a->key), NULL, value);
		return value.n > 0;
	case TOOLS_ARG_FLAG:
		ctl_json_put_bool(at, a->key, true);
		return true;
	}
	ctl_json_put_count(at, a->key, n);
	return true;
}

/* The entry for argv[*i]; *value_r is what it is given, *i stands on the last word of it. NULL: none, or no value. */
static const struct tools_arg *match(
	const struct tools_arg *wanted, size_t n, int argc, char **argv, int *i, struct slice *value_r)
{
	struct slice typed = slice_str(argv[*i]);
	bool option = typed.n > 1 && typed.p[0] == '-'; /* "-" alone is a word */
	for (size_t k = 0; k < n; k++) {
		struct slice name = slice_str(wanted[k].option);
		if (!option && !wanted[k].option) {
			*value_r = typed;
			return &wanted[k];
		}
		if (!option || !wanted[k].option || !slice_starts(typed, name))
			continue;
		bool whole = typed.n == name.n, flag = wanted[k].kind == TOOLS_ARG_FLAG;
		if (!whole && (flag || typed.p[name.n] != '='))
			continue;
		if (whole && !flag && ++*i >= argc)
			return NULL;
		*value_r = whole ? slice_str(argv[*i]) : slice_skip(typed, name.n + 1);
		return &wanted[k];
	}
	return NULL;
}

bool tools_args_read(const struct tools_arg *wanted, size_t n, int argc, char **argv, const char *usage,
	struct ctl_json_doc *args_r, struct buf *error_r)
{
	struct ctl_json root = ctl_json_root_object(args_r);
	uint32_t seen = 0;
	bool ok = true;
	for (int i = 0; ok && i < argc; i++) {
		struct slice value;
		const struct tools_arg *a = match(wanted, n, argc, argv, &i, &value);
		uint32_t bit = a ? 1u << (a - wanted) : 0;
		ok = a && (!(seen & bit) || a->kind == TOOLS_ARG_TEXTS) && put(root, a, value);
		seen |= bit;
	}
	for (size_t k = 0; k < n; k++)
		ok = ok && (!wanted[k].required || (seen >> k & 1));
	if (!ok)
		(void)!buf_put(error_r, slice_str(usage));
	return ok;
}
