/*
 * Private: both legs of a tap have to send a flow to the same worker.
 *
 * Each port's own self-test says that the two directions of a flow meet where both come by that
 * port. By two ports they meet when both RETAs name the same queue for a hash, which is not so of
 * itself: NICs of two kinds have tables of 128 and 512 entries, and three queues are dealt to them
 * otherwise; a port that is taken up again by a fail-over has the driver's table, whatever
 * rebalancing had made of the other's. main
 */
#ifndef LEGS_H
#define LEGS_H

#include "lj_base.h"

struct lj_pipeline;

/*
 * The ports are started: gives each the RETA of that with the smallest one, where they differ, and
 * pushes tuples and their reverses through both. 0; or -errno and `err` when two legs would part
 * nevertheless. Ports of one leg that part are warned of.
 */
int legs_align(struct lj_pipeline *p, struct lj_error *err);

/* Source `i` is another one now: the same, to those that go on. */
int legs_rejoin(struct lj_pipeline *p, uint32_t i, struct lj_error *err);

#endif
