/* Private: --dry-run, which prints what would be done. */
#ifndef DRY_RUN_H
#define DRY_RUN_H

#include "lj_config.h"

/* Prints the EAL arguments, the lcores' roles and CPUs, which inference lcores each worker's flows
 * go to, and memory. 0, or -errno with `err`. */
int dry_run(const struct lj_config *c, struct lj_error *err);

#endif
