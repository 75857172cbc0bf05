/*
 * Which inference lcores a worker's flows go to.
 *
 * With host context a flow goes to the owner of its initiator, which may be any of them. Otherwise
 * any lcore can score it, so it goes to one on the worker's own NUMA node; all of these get an
 * equal share of the node's flows.
 */
#ifndef LJ_ROUTE_H
#define LJ_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lj_flow.h"

#define LJ_ROUTE_MAX 64 /* most workers, and most inference lcores */

struct lj_route {
	uint16_t n;
	uint16_t infer[LJ_ROUTE_MAX]; /* [n], ascending */
	bool by_initiator;
	/* Otherwise the worker's share, as an interval in which infer[i] is [i << 16, (i + 1) <<
	 * 16).
	 */
	uint32_t start, width;
};

/*
 * Assigns routes to all workers, given the NUMA node of each worker and inference lcore (-1: none).
 * Lcores without a counterpart on their node are assigned to whichever node balances the load. If
 * an inference lcore would then get more than twice the mean, nodes are ignored altogether. Every
 * inference lcore is in some worker's route. Thread: any.
 */
void lj_route_assign(const int *worker_node, uint16_t workers, const int *infer_node,
		     uint16_t infer, bool by_initiator, struct lj_route *routes);

/* Where a flow of the worker goes: an index into route->infer. Path. */
uint16_t lj_route_pick(const struct lj_route *route, const struct lj_flow *flow);

/* "infer0 67%, infer1 33%" (of this worker's flows), or "by initiator to infer0 infer1". */
void lj_route_text(const struct lj_route *route, char *text, size_t size);

#endif
