/* server/reload.h - what the process itself takes on of the settings: at the start, and anew at each reload
 *
 * Main thread at the start; later the control thread, or for HUP a thread of its own, under app.lock. Workers are
 * handed the new generation and take it on by themselves.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "base/log.h"
#include "server/app.h"

/* Names of settings, "a.b, c.d". */
struct reload {
	struct buf changed, needs_restart;
};
/* Reads the settings anew and hands them to the workers. False: nothing has changed, `faults` says why. */
bool reload_settings(struct app *app, struct settings_faults *faults, struct reload *reload_r) MUST_USE;
void reload_release(struct reload *r);

/* The same for HUP, on a thread that ends with it: however long the files take to be read, the main thread goes on
 * telling the service manager that the server lives. The main thread's. The log says what became of it. */
struct reloader {
	struct app *app;
	pthread_t thread;
	bool runs, again; /* again: another HUP has come meanwhile */
	_Atomic bool over;
};
void reload_by_signal(struct reloader *r);
/* When app.commands has rung. */
void reload_look(struct reloader *r);
/* Waits for what is under way. */
void reload_end(struct reloader *r);

/* Logs each fault as FILE:LINE: message. */
void reload_tell(const struct settings_faults *faults);
/* Logs what reload_settings() has returned. */
void reload_tell_end(const struct app *app, bool ok, const struct reload *r);
struct log_config reload_log_config(const struct settings *s);
/* Opens log.replay, or says why not: a server that cannot trace its rules is still worth having. */
void reload_open_replay(struct app *app, const struct generation *g);

#endif
