/*
 * Private: restores the packet order between the legs of a tap.
 *
 * Each leg's packets are in order, but the answer to a request may be polled before the request. A
 * packet is passed on once every leg has a packet that is not earlier, or after the window. Packets
 * with timestamps of their own (files, hardware) are ordered by these. Otherwise all packets of one
 * polling round have the same time, and only a SYN is known to come first.
 *
 * Thread: the role that receives.
 */
#ifndef REORDER_H
#define REORDER_H

#include "lj_packet.h"

#define REORDER_HELD 512 /* packets of a leg, at most */

struct reorder_leg {
	uint32_t head, tail; /* tail - head packets are held */
	uint64_t arrived_tsc[REORDER_HELD];
	struct lj_packet packet[REORDER_HELD];
};

struct reorder {
	uint64_t window_cycles;
	uint64_t latest_ns; /* of the packets passed on */
	uint16_t n_legs;
	struct reorder_leg leg[]; /* [n_legs] */
};

/* NULL when there is no memory. */
struct reorder *reorder_create(uint16_t n_legs, uint64_t window_cycles);
void reorder_destroy(struct reorder *r);

/* Whether the leg can take another burst. */
bool reorder_has_room(const struct reorder *r, uint16_t leg);
/* Adds a burst of a leg, in order; only if reorder_has_room(). */
void reorder_put(struct reorder *r, uint16_t leg, const struct lj_packet *packets, uint16_t n,
		 uint64_t now_tsc);
/*
 * Moves up to `max` packets that are ready to `out`, and returns how many; with `all`, any that are
 * held. *late is set to how many of them have a time before one that was passed on earlier.
 */
uint16_t reorder_take(struct reorder *r, struct lj_packet *out, uint16_t max, uint64_t now_tsc,
		      bool all, uint16_t *late);

#endif
