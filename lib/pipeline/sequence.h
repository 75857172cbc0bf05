/*
 * Private: assigns sequence numbers to packets, and inserts ticks.
 *
 * The clock of a replay is the latest packet time seen. Each time it passes a multiple of
 * LJ_FLOW_TICK_NS, a tick with a sequence number of its own is inserted before the packet that
 * passed it. Accepted packets and ticks of the whole capture are numbered consecutively, so the
 * numbers are the same for any number of workers.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "lj_flow.h"

/* A burst of packets, a tick before each, and the end. */
#define SEQUENCE_MAX (2 * LJ_BURST_MAX + 1)

struct sequencer {
	uint64_t seq;  /* of the latest item */
	uint64_t tick; /* number of the latest tick; 0 before the first packet */
	struct lj_packet parsed[LJ_BURST_MAX];
	struct lj_packet item[SEQUENCE_MAX];
};

/* Copies the `n` packets of s->parsed to s->item, with sequence numbers; inserts ticks if `ticks`.
 * Returns the number of items. */
uint16_t sequence_burst(struct sequencer *s, uint16_t n, bool ticks);
/* Without packets: puts a tick into s->item if `clock_ns` has passed one. Returns the number of
 * items. */
uint16_t sequence_clock(struct sequencer *s, uint64_t clock_ns);
/* Puts the end of the capture into s->item. Returns 1. */
uint16_t sequence_end(struct sequencer *s);

#endif
