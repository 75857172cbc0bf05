/* Private: the loop of main while the lcores work: prompt, keepalive, watchdog, status, ports. */
#ifndef WATCH_H
#define WATCH_H

#include <signal.h>

#include "lj_control.h"
#include "lj_pipeline.h"

/*
 * Runs until the roles have finished; with a prompt, a finished replay stays until the prompt ends.
 * A non-zero `*interrupted` requests the end, `*reload` a reload of the models. `shell` may be
 * NULL. Aborts if keepalive.policy says so.
 */
void watch(struct lj_pipeline *p, const struct lj_config *c, struct lj_control *control,
	   struct lj_shell *shell, const volatile sig_atomic_t *interrupted,
	   volatile sig_atomic_t *reload);

#endif
