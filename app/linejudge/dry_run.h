/* What a configuration comes to on this machine, printed instead of run (--dry-run). */
#ifndef DRY_RUN_H
#define DRY_RUN_H

#include "lj_config.h"

/* Prints the EAL's arguments, who runs on which lcore and its CPUs, and the memory needed. 0 or
 * -errno. */
int dry_run(const struct lj_config *c, struct lj_error *err);

#endif
