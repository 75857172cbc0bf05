/* --dry-run: what would be done, without doing it. */
#ifndef DRY_RUN_H
#define DRY_RUN_H

#include "lj_config.h"

/* Prints EAL arguments, which role runs where and gives whom its flows, and memory. 0 or -errno
 * with `err`. */
int dry_run(const struct lj_config *c, struct lj_error *err);

#endif
