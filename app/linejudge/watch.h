/* What main does while the lcores work: prompt, keepalive, watchdog, status, ports. */
#ifndef WATCH_H
#define WATCH_H

#include <signal.h>

#include "lj_control.h"
#include "lj_pipeline.h"

/*
 * Watches until the roles have finished; at the prompt a finished replay stays to be asked.
 * `*interrupted` becoming non-zero asks for the end, `*reload` for the models to be read anew.
 * `shell` may be NULL. Aborts where keepalive.policy says so.
 */
void watch(struct lj_pipeline *p, const struct lj_config *c, struct lj_control *control,
	   struct lj_shell *shell, const volatile sig_atomic_t *interrupted,
	   volatile sig_atomic_t *reload);

#endif
