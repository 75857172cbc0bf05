/* The command line: a table of options over the configuration. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "lj_config.h"

struct options {
	struct lj_config config;
	bool dry_run, dump_config, interactive;
};

/*
 * Reads the command line into `o`, files before --set before the other options whatever their
 * order. What only prints (--help, --version, --help-config, --help-counters, --help-features) is
 * done here: returns 1. 0, or -errno with `err`.
 */
int options_parse(struct options *o, int argc, char **argv, struct lj_error *err);
void options_free(struct options *o);

#endif
