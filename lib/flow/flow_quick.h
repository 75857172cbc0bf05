/*
 * Private: the fast path for nearly every packet, which is just appended to its flow's log. Inlined
 * into lj_flow_update().
 */
#ifndef FLOW_QUICK_H
#define FLOW_QUICK_H

#include <stddef.h>
#include <string.h>

#include "flow_log.h"
#include "flow_prefetch.h"

/*
 * The end of struct lj_flow_head, from `packets` on, as one 64-bit word, so that it is loaded and
 * stored at once. The bits below are those of the upper half (TAIL_UPPER).
 */
#define TAIL_UPPER     32
#define TAIL_STATE     0x7fU
#define TAIL_YOUNG     0x80U
#define TAIL_INITIATOR 8 /* bits from here on */
#define TAIL_EARLY     (1U << 9)
#define TAIL_HEARD     10
#define TAIL_HEARDS    (3U << TAIL_HEARD)
#define TAIL_PENDING   12
#define TAIL_PENDINGS  (0xfU << TAIL_PENDING)
#define TAIL_DUE       16
#define TAIL_DUES      (0xffU << TAIL_DUE)
#define TAIL_LEGS      24
#define LEGS	       8 /* bits; the last one also stands for all higher legs */
_Static_assert(offsetof(struct lj_flow_head, due) == offsetof(struct lj_flow_head, packets) + 6 &&
		       offsetof(struct lj_flow_head, legs) ==
			       offsetof(struct lj_flow_head, packets) + 7,
	       "the layout of TAIL_");
/* Adds one to `packets` and to `pending`. */
#define TAIL_MORE (1ULL | 1ULL << (TAIL_UPPER + TAIL_PENDING))

static inline uint64_t tail_of(const struct flow_slot *s)
{
	uint64_t tail;

	memcpy(&tail, &s->packets, sizeof(tail));
	return tail;
}

/* The byte offset of the next log entry. */
static inline uint32_t place_of(uint32_t upper)
{
	_Static_assert(sizeof(struct logged) == 1 << 4, "the shift below");
	return (upper & TAIL_PENDINGS) >> (TAIL_PENDING - 4);
}

/* Whether the flow is open, not due, and the side (bit 0) has sent packets before. */
static inline bool is_quick(uint32_t upper, uint32_t side)
{
	const uint32_t decides = TAIL_STATE | TAIL_DUES;

	/* Nearly always both sides have. */
	if (likely((upper & (decides | TAIL_HEARDS)) == (LJ_FLOW_OPEN | TAIL_HEARDS)))
		return true;
	return (upper & decides) == LJ_FLOW_OPEN && (upper >> (TAIL_HEARD + (side & 1)) & 1);
}

/* Whether a flow of that age and number of packets has ended, or is due for an early verdict. */
static inline bool is_due_now(const struct lj_flow_table *t, uint32_t upper, uint32_t packets,
			      uint64_t age_ns)
{
	if (likely(packets < t->quick.packets && age_ns <= t->quick.age_ns))
		return false;
	return !(upper & TAIL_EARLY) || age_ns > t->config.active_timeout_ns ||
	       packets == UINT32_MAX;
}

/*
 * Flows whose logs are full, to be folded at the end of the burst, and before anything else is done
 * with any flow. Until then the carry of the `pending` field is in `due`, so that a further packet
 * of the flow does not take the fast path.
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
 * Appends the packet to the log if nothing else has to be done, as for nearly every packet. False,
 * with nothing changed, otherwise.
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
	/* `pending` has overflowed its four bits into `due`. */
	if (unlikely(more & 1ULL << (TAIL_UPPER + TAIL_DUE)))
		note_filled(t, filled, s);
	return true;
}

#endif
