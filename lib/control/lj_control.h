/*
 * Run-time commands, from the prompt and from DPDK telemetry.
 *
 * Both are generated from commands.def: "show flow stats" at the prompt is
 * /linejudge/show/flow/stats on the telemetry socket; a parameter is the next word at the prompt
 * and follows a comma in telemetry.
 *
 * Thread: create, destroy and the shell on main. Telemetry calls back on EAL threads, one per
 * client, so commands are serialized by a lock. They read counters and write command words; none
 * waits for an lcore, except "reload models", for a second at most.
 */
#ifndef LJ_CONTROL_H
#define LJ_CONTROL_H

#include <stdbool.h>
#include <stdio.h>

#include "lj_base.h"
#include "lj_pipeline.h"

struct lj_control;

/* Registers the commands for `p` with telemetry. Borrows `p` and `config`. There can be only one at
 * a time. NULL and `err` on failure. */
struct lj_control *lj_control_create(struct lj_pipeline *p, const struct lj_config *config,
				     struct lj_error *err);
/* From then on telemetry commands answer "shutting down". */
void lj_control_destroy(struct lj_control *c);

/* Periodic work: failover of ports (lj_pipeline_failover()) and the metrics file. Does nothing
 * while a command runs. Call on main about every ms. */
void lj_control_attend(struct lj_control *c, uint64_t now_ns);

/*
 * Starts "reload models" on a thread of its own, as it may take seconds; the result is logged.
 * False while the previous reload is still running: try again later. Call on main.
 */
bool lj_control_reload(struct lj_control *c);

/*
 * Runs one command line ("set batch size 32") and prints the answer or the error as text. 0,
 * -ENOENT if there is no such command, or the command's own -errno.
 */
int lj_control_run(struct lj_control *c, const char *line, FILE *out);

/* The prompt on stdin. NULL and `err` on failure. */
struct lj_shell;
struct lj_shell *lj_shell_create(struct lj_control *c, struct lj_error *err);
void lj_shell_destroy(struct lj_shell *s);
/* Handles what has been typed, without blocking. False after "quit" or the end of stdin. */
bool lj_shell_poll(struct lj_shell *s);

/* Prints the summary of a run: packets, flows, verdicts, rates, decision times, the ledger. Returns
 * whether the ledger balances. */
bool lj_summary_print(const struct lj_pipeline *p, enum lj_summary format, FILE *out);

#endif
