/* Private: counts how a capture is distributed over the queues of a NIC, and which flows are
 * split. */
#ifndef SPREAD_H
#define SPREAD_H

#include "lj_packet_rss.h"

struct spread_queue {
	uint64_t packets, bytes, flows;
};

/* State of a flow. */
struct spread_flow {
	struct lj_flow_key key;
	uint64_t hash;
	uint16_t first_queue; /* the queue at which the flow is counted */
	bool used, parted, fragmented;
};

struct spread {
	const struct lj_rss *rss;
	struct spread_queue queue[LJ_SOURCE_QUEUES];
	uint64_t flows;
	uint64_t parted; /* flows whose directions go to different queues */
	/* Flows with fragments on a different queue than their other packets. */
	uint64_t fragmented;
	uint64_t unhashed;	   /* packets without a hash, which a NIC puts on queue 0 */
	struct spread_flow *table; /* open addressing; at most 3/4 full */
	uint64_t capacity;	   /* a power of two */
};

int spread_init(struct spread *s, const struct lj_rss *rss);
void spread_free(struct spread *s);
/* Counts one packet. 0 or -ENOMEM. */
int spread_packet(struct spread *s, const struct lj_packet *packet);
/* Counts packets that were not parsed; a NIC puts them on queue 0. */
void spread_unparsed(struct spread *s, uint64_t packets, uint64_t bytes);

#endif
