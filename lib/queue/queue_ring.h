/*
 * Private: the ring, shared by queue.c and queue_path.c.
 */
#ifndef QUEUE_RING_H
#define QUEUE_RING_H

#include <stdint.h>

#include <rte_common.h>

/*
 * Not an rte_ring: records are written and read in place, and a consumer looks at the same records
 * again while it waits for more. rte_ring's start/finish pairs support neither well.
 */
struct lj_queue {
	char name[64]; /* for debugging */
	uint32_t mask;
	uint32_t record_bytes;
	uint8_t *records;

	/* producer: wo; consumer: ro */
	uint64_t head __rte_aligned(128);
	uint64_t watermark_seq, watermark_tie;
	uint32_t closed;
	uint64_t tail_seen; /* the producer's own copy of tail */

	/* consumer: wo; producer: ro */
	uint64_t tail __rte_aligned(128);
	uint64_t head_seen; /* the consumer's own copy of head */
} __rte_aligned(128);

#endif
