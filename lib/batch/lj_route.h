/*
 * Which inference lcores a worker's flows go to.
 *
 * With host context to its initiator's owner, who may be any. Otherwise it does not matter which
 * lcore scores a flow: those of the worker's own NUMA node, and each of these gets the same share
 * of the node's workers.
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
	/* Otherwise this worker's part of the line on which infer[i] is [i << 16, (i + 1) << 16).
	 */
	uint32_t start, width;
};

/*
 * Assigns all workers, given the NUMA node of each worker and inference lcore (-1: of none in
 * particular). Who finds no counterpart on its node, and all when that would leave an inference
 * lcore with over twice the mean, is placed where it evens out the load, wherever that is. Every
 * inference lcore is in some worker's route. A pure function.
 */
void lj_route_assign(const int *worker_node, uint16_t workers, const int *infer_node,
		     uint16_t infer, bool by_initiator, struct lj_route *routes);

/* Where the worker's flow goes: an index into route->infer. Path. */
uint16_t lj_route_pick(const struct lj_route *route, const struct lj_flow *flow);

/* "infer0 67%, infer1 33%" (of this worker's flows), or "by initiator to infer0 infer1". */
void lj_route_text(const struct lj_route *route, char *text, size_t size);

#endif
