/*
 * One table of commands, two mouths.
 *
 * "show flow stats" at the prompt is /linejudge/show/flow/stats on the DPDK telemetry socket; a
 * parameter follows as a word at the prompt and after a comma in telemetry. Both come from
 * commands.def.
 *
 * Thread: create, destroy and the shell on main. Telemetry's callbacks come on threads of the EAL,
 * one a client, so commands take turns under one lock; they read counters and write command words,
 * and do not wait for an lcore, but for "reload models", a second at most.
 */
#ifndef LJ_CONTROL_H
#define LJ_CONTROL_H

#include <stdbool.h>
#include <stdio.h>

#include "lj_base.h"
#include "lj_pipeline.h"

struct lj_control;

/* Makes the commands answer for `p`, and registers them with telemetry; `config` is borrowed. At
 * most one at a time. NULL and `err`. */
struct lj_control *lj_control_create(struct lj_pipeline *p, const struct lj_config *config,
				     struct lj_error *err);
/* Afterwards telemetry answers "shutting down". */
void lj_control_destroy(struct lj_control *c);

/* Looks after the ports (lj_pipeline_failover()) and the metrics' file, unless a command is at
 * work. main, every ms or so.
 */
void lj_control_attend(struct lj_control *c, uint64_t now_ns);

/*
 * Has a thread of its own run "reload models", which may take seconds; what came of it is a line in
 * the log. False while the latest one is at it: then ask again. main.
 */
bool lj_control_reload(struct lj_control *c);

/*
 * Runs one command line ("set batch size 32") and prints the answer as text. 0, -ENOENT for no such
 * command, or the command's own -errno; what was wrong is printed, too.
 */
int lj_control_run(struct lj_control *c, const char *line, FILE *out);

/* The prompt on stdin. NULL and `err`. */
struct lj_shell;
struct lj_shell *lj_shell_create(struct lj_control *c, struct lj_error *err);
void lj_shell_destroy(struct lj_shell *s);
/* Takes what has been typed, without waiting. False once the person has quit or stdin has ended. */
bool lj_shell_poll(struct lj_shell *s);

/* What the run came to: packets, flows, verdicts, rates, decision times, the ledger. Returns
 * whether the ledger balances. */
bool lj_summary_print(const struct lj_pipeline *p, enum lj_summary format, FILE *out);

#endif
