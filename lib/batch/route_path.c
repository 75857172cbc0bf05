#include "lj_batch.h"
#include "lj_route.h"

uint16_t lj_route_pick(const struct lj_route *route, const struct lj_flow *flow)
{
	uint64_t at;

	if (route->n == 1)
		return 0;
	if (route->by_initiator)
		return lj_batch_owner(flow, route->n);
	/* By flow, not by host: the flows of a scanner are spread over the lcores. */
	at = (flow->flow_id * 0x9e3779b97f4a7c15) >> 32;
	return (uint16_t)((route->start + ((at * route->width) >> 32)) >> 16);
}
