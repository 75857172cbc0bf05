/*
 * Logging through rte_log, one log type "linejudge". Never called on a path.
 */
#ifndef LJ_LOG_H
#define LJ_LOG_H

#include <rte_log.h>

extern int lj_logtype;

#define lj_log(level, ...) rte_log(RTE_LOG_##level, lj_logtype, "linejudge: " __VA_ARGS__)

#endif
