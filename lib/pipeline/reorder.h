/*
 * Private: the legs of a tap, put back in order.
 *
 * Each leg's packets come in order, but nothing orders the legs: of a request and its answer, the
 * answer may be polled first. A packet goes on once every leg has shown one that is not earlier, or
 * when it has waited for the window. Packets that the capture stamps (files, hardware) are ordered
 * by their times. Without that a round of polls is one instant, in which only a SYN is known to
 * come first.
 *
 * Thread: the role that receives.
 */
#ifndef REORDER_H
#define REORDER_H

#include "lj_packet.h"

#define REORDER_HELD 512 /* packets of a leg, at most */

struct reorder_leg {
	uint32_t head, tail; /* tail - head are held */
	uint64_t arrived_tsc[REORDER_HELD];
	struct lj_packet packet[REORDER_HELD];
};

struct reorder {
	uint64_t window_cycles;
	uint64_t latest_ns; /* of what went on */
	uint16_t n_legs;
	struct reorder_leg leg[]; /* [n_legs] */
};

/* NULL when there is no memory. */
struct reorder *reorder_create(uint16_t n_legs, uint64_t window_cycles);
void reorder_destroy(struct reorder *r);

/* Whether the leg can take another burst. */
bool reorder_has_room(const struct reorder *r, uint16_t leg);
/* Takes a burst of a leg, in order; reorder_has_room() must have said so. */
void reorder_put(struct reorder *r, uint16_t leg, const struct lj_packet *packets, uint16_t n,
		 uint64_t now_tsc);
/*
 * Up to `max` packets whose turn it is, in `out`; with `all`, whatever is held. *late becomes how
 * many of them had a time before one that had gone on.
 */
uint16_t reorder_take(struct reorder *r, struct lj_packet *out, uint16_t max, uint64_t now_tsc,
		      bool all, uint16_t *late);

#endif
