/*
 * Private: what nearly every packet is, one more for the log of its flow, with as little asking
 * as that takes. Inlined into the update of a burst.
 */
#ifndef FLOW_QUICK_H
#define FLOW_QUICK_H

#include <stddef.h>
#include <string.h>

#include "flow_log.h"
#include "flow_prefetch.h"

/*
 * The end of a head, from `packets` on, as a word: what decides about a packet and what it changes
 * are read at once and written at once. Bits of the upper half are named from its own first.
 */
#define TAIL_UPPER     32
#define TAIL_STATE     0x7fU
#define TAIL_INITIATOR 8 /* bits from here on */
#define TAIL_EARLY     (1U << 9)
#define TAIL_HEARD     10
#define TAIL_HEARDS    (3U << TAIL_HEARD)
#define TAIL_PENDING   12
#define TAIL_PENDINGS  (0xfU << TAIL_PENDING)
#define TAIL_DUE       16
#define TAIL_DUES      (0xffU << TAIL_DUE)
#define TAIL_LEGS      24
#define LEGS	       8 /* that have a bit each, the last for all above, too */
_Static_assert(offsetof(struct lj_flow_head, due) == offsetof(struct lj_flow_head, packets) + 6 &&
		       offsetof(struct lj_flow_head, legs) ==
			       offsetof(struct lj_flow_head, packets) + 7,
	       "as TAIL_ has them");
/* One packet more, and one more of them in the log. */
#define TAIL_MORE (1ULL | 1ULL << (TAIL_UPPER + TAIL_PENDING))

static inline uint64_t tail_of(const struct flow_slot *s)
{
	uint64_t tail;

	memcpy(&tail, &s->packets, sizeof(tail));
	return tail;
}

/* Where the log goes on, in bytes. */
static inline uint32_t place_of(uint32_t upper)
{
	_Static_assert(sizeof(struct logged) == 1 << 4, "as far as that shift");
	return (upper & TAIL_PENDINGS) >> (TAIL_PENDING - 4);
}

/* Whether the flow goes on, is not due and has heard the side of bit 0 before. */
static inline bool is_quick(uint32_t upper, uint32_t side)
{
	const uint32_t decides = TAIL_STATE | TAIL_DUES;

	/* Nearly always both have spoken. */
	if (likely((upper & (decides | TAIL_HEARDS)) == (LJ_FLOW_OPEN | TAIL_HEARDS)))
		return true;
	return (upper & decides) == LJ_FLOW_OPEN && (upper >> (TAIL_HEARD + (side & 1)) & 1);
}

/* Whether a flow of that age and with that many packets is over, or due for its early verdict. */
static inline bool is_due_now(const struct lj_flow_table *t, uint32_t upper, uint32_t packets,
			      uint64_t age_ns)
{
	if (likely(packets < t->quick.packets && age_ns <= t->quick.age_ns))
		return false;
	return !(upper & TAIL_EARLY) || age_ns > t->config.active_timeout_ns ||
	       packets == UINT32_MAX;
}

/*
 * Flows whose logs have been filled, to be emptied when the packets at hand are through, and before
 * anything else is done with any flow. Until then what the count of such a log has carried over
 * stands in `due`, so that a packet more of it is not quick.
 */
struct filled {
	uint32_t n;
	struct flow_slot *slot[LJ_BURST_MAX];
};

static inline void note_filled(const struct lj_flow_table *t, struct filled *filled,
			       struct flow_slot *s)
{
	filled->slot[filled->n++] = s;
	prefetch_record(s, record_of(t, s), FLOW_LOG, t->config.keep);
}

static inline void fold_filled(struct lj_flow_table *t, struct filled *filled)
{
	for (uint32_t i = 0; i < filled->n; i++) {
		filled->slot[i]->due = LJ_DUE_NOT;
		slot_fold(t, filled->slot[i], FLOW_LOG);
	}
	filled->n = 0;
}

/*
 * Logs the packet of a flow when that is all there is to do about it, as nearly always: nothing
 * is due, over or special. False, and nothing done, otherwise.
 */
static inline bool log_quickly(const struct lj_flow_table *t, struct flow_slot *s,
			       const struct lj_packet *p, struct filled *filled)
{
	const uint64_t tail = tail_of(s), time_ns = p->time_ns, gap_ns = time_ns - s->last_ns;
	const uint32_t upper = (uint32_t)(tail >> TAIL_UPPER);
	const uint32_t side = p->side ^ upper >> TAIL_INITIATOR; /* bit 0 */
	uint64_t more = tail + TAIL_MORE;

	if (!p->plain || !is_quick(upper, side) || gap_ns > t->quick.gap_ns ||
	    is_due_now(t, upper, (uint32_t)tail, time_ns - s->first_ns) || p->leg >= LEGS)
		return false;
	put_logged((struct logged *)((uint8_t *)s->log + place_of(upper)), p, (uint32_t)gap_ns,
		   side);
	more |= 1ULL << (TAIL_UPPER + TAIL_LEGS + p->leg);
	s->last_ns = time_ns;
	memcpy(&s->packets, &more, sizeof(more));
	/* The count has four bits. */
	if (unlikely(more & 1ULL << (TAIL_UPPER + TAIL_DUE)))
		note_filled(t, filled, s);
	return true;
}

#endif
