/* How a capture spreads over the queues of a NIC: counts by queue, and which flows part. */
#ifndef SPREAD_H
#define SPREAD_H

#include "lj_packet_rss.h"

struct spread_queue {
	uint64_t packets, bytes, flows;
};

/* What is remembered of a flow. */
struct spread_flow {
	struct lj_flow_key key;
	uint64_t hash;
	uint16_t first_queue; /* which counts the flow */
	bool used, parted, fragmented;
};

struct spread {
	const struct lj_rss *rss;
	struct spread_queue queue[LJ_SOURCE_QUEUES];
	uint64_t flows;
	uint64_t parted; /* flows whose two directions go to different queues */
	/* Flows whose fragments go to another queue than their other packets. */
	uint64_t fragmented;
	uint64_t unhashed;	   /* packets that a NIC puts on queue 0 for want of a hash */
	struct spread_flow *table; /* open addressing; at most 3/4 full */
	uint64_t capacity;	   /* a power of two */
};

int spread_init(struct spread *s, const struct lj_rss *rss);
void spread_free(struct spread *s);
/* Accounts one packet. 0 or -ENOMEM. */
int spread_packet(struct spread *s, const struct lj_packet *packet);
/* Packets that were not even parsed go to queue 0. */
void spread_unparsed(struct spread *s, uint64_t packets, uint64_t bytes);

#endif
