/* server/control.h - what smtpguardctl's commands do (ctl/commands.h has their data)
 *
 * Runs on the control thread. It reads the workers' counters, asks workers through their letterbox,
 * and leaves what ends the server to the main thread.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include "ctl/server.h"

struct app;

/* The table for ctl_server_open(); its `app` is a struct app. */
const struct ctl_command *control_commands(size_t *n_r);

/* When the control thread has ended: breaks off what it began. */
void control_trials_end(struct app *app);

#endif
