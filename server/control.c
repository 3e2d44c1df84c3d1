#include "server/control.h"

#include "base/clock.h"
#include "server/control_inside.h"

bool control_refuse(struct buf *error_r, const char *sentence)
{
	if (!buf_put(error_r, slice_str(sentence)))
		buf_clear(error_r);
	return false;
}

uint64_t control_sum(const struct app *app, enum statistic k)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < app->workers_n; i++)
		n += stat_get(&app->workers[i].stats, k);
	return n;
}

struct generation *control_generation(struct app *app, bool *draining_r)
{
	pthread_mutex_lock(&app->lock);
	struct generation *g = generation_ref(app->generation);
	if (draining_r)
		*draining_r = app->draining;
	pthread_mutex_unlock(&app->lock);
	return g;
}

bool control_top(struct ctl_json args, int64_t otherwise, int64_t max, size_t *top_r, struct buf *error_r)
{
	int64_t top = ctl_json_int(args, "top", otherwise);
	bool ok = top >= 1 && top <= max;
	if (!ok && !buf_printf(error_r, "top is a number from 1 to %lld", (long long)max))
		buf_clear(error_r);
	*top_r = (size_t)top;
	return ok;
}

void control_put_time(struct ctl_json at, const char *key, uint64_t wall_ms)
{
	char when[CLOCK_RFC3339];
	if (!wall_ms)
		return;
	clock_rfc3339(wall_ms, when);
	ctl_json_put_text(at, key, slice_str(when));
}

const struct ctl_command *control_commands(size_t *n_r)
{
	static const struct ctl_command COMMANDS[] = {
		{ "stats", control_stats },
		{ "health", control_health },
		{ "sessions", control_sessions },
		{ "config", control_config },
		{ "reload", control_reload },
		{ "drain", control_drain },
		{ "snapshot", control_snapshot },
		{ "backend", control_backend },
		{ "backend test", control_backend_test },
		{ "forget", control_forget },
		{ "explain", control_explain },
		{ "last", control_last },
		{ "test", control_test },
		{ "list", control_list },
		{ "show", control_show },
		{ "delete", control_delete },
		{ "block", control_block },
		{ "allow", control_allow },
		{ "lists", control_lists },
		{ "rules", control_rules },
		{ "trace", control_trace },
	};
	*n_r = sizeof COMMANDS / sizeof COMMANDS[0];
	return COMMANDS;
}
