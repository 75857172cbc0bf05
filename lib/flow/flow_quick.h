/*
 * Private: what nearly every packet is, one more for the log of its flow, with as little asking
 * as that takes. Inlined into the update of a burst.
 */
#ifndef FLOW_QUICK_H
#define FLOW_QUICK_H

#include <stddef.h>
#include <string.h>

#include "flow_log.h"

/*
 * The end of a head, from `packets` on, as a word: what decides about a packet and
 * what it changes are read at once and written at once.
 */
#define TAIL_PACKET    1ULL /* one more in `packets` */
#define TAIL_STATE     (0x7fULL << 32)
#define TAIL_INITIATOR 40 /* bits from here on */
#define TAIL_HEARD     42
#define TAIL_PENDING   44
#define TAIL_PENDINGS  (0xfULL << TAIL_PENDING)
#define TAIL_DUE       (0xffULL << 48)
#define TAIL_LEGS      56
_Static_assert(offsetof(struct lj_flow_head, due) == offsetof(struct lj_flow_head, packets) + 6 &&
		       offsetof(struct lj_flow_head, legs) ==
			       offsetof(struct lj_flow_head, packets) + 7,
	       "as TAIL_ has them");

static inline uint64_t tail_of(const struct flow_slot *s)
{
	uint64_t tail;

	memcpy(&tail, &s->packets, sizeof(tail));
	return tail;
}

/* Where the log goes on. */
static inline struct logged *place_of(struct flow_slot *s, uint64_t tail)
{
	const uint64_t bytes = tail >> (TAIL_PENDING - 4) & 0xf0;

	_Static_assert(sizeof(struct logged) == 16, "as far as that shift");
	return (struct logged *)((uint8_t *)s->log + bytes);
}

/* Whether one more fills it. */
static inline bool is_nearly_full(uint64_t tail)
{
	return (~tail & TAIL_PENDINGS) == 0;
}

/*
 * Logs the packet of a flow when that is all there is to do about it, as nearly always: nothing
 * is due, over or special. False, and nothing done, otherwise.
 */
static inline bool log_quickly(struct lj_flow_table *t, struct flow_slot *s,
			       const struct lj_packet *p)
{
	uint64_t tail = tail_of(s), gap_ns = p->time_ns - s->last_ns, more = tail + TAIL_PACKET;
	uint32_t side = (uint32_t)(p->side ^ tail >> TAIL_INITIATOR) & 1;

	if ((tail & (TAIL_STATE | TAIL_DUE)) != (uint64_t)LJ_FLOW_OPEN << 32 ||
	    !(p->plain & tail >> (TAIL_HEARD + side)) || gap_ns > t->quick.gap_ns ||
	    p->time_ns - s->first_ns > t->quick.age_ns || (uint32_t)tail >= t->quick.packets)
		return false;
	put_logged(place_of(s, tail), p, (uint32_t)gap_ns, side);
	more |= 1ULL << (TAIL_LEGS + RTE_MIN(p->leg, 7));
	/* The count has four bits: a log that is full is emptied at once. */
	if (likely(!is_nearly_full(tail)))
		more += 1ULL << TAIL_PENDING;
	memcpy(&s->packets, &more, sizeof(more));
	s->last_ns = p->time_ns;
	if (unlikely(is_nearly_full(tail)))
		slot_fold(t, s, FLOW_LOG);
	return true;
}

#endif
