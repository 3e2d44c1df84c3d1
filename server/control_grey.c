#include "server/control_grey.h"

#include "base/clock.h"
#include "base/mem.h"
#include "score/grey.h"
#include "score/inspect.h"
#include "server/control_inside.h"
#include "server/door.h"

static const char *state_of(const struct score_grey_entry *e)
{
	return e->allowed ? "allowed" : e->passed ? "passed" : "waiting";
}

static void put_entry(struct ctl_json list, const struct score_grey_entry *e)
{
	struct ctl_json at = ctl_json_put_object(list, NULL);
	char text[SCORE_KEY_TEXT];
	size_t n = score_key_format(&e->key, text);
	ctl_json_put_text(at, "key", slice_of(text, n));
	ctl_json_put_text(at, "kind", slice_str(score_key_kind_name((enum score_key_kind)e->key.kind)));
	struct ctl_json grey = ctl_json_put_object(at, "greylist");
	ctl_json_put_text(grey, "of", slice_str(e->whole ? "identity" : "mail"));
	ctl_json_put_text(grey, "state", slice_str(state_of(e)));
	control_put_time(grey, "first", (uint64_t)e->first_s * 1000);
	control_put_time(grey, "last", (uint64_t)e->last_s * 1000);
	control_put_time(grey, "passed", (uint64_t)e->passed_s * 1000);
	control_put_time(grey, "until", (uint64_t)e->until_s * 1000);
}

bool control_grey_list(struct app *app, struct slice key, size_t top, struct ctl_json list)
{
	struct score_grey_about about;
	if (key.n && !score_grey_about(app->store, key, &about))
		return true;
	struct score_grey_entry *found = mem_alloc(top * sizeof *found);
	TRY(found);
	struct generation *g = control_generation(app, NULL);
	struct score_grey_limits limits = door_grey_limits(g);
	generation_unref(&g);
	size_t n = score_grey_list(app->store, &limits, key.n ? &about : NULL, clock_wall_ms(), found, top);
	for (size_t i = 0; i < n; i++)
		put_entry(list, &found[i]);
	mem_free(&found);
	return true;
}

size_t control_grey_forget(struct app *app, struct slice key)
{
	struct score_grey_about about;
	return score_grey_about(app->store, key, &about) ? score_grey_forget(app->store, &about) : 0;
}
