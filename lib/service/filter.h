/* Private: the seccomp filter of the steady state. */
#ifndef FILTER_H
#define FILTER_H

#include "lj_service.h"

/* Loads it on all threads of the process, with no_new_privs. 0, or -errno with `err`. */
int filter_load(bool kernel_ports, struct lj_error *err);

#endif
