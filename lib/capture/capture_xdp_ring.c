#include "capture_xdp_ring.h"

#include <errno.h>
#include <stdlib.h>

int xdp_rings_init(struct xdp_rings *r, uint32_t n, uint32_t slots_per_ring,
		   struct xdp_position *positions, const struct xdp_slot *slots)
{
	*r = (struct xdp_rings){.n = n, .slots_per_ring = slots_per_ring};
	r->ring = calloc(n, sizeof(*r->ring));
	r->active = calloc(n, sizeof(*r->active));
	if (r->ring == NULL || r->active == NULL) {
		xdp_rings_free(r);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++) {
		r->ring[i].position = &positions[i];
		r->ring[i].slot = &slots[(size_t)i * slots_per_ring];
	}
	return 0;
}

void xdp_rings_free(struct xdp_rings *r)
{
	free(r->ring);
	free(r->active);
	*r = (struct xdp_rings){0};
}

static uint64_t overruns(const struct xdp_rings *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->n; i++)
		sum += __atomic_load_n(&r->ring[i].position->overruns, __ATOMIC_RELAXED);
	return sum;
}

uint64_t xdp_rings_overruns(const struct xdp_rings *r)
{
	return overruns(r) - __atomic_load_n(&r->overruns_before, __ATOMIC_RELAXED);
}

void xdp_rings_skip(struct xdp_rings *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct xdp_ring *ring = &r->ring[i];

		ring->head = __atomic_load_n(&ring->position->head, __ATOMIC_ACQUIRE);
		ring->next = ring->head;
	}
	__atomic_store_n(&r->overruns_before, overruns(r), __ATOMIC_RELAXED);
	xdp_rings_release(r);
}
