/*
 * Private: gives a source's packets their place in the order, and puts ticks between them.
 *
 * The clock of a replay is the latest packet time seen. Each time it passes a multiple of
 * LJ_FLOW_TICK_NS a tick goes before the packet that passed it, with a sequence number of its own.
 * Sequence numbers are those of the accepted packets and ticks of the whole capture, so they are
 * the same for any number of workers.
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

/* Sequences the `n` packets of s->parsed into s->item; with ticks when `ticks`. Returns how many
 * items. */
uint16_t sequence_burst(struct sequencer *s, uint16_t n, bool ticks);
/* No packets, but a clock that has come so far: makes s->item its tick, if it has passed one.
 * Returns how many items. */
uint16_t sequence_clock(struct sequencer *s, uint64_t clock_ns);
/* Makes s->item the end of the capture. Returns 1. */
uint16_t sequence_end(struct sequencer *s);

#endif
