#include <stdbool.h>
#include <stddef.h>

#include "capture_xdp_ring.h"

/*
 * Whether the ring has a packet. The head is loaded only once all known packets are taken, since
 * the producer writes its line with every packet and each load costs it a cache miss.
 */
static inline bool has_packet(struct xdp_ring *ring)
{
	if (ring->next == ring->head)
		ring->head = __atomic_load_n(&ring->position->head, __ATOMIC_ACQUIRE);
	return ring->next != ring->head;
}

static inline const struct xdp_slot *first_of(const struct xdp_rings *r, uint32_t at)
{
	const struct xdp_ring *ring = &r->ring[r->active[at]];

	return &ring->slot[ring->next & (r->slots_per_ring - 1)];
}

uint16_t xdp_rings_take(struct xdp_rings *r, const struct xdp_slot **slots, uint16_t max)
{
	uint32_t n_active = 0;
	uint16_t taken = 0;

	for (uint32_t i = 0; i < r->n; i++)
		if (has_packet(&r->ring[i]))
			r->active[n_active++] = i;
	while (taken < max && n_active > 0) {
		const struct xdp_slot *first = first_of(r, 0);
		uint32_t from = 0;

		for (uint32_t at = 1; at < n_active; at++)
			if (first_of(r, at)->time_ns < first->time_ns) {
				first = first_of(r, at);
				from = at;
			}
		slots[taken++] = first;
		r->ring[r->active[from]].next++;
		if (!has_packet(&r->ring[r->active[from]]))
			r->active[from] = r->active[--n_active];
	}
	return taken;
}

void xdp_rings_release(struct xdp_rings *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct xdp_ring *ring = &r->ring[i];

		if (ring->position->tail != ring->next)
			__atomic_store_n(&ring->position->tail, ring->next, __ATOMIC_RELEASE);
	}
}
