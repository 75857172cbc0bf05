/* Private: the commands and what they work on. */
#ifndef CONTROL_H
#define CONTROL_H

#include <pthread.h>
#include <stdatomic.h>

#include <jansson.h>

#include "lj_control.h"

/* The metrics file, written periodically. Thread: main. */
struct metrics {
	const char *path;    /* "": none */
	const char *process; /* file prefix of the EAL */
	uint64_t every_ns, due_ns;
	bool failing;
};

struct lj_control {
	struct lj_pipeline *pipeline;
	pthread_mutex_t lock;
	struct lj_counters baseline; /* at the latest "clear stats" */
	struct metrics metrics;
	/* The thread of lj_control_reload(). Owned by main, except for `reloading`, which the
	 * thread clears when it is done. */
	pthread_t reloader;
	bool reloader_made;
	_Atomic bool reloading;
};

/*
 * Fills `reply` (an object of scalars, or of objects of scalars: at most 256 entries). `param` is
 * NULL or the text after the command. 0, or -errno with `err`.
 */
typedef int command_run(struct lj_control *c, const char *param, json_t *reply,
			struct lj_error *err);

struct command {
	const char *words; /* "show flow stats" */
	const char *param; /* description of the parameter, "[...]" if optional; NULL: none */
	command_run *run;
	const char *help;
};

extern const struct command commands[];
extern const size_t n_commands;

#define LJ_COMMAND(words, param, function, help) command_run function;
#include "commands.def"
#undef LJ_COMMAND

/* The longest command that `line` begins with, and its parameter, the rest of the line; NULL if
 * there is none. */
const struct command *command_find(const char *line, const char **param);

/* Whether the command can be run without a parameter. */
static inline bool command_goes_alone(const struct command *command)
{
	return command->param == NULL || command->param[0] == '[';
}

/* Whether a command begins with these words, separated by blanks or, as in telemetry, slashes.
 * True for no words. */
bool command_begins(const char *command, const char *words);

/* Runs a command under the lock and fills `reply` with its answer or {"error": "..."}. 0 or -errno.
 */
int command_call(struct lj_control *c, const struct command *command, const char *param,
		 json_t *reply);

/* Prints an answer as aligned text: pairs, or a table when the values are objects. */
void table_print(const json_t *reply, FILE *out);

int telemetry_register(struct lj_control *c, struct lj_error *err);
void telemetry_unregister(struct lj_control *c);

/* Fields of one latency stage. */
json_t *latency_json(const struct lj_histogram *h);
/* Time ranges with upper ends 1, 2, 5, 10, 20 us ...; the last one is unbounded. */
#define RANGES 24
uint64_t range_end_us(int i);
uint64_t range_count(const struct lj_histogram *h, int i);
/* Whether the counter is a gauge (a current value), not a running total. */
bool is_gauge(enum lj_counter which);
/* Writes the file when due. Call with the lock held. A failure is logged once, until a write
 * succeeds again. */
void metrics_attend(struct metrics *m, const struct lj_pipeline *p, uint64_t now_ns);
/* Removes the file, so that nobody reads stale metrics after the process has ended. */
void metrics_end(const struct metrics *m);
/* Adds each model's drift, by name, as in "show drift". */
void drift_json(const struct lj_pipeline *p, json_t *reply);

#endif
