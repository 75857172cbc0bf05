/*
 * Private: the consumer of the XDP tap's rings. It knows memory alone, so that a test can be the
 * producer.
 *
 * Thread: one lcore takes and releases; overruns: any.
 */
#ifndef CAPTURE_XDP_RING_H
#define CAPTURE_XDP_RING_H

#include <stdint.h>

#include "xdp_tap.h"

struct xdp_ring {
	struct xdp_position *position;
	const struct xdp_slot *slot; /* [slots_per_ring] */
	uint64_t head;		     /* as last read */
	uint64_t next;		     /* the packet to take next; those from tail on are taken */
};

struct xdp_rings {
	struct xdp_ring *ring; /* [n], owned */
	uint32_t n, slots_per_ring;
	uint32_t *active;	  /* [n]: rings that have packets; scratch of xdp_rings_take() */
	uint64_t overruns_before; /* before xdp_rings_skip() */
};

/* `slots_per_ring` is a power of two. The memory is borrowed. 0 or -ENOMEM. */
int xdp_rings_init(struct xdp_rings *r, uint32_t n, uint32_t slots_per_ring,
		   struct xdp_position *positions, const struct xdp_slot *slots);
void xdp_rings_free(struct xdp_rings *r);

/*
 * The next packets of all rings, at most `max`, the earliest first. They are lent until
 * xdp_rings_release(), which gives back all that were taken. Returns how many.
 */
uint16_t xdp_rings_take(struct xdp_rings *r, const struct xdp_slot **slots, uint16_t max);
void xdp_rings_release(struct xdp_rings *r);

/* Forgets what waits and what was overrun so far. */
void xdp_rings_skip(struct xdp_rings *r);

/* Packets that found their ring full. */
uint64_t xdp_rings_overruns(const struct xdp_rings *r);

#endif
