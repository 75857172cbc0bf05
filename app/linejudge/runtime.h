/*
 * Private: the runtime folder that the EAL creates, such as /run/dpdk/PREFIX, and the telemetry
 * socket in it.
 *
 * Thread: main.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "lj_base.h"

#define RUNTIME_SOCKET "dpdk_telemetry.v2"

/*
 * Whether no other process uses the runtime folder for these arguments. Without hugepages the EAL
 * does not lock the folder; a second process only gets a socket of another name. Changes nothing.
 * 0, or -EADDRINUSE with `err` (where: the key) if another process answers there.
 */
int runtime_check_free(char *const *eal_args, struct lj_error *err);

/* The same for the folder of the initialized EAL: whether the socket in it is ours. 0 also if there
 * is no socket. */
int runtime_check_own(struct lj_error *err);

/* Removes the folder at exit, after the EAL has removed its files, if it is empty. Call once,
 * before rte_eal_init(). */
void runtime_remove_at_exit(void);

#endif
