/* Private: the lists of the timing wheel. Inlined into its callers. */
#ifndef WHEEL_H
#define WHEEL_H

#include "flow_table.h"

/* Starts the wheel with the first packet or tick. Once there are flows, 0 is a valid tick: a
 * capture may begin at the epoch. */
static inline void wheel_begin(struct lj_flow_table *t, uint64_t tick)
{
	if (t->tick == 0 && t->active == 0)
		t->tick = tick;
}

/* When the flow ends unless further packets arrive. */
static inline uint64_t over_ns(const struct lj_flow_table *t, const struct flow_slot *s)
{
	uint64_t idle_ns = s->last_ns + t->config.idle_timeout_ns;

	if (s->state != LJ_FLOW_CLOSING)
		return idle_ns;
	return RTE_MIN(idle_ns, closed_at(t, s) + t->config.tcp_linger_ns);
}

/* The earliest time at which the flow can be due. */
static inline uint64_t wheel_deadline(const struct lj_flow_table *t, const struct flow_slot *s)
{
	uint64_t deadline = over_ns(t, s);

	if (!s->early && t->config.classify_after_ns > 0)
		deadline = RTE_MIN(deadline, s->first_ns + t->config.classify_after_ns);
	return deadline;
}

/* The first tick after the flow's deadline. */
static inline uint64_t deadline_tick(const struct lj_flow_table *t, const struct flow_slot *s)
{
	return wheel_deadline(t, s) / LJ_FLOW_TICK_NS + 1;
}

/* Inserts slot `index` into the list of `tick`, or the nearest that the wheel has. */
static inline void wheel_insert(struct lj_flow_table *t, uint32_t index, uint64_t tick)
{
	struct flow_link *link = &t->links[index];
	uint32_t slot, next;

	tick = RTE_MAX(tick, t->tick + 1);
	tick = RTE_MIN(tick, t->tick + WHEEL_SLOTS - 1);
	t->nearest = RTE_MIN(t->nearest, tick);
	slot = (uint32_t)(tick % WHEEL_SLOTS);
	next = t->slot[slot];
	t->slot[slot] = index;
	link->wheel_slot = (uint16_t)slot;
	link->next = next;
	link->prev = NONE;
	if (likely(next != NONE)) {
		t->links[next].prev = index;
		return;
	}
	t->filed[slot / 64] |= 1ULL << slot % 64;
	t->filed_words |= 1ULL << slot / 64;
}

/* The same by the flow's deadline; `index` is its slot. */
static inline void wheel_file(struct lj_flow_table *t, const struct flow_slot *s, uint32_t index)
{
	wheel_insert(t, index, deadline_tick(t, s));
}

static inline void note_empty(struct lj_flow_table *t, uint32_t slot)
{
	t->filed[slot / 64] &= ~(1ULL << slot % 64);
	if (t->filed[slot / 64] == 0)
		t->filed_words &= ~(1ULL << slot / 64);
}

static inline void wheel_remove(struct lj_flow_table *t, uint32_t index)
{
	const struct flow_link *link = &t->links[index];

	if (link->prev != NONE)
		t->links[link->prev].next = link->next;
	else
		t->slot[link->wheel_slot] = link->next;
	if (link->next != NONE)
		t->links[link->next].prev = link->prev;
	else if (link->prev == NONE)
		note_empty(t, link->wheel_slot);
}

/* Whether the first slot that has records is known. */
static inline bool is_nearest(const struct lj_flow_table *t)
{
	return t->nearest > t->tick && t->slot[t->nearest % WHEEL_SLOTS] != NONE;
}

/* The flow to be evicted: see lj_flow_update(). NULL in an empty table. Its record may be lent. */
static inline struct flow_slot *wheel_nearest(struct lj_flow_table *t)
{
	if (likely(is_nearest(t))) {
		struct flow_slot *s = slot_at(t, t->slot[t->nearest % WHEEL_SLOTS]);

		if (likely(deadline_tick(t, s) <= t->nearest))
			return s;
	}
	return wheel_search(t);
}

#endif
