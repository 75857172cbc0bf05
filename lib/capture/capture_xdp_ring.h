/*
 * Private: the consumer of the XDP tap's rings. It depends on nothing but memory, so that a test
 * can act as the producer.
 *
 * Thread: take and release: one lcore; overruns: any; the rest: main, before the lcore starts.
 */
#ifndef CAPTURE_XDP_RING_H
#define CAPTURE_XDP_RING_H

#include <stdint.h>

#include "xdp_tap.h"

struct xdp_ring {
	struct xdp_position *position;
	const struct xdp_slot *slot; /* [slots_per_ring] */
	uint64_t head;		     /* as last read */
	uint64_t next;		     /* the packet to take next; tail..next - 1 are taken */
};

struct xdp_rings {
	struct xdp_ring *ring; /* [n], owned */
	uint32_t n, slots_per_ring;
	uint32_t *active;	  /* [n]: rings with packets; scratch space of xdp_rings_take() */
	uint64_t overruns_before; /* at the last xdp_rings_skip() */
};

/* `slots_per_ring` is a power of two. `positions` and `slots` are borrowed. 0 or -ENOMEM. */
int xdp_rings_init(struct xdp_rings *r, uint32_t n, uint32_t slots_per_ring,
		   struct xdp_position *positions, const struct xdp_slot *slots);
void xdp_rings_free(struct xdp_rings *r);

/*
 * Takes the next packets of all rings, at most `max`, earliest first; returns how many. They stay
 * valid until xdp_rings_release(), which releases all that were taken.
 */
uint16_t xdp_rings_take(struct xdp_rings *r, const struct xdp_slot **slots, uint16_t max);
void xdp_rings_release(struct xdp_rings *r);

/* Discards all waiting packets and resets the count of overruns. */
void xdp_rings_skip(struct xdp_rings *r);

/* Packets that were lost because their ring was full. */
uint64_t xdp_rings_overruns(const struct xdp_rings *r);

#endif
