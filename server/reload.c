#include "server/reload.h"

#include "server/keeper.h"
#include "server/replay_log.h"
#include "server/seats.h"
#include "server/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

void reload_tell(const struct settings_faults *faults)
{
	struct buf line = { 0 };
	for (size_t i = 0; i < faults->count; i++) {
		buf_clear(&line);
		if (settings_fault_format(&faults->items[i], &line))
			log_msg(faults->items[i].severity == SETTINGS_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "%.*s",
				SLICE_ARG(buf_slice(&line)));
	}
	buf_release(&line);
}

struct log_config reload_log_config(const struct settings *s)
{
	return (struct log_config){
		.to = s->log.to, .level = (enum log_level)s->log.level, .format = (enum log_format)s->log.format
	};
}

void reload_release(struct reload *r)
{
	buf_release(&r->changed);
	buf_release(&r->needs_restart);
}

void reload_open_replay(struct app *app, const struct generation *g)
{
	const char *path = g->settings->log.replay;
	struct replay_log_info info;
	if (replay_log_open(app->replay, path, g->rules))
		return;
	const char *why = strerror(errno);
	replay_log_info(app->replay, &info);
	log_warn("log.replay = \"%s\": %s; %s", path, why,
		info.on ? "what was open stays in use" : "no decisions are recorded");
}

static bool compare(const struct settings *old, const struct settings *fresh, struct reload *r)
{
	return settings_changed(old, fresh, &r->changed) && settings_needs_restart(old, fresh, &r->needs_restart);
}

/* What could not be read now, though its modes allow it, may be readable after a restart. */
static void tell_of_the_sandbox(const struct app *app, struct settings_faults *faults)
{
	bool refused = false;
	for (size_t i = 0; i < faults->count; i++)
		refused |= strstr(faults->items[i].text, strerror(EACCES)) != NULL;
	if (refused && app->first->settings->server.sandbox)
		settings_fault_add(faults, SETTINGS_NOTE, app->settings_path, 0,
			"server.sandbox: a running server reads files only below folders that its settings named at "
			"the start; for others restart it");
}

bool reload_settings(struct app *app, struct settings_faults *faults, struct reload *reload_r)
{
	pthread_mutex_lock(&app->lock);
	if (!app->draining)
		notify_reloading(&app->notify);
	struct generation *old = app->generation;
	struct generation *g = generation_load(app->settings_path, &app->needs, old, faults);
	bool ok = g && compare(old->settings, g->settings, reload_r) && relay_shared_configure(app->relay, &g->relay);
	if (ok) {
		struct log_config log = reload_log_config(g->settings);
		if (!log_reopen(&log))
			log_warn("log.to = \"%s\": %s; the log stays where it was", log.to, strerror(errno));
		reload_open_replay(app, g);
		seats_apply(app, g->settings);
		score_store_hide(app->store, g->settings->log.addresses != SETTINGS_ADDRESSES_PLAIN);
		keeper_configure(app->keeper, g->settings->score.snapshot, g->settings->score.snapshot_every_ms);
		for (unsigned i = 0; i < app->workers_n; i++)
			worker_take_generation(&app->workers[i], g);
		app->generation = g;
		generation_unref(&old);
	} else {
		tell_of_the_sandbox(app, faults);
		generation_unref(&g);
	}
	if (!app->draining)
		notify_ready(
			&app->notify, ok ? NOTIFY_TAKING_MAIL : "the settings have faults, those of before are in use");
	pthread_mutex_unlock(&app->lock);
	return ok;
}

void reload_tell_end(const struct app *app, bool ok, const struct reload *r)
{
	if (!ok)
		log_error("reload: %s has faults, the old settings stay in use", app->settings_path);
	else if (buf_len(&r->needs_restart))
		log_warn("reload: done; these changes need a restart: %.*s", SLICE_ARG(buf_slice(&r->needs_restart)));
	else
		log_info("reload: done");
}

static void reload_and_tell(struct app *app)
{
	struct settings_faults faults = { 0 };
	struct reload r = { 0 };
	bool ok = reload_settings(app, &faults, &r);
	reload_tell(&faults);
	reload_tell_end(app, ok, &r);
	settings_faults_release(&faults);
	reload_release(&r);
}

static void *run(void *arg)
{
	struct reloader *r = arg;
	uint64_t one = 1;
	reload_and_tell(r->app);
	atomic_store(&r->over, true);
	while (write(r->app->commands, &one, sizeof one) < 0 && errno == EINTR)
		;
	return NULL;
}

void reload_by_signal(struct reloader *r)
{
	r->again = r->runs;
	if (r->runs)
		return;
	atomic_store(&r->over, false);
	r->runs = pthread_create(&r->thread, NULL, run, r) == 0;
	if (!r->runs)
		reload_and_tell(r->app);
}

void reload_look(struct reloader *r)
{
	if (!r->runs || !atomic_load(&r->over))
		return;
	pthread_join(r->thread, NULL);
	r->runs = false;
	if (r->again)
		reload_by_signal(r);
}

void reload_end(struct reloader *r)
{
	if (r->runs)
		pthread_join(r->thread, NULL);
	r->runs = false;
}
