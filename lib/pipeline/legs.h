/*
 * Private: ensures that both legs of a tap send a flow to the same worker.
 *
 * Each port's self-test ensures this for flows with both directions on that port. With two ports,
 * both RETAs must map a hash to the same queue. They may not: different NICs have tables of 128 and
 * 512 entries, over which three queues are distributed differently; and after a failover a port has
 * the driver's default table, while the other one may have been rebalanced. Thread: main.
 */
#ifndef LEGS_H
#define LEGS_H

#include "lj_base.h"

struct lj_pipeline;

/*
 * After the ports are started: if their RETAs differ, sets all to that of the port with the
 * smallest one, and runs the self-test between the ports. 0, or -errno with `err` if two legs would
 * still use different workers. For ports of the same leg a warning is logged instead.
 */
int legs_align(struct lj_pipeline *p, struct lj_error *err);

/* The same for source `i`, which was replaced, and the others. */
int legs_rejoin(struct lj_pipeline *p, uint32_t i, struct lj_error *err);

#endif
