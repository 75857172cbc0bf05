/* Private: command-line options, which set configuration keys. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "lj_config.h"

struct options {
	struct lj_config config;
	bool dry_run, dump_config, interactive;
};

/*
 * Parses the command line into `o`: configuration files first, then --set, then the other options,
 * in whatever order they are given. Options that only print (--help, --version, --help-config,
 * --help-counters, --help-features) are handled here: returns 1. 0, or -errno with `err`.
 */
int options_parse(struct options *o, int argc, char **argv, struct lj_error *err);
void options_free(struct options *o);

#endif
