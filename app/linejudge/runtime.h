/*
 * The folder that the EAL makes for a process, as /run/dpdk/PREFIX, and its telemetry socket in it.
 *
 * Thread: main.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "lj_base.h"

#define RUNTIME_SOCKET "dpdk_telemetry.v2"

/*
 * Whether a start by these arguments would have its folder to itself: without hugepages the EAL
 * does not lock it, and only gives the second one's socket another name. Touches nothing. 0, or
 * -EADDRINUSE and `err` (where: the key) while another process answers there.
 */
int runtime_check_free(char *const *eal_args, struct lj_error *err);

/* The same of the folder that the started EAL has: whether the socket in it is ours. 0 also when
 * there is none. */
int runtime_check_own(struct lj_error *err);

/* Has the folder removed at exit, after the EAL has removed what is its own; unless something is
 * left in it. Call before the EAL is started, once. */
void runtime_remove_at_exit(void);

#endif
