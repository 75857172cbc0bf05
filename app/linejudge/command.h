/* Private: the subcommands, `linejudge WORD ...`. */
#ifndef COMMAND_H
#define COMMAND_H

#include "lj_base.h"

struct program {
	const char *name, *help;
	int (*run)(int argc, char **argv); /* argv[0] is the word; returns the exit code */
};

/* The subcommand of this name, or NULL. */
const struct program *program_find(const char *word);
void programs_help(void);

int rss_predict_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

/* Whether the command line has --calibrate, which is a subcommand that takes the other options. */
bool calibrate_asked(char **argv);
int calibrate_main(int argc, char **argv);

/* Prints an error in the format of all linejudge programs; returns EXIT_FAILURE. */
int program_fail(const char *program, const struct lj_error *err);

#endif
