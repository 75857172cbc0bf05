/*
 * Private: the ring both halves of the queue see.
 */
#ifndef QUEUE_RING_H
#define QUEUE_RING_H

#include <stdint.h>

#include <rte_common.h>

/*
 * Own ring rather than rte_ring: records are written and read in place, a consumer looks at the
 * same records again while it waits for more, and both are against the grain of rte_ring's
 * start/finish pairs.
 */
struct lj_queue {
	char name[64]; /* for who looks by a debugger */
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
